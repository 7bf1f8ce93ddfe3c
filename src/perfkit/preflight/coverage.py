"""How complete a stretch of a collection is: ticks due and present, gaps, lateness."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from perfkit.preflight.story import Sample

# A read may come this share of a period before its tick: the anchor is itself a read that was a little late.
_EARLY = 0.1
_MOST_GAPS = 1000
_RECENT = 10_000


class Gap(NamedTuple):
    """Ticks without a sample: the wall clock of the samples around them, and how many were missed."""

    start: float
    end: float
    missed: int


class Coverage:
    """Counts the samples between two instants against the ticks that were due, one sample at a time; memory stays small.

    Ticks lie a `period` (seconds) apart from `anchor`; instants are on the clock of `instant()`.
    """

    def __init__(self, period: float, anchor: float, since: float) -> None:
        self.period = period
        self.anchor = anchor
        self.since = since
        self.gaps: list[Gap] = []
        self._first = math.floor((since - anchor) / period + _EARLY) + 1
        self._last_tick = self._first - 1
        self._last: Sample | None = None
        self._ticks: int = 0
        self._recent: deque[int] = deque(maxlen=_RECENT)
        self._earliest = math.inf
        self._latest = -math.inf

    def add(self, sample: Sample) -> None:
        """Take in one sample; those before `since` are passed over."""
        offset = (instant(sample) - self.anchor) / self.period
        tick = math.floor(offset + _EARLY)
        if tick < self._first:
            self._last = sample
            return
        if tick > self._last_tick + 1 and len(self.gaps) < _MOST_GAPS:
            self.gaps.append(Gap(self._last.wall if self._last else sample.wall, sample.wall, tick - self._last_tick - 1))
        if tick > self._last_tick:
            self._ticks += 1
            self._recent.append(tick)
            self._last_tick = tick
        self._last = sample
        late = (offset - tick) * self.period
        self._earliest, self._latest = min(late, self._earliest), max(late, self._latest)

    def until(self, end: float) -> tuple[int, int]:
        """(due, present) in the ticks up to the instant `end`, which may lie some thousand samples before the last one."""
        last_due = math.floor((end - self.anchor) / self.period)
        beyond = sum(tick > last_due for tick in self._recent)
        return max(last_due - self._first + 1, 0), self._ticks - beyond

    @property
    def lateness(self) -> float:
        """Seconds between the earliest and the latest sample within their ticks: the largest lateness; 0 without samples."""
        return max(self._latest - self._earliest, 0.0) if self._ticks else 0.0


def instant(sample: Sample) -> float:
    """Seconds on the monotonic clock, or on the wall clock where the collector wrote none."""
    return sample.wall if sample.monotonic is None else sample.monotonic
