"""One request: what it may use, how its body is read, and how it is turned down."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfkit.collection.gzip import Inflater

if TYPE_CHECKING:
    from starlette.requests import Request

MEGABYTE = 1 << 20
DAY = 86_400
MOST_MEMBERS = 1000
"""Of the gzip of one batch; 8 MB hold 300,000 empty ones, which take seconds."""


@dataclass(frozen=True)
class ReceiverLimits:
    """What one request, one address, one machine and the whole receiver may use.

    Sizes in bytes, times in seconds. The defaults carry a thousand collectors at one sample a second.
    """

    body: int = 8 * MEGABYTE
    """A request's body as it comes over the wire."""
    unpacked: int = 32 * MEGABYTE
    """The same body after gunzip."""
    lines: int = 20_000
    """Measurements in one batch."""
    upload: int = 512 * MEGABYTE
    """A file sent to the upload address, and what becomes of it when it is unpacked."""
    in_flight: int = 64 * MEGABYTE
    """All bodies that are being read or wait for the disk."""
    connections: int = 4096
    """Open connections; one address may hold half of them."""
    head_seconds: float = 10.0
    """How long a client may take to send a request's line and headers."""
    body_seconds: float = 30.0
    """How long it may take to send a batch; an upload gets the same again for every 8 MB."""
    segment: int = 64 * MEGABYTE
    """A file of the journal, before the next one is begun."""
    identifiers: int = 10_000
    """Machines of one data folder."""
    keep_free: int = 256 * MEGABYTE
    """Disk space that the receiver leaves alone: below it, batches are answered with 503."""
    ahead: float = DAY
    """How far after the receiver's clock a measurement's instant may lie; beyond that it is kept out of the time line."""
    behind: float = 3653 * DAY
    """How far before the receiver's clock it may lie: ten years, because old recordings are sent too, but 1970 is a mistake."""


class Refused(Exception):
    """A request that gets `status` and `{"error": sentence}`; `retry_after` (seconds) becomes the Retry-After header."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after = retry_after


class Memory:
    """How many bytes of bodies the receiver holds, all requests together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """One request's share; given back at the end of the block."""
        share = Share(self)
        try:
            yield share
        finally:
            self.used -= share.taken

    def take(self, size: int) -> None:
        if self.used + size > self._limit:
            raise Refused(429, "the receiver is busy with other batches; send this one again.", 1)
        self.used += size


class Share:
    """What one request holds of a `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self.taken = memory, 0

    def take(self, size: int) -> None:
        """Raises Refused (429) when all requests together would hold too much."""
        self._memory.take(size)
        self.taken += size


async def read_body(request: Request, limits: ReceiverLimits, share: Share) -> bytes:
    """The whole body, unpacked. Raises Refused: 413 too large, 408 too slow, 400 not gzip, 415 another encoding."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refused(415, f"Content-Encoding {encoding!r} is not understood; send gzip or nothing.")
    announced = request.headers.get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced) > limits.body:
        raise _too_large(limits.body)
    try:
        async with asyncio.timeout(limits.body_seconds):
            chunks = _limited(request, limits.body)
            if encoding == "gzip":
                chunks = _unpacked(chunks, limits.unpacked)
            parts = []
            async for chunk in chunks:
                share.take(len(chunk))
                parts.append(chunk)
    except TimeoutError:
        raise Refused(408, f"the body took longer than {limits.body_seconds:.0f} s.") from None
    return b"".join(parts)


async def _limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        yield chunk


async def _unpacked(chunks: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """gunzip, several members included, that stops at the limit however much the rest would become."""
    inflater, size = Inflater(most_members=MOST_MEMBERS), 0
    try:
        async for chunk in chunks:
            for piece in inflater.feed(chunk):
                size += len(piece)
                if size > limit:
                    raise Refused(413, f"the body is larger than {limit} bytes when it is unpacked; send smaller batches.")
                yield piece
    except zlib.error:
        if inflater.members > MOST_MEMBERS:
            raise Refused(413, f"the gzip body has more than {MOST_MEMBERS} members; compress a batch as one.") from None
        raise Refused(400, "the body is not gzip, although Content-Encoding says so.") from None
    if inflater.within:
        raise Refused(400, "the gzip body ends too early.")


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body is larger than {limit} bytes; send smaller batches.")
