"""The ticks of a recording that have a sample, and the gaps between them: what its certificate counts.

A collector promises a sample per tick. A sample that is late belongs to its tick and is not missing; a tick that was read twice counts
once.

* With a monotonic clock and the session's `started`, tick n is due at `started` + n periods, and a sample belongs to the last tick that
  was due before it was read.
* Without `started`, and in other collectors' files, neighbours are compared: further apart than one and a half periods, the rounded
  number of periods between them, less one, is missing; closer than half a period, they are the same tick.
* Whole seconds without a monotonic clock hold several samples where the period is shorter than a second. Then only a second that no
  sample names is known to be missing, and the samples of a second are taken to lie evenly in it.

process/sql/timeline/samples.sql and gaps.sql say the same to the desk.

Target tier: standard library, Python 3.9, and light to import, because the collecting process may import it.
"""

from __future__ import annotations

import math

from perfkit.collection.certificate import Gap, certify

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from perfkit.collection.certificate import Certificate

    Instant = tuple[int, Optional[float]]  # ms since the epoch, and seconds on the monotonic clock where it is known

_EARLY = 0.01  # of a period: `started` and the instants are rounded to microseconds
_JUST_DUE = 0.1  # of a period: a tick that is due so shortly before the end may still be on its way
_STEP_MS, _STEP_SHARE = 250, 0.001  # the wall clock moves against the monotonic one by more than this: it was set
_MOST_GAPS = 100_000


