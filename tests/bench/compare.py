"""How often the intervals of compare hold the truth, how often it cries wolf, what it finds, and what it costs; each beside its bar.

    build/venv/bin/python tests/bench/compare.py [coverage] [runs] [speed] [--pairs 2000] [--only "AR(1) 0.9"]

coverage  pairs of series without a difference: how many 95 % intervals of the difference hold 0, of those that are judged
runs      three runs against three of one invented machine: whole reports with any verdict of a difference; and with 10 % more CPU
speed     120 metrics with three quantiles and a mean, 2 x 1,800 samples
"""

from __future__ import annotations

import math
import random
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src")]

from perfkit.compare import judging  # noqa: E402
from perfkit.compare.judging import Arm, Asked, Run  # noqa: E402
from perfkit.store.runs import Stretch  # noqa: E402

FIGURES = ("avg", "p50", "p90", "p95")
AT_ONCE = 1_000_000  # samples that DuckDB gets at once


def correlated(chance: random.Random, samples: int, phi: float) -> list[float]:
    """Standard normal values of which neighbours correlate by `phi`."""
    last, step = chance.gauss(0, 1), math.sqrt(1 - phi * phi)
    found = [last]
    for _ in range(samples - 1):
        last = phi * last + step * chance.gauss(0, 1)
        found.append(last)
    return found


def skewed(chance: random.Random, samples: int) -> list[float]:
    return [math.exp(value) for value in correlated(chance, samples, 0.7)]


def bounded(chance: random.Random, samples: int) -> list[float]:
    return [min(100.0, max(0.0, 80 + 20 * value)) for value in correlated(chance, samples, 0.7)]


def bursty(chance: random.Random, samples: int) -> list[float]:
    """Quiet, and in a tenth of the time a burst of about ten samples."""
    found, burst = [], False
    for _ in range(samples):
        burst = chance.random() < (0.9 if burst else 0.011)
        found.append(chance.expovariate(1) + (20 if burst else 0))
    return found


