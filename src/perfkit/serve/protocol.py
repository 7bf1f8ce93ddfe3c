"""uvicorn's HTTP/1.1 protocol with what it leaves open: a bound on connections, and on how long a request's head may take."""

from __future__ import annotations

import asyncio
from collections import Counter

from uvicorn.protocols.http.h11_impl import H11Protocol

from perfkit.units import is_loopback


def bounded_protocol(connections: int, head_seconds: float, shared: frozenset[str] = frozenset()) -> type[H11Protocol]:
    """The protocol class of one server.

    Beyond `connections`, and beyond half of them from one address, a new connection is closed at once; addresses in
    `shared` (proxies) and this machine's own count as many. A connection whose next request's line and headers are not
    complete `head_seconds` after their first byte (or, for the first request, after connecting) is closed.

    No public setting of uvicorn does either (`limit_concurrency` answers 503 and lets idle connections stay, `timeout_keep_alive` begins
    after a request), so this subclasses a class that uvicorn does not promise to keep: pyproject.toml pins its version.
    """
    held: Counter[str] = Counter()

    class Bounded(H11Protocol):
        _address = ""
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._address = self.client[0] if self.client else ""
            held[self._address] += 1
            alone = self._address not in shared and not is_loopback(self._address)
            if held.total() > connections or (alone and held[self._address] > connections // 2):
                transport.abort()
                return
            self._await_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_arrived()
            held[self._address] -= 1
            if held[self._address] <= 0:
                del held[self._address]
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._head_timer is None and self._between_requests():
                self._await_head()
            super().data_received(data)
            if not self._between_requests():
                self._head_arrived()

        def send_400_response(self, msg: str) -> None:
            super().send_400_response(msg)
            if self.cycle is not None:
                self.cycle.disconnected = True  # what came as its body was no HTTP and is answered now: the application answers nobody

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self.transport.is_closing() and self._between_requests() and self.conn.trailing_data[0]:
                self._await_head()

        def _between_requests(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _await_head(self) -> None:
            self._head_arrived()
            self._head_timer = self.loop.call_later(head_seconds, self.transport.abort)

        def _head_arrived(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

        def timeout_keep_alive_handler(self) -> None:
            self._head_arrived()
            super().timeout_keep_alive_handler()

    return Bounded
