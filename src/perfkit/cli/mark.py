"""`perfkit mark`."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import typer
from click.core import ParameterSource

from perfkit.apikey import read
from perfkit.cli import APP_SETTINGS, chosen, examples
from perfkit.errors import BadInput, Failed

app = typer.Typer(**APP_SETTINGS)


@app.command(
    epilog=examples(
        "mark warm-up --kind start", "mark deployed run.json", "mark load --kind start --all --server http://desk:8080 --apikey-file key"
    )
)
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
    all_: bool = typer.Option(False, "--all", help="Mark every collector that streams to the receiver from the site, instead of one here."),
    server: str = typer.Option("", envvar="PCC_SERVER", help="--all: the receiver, http://HOST:PORT or https://HOST."),
    apikey: str = typer.Option("", envvar="PCC_APIKEY", help="--all: the key; better in PCC_APIKEY, where others cannot see it."),
    apikey_file: Optional[Path] = typer.Option(None, help="--all: file whose first line is the key; - is standard input."),
    cacert: Optional[Path] = typer.Option(None, help="--all: CA certificates (PEM) to trust instead of the system's."),
    site: str = typer.Option("", "--site-name", "--site", help="--all: the site.  [default: the key's]"),
) -> None:
    """Write a mark into a collection that is being recorded, or into all of a site."""
    from perfkit.collect.marks import send_mark
    from perfkit.collection.choose import choose

    if all_:
        # The environment's PCC_COLLECTION is about this machine alone.
        if file or ctx.get_parameter_source("collection") == ParameterSource.COMMANDLINE:
            raise BadInput("--all marks the collectors of a site, and a file names one; give one of them.")
        _mark_all(label, kind, server, read(apikey, apikey_file), str(cacert or ""), site)
        return
    if site or apikey_file or cacert:
        raise BadInput("--site, --apikey-file and --cacert are for --all, which marks every collector of a site.")
    named = chosen(ctx, file, collection, "collection")
    path = str(named) if named else choose(spools=True)
    send_mark(path, label, kind)
    print(f"Marked {label!r} ({kind}) in {path}.")


def _mark_all(label: str, kind: str, server: str, apikey: str, cacert: str, site: str) -> None:
    from perfkit.collect.marks import check_mark
    from perfkit.collect.receiver_client import TAKEN, ReceiverClient

    check_mark(label, kind)
    if not server or not apikey:
        raise BadInput("--all goes through a receiver: give its address with --server, and a key in PCC_APIKEY or --apikey-file.")
    client = ReceiverClient(server, apikey, cacert=cacert)
    answer = client.mark(label.strip(), kind, site)
    client.close()
    if answer.meaning != TAKEN:
        why = answer.sentence or "its answer is not that of a perfkit receiver"
        raise Failed(f"the receiver did not say that it marked anything: {why}.")
    marked = [str(one) for one in answer.body["marked"]]
    many = f"{len(marked)} collector{'' if len(marked) == 1 else 's'}"
    print(f"Marked {label.strip()!r} ({kind}) in {many} of site {answer.body.get('site')}: {', '.join(marked)}.")
