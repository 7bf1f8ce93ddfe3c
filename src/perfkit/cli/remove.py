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
    """Delete a machine, or a run with its samples, from the database, after saying what goes.

    With the only run of a recording all of the recording goes. A run's number is not given to another.
    Files that were imported stay as they are, and can be imported again.
    """
    from perfkit.store import default_path, open_database, transaction
    from perfkit.store.database import existing, sentences
    from perfkit.store.references import described, resolve
    from perfkit.store.references import remove as run

    path = existing(db or default_path())
    with closing(open_database(path)) as con, sentences(path), transaction(con):
        one = resolve(con, reference)
        print(f"{reference}: {described(con, one)}")
        count = run(con, one)
    print(f"Removed {reference}: {count:,} sample{'' if count == 1 else 's'}.")
