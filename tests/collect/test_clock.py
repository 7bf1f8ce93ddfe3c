"""Ticks: absolute, late ones marked, missed ones counted, none made up."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from perfkit.collect.clock import Ticker


@given(st.floats(0.01, 3600), st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_every_tick_is_taken_late_or_missed_and_the_grid_never_moves(period: float, delays: list[float]) -> None:
    ticker = Ticker(1000.0, period)
    for taken, delay in enumerate(delays, 1):
        ticker.take(ticker.deadline + delay * period)
        passed = (ticker.deadline - 1000.0) / period
        assert abs(passed - round(passed)) < 1e-6  # still on the grid
        assert taken + ticker.missed == round(passed)  # nothing lost, nothing invented


def test_a_thousand_late_ticks_do_not_add_up() -> None:
    ticker = Ticker(0.0, 1.0)
    for _ in range(1000):
        ticker.take(ticker.deadline + 0.009)
    assert math.isclose(ticker.deadline, 1000.0)
    assert ticker.missed == 0
    assert ticker.max_lateness < 0.01


def test_a_late_tick_is_counted_late_from_a_tenth_of_a_second_or_half_a_period() -> None:
    slow, fast = Ticker(0.0, 60.0), Ticker(0.0, 0.01)
    assert not slow.take(0.09)
    assert slow.take(60.11)
    assert not fast.take(0.004)
    assert fast.take(0.0161)
    assert (slow.late, fast.late) == (1, 1)
