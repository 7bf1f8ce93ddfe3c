"""Student's t, the intervals and the differences, held against scipy 1.16 and numpy: the figures below are theirs."""

from __future__ import annotations

import random
from contextlib import closing

import duckdb
import pytest

from perfkit.catalog import TABLES
from perfkit.compare import judging, statistics
from perfkit.compare.judging import JudgedFigure
from perfkit.store import comparable, schema
from perfkit.store.comparable import BASIS, Figure
from support import simulated

EXACT = 1e-9

# (degrees of freedom, t, scipy.stats.t.cdf)
STUDENT = (
    (1, -3.2, 0.09641124797922958),
    (1, -0.5, 0.35241638234956674),
    (1, 0.0, 0.5),
    (1, 1.0, 0.75),
    (1, 2.306, 0.8697553823489175),
    (1, 12.0, 0.9735353239404101),
    (2, -3.2, 0.04267043961997642),
    (2, -0.5, 0.33333333333333337),
    (2, 0.0, 0.5),
    (2, 1.0, 0.7886751345948129),
    (2, 2.306, 0.926229893909837),
    (2, 12.0, 0.9965635331614208),
    (4.5, -3.2, 0.013922339715871432),
    (4.5, -0.5, 0.3202747510370237),
    (4.5, 0.0, 0.5),
    (4.5, 1.0, 0.8159974580599058),
    (4.5, 2.306, 0.9624623088899568),
    (4.5, 12.0, 0.9999310840117336),
    (8, -3.2, 0.00630617472188877),
    (8, -0.5, 0.3152680377784882),
    (8, 0.0, 0.5),
    (8, 1.0, 0.8267032464563329),
    (8, 2.306, 0.9749998386193579),
    (8, 12.0, 0.9999989280666262),
    (11.3, -3.2, 0.004094273312675185),
    (11.3, -0.5, 0.31333441015118374),
    (11.3, 0.0, 0.5),
    (11.3, 1.0, 0.8308782825863121),
    (11.3, 2.306, 0.9794967295316841),
    (11.3, 12.0, 0.9999999554935727),
    (16, -3.2, 0.002788853152388212),
    (16, -0.5, 0.3119407776500229),
    (16, 0.0, 0.5),
    (16, 1.0, 0.8339025076735104),
    (16, 2.306, 0.982583983263793),
    (16, 12.0, 0.9999999989712683),
    (120, -3.2, 0.0008792849619446538),
    (120, -0.5, 0.30899536216919865),
    (120, 0.0, 0.5),
    (120, 1.0, 0.8403386380677895),
    (120, 2.306, 0.9885865295624561),
    (120, 12.0, 1.0),
)
# (degrees of freedom, probability, scipy.stats.t.ppf)
QUANTILES = (
    (1, 0.8, 1.3763819204711738),
    (1, 0.975, 12.706204736174694),
    (1, 0.999, 318.30883898555015),
    (2, 0.8, 1.0606601717798214),
    (2, 0.975, 4.302652729749462),
    (2, 0.999, 22.327124770119866),
    (4.5, 0.8, 0.9289655685760094),
    (4.5, 0.975, 2.6589123472044034),
    (4.5, 0.999, 6.421242884295791),
    (8, 0.8, 0.8888895177670202),
    (8, 0.975, 2.306004135204166),
    (8, 0.999, 4.5007909337237235),
    (11.3, 0.8, 0.8745976026705816),
    (11.3, 0.975, 2.1938768963391624),
    (11.3, 0.999, 3.994017912676929),
    (16, 0.8, 0.8646670017982918),
    (16, 0.975, 2.1199052992212546),
    (16, 0.999, 3.686154792686013),
    (120, 0.8, 0.8446268377431316),
    (120, 0.975, 1.9799304050824402),
    (120, 0.999, 3.15953874331711),
)
# (samples, seed, level or None for the mean, [value, low, high]), by numpy from the definition
FIGURES = (
    (600, 1, None, [51.65188306059912, 51.54564242648398, 51.75812369471426]),
    (600, 1, 0.5, [51.630171257614094, 51.534262643698334, 51.760855892680226]),
    (600, 1, 0.9, [52.228632504071804, 52.169318756436226, 52.339945523074356]),
    (600, 1, 0.95, [52.37065615393347, 52.25928428495719, 52.51107324943117]),
    (600, 1, 0.99, [52.523401271602445, 52.498644979656945, 52.68725189104974]),
    (1800, 2, None, [51.674679538569066, 51.61851493741588, 51.73084413972225]),
    (1800, 2, 0.5, [51.66926124740972, 51.615818117666485, 51.72306331882584]),
    (1800, 2, 0.9, [52.20872422570037, 52.15773681563119, 52.28808106729944]),
    (1800, 2, 0.95, [52.35391373289018, 52.29204157873493, 52.43540513022447]),
    (1800, 2, 0.99, [52.60620977620922, 52.52995365316076, 52.70181431308737]),
)


