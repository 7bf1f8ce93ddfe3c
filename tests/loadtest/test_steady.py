"""A phase's steady part is proposed by MSER-5, the same by DuckDB and by SQLite; where there is none, nothing is."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from statistics import fmean
from typing import Any

import duckdb
import pytest

from perfkit.process.engine import statement

QUERY = "WITH series AS (SELECT phase, timestamp, value FROM measured) SELECT * FROM (" + statement("summaries/steady") + ")"
LAYOUT = "CREATE TABLE measured (phase VARCHAR, timestamp BIGINT, value DOUBLE)"


def ask(values: list[float], engine: str) -> list[tuple[Any, ...]]:
    rows = [("load", second * 1000, value) for second, value in enumerate(values)]
    with closing(duckdb.connect() if engine == "duckdb" else sqlite3.connect(":memory:")) as con:
        con.execute(LAYOUT)
        if rows:
            con.executemany("INSERT INTO measured VALUES (?, ?, ?)", rows)
        return list(con.execute(QUERY).fetchall())


def shape(warm_up: int, steady: int, cool_down: int, seed: int) -> list[float]:
    noise = random.Random(seed)
    up = [90 * i / max(warm_up, 1) for i in range(warm_up)]
    down = [90 - 90 * i / max(cool_down, 1) for i in range(cool_down)]
    return [value + noise.gauss(0, 1.5) for value in [*up, *[90.0] * steady, *down]]


def by_hand(values: list[float]) -> tuple[int, int]:
    """The same heuristic by plain loops over all stretches: first and last second."""
    means = [fmean(values[i : i + 5]) for i in range(0, len(values) - 4, 5)]
    count = len(means)
    best = (float("inf"), 0, 0)
    for first in range(count):
        for last in range(first, count):
            part = means[first : last + 1]
            if 2 * len(part) >= count:
                mean = fmean(part)
                best = min(best, (sum((value - mean) ** 2 for value in part) / len(part) ** 2, first, last))
    return best[1] * 5, best[2] * 5 + 4


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
@pytest.mark.parametrize("seed", range(3))
def test_warm_up_and_cool_down_are_cut_off(engine: str, seed: int) -> None:
    values = shape(60, 300, 30, seed)
    ((phase, since, until, mean, kept),) = ask(values, engine)
    assert phase == "load"
    assert (since // 1000, until // 1000) == by_hand(values)
    assert since >= 50_000
    assert until <= 365_000
    assert mean == pytest.approx(90, abs=2)
    assert kept >= 50


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_a_steady_series_is_kept_nearly_whole(engine: str) -> None:
    ((_, _, _, _, kept),) = ask(shape(0, 600, 0, 4), engine)
    assert kept > 75


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
@pytest.mark.parametrize("values", [[], [50.0] * 39, [float(i) for i in range(200)]], ids=["empty", "too-short", "a-ramp"])
def test_nothing_is_proposed_where_nothing_is_steady(engine: str, values: list[float]) -> None:
    assert ask(values, engine) == []
