"""Pairs of invented series without a difference, all in one statement: how many intervals of compare hold the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import duckdb

from perfkit.compare import judging
from perfkit.store import comparable
from perfkit.store.runs import Stretch

FIGURES = ("avg", "p50", "p90", "p95")
METRIC = "host.cpu_busy"
_SQL = Path(__file__).with_suffix(".sql").read_text()
_RUNS_SQL = Path(__file__).with_name("simulated_runs.sql").read_text()
_MACROS = """
CREATE MACRO chance(seed, run, i, what) AS (hash(seed, run, i, what) >> 11) / 9007199254740992.0;
CREATE MACRO normal(seed, run, i) AS sqrt(-2 * ln(1 - chance(seed, run, i, 1))) * cos(2 * pi() * chance(seed, run, i, 2));
"""
_AT_ONCE = 2_000_000  # samples; beyond it memory, not time, is the matter


class Kind(NamedTuple):
    """How the samples of a machine are made from noise `z` (and from `burst`, `run`, `i`), in SQL."""

    name: str
    phi: float = 0.7
    value: str = "z"


SKEWED = Kind("skewed", value="exp(z)")
BOUNDED = Kind("bounded", value="least(100, greatest(0, 80 + 20 * z))")
BURSTY = Kind("bursty", value="-ln(1 - chance($seed, run, i, 4)) + if(burst, 20, 0)")
# One gap of 5 % within, at another place in each: the samples behind it come directly after those before it.
GAPPED = Kind("a gap of 5 %", value="if(i - chance($seed, run, 0, 5) * 0.95 * $samples BETWEEN 0 AND 0.05 * $samples, NULL, z)")


def autocorrelated(phi: float) -> Kind:
    """AR(1)."""
    return Kind(f"AR(1) {phi}", phi)


def empty() -> duckdb.DuckDBPyConnection:
    """DuckDB with the table of samples that compare's estimates read, empty."""
    con = duckdb.connect()
    comparable.prepare(con)
    con.execute(_MACROS)
    return con


def add(con: duckdb.DuckDBPyConnection, kind: Kind, samples: int, runs: int, seed: int, metric: str = METRIC) -> None:
    """The samples of one metric of `runs` runs, numbered from 0."""
    values = {"runs": runs, "samples": samples, "seed": seed, "phi": kind.phi, "metric": metric}
    con.execute(_SQL.format(value=kind.value), values)


def figures(con: duckdb.DuckDBPyConnection) -> dict[int, judging.Figures]:
    """The figures of each run."""
    return {run: judging.figures_of(found) for run, found in comparable.estimates(con).items()}


class Held(NamedTuple):
    """Of how many pairs a figure was judged, and in how many of those the interval of the difference held the truth."""

    judged: int
    held: int

    @property
    def percent(self) -> float:
        """The coverage."""
        return 100 * self.held / max(self.judged, 1)


def held(kind: Kind, samples: int, pairs: int, seed: int) -> dict[str, Held]:
    """The coverage of 95 % intervals of a difference that is 0, by figure."""
    found = dict.fromkeys(FIGURES, Held(0, 0))
    at_once = max(1, _AT_ONCE // (2 * samples))
    for first in range(0, pairs, at_once):
        count = min(at_once, pairs - first)
        with closing(empty()) as con:
            add(con, kind, samples, 2 * count, 1_000_003 * seed + first)
            known = figures(con)
        chosen = judging.ComparisonAsked(figures=FIGURES)
        pairs_of = (judging.pairs_of([known[2 * pair]], [known[2 * pair + 1]], "", chosen) for pair in range(count))
        for row in judging.judged([one for some in pairs_of for one in some]):
            if row.difference is not None and row.verdict != judging.NOT_JUDGED:
                before = found[row.figure]
                found[row.figure] = Held(before.judged + 1, before.held + (row.difference.low <= 0 <= row.difference.high))
    return found


def figures_of_runs(metrics: Sequence[str], runs: int, seed: int, samples: int = 600) -> list[judging.Figures]:
    """The figures of invented runs of one machine, without their intervals: from three runs an arm on, the runs are the unit."""
    found: list[judging.Figures] = [{} for _ in range(runs)]
    with closing(empty()) as con:
        values = {"metrics": list(metrics), "runs": runs, "seed": seed, "samples": samples}
        for run, metric, told in con.execute(_RUNS_SQL, values).fetchall():
            for figure, value in zip(judging.FIGURES, told, strict=True):
                one = comparable.Figure(metric, "", figure, value, None, None, 0, samples, samples, None, value, value)
                found[run][metric, "", figure] = one
    return found


def three_against_three(
    metrics: Sequence[str], pairs: int, seed: int, more_cpu: float = 0.0, asked: judging.ComparisonAsked | None = None
) -> Iterator[judging.Comparison]:
    """Whole reports of three runs against three others of the same machine, in which the others have `more_cpu` busy."""
    stretch = Stretch(1, "", None, 1, 0, 1, open=False, marked=False)
    arms = [judging.Arm(name, tuple(judging.ComparedRun(f"{name}{i}", None, 1, stretch) for i in range(3))) for name in ("old", "new")]  # type: ignore[arg-type]
    asked = asked or judging.ComparisonAsked()
    at_once = max(1, _AT_ONCE // (6 * 600 * len(metrics)))
    for first in range(0, pairs, at_once):
        count = min(at_once, pairs - first)
        known = figures_of_runs(metrics, 6 * count, 1_000_003 * seed + 1_000 * first)
        for pair in range(count):
            base, other = known[6 * pair : 6 * pair + 6 : 2], known[6 * pair + 1 : 6 * pair + 6 : 2]
            busier = [
                {key: one._replace(value=one.value * (1 + more_cpu)) if one.metric == METRIC else one for key, one in run.items()}
                for run in other
            ]
            found = tuple(judging.judged(list(judging.pairs_of(base, busier, "new", asked)), asked.margin))
            yield judging.Comparison(arms[0], (arms[1],), found, ())
