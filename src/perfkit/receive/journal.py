"""The journal: every accepted batch, in the order of acceptance, in numbered segments.

One fsync of one file makes the batches of many clients safe at once. Each entry says which collection its lines belong to
and at which offset, so that writing them there can be repeated after a crash without harm. The importer follows the
same file. A segment goes when its lines are synced in their collections and imported.

An entry: magic, header length, lines length, CRC-32 of both (4 bytes each, little-endian), header (JSON), lines. An entry that was
damaged on disk is passed over, and reading goes on at the next whole one; its lines are in their collection. No sender can forge one:
lines are JSON, in which the small numbers of a prefix, with their zero bytes, cannot stand.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import struct
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from perfkit import files
from perfkit.errors import Failed, reason
from perfkit.receive.batch import SiteMachine

_PREFIX = struct.Struct("<4sIII")
_MAGIC = b"PKJ1"
_LARGEST = 256 << 20
_POSITION = struct.Struct("<QQI")
_CHUNK = 1 << 20
_IDENTITY = re.compile(rb"[0-9a-f]{32}")

Damage = Callable[[Path, int, int], None]
"""Is told of a damaged part of a segment that was passed over: the segment, its first byte and the one behind its last."""


def ignore(path: Path, start: int, end: int) -> None:
    """For readers that need not know of damage."""


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
    """As the key said it; None: the default site."""
    file: str
    at: int
    received_ms: int
    carried: bool
    """Lines copied from the day before, so that a day's collection stands alone: not to be imported again."""
    lines: bytes
    far: bool = False
    """Their instants are far from the receiver's clock: kept in the collection, not in the time line."""

    @property
    def machine(self) -> SiteMachine:
        return SiteMachine.of(self.identifier, self.site)

    def encode(self) -> bytes:
        header = orjson.dumps(self._replace(lines=None)._asdict())  # type: ignore[arg-type]
        check = zlib.crc32(self.lines, zlib.crc32(header))
        return b"".join((_PREFIX.pack(_MAGIC, len(header), len(self.lines), check), header, self.lines))


def read_entries(path: Path, start: int, end: int | None = None, damage: Damage = ignore) -> Iterator[tuple[Entry, int]]:
    """The whole entries of a segment from offset `start`, each with the offset behind it, up to `end`.

    `damage` is told of what was passed over: where a whole entry follows it, or where it reaches to `end`. What a crash tore off at
    the end of the file is no damage.
    """
    with path.open("rb") as file:
        offset = start
        while end is None or offset < end:
            found = _entry(file, offset)
            if found is None:
                following = _following(file, offset + 1, end)
                if following is not None or end is not None:
                    damage(path, offset, following or end or offset)
                if following is None:
                    return
                offset = following
                continue
            entry, size = found
            offset += size
            yield entry, offset


def _entry(file: BinaryIO, offset: int) -> tuple[Entry, int] | None:
    """The entry at `offset`, and its size; None where none, or no whole one, stands."""
    file.seek(offset)
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return None
    magic, header_size, lines_size, check = _PREFIX.unpack(prefix)
    if magic != _MAGIC or header_size + lines_size > _LARGEST:
        return None
    header, lines = file.read(header_size), file.read(lines_size)
    if len(lines) < lines_size or zlib.crc32(lines, zlib.crc32(header)) != check:
        return None
    known = {name: value for name, value in orjson.loads(header).items() if name in Entry._fields}
    return Entry(**(known | {"lines": lines})), _PREFIX.size + header_size + lines_size


def _following(file: BinaryIO, offset: int, end: int | None) -> int | None:
    """Where the first whole entry from `offset` on begins; None if there is none before `end`."""
    overlap = len(_MAGIC) - 1
    while end is None or offset < end:
        file.seek(offset)
        chunk = file.read(_CHUNK)
        at = chunk.find(_MAGIC)
        while at >= 0 and (end is None or offset + at < end):
            if _entry(file, offset + at) is not None:
                return offset + at
            at = chunk.find(_MAGIC, at + 1)
        if len(chunk) < _CHUNK:
            return None
        offset += len(chunk) - overlap
    return None


class Folder:
    """The journal's files, for the one who writes and those who follow."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def segment(self, number: int) -> Path:
        return self.path / f"{number:012d}.journal"

    def segments(self) -> list[int]:
        """The numbers of the segments that are there, ascending."""
        return sorted(int(path.stem) for path in self.path.glob("*.journal") if path.stem.isdigit())

    def end(self, number: int, last: Position) -> int:
        """Where a segment ends of a journal that ends at `last`."""
        return last.offset if number == last.segment else self.segment(number).stat().st_size

    def identity(self) -> str:
        """What distinguishes this journal from every other one; made on first use, and anew where the file that has it is damaged.

        With a new one the importer begins at the oldest entry, and finds what is in the database already.
        """
        path = self.path / "identity"
        with contextlib.suppress(FileNotFoundError):
            found = path.read_bytes().strip()
            if _IDENTITY.fullmatch(found):
                return found.decode()
        files.make_folder(self.path)
        made = uuid.uuid4().hex
        files.replace_file(path, made.encode())
        return made

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

    def follow(self, position: Position | None, most_bytes: int, damage: Damage = ignore) -> Iterator[tuple[Entry, Position]]:
        """Committed entries behind `position` (None: from the oldest kept), about `most_bytes` of them, each with the place behind it."""
        committed = self.published("committed")
        read = 0
        for number in self.segments():
            if committed is None or number > committed.segment or (position and number < position.segment):
                continue
            start = position.offset if position and number == position.segment else 0
            for entry, offset in read_entries(self.segment(number), start, self.end(number, committed), damage):
                yield entry, Position(number, offset)
                read += len(entry.lines)
                if read >= most_bytes:
                    return


class Journal:
    """The writing end. One process and one thread own it."""

    def __init__(self, folder: Folder, segment_bytes: int) -> None:
        """Open the journal for appending behind its last whole entry; what a crash tore off behind that is cut away.

        A segment whose acknowledged end is damaged stays as it is, and the journal goes on in a new one.
        """
        self.folder = folder
        self._segment_bytes = segment_bytes
        files.make_folder(folder.path)
        committed = folder.published("committed") or Position(1, 0)
        self.position = Position(max([committed.segment, *folder.segments()]), 0)
        self._open(self.position.segment)
        whole = max((end for _, end in read_entries(folder.segment(self.position.segment), 0)), default=0)
        if committed.segment == self.position.segment and committed.offset > whole:
            os.close(self._descriptor)
            self._open(self.position.segment + 1)
        else:
            os.ftruncate(self._descriptor, whole)
            os.lseek(self._descriptor, whole, os.SEEK_SET)
            self.position = Position(self.position.segment, whole)
        files.sync(self._descriptor)
        folder.publish("committed", self.position)

    def append(self, entries: bytes) -> None:
        """Return when `entries` are on disk. Raises OSError, and then none of them counts."""
        if self._spoiled or self.position.offset >= self._segment_bytes:
            self._rotate()
        try:
            files.write_all(self._descriptor, entries)
            files.sync(self._descriptor)
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
            raise Failed(f"cannot open {path}: {reason(error)}.") from error
        files.sync_path(self.folder.path)
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
