"""What the lines of a collection say, taken in one at a time."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any, NamedTuple

from perfkit.collection import END, SESSION, Line, decode
from perfkit.collection.subsystems import NEEDED, OCCASIONAL

_COUNTER_SOURCES = ("/proc/stat", "/proc/net/dev", "/proc/diskstats")


class Sample(NamedTuple):
    """One sample: when it was read (seconds; `monotonic` None from pcc)."""

    wall: float
    monotonic: float | None


def spacing(earlier: Sample, later: Sample) -> float:
    """Seconds between two samples, on the monotonic clock where both have it."""
    if earlier.monotonic is not None and later.monotonic is not None:
        return later.monotonic - earlier.monotonic
    return later.wall - earlier.wall


class Story:
    """The state of a collection after the lines taken in so far.

    A sample is counted at each line of the `anchor`: /proc/stat, or the first periodic source of a collection without it.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.unreadable = 0
        self.first_unreadable = 0
        self.session: dict[str, Any] = {}
        self.started: Sample | None = None
        self.sessions = 0
        self.runs = 0
        self.end: dict[str, Any] | None = None
        self.samples: list[Sample] = []
        self.seen: Counter[str] = Counter()
        self.latest: dict[str, str] = {}
        self._anchor = ""

    def take(self, raw: bytes) -> None:
        """Take in one line of the file."""
        self.lines += 1
        try:
            line = decode(raw)
        except (ValueError, RecursionError):
            self.unreadable += 1
            self.first_unreadable = self.first_unreadable or self.lines
            return
        if line.subsystem.startswith("perfkit/"):
            self._note(line)
        else:
            self._measure(line)

    def _note(self, line: Line) -> None:
        try:
            content = line.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            return
        if line.subsystem == SESSION:
            self._begin(content, line)
        elif line.subsystem == END:
            self.end = content

    def _begin(self, session: dict[str, Any], line: Line) -> None:
        """A session line: a new run unless it only tells the same run again."""
        self.sessions += 1
        self.end = None
        if not (self.session and session.get("part")):
            self.started = Sample(line.wall, line.monotonic)
            self.runs += 1
            self.samples.clear()
            self.seen.clear()
        self.session = session

    def _measure(self, line: Line) -> None:
        self.seen[line.subsystem] += 1
        if line.subsystem in _COUNTER_SOURCES:
            self.latest[line.subsystem] = line.measurement
        if line.subsystem == "/proc/stat" or (not self._anchor and not line.subsystem.startswith(OCCASIONAL)):
            self._anchor = line.subsystem
        if line.subsystem == self._anchor:
            self.samples.append(Sample(line.wall, line.monotonic))

    @property
    def ours(self) -> bool:
        """Whether perfkit wrote it; a collection without a session line is pcc's."""
        return self.sessions > 0

    @property
    def promised(self) -> tuple[str, ...]:
        """The sources that every sample should hold: the session's own list; the needed ones where it records the host."""
        listed = self.session.get("subsystems")
        if isinstance(listed, list):
            return tuple(name for name in listed if isinstance(name, str) and not name.startswith(OCCASIONAL))
        return NEEDED if any(name in self.seen for name in NEEDED) else ()

    @property
    def period(self) -> float | None:
        """Seconds between samples: as the session promises; for pcc the median of what is there, None below two samples."""
        promised = number(self.session.get("frequency"))
        return promised or self.typical_spacing()

    @property
    def duration(self) -> float | None:
        """Seconds that the session promises to record, None for pcc."""
        return number(self.session.get("duration"))

    def typical_spacing(self, last: int = 1000) -> float | None:
        """The median distance of the last samples, in seconds."""
        recent = self.samples[-last - 1 :]
        gaps = [spacing(a, b) for a, b in zip(recent, recent[1:])]
        return statistics.median(gaps) if gaps else None


def number(value: object) -> float | None:
    """A positive finite number from outside, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < float("inf") else None
