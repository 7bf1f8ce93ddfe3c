"""The certificate counts each sample once, names every gap, and never rounds what is missing away."""

from __future__ import annotations

import pytest

from perfkit.collection.certificate import Gap, certify, percent


@pytest.mark.parametrize(
    ("samples", "gaps", "facts", "sentence"),
    [
        (630, [], {"largest_lateness_ms": 1.4}, "630 of 630 samples, no gap, latest 1.4 ms late"),
        (1, [], {}, "1 of 1 sample, no gap"),
        (619, [Gap(0, 10_000, 9), Gap(60_000, 63_000, 2)], {}, "619 of 630 samples (98.25 %), 2 gaps, longest 10 s"),
        (500, [Gap(0, 131_000, 130)], {"ended": "signal"}, "500 of 630 samples (79.36 %), 1 gap of 2 m 11 s"),
        (
            99_999,
            [Gap(0, 2000, 1)],
            {"clock_steps": 1, "resets": 2},
            "99,999 of 100,000 samples (99.99 %), 1 gap of 2 s, 1 clock step, 2 counter resets",
        ),
        (9, [], {"ended": "cut off"}, "9 of 9 samples, no gap; cut off"),
        (0, [], {}, "0 of 0 samples, no gap"),
    ],
)
def test_it_is_said_in_a_sentence(samples: int, gaps: list[Gap], facts: dict, sentence: str) -> None:
    assert str(certify(samples, gaps, **facts)) == sentence


@pytest.mark.parametrize(
    ("window", "missed"),
    [((0, 10_000), 9), ((0, 5000), 5), ((5000, 5000), 1), ((5001, 5999), 0), ((9000, 60_000), 1), ((10_000, 60_000), 0), ((-9, 999), 0)],
)
def test_a_window_counts_what_was_due_within_it(window: tuple[int, int], missed: int) -> None:
    found = certify(20, [Gap(0, 10_000, 9)], window)
    assert found.samples_expected == 20 + missed
    assert found.gaps == (missed > 0)


def test_what_is_missing_is_never_rounded_away() -> None:
    assert (percent(99.99999), percent(100.0), percent(50.0)) == ("99.99 %", "100 %", "50 %")
    assert certify(0, []).coverage is None
