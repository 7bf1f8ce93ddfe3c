"""Student's t, and differences with intervals. Pure arithmetic on figures that SQL has made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import fmean, stdev
from typing import NamedTuple

from perfkit.store.comparable import BASIS, LEVEL

POWER = 0.8  # of the smallest difference that could have been shown
_TINY = 1e-300


class Estimate(NamedTuple):
    """A figure of one side with its interval; an end that is not known is None. `spread` is its standard error, `freedom` that error's."""

    value: float
    low: float | None
    high: float | None
    spread: float
    freedom: float


class Difference(NamedTuple):
    """Other minus baseline; `p` is the probability of such a difference where there is none, `detectable` what 8 of 10 times would show."""

    value: float
    low: float
    high: float
    p: float
    detectable: float


def student(t: float, freedom: float) -> float:
    """The probability that Student's t with `freedom` degrees is at most `t`."""
    if math.isinf(t):
        return 1.0 if t > 0 else 0.0
    tail = _beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2
    return 1 - tail if t > 0 else tail


@lru_cache(maxsize=4096)
def quantile(probability: float, freedom: float) -> float:
    """The t below which Student's t with `freedom` degrees is with this `probability` (0.5 or more): Newton's steps between bounds."""
    low, high = 0.0, 1.0
    while student(high, freedom) < probability:
        low, high = high, high * 2
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    t = (low + high) / 2
    for _ in range(200):
        error = student(t, freedom) - probability
        low, high = (t, high) if error < 0 else (low, t)
        step = t - error / (scale * (1 + t * t / freedom) ** (-(freedom + 1) / 2))
        before, t = t, step if low < step < high else (low + high) / 2
        if abs(t - before) <= 1e-14 * t:
            break
    return t


def of_means(baseline: Estimate, other: Estimate) -> Difference:
    """The difference of two independent means, by Welch and Satterthwaite."""
    variance = baseline.spread**2 + other.spread**2
    value = other.value - baseline.value
    if variance == 0:
        return Difference(value, value, value, 1.0 if value == 0 else 0.0, 0.0)
    freedom = variance**2 / sum(one.spread**4 / one.freedom for one in (baseline, other) if one.spread)
    return _difference(value, math.sqrt(variance), freedom)


def of_quantiles(baseline: Estimate, other: Estimate) -> Difference | None:
    """The difference of two independent quantiles by MOVER (Zou and Donner 2008); None where an interval has an open end."""
    ends = (baseline.low, baseline.high, other.low, other.high)
    if any(end is None for end in ends):
        return None
    first_low, first_high, low, high = (end for end in ends if end is not None)
    value = other.value - baseline.value
    below = math.hypot(other.value - low, first_high - baseline.value)
    above = math.hypot(high - other.value, baseline.value - first_low)
    towards_zero = below if value > 0 else above
    critical = quantile((1 + LEVEL) / 2, BASIS)
    p = 2 * (1 - student(critical * abs(value) / towards_zero, BASIS)) if towards_zero else 1.0 if value == 0 else 0.0
    detectable = max(below, above) * (1 + quantile(POWER, BASIS) / critical)
    return Difference(value, value - below, value + above, p, detectable)


def of_runs(values: Sequence[float]) -> Estimate:
    """The mean of one figure over several runs: the runs are the unit."""
    spread = stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    freedom = max(len(values) - 1, 1)
    half = quantile((1 + LEVEL) / 2, freedom) * spread
    mean = fmean(values)
    return Estimate(mean, mean - half, mean + half, spread, freedom)


def holm(probabilities: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Each probability as it stands in its family (Holm 1979, with weights): a larger weight gets a larger part of the error rate."""
    order = sorted(range(len(probabilities)), key=lambda place: probabilities[place] / weights[place])
    found, largest, left = [0.0] * len(probabilities), 0.0, sum(weights)
    for place in order:
        largest = max(largest, min(1.0, probabilities[place] * max(left / weights[place], 1.0)))
        found[place] = largest
        left -= weights[place]
    return found


def _difference(value: float, spread: float, freedom: float) -> Difference:
    critical = quantile((1 + LEVEL) / 2, freedom)
    half = critical * spread
    p = 2 * (1 - student(abs(value) / spread, freedom))
    return Difference(value, value - half, value + half, p, (critical + quantile(POWER, freedom)) * spread)


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1) or _TINY)
    fraction = d
    for m in range(1, 1000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = fraction
        for term in (even, odd):
            d = 1 / ((1 + term * d) or _TINY)
            c = (1 + term / c) or _TINY
            fraction *= c * d
        if abs(fraction - before) < 1e-16 * abs(fraction):
            break
    return front * fraction
