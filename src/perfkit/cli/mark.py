"""`perfkit mark`."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, chosen, examples

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("mark warm-up --kind start", "mark deployed run.json"))
def mark(
    ctx: typer.Context,
    label: str = typer.Argument(help="What begins, ends or happens."),
    file: Optional[Path] = typer.Argument(None, help="Where to write it, the same as --collection.", show_default=False),
    collection: Optional[Path] = typer.Option(
        None,
        envvar="PCC_COLLECTION",
        help="Collection being recorded, or a trickling collector's spool folder.  [default: the one that is being recorded here]",
    ),
    kind: str = typer.Option("point", metavar="start|end|point", help="start and end bound a phase of that label; point is an instant."),
) -> None:
    """Write a mark into a collection that is being recorded."""
    from perfkit.collect.marks import send_mark
    from perfkit.collection.choose import choose

    named = chosen(ctx, file, collection, "collection")
    path = str(named) if named else choose(spools=True)
    send_mark(path, label, kind)
    print(f"Marked {label!r} ({kind}) in {path}.")
