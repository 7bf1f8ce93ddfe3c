"""What `serve` runs: the receiver, the importer, the uploads and the dashboard, each in a process of its own."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfkit.errors import BadInput, Failed, reason
from perfkit.serve.supervisor import Ready, Role, Supervisor
from perfkit.store.database import open_database

if TYPE_CHECKING:
    from perfkit.dashboard.server import Settings as DashboardSettings

_BACKLOG = 4096
_LARGEST_PORT = 65535
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - only where the user asks for it


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, option: str) -> Address:
        """Of "127.0.0.1:8080", "[::1]:8080" or ":8080" (every address). Raises BadInput, which names `option`."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or int(port) > _LARGEST_PORT:
            raise BadInput(f"{option} {text!r} is not an address to listen on; write 127.0.0.1:8080.")
        return cls(host.strip("[]") or EVERY_ADDRESS, int(port))

    @property
    def loopback(self) -> bool:
        """Whether this machine alone can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def bind(self, option: str) -> socket.socket:
        """The listening socket. Raises Failed where the address is taken or not ours."""
        where = f"{self.host}:{self.port}"
        try:
            family = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0][0]
            listener = socket.create_server((self.host, self.port), family=family, backlog=_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Failed(f"{where} is in use; stop what listens there, or take another port with {option}.") from error
            raise Failed(f"cannot listen on {where}: {reason(error)}; name another address with {option}.") from error
        # An answer goes out as head and body: the kernel would hold the body back until the head is acknowledged, 40 ms later.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener

    def url(self, listener: socket.socket, tls: bool) -> str:
        """How another program reaches it."""
        host = socket.gethostname() if self.host in (EVERY_ADDRESS, "::") else self.host
        return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


@dataclass(frozen=True)
class Options:
    """What is served, and how. None for an address leaves that server out."""

    db: Path
    data: Path
    keys: Path
    plain_keys: Path | None = None
    dashboard: Address | None = Address("127.0.0.1", 8000)
    receiver: Address | None = Address("127.0.0.1", 8080)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    access_log: Path | None = None
    retain: float | None = None
    """Seconds for which live samples and received collections are kept; None: for good."""
    limits: dict[str, int] = field(default_factory=dict)
    """Those of perfkit.receive.limits.Limits that are not to be the default."""


def serve(options: Options, say: Callable[[str], None], opened: Callable[[str], None] = lambda url: None) -> None:
    """Serve until SIGINT or SIGTERM. `say` gets the lines for the user, `opened` the dashboard's URL.

    Raises BadInput and Failed, before anything is served, for what cannot be served like that.
    """
    _check(options)
    roles: list[Role] = []
    urls: dict[str, str] = {}
    if options.receiver:
        from perfkit.receive import folder
        from perfkit.receive.journal import Folder

        folder.lock(options.data)  # first: children of a server that was killed may hold the addresses too, until they have finished
        listener = options.receiver.bind("--receive")
        urls["receiver"] = options.receiver.url(listener, bool(options.tls_cert))
        Folder(options.data / "journal").identity()
        roles.append(Role("receiver", lambda ready: _receive(options, listener, ready)))
        roles.append(Role("importer", lambda ready: _import(options, ready), last=True))
        roles.append(Role("uploader", lambda ready: _upload(options, ready), last=True))
    if options.retain:
        roles.append(Role("retention", lambda ready: _retain(options, options.retain or 0.0, ready)))
    if options.dashboard:
        front = options.dashboard.bind("--listen")
        settings = _dashboard_settings(options, options.dashboard)
        roles.append(Role("dashboard", lambda ready: _dashboard(settings, front, ready)))
    for line in _warnings(options):
        say(line)

    def ready(lines: dict[str, str]) -> None:
        if options.dashboard:
            say(f"Dashboard of {options.db}: {lines['dashboard']}")
        if options.receiver:
            say(f"Receiver into {options.data}: {urls['receiver']}")
        if options.dashboard:
            opened(lines["dashboard"])

    Supervisor(roles, say).run(ready)


def _check(options: Options) -> None:
    open_database(options.db).close()
    if not options.dashboard and not options.receiver:
        raise BadInput("--no-dashboard and --no-receive together leave nothing to serve.")
    if bool(options.tls_cert) != bool(options.tls_key):
        raise BadInput("--tls-cert and --tls-key belong together; give both.")
    if options.tls_cert and options.tls_key:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.tls_cert, options.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                f"the certificate {options.tls_cert} and key {options.tls_key} cannot be used: {error.strerror or error}."
            ) from error
    for proxy in options.trusted_proxies:
        try:
            ipaddress.ip_network(proxy, strict=False)
        except ValueError:
            raise BadInput(f"--trusted-proxy {proxy!r} is not an address or a network; write 10.0.0.5 or 10.0.0.0/24.") from None
    if options.root_path and not options.root_path.startswith("/"):
        raise BadInput(f"--root-path {options.root_path!r} does not start with a slash; write /perfkit.")


def _warnings(options: Options) -> list[str]:
    lines = []
    open_ones = [address for address in (options.dashboard, options.receiver) if address and not address.loopback]
    if open_ones and not options.tls_cert:
        lines.append(
            f"Warning: {open_ones[0].host}:{open_ones[0].port} can be reached from other machines without TLS, so keys and data are "
            "readable on the way; give --tls-cert and --tls-key, or put a reverse proxy with TLS in front."
        )
    return lines


# Where processors are short, acknowledgements come first, then imports, then pages (a heavy query among them) and what can wait.
_WORK_NICE, _LATER_NICE = 5, 10


def _receive(options: Options, listener: socket.socket, ready: Ready) -> None:
    from perfkit.receive.limits import Limits
    from perfkit.receive.server import ReceiverSettings, run_receiver

    settings = ReceiverSettings(
        options.data,
        options.keys,
        options.plain_keys,
        Limits(**options.limits),
        options.tls_cert,
        options.tls_key,
        options.root_path,
        options.trusted_proxies,
        options.access_log,
    )
    run_receiver(settings, listener, ready)


def _upload(options: Options, ready: Ready) -> None:
    from perfkit.receive.limits import Limits
    from perfkit.receive.uploads import run_uploads

    def import_file(file: Path, machine: str, site: str | None) -> dict[str, Any]:
        from perfkit.store.importing import import_input

        found = import_input(options.db, file, collector_name=machine, site_name=site)
        return {**found[0].as_json(), "machines": [one.machinename for one in found]}

    os.nice(_LATER_NICE)
    run_uploads(options.data / "uploads", Limits(**options.limits), import_file, ready)


def _retain(options: Options, seconds: float, ready: Ready) -> None:
    from perfkit.receive.retention import run_retention
    from perfkit.store.retention import prune

    def prune_database(older_than: float) -> None:
        con = open_database(options.db)
        try:
            prune(con, older_than, live_only=True)
        finally:
            con.close()

    os.nice(_LATER_NICE)
    run_retention(options.data, seconds, prune_database, ready)


def _import(options: Options, ready: Ready) -> None:
    from perfkit.receive.importer import run_importer
    from perfkit.store.live import Live

    os.nice(_WORK_NICE)
    run_importer(options.data, options.db, Live, ready, lambda line: print(f"perfkit: {line}", file=sys.stderr, flush=True))


def _dashboard_settings(options: Options, address: Address) -> DashboardSettings:
    """Raises BadInput where the dashboard may not be shown like that."""
    from perfkit.dashboard.server import Settings, check

    settings = Settings(
        options.db, address.host, address.port, options.tls_cert, options.tls_key, options.root_path, options.trusted_proxies
    )
    check(settings)
    return settings


def _dashboard(settings: DashboardSettings, listener: socket.socket, ready: Ready) -> None:
    from perfkit.dashboard.server import run

    os.nice(_LATER_NICE)
    run(settings, ready, listener)
