"""`perfkit collect`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS, chosen, examples
from perfkit.errors import BadInput
from perfkit.originals import variables, without_effect
from perfkit.units import parse_duration, parse_size

if TYPE_CHECKING:
    from perfkit.collect.launch import CollectOptions

app = typer.Typer(**APP_SETTINGS)

_SHORTEST = 0.01  # seconds between two samples
_SMALLEST = 64 << 10  # bytes of a file in a rotation


@app.command(
    epilog=examples(
        "collect --duration 30m",
        "collect run.json.gz --frequency 100ms",
        "collect --mode trickle --server http://desk:8080 --apikey-file key",
    )
)
def collect(
    ctx: typer.Context,
    file: Optional[Path] = typer.Argument(None, help="local: file to write, the same as --collection.", show_default=False),
    mode: str = typer.Option(
        "local", metavar="local|trickle", envvar=variables("collect", "--mode"), help="local writes a file, trickle streams to a receiver."
    ),
    duration: str = typer.Option("24h", envvar=variables("collect", "--duration"), help="How long to record; 0s is until it is stopped."),
    frequency: str = typer.Option("1s", envvar=variables("collect", "--frequency"), help="Time between two samples, from 10ms to hours."),
    collection: Optional[Path] = typer.Option(
        None,
        envvar=variables("collect", "--collection"),
        help="local: file to write, gzip if it ends in .gz.  [default: HOSTNAME-UTCSTART.json]",
    ),
    format_: str = typer.Option(
        "perfkit",
        "--format",
        metavar="perfkit|pcc",
        help="perfkit, or pcc for pcprocess and the portal: without what perfkit adds, marks go into a file next to it.",
    ),
    append: bool = typer.Option(False, "--append", help="local: continue an existing collection as a new session."),
    max_size: Optional[str] = typer.Option(None, help="local: go on in NAME-002.json and so on when a file is that large, e.g. 100MB."),
    max_files: Optional[int] = typer.Option(None, min=2, help="local: with --max-size, keep only the last so many files."),
    server: str = typer.Option(
        "", envvar=variables("collect", "--server"), help="trickle: the receiver, http://HOST:PORT or https://HOST."
    ),
    apikey: str = typer.Option(
        "",
        envvar=variables("collect", "--apikey"),
        help="trickle: the key. Others may see it here for a moment: rather use the environment or a file.",
    ),
    apikey_file: Optional[Path] = typer.Option(None, help="trickle: file whose first line is the key; - is standard input."),
    identifier: str = typer.Option(
        "",
        envvar=variables("collect", "--identifier"),
        help="trickle: this machine's name there.  [default: hostname; for pcc machine-id]",
    ),
    cacert: Optional[Path] = typer.Option(None, help="trickle: CA certificates (PEM) to trust instead of the system's."),
    spool: Optional[Path] = typer.Option(None, help="trickle: folder for what is not sent yet.  [default: IDENTIFIER.spool]"),
    spool_size: str = typer.Option("256MB", help="trickle: the spool's limit; beyond it the oldest lines are dropped."),
    batch_size: int = typer.Option(
        500, envvar=variables("collect", "--batch-size"), min=1, max=20000, help="trickle: lines in one request."
    ),
    flush_interval: str = typer.Option(
        "1s", envvar=variables("collect", "--flush-interval"), help="trickle: longest time before lines are sent."
    ),
    containers: Optional[bool] = typer.Option(
        None, "--containers/--no-containers", help="Record the containers too.  [default: yes; with --format pcc no]"
    ),
    services: Optional[bool] = typer.Option(
        None, "--services/--no-services", help="Record systemd's services and Kubernetes' pods.  [default: yes; with --format pcc no]"
    ),
    processes: Optional[bool] = typer.Option(
        None,
        "--processes/--no-processes",
        help="Record which processes use the machine: half a millisecond of CPU a sample at 100 processes, a millisecond at 1,000.  "
        "[default: yes; with --format pcc no]",
    ),
    cmdline: bool = typer.Option(
        True, "--cmdline/--no-cmdline", help="Record the first 200 bytes of each process's command line; what looks like a secret is ***."
    ),
    burst: Optional[str] = typer.Option(None, help="On a mark or SIGUSR1 record faster for a while: 10ms@30s."),
    nice: Optional[int] = typer.Option(
        None,
        min=-20,
        max=19,
        help="Scheduling priority (nice value); 0 leaves it unchanged.  [default: lowest real-time priority, else -10, where permitted]",
    ),
    proc: Path = typer.Option(Path("/proc"), envvar="PERFKIT_PROC", hidden=True),
    sys_root: Path = typer.Option(Path("/sys"), "--sys", envvar="PERFKIT_SYS", hidden=True),
    root: str = typer.Option("", envvar="PERFKIT_ROOT", hidden=True),
) -> None:
    """Record this machine until the duration ends, or SIGINT or SIGTERM."""
    from perfkit import apikey as key
    from perfkit.collect.launch import CollectOptions, start

    length, period = burst_of(burst)
    name = identifier or default_identifier(format_)
    options = CollectOptions(
        mode=mode,
        format=format_,
        duration=parse_duration(duration, zero=True) or None,
        frequency=parse_duration(frequency),
        collection=str(chosen(ctx, file, collection, "collection") or default_name()),
        append=append,
        max_size=parse_size(max_size) if max_size else None,
        max_files=max_files,
        server=server,
        apikey=key.read(apikey, apikey_file),
        identifier=name,
        cacert=str(cacert or ""),
        spool=str(spool or f"{name}.spool"),
        spool_size=parse_size(spool_size),
        batch_size=batch_size,
        flush_interval=parse_duration(flush_interval),
        containers=format_ != "pcc" if containers is None else containers,
        services=format_ != "pcc" if services is None else services,
        processes=format_ != "pcc" if processes is None else processes,
        cmdline=cmdline,
        burst=period,
        burst_length=length,
        nice=nice,
        proc=str(proc),
        sys=str(sys_root),
        root=root,
    )
    check(options)
    for sentence in without_effect("collect", os.environ):
        print(f"perfkit: {sentence}", file=sys.stderr)
    start(options, sys.argv[1:])


def check(options: CollectOptions) -> None:
    """BadInput where the options do not fit together."""
    if options.mode not in ("local", "trickle"):
        raise BadInput(f"{options.mode!r} is not a mode; choose --mode local or --mode trickle.")
    if options.format not in ("perfkit", "pcc"):
        raise BadInput(f"{options.format!r} is not a format; choose --format perfkit or --format pcc.")
    if min(options.frequency, options.burst or options.frequency) < _SHORTEST:
        raise BadInput("samples cannot be less than 10ms apart; choose a longer --frequency or --burst.")
    if options.max_size is not None and options.max_size < _SMALLEST:
        raise BadInput("a file cannot be smaller than 64KB; choose a larger --max-size.")
    if options.max_files is not None and options.max_size is None:
        raise BadInput("--max-files keeps the last files of a rotation; say with --max-size when a file is full.")
    if options.mode == "trickle":
        check_trickle(options)


def check_trickle(options: CollectOptions) -> None:
    """BadInput where a receiver could not be spoken to."""
    if not options.server:
        raise BadInput("--mode trickle needs a receiver; name it with --server or PCC_SERVER.")
    if not options.apikey:
        raise BadInput("--mode trickle needs a key; give it with PCC_APIKEY or --apikey-file.")
    if "/" in options.identifier or not options.identifier.isprintable() or options.identifier.startswith("."):
        raise BadInput(f"{options.identifier!r} cannot be a machine's name; choose another --identifier.")


def burst_of(text: str | None) -> tuple[float, float | None]:
    """(how long, seconds between two samples) of "10ms@30s"; (0, None) if no bursts are wanted."""
    if text is None:
        return 0.0, None
    period, at, length = text.partition("@")
    if not at:
        raise BadInput(f"{text!r} is not a burst; write the time between two samples @ the burst's length, as in 10ms@30s.")
    return parse_duration(length), parse_duration(period)


def default_name() -> str:
    """`<hostname>-<UTC start>.json`."""
    return f"{os.uname().nodename}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"


def default_identifier(format_: str) -> str:
    """The hostname; for pcc's receivers the machine-id, by which pcc has always named a machine to them."""
    if format_ == "pcc":
        try:
            found = Path("/etc/machine-id").read_text().strip()
        except (OSError, ValueError):
            found = ""
        if found:
            return found
    return os.uname().nodename
