"""Keeps an eye on a collection that has passed the checks: says at once when recording stops, and that it goes on again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from perfkit.collection import lock
from perfkit.errors import reason
from perfkit.preflight.cost import Cost
from perfkit.preflight.coverage import Coverage, instant
from perfkit.preflight.follow import Follow
from perfkit.preflight.holder import writers
from perfkit.preflight.story import Sample, number
from perfkit.units import format_duration

LOST, RESUMED, ENDED = "lost", "resumed", "ended"
_PERIODS_WITHOUT_SAMPLE = 2.5
_GRACE = 0.5
_KEPT_SAMPLES = 1000


class Event(NamedTuple):
    """Something that the person at the terminal should know: kind (lost, resumed, ended), and a sentence."""

    kind: str
    sentence: str


class Watch:
    """Follows `path`, and the files that it goes on in when the collector rotates; polled, never blocking.

    `lost_for` says why nothing is recorded now, "" if it is; `over` that nothing will be any more.
    """

    def __init__(self, path: Path) -> None:
        self._follow = Follow(path)
        self.story = self._follow.story
        self.lost_for = ""
        self.over = False
        self.coverage: Coverage | None = None
        self.cost = Cost(None)
        self._last_sample = time.monotonic()
        self._read()
        self._writer_seen = not self.story.ours and bool(writers(self._follow.fileno()))

    @property
    def path(self) -> Path:
        """The file that is being written now."""
        return self._follow.path

    @property
    def period(self) -> float:
        """Seconds between samples; 1 while nothing tells."""
        return self.story.period or 1.0

    @property
    def monotonic(self) -> bool:
        """Whether its samples carry the monotonic clock."""
        return not self.story.samples or self.story.samples[-1].monotonic is not None

    def now(self) -> float:
        """The present instant on the clock of its samples."""
        return time.monotonic() if self.monotonic else time.time()

    def cover(self) -> Coverage:
        """Start to count coverage, and the collector's cost, from now on."""
        anchor = number(self.story.session.get("started")) if self.monotonic else None
        if anchor is None:
            anchor = instant(self.story.samples[-1]) if self.story.samples else self.now()
        self.coverage = Coverage(self.period, anchor, self.now())
        self.cost = Cost(self._collector())
        return self.coverage

    def _collector(self) -> int | None:
        if self.story.ours:
            return lock.holder_of(self._follow.fileno())
        return next((writer.pid for writer in writers(self._follow.fileno())), None)

    def poll(self) -> list[Event]:
        """What has happened since the last call."""
        arrived = self._read()
        self.cost.read()
        if self.coverage:
            for sample in arrived:
                self.coverage.add(sample)
        final = self._why_over()
        self.over = bool(final)
        lost = final or self._why_silent()
        events = []
        if lost and not self.lost_for:
            ended = (self.story.end or {}).get("reason") == "duration"
            events.append(Event(ENDED if ended else LOST, lost))
        elif self.lost_for and not lost:
            events.append(Event(RESUMED, f"{self.path} is being recorded again"))
        self.lost_for = lost
        return events

    def close(self) -> None:
        self._follow.close()

    def _read(self) -> list[Sample]:
        arrived = self._follow.read()
        if arrived:
            self._last_sample = time.monotonic()
        del self.story.samples[:-_KEPT_SAMPLES]
        return arrived

    def _why_over(self) -> str:
        """Why no sample will ever come, "" if one may."""
        if self._follow.rotating():
            return ""
        if self.story.end is not None:
            return f"the collection has ended ({self.story.end.get('reason', 'unknown')})"
        if self._follow.replaced():
            return f"{self.path} was removed, replaced or cut"
        return "the collector has gone without an end line" if self._gone() else ""

    def _why_silent(self) -> str:
        silent = time.monotonic() - self._last_sample
        if silent > _PERIODS_WITHOUT_SAMPLE * self.period + _GRACE:
            return f"no sample for {format_duration(silent)}"
        return ""

    def _gone(self) -> bool:
        if self.story.ours:
            return lock.holder_of(self._follow.fileno()) is None
        silent = time.monotonic() - self._last_sample
        return self._writer_seen and silent > self.period + _GRACE and not writers(self._follow.fileno())


def open_watch(path: Path) -> Watch | str:
    """A watch on `path`, or the reason why it cannot be read."""
    try:
        return Watch(path)
    except OSError as error:
        return reason(error)
