"""`perfkit mcp`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, chosen, examples

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("mcp", "mcp --db lab.db"))
def mcp(
    ctx: typer.Context,
    file: Optional[Path] = typer.Argument(None, metavar="[DB]", help="The database, the same as --db.", show_default=False),
    db: Optional[Path] = typer.Option(None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db]"),
) -> None:
    """Answer an agent's questions about the database, on standard input and output, until the input ends.

    It speaks the Model Context Protocol, and only reads: runs, verdicts, findings, comparisons, series, SQL. An agent starts it by
    itself; docs/mcp.md says how to tell it to.
    """
    from contextlib import closing

    from perfkit.store import default_path, open_database

    path = (chosen(ctx, file, db, "db") or default_path()).absolute()
    open_database(path, read_only=True).close()
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # whatever else is printed is no message

    from perfkit.mcp import Database, serve
    from perfkit.mcp.tools import INSTRUCTIONS

    with closing(Database(path)) as database:
        serve(sys.stdin.buffer, answers, database.tools(), INSTRUCTIONS)
