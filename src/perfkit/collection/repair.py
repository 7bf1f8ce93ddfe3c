"""Making a collection that a crash cut off fit to be continued, so that it stays one readable file.

Everything goes through the one descriptor that holds the lock: closing any other of the same file would drop it.
"""

from __future__ import annotations

import os
import struct
import zlib

from perfkit.collection import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20
_MAGIC = b"\x1f\x8b\x08"
_GZIP_HEADER = 10  # bytes, as zlib writes it
_FLUSHED = b"\0\0\xff\xff"  # how a flushed deflate stream ends
_LAST_BLOCK = b"\x03\0"  # an empty final deflate block


def repair(descriptor: int, *, gzipped: bool) -> int:
    """Cut off a half last line, or end an unfinished gzip member after its last flush; returns the file's size then.

    Raises ValueError where the file is no collection, or not of that kind.
    """
    if gzipped != (os.pread(descriptor, len(_MAGIC), 0) == _MAGIC):
        raise ValueError("its name and its content disagree about gzip")
    _check_first_line(descriptor, gzipped)
    size = _mend_gzip(descriptor) if gzipped else _last(descriptor, b"\n", 0)
    os.ftruncate(descriptor, size)
    return size


def _chunks(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        data = os.pread(descriptor, min(_CHUNK, end - start), start)
        if not data:
            return
        yield data
        start += len(data)


def _check_first_line(descriptor: int, gzipped: bool) -> None:
    beginning = os.pread(descriptor, _CHUNK, 0)
    if gzipped:
        try:
            beginning = zlib.decompressobj(31).decompress(beginning)
        except zlib.error:
            beginning = b""
    try:
        decode(beginning.partition(b"\n")[0])
    except (ValueError, RecursionError):
        raise ValueError("it is not a collection") from None


def _last(descriptor: int, pattern: bytes, floor: int) -> int:
    """Where the last `pattern` behind `floor` ends; `floor` if there is none."""
    end = os.fstat(descriptor).st_size
    while end > floor:
        start = max(end - _CHUNK, floor)
        at = os.pread(descriptor, end - start, start).rfind(pattern)
        if at >= 0:
            return start + at + len(pattern)
        end = start + len(pattern) - 1 if start > floor else floor
    return floor


def _unfinished_member(descriptor: int) -> int | None:
    """Where the last gzip member begins if it has no end."""
    position = member = 0
    inflater = zlib.decompressobj(31)
    for chunk in _chunks(descriptor, 0, os.fstat(descriptor).st_size):
        position += len(chunk)
        data = chunk
        while data:
            inflater.decompress(data)
            data = inflater.unused_data
            if inflater.eof:
                member, inflater = position - len(data), zlib.decompressobj(31)
    return member if position > member else None


def _mend_gzip(descriptor: int) -> int:
    try:
        member = _unfinished_member(descriptor)
    except zlib.error:
        raise ValueError("its gzip data is damaged") from None
    if member is None:
        return os.fstat(descriptor).st_size
    cut = _last(descriptor, _FLUSHED, member)
    if cut == member:
        return member
    inflater, checksum, length = zlib.decompressobj(-15), 0, 0
    for chunk in _chunks(descriptor, member + _GZIP_HEADER, cut):
        text = inflater.decompress(chunk)
        checksum, length = zlib.crc32(text, checksum), length + len(text)
    inflater.decompress(_LAST_BLOCK)
    if not inflater.eof:
        raise ValueError("its gzip data is damaged")
    os.ftruncate(descriptor, cut)
    ending = _LAST_BLOCK + struct.pack("<LL", checksum, length & 0xFFFFFFFF)
    os.write(descriptor, ending)
    return cut + len(ending)
