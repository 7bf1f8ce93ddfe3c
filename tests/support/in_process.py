"""Requests to an application in this process: with thousands of them a server between would be most of the work."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from urllib.parse import unquote

from perfkit.dashboard.access import App


class Answer(NamedTuple):
    """What was said."""

    status_code: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


async def ask(app: App, url: str) -> Answer:
    """The application's answer, without a server between."""
    path, _, query = url.partition("?")
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": ""},
        **{"path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "headers": [(b"host", b"127.0.0.1:8000")]},
        **{"client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8000)},
    }
    said: list[dict[str, Any]] = []
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await asyncio.Event().wait()  # the client stays until it is answered
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    return Answer(said[0]["status"], b"".join(message.get("body", b"") for message in said).decode())


class InProcess:
    """An application in an event loop of its own, which its helper processes belong to."""

    def __init__(self, app: App) -> None:
        self._app, self._runner, self._thread = app, asyncio.Runner(), ThreadPoolExecutor(1)

    def ask(self, urls: Sequence[str]) -> dict[str, Answer]:
        """The answers, one after the other."""

        async def all_of_them() -> dict[str, Answer]:
            return {url: await ask(self._app, url) for url in urls}

        return self._thread.submit(self._runner.run, all_of_them()).result()

    def close(self) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()