class Ticks:
    """Counts samples against the ticks that were due, one sample at a time; memory stays small.

    `period` is in seconds, `started` is the instant of tick 0 on the monotonic clock, None if it is not known. Counted is what lies
    from `since` to `until`, both included, by the monotonic clock where both sides have it, so that a clock that is set moves nothing;
    None is no bound. `until` may be set while samples arrive.

    samples              ticks with a sample
    gaps                 where ticks have none, in the order of the samples; `missed` of each is what was due within the bounds
    largest_lateness_ms  None where the collector writes whole seconds, or nothing was counted
    clock_steps          how often the wall clock was set between two samples
    """

    def __init__(self, period: float, started: float | None = None, since: Instant | None = None, until: Instant | None = None) -> None:
        self.period, self.started = period, started
        self.since, self.until = since, until
        self.samples = 0
        self.gaps: list[Gap] = []
        self.largest_lateness_ms: float | None = None
        self.clock_steps = 0
        self._tick = -1  # of the last sample, where `started` is known
        self._last: Instant | None = None  # of the last sample that had a tick of its own
        self._seen: Instant | None = None  # of the last sample
        self._sharing = 0  # samples with the last one's stamp, before it

    def begin(self, wall_ms: int) -> None:
        """The recording begins here, with tick 0: what is missing before its first sample is a gap."""
        if self._last is None and self.started is not None:
            self._last = wall_ms, self.started

    def add(self, wall_ms: int, monotonic: float | None) -> None:
        """Take in one sample by the instants of its first read: ms since the epoch, and seconds on the monotonic clock."""
        self._note_clock_step(wall_ms, monotonic)
        first = self._last is None
        sharing = self._sharing
        self._sharing = sharing + 1 if self._last is not None and self._last[0] == wall_ms else 0
        if self.started is not None and monotonic is not None:
            offset = (monotonic - self.started) / self.period
            tick = math.floor(offset + _EARLY)
            missed, lateness = tick - self._tick - 1, max(offset - tick, 0.0) * self.period
            self._tick = max(tick, self._tick)
        else:
            missed, lateness = self._after_neighbour(wall_ms, monotonic)
        if missed < 0:
            return
        if missed and not first and self._last is not None:
            if monotonic is None and self.period < 1:
                self._last = self._last[0] + 1000 * sharing // (sharing + 1), None
            self._miss(wall_ms, monotonic, missed)
        self._last = wall_ms, monotonic
        if self._within(wall_ms, monotonic):
            self.samples += 1
            if monotonic is not None:
                self.largest_lateness_ms = max(self.largest_lateness_ms or 0.0, lateness * 1000)

    def _after_neighbour(self, wall_ms: int, monotonic: float | None) -> tuple[int, float]:
        """(how many are missing since the last sample, -1 if it is of the same tick; seconds later than a period)."""
        if self._last is None:
            return 0, 0.0
        if monotonic is not None and self._last[1] is not None:
            step = max(monotonic - self._last[1], 0.0)
        else:
            step = (wall_ms - self._last[0]) / 1000
            if self.period < 1 and step >= 0:
                return max(round((step - 1) / self.period), 0), 0.0
        if 0 <= step < self.period / 2:
            return -1, 0.0
        if step <= 1.5 * self.period:
            return 0, max(step - self.period, 0.0)
        return round(step / self.period) - 1, 0.0

    def _note_clock_step(self, wall_ms: int, monotonic: float | None) -> None:
        if self._seen is not None and self._within(wall_ms, monotonic):
            self.clock_steps += _is_step(self._seen, (wall_ms, monotonic))
        self._seen = wall_ms, monotonic

    def _within(self, wall_ms: int, monotonic: float | None) -> bool:
        instant = wall_ms, monotonic
        return (self.since is None or not is_before(instant, self.since)) and (self.until is None or not is_before(self.until, instant))

    def _miss(self, wall_ms: int, monotonic: float | None, missed: int) -> None:
        """Note that `missed` ticks have no sample between the last one and this instant."""
        if self._last is None:
            return
        start_ms, start = self._last
        if _is_step(self._last, (wall_ms, monotonic)) and monotonic is not None and start is not None:
            wall_ms = start_ms + round(1000 * (monotonic - start))  # as long as it lasted
        missed = self._due_within((start_ms, start), (wall_ms, monotonic), missed)
        if missed and len(self.gaps) < _MOST_GAPS:
            self.gaps.append(Gap(start_ms, wall_ms, missed))
        elif missed:  # what is missing stays exact, only the number of gaps does not
            self.gaps[-1].end_ms = wall_ms
            self.gaps[-1].missed += missed

    def _due_within(self, start: Instant, end: Instant, missed: int) -> int:
        """How many of the ticks that are missing between two samples were due within the bounds."""
        bounds = [bound for bound in (self.since, self.until) if bound is not None]
        steady = all(instant[1] is not None for instant in (start, end, *bounds))
        at = [round(1000 * instant[1]) if steady and instant[1] is not None else instant[0] for instant in (start, end)]
        since, until = (
            None if bound is None else 1000 * bound[1] if steady and bound[1] is not None else bound[0]
            for bound in (self.since, self.until)
        )
        gap = Gap(at[0], at[1], missed)
        return gap.missed_within(at[0] if since is None else math.ceil(since), at[1] if until is None else math.floor(until))

    def end(self, wall_ms: int, monotonic: float | None) -> None:
        """No sample comes up to this instant: what was due since the last one is a gap."""
        if self._last is None:
            return
        if self.started is not None and monotonic is not None:
            missed = math.floor((monotonic - self.started) / self.period - _JUST_DUE) - self._tick
        else:
            last_ms, last = self._last
            passed = (wall_ms - last_ms) / 1000 if monotonic is None or last is None else monotonic - last
            missed = math.floor(passed / self.period - _JUST_DUE)
        if missed > 0:
            self._miss(wall_ms, monotonic, missed)


def is_before(earlier: Instant, later: Instant) -> bool:
    """Whether one instant lies before another, on the monotonic clock where both have it."""
    if earlier[1] is not None and later[1] is not None:
        return earlier[1] < later[1]
    return earlier[0] < later[0]


def _is_step(earlier: Instant, later: Instant) -> bool:
    """Whether the wall clock was set between two instants, the second of which was read later."""
    wall = later[0] - earlier[0]
    if earlier[1] is None or later[1] is None:
        return wall < 0
    passed = 1000 * (later[1] - earlier[1])
    return abs(wall - passed) > _STEP_MS + _STEP_SHARE * passed


def together(parts: list[Ticks], **facts: Any) -> Certificate:
    """The certificate of what `parts` have counted, which are of one collection; `facts` are what else is known, as of `certify`."""
    latest = [ticks.largest_lateness_ms for ticks in parts if ticks.largest_lateness_ms is not None]
    found = {"largest_lateness_ms": max(latest, default=None), "clock_steps": sum(ticks.clock_steps for ticks in parts), **facts}
    return certify(sum(ticks.samples for ticks in parts), [gap for ticks in parts for gap in ticks.gaps], **found)
