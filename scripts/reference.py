#!/usr/bin/env python3
"""Write the generated pages of docs/: `PYTHONPATH=src python3 scripts/reference.py`. A test checks that it was done.

metrics.md comes from the catalog and the definitions in pages/, findings.md and compare-rules.md from the rules, cli.md from the commands,
http.md from the routes, from-pcc.md from the table of pcc's variables, and tutorial.md from what commands print of two invented recordings.
"""

from __future__ import annotations

import contextlib
import gzip
import inspect
import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from unittest import mock

import click
import tomllib
import typer

from perfkit import originals
from perfkit.catalog import TABLES, Table
from perfkit.cli import app, compare, main
from perfkit.collection.certificate import TRUSTED
from perfkit.commands import COMMANDS, TARGET
from perfkit.dashboard.plugin import ROUTES
from perfkit.errors import BadInput, Failed
from perfkit.process.findings import LIMITS, Rule, rules, rules_file
from perfkit.store.comparable import PACKAGE

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from support import invent  # noqa: E402 - from this checkout

METRICS = """# Every column

How a column is computed stands in the `.sql` file of its table, beside the column. What holds for all of them:

* `timestamp` comes first in every CSV: ISO 8601, UTC, with milliseconds where the collection has them. In the database it is a
  whole number of milliseconds since the epoch.
* A **rate** is a counter's difference over the monotonic time between the two reads, per second. The first sample has none, nor has
  the first after a reset, a reboot or a hot-plug: the cell is empty, never 0. Over a gap it is the true average.
* A **share** is a percentage from 0 to 100; a container's CPU is in percent of one core and has no upper bound.
* A **gauge** is the level at the instant of the sample. A **counter** is the kernel's own running total. A **flag** is 0 or 1.
* Bytes are bytes; KiB and MiB are 1,024 and 1,048,576 of them. A disk's sector is 512 bytes.
* `in_total` is 1 for the devices that the host's total counts: disks that are not made of other block devices, and physical
  interfaces. So each byte counts once.
"""


DEFINITIONS = tomllib.loads((ROOT / "scripts" / "pages" / "definitions.toml").read_text())


def definition(table: Table, column: str) -> str:
    """What a column is, in words; a service's is a container's where it has none of its own."""
    own = DEFINITIONS[table.name]
    return str((DEFINITIONS["containers"] | own if table.name == "services" else own)[column]).replace("|", "\\|")


def columns_of(table: Table) -> Iterator[str]:
    yield f"\n## {table.title}\n\n"
    yield f"`{table.name}.csv`, database table `{table.database_name}`, computed in "
    yield f"[`{table.name}.sql`](../src/perfkit/process/sql/components/{table.name}.sql)\n\n"
    yield "| column | kind | unit | what it is | from |\n|---|---|---|---|---|\n"
    for column in table.columns:
        yield f"| `{column.name}` | {column.kind} | {column.unit} | {definition(table, column.name)} | `{column.source}` |\n"


FINDINGS = f"""# What perfkit finds

A **finding** is a rule that holds in a run or a phase: its condition is true for at least its share of the samples, and for at least
so many of them. One line per rule names the worst device or container and how many more are like it. Every finding says what to do,
and carries the SQL that lists the samples it was found in: run it in the folder of `process` with DuckDB, or on the dashboard's SQL
page.

The **verdict** is one sentence made of the findings. It names the resource that was at its limit for most of the time (of several, the
one that began first), from when, and at which load where a load tool's timeline was imported
(that of the [knee](capacity.md), or without a knee that of the instant); then how far the others were from
theirs. A recording that has less than {TRUSTED} % of the samples that were due is not to be trusted, and the verdict says so first. Where
the speed of the network's links is not known (most virtual interfaces), the network is judged by its errors alone.

`findings.csv` and the database's table `findings` list them, `process --json` and `/api/v1/runs/ID` have them as JSON. The rules are in
[`rules.toml`](../src/perfkit/process/rules.toml), in the order of importance. The limits on the overview page, which everybody may
change in the page's address, are another thing: they mark single figures.

"""


def row(rule: Rule) -> str:
    """One rule as a row; in its condition, names are columns of metrics.md."""
    limit = LIMITS.get(rule.limit, "")
    return f"| `{rule.name}` | {rule.kind} | {limit} | `{condition(rule)}` | {least(rule)} | {rule.advice} | {rule.source} |\n"


