"""What the receiver remembers of its requests: a line each in the access log, and counts in Prometheus' text form."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from perfkit.receive.ledger import Ledger, importer_lag

if TYPE_CHECKING:
    from perfkit.receive.writer import Stored, Writer

App = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]
MAX_BYTES = 16 << 20
KEPT = 3
_LONGEST_PATH = 200
_ROUTES = {"/v1/ping", "/v1/trickle", "/v1/mark", "/api/v1/performance/upload", "/metrics", "/-/healthz"}
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class AccessLog:
    """One JSON object per request in the file `path`, without keys or measurements; None writes nothing.

    The file is rotated at 16 MB and kept three times.
    """

    def __init__(self, path: Path | None) -> None:
        self._logger = logging.Logger("perfkit.access")
        if path is None:
            self._logger.addHandler(logging.NullHandler())
        else:
            path.touch(0o600)
            handler = RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8")
            handler.handleError = lambda record: None  # type: ignore[method-assign]  # a full disk costs the log, not the request
            self._logger.addHandler(handler)

    def around(self, app: App, metrics: Metrics) -> App:
        """`app`, whose every request is logged and counted, and whose unforeseen errors become a plain 500."""

        async def logged(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began, status, size = time.perf_counter(), 0, 0
            scope.setdefault("state", {})

            async def noted_receive() -> dict[str, Any]:
                nonlocal size
                message: dict[str, Any] = await receive()
                size += len(message.get("body", b""))
                scope["state"]["body_read"] = not message.get("more_body", False)
                return message

            async def noted_send(message: dict[str, Any]) -> None:
                nonlocal status
                status = message.get("status", status)
                await send(message)

            try:
                await app(scope, noted_receive, noted_send)
            except Exception as error:  # the last line: whatever it is, the client gets an answer and the server goes on
                self._note({"time": time.time(), "internal_error": f"{type(error).__name__}: {error}"})
                if not status:
                    with contextlib.suppress(Exception):
                        await _internal_error(noted_send)
            seconds = time.perf_counter() - began
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            metrics.answered(path if path in _ROUTES else "other", status, size, seconds)
            client = scope.get("client")
            entry = {"time": round(time.time(), 3), "client": client[0] if client else None, "method": scope["method"]}
            entry |= {"path": path[:_LONGEST_PATH], "status": status, "bytes": size, "ms": round(seconds * 1000, 2)}
            state = scope["state"]
            self._note(entry | {"key": state.get("key")} | state.get("log", {}))

        return logged

    def _note(self, entry: dict[str, Any]) -> None:
        self._logger.info(orjson.dumps(entry).decode())


async def _internal_error(send: Callable[..., Awaitable[None]]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"error":"internal error; the access log says more."}'})


class Metrics:
    """Counters and gauges of one receiver."""

    CONTENT_TYPE = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("perfkit_requests_total", "Requests answered.", ("path", "status"), registry=registry)
        self._seconds = Histogram(
            "perfkit_request_seconds", "From the request's headers to its answer.", ("path",), buckets=_BUCKETS, registry=registry
        )
        self._bytes = Counter("perfkit_received_bytes_total", "Bytes of request bodies, as they came.", registry=registry)
        self._unpacked = Counter("perfkit_batch_bytes_total", "Bytes of accepted batches, unpacked.", registry=registry)
        self._lines = Counter("perfkit_lines_total", "Measurements stored.", registry=registry)
        self._repeated = Counter(
            "perfkit_repeated_lines_total", "Measurements that were sent again, and not stored twice.", registry=registry
        )
        self._far = Counter(
            "perfkit_far_lines_total", "Measurements stored whose instant is far from the receiver's clock.", registry=registry
        )
        self._commit = Histogram("perfkit_commit_seconds", "One group commit: write and sync.", buckets=_BUCKETS, registry=registry)
        self._lag = Gauge("perfkit_importer_lag_seconds", "Age of the oldest batch that is stored and not yet imported.", registry=registry)
        self._aside = Gauge(
            "perfkit_set_aside_lines", "Measurements that are in their collection and not in the database.", ("reason",), registry=registry
        )
        self._held_back = Gauge(
            "perfkit_held_back_rows", "Rows of devices beyond --most-devices, which are in their collection alone.", registry=registry
        )
        self._free = Gauge("perfkit_disk_free_bytes", "Space left on the data folder's disk.", registry=registry)
        self._journal = Gauge("perfkit_journal_bytes", "Size of the journal.", registry=registry)

    def answered(self, path: str, status: int, size: int, seconds: float) -> None:
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
        self._bytes.inc(size)

    def stored(self, stored: Stored, size: int) -> None:
        self._unpacked.inc(size)
        self._lines.inc(stored.new)
        self._repeated.inc(stored.repeated)
        self._far.inc(stored.far)

    def committed(self, seconds: float) -> None:
        self._commit.observe(seconds)

    def text(self, writer: Writer, ledger: Ledger) -> bytes:
        """All of it, now."""
        folder = writer.journal.folder
        self._free.set(writer.measure_free())
        self._journal.set(sum(folder.segment(number).stat().st_size for number in folder.segments()))
        self._lag.set(importer_lag(folder, time.time()))
        account = ledger.read()
        for reason, lines in account.totals().items():
            self._aside.labels(reason).set(lines)
        self._held_back.set(account.held_back)
        return generate_latest(self._registry)
