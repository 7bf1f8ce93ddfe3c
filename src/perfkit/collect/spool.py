"""The spool: batches of lines on disk, in order, until the receiver has acknowledged them.

A folder (0700) of files `000000000001.ndjson`, each one batch; an acknowledged batch is unlinked, so what is there is what has
not arrived. `lock` is held by the collector (perfkit.collection.lock) and names whose lines these are. Nothing else is remembered: after a
crash the batches that are there are sent again, whole and unchanged, and the receiver knows lines that it has already.
"""

from __future__ import annotations

import json
import os
import threading
import time

from perfkit.collection import lock
from perfkit.collection.subsystems import OCCASIONAL
from perfkit.errors import BadInput, Failed, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SUFFIX = ".ndjson"
_REJECTED = ".rejected"
_SUBSYSTEM = b',"subsystem":"'
_NOT_SAMPLED = tuple(name.encode() for name in OCCASIONAL)


def samples_in(lines: list[bytes]) -> int:
    """How many samples the lines are of: each sample has one line of every source."""
    counts: dict[bytes, int] = {}
    for line in lines:
        subsystem = line.partition(_SUBSYSTEM)[2].partition(b'"')[0]
        if not subsystem.startswith(_NOT_SAMPLED):
            counts[subsystem] = counts.get(subsystem, 0) + 1
    return max(counts.values(), default=0)


def is_whole(line: bytes) -> bool:
    """Whether it is as a collector wrote it, rather than damaged on the disk."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


class Batch:
    """Lines that travel together."""

    __slots__ = ("number", "path", "size")

    def __init__(self, folder: str, number: int, size: int = 0) -> None:
        self.number, self.size = number, size
        self.path = os.path.join(folder, f"{number:012d}{_SUFFIX}")

    def lines(self) -> list[bytes]:
        """Its whole lines without newlines; one that a crash cut off is left out. Raises OSError."""
        with open(self.path, "rb") as file:
            return file.read().split(b"\n")[:-1]


class Spool:
    """One writer appends samples, one sender takes batches; both may be threads of this process.

    Raises BadInput where the folder cannot be used, or is another collector's.
    """

    def __init__(  # noqa: PLR0913 (each bound has a name)
        self,
        folder: str,
        identifier: str,
        *,
        limit: int,
        batch_lines: int,
        interval: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.dropped_lines = self.dropped_samples = 0
        self.written = 0
        self._limit, self._batch_lines, self._interval, self._monotonic = limit, batch_lines, interval, monotonic
        self._changed = threading.Condition()
        self._lock = _claim(folder, identifier)
        self._waiting = _left(folder)
        self._size = sum(batch.size for batch in self._waiting)
        self._number = max((batch.number for batch in self._waiting), default=0)
        self._sending: Batch | None = None
        self._ended = False
        self._open: Batch | None = None
        self._descriptor = -1
        self._open_lines = 0
        self._opened = 0.0

    @property
    def waiting(self) -> int:
        """Batches that have not been acknowledged, the one being filled included."""
        with self._changed:
            return len(self._waiting) + (self._open is not None)

    @property
    def size(self) -> int:
        """Bytes of them."""
        return self._size

    # The writer's side

    def append(self, lines: bytes) -> None:
        """Add whole lines to the open batch; drops the oldest batches where there is no room. Failed if the disk takes none."""
        with self._changed:
            while self._size + len(lines) > self._limit and self._drop_oldest():
                pass
            while not self._write(lines):
                if not self._drop_oldest():
                    raise Failed(f"the spool {self.folder} takes no more: {self._why}; make room, or name another with --spool.")
            self._size += len(lines)
            self.written += len(lines)
            self._open_lines += lines.count(b"\n")
            if self._open_lines >= self._batch_lines:
                self._seal()
            self._changed.notify_all()

    def _write(self, lines: bytes) -> bool:
        try:
            if self._open is None:
                self._begin()
            batch = self._open
            assert batch is not None  # noqa: S101 (for the type checker)
            done = 0
            while done < len(lines):
                done += os.write(self._descriptor, lines[done:])
            batch.size += len(lines)
        except OSError as error:
            self._why = reason(error)
            if self._open is not None:
                os.ftruncate(self._descriptor, self._open.size)
            return False
        return True

    def _begin(self) -> None:
        batch = Batch(self.folder, self._number + 1)
        self._descriptor = os.open(batch.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._number, self._open, self._open_lines, self._opened = batch.number, batch, 0, self._monotonic()

    def _drop_oldest(self) -> bool:
        """Give up the oldest batch that is not on its way; False if there is none."""
        for batch in self._waiting:
            if batch is not self._sending:
                lines = batch.lines()
                self.dropped_lines += len(lines)
                self.dropped_samples += samples_in(lines)
                self._forget(batch)
                return True
        return False

    def seal(self) -> None:
        """Let the open batch be sent as it is."""
        with self._changed:
            self._seal()
            self._changed.notify_all()

    def _seal(self) -> None:
        if self._open is not None:
            os.close(self._descriptor)
            self._waiting.append(self._open)
            self._open = None

    # The sender's side

    def next(self, timeout: float) -> Batch | None:
        """The oldest sealed batch; waits for one at most `timeout` seconds, after `end` not at all. An open batch is sealed in its time."""
        end = self._monotonic() + timeout
        with self._changed:
            while True:
                now = self._monotonic()
                if self._open is not None and now >= self._opened + self._interval:
                    self._seal()
                if self._waiting or now >= end or self._ended:
                    self._sending = self._waiting[0] if self._waiting else None
                    return self._sending
                due = self._opened + self._interval if self._open is not None else end
                self._changed.wait(max(min(due, end) - now, 0.001))

    def acknowledge(self, batch: Batch) -> None:
        """The receiver has it: it leaves the spool."""
        with self._changed:
            self._forget(batch)

    def reject(self, batch: Batch) -> str:
        """The receiver will never take it: set it aside; returns where."""
        with self._changed:
            aside = batch.path[: -len(_SUFFIX)] + _REJECTED
            os.replace(batch.path, aside)
            self._forget(batch)
            return aside

    def _forget(self, batch: Batch) -> None:
        try:
            os.unlink(batch.path)
        except FileNotFoundError:
            pass
        self._waiting.remove(batch)
        self._size -= batch.size

    def end(self) -> None:
        """Let nobody wait in `next` any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Seal what is open and let the folder go; what was not acknowledged stays for the next run."""
        self.seal()
        os.close(self._lock)


def _claim(folder: str, identifier: str) -> int:
    """Create and lock the folder; returns the lock's descriptor."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if not lock.acquire(descriptor):
            raise BadInput(f"process {lock.holder_of(descriptor)} uses the spool {folder}; name another with --spool.")
    except OSError as error:
        raise BadInput(f"cannot use the spool {folder}: {reason(error)}; name another with --spool.") from None
    owner = os.pread(descriptor, 4096, 0).decode("utf-8", "replace")
    if owner and owner != identifier and _left(folder):
        os.close(descriptor)
        raise BadInput(f"the spool {folder} holds lines of {owner!r} that were never sent; send them first, or name another with --spool.")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, identifier.encode(), 0)
    return descriptor


def _left(folder: str) -> list[Batch]:
    """The batches that earlier runs could not send, oldest first."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(_SUFFIX) and name[: -len(_SUFFIX)].isdigit())
    return [Batch(folder, int(name[: -len(_SUFFIX)]), os.stat(os.path.join(folder, name)).st_size) for name in names]