def condition(rule: Rule) -> str:
    """When a rule holds of a sample."""
    values = (("|", "\\|"), ("{cpus}", "CPUs"), ("{period_ms}", "period"), ("{foreign}", "command is background work"))
    text = rule.when
    for name, value in values:
        text = text.replace(name, value)
    return f"{text}`; `{rule.having}" if rule.having else text


def least(rule: Rule) -> str:
    """How many samples it has to hold of."""
    return f"{rule.share:g} %, {rule.samples}" if rule.share else f"{rule.samples}"


EFFECTS = {
    "forbid": "no verdict",
    "warn": "a note",
    "generator": "no verdict, where the run is `--generator`'s",
    "machine": "no verdict; a note with `--across-machines`",
}
# What stands in a sentence for what is put in; else its own name.
EXAMPLES = {"worst": "N", "share": "N", "beyond": "TIME", "length": "TIME", "a": "A", "b": "B", "tables": "TABLE (N devices)"}


def compare_rules() -> str:
    """docs/compare-rules.md as the rules have it now."""
    of_two, of_arms = rules_file(PACKAGE)["pair"], rules_file(PACKAGE)["arm"]
    return page(
        "compare-rules.md",
        of_runs=(compare_row(vars(one), f"`{condition(one)}` | {least(one)}", one.advice) for one in rules(PACKAGE)),
        of_pairs=(compare_row(one, f"`{one['when']}`") for one in of_two),
        of_arms=(compare_row(one, one["when"].format(**one.get("limits", {}))) for one in of_arms),
    )


def compare_row(rule: Mapping[str, str], when: str, *more: str) -> str:
    """One rule of a comparison as a row."""
    cells = (f"`{rule['name']}`", EFFECTS[rule["kind"]], when, example(rule["sentence"]), rule["source"], *more)
    return f"| {' | '.join(cells)} |\n"


def example(sentence: str) -> str:
    """A rule's sentence with words for what is put in: "{a[cpus]}" becomes "A", "{subject}" "SUBJECT"."""
    return re.sub(r"{(\w+)[^}]*}", lambda found: EXAMPLES.get(found[1], found[1].upper()), sentence)


def metrics() -> str:
    """docs/metrics.md as the catalog has it now."""
    return METRICS + "".join(part for table in TABLES for part in columns_of(table))


def findings() -> str:
    """docs/findings.md as the rules have it now."""
    head = "| rule | kind | limit | a sample's condition | samples, at least | what to do | source |\n|---|---|---|---|---|---|---|\n"
    return FINDINGS + head + "".join(row(rule) for rule in rules())


def page(name: str, **parts: Iterable[str]) -> str:
    """The page of that name in scripts/pages/, each @PART@ replaced."""
    text = (ROOT / "scripts" / "pages" / name).read_text()
    for part, lines in parts.items():
        text = text.replace(f"@{part}@", "".join(lines))
    return text


def cli() -> str:
    """docs/cli.md as the commands have it now."""
    root = cast("click.Group", typer.main.get_command(app))
    parent = click.Context(root, info_name="perfkit", terminal_width=100, max_content_width=100)
    return page("cli.md", exits=exits(), commands=(part for name in COMMANDS for part in help_of(root, parent, name)))


def exits() -> Iterator[str]:
    """A row per exit code: those of the errors, those of `compare --fail-on`, and the load's."""
    yield "| 0 | every command | done |\n"
    for error in (Failed, BadInput):
        said = (inspect.getdoc(error) or "").partition("\n")[0].rstrip(".")
        yield f"| {error.exit_code} | every command | {said[0].lower()}{said[1:]}{', or it was interrupted' * (error is Failed)} |\n"
    yield f"| {compare.WORSE} | `compare --fail-on worse` | something is worse, by `--at-least` or more |\n"
    yield f"| {compare.UNJUDGED} | `compare --fail-on worse` | nothing, or not all that was named, could be judged |\n"
    yield "| the load's, 128 + N where signal N ended it | `preflight -- COMMAND` | it was recorded; 1 where the certificate fails |\n"


