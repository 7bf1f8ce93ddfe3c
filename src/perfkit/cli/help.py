"""`perfkit help`."""

from __future__ import annotations

from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples, main

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("help collect", "help keys add"))
def help_(
    command: Optional[list[str]] = typer.Argument(None, metavar="[COMMAND]...", help="A command, or one below it.", show_default=False),
) -> None:
    """Show what a command does, with its options and examples; without one, all commands."""
    raise typer.Exit(main([*(command or []), "--help"]))
