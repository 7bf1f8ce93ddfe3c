"""Student's t, which SQL has not: its distribution and the inverse of it, as functions of SQLite."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from functools import lru_cache

_TINY = 1e-300


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


def connect() -> sqlite3.Connection:
    """SQLite in memory, with the functions student(t, freedom) and t_below(probability, freedom); NULL makes NULL."""
    con = sqlite3.connect(":memory:")
    con.create_function("student", 2, _known(student), deterministic=True)
    con.create_function("t_below", 2, _known(quantile), deterministic=True)
    return con


def _known(of: Callable[[float, float], float]) -> Callable[[float | None, float | None], float | None]:
    return lambda first, second: None if first is None or second is None else of(first, second)


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
