"""Reading a request's body: never more than the limits, never longer than the deadline, unpacked as it comes."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from starlette.requests import Request

from perfkit.receive.limits import Limits
from perfkit.receive.refusal import Refused

_GZIP = 16 + zlib.MAX_WBITS


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
    def __init__(self, memory: Memory) -> None:
        self._memory, self.taken = memory, 0

    def take(self, size: int) -> None:
        """Raises Refused (429) when all requests together would hold too much."""
        self._memory.take(size)
        self.taken += size


async def read_body(request: Request, limits: Limits, share: Share) -> bytes:
    """The whole body, unpacked. Raises Refused: 413 too large, 408 too slow, 400 not gzip, 415 another encoding."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refused(415, f"Content-Encoding {encoding!r} is not understood; send gzip or nothing.")
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > limits.body:
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
    unpacker, left, begun = zlib.decompressobj(_GZIP), limit, False
    try:
        async for chunk in chunks:
            rest = chunk
            while rest:
                begun = True
                piece = unpacker.decompress(rest, left + 1)
                left -= len(piece)
                if left < 0:
                    raise _too_large(limit)
                yield piece
                rest = unpacker.unconsumed_tail
                if unpacker.eof:
                    rest, unpacker, begun = unpacker.unused_data, zlib.decompressobj(_GZIP), False
    except zlib.error:
        raise Refused(400, "the body is not gzip, although Content-Encoding says so.") from None
    if begun:
        raise Refused(400, "the gzip body ends too early.")


def _too_large(limit: int) -> Refused:
    return Refused(413, f"the body is larger than {limit} bytes; send smaller batches.")
