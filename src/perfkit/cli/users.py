"""`users`: who may log in to the dashboard."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples, next_step

app = typer.Typer(
    help="Add, list and remove the dashboard's logins.",
    no_args_is_help=True,
    epilog=examples("users add ann", "users list", "users remove ann"),
    **APP_SETTINGS,
)

DB = typer.Option(None, "--db", envvar="PERFKIT_DB", help="The database; its logins are in users.json next to it.")


@app.command(epilog=examples("users add ann", "users add ann --role admin --password-stdin"))
def add(
    name: str = typer.Argument(help="The login's name; an existing one gets the new role and password."),
    role: str = typer.Option("viewer", "--role", metavar="viewer|admin", help="viewer sees all data; admin also Datasette's diagnostics."),
    password_stdin: bool = typer.Option(False, "--password-stdin", help="Read the password from standard input instead of asking."),
    db: Optional[Path] = DB,
) -> None:
    """Add a login; the file holds only a hash of the password."""
    from perfkit.dashboard.users import Users
    from perfkit.store import default_path

    users = Users.beside(db or default_path())
    users.check_new(name, role)
    password = sys.stdin.readline().rstrip("\n") if password_stdin else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    users.put(name, role, password)
    typer.echo(f"{name} may log in as {role}.")
    next_step("perfkit serve --listen 0.0.0.0:8443 --tls-cert CERT --tls-key KEY")


@app.command("list", epilog=examples("users list"))
def list_(db: Optional[Path] = DB) -> None:
    """Show all logins and their roles."""
    from rich.console import Console
    from rich.table import Table

    from perfkit.dashboard.users import Users
    from perfkit.store import default_path

    users = Users.beside(db or default_path())
    if not users.all():
        typer.echo(f"No logins in {users.path}; add one with: perfkit users add NAME")
        return
    table = Table("name", "role", box=None, pad_edge=False)
    for user in users.all():
        table.add_row(user.name, user.role)
    Console(soft_wrap=True, markup=False, highlight=False).print(table)


@app.command(epilog=examples("users remove ann"))
def remove(name: str = typer.Argument(help="The login's name."), db: Optional[Path] = DB) -> None:
    """Take a login away; its open sessions end at once."""
    from perfkit.dashboard.users import Users
    from perfkit.store import default_path

    Users.beside(db or default_path()).remove(name)
    typer.echo(f"Removed {name}.")
