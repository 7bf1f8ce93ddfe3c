"""The collections that the receiver writes: one per machine and day of arrival (UTC), in a folder per machine.

What is known of a machine (its file, the end of it, the newest line) comes from the tail of its file, so it survives a restart.
Next to its collections a machine's folder has its site and identifier, which the folder's name does not tell, in the file `.machine`.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from perfkit import files
from perfkit.process.received import MACHINE, START_OF_LINE, sender_of
from perfkit.receive.batch import ReceivedLine, SiteMachine
from perfkit.receive.request import ReceiverLimits, Refused

TAIL_BYTES = 256 << 10
"""What is read of a file's end to learn where an identifier stands."""
SEARCH_BYTES = 1 << 20
"""How far back, beyond twice its own size, a batch that may be a repetition is searched for."""
_KNOWN_STREAMS = 20_000
_CARRIED = ("perfkit/session", "/proc/cpuinfo")


@dataclass
class Stream:
    """Where one machine stands."""

    machine: SiteMachine
    file: str = ""
    """Path of its newest collection, relative to the root; empty before the first line."""
    end: int = 0
    """Bytes in that collection."""
    newest: tuple[int, int] = (-1, -1)
    """The largest instant stored (of the tail), those aside that are far from the receiver's clock."""
    newest_lines: set[int] = field(default_factory=set)
    """Hashes of the lines stored with that instant."""
    carried: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Where the last session and cpuinfo line stand: file, offset, length."""

    def note(self, line: ReceivedLine, offset: int, far: bool) -> None:
        """Learn of a line that is stored at `offset` of the current file."""
        if not far and line.instant > self.newest:
            self.newest = line.instant
            self.newest_lines.clear()
        if line.instant == self.newest:
            self.newest_lines.add(hash(line.text))
        if line.subsystem in _CARRIED:
            self.carried[line.subsystem] = (self.file, offset, len(line.text) + 1)


class DayFiles:
    """All collections under `root`. One thread owns it; `clock` gives seconds since the epoch."""

    def __init__(self, root: Path, limits: ReceiverLimits, clock: Callable[[], float]) -> None:
        self.root = root
        self._limits, self._clock = limits, clock
        self._streams: OrderedDict[SiteMachine, Stream] = OrderedDict()
        files.make_folder(root)
        self._folders = {entry.name for entry in os.scandir(root) if entry.is_dir()}

    def stream(self, machine: SiteMachine) -> Stream:
        """Where `machine` stands. Raises Refused (403) when it would be one machine too many, and OSError."""
        known = self._streams.get(machine)
        if known is None:
            folder = machine.folder()
            if folder not in self._folders and len(self._folders) >= self._limits.identifiers:
                raise Refused(403, f"this receiver already holds its limit of {self._limits.identifiers} identifiers.")
            known = self._streams[machine] = self._load(machine, self.root / folder)
            if len(self._streams) > _KNOWN_STREAMS:
                self._streams.popitem(last=False)
        self._streams.move_to_end(machine)
        return known

    def forget(self, machine: SiteMachine) -> None:
        """Read again what is on disk, the next time `machine` is asked for."""
        self._streams.pop(machine, None)

    def is_far(self, line: ReceivedLine, now: float) -> bool:
        """Whether the line's instant is too far from the receiver's clock, `now`, to belong in the time line."""
        return not now - self._limits.behind <= line.instant[0] <= now + self._limits.ahead

    def new_lines(self, stream: Stream, lines: list[ReceivedLine], now: float) -> list[ReceivedLine]:
        """`lines` without those that an earlier request stored.

        A line newer than all that is stored is new. One as new as the newest is compared with those of that instant, and an
        older one, or one that is far from the receiver's clock, with the end of the collections, as far back as a sender may
        have been answered without hearing it.
        """
        stored: set[bytes] | None = None
        fresh = []
        for line in lines:
            if line.instant > stream.newest and not self.is_far(line, now):
                fresh.append(line)
            elif line.instant == stream.newest:
                if hash(line.text) not in stream.newest_lines:
                    fresh.append(line)
            else:
                if stored is None:
                    stored = self._stored_lines(stream, 2 * sum(len(each.text) for each in lines) + SEARCH_BYTES)
                if line.text not in stored:
                    fresh.append(line)
        return fresh

    def begin_day(self, stream: Stream, day: str, instant: tuple[int, int]) -> bytes:
        """Make `stream` go on in the collection of `day`; the lines that it shall begin with, so that it can be read alone.

        They are the last session and cpuinfo, as of `instant`, the day's first sample.
        """
        told = [self._read(*stream.carried[name]) for name in _CARRIED if name in stream.carried]
        head = b"".join(_told_again(line, instant) for line in told if line)
        stream.file, stream.end = stream.machine.day_file(day), 0
        self._folders.add(stream.machine.folder())
        return head

    def write(self, machine: SiteMachine, file: str, offset: int, lines: bytes) -> None:
        """Put `lines` of `machine` at `offset` of its collection `file`; the same again changes nothing. Not yet synced.

        What is missing before `offset`, because journal and collection were both damaged, becomes empty lines. Raises OSError.
        """
        path = self.root / file
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            (path.parent / MACHINE).write_bytes(orjson.dumps(machine._asdict()))
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size < offset:
                files.write_all_at(descriptor, b"\n" * (offset - size), size)
            files.write_all_at(descriptor, lines, offset)
        finally:
            os.close(descriptor)

    def _load(self, machine: SiteMachine, folder: Path) -> Stream:
        stream = Stream(machine)
        known = collections(folder)
        if not known:
            return stream
        path = known[-1]
        stream.file, stream.end = str(path.relative_to(self.root)), whole_lines(path)
        start = max(0, stream.end - TAIL_BYTES)
        if start:
            self._learn(stream, 0, TAIL_BYTES, heads_only=True)
        self._learn(stream, start, stream.end, heads_only=False)
        return stream

    def _learn(self, stream: Stream, start: int, end: int, heads_only: bool) -> None:
        offset = start
        for text in self._read(stream.file, start, end - start).split(b"\n"):
            line = _stored_line(text)
            if line and (not heads_only or line.subsystem in _CARRIED):
                stream.note(line, offset, self.is_far(line, self._clock()))
            offset += len(text) + 1

    def _stored_lines(self, stream: Stream, wanted: int) -> set[bytes]:
        """The lines in the last `wanted` bytes of the newest collections of `stream`."""
        lines: set[bytes] = set()
        if not stream.file:
            return lines
        for path in reversed(collections((self.root / stream.file).parent)):
            size = path.stat().st_size
            start = max(0, size - wanted)
            lines.update(self._read(str(path.relative_to(self.root)), start, size - start).split(b"\n"))
            wanted -= size - start
            if wanted <= 0:
                break
        return lines

    def _read(self, file: str, offset: int, length: int) -> bytes:
        try:
            with (self.root / file).open("rb") as stored:
                stored.seek(offset)
                return stored.read(length)
        except FileNotFoundError:
            return b""


def _told_again(line: bytes, instant: tuple[int, int]) -> bytes:
    record = orjson.loads(line)
    when = {"timestamp": instant[0], "nanosecond": instant[1]} if "nanosecond" in record else {"timestamp": instant[0]}
    return orjson.dumps(when | {key: record[key] for key in ("subsystem", "measurement")}) + b"\n"


def machine_of(folder: Path) -> SiteMachine | None:
    """Whose collections `folder` has; None where that cannot be read."""
    found = sender_of(folder)
    return SiteMachine(*found) if found else None


def collections(folder: Path) -> list[Path]:
    """The collections in a machine's folder, the oldest day first."""
    return sorted(folder.glob("*.json"), key=lambda path: path.name[-15:])


def whole_lines(path: Path) -> int:
    """The size of `path` after a torn last line has been cut off."""
    with path.open("rb+") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - TAIL_BYTES)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            file.truncate(end)
    return end


def _stored_line(text: bytes) -> ReceivedLine | None:
    """What `Stream.note` needs of a stored line, without parsing its measurement; None for a part of a line."""
    found = START_OF_LINE.match(text)
    return ReceivedLine((int(found[1]), int(found[2] or 0)), found[3].decode(), text) if found else None
