"""`perfkit rename`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("rename vm-a web-1", "rename vm-a@3 baseline"))
def rename(
    reference: str = typer.Argument(..., metavar="[SITE/]MACHINE[@RUN]", help="A machine, or one of its runs; `perfkit runs` lists them."),
    name: str = typer.Argument(..., help="The new name: of the machine, or the run's label."),
    db: Optional[Path] = typer.Option(None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db]"),
) -> None:
    """Give a machine or a run in the database another name; a run keeps its number."""
    from perfkit.store import default_path, open_database, transaction
    from perfkit.store.database import existing, sentences
    from perfkit.store.references import rename as run
    from perfkit.store.references import resolve

    path = existing(db or default_path())
    with closing(open_database(path)) as con, sentences(path), transaction(con):
        run(con, resolve(con, reference), name)
    print(f"{reference} is called {name} now.")
