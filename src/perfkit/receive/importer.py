"""From the journal into the database, at most a second behind, in steps that are kept whole or not at all.

What one machine sends can fail, and delay, that machine alone: what is much, and what comes from a machine for which the import failed, is
put off and fed apart, piece by piece, while every step takes what the others have sent since. Lines that fail a second time are set aside:
they stay in their collection, and the ledger says so.
"""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import _duckdb as duckdb

from perfkit.errors import PerfkitError, reason
from perfkit.receive.batch import SiteMachine
from perfkit.receive.dayfiles import collections, machine_of
from perfkit.receive.journal import Entry, Folder, Position
from perfkit.receive.ledger import CLOCK, IMPORT, Aside, Ledger
from perfkit.store.live import LiveBatch, SetAside

STEP_SECONDS = 1.0
SHORTEST_PAUSE = 0.25
RETRY_SECONDS = 5.0
FINISH_SECONDS = 10.0
"""For how long a backlog is imported after SIGTERM; the rest is there at the next start."""
STEP_BYTES = 5 << 20
"""The most lines that one step takes; a backlog is imported in steps of this size, one after the other."""
LIGHT_BYTES = 64 << 10
"""What a machine may send in a step beside others without being put off: a minute of an ordinary collector."""
PIECE_BYTES = 512 << 10
PIECES_SECONDS = 0.5
"""How much of what was put off is fed at once, and for how long in one step: the others' next samples wait for no more."""
MOST_PUT_OFF = 32 << 20
"""Bytes that are put off at most; beyond, they come before anything new is read."""
SETTLE_SECONDS = 5.0
"""How long after the last batch the database is asked to take in what it held back for a next sample."""
SUSPECT_SECONDS = 600.0
"""For how long a machine for which the import failed is put off."""
MOST_FAILURES = 12
APART_SECONDS = 2.0
"""How often, and for how long, the import may fail in one step, so that the others' next samples do not wait for it; after that, what
fails is set aside whole instead of being searched for the line."""
TRY_LATER = (PerfkitError, OSError, sqlite3.OperationalError, MemoryError, duckdb.IOException)
"""What has nothing to do with the data: the disk or the database cannot be used now."""
_REREAD_BYTES = 8 << 20
_RECENT_SECONDS = 2 * 86_400.0


class Sink(Protocol):
    """What the importer needs of the database; `perfkit.store.live.Live` is one.

    `feed` and `save` raise one of TRY_LATER where the database cannot be written now, and anything else for data that cannot be
    imported; nothing has changed then, and the sink must be opened again. An error may have an attribute `machine`, (identifier, site):
    the machine whose lines, given now or held back before, it is about.
    """

    unfinished: bool
    """Whether something of what was fed, before or after a restart, waits to be taken in: feed again, if need be with no batches."""

    def position(self, journal: str) -> str | None:
        """From where this journal must be fed after a restart."""

    def feed(self, batches: Sequence[LiveBatch], *, journal: str, position: str) -> object:
        """Take `batches` in, in one transaction. What was fed since `position` was last kept may be fed again."""

    def save(self, journal: str, position: str) -> None:
        """Keep `position` for good, and all that later samples need of what was fed."""

    def close(self) -> None: ...


@runtime_checkable
class Noting(Protocol):
    """A sink that keeps what was set aside among a machine's quality events."""

    def note(self, aside: SetAside) -> None:
        """Count further lines in the machine's event of that reason; commits at once."""


@runtime_checkable
class Forgetting(Protocol):
    """A sink that can drop the lines of a machine that it holds back for a next sample, where those cannot be imported."""

    def forget(self, identifier: str, site: str) -> int:
        """Drop them, for good, and say how many they were; the machine's next sample begins anew."""


@runtime_checkable
class Bounding(Protocol):
    """A sink that takes rows of so many devices of each machine; `held_back` counts the further ones since it was opened."""

    held_back: int


OpenSink = Callable[[Path], Sink]