@pytest.mark.parametrize(("freedom", "t", "expected"), STUDENT)
def test_students_t(freedom: float, t: float, expected: float) -> None:
    assert statistics.student(t, freedom) == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize(("freedom", "probability", "expected"), QUANTILES)
def test_quantiles_of_students_t(freedom: float, probability: float, expected: float) -> None:
    assert statistics.quantile(probability, freedom) == pytest.approx(expected, rel=EXACT)


def uniform(samples: int, seed: int) -> list[float]:
    """The same numbers on every machine."""
    found = []
    for _ in range(samples):
        seed = (1103515245 * seed + 12345) % 2**31
        found.append(seed / 2**31)
    return found


def series(samples: int, seed: int, phi: float = 0.7) -> list[float]:
    """Neighbours that resemble each other, around 51.7."""
    found, last = [], 0.0
    for one in uniform(samples, seed):
        last = phi * last + one
        found.append(50 + last)
    return found


def estimates(*of: list[float]) -> dict[tuple[int, str], Figure]:
    """What estimates.sql says of each series."""
    with duckdb.connect() as con:
        comparable.prepare(con)
        for run, values in enumerate(of):
            con.execute(
                "INSERT INTO series SELECT $run, 'm', '', i, v FROM (SELECT unnest($v::DOUBLE[]) AS v, unnest(range(len($v))) AS i)",
                {"run": run, "v": values},
            )
        return {(run, one.figure): one for run, found in comparable.estimates(con).items() for one in found}


@pytest.mark.parametrize(("samples", "seed", "level", "expected"), FIGURES)
def test_a_figure_and_its_interval(samples: int, seed: int, level: float | None, expected: list[float]) -> None:
    figure = "avg" if level is None else f"p{round(100 * level)}"
    assert estimates(series(samples, seed))[0, figure][3:6] == pytest.approx(expected, rel=EXACT)


def judged(*sides: list[Figure], margin: float = 0) -> JudgedFigure:
    """What judged.sql says of one figure of two arms."""
    (found,) = judging.judged([judging.Pair("new", *sides, "")], margin)
    return found


def figure(value: float, name: str = "avg", metric: str = "host.cpu_busy", spread: float = 1) -> Figure:
    return Figure(metric, "", name, value, None, None, spread, 600, 60, None, value, value)


def test_a_difference_of_means() -> None:
    found = estimates(series(600, 1), [value + 0.2 for value in series(600, 3)])
    difference = judged(*([found[run, "avg"]._replace(metric="host.cpu_busy")] for run in (0, 1))).difference
    assert difference is not None
    expected = (0.17000381164205436, 0.020612799278388744, 0.31939482400571995, 0.028261315662247946)
    assert difference[:4] == pytest.approx(expected, rel=EXACT)


def test_a_difference_of_quantiles_is_movers() -> None:
    """Zou and Donner 2008: each end is as far from the difference as the root of the squares of both sides' ends."""
    sides = [Figure("host.cpu_busy", "", "p50", *of, 0, 600, 400, None, 0, 0) for of in ((10.0, 9.0, 12.0), (15.0, 12.0, 16.0))]
    difference = judged(*([one] for one in sides)).difference
    assert difference is not None
    assert difference[:3] == pytest.approx((5, 5 - (3**2 + 2**2) ** 0.5, 5 + (1**2 + 1**2) ** 0.5), rel=EXACT)
    assert difference.p == pytest.approx(2 * (1 - statistics.student(comparable.T * 5 / 13**0.5, BASIS)), rel=EXACT)


