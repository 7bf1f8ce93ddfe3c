"""Group commit: one thread that makes many clients' batches safe with one fsync, and only then lets them be answered."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from perfkit.errors import reason
from perfkit.receive import disk
from perfkit.receive.batch import Batch
from perfkit.receive.dayfiles import DayFiles
from perfkit.receive.journal import Entry, Folder, Journal, Position, read_entries
from perfkit.receive.limits import Limits
from perfkit.receive.refusal import Refused

SYNC_SECONDS = 30.0
"""How often collections are synced, so that the journal's segments can go."""
_SPACE_SECONDS = 1.0
_RETRY_SECONDS = 10


@dataclass
class Stored:
    """What became of one batch: lines written now, and lines that were there already."""

    new: int
    repeated: int


@dataclass
class _Waiting:
    batch: Batch
    site: str | None
    stored: Future[Stored] = field(default_factory=Future)


class Writer:
    """Everything that is written under the data folder `root`: the journal and the collections.

    `submit` may be called from any thread; `start` and `stop` once each.
    """

    def __init__(
        self,
        root: Path,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.time,
        observe_commit: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Open the data folder: what a crash left between journal and collections is made good before this returns."""
        self._limits, self._clock, self._observe_commit = limits, clock, observe_commit
        self.root = root
        self.files = DayFiles(root / "collections", limits)
        self.journal = Journal(Folder(root / "journal"))
        self._unsynced = self._replay()
        self._owed: deque[Entry] = deque()
        self._queue: list[_Waiting] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._space_asked, self._free_bytes = 0.0, 0
        self._state = threading.Lock()
        self._sync_failed = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._syncer = threading.Thread(target=self._run_syncer, name="syncer", daemon=True)
        self.sync_collections()

    def start(self) -> None:
        self._thread.start()
        self._syncer.start()

    def stop(self) -> None:
        """Write and sync all that was submitted, then return."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._thread.join()
        self.sync_collections()
        self.journal.close()

    def submit(self, batch: Batch, site: str | None) -> Future[Stored]:
        """The batch's lines in their collection: done when they are on disk, or failed with Refused and nothing of it kept."""
        waiting = _Waiting(batch, site)
        with self._wake:
            self._queue.append(waiting)
            self._wake.notify_all()
        return waiting.stored

    def sync_collections(self) -> None:
        """Sync every collection written since the last time, note it, and drop the segments that nobody needs any more."""
        with self._state:
            if self._owed or self._sync_failed:
                return
            reached, files, self._unsynced = self.journal.position, self._unsynced, set()
        try:
            paths = {self.files.root / file for file in files}
            for path in sorted(paths) + sorted({path.parent for path in paths}) + [self.files.root]:
                disk.sync_path(path)
        except OSError:
            # What a failed sync lost, the journal still has: it is kept whole from here, and the next start writes it again.
            self._sync_failed = True
            return
        folder = self.journal.folder
        folder.publish("stored", reached)
        kept = folder.published("kept") or Position(0, 0)
        for number in folder.segments():
            # One more than is needed stays: the database may lose its last transactions in a power cut.
            if number < min(reached.segment, kept.segment) - 1:
                folder.segment(number).unlink()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._stopping:
                    self._wake.wait()
                group, self._queue = self._queue, []
                if not group:
                    return
            try:
                with self._state:
                    self._commit(group)
            except Exception as error:
                # Not foreseen: nobody may wait for ever, and nothing that is not on disk may look as if it were.
                for waiting in group:
                    self.files.forget(waiting.batch.identifier)
                    if not waiting.stored.done():
                        waiting.stored.set_exception(error)

    def _run_syncer(self) -> None:
        while not self._stopping:
            with self._wake:
                self._wake.wait_for(lambda: self._stopping, SYNC_SECONDS)
            if not self._stopping:
                self.sync_collections()

    def _commit(self, group: list[_Waiting]) -> None:
        began = time.perf_counter()
        try:
            self._pay_owed()
            self.check_space()
        except Refused as refused:
            for waiting in group:
                waiting.stored.set_exception(refused)
            return
        entries: list[Entry] = []
        outcomes: list[tuple[_Waiting, Stored]] = []
        for waiting in group:
            try:
                outcomes.append((waiting, self._place(waiting, entries)))
            except Refused as refused:
                waiting.stored.set_exception(refused)
        if entries:
            try:
                self.journal.append(b"".join(entry.encode() for entry in entries))
            except OSError as error:
                self._turn_down(outcomes, error)
                return
            self._owed.extend(entries)
        with contextlib.suppress(Refused):  # The journal has them; what is owed is tried again before anything else is accepted.
            self._pay_owed()
        for waiting, stored in outcomes:
            waiting.stored.set_result(stored)
        self._observe_commit(time.perf_counter() - began)

    def _place(self, waiting: _Waiting, entries: list[Entry]) -> Stored:
        """Append to `entries` what is new of a batch, and count."""
        identifier, lines = waiting.batch
        if not lines:
            return Stored(0, 0)
        stream = self.files.stream(identifier)
        fresh = self.files.new_lines(stream, lines)
        if fresh:
            now = self._clock()
            day = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d")
            if not stream.file.endswith(f"-{day}.json"):
                head = self.files.begin_day(stream, day, fresh[0].instant)
                if head:
                    entries.append(Entry(identifier, waiting.site, stream.file, 0, int(now * 1000), True, head))
                    stream.end = len(head)
            text = b"".join(line.text + b"\n" for line in fresh)
            entries.append(Entry(identifier, waiting.site, stream.file, stream.end, int(now * 1000), False, text))
            offset = stream.end
            for line in fresh:
                stream.note(line, offset)
                offset += len(line.text) + 1
            stream.end = offset
        return Stored(len(fresh), len(lines) - len(fresh))

    def _turn_down(self, outcomes: list[tuple[_Waiting, Stored]], error: OSError) -> None:
        refused = Refused(503, f"the batch could not be written: {reason(error)}.", _RETRY_SECONDS)
        for waiting, _ in outcomes:
            self.files.forget(waiting.batch.identifier)
            waiting.stored.set_exception(refused)

    def _pay_owed(self) -> None:
        """Write what the journal holds into its collections. Raises Refused (503) while the disk does not take it."""
        while self._owed:
            entry = self._owed[0]
            try:
                self.files.write(entry.file, entry.at, entry.lines)
            except OSError as error:
                raise Refused(503, f"the collections cannot be written: {reason(error)}.", _RETRY_SECONDS) from error
            self._unsynced.add(entry.file)
            self._owed.popleft()

    def measure_free(self) -> int:
        """Bytes left on the data folder's disk."""
        free = os.statvfs(self.root)
        return free.f_bavail * free.f_frsize

    def check_space(self) -> None:
        """Raises Refused (503) when less space is left than the receiver leaves alone; measured once a second."""
        if time.monotonic() - self._space_asked >= _SPACE_SECONDS:
            self._space_asked, self._free_bytes = time.monotonic(), self.measure_free()
        if self._free_bytes < self._limits.keep_free:
            raise Refused(503, "the receiver's disk is full.", _RETRY_SECONDS)

    def _replay(self) -> set[str]:
        """Write again all that the journal holds behind the last sync, and cut off the rest of those collections."""
        stored = self.journal.folder.published("stored") or Position(0, 0)
        ends: dict[str, int] = {}
        for number in self.journal.folder.segments():
            if number < stored.segment:
                continue
            start = stored.offset if number == stored.segment else 0
            for entry, _ in read_entries(self.journal.folder.segment(number), start):
                self.files.write(entry.file, entry.at, entry.lines)
                ends[entry.file] = entry.at + len(entry.lines)
        for file, end in ends.items():
            os.truncate(self.files.root / file, end)
        return set(ends)