def help_of(group: click.Group, parent: click.Context, name: str) -> Iterator[str]:
    """A command's heading and help, and those of the commands below it."""
    command = cast("click.Command", group.get_command(parent, name))
    ctx = click.Context(command, info_name=name, parent=parent, terminal_width=100, max_content_width=100)
    heading = ctx.command_path.removeprefix("perfkit ")
    tier = f"\n{'Target' if COMMANDS[name][0] == TARGET else 'Desk'} tier.\n" if heading == name else ""
    text = "\n".join(line.rstrip() for line in command.get_help(ctx).splitlines())
    yield f"\n## {heading}\n{tier}\n```text\n{text}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(ctx):
            yield from help_of(command, ctx, below)


def http() -> str:
    """docs/http.md as the routes have it now."""
    ours = (f"| `{place(route.example)}` | {told(route.view)} |\n" for route in ROUTES)
    return page("http.md", routes=ours)


def place(example: str) -> str:
    """A route's example with words for what differs: "/runs/1@1" becomes "/runs/ID@N"."""
    path = re.sub(r"^/assets/.*", "/assets/VERSION/FILE", example.partition("?")[0])
    path = re.sub(r"/(containers|processes)/[^/]+$", lambda found: f"/{found[1]}/NAME", path)
    return re.sub(r"/1(?=/|$)", "/ID", path.replace("/1@1", "/ID@N"))


def told(view: Callable[..., Any]) -> str:
    """The first paragraph of what a view promises."""
    return " ".join((inspect.getdoc(view) or "").partition("\n\n")[0].split()).replace("|", "\\|")


def from_pcc() -> str:
    """docs/from-pcc.md with the variables as perfkit.originals has them."""
    taken = (
        f"| `{name}` | `{command} {option}`{'' if name == names[0] else f', behind `{names[0]}`'} |\n"
        for (command, option), names in originals.VARIABLES.items()
        for name in names
    )
    without = (f"| {', '.join(names_of(pattern))} | {why} |\n" for pattern, _, why in originals.WITHOUT_EFFECT[:-1])
    return page("from-pcc.md", taken=taken, without=without)


def names_of(pattern: str) -> list[str]:
    """The names that a pattern of variables stands for: "PCC_(A|B)" gives `PCC_A` and `PCC_B`."""
    head, _, ends = pattern.replace(".*", "*").rstrip(")").partition("(")
    return [f"`{head}{end}`" for end in ends.split("|")]


def tutorial() -> str:
    """docs/tutorial.md with what the commands print, run one after the other in a folder with the two recordings that it speaks of."""
    marks = [(30, "load", "start"), (60, "steady", "start"), (210, "steady", "end"), (240, "load", "end")]
    with tempfile.TemporaryDirectory() as home, contextlib.chdir(home), mock.patch.dict("os.environ", {"HOME": home}, clear=True):
        for number, (name, busy) in enumerate((("before", 0.72), ("after", 0.99))):
            path, spikes = Path(f"{name}.json"), [(30, 30, busy - 0.2), (60, 150, busy), (210, 30, busy - 0.3)]
            invent.write(path, start=invent.START + 3600 * number, seconds=270, seed=number, spikes=spikes, marks=marks)
            path.write_text(re.sub(r"(pswp\w+|TcpExt:) \d+( \d+)?", r"\1 0\2", path.read_text()))  # it has memory enough
            Path(f"{name}.json.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        return re.sub("^@run (.+)@$", lambda found: run(found[1]), page("tutorial.md"), flags=re.MULTILINE)


def run(command: str) -> str:
    """The command, and what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        if code := main(command.split()):
            raise SystemExit(f"perfkit {command} ended with {code}")
    mark = "<!-- not run: scripts/reference.py has run it, and this is what it printed -->"
    printed = said.getvalue().replace(str(Path.cwd()), "/home/you")
    return f"{mark}\n\n    python3 perfkit.pyz {command}\n\n```text\n{printed.strip()}\n```"


PAGES = {
    "tutorial.md": tutorial,
    "metrics.md": metrics,
    "findings.md": findings,
    "compare-rules.md": compare_rules,
    "cli.md": cli,
    "http.md": http,
    "from-pcc.md": from_pcc,
}

if __name__ == "__main__":
    for name, made in PAGES.items():
        (ROOT / "docs" / name).write_text(made())
