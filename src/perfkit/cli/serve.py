"""`serve`: the dashboard over a database, and the receiver that fills it."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples

app = typer.Typer(**APP_SETTINGS)

# What of pcd's environment is used here too; LISTENADDRESS, its other one, is an option's.
_PCD = ("PCD_LISTENADDRESS", "PCD_APIKEYS_FILE", "PCD_HOME")


@app.command(
    epilog=examples(
        "serve --open", "serve --receive 0.0.0.0:8080 --retain 30d", "serve --listen 0.0.0.0:8443 --tls-cert cert.pem --tls-key key.pem"
    )
)
def serve(
    db: Optional[Path] = typer.Option(None, "--db", envvar="PERFKIT_DB", help="The database; default ~/.local/share/perfkit/perfkit.db."),
    listen: str = typer.Option(
        "127.0.0.1:8000", "--listen", metavar="HOST:PORT", help="Where the dashboard listens; port 0 takes a free one."
    ),
    receive: str = typer.Option(
        "127.0.0.1:8080",
        "--receive",
        envvar=["LISTENADDRESS", "PCD_LISTENADDRESS"],
        metavar="HOST:PORT",
        help="Where the receiver listens.",
    ),
    no_dashboard: bool = typer.Option(False, "--no-dashboard", help="Run the receiver alone."),
    no_receive: bool = typer.Option(False, "--no-receive", help="Run the dashboard alone."),
    open_: bool = typer.Option(False, "--open", help="Open the dashboard in a browser."),
    data: Optional[Path] = typer.Option(
        None, "--data", envvar="PERFKIT_DATA", help="Folder for what is received; default NAME-received next to the database."
    ),
    keys: Optional[Path] = typer.Option(
        None, "--keys", envvar="PERFKIT_KEYS", help="The file of `perfkit keys`; pcd's (PCD_APIKEYS_FILE, else ~/.pcd/apikeys) is read too."
    ),
    tls_cert: Optional[Path] = typer.Option(None, "--tls-cert", help="Serve HTTPS with this certificate chain (PEM)."),
    tls_key: Optional[Path] = typer.Option(None, "--tls-key", help="The certificate's private key (PEM)."),
    root_path: str = typer.Option("", "--root-path", metavar="/PATH", help="The path under which a reverse proxy serves us."),
    trusted_proxy: list[str] = typer.Option(
        [], "--trusted-proxy", metavar="ADDRESS", help="Believe X-Forwarded-* of this proxy; may be given several times."
    ),
    access_log: Optional[Path] = typer.Option(
        None, "--access-log", help="Where requests are logged; default access.log in the data folder."
    ),
    max_body: Optional[str] = typer.Option(
        None, "--max-body", metavar="SIZE", help="Largest batch as it is sent; default 8MB, four times that unpacked."
    ),
    max_upload: Optional[str] = typer.Option(
        None, "--max-upload", metavar="SIZE", help="Largest uploaded file, as it is sent and unpacked; default 512MB."
    ),
    site: Optional[str] = typer.Option(None, "--site-name", "--site", help="The site of what is sent with a key that names none."),
    lake: Optional[str] = typer.Option(
        None, "--lake", metavar="DIR|URL", help="Write each complete day of every machine into this lake, for `perfkit query`."
    ),
    retain: Optional[str] = typer.Option(
        None, "--retain", metavar="DURATION", help="Keep what was streamed this long, such as 30d.  [default: for good]"
    ),
    most_devices: Optional[int] = typer.Option(
        None,
        "--most-devices",
        metavar="N",
        help="Different disks, interfaces, containers or others that a machine's stream may have in an hour; default 1000 of each.",
    ),
    keep_free: Optional[str] = typer.Option(
        None, "--keep-free", metavar="SIZE", help="Disk space to leave alone: below it, 503; default 256MB."
    ),
) -> None:
    """Serve the dashboard, and receive what collectors stream, until interrupted."""
    from perfkit.receive.folder import beside
    from perfkit.receive.keys import default_key_file, pcd_key_file
    from perfkit.receive.request import ReceiverLimits
    from perfkit.serve.address import Address
    from perfkit.serve.options import ServeOptions
    from perfkit.serve.servers import serve as run
    from perfkit.store import default_path
    from perfkit.units import parse_duration, parse_size

    limits = {"body": max_body, "upload": max_upload, "keep_free": keep_free}
    sizes = {name: parse_size(size) for name, size in limits.items() if size}
    if "body" in sizes:
        sizes["unpacked"] = 4 * sizes["body"]
    database = (db or default_path()).absolute()
    folder = (data or beside(database)).absolute()
    options = ServeOptions(
        db=database,
        data=folder,
        keys=keys or default_key_file(),
        plain_keys=pcd_key_file(),
        dashboard=None if no_dashboard else Address.parse(listen, "--listen"),
        receiver=None if no_receive else Address.parse(receive, "--receive"),
        tls_cert=tls_cert,
        tls_key=tls_key,
        root_path=root_path.rstrip("/"),
        trusted_proxies=tuple(trusted_proxy),
        access_log=access_log or folder / "access.log",
        retain=parse_duration(retain) if retain else None,
        site=site,
        lake=lake,
        limits=ReceiverLimits(**sizes),
        most_devices=most_devices,
    )
    if unknown := sorted(name for name in os.environ if name.startswith("PCD_") and name not in _PCD):
        typer.echo(f"Warning: {', '.join(unknown)} of pcd has no equal here and is ignored; see `perfkit serve --help`.")
    run(options, typer.echo, lambda url: _open(url) if open_ else None)


def _open(url: str) -> None:
    webbrowser.open(url)
