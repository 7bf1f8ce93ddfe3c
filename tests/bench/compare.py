"""How often the intervals of compare hold the truth, how often it cries wolf, what it finds, and what it costs; each beside its bar.

    build/venv/bin/python tests/bench/compare.py [coverage] [runs] [speed] [--pairs 2000] [--only "AR(1) 0.9"]

coverage  pairs of series without a difference: how many 95 % intervals of the difference hold 0, of those that are judged
runs      three runs against three of one invented machine: whole reports with any verdict of a difference; and with 10 % more CPU
speed     120 metrics with three quantiles and a mean, 2 x 1,800 samples
"""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from perfkit.catalog import DENSE  # noqa: E402
from perfkit.compare import judging  # noqa: E402
from perfkit.compare.judging import ComparisonAsked  # noqa: E402
from support import simulated  # noqa: E402

CELLS = (
    *((simulated.autocorrelated(phi), n) for n in (300, 600, 3600) for phi in (0.0, 0.5, 0.8, 0.9) if phi < 0.9 or n > 300),
    *((kind, n) for kind in (simulated.SKEWED, simulated.BOUNDED, simulated.BURSTY, simulated.GAPPED) for n in (600, 3600)),
)


def coverage(pairs: int, only: str) -> Iterator[tuple[str, str, int, float]]:
    """(what, figure, judged, share in % that holds 0)."""
    for seed, (kind, samples) in enumerate(CELLS):
        name = f"{kind.name}, n {samples}"
        if only in name:
            for figure, found in simulated.held(kind, samples, pairs, seed).items():
                yield name, figure, found.judged, found.percent


# CPU busy first: it is of the plain kind.
METRICS = (
    simulated.METRIC,
    *(f"{one.name}.{column.name}" for one in DENSE for column in one.metrics if column.name != "cpu_busy"),
    *(f"load.{name}" for name in judging._LOAD),
)


def speed() -> tuple[float, float]:
    """Seconds, and seconds of CPU, for the estimates and the verdicts of 120 metrics."""
    with closing(simulated.empty()) as con:
        for place in range(120):
            simulated.add(con, simulated.autocorrelated(0.9), 1800, 2, place, simulated.METRIC)
            con.execute("UPDATE series SET device = ? WHERE device = ''", [str(place)])
        start, cpu = time.perf_counter(), time.process_time()
        found = simulated.figures(con)
        assert len(judging.judged(list(judging.pairs_of([found[0]], [found[1]], "b", ComparisonAsked())))) == 600
        return time.perf_counter() - start, time.process_time() - cpu


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=["coverage", "runs", "speed"])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--only", default="", help="the kinds of series whose name has this text")
    asked = parser.parse_args()
    if "coverage" in asked.what:
        for name, figure, judged, share in coverage(asked.pairs, asked.only):
            print(f"{name:20} {figure:4} judged {judged:5} of {asked.pairs}  {share:5.1f} %  (bar: 93 to 98.5)", flush=True)
    if "runs" in asked.what:
        pairs = max(1, asked.pairs // 10)
        said = (judging.WORSE, judging.BETTER, judging.DIFFERS)
        alike = list(simulated.three_against_three(METRICS, pairs, 16))
        wolf = 100 * sum(any(row.verdict in said for row in one.rows) for one in alike) / pairs
        red = 100 * sum(any(one.is_worse(row, 0) for row in one.rows) for one in alike) / pairs
        told = f"A/A, {pairs} reports of 3 against 3 runs, {len(alike[0].rows)} figures each"
        print(f"{told}: {wolf:.1f} % with a verdict of a difference (bar: 5), gate red in {red:.1f} % (bar: 2)", flush=True)
        for metrics, figures in (((simulated.METRIC,), ("avg",)), ((), judging.FIGURES)):
            chosen = metrics or METRICS
            of = list(simulated.three_against_three(chosen, pairs, 17, 0.1, ComparisonAsked(metrics, figures)))
            key = (simulated.METRIC, "avg")
            seen = sum(any((row.metric, row.figure) == key and row.verdict == judging.WORSE for row in one.rows) for one in of)
            print(f"+10 % CPU among {len(of[0].rows)} figures: found in {100 * seen / pairs:.1f} % (bar: 90)", flush=True)
    if "speed" in asked.what:
        print("120 metrics, 2 x 1,800 samples: {:.2f} s, {:.2f} s of CPU (bar: 2)".format(*speed()))


if __name__ == "__main__":
    main()
