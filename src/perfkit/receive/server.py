"""One receiver process: the app on a listening socket, until a signal ends it."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from perfkit.receive import disk
from perfkit.receive.access import AccessLog
from perfkit.receive.app import Receiver, make_app
from perfkit.receive.keys import KeyFile, KeyRing
from perfkit.receive.limits import Limits
from perfkit.receive.metrics import Metrics
from perfkit.receive.protocol import bounded_protocol
from perfkit.receive.uploads import Uploads
from perfkit.receive.writer import Writer

GRACE_SECONDS = 10
_KEEP_ALIVE_SECONDS = 75
_HEAD_BYTES = 16 << 10


@dataclass(frozen=True)
class ReceiverSettings:
    """What one receiver is run with."""

    data: Path
    """The data folder: journal, collections, access log."""
    keys: Path
    """The key file that `perfkit keys` writes."""
    plain_keys: Path | None = None
    """pcd's list of keys."""
    limits: Limits = field(default_factory=Limits)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_path: str = ""
    trusted_proxies: Sequence[str] = ()
    access_log: Path | None = None


def run_receiver(settings: ReceiverSettings, listener: socket.socket, on_ready: Callable[[str], None] = lambda line: None) -> None:
    """Serve on `listener` until SIGTERM or SIGINT; what was accepted by then is finished and answered.

    Raises Failed for a data folder, a key file or a certificate that cannot be used, before it serves.
    """
    _raise_descriptor_limit(settings.limits.connections)
    metrics = Metrics()
    writer = Writer(settings.data, settings.limits, observe_commit=metrics.committed)
    keys = KeyRing(KeyFile(settings.keys), settings.plain_keys)
    uploads = Uploads(settings.data / "uploads", settings.limits)
    disk.make_folder(uploads.path)
    tempfile.tempdir = str(uploads.path)  # where a form's file is spooled: the disk that is watched, not a /tmp in memory
    app = make_app(Receiver(writer, keys, uploads, settings.limits, AccessLog(settings.access_log), metrics))
    config = _config(settings, app)
    writer.start()
    try:
        config.load()
        on_ready("")
        _Server(config).run([listener])
    finally:
        writer.stop()


class _Server(uvicorn.Server):
    """uvicorn's server, which after its shutdown would raise the signal again: here what was accepted is still to be written."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _config(settings: ReceiverSettings, app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        ws="none",
        http=bounded_protocol(settings.limits, frozenset(settings.trusted_proxies)),
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        root_path=settings.root_path,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=_HEAD_BYTES,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def _raise_descriptor_limit(connections: int) -> None:
    wanted = connections + 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
