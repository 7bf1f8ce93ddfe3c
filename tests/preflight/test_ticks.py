"""Ticks counts samples against the ticks that were due, and names gaps and the largest lateness, whatever is missing and however late."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.collection.ticks import Ticks, together


@settings(deadline=None)
@given(
    period=st.sampled_from([0.01, 0.1, 1.0, 7.0, 60.0]),
    missing=st.sets(st.integers(1, 98), max_size=90),
    late=st.lists(st.floats(0, 0.94), min_size=100, max_size=100),  # of a period: later, two ticks of 10 ms share a millisecond
    first=st.integers(0, 20),
    last=st.integers(60, 99),
)
def test_due_present_and_gaps_are_those_of_the_ticks(period: float, missing: set[int], late: list[float], first: int, last: int) -> None:
    """Every tick from 0 to 99 that is not in `missing` has a sample; the window begins with the tick `first` and ends with `last`."""
    missing -= {first - 1, first, last, last + 1}  # so that no gap is cut by the window, where its share is only about right
    started = 12_345.678
    wall = {tick: 1_000_000 + round(1000 * (tick + late[tick]) * period) for tick in range(100)}
    ticks = Ticks(period, started, (wall[first], None), (wall[last], None))
    for tick in range(100):
        if tick not in missing:
            ticks.add(wall[tick], round(started + (tick + late[tick]) * period, 6))
    wanted = range(first, last + 1)
    found = together([ticks])
    assert found.samples == len(set(wanted) - missing)
    assert found.samples_expected == len(wanted)
    assert found.gaps == sum(tick in missing and tick - 1 not in missing for tick in wanted)
    worst = max(late[tick] for tick in wanted if tick not in missing)
    assert found.largest_lateness_ms == pytest.approx(worst * period * 1000, abs=0.01)


def test_a_tick_that_was_read_twice_counts_once() -> None:
    ticks = Ticks(1.0, 0.0)
    for instant in (1.0, 1.4, 2.0):
        ticks.add(round(instant * 1000), instant)
    assert (ticks.samples, ticks.gaps) == (2, [])


@pytest.mark.parametrize(
    ("period", "walls", "counted", "gaps"),
    [
        pytest.param(5.0, [100, 105, 110, 120], 4, [(110, 120, 1)], id="one is missing"),
        pytest.param(5.0, [100, 105, 111, 116], 4, [], id="the second jumps"),
        pytest.param(10.02, [100, 110, 120, 130, 141], 5, [], id="a period that drifts"),
        pytest.param(5.0, [100, 105, 105, 110], 3, [], id="twice in a second"),
        pytest.param(5.0, [100, 105, 50, 55], 4, [], id="the clock is set back"),
        pytest.param(0.2, [1] * 5 + [2] * 5 + [5] * 5, 15, [(2.8, 5, 10)], id="five in a second"),
        pytest.param(0.2, [1] * 5 + [2] * 2 + [3] * 5, 12, [], id="a second that was hardly sampled is no proof"),
    ],
)
def test_whole_seconds_are_compared_with_their_neighbours(
    period: float, walls: list[int], counted: int, gaps: list[tuple[int, int, int]]
) -> None:
    ticks = Ticks(period)
    for wall in walls:
        ticks.add(wall * 1000, None)
    assert ticks.samples == counted
    assert [(gap.start_ms / 1000, gap.end_ms / 1000, gap.missed) for gap in ticks.gaps] == gaps
    assert ticks.largest_lateness_ms is None


def test_what_is_due_at_the_end_and_has_not_come_is_a_gap() -> None:
    ticks = Ticks(1.0, 100.0)
    ticks.add(1_000, 101.0)
    ticks.end(1_950, 101.95)
    assert ticks.gaps == []
    ticks.end(4_500, 104.5)
    assert [(gap.start_ms, gap.end_ms, gap.missed) for gap in ticks.gaps] == [(1_000, 4_500, 3)]


def test_beyond_very_many_gaps_what_is_missing_is_still_counted() -> None:
    ticks = Ticks(1.0, 0.0)
    for tick in range(0, 300_000, 2):
        ticks.add(tick * 1000, float(tick))
    found = together([ticks])
    assert found.samples_expected - found.samples == 149_999
    assert len(ticks.gaps) <= 100_000


@pytest.mark.parametrize("step", [0.0, 3600.0, -3600.0])
def test_a_window_is_the_same_whatever_the_wall_clock_does_within_it(step: float) -> None:
    """Ticks 10 to 30 of 40, 20 to 24 of them missing, the clock set in the gap."""
    ticks = Ticks(1.0, 100.0, (10_000, 110.0), (round((30 + step) * 1000) + 500, 130.5))
    for tick in (*range(20), *range(25, 40)):
        ticks.add(round((tick + (step if tick >= 25 else 0)) * 1000), 100.0 + tick)
    found = together([ticks])
    assert (found.samples, found.samples_expected, found.gaps, found.longest_gap_ms) == (16, 21, 1, 6000)
    assert found.clock_steps == (step != 0)