def gappy(chance: random.Random, samples: int) -> list[float]:
    """One gap of 5 % within: what compare does not even judge."""
    found = correlated(chance, samples + samples // 20, 0.7)
    start = chance.randrange(samples)
    return found[:start] + found[start + samples // 20 :]


def known(series: Sequence[Sequence[float]]) -> dict[int, dict[judging._Key, judging._Known]]:
    """What estimates.sql says of each series, as of runs."""
    with duckdb.connect() as con:
        con.execute(judging._sql("macros"))
        con.execute("CREATE TABLE series (run INTEGER, metric VARCHAR, device VARCHAR, timestamp BIGINT, value DOUBLE)")
        for run, values in enumerate(series):
            con.execute(
                "INSERT INTO series SELECT $run, 'host.cpu_busy', '', unnest(range(len($v::DOUBLE[]))), unnest($v::DOUBLE[])",
                {"run": run, "v": values},
            )
        return judging._estimates(con)


def coverage(pairs: int, only: str) -> Iterator[tuple[str, str, int, float]]:
    """(what, figure, judged, share in % that holds 0)."""
    cells: list[tuple[str, int, Callable[[random.Random], list[float]]]] = [
        (f"AR(1) {phi} n {n}", n, lambda chance, n=n, phi=phi: correlated(chance, n, phi))  # type: ignore[misc]
        for n, most in ((300, 0.8), (600, 0.9), (3600, 0.9))
        for phi in (0.0, 0.5, 0.8, 0.9)
        if phi <= most
    ]
    for make in (skewed, bounded, bursty, gappy):
        cells.append((f"{make.__name__} n 600", 600, lambda chance, make=make: make(chance, 600)))  # type: ignore[misc]
    for name, samples, of in (cell for cell in cells if only in cell[0]):
        chance = random.Random(name)
        held = dict.fromkeys(FIGURES, 0)
        judged = dict.fromkeys(FIGURES, 0)
        at_once = max(1, AT_ONCE // samples)
        for first in range(0, pairs, at_once):
            count = min(at_once, pairs - first)
            found = known([of(chance) for _ in range(2 * count)])
            for pair in range(count):
                for figure in FIGURES:
                    sides = [[found[2 * pair + side]["host.cpu_busy", "", figure]] for side in (0, 1)]
                    difference, why = judging._difference(sides, figure)
                    if difference is not None and not why:
                        judged[figure] += 1
                        held[figure] += difference.low <= 0 <= difference.high
        for figure in FIGURES:
            yield name, figure, judged[figure], 100 * held[figure] / judged[figure] if judged[figure] else math.nan


METRICS = (
    "host.cpu_busy",
    "host.mem_used",
    "disk.await_ms",
    "network.rx_bytes",
    "system.running",
    "tcp.established",
    "pressure.some_percent",
)


def machine(chance: random.Random, more_cpu: float = 0.0) -> dict[judging._Key, judging._Known]:
    """The figures of one run of ten minutes: each run has a level of its own (1 %), some metrics move in whole steps only."""
    series = []
    for metric in METRICS:
        level = (40 * (1 + more_cpu) if metric == METRICS[0] else 5) * chance.gauss(1, 0.01)
        values = [level * (1 + 0.1 * value) for value in correlated(chance, 600, 0.8)]
        series.append([float(round(value)) for value in values] if metric in ("system.running", "tcp.established") else values)
    found = known(series)
    return {(metric, "", figure): of for place, metric in enumerate(METRICS) for (_, _, figure), of in found[place].items()}


def reports(pairs: int, more_cpu: float, asked: Asked) -> Iterator[judging.Comparison]:
    """Comparisons of three runs with three."""
    stretch = Stretch(1, "", None, 1, 0, 1, open=False, marked=False)
    arms = [Arm(name, tuple(Run(f"{name}{i}", None, 1, stretch) for i in range(3))) for name in ("old", "new")]  # type: ignore[arg-type]
    chance = random.Random(16)
    for _ in range(pairs):
        base, other = [machine(chance) for _ in range(3)], [machine(chance, more_cpu) for _ in range(3)]
        rows = list(judging._rows(base, other, "new", asked, ""))
        yield judging.Comparison(arms[0], (arms[1],), tuple(judging._with_family(rows, arms[0], arms[1:], asked.margin)), ())


def speed() -> float:
    """Seconds for the estimates and the verdicts of 120 metrics."""
    chance = random.Random(1)
    with duckdb.connect() as con:
        con.execute(judging._sql("macros"))
        con.execute("CREATE TABLE series (run INTEGER, metric VARCHAR, device VARCHAR, timestamp BIGINT, value DOUBLE)")
        values = correlated(chance, 1800, 0.9)
        for run in (0, 1):
            con.execute(
                "INSERT INTO series SELECT $run, 'host.cpu_busy', m::VARCHAR, i, v + m + $run FROM range(120) AS r(m),"
                " (SELECT unnest($v::DOUBLE[]) AS v, unnest(range(1800)) AS i)",
                {"run": run, "v": values},
            )
        start = time.perf_counter()
        found = judging._estimates(con)
        rows = list(judging._rows([found[0]], [found[1]], "b", Asked(), ""))
        stretch = Stretch(1, "", None, 1, 0, 1, open=False, marked=False)
        arms = [Arm(name, (Run(name, None, 1, stretch),)) for name in "ab"]  # type: ignore[arg-type]
        assert len(list(judging._with_family(rows, arms[0], arms[1:], 0))) == 600
        return time.perf_counter() - start


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["coverage", "runs", "speed"])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--only", default="", help="the kinds of series whose name has this text")
    asked = parser.parse_args()
    if "coverage" in asked.what:
        for name, figure, judged, share in coverage(asked.pairs, asked.only):
            print(f"{name:18} {figure:4} judged {judged:5} of {asked.pairs}  {share:5.1f} %  (bar: 93 to 98.5)", flush=True)
    if "runs" in asked.what:
        pairs = max(1, asked.pairs // 10)
        said = (judging.WORSE, judging.BETTER, judging.DIFFERS)
        alike = list(reports(pairs, 0, Asked()))
        wolf = 100 * sum(any(row.verdict in said for row in one.rows) for one in alike) / pairs
        red = 100 * sum(any(one.is_worse(row, 0) for row in one.rows) for one in alike) / pairs
        print(
            f"A/A, {pairs} reports of 3 against 3: {wolf:.1f} % with a verdict of a difference (bar: 5), gate red in {red:.1f} % (bar: 2)"
        )
        for metrics, figures in ((("host.cpu_busy",), ("avg",)), ((), judging.FIGURES)):
            of = list(reports(pairs, 0.1, Asked(metrics, figures)))
            key = ("host.cpu_busy", "avg")
            seen = sum(any((row.metric, row.figure) == key and row.verdict == judging.WORSE for row in one.rows) for one in of)
            print(f"+10 % CPU, {'the mean alone' if metrics else 'in a family of 35'}: found in {100 * seen / pairs:.1f} % (bar: 90)")
    if "speed" in asked.what:
        print(f"120 metrics, 2 x 1,800 samples: {speed():.2f} s (bar: 2)")


if __name__ == "__main__":
    main()
