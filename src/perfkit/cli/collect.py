"""`perfkit collect`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS
from perfkit.units import parse_duration

app = typer.Typer(**APP_SETTINGS)


@app.command()
def collect(
    mode: str = typer.Option("local", envvar="PCC_MODE", help="local writes a file, trickle streams to a receiver."),
    duration: str = typer.Option("24h", envvar="PCC_DURATION", help="How long to record."),
    frequency: str = typer.Option("1s", envvar="PCC_FREQUENCY", help="Time between two samples, from 10ms."),
    collection: Optional[Path] = typer.Option(None, envvar="PCC_COLLECTION", help="File to write.  [default: HOSTNAME-UTCSTART.json]"),
    append: bool = typer.Option(False, "--append", help="Continue an existing collection as a new session."),
    nice: int = typer.Option(-10, help="Priority to ask for; 0 asks for none."),
) -> None:
    """Record this machine into a collection until the duration ends, or SIGINT or SIGTERM."""
    from perfkit.collect.launch import start
    from perfkit.collect.options import Options

    start(
        Options(
            mode=mode,
            duration=parse_duration(duration),
            frequency=parse_duration(frequency),
            collection=str(collection or default_name()),
            append=append,
            nice=nice,
        ),
        sys.argv[1:],
    )


def default_name() -> str:
    """`<hostname>-<UTC start>.json`."""
    return f"{os.uname().nodename}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
