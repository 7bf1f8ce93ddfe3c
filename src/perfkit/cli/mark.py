"""`perfkit mark`."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS

app = typer.Typer(**APP_SETTINGS)


@app.command()
def mark(
    label: str = typer.Argument(help="What begins, ends or happens."),
    collection: Optional[Path] = typer.Option(
        None,
        envvar="PCC_COLLECTION",
        help="Collection being recorded, or a trickling collector's spool folder.  [default: the newest here]",
    ),
    kind: str = typer.Option("point", help="start and end bound a phase of that label; point is an instant."),
) -> None:
    """Write a mark into a collection that is being recorded."""
    from perfkit.collect.marks import send_mark
    from perfkit.collection import newest
    from perfkit.errors import BadInput

    path = str(collection) if collection else newest()
    if path is None:
        raise BadInput("there is no collection in this folder; name one with --collection.")
    send_mark(path, label, kind)
    print(f"Marked {label!r} ({kind}) in {path}.")