class Part(NamedTuple):
    """Whole lines of one machine, which stand at byte `at` of the collection `file`."""

    machine: SiteMachine
    received_ms: int
    lines: bytes
    file: str
    at: int

    def batch(self) -> LiveBatch:
        return LiveBatch(self.machine.identifier, self.machine.site, self.received_ms, self.lines)

    def halves(self) -> tuple[Part, Part] | None:
        """The part cut between two lines; None of a single line."""
        middle = self.lines.find(b"\n", len(self.lines) // 2) + 1
        if not 0 < middle < len(self.lines):
            middle = self.lines.rfind(b"\n", 0, len(self.lines) - 1) + 1
        if not middle:
            return None
        return self._replace(lines=self.lines[:middle]), self._replace(lines=self.lines[middle:], at=self.at + middle)

    def between_samples(self) -> tuple[Part, Part] | None:
        """The part cut where a second ends, so that no sample is taken for whole that is not; None where all is of one."""
        at = self.lines.find(b"\n", len(self.lines) // 2) + 1
        second = self.lines[self.lines.rfind(b"\n", 0, max(0, at - 1)) + 1 : at].partition(b",")[0]
        while 0 < at < len(self.lines):
            end = self.lines.find(b"\n", at) + 1
            if self.lines[at:end].partition(b",")[0] != second:
                return self._replace(lines=self.lines[:at]), self._replace(lines=self.lines[at:], at=self.at + at)
            at = end
        return None


class PutOff:
    """Parts that are fed later, by machine, each with the place in the journal from which it would be read again."""

    def __init__(self) -> None:
        self._queues: dict[SiteMachine, deque[tuple[Position, Part]]] = {}
        self._sizes: dict[SiteMachine, int] = {}

    def __contains__(self, machine: SiteMachine) -> bool:
        return machine in self._queues

    def __bool__(self) -> bool:
        return bool(self._queues)

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(self._sizes.values())

    @property
    def oldest(self) -> Position | None:
        """The first place in the journal that is still needed; None where nothing waits."""
        return min((queue[0][0] for queue in self._queues.values()), default=None)

    def add(self, before: Position, part: Part) -> None:
        halves = part.between_samples() if len(part.lines) > PIECE_BYTES else None
        for half in halves or ():
            self.add(before, half)
        if halves:
            return
        self._queues.setdefault(part.machine, deque()).append((before, part))
        self._sizes[part.machine] = self._sizes.get(part.machine, 0) + len(part.lines)

    def piece(self) -> list[Part]:
        """The oldest parts, about PIECE_BYTES, of the machines of which the least waits: they are soonest done."""
        parts: list[Part] = []
        size = 0
        for machine in sorted(self._sizes, key=self._sizes.__getitem__):
            for _, part in self._queues[machine]:
                if parts and size + len(part.lines) > PIECE_BYTES:
                    return parts
                parts.append(part)
                size += len(part.lines)
        return parts

    def done(self, parts: Sequence[Part]) -> None:
        """Forget the parts that `piece` gave."""
        for part in parts:
            self._queues[part.machine].popleft()
            self._sizes[part.machine] -= len(part.lines)
            if not self._queues[part.machine]:
                del self._queues[part.machine], self._sizes[part.machine]


class Importer:
    """Follows the journal under the data folder `data` into the database `db`, which `open_sink` opens.

    `say` gets sentences for the log.
    """

    def __init__(self, data: Path, db: Path, open_sink: OpenSink, say: Callable[[str], None] = lambda line: None) -> None:
        self._data, self._folder, self._db, self._open, self._say = data, Folder(data / "journal"), db, open_sink, say
        self._journal = self._folder.identity()
        self._ledger = Ledger(data)
        self._account = self._ledger.read()
        self._position: Position | None = None
        self._sink: Sink | None = None
        self._suspects: dict[SiteMachine, float] = {}
        self._put_off = PutOff()
        self._apart_to: Position | None = (
            None  # each machine is fed apart until the journal is read to here, where feeding all at once failed
        )
        self._failures, self._why, self._spent_at = 0, "", 0.0
        self._fed_at = time.monotonic()
        self._ends: dict[str, int] = {}
        self._held_back = 0
        self._damaged = self._reread = False
        self.idle = False
        """Whether the last step found nothing new."""

    def step(self) -> bool:
        """Import what is there, up to STEP_BYTES; whether that was all. Raises one of TRY_LATER where that is not possible now."""
        if self._sink is None:
            self._begin_again()
        found = list(self._folder.follow(self._position, STEP_BYTES, self._note_damage)) if self._put_off.size < MOST_PUT_OFF else []
        read_from = self._position or Position(0, 0)
        parts = list(self._parts([entry for entry, _ in found]))
        reached = found[-1][1] if found else self._position
        was_all = sum(len(entry.lines) for entry, _ in found) < STEP_BYTES and self._put_off.size < MOST_PUT_OFF
        rereads = was_all and self._damaged and not self._reread
        if rereads:
            parts += self._rests()
        self.idle = not parts and not found and not self._put_off
        if self.idle and not self._sink_now().unfinished and time.monotonic() - self._fed_at > SETTLE_SECONDS:
            return True
        if not self.idle:
            self._fed_at = time.monotonic()
        if not self._feed(self._without_much(parts, read_from), reached):
            return False
        self._ends |= {entry.file: entry.at + len(entry.lines) for entry, _ in found}
        self._reread = self._reread or rereads
        self._set_aside_far(found)
        moved, self._position = reached != self._position, reached
        if self._put_off and (was_all or self._put_off.size >= MOST_PUT_OFF):  # after a restart, what the others sent comes first
            self._feed_pieces()
        self._count_held_back()
        if moved:
            self._publish()
        self.waits("")
        return was_all and not self._put_off

    def finish(self, seconds: float = float("inf")) -> None:
        """Import what is still there, and keep where that ends; after so many seconds the rest is left for the next start."""
        end = time.monotonic() + seconds
        while not self.step() and time.monotonic() < end:
            pass
        self._save()

    def close(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def waits(self, why: str) -> None:
        """Say in the ledger why nothing is imported at present; "" that it is."""
        if self._account.waiting != why:
            self._account.waiting = why
            self._write_ledger()

    def _without_much(self, parts: Sequence[Part], read_from: Position) -> list[Part]:
        """`parts` without those of suspects, and of machines of which there is more than of others: these are put off."""
        now = time.monotonic()
        self._suspects = {machine: until for machine, until in self._suspects.items() if until > now}
        sizes: dict[SiteMachine, int] = {}
        for part in parts:
            sizes[part.machine] = sizes.get(part.machine, 0) + len(part.lines)
        usual = sorted(sizes.values())[len(sizes) // 4] if sizes else 0  # of a backlog of equal machines none has too much
        much = max(LIGHT_BYTES, 2 * usual)
        later = {
            machine
            for machine, size in sizes.items()
            if machine in self._put_off or machine in self._suspects or (size > much and (self._put_off or len(sizes) > 1))
        }
        for part in parts:
            if part.machine in later:
                self._put_off.add(read_from, part)
        return [part for part in parts if part.machine not in later]

    def _feed_pieces(self) -> None:
        """Feed something of what was put off, for good; a failure costs its machine alone."""
        position, end = self._position, time.monotonic() + PIECES_SECONDS
        self._sink_now().save(self._journal, str(self._safe()))  # a failure begins again at what is kept
        while self._put_off:
            piece = self._put_off.piece()
            self._failures, self._spent_at = 0, time.monotonic() + APART_SECONDS
            self._feed_apart(piece)
            self._position = position
            self._put_off.done(piece)
            if time.monotonic() > end:
                break
        self._sink_now().save(self._journal, str(self._safe()))
        self._publish()

    def _safe(self) -> Position:
        """From where the journal would be needed if all that was fed were kept."""
        return self._put_off.oldest or self._position or Position(0, 0)

    def _feed(self, parts: Sequence[Part], reached: Position | None) -> bool:
        """Feed all; False where that failed for the data, so that the same must be read again and fed apart."""
        if self._apart_to is None:
            return self._feed_together(parts, reached)
        self._failures, self._spent_at = 0, time.monotonic() + APART_SECONDS
        self._feed_apart(parts)
        # What was put off is read again too, so that it may take several steps until the place is reached where it failed.
        if reached is None or reached >= self._apart_to:
            self._apart_to = None
        # Kept at once: what was set aside is not met again after a crash.
        self._sink_now().save(self._journal, str(self._put_off.oldest or reached or Position(0, 0)))
        return True

    def _feed_together(self, parts: Sequence[Part], reached: Position | None) -> bool:
        position = str(self._put_off.oldest or reached or Position(0, 0))
        try:
            self._sink_now().feed([part.batch() for part in parts], journal=self._journal, position=position)
        except TRY_LATER:
            self.close()
            raise
        except Exception as error:
            self._say(f"the import failed ({_what(error)}); trying each machine apart.")
            self._begin_again()
            self._apart_to = reached or Position(0, 0)
            if not parts and not self._forget_named(error, set()):
                raise
            return False
        return True

    def _forget_named(self, error: Exception, fed: set[SiteMachine]) -> bool:
        """Drop what the database holds back of a machine that `error` names and that was not `fed` just now; whether that was so."""
        named = getattr(error, "machine", None)
        machine = SiteMachine.of(*named) if named else None
        if machine is None or machine in fed or not isinstance(self._sink, Forgetting):
            return False
        lines = max(1, self._sink.forget(machine.identifier, machine.site))
        now = int(time.time() * 1000)
        self._count(Aside(*machine, IMPORT, lines, now, now, _what(error)))
        self._say(f"the newest {lines} line(s) of {machine} cannot be imported ({_what(error)}); they stay in its collection.")
        self._write_ledger()
        return True

    def _feed_apart(self, parts: Sequence[Part]) -> None:
        """Feed `parts`; the machines for which that fails, found by halving, become suspects and keep none of the others out."""
        if not parts or self._accepts(parts):
            return
        machines = list(dict.fromkeys(part.machine for part in parts))
        if len(machines) > 1:
            first = set(machines[: len(machines) // 2])
            self._feed_apart([part for part in parts if part.machine in first])
            self._feed_apart([part for part in parts if part.machine not in first])
            return
        self._suspects[machines[0]] = time.monotonic() + SUSPECT_SECONDS
        if self._is_spent():
            self._set_aside(parts)
        elif not self._accepts(parts):  # the second try
            self._halve(parts)

    def _halve(self, parts: Sequence[Part]) -> None:
        """Of one machine: what cannot be imported is looked for down to the line, and set aside."""
        halves = parts[0].halves() if len(parts) == 1 else (parts[: len(parts) // 2], parts[len(parts) // 2 :])
        if halves is None or self._is_spent():
            self._set_aside(parts)
            return
        for half in halves:
            some = [half] if isinstance(half, Part) else half
            if not self._accepts(some):
                self._halve(some)

    def _is_spent(self) -> bool:
        """Whether this step has failed for as long as it may."""
        return self._failures >= MOST_FAILURES or time.monotonic() > self._spent_at

    def _accepts(self, parts: Sequence[Part]) -> bool:
        """Feed `parts`, for good, without moving on in the journal; False where that fails."""
        position = str(self._safe())
        try:
            self._sink_now().feed([part.batch() for part in parts], journal=self._journal, position=position)
            self._sink_now().save(self._journal, position)
        except TRY_LATER:
            self.close()
            raise
        except Exception as error:
            self._failures += 1
            self._why = _what(error)
            self._reopen()
            return self._forget_named(error, {part.machine for part in parts}) and self._accepts(parts)
        return True

    def _set_aside(self, parts: Sequence[Part]) -> None:
        for part in parts:
            lines = self._account.not_met(part.file, part.at, part.lines)
            if not lines:  # after a crash, where older parts of others waited still
                continue
            self._count(Aside(*part.machine, IMPORT, lines, part.received_ms, part.received_ms, self._why))
            self._say(f"{lines} line(s) of {part.machine} cannot be imported ({self._why}); they stay in its collection.")
        self._write_ledger()

    def _set_aside_far(self, found: Sequence[tuple[Entry, Position]]) -> None:
        """Count, once, what the receiver marked as far from its clock."""
        far = [(entry, position) for entry, position in found if entry.far and list(position) > self._account.counted]
        for entry, _ in far:
            lines = entry.lines.count(b"\n")
            if not self._account.knows(entry.machine, CLOCK):
                self._say(f"lines of {entry.machine} have a time far from this machine's clock; they stay in its collection alone.")
            self._count(Aside(*entry.machine, CLOCK, lines, entry.received_ms, entry.received_ms))
        if far:
            self._account.counted = list(far[-1][1])
            self._write_ledger()

    def _count_held_back(self) -> None:
        if isinstance(self._sink, Bounding) and self._sink.held_back > self._held_back:
            self._account.held_back += self._sink.held_back - self._held_back
            self._held_back = self._sink.held_back
            self._write_ledger()

    def _count(self, aside: Aside) -> None:
        if isinstance(self._sink, Noting):  # first: where the database cannot be written now, all of it comes again
            self._sink.note(SetAside(aside.identifier, aside.site, aside.reason, aside.lines, aside.last_ms, aside.detail))
        self._account.add(aside)

    def _write_ledger(self) -> None:
        try:
            self._ledger.write(self._account)
        except OSError as error:
            self._say(f"{self._ledger.path} cannot be written: {reason(error)}.")

    def _parts(self, entries: Sequence[Entry]) -> Iterator[Part]:
        """The lines to import, and before them what damage of the journal hid of the same collection."""
        ends = dict(self._ends)
        for entry in entries:
            known = ends.get(entry.file, max(0, entry.at - _REREAD_BYTES) if self._damaged else entry.at)
            yield from self._stored(entry.machine, entry.file, known, entry.at, entry.received_ms)
            ends[entry.file] = entry.at + len(entry.lines)
            if not entry.carried and not entry.far:
                yield Part(entry.machine, entry.received_ms, entry.lines, entry.file, entry.at)

    def _rests(self) -> Iterator[Part]:
        """After damage: what the newest collections have behind the journal's last entry; of those that it does not name, their end."""
        now = time.time()
        for folder in sorted((self._data / "collections").glob("*/")):
            machine, files = machine_of(folder), collections(folder)
            if machine and files and now - files[-1].stat().st_mtime < _RECENT_SECONDS:
                file, size = f"{folder.name}/{files[-1].name}", files[-1].stat().st_size
                yield from self._stored(machine, file, self._ends.get(file, max(0, size - _REREAD_BYTES)), size, int(now * 1000))

    def _stored(self, machine: SiteMachine, file: str, start: int, end: int, received_ms: int) -> Iterator[Part]:
        """The whole lines that stand between two bytes of a collection."""
        if start >= end:
            return
        with (self._data / "collections" / file).open("rb") as stored:
            stored.seek(max(0, start - 1))
            lines = stored.read(end - max(0, start - 1))
        cut = lines.find(b"\n") + 1 if start else 0
        lines = lines[cut : lines.rfind(b"\n") + 1]
        if lines:
            yield Part(machine, received_ms, lines, file, max(0, start - 1) + cut)

    def _note_damage(self, path: Path, start: int, end: int) -> None:
        if not self._damaged:
            self._say(f"{end - start} bytes of {path} are damaged; what they held is imported from the collections.")
        self._damaged, self._reread = True, False

    def _sink_now(self) -> Sink:
        assert self._sink is not None  # noqa: S101 - opened by `step`
        return self._sink

    def _begin_again(self) -> None:
        """Read again all that the database does not have for certain."""
        self._put_off = PutOff()
        self._reopen()

    def _reopen(self) -> None:
        """Go back to what the database has for certain."""
        self.close()
        self._sink = self._open(self._db)
        kept = self._sink.position(self._journal)
        self._position = Position.parse(kept) if kept else None
        self._held_back = 0
        self._ends.clear()  # what was fed behind that is read again, what damage hid of it too
        self._reread = False
        self._publish()

    def _save(self) -> None:
        if self._position:
            self._sink_now().save(self._journal, str(self._safe()))
            self._publish()

    def _publish(self) -> None:
        """How far the rows have come, and from where on the journal is still needed."""
        kept = self._sink_now().position(self._journal)
        if self._position:
            self._folder.publish("imported", self._safe())
        if kept:
            self._folder.publish("kept", Position.parse(kept))


def _what(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return text if hasattr(error, "machine") else f"{type(error).__name__}: {text}"


def run_importer(data: Path, db: Path, open_sink: OpenSink, on_ready: Callable[[str], None], say: Callable[[str], None]) -> None:
    """Import until SIGTERM, and then what is still there. While that is not possible, `say` hears why, and it is tried again."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    importer = Importer(data, db, open_sink, say)
    on_ready("")
    said = ""
    try:
        while not stop.is_set():
            began = time.monotonic()
            try:
                if importer.step():
                    stop.wait(SHORTEST_PAUSE if importer.idle else max(SHORTEST_PAUSE, STEP_SECONDS - (time.monotonic() - began)))
                said = ""
            except TRY_LATER as error:
                why = str(error) if isinstance(error, PerfkitError) else f"importing failed: {_what(error)}."
                if why != said:
                    say(why)
                said = why
                importer.waits(why)
                stop.wait(RETRY_SECONDS)
        importer.finish(FINISH_SECONDS)
    finally:
        importer.close()
