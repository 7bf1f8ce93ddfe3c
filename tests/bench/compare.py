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
from perfkit.compare.judging import Arm, Asked, Run  # noqa: E402
from perfkit.store import schema  # noqa: E402
from perfkit.store.runs import Stretch  # noqa: E402
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


METRICS = (*(f"{one.name}.{column.name}" for one in DENSE for column in schema.metrics(one)), *(f"load.{name}" for name in judging._LOAD))
# How a metric's samples look, by turns. Every run has a level of its own, 1 % apart: {level}.
LOOKS = (
    simulated.Kind("plain", 0.8, "{level} * (1 + 0.1 * z)"),
    simulated.Kind("whole steps", 0.8, "round({level} / 8 * (1 + 0.1 * z))"),
    simulated.Kind("skewed", 0.5, "{level} * exp(z)"),
    simulated.Kind("bursts", 0.5, "if(burst, {level} * exp(z), 0)"),
    simulated.Kind("share", 0.9, "least(100, 2 * {level} + 20 * z)"),
    simulated.Kind("never changes", 0.5, "40"),
)
CPU = simulated.Kind("CPU busy", 0.9, "{level} * (1 + 0.1 * z)")
PAIRS_AT_ONCE = 4


def reports(pairs: int, asked: Asked, more_cpu: float = 0.0) -> Iterator[judging.Comparison]:
    """Comparisons of three runs of ten minutes with three: every metric that is asked for, with `more_cpu` in the other three."""
    stretch = Stretch(1, "", None, 1, 0, 1, open=False, marked=False)
    arms = [Arm(name, tuple(Run(f"{name}{i}", None, 1, stretch) for i in range(3))) for name in ("old", "new")]  # type: ignore[arg-type]
    for first in range(0, pairs, PAIRS_AT_ONCE):
        count = min(PAIRS_AT_ONCE, pairs - first)
        with closing(simulated.empty()) as con:
            for place, metric in enumerate(METRICS):
                if asked.metrics and metric not in asked.metrics:
                    continue
                kind = CPU if metric == "host.cpu_busy" else LOOKS[place % len(LOOKS)]
                more = f" * if(run % 2 = 1, {1 + more_cpu}, 1)" if metric == "host.cpu_busy" else ""
                value = kind.value.format(level=f"40 * (1 + 0.01 * normal($seed, run, -1)){more}")
                simulated.add(con, kind._replace(value=value), 600, 6 * count, 1_000 * first + place, metric)
            known = judging._estimates(con)
        for pair in range(count):
            base, other = ([known[6 * pair + run] for run in range(side, 6, 2)] for side in (0, 1))
            rows = list(judging._rows(base, other, "new", asked, ""))
            yield judging.Comparison(arms[0], (arms[1],), tuple(judging._with_family(rows, arms[0], arms[1:], asked.margin)), ())


def speed() -> tuple[float, float]:
    """Seconds, and seconds of CPU, for the estimates and the verdicts of 120 metrics."""
    with closing(simulated.empty()) as con:
        for place in range(120):
            simulated.add(con, simulated.autocorrelated(0.9), 1800, 2, place, simulated.METRIC)
            con.execute("UPDATE series SET device = ? WHERE device = ''", [str(place)])
        start, cpu = time.perf_counter(), time.process_time()
        found = judging._estimates(con)
        rows = list(judging._rows([found[0]], [found[1]], "b", Asked(), ""))
        stretch = Stretch(1, "", None, 1, 0, 1, open=False, marked=False)
        arms = [Arm(name, (Run(name, None, 1, stretch),)) for name in "ab"]  # type: ignore[arg-type]
        assert len(list(judging._with_family(rows, arms[0], arms[1:], 0))) == 600
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
        alike = list(reports(pairs, Asked()))
        wolf = 100 * sum(any(row.verdict in said for row in one.rows) for one in alike) / pairs
        red = 100 * sum(any(one.is_worse(row, 0) for row in one.rows) for one in alike) / pairs
        print(f"A/A, {pairs} reports of 3 against 3 with {len(alike[0].rows)} figures of {len(METRICS)} metrics: {wolf:.1f} % with a verdict of a difference (bar: 5), gate red in {red:.1f} % (bar: 2)", flush=True)  # fmt: skip
        for metrics, figures in ((("host.cpu_busy",), ("avg",)), ((), judging.FIGURES)):
            of = list(reports(pairs, Asked(metrics, figures), 0.1))
            key = ("host.cpu_busy", "avg")
            seen = sum(any((row.metric, row.figure) == key and row.verdict == judging.WORSE for row in one.rows) for one in of)
            told = "the mean alone" if metrics else f"among {len(of[0].rows)} figures"
            print(f"+10 % CPU, {told}: found in {100 * seen / pairs:.1f} % (bar: 90)", flush=True)
    if "speed" in asked.what:
        print("120 metrics, 2 x 1,800 samples: {:.2f} s, {:.2f} s of CPU (bar: 2)".format(*speed()))


if __name__ == "__main__":
    main()