def test_a_difference_of_runs_is_welchs() -> None:
    row = judged([figure(1.0), figure(1.2), figure(1.4)], [figure(1.1), figure(2.3), figure(1.9), figure(2.2)])
    found = row.difference
    assert found is not None
    assert (found.p, found.low, found.high) == pytest.approx((0.0846052685943315, -0.1465308770104109, 1.4965308770104109), rel=EXACT)
    assert row.baseline[:3] == pytest.approx((1.2, 1.2 - 0.4968275, 1.2 + 0.4968275), rel=1e-6)  # t of 2 degrees: 4.302653


def test_an_interval_that_the_data_does_not_reach_is_open() -> None:
    found = estimates(series(120, 1))
    assert found[0, "p99"].high is None
    open_end = [found[0, "p99"]._replace(metric="host.cpu_busy", n_effective=60)]
    row = judged(open_end, open_end)
    assert (row.difference, row.verdict) == (None, judging.NOT_JUDGED)
    assert row.reason == "the recording is too short for this quantile's interval"


def test_figures_are_the_same_however_many_metrics_are_computed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of a day would need gigabytes, were all of its metrics."""
    with duckdb.connect() as con:
        comparable.prepare(con)
        con.execute("SELECT setseed(0.5)")
        con.execute(
            "INSERT INTO series SELECT run, 'm' || m, d, i, random()"
            " FROM range(2) r(run), range(5) a(m), (VALUES ('a'), ('b')) b(d), range(90) c(i)"
        )
        at_once = comparable.estimates(con)
        monkeypatch.setattr(comparable, "_TOGETHER", 400)  # a metric has 360
        assert comparable.estimates(con) == at_once
        batches = con.execute(schema.text("duckdb/batches"), {"most": 400}).fetchall()
    assert len(at_once[0]) == len(at_once[1]) == 50
    assert [metric for (one,) in batches for metric in one] == ["m0", "m1", "m2", "m3", "m4"]
    assert len(batches) > 3


def test_values_that_never_change_have_no_width() -> None:
    found = estimates([5.0] * 100, [5.0] * 100)
    row = judged(*([found[run, "avg"]._replace(metric="host.cpu_busy")] for run in (0, 1)))
    assert row.difference == (0.0, 0.0, 0.0, 1.0, 0.0)
    assert row.verdict == judging.NO_DIFFERENCE


def test_runs_with_one_figure_have_no_width_and_no_verdict_where_they_differ() -> None:
    """A third of three times 0.1 is not 0.1: the mean of what is the same is that."""
    same = [figure(0.1)] * 3
    assert judged(same, same).verdict == judging.NO_DIFFERENCE
    row = judged(same, [figure(0.7)] * 3)
    assert row.difference == (0.6, 0.6, 0.6, 0.0, 0.0)
    assert row.reason == "all runs of a side have the same figure: how far runs differ is not known"


def test_holm() -> None:
    """Of the whole family: a larger weight has a larger part of the error rate, and what stands behind a weaker one is no stronger."""
    with closing(statistics.connect()) as con:
        con.executescript(judging._sql("compared"))
        wanted, weights = (0.01, 0.04, 0.03, 0.005), (3.0, 1.0, 1.0, 1.0)
        for number, (p, weight) in enumerate(zip(wanted, weights, strict=True)):
            con.execute("INSERT INTO compared VALUES (?, NULL, ?, ?, 1, '')", (number, str(number), weight))
            apart = statistics.quantile(1 - p / 2, 16)  # Welch's degrees of freedom of two equal errors with 8 each
            for side in (0, 1):
                error = 2**-0.5
                con.execute("INSERT INTO figures VALUES (?, ?, ?, 0, 0, ?, 600, 600)", (number, side, side * apart, error))
        values = {"basis": 8, "level": 0.975, "power": 0.8, "fewest": 30, "fewest_beyond": 5, "several": 3, "margin": 0}

        def stand(alpha: float) -> list[bool]:
            return [row[15] != "no_difference" for row in con.execute(judging._sql("judged"), {**values, "alpha": alpha})]

        # In the order of p / weight (first, last, third, second) each p times what is left of the weights by its own, and never falling.
        for number, level in enumerate((0.02, 0.06, 0.06, 0.02)):
            assert not stand(level * (1 - 1e-6))[number]
            assert stand(level * (1 + 1e-6))[number]


def test_what_would_differ_alone_says_why_it_does_not_in_its_family() -> None:
    """Ten figures, one of which has a p of 0.03."""
    spread = 0.7071067811865476
    apart = statistics.quantile(1 - 0.03 / 2, 16)
    alike, other = figure(1.0, metric="memory.used_percent", spread=spread), figure(1 + apart, metric="memory.used_percent", spread=spread)
    pairs = [judging.Pair("new", [alike], [alike], "")] * 9 + [judging.Pair("new", [alike], [other], "")]
    row = judging.judged(pairs)[-1]
    assert row.difference is not None
    assert row.difference.p == pytest.approx(0.03)
    assert row.difference.low > 0
    assert (row.verdict, row.reason) == (judging.NO_DIFFERENCE, "alone it would differ; among so many figures chance makes some")
    assert judging.judged(pairs[-1:])[0].verdict == judging.DIFFERS


def test_t_is_that_of_the_basis() -> None:
    assert statistics.quantile((1 + comparable.LEVEL) / 2, BASIS) == pytest.approx(comparable.T, rel=1e-15)


# Kind, samples, and how many of 1,000 pairs are judged by mean, P50, P90, P95 at least. More, with 2,000 pairs: tests/bench/compare.py.
# P90 and P95 of what is bounded stand at its bound exactly, so that nearly all intervals hold them.
CELLS = (
    (simulated.autocorrelated(0.0), 300, (950, 950, 950, 900)),
    (simulated.autocorrelated(0.9), 600, (400, 400, 0, 0)),
    (simulated.SKEWED, 600, (950, 950, 950, 500)),
    (simulated.BOUNDED, 600, (950, 950, 900, 300)),
    (simulated.BURSTY, 600, (500, 500, 0, 0)),
    (simulated.GAPPED, 600, (950, 950, 900, 300)),
)


@pytest.mark.parametrize(("kind", "samples", "judged"), CELLS, ids=[f"{kind.name} {samples}" for kind, samples, _ in CELLS])
def test_95_of_100_intervals_hold_the_truth(kind: simulated.Kind, samples: int, judged: tuple[int, ...]) -> None:
    """The seed decides: what holds here holds everywhere."""
    found = simulated.held(kind, samples, 1000, seed=3)
    for (figure, told), least in zip(found.items(), judged, strict=True):
        assert told.judged >= least, figure
        most = 100 if kind is simulated.BOUNDED and figure in ("p90", "p95") else 98.7
        assert told.judged < 100 or 92.5 <= told.percent <= most, figure  # 93 to 98.5 but for chance


def test_three_runs_against_three_alike_hardly_ever_differ_and_10_percent_more_is_found() -> None:
    """100 reports of 50 metrics whose runs differ by 1 %; every fourth metric moves in whole steps. More: tests/bench/compare.py."""
    chance = random.Random(3)
    metrics = ["host.cpu_busy", *(f"{one.name}.{column.name}" for one in TABLES[1:] for column in one.metrics)][:50]

    def figures(more: float) -> dict[tuple[str, str, str], Figure]:
        found = {}
        for place, metric in enumerate(metrics):
            value = 40 * chance.gauss(1, 0.01) * (1 + more * (metric == "host.cpu_busy"))
            value = float(round(value)) if place % 4 == 3 else value
            found[metric, "", "avg"] = Figure(metric, "", "avg", value, None, None, 1, 600, 60, None, value, value)
        return found

    def verdicts(more: float) -> list[dict[str, str]]:
        found = []
        for _ in range(100):
            sides = [[figures(of) for _ in range(3)] for of in (0.0, more)]
            rows = judging.judged(list(judging.pairs_of(*sides, "new", judging.ComparisonAsked())))
            found.append({row.metric: row.verdict for row in rows})
        return found

    differing = {judging.WORSE, judging.BETTER, judging.DIFFERS}
    assert sum(bool(differing & set(report.values())) for report in verdicts(0)) <= 0.05 * 100
    assert sum(report["host.cpu_busy"] == judging.WORSE for report in verdicts(0.1)) >= 0.9 * 100
