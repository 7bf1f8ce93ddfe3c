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

from perfkit import files
from perfkit.catalog import DEFAULT_SITE
from perfkit.collection import END, MARK
from perfkit.errors import reason
from perfkit.receive.batch import ReceivedLine, SiteMachine
from perfkit.receive.dayfiles import DayFiles, Stream, whole_lines
from perfkit.receive.journal import Entry, Folder, Journal, Position, read_entries
from perfkit.receive.request import ReceiverLimits, Refused

SYNC_SECONDS = 30.0
"""How often collections are synced, so that the journal's segments can go."""
RECORDS_SECONDS = 600.0
"""For how long after its last line a machine that did not say that its recording has ended is taken to record."""
RETRY_SECONDS = 10
"""When a sender may come back that found the disk full or broken."""
_SPACE_SECONDS = 1.0


@dataclass
class Stored:
    """What became of one batch: lines written now, lines that were there already, and those of the new ones that are far off in time."""

    new: int
    repeated: int
    far: int = 0


@dataclass
class _Waiting:
    machine: SiteMachine
    lines: list[ReceivedLine]
    stored: Future[Stored] = field(default_factory=Future)


class Writer:
    """Everything that is written under the data folder `root`: the journal and the collections.

    `submit` may be called from any thread; `start` and `stop` once each.
    """

    def __init__(
        self,
        root: Path,
        limits: ReceiverLimits,
        *,
        clock: Callable[[], float] = time.time,
        observe_commit: Callable[[float], None] = lambda seconds: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Open the data folder: what a crash left between journal and collections is made good before this returns.

        `say` gets a sentence about a journal that is damaged. Raises OSError and Failed where the folder cannot be used.
        """
        self._limits, self._clock, self._observe_commit, self._say = limits, clock, observe_commit, say
        self.root = root
        self.files = DayFiles(root / "collections", limits, clock)
        self.journal = Journal(Folder(root / "journal"), limits.segment)
        self._unsynced = self._replay()
        self._owed: deque[Entry] = deque()
        self._heard: dict[SiteMachine, float] = {}  # what records, and when it sent last
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

    def submit(self, machine: SiteMachine, lines: list[ReceivedLine]) -> Future[Stored]:
        """The machine's lines in its collection: done when they are on disk, or failed with Refused and nothing of it kept."""
        waiting = _Waiting(machine, lines)
        with self._wake:
            self._queue.append(waiting)
            self._wake.notify_all()
        return waiting.stored

    def recording(self, site: str) -> list[SiteMachine]:
        """The machines of `site` that have sent lines since this writer began, lately, and no end of their recording behind them."""
        since = self._clock() - RECORDS_SECONDS
        return sorted(machine for machine, at in dict(self._heard).items() if machine.site == site and at >= since)

    def sync_collections(self) -> None:
        """Sync every collection written since the last time, note it, and drop the segments that nobody needs any more."""
        with self._state:
            if self._owed or self._sync_failed:
                return
            reached, written, self._unsynced = self.journal.position, self._unsynced, set()
        try:
            paths = {self.files.root / file for file in written}
            for path in sorted(paths) + sorted({path.parent for path in paths}) + [self.files.root]:
                files.sync_path(path)
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
                    self.files.forget(waiting.machine)
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
            except OSError as error:
                self.files.forget(waiting.machine)
                waiting.stored.set_exception(Refused(503, f"the collections cannot be read: {reason(error)}.", RETRY_SECONDS))
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
        if not waiting.lines:
            return Stored(0, 0)
        now = self._clock()
        stream = self.files.stream(waiting.machine)
        fresh = self.files.new_lines(stream, waiting.lines, now)
        far = [line for line in fresh if self.files.is_far(line, now)]
        near = [line for line in fresh if not self.files.is_far(line, now)] if far else fresh
        if fresh:
            self._hear(waiting.machine, fresh, now)
            day = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%d")
            if not stream.file.endswith(f"-{day}.json"):
                head = self.files.begin_day(stream, day, near[0].instant if near else (int(now), 0))
                if head:
                    entries.append(_entry(stream, now, head, carried=True))
                    stream.end = len(head)
            # Each entry is imported or not as a whole, so lines that are far off in time get one of their own.
            for lines, is_far in ((near, False), (far, True)):
                if lines:
                    entries.append(_entry(stream, now, b"".join(line.text + b"\n" for line in lines), far=is_far))
                for line in lines:
                    stream.note(line, stream.end, is_far)
                    stream.end += len(line.text) + 1
        return Stored(len(fresh), len(waiting.lines) - len(fresh), len(far))

    def _hear(self, machine: SiteMachine, lines: list[ReceivedLine], now: float) -> None:
        """Note that `machine` records, or that it has ended; a mark says neither."""
        told = [line for line in lines if line.subsystem != MARK]
        if told and max(told, key=lambda line: line.instant).subsystem == END:
            self._heard.pop(machine, None)
        elif told:
            self._heard[machine] = now

    def _turn_down(self, outcomes: list[tuple[_Waiting, Stored]], error: OSError) -> None:
        refused = Refused(503, f"the batch could not be written: {reason(error)}.", RETRY_SECONDS)
        for waiting, _ in outcomes:
            self.files.forget(waiting.machine)
            waiting.stored.set_exception(refused)

    def _pay_owed(self) -> None:
        """Write what the journal holds into its collections. Raises Refused (503) while the disk does not take it."""
        while self._owed:
            entry = self._owed[0]
            try:
                self.files.write(entry.machine, entry.file, entry.at, entry.lines)
            except OSError as error:
                raise Refused(503, f"the collections cannot be written: {reason(error)}.", RETRY_SECONDS) from error
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
            raise Refused(503, "the receiver's disk is full.", RETRY_SECONDS)

    def _replay(self) -> set[str]:
        """Write again all that the journal holds behind the last sync, and cut off the rest of those collections.

        Where a part of the journal is damaged, collections are cut only behind their last whole line: what the journal lost, they have.
        """
        stored = self.journal.folder.published("stored") or Position(0, 0)
        ends: dict[str, int] = {}
        damaged: list[int] = []
        for number in self.journal.folder.segments():
            if number < stored.segment:
                continue
            start = stored.offset if number == stored.segment else 0
            end = self.journal.folder.end(number, self.journal.position)
            entries = read_entries(self.journal.folder.segment(number), start, end, lambda path, first, last: damaged.append(last - first))
            for entry, _ in entries:
                self.files.write(entry.machine, entry.file, entry.at, entry.lines)
                ends[entry.file] = entry.at + len(entry.lines)
        for file, end in ends.items():
            if damaged:
                whole_lines(self.files.root / file)
            else:
                os.truncate(self.files.root / file, end)
        if damaged:
            self._say(f"{sum(damaged)} bytes of the journal are damaged; what they said is taken from the collections.")
        return set(ends)


def _entry(stream: Stream, now: float, lines: bytes, *, carried: bool = False, far: bool = False) -> Entry:
    site = None if stream.machine.site == DEFAULT_SITE else stream.machine.site
    return Entry(stream.machine.identifier, site, stream.file, stream.end, int(now * 1000), carried, lines, far)
