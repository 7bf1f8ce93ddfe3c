"""The lines of one live machine: which samples are whole, and what the next one is computed from."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

HOLD_MS = 1500  # a newest sample that may lack something is taken for whole when nothing has come for so long
_FORGET_MS = 600_000  # a subsystem that has been silent for so long (a container that ended) is no predecessor any more
END = "perfkit/end"
# Sources without counters: the next sample needs nothing of them.
_LEVELS = frozenset({"/proc/meminfo", "/proc/loadavg", "statfs[*]", "perfkit/self", "perfkit/mark", END})
_OCCASIONAL = ("perfkit/", "/proc/cpuinfo", "statfs[*]")  # not in every sample


class RawLine(NamedTuple):
    """One measurement; `stamp` is its sample's wall clock in ms."""

    stamp: int
    monotonic: float | None
    subsystem: str
    measurement: str


@dataclass
class Pending:
    """`kept` has the newest line of each subsystem of the samples that were taken; `waiting` those of samples that may not be whole."""

    kept: dict[str, RawLine] = field(default_factory=dict)
    waiting: dict[int, dict[str, RawLine]] = field(default_factory=dict)
    taken: int = -1  # stamp of the last sample that was taken
    received_ms: int = 0
    ended: bool = False

    def add(self, lines: Iterable[RawLine], received_ms: int) -> int:
        """Add received lines; how many were new.

        Lines of samples already taken (a retried batch) are dropped. A wall clock that was set back is told from those by the
        monotonic clock, which went on.
        """
        count = 0
        for line in lines:
            if line.stamp > self.taken or self._goes_on(line):
                self.waiting.setdefault(line.stamp, {})[_key(line)] = line
                self.ended = line.subsystem == END
                self.received_ms = received_ms
                count += 1
        return count

    def _goes_on(self, line: RawLine) -> bool:
        known = self.kept.get(line.subsystem)
        return known is not None and None not in (known.monotonic, line.monotonic) and line.monotonic > known.monotonic  # type: ignore[operator]

    def take(self, now_ms: int) -> tuple[list[RawLine], list[RawLine]]:
        """The lines before, and those of the samples that are whole by now, by time; the latter become what is kept."""
        before = [line for line in self.kept.values() if line.subsystem not in _LEVELS]
        taken: list[RawLine] = []
        for stamp in sorted(self.waiting):
            if len(self.waiting) == 1 and not (self.ended or now_ms - self.received_ms >= HOLD_MS or self._is_whole(self.waiting[stamp])):
                break
            lines = self.waiting.pop(stamp).values()
            self.kept.update((line.subsystem, line) for line in lines)
            self.taken = stamp
            taken += lines
        self._forget()
        return before if taken else [], taken

    def _is_whole(self, sample: dict[str, RawLine]) -> bool:
        """Whether it has all that the sample before it had.

        Without a monotonic clock nothing is certain: other collectors' samples may share a stamp.
        """
        usual = {name for name, line in self.kept.items() if line.stamp == self.taken and not name.startswith(_OCCASIONAL)}
        return bool(usual) and usual <= sample.keys() and all(line.monotonic is not None for line in sample.values())

    def _forget(self) -> None:
        for subsystem, line in list(self.kept.items()):
            if subsystem.startswith("container/") and line.stamp < self.taken - _FORGET_MS:
                del self.kept[subsystem]

    def dump(self) -> bytes:
        """What `load` makes the same Pending from."""
        waiting = [line for lines in self.waiting.values() for line in lines.values()]
        return zlib.compress(orjson.dumps([list(self.kept.values()), waiting, self.taken, self.received_ms, self.ended], default=tuple), 1)

    @classmethod
    def load(cls, data: bytes) -> Pending:
        """The Pending that dump() wrote."""
        kept, waiting, taken, received_ms, ended = orjson.loads(zlib.decompress(data))
        pending = cls({row[2]: RawLine(*row) for row in kept}, {}, taken, received_ms, ended)
        for row in waiting:
            line = RawLine(*row)
            pending.waiting.setdefault(line.stamp, {})[_key(line)] = line
        return pending


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
