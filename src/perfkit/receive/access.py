"""The access log: one JSON object a line for each request, without keys or measurements."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import orjson

from perfkit.receive.metrics import Metrics

App = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Awaitable[None]]
MAX_BYTES = 16 << 20
KEPT = 3
_LONGEST_PATH = 200
_ROUTES = {"/v1/ping", "/v1/trickle", "/api/v1/performance/upload", "/metrics", "/-/healthz"}


class AccessLog:
    """Writes to `path`, which is rotated at 16 MB and kept three times; None writes nothing."""

    def __init__(self, path: Path | None) -> None:
        self._logger = logging.Logger("perfkit.access")
        if path is None:
            self._logger.addHandler(logging.NullHandler())
        else:
            path.touch(0o600)
            self._logger.addHandler(RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8"))

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
