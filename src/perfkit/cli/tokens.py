"""`tokens`: which programs may read the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples, next_step
from perfkit.cli.keys import show, until

app = typer.Typer(
    help="Add, list and revoke the tokens that programs read the dashboard with.",
    no_args_is_help=True,
    epilog=examples("tokens add nightly --expires 90d", "tokens list", "tokens revoke nightly"),
    **APP_SETTINGS,
)

DB = typer.Option(None, "--db", envvar="PERFKIT_DB", help="The database; its tokens are in tokens.json next to it.")


@app.command(short_help="Make a token, and print it this once.", epilog=examples("tokens add nightly", "tokens add nightly --expires 90d"))
def add(
    name: str = typer.Argument(help="What to call it, such as the program that will use it."),
    expires: Optional[str] = typer.Option(
        None, "--expires", metavar="DURATION", help="How long it is valid, such as 90d.  [default: until revoked]"
    ),
    db: Optional[Path] = DB,
) -> None:
    """Make a token, and print it this once: the file holds only its hash. It reads /api/v1 and the tables, and changes nothing."""
    from perfkit.dashboard.access import token_file
    from perfkit.store import default_path

    typer.echo(token_file(db or default_path()).add(name, expires=until(expires)))
    next_step('curl -H "Authorization: Bearer TOKEN" http://DASHBOARD/api/v1/runs')


@app.command("list", epilog=examples("tokens list"))
def list_(db: Optional[Path] = DB) -> None:
    """Show all tokens; never the tokens themselves."""
    from perfkit.dashboard.access import token_file
    from perfkit.store import default_path

    file = token_file(db or default_path())
    if tokens := file.read():
        show(tokens, {})
    else:
        typer.echo(f"No tokens in {file.path}; add one with: perfkit tokens add NAME")


@app.command(epilog=examples("tokens revoke nightly"))
def revoke(name: str = typer.Argument(help="The token's name."), db: Optional[Path] = DB) -> None:
    """Take a token away; a running dashboard refuses it from then on."""
    from perfkit.dashboard.access import token_file
    from perfkit.store import default_path

    token_file(db or default_path()).revoke(name)
    typer.echo(f"Revoked {name}.")
