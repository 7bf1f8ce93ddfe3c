"""The lines of one live machine: which samples are whole, and what the next one is computed from."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from perfkit.collection import END, MARK, PROCESS, SELF, SESSION, subsystems
from perfkit.collection.subsystems import SLOW
from perfkit.process.quality import told_json

HOLD_MS = 1500  # a newest sample that may lack something is taken for whole when nothing has come for so long
_FORGET_MS = 600_000  # a subsystem that has been silent for so long (a container that ended) is no predecessor any more
_MOST_LATE = 3600  # samples that wait together before they are taken in
_MOST_LATE_LINES = 100_000  # and lines
# What a machine's memory here is bounded by, whatever it sends: more than the rows that a table has of it (--most-devices), with room.
_MOST_CGROUPS = 10_000  # containers and services, of which the newest lines are kept
_MOST_PROCESSES = 100_000  # whose newest rows are kept; beyond, all begin anew
_FORGET_SERVICE_MS = 86_400_000  # a service has a line only when it has done something
PROCESSES, SERVICE = subsystems.PROCESSES.name, subsystems.SERVICES.name
# Sources without counters: the next sample needs nothing of them.
_LEVELS = frozenset({*(one.name for one in subsystems.ALL if not one.counters), SELF, MARK, END})
_CGROUPS = (subsystems.CONTAINERS.name, SERVICE)
# Sources whose newest line is kept; nothing is computed from others, and a sender could name new ones for ever.
_SOURCES = frozenset({*(one.name for one in subsystems.ALL), *_LEVELS, SESSION, "/proc/cpuinfo"} - {PROCESSES})
_OCCASIONAL = (*subsystems.OCCASIONAL, SERVICE)  # not in every sample
SLOWER = frozenset(one.name for one in subsystems.SLOWER)
# Of these the line before counts only where the sample has one too; of what is read in slow samples, where it has any of it.
_SELDOM = (SERVICE, *SLOWER)
_SOFTNET = "/proc/net/softnet_stat"
_LIMITS = SLOWER - {subsystems.STATFS.name}
_MOST_FULL = 8  # lines of one source that are kept for the rows that they have


class RawLine(NamedTuple):
    """One measurement; `stamp` is its sample's wall clock in ms."""

    stamp: int
    monotonic: float | None
    subsystem: str
    measurement: str


@dataclass
class Running:
    """The processes of a machine: a line of theirs has only those that changed, so the newest of each is kept, and who it is."""

    rows: dict[str, str] = field(default_factory=dict)  # by pid; "" where a damaged line may have told something newer
    who: dict[str, RawLine] = field(default_factory=dict)
    scans: list[tuple[float | None, str]] = field(default_factory=list)  # monotonic clock and first line of the newest SLOW
    stamp: int = -1  # of the newest

    def before(self, taken: Sequence[RawLine], stamp: int) -> list[RawLine]:
        """What the rows of `taken` are computed from, as lines of the sample at `stamp`."""
        wanted = {_pid(row) for line in taken if line.subsystem == PROCESSES for row in line.measurement.split("\n")[1:]}
        if not self.scans or not any(line.subsystem == PROCESSES for line in taken):
            return []
        lines = [RawLine(stamp, clock, PROCESSES, first) for clock, first in self.scans]
        rows = [self.rows[pid] for pid in wanted if self.rows.get(pid)]
        lines[-1] = lines[-1]._replace(measurement="\n".join((lines[-1].measurement, *rows)))
        return [*(self.who[pid] for pid in wanted if pid in self.who), *lines]

    def take(self, line: RawLine) -> None:
        """Remember what a line tells."""
        if line.subsystem == PROCESS:
            told = told_json(line.measurement)
            if isinstance(told, dict):
                if len(self.who) >= _MOST_PROCESSES:
                    self.who = {}
                self.who[str(told.get("pid"))] = line
        else:
            first, *rows = line.measurement.split("\n")
            self.scans = [*self.scans[1 - SLOW :], (line.monotonic, " ".join(first.split(" ")[:3]))]  # `before` has other rows
            self.stamp = line.stamp
            if lacks_rows(line.measurement) or not all(_has_all_words(row) for row in rows):
                self.rows = dict.fromkeys(self.rows, "")
            for row in rows:
                if row.startswith("gone "):
                    self.rows.pop(_pid(row), None)
                else:
                    self.rows[_pid(row)] = row
            if len(self.rows) > _MOST_PROCESSES:
                self.rows = {}
            self.who = {pid: one for pid, one in self.who.items() if pid in self.rows}


def _pid(row: str) -> str:
    return row.removeprefix("gone ").partition(" ")[0]


def lacks_rows(scan: str) -> bool:
    """Whether the text of a line `processes` has another number of rows than it tells (src/perfkit/collect/processes.py)."""
    first, *rows = scan.split("\n")
    return first.split(" ")[3:] not in ([], [str(len(rows))])


def _has_all_words(row: str) -> bool:
    return row.count(" ") == (2 if row.startswith("gone ") else 19)  # src/perfkit/collect/processes.py


