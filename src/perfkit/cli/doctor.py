"""`perfkit doctor`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.bootstrap import program_file, tier
from perfkit.cli import APP_SETTINGS, chosen, examples
from perfkit.originals import variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfkit.preflight.verdict import Check

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("doctor", "doctor lab.db", "doctor --server http://desk:8080 --apikey-file key"))
def doctor(
    ctx: typer.Context,
    file: Optional[Path] = typer.Argument(None, metavar="[DB]", help="The database, the same as --db.", show_default=False),
    db: Optional[Path] = typer.Option(
        None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db, if it is there]"
    ),
    server: str = typer.Option("", envvar=variables("collect", "--server"), help="Ask this receiver, too.", show_default=False),
    apikey: str = typer.Option(
        "", envvar=variables("collect", "--apikey"), help="The receiver's key; better in PCC_APIKEY, where others cannot see it."
    ),
    apikey_file: Optional[Path] = typer.Option(None, help="File whose first line is the key; - is standard input."),
    identifier: str = typer.Option("", envvar=variables("collect", "--identifier"), help="This machine's name there.  [default: hostname]"),
    cacert: Optional[Path] = typer.Option(None, help="CA certificates (PEM) to trust instead of the system's."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object instead of text."),
    desk: bool = typer.Option(False, "--desk", hidden=True, help="Check what needs the desk tier alone, as JSON."),
) -> None:
    """Check Python, the file, its cache, the disk, the clock, the database and the receiver.

    One sentence for each problem says what to do. Exit code 0 if there is none, 1 if there is one; a warning is none.
    """
    from perfkit import apikey as key
    from perfkit.cli import verdicts
    from perfkit.preflight.environment import check_environment
    from perfkit.preflight.verdict import FAIL, SKIP, WARN, Check, Report, Words

    database = chosen(ctx, file, db, "db")
    if desk:
        print(json.dumps(list(_desk_checks(database))))
        return
    checks = [*check_environment(program_file(), Path.cwd())]
    if not any((check.name, check.state) in (("file", FAIL), ("cache", FAIL), ("desk", WARN)) for check in checks):
        checks += _of_the_desk(database)
    else:
        checks.append(Check("database", SKIP, "not checked: that takes the desk tier"))
    checks += _receiver(server, key.read(apikey, apikey_file), identifier, str(cacert or ""))
    failed = sum(check.state == FAIL for check in checks)
    words = Words("no problem found", f"{failed} problem{'' if failed == 1 else 's'} found")
    raise typer.Exit(verdicts.show(Report(os.uname().nodename, tuple(checks), words), as_json, every=True).exit_code)


def _of_the_desk(database: Path | None) -> list[Check]:
    """What needs the desk tier, checked by an interpreter that has it: this one in a checkout, else the one that its commands run in."""
    import subprocess

    from perfkit.preflight.verdict import FAIL, Check

    archive = program_file()
    if archive is None:
        return list(_desk_checks(database))
    words = ["doctor", "--desk", *([str(database)] if database else [])]
    done = subprocess.run([*tier.interpreter(archive), *words], capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    try:
        return [Check(*one) for one in json.loads(done.stdout)]
    except ValueError:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        cure = f"the packages of process, import and serve do not start ({said}); remove the cache folder, or use another Python."
        return [Check("desk", FAIL, "they do not start", cure)]


def _desk_checks(database: Path | None) -> Iterator[Check]:
    from perfkit.preflight.verdict import FAIL, OK, SKIP, Check

    try:
        import _duckdb as duckdb
        import datasette  # noqa: F401
        import orjson  # noqa: F401
    except ImportError as error:
        cure = f"the packages of process, import and serve cannot be loaded ({error}); take the whole perfkit.pyz, or install them."
        yield Check("desk", FAIL, "they cannot be loaded", cure)
        return
    yield Check("desk", OK, f"DuckDB {duckdb.__version__}, orjson and Datasette can be loaded")
    from perfkit.receive.request import ReceiverLimits
    from perfkit.store import default_path
    from perfkit.store.check import check_database

    path = database or default_path()
    if database is None and not path.exists():
        yield Check("database", SKIP, f"none at {path} yet")
        return
    yield from check_database(path, ReceiverLimits().keep_free)


def _receiver(server: str, apikey: str, identifier: str, cacert: str) -> tuple[Check, ...]:
    from perfkit.errors import PerfkitError
    from perfkit.preflight.server import check_server
    from perfkit.preflight.verdict import FAIL, SKIP, Check

    if not server:
        return (Check("receiver", SKIP, "none is named (--server or PCC_SERVER)"),)
    try:
        checks = check_server(server, apikey, identifier, cacert, send=bool(apikey)).checks
    except PerfkitError as error:
        return (Check("receiver", FAIL, "it cannot be asked", str(error)),)
    return checks if apikey else (*checks, Check("key", SKIP, "none was given (PCC_APIKEY or --apikey-file)"))
