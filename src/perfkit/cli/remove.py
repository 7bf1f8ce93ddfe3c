"""`perfkit remove`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("remove vm-a@3", "remove lab/vm-a"))
def remove(
    reference: str = typer.Argument(..., metavar="[SITE/]MACHINE[@RUN]", help="A machine, or one of its runs; `perfkit runs` lists them."),
    db: Optional[Path] = typer.Option(None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db]"),
) -> None:
    """Delete a machine, or a run with its samples, from the database.

    Files that were imported stay as they are, and can be imported again.
    """
    from perfkit.store import default_path, open_database, transaction
    from perfkit.store.database import existing, sentences
    from perfkit.store.references import remove as run
    from perfkit.store.references import resolve

    path = existing(db or default_path())
    with closing(open_database(path)) as con, sentences(path), transaction(con):
        count = run(con, resolve(con, reference))
    print(f"Removed {reference}: {count:,} sample{'' if count == 1 else 's'}.")