@dataclass
class Pending:
    """`kept` has the newest line of each subsystem of the samples that were taken; `waiting` those of samples that may not be whole.

    `late` are samples older than the last one that was taken: a spool that comes after newer samples, or a batch that is sent again.
    """

    kept: dict[str, RawLine] = field(default_factory=dict)
    waiting: dict[int, dict[str, RawLine]] = field(default_factory=dict)
    taken: int = -1  # stamp of the last sample that was taken
    received_ms: int = 0
    ended: bool = False
    late: dict[int, dict[str, RawLine]] = field(default_factory=dict)
    running: Running = field(default_factory=Running)
    identity: str = ""  # of the recording that was taken last
    full: dict[str, list[RawLine]] = field(default_factory=dict)  # by source of limits: lines with all rows that the recording has had
    shared: list[int] = field(default_factory=list)  # stamps that came with two different lines of a source that has no other clock

    def add(self, lines: Iterable[RawLine], received_ms: int) -> int:
        """Add received lines; how many were new.

        Lines of the sample taken last are dropped, but for marks, which come when they like; older ones are late. A wall clock that was
        set back is told from those by the monotonic clock, which went on.
        """
        count = 0
        for line in lines:
            if line.monotonic is None and not line.subsystem.startswith("perfkit/"):
                there = self.kept.get(line.subsystem) if line.stamp == self.taken else self.waiting.get(line.stamp, {}).get(_key(line))
                if there is not None and there.stamp == line.stamp and there.measurement != line.measurement:
                    self.shared.append(line.stamp)
            if line.stamp > self.taken or self._goes_on(line):
                self.waiting.setdefault(line.stamp, {})[_key(line)] = line
                self.ended = line.subsystem == END
            elif line.stamp < self.taken or line.subsystem == MARK:
                self.late.setdefault(line.stamp, {})[_key(line)] = line
            else:
                continue
            self.received_ms = received_ms
            count += 1
        return count

    def take_late(self, now_ms: int) -> dict[int, list[RawLine]]:
        """The late samples by stamp, once nothing has come for some seconds or many wait; until then nothing."""
        is_much = len(self.late) >= _MOST_LATE or sum(map(len, self.late.values())) >= _MOST_LATE_LINES
        if not self.late or (now_ms - self.received_ms < HOLD_MS and not is_much):
            return {}
        found = {stamp: list(lines.values()) for stamp, lines in sorted(self.late.items())}
        self.late = {}
        return found

    @property
    def held(self) -> int:
        """How many lines wait to be taken."""
        return sum(len(lines) for of in (self.waiting, self.late) for lines in of.values())

    @property
    def waits(self) -> bool:
        """Whether something is to be taken, now or after a while."""
        return bool(self.waiting or self.late)

    @property
    def session(self) -> RawLine | None:
        """The newest line that tells what the machine is."""
        return self.kept.get("perfkit/session")

    def _goes_on(self, line: RawLine) -> bool:
        """Whether the machine's own clock is past all that was taken, although the wall clock is not: it was set back."""
        if line.stamp < self.taken:
            newest = max((one.monotonic for one in self.kept.values() if one.monotonic is not None), default=None)
        else:
            newest = self.kept[line.subsystem].monotonic if line.subsystem in self.kept else None
        return newest is not None and line.monotonic is not None and line.monotonic > newest

    def take(self, now_ms: int) -> tuple[list[RawLine], list[RawLine]]:
        """The lines before, and those of the samples that are whole by now, by time; the latter become what is kept."""
        kept, last = dict(self.kept), self.taken
        taken: list[RawLine] = []
        for stamp in sorted(self.waiting):
            if len(self.waiting) == 1 and not (self.ended or now_ms - self.received_ms >= HOLD_MS or self._is_whole(self.waiting[stamp])):
                break
            lines = self.waiting.pop(stamp).values()
            self.kept.update((line.subsystem, line) for line in lines if line.subsystem in _SOURCES or line.subsystem.startswith(_CGROUPS))
            self.taken = stamp
            taken += lines
        if not taken:
            return [], []
        there = {line.subsystem for line in taken}
        there.update(SLOWER if any(map(is_of_slow_sample, taken)) else ())
        before = [one for name, one in kept.items() if name not in _LEVELS and (name in there or not name.startswith(_SELDOM))]
        before += [one for name, lines in self.full.items() if name in there for one in lines if one != kept.get(name)]
        before += self.running.before(taken, last)
        for line in taken:
            if line.subsystem in (PROCESSES, PROCESS):
                self.running.take(line)
            elif line.subsystem in _LIMITS:
                self._fill(line)
            elif line.subsystem == SESSION and identity(line) != self.identity:
                self.identity, self.full = identity(line), {}
                self.kept = {name: one for name, one in self.kept.items() if name not in _LIMITS or one in taken}
        self._forget()
        return before, taken

    def _fill(self, line: RawLine) -> None:
        """Remember the rows of a line of limits: a later one that lacks some is noticed by it."""
        lines = self.full.get(line.subsystem, [])
        rows = _rows(line)
        if set().union(*map(_rows, lines)) <= rows:
            self.full[line.subsystem] = [line]
        elif len(lines) < _MOST_FULL and not rows <= set().union(*map(_rows, lines)):
            self.full[line.subsystem] = [*lines, line]

    def _is_whole(self, sample: dict[str, RawLine]) -> bool:
        """Whether it has all that the sample before it had.

        Without a monotonic clock nothing is certain: other collectors' samples may share a stamp.
        """
        usual = {name for name, line in self.kept.items() if line.stamp == self.taken and not name.startswith(_OCCASIONAL)}
        usual |= {PROCESSES} if self.running.stamp == self.taken else set()
        return bool(usual) and usual <= sample.keys() and all(line.monotonic is not None for line in sample.values())

    def _forget(self) -> None:
        for subsystem, line in list(self.kept.items()):
            limit = {"container": _FORGET_MS, "service": _FORGET_SERVICE_MS}.get(subsystem.partition("/")[0])
            if limit is not None and line.stamp < self.taken - limit:
                del self.kept[subsystem]
        if len(self.kept) > _MOST_CGROUPS:
            cgroups = sorted((-line.stamp, name) for name, line in self.kept.items() if name.startswith(_CGROUPS))
            for _, name in cgroups[_MOST_CGROUPS:]:
                del self.kept[name]

    def dump(self) -> bytes:
        """What `load` makes the same Pending from."""
        waiting, late = ([line for lines in of.values() for line in lines.values()] for of in (self.waiting, self.late))
        running = [self.running.rows, self.running.who, self.running.scans, self.running.stamp]
        full = [line for lines in self.full.values() for line in lines]
        parts = [list(self.kept.values()), waiting, self.taken, self.received_ms, self.ended, late, running, full, self.identity]
        return zlib.compress(orjson.dumps(parts, default=tuple), 1)

    @classmethod
    def load(cls, data: bytes) -> Pending:
        """The Pending that dump() wrote."""
        kept, waiting, taken, received_ms, ended, *newer = orjson.loads(zlib.decompress(data))  # `newer`: what older ones lack
        pending = cls({row[2]: RawLine(*row) for row in kept}, {}, taken, received_ms, ended)
        for row in waiting:
            line = RawLine(*row)
            pending.waiting.setdefault(line.stamp, {})[_key(line)] = line
        if len(newer) > 1:
            rows, who, scans, stamp = newer[1]
            pending.running = Running(
                rows, {pid: RawLine(*row) for pid, row in who.items()}, [(clock, first) for clock, first in scans], stamp
            )
        if len(newer) > 3:
            pending.identity = newer[3]
            for row in newer[2]:
                line = RawLine(*row)
                pending.full.setdefault(line.subsystem, []).append(line)
        for row in newer[0] if newer else ():
            line = RawLine(*row)
            pending.late.setdefault(line.stamp, {})[_key(line)] = line
        return pending


