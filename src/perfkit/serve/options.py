"""What `serve` is asked for, checked as a whole before anything is served."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from perfkit.errors import BadInput, reason
from perfkit.receive.request import ReceiverLimits
from perfkit.serve.address import Address
from perfkit.units import is_loopback


@dataclass(frozen=True)
class ServeOptions:
    """What is served, and how; plain data, so that it can go to other processes. None for an address leaves that server out."""

    db: Path
    data: Path
    """The data folder: journal, collections, access log."""
    keys: Path
    """The key file that `perfkit keys` writes."""
    plain_keys: Path | None = None
    """pcd's list of keys."""
    dashboard: Address | None = None
    receiver: Address | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_path: str = ""
    """The path under which a reverse proxy serves us."""
    trusted_proxies: tuple[str, ...] = ()
    """Whose X-Forwarded-* is believed."""
    access_log: Path | None = None
    retain: float | None = None
    """Seconds for which live samples and received collections are kept; None: for good."""
    site: str | None = None
    """The site of what comes with a key that names none."""
    limits: ReceiverLimits = field(default_factory=ReceiverLimits)
    most_devices: int | None = None
    """How many different devices of each kind a machine's stream may have within an hour; None: as many as live import allows."""
    lake: str | None = None
    """Where complete days are written; None: nowhere."""

    @property
    def proxied(self) -> bool:
        """Whether other machines reach us through a proxy."""
        return bool(self.trusted_proxies or self.root_path)

    @property
    def login(self) -> bool:
        """Whether the dashboard needs a login: as soon as another machine can reach it, directly or through a proxy."""
        return self.dashboard is not None and (not self.dashboard.loopback or self.proxied)

    def check(self, has_users: Callable[[], bool]) -> None:
        """Raises BadInput for options that do not fit together, and for a dashboard that needs a login while nobody could log in."""
        if not self.dashboard and not self.receiver:
            raise BadInput("--no-dashboard and --no-receive together leave nothing to serve.")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise BadInput("--tls-cert and --tls-key belong together; give both.")
        if self.tls_cert and self.tls_key:
            _check_certificate(self.tls_cert, self.tls_key)
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                raise BadInput(f"--trusted-proxy {proxy!r} is not an address or a network; write 10.0.0.5 or 10.0.0.0/24.") from None
        if self.most_devices is not None and self.most_devices < 1:
            raise BadInput(f"--most-devices {self.most_devices} leaves no device; give 1 or more.")
        if self.root_path and not self.root_path.startswith("/"):
            raise BadInput(f"--root-path {self.root_path!r} does not start with a slash; write /perfkit.")
        if self.login and self.dashboard and not has_users():
            where = f"{self.dashboard.host}:{self.dashboard.port}" + (" behind a proxy" if self.dashboard.loopback else "")
            raise BadInput(
                f"{where} can be reached from other machines and there is no user yet; "
                f"add one with `perfkit users add NAME --role admin --db {self.db}`, or listen on 127.0.0.1."
            )

    def warnings(self) -> Iterator[str]:
        """What the user should know of an otherwise good choice."""
        open_ones = [address for address in (self.dashboard, self.receiver) if address and not is_loopback(address.host)]
        if open_ones and not self.tls_cert:
            yield (
                f"Warning: {open_ones[0].host}:{open_ones[0].port} can be reached from other machines without TLS, so keys and data are "
                "readable on the way; give --tls-cert and --tls-key, or put a reverse proxy with TLS in front."
            )


def _check_certificate(cert: Path, key: Path) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    except OSError as error:  # ssl.SSLError is one
        raise BadInput(f"the certificate {cert} and key {key} cannot be used: {reason(error)}.") from error
