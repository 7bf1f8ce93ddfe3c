"""Time: the machine's clocks, and ticks on absolute deadlines."""

from __future__ import annotations

import math
import select
import time

_LATE = 0.1  # seconds; at short periods half a period is late already


class SystemClock:
    """The real clocks. `wait` sleeps until a deadline of `monotonic`, or until one of `wakers` (descriptors) can be read."""

    wall_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)

    def __init__(self, wakers: tuple[int, ...] = ()) -> None:
        self._wakers = wakers

    def wait(self, deadline: float) -> bool:
        """True if a waker ended it."""
        left = deadline - time.monotonic()
        return bool(select.select(self._wakers, (), (), max(left, 0.0))[0])


class Ticker:
    """Ticks at start, start + period, ...: absolute, so that lateness never adds up; none behind `end`.

    deadline   when the next tick is due
    late       ticks that were taken late
    missed     ticks that passed while an earlier one was late: they are never made up
    """

    def __init__(self, start: float, period: float, end: float | None = None) -> None:
        self.start, self.period = start, period
        self.deadline = start
        self.late = self.missed = 0
        self.lateness = self.max_lateness = 0.0
        self._tick = 0  # number of the next one
        self._ticks = math.inf if end is None else math.floor((end - start) / period + 1e-6) + 1
        self._late_from = min(_LATE, period / 2)

    def take(self, now: float) -> bool:
        """The tick is being taken at `now`: True if that is late. Moves `deadline` to the first tick after `now`."""
        lateness = self.lateness = now - self.deadline if now > self.deadline else 0.0
        self.max_lateness = max(self.max_lateness, lateness)
        self._tick += 1
        if lateness >= self.period:
            self._skip(now)
        self.deadline = self.start + self._tick * self.period
        late = lateness > self._late_from
        self.late += late
        return late

    def _skip(self, now: float) -> None:
        following = max(math.floor((now - self.start) / self.period) + 1, self._tick)
        missed = int(min(following, max(self._ticks, self._tick))) - self._tick
        self._tick = following
        self.missed += missed