def is_of_slow_sample(line: RawLine) -> bool:
    """Whether a line tells that its sample is one of every SLOW, as process/sql/components/macros.sql has it."""
    if line.subsystem != SELF:
        return line.subsystem in SLOWER
    told = told_json(line.measurement)
    count = told.get("samples") if isinstance(told, dict) else None
    return isinstance(count, int) and count > 0 and count % SLOW == 1


def identity(session: RawLine) -> str:
    """What a recording is known by, as process/sql/timeline/sessions.sql has it; "" of a line that is no session."""
    told = told_json(session.measurement)
    named = [told.get(name) for name in ("boot_id", "pid", "started")] if isinstance(told, dict) else []
    return " ".join(str(one) for one in named if one is not None)


def _rows(line: RawLine) -> set[str]:
    """What names the rows of a line of limits: their first word, or where that is a number of the kernel's, their place."""
    rows = line.measurement.rstrip("\n").split("\n")
    return {str(place) if line.subsystem == _SOFTNET else row.partition(" ")[0] for place, row in enumerate(rows)}


def _key(line: RawLine) -> str:
    """A retried line is the same; of perfkit's own a sample may have several."""
    return f"{line.subsystem}\n{line.measurement}" if line.subsystem.startswith("perfkit/") else line.subsystem


def parse(lines: bytes) -> tuple[list[RawLine], int]:
    """The measurements in NDJSON `lines`, and how many lines were none."""
    found, unreadable = [], 0
    for line in lines.splitlines():
        try:
            record = orjson.loads(line)
            stamp = int(record["timestamp"]) * 1000 + int(record.get("nanosecond") or 0) // 1_000_000
            clock = record.get("monotonic")
            found.append(RawLine(stamp, None if clock is None else float(clock), str(record["subsystem"]), str(record["measurement"])))
        except (ValueError, KeyError, TypeError, OverflowError):
            unreadable += bool(line.strip())
    return found, unreadable
