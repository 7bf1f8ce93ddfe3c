"""`keys`: who may send to the receiver."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS, examples, next_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from perfkit.receive.keys import Key

app = typer.Typer(
    help="Add, list and revoke the receiver's keys.",
    no_args_is_help=True,
    epilog=examples("keys add lab --site Paris --expires 90d", "keys list", "keys revoke lab"),
    **APP_SETTINGS,
)

FILE = typer.Option(None, "--keys", envvar="PERFKIT_KEYS", help="The key file; default keys.json in ~/.local/share/perfkit.")


@app.command(epilog=examples("keys add lab", "keys add lab --site Paris --identifier vm-1 --identifier vm-2"))
def add(
    name: str = typer.Argument(help="What to call it, such as the machines that will use it."),
    site: Optional[str] = typer.Option(None, "--site-name", "--site", help="The site that what it sends belongs to."),
    identifier: list[str] = typer.Option([], "--identifier", help="Bind it to this identifier; again for more.  [default: any]"),
    expires: Optional[str] = typer.Option(
        None, "--expires", metavar="DURATION", help="How long it is valid, such as 90d.  [default: until revoked]"
    ),
    file: Optional[Path] = FILE,
) -> None:
    """Make a key, and print it this once: the file holds only its hash."""
    from perfkit.receive.keys import KeyFile, default_key_file

    key = KeyFile(file or default_key_file()).add(name, site=site, expires=until(expires), identifiers=tuple(identifier))
    typer.echo(key)
    next_step(
        "perfkit serve --receive 0.0.0.0:8080 here, and on the machine PCC_APIKEY=KEY perfkit collect --mode trickle --server http://HERE:8080"
    )


@app.command("list", epilog=examples("keys list"))
def list_(file: Optional[Path] = FILE) -> None:
    """Show all keys; never the keys themselves."""
    from perfkit.receive.keys import KeyFile, default_key_file

    path = file or default_key_file()
    keys = KeyFile(path).read()
    if not keys:
        typer.echo(f"No keys in {path}; add one with: perfkit keys add NAME")
        return
    show(keys, {"site": lambda key: key.site or "", "identifiers": lambda key: ", ".join(key.identifiers) or "any"})


@app.command(epilog=examples("keys revoke lab"))
def revoke(name: str = typer.Argument(help="The key's name."), file: Optional[Path] = FILE) -> None:
    """Take a key away; a running server refuses it from then on."""
    from perfkit.receive.keys import KeyFile, default_key_file

    KeyFile(file or default_key_file()).revoke(name)
    typer.echo(f"Revoked {name}.")


def show(keys: Iterable[Key], further: dict[str, Callable[[Key], str]]) -> None:
    """A table of keys or tokens: name, what `further` tells of each, day of making and of its end."""
    from rich.console import Console
    from rich.table import Table

    table = Table("name", *further, "created", "expires", box=None, pad_edge=False)
    for key in keys:
        expires = "never" if key.expires is None else _day(key.expires) + (" (expired)" if key.expires <= time.time() else "")
        table.add_row(key.name, *(tell(key) for tell in further.values()), _day(key.created), expires)
    Console(soft_wrap=True, markup=False, highlight=False).print(table)


def until(expires: str | None) -> int | None:
    """The second at which what is made now and is valid for the duration `expires` ends; None for what does not end."""
    from perfkit.units import parse_duration

    return int(time.time() + parse_duration(expires)) if expires else None


def _day(timestamp: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(timestamp))
