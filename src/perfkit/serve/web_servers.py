"""The two web servers, each in its own process: what they are made of, and uvicorn with its limits."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

import uvicorn

from perfkit import files
from perfkit.errors import Failed, reason
from perfkit.serve.options import ServeOptions
from perfkit.serve.supervisor import Ready, say_in_log

GRACE_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75
_HEAD_BYTES = 16 << 10
_OWN_DESCRIPTORS = 40
"""What a process needs besides its connections: libraries, journal, collections, the database."""
_BACKLOG = 2048
"""Connections that may wait in the kernel to be accepted, as while a server starts again."""
_ACCEPTED_AT_ONCE = 4
"""Before those beyond the limit are closed again. asyncio would accept its whole backlog first, and where that takes the last descriptor
it goes on trying, with a traceback each time."""


def run_receiver(options: ServeOptions, listener: socket.socket, on_ready: Ready = lambda line: None) -> None:
    """Receive on `listener` until SIGTERM or SIGINT; what was accepted by then is finished and answered.

    Raises Failed for a data folder, a key file or a certificate that cannot be used, before it serves.
    """
    from perfkit.receive.access_log import AccessLog, Metrics
    from perfkit.receive.app import Receiver, make_app
    from perfkit.receive.keys import KeyFile, KeyRing
    from perfkit.receive.uploads import Uploads
    from perfkit.receive.writer import Writer
    from perfkit.serve.protocol import bounded_protocol

    connections = _descriptors_for("receiver", options.limits.connections)
    keys = KeyRing(KeyFile(options.keys), options.plain_keys)
    metrics = Metrics()
    try:
        writer = Writer(options.data, options.limits, observe_commit=metrics.committed, say=say_in_log)
        uploads = Uploads(options.data / "uploads", options.limits, options.site)
        files.make_folder(uploads.path)
        access_log = AccessLog(options.access_log)
    except OSError as error:
        raise Failed(f"the data folder {options.data} cannot be used: {reason(error)}; free some space there, or name another.") from error
    tempfile.tempdir = str(uploads.path)  # where a form's file is spooled: the disk that is watched, not a /tmp in memory
    local = options.receiver is not None and options.receiver.loopback and not options.proxied
    receiver = Receiver(writer, keys, uploads, options.limits, access_log, metrics, local=local, site=options.site)
    config = _config(
        options,
        make_app(receiver),
        ws="none",
        http=bounded_protocol(connections, options.limits.head_seconds, frozenset(options.trusted_proxies)),
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        root_path=options.root_path,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=_HEAD_BYTES,
    )
    writer.start()
    try:
        config.load()
        on_ready("")
        _Server(config).run([listener])
    finally:
        writer.stop()


def run_dashboard(options: ServeOptions, listener: socket.socket, on_ready: Ready = lambda line: None) -> None:
    """Serve the dashboard on `listener` until SIGINT or SIGTERM.

    `on_ready` gets the URL to open, which logs the owner in where a login is needed. Raises BadInput and Failed before it serves.
    """
    from perfkit.dashboard.access import Access
    from perfkit.dashboard.app import make_app
    from perfkit.dashboard.users import Users
    from perfkit.serve.protocol import bounded_protocol

    assert options.dashboard is not None  # noqa: S101 - the caller's promise
    host, users = options.dashboard.host, Users.beside(options.db)
    access = Access(users, login=options.login, names=frozenset({host.lower()}), root_path=options.root_path)
    connections = _descriptors_for("dashboard", options.limits.connections)
    protocol = bounded_protocol(connections, options.limits.head_seconds, frozenset(options.trusted_proxies))
    config = _config(options, make_app(options.db, access), ws="none", log_level="warning", timeout_graceful_shutdown=2, http=protocol)
    url = options.dashboard.url(listener, bool(options.tls_cert)) + access.root_path + "/"
    on_ready(url + (f"-/once?token={access.once}" if access.login else ""))
    _Accepting(config).run(sockets=[listener])


class _Accepting(uvicorn.Server):
    """uvicorn's server, which accepts a few connections at a time while many may wait."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)


class _Server(_Accepting):
    """uvicorn's server, which after its shutdown would raise the signal again: here what was accepted is still to be written."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _config(options: ServeOptions, app: object, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        access_log=False,
        server_header=False,
        backlog=_ACCEPTED_AT_ONCE,
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        **more,
    )


def _descriptors_for(server: str, connections: int) -> int:
    """How many connections `server` may have, after raising the limit on descriptors as far as the system allows."""
    wanted = connections + 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = max(8, soft - _OWN_DESCRIPTORS)
    if most < connections:
        say_in_log(f"the {server} takes only {most} connections at once, with {soft} file descriptors; raise `ulimit -n` for more.")
    return min(connections, most)
