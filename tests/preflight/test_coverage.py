"""Coverage counts ticks due and present, names gaps and the largest lateness, whatever is missing and however late samples come."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.preflight.coverage import Coverage
from perfkit.preflight.story import Sample


@settings(deadline=None)
@given(
    period=st.sampled_from([0.01, 0.1, 1.0, 7.0, 60.0]),
    before=st.integers(0, 20),
    missing=st.sets(st.integers(0, 99), max_size=90),
    late=st.lists(st.floats(0, 0.8), min_size=100, max_size=100),
    after=st.integers(0, 20),
)
def test_due_present_and_gaps_are_those_of_the_ticks(period: float, before: int, missing: set[int], late: list[float], after: int) -> None:
    """The load lasts over the ticks `before` to 99 - `after` of a grid that began long ago; every tick not in `missing` has a sample."""
    anchor = 12_345.678
    since, end = anchor + (before - 0.5) * period, anchor + (99 - after + 0.9) * period
    coverage = Coverage(period, anchor, since)
    present = [tick for tick in range(100) if tick not in missing]
    for tick in present:
        instant = anchor + (tick + late[tick]) * period
        coverage.add(Sample(1e9 + instant, instant))
    wanted = range(before, 100 - after)
    assert coverage.until(end) == (len(wanted), sum(tick in present for tick in wanted))
    counted = [tick for tick in present if tick >= before]
    if counted:
        holes = counted[0] - before + sum(b - a - 1 for a, b in zip(counted, counted[1:], strict=False))
        assert sum(gap.missed for gap in coverage.gaps) == holes
        lateness = [late[tick] for tick in counted]
        assert coverage.lateness == pytest.approx((max(lateness) - min(lateness)) * period, abs=1e-6)


def test_a_tick_that_was_read_twice_counts_once() -> None:
    coverage = Coverage(1.0, 0.0, 0.5)
    for instant in (1.0, 1.4, 2.0):
        coverage.add(Sample(instant, instant))
    assert coverage.until(2.5) == (2, 2)


def test_wall_clock_serves_where_the_collector_has_no_other() -> None:
    coverage = Coverage(5.0, 100.0, 101.0)
    for wall in (105.0, 110.0, 120.0):
        coverage.add(Sample(wall, None))
    assert coverage.until(121.0) == (4, 3)
    assert [(gap.start, gap.end, gap.missed) for gap in coverage.gaps] == [(110.0, 120.0, 1)]
