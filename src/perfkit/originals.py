"""What the collector pcc was told by environment variables and options, and what perfkit makes of it: the one table.

Target tier; pure data and light to import.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The commands whose long options may also be written with one dash, as Go's programs had them: `-collection run.json`.
ONE_DASH = ("collect", "serve", "process")

# By command and option, the variables that set it; the first that is set counts.
VARIABLES = {
    ("collect", "--mode"): ("PCC_MODE",),
    ("collect", "--duration"): ("PCC_DURATION", "PCC_CONTAINER_DURATION"),
    ("collect", "--frequency"): ("PCC_FREQUENCY", "PCC_CONTAINER_FREQUENCY"),
    ("collect", "--collection"): ("PCC_COLLECTION", "PCC_CONTAINER_COLLECTION"),
    ("collect", "--server"): ("PCC_SERVER", "PCC_SERVER_URL"),
    ("collect", "--apikey"): ("PCC_APIKEY",),
    ("collect", "--identifier"): ("PCC_IDENTIFIER", "PCC_MACHINE_NAME"),
    ("collect", "--batch-size"): ("PCC_BATCH_SIZE",),
    ("collect", "--flush-interval"): ("PCC_FLUSH_INTERVAL",),
}

# Whose variables begin how.
_PREFIXES = {"collect": "PCC_"}

# (pattern of a name, values that ask for what perfkit does anyway, why any other value has no effect). The first that matches counts.
WITHOUT_EFFECT = (
    (r"PCC_LOGLEVEL", ("info",), "there are no log levels; --debug shows tracebacks"),
    (r"PCC_SERIALIZATION", ("json",), "JSON is what is sent"),
    (r"PCC_COMPRESSION", ("gzip",), "batches are sent as gzip where the receiver takes it"),
    (r"PCC_BENCHMARK_.*", (), "collect runs no load; run one with perfkit preflight -- COMMAND, or with run_loadtest.sh"),
    (r"PCC_CONTAINER_COLLECTION", (), "host and containers are recorded into one collection"),
    (r"PCC_CONTAINER_(DURATION|FREQUENCY)", (), "host and containers are recorded together"),
    (r"PCC_CONTAINER_.*", (), "containers are found by their control groups, without asking a runtime; see --no-containers"),
    (r".*", (), "perfkit has no equal"),
)
_OF_OTHERS = ("PCC_BINARY", "PCC_CONTAINER_BINARY")  # run_loadtest.sh takes them


def variables(command: str, option: str) -> list[str]:
    """The environment variables that set an option, the first that is set counts; as typer's `envvar` wants them."""
    return list(VARIABLES[command, option])


def without_effect(command: str, environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable of the originals that is set for `command` and changes nothing."""
    used = {option: [name for name in names if environment.get(name)] for (of, option), names in VARIABLES.items() if of == command}
    values = {name: environment[names[0]] for names in used.values() for name in names}
    sentences = []
    for name in sorted(environment):
        value = environment[name]
        if not name.startswith(_PREFIXES[command]) or not value or name in _OF_OTHERS or values.get(name) == value:
            continue
        wanted, why = next((wanted, why) for pattern, wanted, why in WITHOUT_EFFECT if re.fullmatch(pattern, name))
        if value.lower() not in wanted:
            sentences.append(f"{name} has no effect: {why}.")
    return sentences
