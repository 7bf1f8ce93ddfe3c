"""`perfkit collect`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS
from perfkit.errors import BadInput, reason
from perfkit.units import parse_duration, parse_size

if TYPE_CHECKING:
    from perfkit.collect.options import Options

app = typer.Typer(**APP_SETTINGS)

_SHORTEST = 0.01  # seconds between two samples
_SMALLEST = 64 << 10  # bytes of a file in a rotation
_KEY_LENGTH = 4096


@app.command()
def collect(
    mode: str = typer.Option("local", envvar="PCC_MODE", help="local writes a file, trickle streams to a receiver."),
    duration: str = typer.Option("24h", envvar="PCC_DURATION", help="How long to record."),
    frequency: str = typer.Option("1s", envvar="PCC_FREQUENCY", help="Time between two samples, from 10ms to hours."),
    collection: Optional[Path] = typer.Option(
        None, envvar="PCC_COLLECTION", help="local: file to write, gzip if it ends in .gz.  [default: HOSTNAME-UTCSTART.json]"
    ),
    append: bool = typer.Option(False, "--append", help="local: continue an existing collection as a new session."),
    max_size: Optional[str] = typer.Option(None, help="local: go on in NAME-002.json and so on when a file is that large, e.g. 100MB."),
    max_files: Optional[int] = typer.Option(None, min=2, help="local: with --max-size, keep only the last so many files."),
    server: str = typer.Option("", envvar="PCC_SERVER", help="trickle: the receiver, http://HOST:PORT or https://HOST."),
    apikey: str = typer.Option("", envvar="PCC_APIKEY", help="trickle: the key; others can see it here until recording starts."),
    apikey_file: Optional[Path] = typer.Option(None, help="trickle: file whose first line is the key."),
    identifier: str = typer.Option("", envvar="PCC_IDENTIFIER", help="trickle: this machine's name there.  [default: hostname]"),
    cacert: Optional[Path] = typer.Option(None, help="trickle: CA certificates (PEM) to trust instead of the system's."),
    spool: Optional[Path] = typer.Option(None, help="trickle: folder for what is not sent yet.  [default: IDENTIFIER.spool]"),
    spool_size: str = typer.Option("256MB", help="trickle: the spool's limit; beyond it the oldest lines are dropped."),
    batch_size: int = typer.Option(500, envvar="PCC_BATCH_SIZE", min=1, max=20000, help="trickle: lines in one request."),
    flush_interval: str = typer.Option("1s", envvar="PCC_FLUSH_INTERVAL", help="trickle: longest time before lines are sent."),
    containers: bool = typer.Option(True, help="Record the containers too."),
    burst: Optional[str] = typer.Option(None, help="On a mark or SIGUSR1 record faster for a while: 10ms@30s."),
    nice: Optional[int] = typer.Option(
        None, min=-20, max=19, help="Priority of its own; 0 is none.  [default: lowest real-time, else -10, where permitted]"
    ),
    proc: Path = typer.Option(Path("/proc"), envvar="PERFKIT_PROC", hidden=True),
    sys_root: Path = typer.Option(Path("/sys"), "--sys", envvar="PERFKIT_SYS", hidden=True),
    root: str = typer.Option("", envvar="PERFKIT_ROOT", hidden=True),
) -> None:
    """Record this machine until the duration ends, or SIGINT or SIGTERM."""
    from perfkit.collect.launch import start
    from perfkit.collect.options import Options

    length, period = burst_of(burst)
    name = identifier or os.uname().nodename
    options = Options(
        mode=mode,
        duration=parse_duration(duration),
        frequency=parse_duration(frequency),
        collection=str(collection or default_name()),
        append=append,
        max_size=parse_size(max_size) if max_size else None,
        max_files=max_files,
        server=server,
        apikey=key_of(apikey, apikey_file),
        identifier=name,
        cacert=str(cacert or ""),
        spool=str(spool or f"{name}.spool"),
        spool_size=parse_size(spool_size),
        batch_size=batch_size,
        flush_interval=parse_duration(flush_interval),
        containers=containers,
        burst=period,
        burst_length=length,
        nice=nice,
        proc=str(proc),
        sys=str(sys_root),
        root=root,
    )
    check(options)
    start(options, sys.argv[1:])


def check(options: Options) -> None:
    """BadInput where the options do not fit together."""
    if options.mode not in ("local", "trickle"):
        raise BadInput(f"{options.mode!r} is no mode; choose --mode local or --mode trickle.")
    if min(options.frequency, options.burst or options.frequency) < _SHORTEST:
        raise BadInput("samples cannot be less than 10ms apart; choose a longer --frequency or --burst.")
    if options.max_size is not None and options.max_size < _SMALLEST:
        raise BadInput("a file cannot be smaller than 64KB; choose a larger --max-size.")
    if options.max_files is not None and options.max_size is None:
        raise BadInput("--max-files keeps the last files of a rotation; say with --max-size when a file is full.")
    if options.mode == "trickle":
        check_trickle(options)


def check_trickle(options: Options) -> None:
    """BadInput where a receiver could not be spoken to."""
    if not options.server:
        raise BadInput("--mode trickle needs a receiver; name it with --server or PCC_SERVER.")
    if not options.apikey:
        raise BadInput("--mode trickle needs a key; give it with PCC_APIKEY, --apikey-file or --apikey.")
    if "/" in options.identifier or not options.identifier.isprintable() or options.identifier.startswith("."):
        raise BadInput(f"{options.identifier!r} is no name for a machine; choose another --identifier.")


def key_of(apikey: str, file: Path | None) -> str:
    """The key as given, or the file's first line."""
    if file is None:
        return apikey.strip()
    try:
        with file.open(encoding="utf-8") as lines:
            return lines.readline(_KEY_LENGTH).strip()
    except OSError as error:
        raise BadInput(f"cannot read the key in {file}: {reason(error)}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{file} holds no key: it is not text.") from None


def burst_of(text: str | None) -> tuple[float, float | None]:
    """(how long, seconds between two samples) of "10ms@30s"; (0, None) if no bursts are wanted."""
    if text is None:
        return 0.0, None
    period, at, length = text.partition("@")
    if not at:
        raise BadInput(f"{text!r} is no burst; write the time between two samples @ the burst's length, as in 10ms@30s.")
    return parse_duration(length), parse_duration(period)


def default_name() -> str:
    """`<hostname>-<UTC start>.json`."""
    return f"{os.uname().nodename}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
