"""Serving the dashboard: when it refuses to, and the URL that opens it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from perfkit.dashboard.access import Access, is_loopback
from perfkit.dashboard.users import Users
from perfkit.errors import BadInput


@dataclass(frozen=True)
class Settings:
    """What `serve` asks for; plain data, so that it can go to another process.

    `root_path` is the path under which a reverse proxy serves us, `trusted_proxies` are whose X-Forwarded-* is believed.
    """

    database: Path
    host: str = "127.0.0.1"
    port: int = 8000
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_path: str = ""
    trusted_proxies: tuple[str, ...] = ()

    @property
    def login(self) -> bool:
        """Whether a login is needed: as soon as another machine can reach us, directly or through a proxy."""
        return not is_loopback(self.host) or bool(self.trusted_proxies or self.root_path)

    @property
    def users(self) -> Users:
        """Those who may log in."""
        return Users.beside(self.database)


def check(settings: Settings) -> None:
    """Raises BadInput if other machines could reach the dashboard and nobody could log in."""
    if settings.login and not settings.users.all():
        where = f"{settings.host}:{settings.port}" + (" behind a proxy" if is_loopback(settings.host) else "")
        raise BadInput(
            f"{where} can be reached from other machines and there is no user yet; "
            f"add one with `perfkit users add NAME --role admin --db {settings.database}`, or listen on 127.0.0.1."
        )


def run(settings: Settings, on_ready: Callable[[str], None], listener: socket.socket) -> None:
    """Serve on `listener` until SIGINT or SIGTERM. `on_ready` gets the URL to open, which logs the owner in where a login is needed.

    Raises BadInput and Failed as `check` and `make_app` do, before anything is served.
    """
    from perfkit.dashboard.app import make_app  # Datasette takes 0.4 s to import; a refusal need not wait for it

    check(settings)
    access = Access(settings.users, login=settings.login, names=frozenset({settings.host}), root_path=settings.root_path.rstrip("/"))
    config = uvicorn.Config(
        make_app(settings.database, access),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=2,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
    )
    on_ready(_url(settings, access, listener))
    uvicorn.Server(config).run(sockets=[listener])


def _url(settings: Settings, access: Access, listener: socket.socket) -> str:
    host = socket.gethostname() if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    scheme = "https" if settings.tls_cert else "http"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}{access.root_path}/"
    return address + (f"-/once?token={access.once}" if access.login else "")
