"""The journal: every accepted batch, in the order of acceptance, in numbered segments.

One fsync of one file makes the batches of many clients safe at once. Each entry says which collection its lines belong to
and at which offset, so that writing them there can be repeated after a crash without harm. The importer follows the
same file. A segment goes when its lines are synced in their collections and imported.

An entry: magic, header length, lines length, CRC-32 of both (4 bytes each, little-endian), header (JSON), lines.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from perfkit.errors import Failed
from perfkit.receive import disk

SEGMENT_BYTES = 64 << 20
_PREFIX = struct.Struct("<4sIII")
_MAGIC = b"PKJ1"
_LARGEST = 256 << 20
_POSITION = struct.Struct("<QQI")


class Position(NamedTuple):
    """A place between two entries."""

    segment: int
    offset: int

    def __str__(self) -> str:
        return f"{self.segment}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        segment, offset = text.split(":")
        return cls(int(segment), int(offset))


class Entry(NamedTuple):
    """Lines (NDJSON, whole lines) that belong at byte `at` of the collection `file`."""

    identifier: str
    site: str | None
    file: str
    at: int
    received_ms: int
    carried: bool
    """Lines copied from the day before, so that a day's collection stands alone: not to be imported again."""
    lines: bytes

    def encode(self) -> bytes:
        header = orjson.dumps(self._replace(lines=None)._asdict())  # type: ignore[arg-type]
        check = zlib.crc32(self.lines, zlib.crc32(header))
        return b"".join((_PREFIX.pack(_MAGIC, len(header), len(self.lines), check), header, self.lines))


def read_entries(path: Path, start: int, end: int | None = None) -> Iterator[tuple[Entry, int]]:
    """The entries of a segment from offset `start`, each with the offset behind it, up to `end` or the first damaged or torn one."""
    with path.open("rb") as file:
        file.seek(start)
        offset = start
        while end is None or offset < end:
            prefix = file.read(_PREFIX.size)
            if len(prefix) < _PREFIX.size:
                return
            magic, header_size, lines_size, check = _PREFIX.unpack(prefix)
            if magic != _MAGIC or header_size + lines_size > _LARGEST:
                return
            header, lines = file.read(header_size), file.read(lines_size)
            if len(lines) < lines_size or zlib.crc32(lines, zlib.crc32(header)) != check:
                return
            offset += _PREFIX.size + header_size + lines_size
            yield Entry(**(orjson.loads(header) | {"lines": lines})), offset


class Folder:
    """The journal's files, for the one who writes and those who follow."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def segment(self, number: int) -> Path:
        return self.path / f"{number:012d}.journal"

    def segments(self) -> list[int]:
        """The numbers of the segments that are there, ascending."""
        return sorted(int(path.stem) for path in self.path.glob("*.journal") if path.stem.isdigit())

    def identity(self) -> str:
        """What distinguishes this journal from every other one; made on first use."""
        path = self.path / "identity"
        if not path.exists():
            disk.make_folder(self.path)
            disk.replace(path, uuid.uuid4().hex.encode())
        return path.read_text().strip()

    def publish(self, name: str, position: Position) -> None:
        """Let other processes know how far `name` ("committed", "stored", "imported", "kept") has come."""
        packed = struct.pack("<QQ", *position)
        descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, packed + struct.pack("<I", zlib.crc32(packed)), 0)
        finally:
            os.close(descriptor)

    def published(self, name: str) -> Position | None:
        """The position last published as `name`; None before the first, or while it is being written."""
        with contextlib.suppress(FileNotFoundError):
            packed = (self.path / name).read_bytes()
            if len(packed) == _POSITION.size and zlib.crc32(packed[:16]) == _POSITION.unpack(packed)[2]:
                return Position(*_POSITION.unpack(packed)[:2])
        return None

    def follow(self, position: Position | None, most_bytes: int) -> Iterator[tuple[Entry, Position]]:
        """Committed entries behind `position` (None: from the oldest kept), about `most_bytes` of them, each with the place behind it."""
        committed = self.published("committed")
        read = 0
        for number in self.segments():
            if committed is None or number > committed.segment or (position and number < position.segment):
                continue
            start = position.offset if position and number == position.segment else 0
            end = committed.offset if number == committed.segment else None
            for entry, offset in read_entries(self.segment(number), start, end):
                yield entry, Position(number, offset)
                read += len(entry.lines)
                if read >= most_bytes:
                    return


class Journal:
    """The writing end. One process and one thread own it."""

    def __init__(self, folder: Folder, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Open the journal for appending behind its last whole entry; what a crash tore off behind that is cut away."""
        self.folder = folder
        self.position = Position(1, 0)
        self._segment_bytes = segment_bytes
        disk.make_folder(folder.path)
        last = folder.published("committed") or self.position
        self._open(max([last.segment, *folder.segments()]))
        whole = max((end for _, end in read_entries(folder.segment(self.position.segment), 0)), default=0)
        os.ftruncate(self._descriptor, whole)
        os.lseek(self._descriptor, whole, os.SEEK_SET)
        disk.sync(self._descriptor)
        self.position = Position(self.position.segment, whole)
        folder.publish("committed", self.position)

    def append(self, entries: bytes) -> None:
        """Return when `entries` are on disk. Raises OSError, and then none of them counts."""
        if self._spoiled or self.position.offset >= self._segment_bytes:
            self._rotate()
        try:
            disk.write_all(self._descriptor, entries)
            disk.sync(self._descriptor)
        except OSError as error:
            self._abandon(error)
            raise
        self.position = Position(self.position.segment, self.position.offset + len(entries))
        self.folder.publish("committed", self.position)

    def close(self) -> None:
        os.close(self._descriptor)

    def _open(self, number: int) -> None:
        path = self.folder.segment(number)
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Failed(f"cannot open {path}: {error.strerror}.") from error
        disk.sync_path(self.folder.path)
        self.position = Position(number, 0)
        self._spoiled = False

    def _rotate(self) -> None:
        finished = self._descriptor
        self._open(self.position.segment + 1)
        os.close(finished)

    def _abandon(self, error: OSError) -> None:
        """Cut off what a failed write left. After a failed sync nobody knows what reached the disk: go on in a new segment."""
        self._spoiled = error.errno == errno.EIO
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self.position.offset)
            os.lseek(self._descriptor, self.position.offset, os.SEEK_SET)
