"""`perfkit preflight`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional  # noqa: UP035 - typer reads the annotations on Python 3.9

import typer

from perfkit.cli import APP_SETTINGS

if TYPE_CHECKING:
    from perfkit.preflight import Report

app = typer.Typer(**APP_SETTINGS)


@app.command()
def preflight(
    command: Optional[List[str]] = typer.Argument(  # noqa: UP006 - as above
        None, metavar="[-- COMMAND ...]", help="A load to run, only if the proof holds; its exit code is passed on."
    ),
    collection: Optional[Path] = typer.Option(None, envvar="PCC_COLLECTION", help="The collection.  [default: the newest here]"),
    wait: Optional[str] = typer.Option(None, help="How long to watch.  [default: 5s, or two and a half periods if longer]"),
    watch: bool = typer.Option(False, "--watch", help="Go on watching until the collection ends; say at once when it stops."),
    machine: bool = typer.Option(False, "--machine", help="Check this machine before a collection is started."),
    server: Optional[str] = typer.Option(None, help="Check the way to this receiver: ping, key, a test batch."),
    apikey: Optional[str] = typer.Option(None, envvar="PCC_APIKEY", help="The receiver's key."),
    spool: Optional[Path] = typer.Option(None, help="With --server: the collector's spool, which must drain."),
    label: str = typer.Option("load", help="With a command: the label of its start and end marks."),
    stop_on_loss: bool = typer.Option(False, "--stop-on-loss", help="With a command: end it as soon as recording stops."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object a line instead of text."),
) -> None:
    """Prove that a collection is being recorded; run a load only if it is.

    Exit code 0 if all holds, 1 if not, 2 if the file or the options are wrong.
    """
    from contextlib import nullcontext

    from perfkit.cli import verdicts
    from perfkit.preflight import check_recording
    from perfkit.preflight.guard import NOT_STARTED, before_the_load, require_command
    from perfkit.units import parse_duration

    consequence = NOT_STARTED if command else ""
    with before_the_load() if command else nullcontext():
        if command:
            require_command(command)
        seconds = parse_duration(wait) if wait else None
        if machine or server:
            reports = _check_others(machine=machine, server=server, apikey=apikey, spool=spool, wait=seconds or 5.0)
            code = max(verdicts.show(report._replace(consequence=consequence), as_json).exit_code for report in reports)
            if code or not (collection or command or watch):
                raise typer.Exit(code)
        path = _named(collection)
        report = verdicts.show(check_recording(path, seconds)._replace(consequence=consequence), as_json)
        if not report.passed or not (command or watch):
            raise typer.Exit(report.exit_code)
    raise typer.Exit(_run(path, command, label, stop_on_loss, as_json) if command else _watch(path, as_json))


def _check_others(*, machine: bool, server: str | None, apikey: str | None, spool: Path | None, wait: float) -> Iterator[Report]:
    from perfkit.preflight.machine import check_machine
    from perfkit.preflight.server import check_server

    if machine:
        yield check_machine(Path.cwd())
    if server:
        yield check_server(server, apikey, spool, wait)


def _run(path: Path, command: list[str], label: str, stop_on_loss: bool, as_json: bool) -> int:
    from perfkit.cli import verdicts
    from perfkit.preflight.guard import run_guarded

    outcome = run_guarded(path, command, label=label, stop_on_loss=stop_on_loss, tell=_tell)
    verdicts.show(outcome.certificate, as_json)
    return outcome.exit_code


def _watch(path: Path, as_json: bool) -> int:
    from perfkit.cli import verdicts
    from perfkit.preflight.watch import watch_until_end

    return verdicts.follow(watch_until_end(path), as_json)


def _tell(sentence: str) -> None:
    print(f"perfkit: {sentence}", file=sys.stderr, flush=True)


def _named(collection: Path | None) -> Path:
    if collection:
        return collection
    from perfkit.preflight.recording import find

    return find(Path())
