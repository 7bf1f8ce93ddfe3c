"""`perfkit preflight`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional  # noqa: UP035 - typer reads the annotations on Python 3.9

import typer
from typer.core import TyperCommand

from perfkit.cli import APP_SETTINGS, chosen, examples

if TYPE_CHECKING:
    import click

    from perfkit.preflight import Report

app = typer.Typer(**APP_SETTINGS)

_LOAD = f"{__name__}.load"


class _Guarded(TyperCommand):
    """A command with another behind `--`, which stands in the context: not all of its words are options and arguments of ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.meta[_LOAD] = args[end + 1 :]
        return super().parse_args(ctx, args[:end])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- COMMAND ...]"]


@app.command(
    cls=_Guarded,
    epilog=examples(
        "preflight",
        "preflight run.json --stop-on-loss -- k6 run test.js",
        "preflight --machine",
        "preflight --server http://desk:8080 --apikey-file key",
    ),
)
def preflight(
    ctx: typer.Context,
    file: Optional[List[Path]] = typer.Argument(  # noqa: UP006 - as above
        None, metavar="[FILE]", help="The collection, or the spool of a streaming collector: the same as --collection.", show_default=False
    ),
    collection: Optional[Path] = typer.Option(
        None,
        envvar="PCC_COLLECTION",
        help="The collection, or the spool of a streaming collector.  [default: the one that is being recorded here]",
    ),
    wait: Optional[str] = typer.Option(None, help="How long to watch.  [default: 5s, or two and a half periods if longer]"),
    watch: bool = typer.Option(False, "--watch", help="Go on watching until the collection ends; say at once when it stops."),
    machine: bool = typer.Option(False, "--machine", help="Check this machine before a collection is started."),
    server: Optional[str] = typer.Option(
        None, help="Check the way to this receiver: ping, key, a test batch; with --spool or a command, that samples arrive there."
    ),
    apikey: str = typer.Option("", envvar="PCC_APIKEY", help="The receiver's key; better in PCC_APIKEY, where others cannot see it."),
    apikey_file: Optional[Path] = typer.Option(None, help="File whose first line is the key; - is standard input."),
    identifier: str = typer.Option("", envvar="PCC_IDENTIFIER", help="This machine's name at the receiver.  [default: hostname]"),
    cacert: Optional[Path] = typer.Option(None, help="CA certificates (PEM) to trust instead of the system's."),
    spool: Optional[Path] = typer.Option(None, help="A streaming collector's spool: prove that what it records is acknowledged."),
    label: str = typer.Option("load", help="With a command: the label of its start and end marks."),
    stop_on_loss: bool = typer.Option(False, "--stop-on-loss", help="With a command: end it as soon as recording stops."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object per line instead of text."),
) -> None:
    """Prove that a collection is being recorded, or that a stream arrives; run a load only if it is so.

    The load stands behind `--`: it is run only if the proof holds, and its exit code is passed on.

    Exit code 0 if all holds, 1 if not, 2 if the file or the options are wrong.
    """
    from contextlib import nullcontext

    from perfkit.apikey import read
    from perfkit.cli import verdicts
    from perfkit.preflight.guard import NOT_STARTED, before_the_load, require_command
    from perfkit.units import parse_duration

    def show(report: Report) -> int:
        return verdicts.show(report._replace(consequence=NOT_STARTED if command else ""), as_json).exit_code

    command: list[str] = ctx.meta[_LOAD]
    with before_the_load() if command else nullcontext():
        if command:
            require_command(command)
        seconds = parse_duration(wait) if wait else None
        named = _named(chosen(ctx, _one(file or []), collection, "collection"), spool)
        code = _check_machine(show) if machine else 0
        if server:
            code = max(code, _check_server(show, server, read(apikey, apikey_file), identifier, cacert))
        if code or ((machine or server) and not (named or command or watch)):
            _next(code or as_json, "perfkit collect")
            raise typer.Exit(code)
        path = named or _chosen(server, seconds)
        code = show(_check(path, seconds, server))
        if code or not (command or watch):
            _next(code or as_json, "perfkit preflight -- COMMAND runs the load, and watches on")
            raise typer.Exit(code)
    raise typer.Exit(_run(path, command, label, stop_on_loss, as_json) if command else _watch(path, as_json))


def _next(nothing: int | bool, sentence: str) -> None:
    from perfkit.cli import next_step

    if not nothing:
        next_step(sentence)


def _one(files: list[Path]) -> Path | None:
    """The only file of `files`; BadInput where they look like a load that is not behind `--`."""
    import shutil

    from perfkit.errors import BadInput

    words = " ".join(map(str, files))
    if len(files) > 1 or (files and not files[0].exists() and shutil.which(files[0])):
        raise BadInput(f"{words} is not one collection; a load stands behind two dashes: perfkit preflight -- {words}.")
    return files[0] if files else None


def _named(collection: Path | None, spool: Path | None) -> Path | None:
    """What the user names to be proven; --spool wins over a PCC_COLLECTION that is set for other commands."""
    from perfkit.errors import BadInput

    if spool is not None and not spool.is_dir():
        raise BadInput(f"{spool} is not a folder; name the folder given to collect --spool.")
    return spool or collection


def _chosen(server: str | None, wait: float | None) -> Path:
    """What is recorded in this folder; with a `server`, it has to be a stream. Raises BadInput."""
    from perfkit.collection.choose import choose
    from perfkit.errors import BadInput
    from perfkit.preflight.observe import DEFAULT_WAIT

    path = Path(choose(spools=True, wait=DEFAULT_WAIT if wait is None else wait))
    if server and not path.is_dir():
        raise BadInput(
            f"no collector streams to {server} from this folder ({path} is a file); start collect --mode trickle here, or name its --spool."
        )
    return path


def _check_machine(show: Callable[[Report], int]) -> int:
    from perfkit.preflight.machine import check_machine

    return show(check_machine(Path.cwd()))


def _check_server(show: Callable[[Report], int], server: str, apikey: str, identifier: str, cacert: Path | None) -> int:
    from perfkit.preflight.server import check_server

    return show(check_server(server, apikey, identifier, str(cacert or "")))


def _check(path: Path, wait: float | None, server: str | None) -> Report:
    if path.is_dir():
        from perfkit.preflight.stream import check_stream

        return check_stream(path, wait, server)
    from perfkit.preflight import check_recording

    return check_recording(path, wait)


def _run(path: Path, command: list[str], label: str, stop_on_loss: bool, as_json: bool) -> int:
    from perfkit.cli import verdicts
    from perfkit.preflight.guard import run_guarded

    outcome = run_guarded(path, command, label=label, stop_on_loss=stop_on_loss, tell=_tell)
    verdicts.show(outcome.certificate, as_json)
    _next(outcome.exit_code or as_json or path.is_dir(), f"perfkit process {path}, when all loads have run")
    return outcome.exit_code


def _watch(path: Path, as_json: bool) -> int:
    from perfkit.cli import verdicts
    from perfkit.preflight.stream import open_watch
    from perfkit.preflight.watch import watch_until_end

    return verdicts.follow(watch_until_end(open_watch(path)), as_json)


def _tell(sentence: str) -> None:
    print(f"perfkit: {sentence}", file=sys.stderr, flush=True)
