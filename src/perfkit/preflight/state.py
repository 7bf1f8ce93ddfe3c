"""The state of a collection: what its lines say, taken in one at a time."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from typing import Any, NamedTuple

from perfkit.collection import END, MARK, SESSION, Line, decode
from perfkit.collection.certificate import CUT_OFF, RECORDING, Certificate
from perfkit.collection.subsystems import NEEDED, OCCASIONAL
from perfkit.collection.ticks import Ticks, together

_STAT = "/proc/stat"
_COUNTER_SOURCES = (_STAT, "/proc/net/dev", "/proc/diskstats")


class SampleRead(NamedTuple):
    """When one sample was read: ms since the epoch, and seconds on the monotonic clock (None from pcc)."""

    wall_ms: int
    monotonic: float | None


def now() -> SampleRead:
    """The present instant."""
    return SampleRead(time.time_ns() // 1_000_000, time.monotonic())


def sample_of(line: Line) -> SampleRead:
    """When `line` was read."""
    return SampleRead(line.timestamp * 1000 + (line.nanosecond or 0) // 1_000_000, line.monotonic)


def spacing(earlier: SampleRead, later: SampleRead) -> float:
    """Seconds between two samples, on the monotonic clock where both have it."""
    if earlier.monotonic is not None and later.monotonic is not None:
        return later.monotonic - earlier.monotonic
    return (later.wall_ms - earlier.wall_ms) / 1000


class RecordingState:
    """One collector's stretch of a collection: from its session line to its end line, or to its last sample.

    session   what the session line says; empty for a collector that writes none (pcc)
    began     when the session line was written; None without one, or where only a later part of the recording is here
    end       what the end line says, and `ended`, when it was written; None while there is none
    marked    when the last mark was written; None without one
    samples   when each sample was read
    seen      how often each source came
    """

    def __init__(self, session: dict[str, Any], began: SampleRead | None) -> None:
        self.session = session
        self.began = began
        self.end: dict[str, Any] | None = None
        self.ended: SampleRead | None = None
        self.marked: SampleRead | None = None
        self.samples: list[SampleRead] = []
        self.seen: Counter[str] = Counter()

    @property
    def ours(self) -> bool:
        """Whether perfkit wrote it; a collection without a session line is pcc's."""
        return bool(self.session)

    @property
    def promised(self) -> tuple[str, ...]:
        """The sources that every sample should hold: the session's own list; the needed ones where it records the host."""
        listed = self.session.get("subsystems")
        if isinstance(listed, list):
            return tuple(name for name in listed if isinstance(name, str) and not name.startswith(OCCASIONAL))
        return NEEDED if any(name in self.seen for name in NEEDED) else ()

    @property
    def started(self) -> float | None:
        """The instant of the first tick on the monotonic clock, where the session tells it."""
        return number(self.session.get("started"))

    @property
    def period(self) -> float | None:
        """Seconds between samples: as the session promises; for pcc the median of what is there, None below two samples."""
        return number(self.session.get("frequency")) or self.typical_spacing()

    @property
    def duration(self) -> float | None:
        """Seconds that the session promises to record, None for pcc."""
        return number(self.session.get("duration"))

    def typical_spacing(self, last: int = 1000) -> float | None:
        """The median distance of the last samples, in seconds; where several share a whole second, the second divided among them."""
        recent = self.samples[-last - 1 :]
        steps = [spacing(a, b) for a, b in zip(recent, recent[1:])]
        if not steps:
            return None
        return statistics.median(steps) or 1 / statistics.median(Counter(sample.wall_ms for sample in recent).values())

    def ticks(self, since: SampleRead | None = None, until: SampleRead | None = None) -> Ticks:
        """Its samples counted against its ticks, from its beginning to its end, or within these bounds."""
        ticks = Ticks(self.period or 1.0, self.started, since, until)
        if self.began is not None:
            ticks.begin(self.began.wall_ms)
        for sample in self.samples:
            ticks.add(*sample)
        if self.ended is not None and not self.rotated:
            ticks.end(*self.ended)
        return ticks

    @property
    def rotated(self) -> bool:
        """Whether its end line says that it goes on in another file."""
        end = self.end or {}
        return end.get("reason") == "rotated" and isinstance(end.get("next"), str)

    def how_it_ended(self, held: bool) -> str:
        """As a certificate says it; `held` tells that a live process records into the file. "" where pcc's files do not say."""
        reason = (self.end or {}).get("reason")
        if held and (reason is None or self.rotated):
            return RECORDING
        if reason is None or self.rotated:
            return CUT_OFF if self.ours else ""
        return f"error: {(self.end or {}).get('detail', 'unknown')}" if reason == "error" else str(reason)


class State:
    """What the lines taken in so far say.

    A sample is counted at each line of /proc/stat; in a collection without it (of containers alone) at each new instant.

    recording   the newest one, into which lines go now
    recordings  all of them, oldest first
    latest      the newest text of each source of counters
    """

    def __init__(self) -> None:
        self.lines = 0
        self.unreadable = 0
        self.first_unreadable = 0
        self.latest: dict[str, str] = {}
        self.recording = RecordingState({}, None)
        self.recordings = [self.recording]
        self._known: dict[str, RecordingState] = {}
        self._has_stat = False

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
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            return
        if line.subsystem == SESSION:
            self._begin(content, sample_of(line))
        elif line.subsystem == END:
            self.recording.end, self.recording.ended = content, sample_of(line)
        elif line.subsystem == MARK:
            self.recording.marked = sample_of(line)

    def _begin(self, session: dict[str, Any], at: SampleRead) -> None:
        """A session line: of a new recording, or told again by one that is known (a hot-plug, the next file of a rotation, a copy)."""
        part, started = session.get("part"), number(session.get("started"))
        identity = repr((session.get("machine_id"), session.get("boot_id"), session.get("pid"), started or at))
        known = self._known.get(identity)
        if known is None and part and started is None and self.recording.ours:
            known = self.recording
        if known is None:
            known = RecordingState(session, None if part else at)
            self.recordings.append(known)
        self._known[identity] = self.recording = known
        known.session, known.end, known.ended = session, None, None

    def _measure(self, line: Line) -> None:
        recording, sample = self.recording, sample_of(line)
        recording.seen[line.subsystem] += 1
        if line.subsystem in _COUNTER_SOURCES:
            self.latest[line.subsystem] = line.measurement
        if line.subsystem.startswith(OCCASIONAL):
            return
        is_new = not recording.samples or recording.samples[-1].wall_ms != sample.wall_ms
        if is_new if not self._has_stat else line.subsystem == _STAT:
            recording.samples.append(sample)
        self._has_stat = self._has_stat or line.subsystem == _STAT

    def certificate(self, held: bool) -> Certificate:
        """Of all recordings that are here, each over its own span; `held` as of `Recording.how_it_ended`. Counters are not looked at."""
        recordings = [recording for recording in self.recordings if recording.samples]
        parts = [recording.ticks() for recording in recordings]
        for recording, ticks in zip(recordings, parts):
            if recording.marked is not None and recording.end is None:
                ticks.end(*recording.marked)
        return together(parts, resets=None, ended=self.recording.how_it_ended(held))


def number(value: object) -> float | None:
    """A positive finite number from outside, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 < value < float("inf") else None
