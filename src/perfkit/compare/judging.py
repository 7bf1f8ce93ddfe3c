"""A comparison: each metric of a baseline and of another run or arm of runs, with intervals and a verdict, or the reason why there is none.

With one run an arm, intervals are those of neighbouring samples that resemble each other, and a verdict speaks of these two recordings
only. From three runs an arm on, the runs are the unit, and a verdict speaks of the change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from perfkit import sql
from perfkit.catalog import DENSE, HIGHER_IS_WORSE, LOWER_IS_WORSE, table, worse
from perfkit.compare import statistics
from perfkit.errors import BadInput
from perfkit.process.findings import rules, rules_file
from perfkit.store import comparable
from perfkit.store.comparable import BASIS, EVERY, LEVEL, PACKAGE, PROCESSES, Figure, Known
from perfkit.store.runs import Stretch

FIGURES = ("avg", "p50", "p90", "p95", "p99")
WORSE, BETTER, NO_DIFFERENCE, DIFFERS, NOT_JUDGED = "worse", "better", "no_difference", "differs", "not_judged"
FORBID, WARN, OK = "forbid", "warn", "ok"
# How it is said, in the terminal (report.py) and on the page (static/verdicts.js).
WORDS = {
    WORSE: "worse",
    BETTER: "better",
    DIFFERS: "differs",
    NO_DIFFERENCE: "no difference",
    NOT_JUDGED: "not judged",
    "less_than": "no difference of {bound} or more",
    "because": "not judged: {reason}",
    "with_reason": "{verdict} ({reason})",
    "drifts": "{verdict} (it drifts: {first} in the first third, {last} in the last)",
    FORBID: "Not judged: {sentence}.",
    WARN: "Note: {sentence}.",
}
# What a load tester looks at first, (metric, figure), and its part of the error rate of a report; all the rest together has _REST of it.
HEADLINE = {
    ("host.cpu_busy", "avg"): 0.5,
    ("load.throughput", "avg"): 0.12,
    ("load.latency_avg_ms", "avg"): 0.12,
    ("load.latency_p95_ms", "avg"): 0.04,
    ("load.errors", "avg"): 0.04,
    ("host.cpu_busy", "p95"): 0.04,
}
_REST = 0.14
# In which order a report has the metrics; the rest comes behind, as in the catalog.
ORDER = (
    *("host.cpu_busy", "load.throughput", "load.latency_avg_ms", "load.latency_p50_ms", "load.latency_p90_ms", "load.latency_p95_ms"),
    *("load.latency_p99_ms", "load.errors", "pressure.some_percent", "pressure.full_percent", "disk.await_ms", "disk.read_await_ms"),
    *("disk.write_await_ms", "disk.util_percent", "host.mem_used"),
)
_FEWEST = 30  # samples' worth of independent ones that a verdict needs
_BEYOND = 5  # of them beyond a quantile: with fewer, an interval that has both ends has them by luck, and is too narrow
_SEVERAL = 3  # runs an arm from which on a verdict speaks of the change
_POWER = 0.8  # of the smallest difference that could have been shown
_DRIFTS = 3.5  # Student's t of a slow rise or fall: 1 % of series without one have it
_ALPHA = 0.04  # the error rate of a report; half of such errors are "worse", and a gate is red for nothing in 2 of 100 at most
_CPU_OF_COMMANDS = f"{PROCESSES}.cpu_percent"  # the only metric of a sparse table that is compared
_WAYS = {HIGHER_IS_WORSE: 1, LOWER_IS_WORSE: -1}
_HARDLY = 1.0  # % of a core: a command that used less on average in every run is not compared
_LOAD = {
    **dict.fromkeys(("throughput", "errors"), "1/s"),
    **dict.fromkeys([f"latency_{figure}_ms" for figure in ("avg", "p50", "p90", "p95", "p99")], "ms"),
}


Figures = dict[tuple[str, str, str], Figure]  # by metric, device and figure


@dataclass(frozen=True)
class ComparedRun:
    """One run or phase: what the user called it, and where it is."""

    reference: str
    con: sqlite3.Connection
    collector_id: int
    stretch: Stretch


@dataclass(frozen=True)
class Arm:
    """Runs of the same thing, under one name."""

    name: str
    runs: tuple[ComparedRun, ...]


@dataclass(frozen=True)
class ComparisonAsked:
    """What a comparison is narrowed to: metrics (<table>.<column>, or a table), figures; `margin` in % is the least that matters.

    A table with very many devices is left out unless one of its metrics is named, or itself and `however_many`.
    """

    metrics: tuple[str, ...] = ()
    figures: tuple[str, ...] = FIGURES
    margin: float = 0.0
    across_machines: bool = False
    however_many: bool = False


class Side(NamedTuple):
    """One side's figure with its interval; `n` samples are worth `n_effective` independent ones."""

    value: float
    low: float | None
    high: float | None
    n: int
    n_effective: float


class Difference(NamedTuple):
    """Other minus baseline; `p` is the probability of such a difference where there is none, `detectable` what 8 of 10 times would show."""

    value: float
    low: float
    high: float
    p: float
    detectable: float


class Drift(NamedTuple):
    """A run in which a metric slowly rises or falls: its mean in the first and in the last third."""

    first: float
    last: float


class Pair(NamedTuple):
    """One figure of the runs of both arms, before it is judged; `forbidden` is why it may not be, or ""."""

    reference: str
    baseline: Sequence[Figure]
    other: Sequence[Figure]
    forbidden: str


@dataclass(frozen=True)
class JudgedFigure:
    """One figure of one metric: both sides, the difference (other minus baseline) and its verdict."""

    metric: str
    device: str
    figure: str
    unit: str
    reference: str
    baseline: Side
    other: Side
    difference: Difference | None
    verdict: str
    reason: str
    drifts: tuple[Drift, ...]

    @property
    def percent(self) -> float | None:
        """The difference in % of the baseline."""
        return None if self.difference is None or not self.baseline.value else 100 * self.difference.value / abs(self.baseline.value)

    def as_json(self) -> dict[str, Any]:
        """The row as docs/compare.md has it."""
        of = self.difference
        return {
            "metric": self.metric,
            "device": self.device,
            "figure": self.figure,
            "unit": self.unit,
            "baseline": self.baseline._asdict(),
            "other": self.other._asdict(),
            "reference": self.reference,
            "difference": self.other.value - self.baseline.value,
            "low": of and of.low,
            "high": of and of.high,
            "percent": self.percent,
            "detectable": of and of.detectable,
            "verdict": self.verdict,
            "reason": self.reason,
            "drifts": bool(self.drifts),
            "drift": [one._asdict() for one in self.drifts],
        }


@dataclass(frozen=True)
class RuleOutcome:
    """What a rule says: ok, warn or forbid."""

    rule: str
    state: str
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """A baseline and the others, the rows of every metric that both have, and what the rules say."""

    baseline: Arm
    others: tuple[Arm, ...]
    rows: tuple[JudgedFigure, ...]
    guards: tuple[RuleOutcome, ...]

    def as_json(self) -> dict[str, Any]:
        """The comparison as docs/compare.md has it."""
        return {
            "baseline": self.baseline.name,
            "others": [one.name for one in self.others],
            "runs_per_arm": [len(self.baseline.runs), *(len(one.runs) for one in self.others)],
            "metrics": [row.as_json() for row in self.rows],
            "guards": [vars(guard) for guard in self.guards],
        }

    def unjudged(self, asked: ComparisonAsked) -> bool:
        """Whether something that was asked for by name has no verdict, or, where nothing was named, nothing has one."""
        if not asked.metrics:
            return all(row.verdict == NOT_JUDGED for row in self.rows)
        pairs = [(other.name, metric, figure) for other in self.others for metric in asked.metrics for figure in asked.figures]
        there = [(row.reference, name, row.figure) for row in self.rows for name in (row.metric, row.metric.partition(".")[0])]
        return any(row.verdict == NOT_JUDGED for row in self.rows) or not set(pairs) <= set(there)

    def is_worse(self, row: JudgedFigure, margin: float) -> bool:
        """Whether the whole interval of a row lies beyond the margin (% of the baseline), in the direction that is worse."""
        if row.difference is None or row.verdict in (NOT_JUDGED, NO_DIFFERENCE):
            return False
        least = margin / 100 * abs(row.baseline.value)
        way = worse(row.metric)
        return (way == HIGHER_IS_WORSE and row.difference.low > least) or (way == LOWER_IS_WORSE and row.difference.high < -least)


def compare(
    baseline: Arm, others: Sequence[Arm], asked: ComparisonAsked | None = None, generators: Sequence[ComparedRun] = ()
) -> Comparison:
    """Compare each of `others` with `baseline`. Raises BadInput for a metric or a figure that there is not, and where all is left out."""
    asked = asked or ComparisonAsked()
    _check(asked)
    asked, left_out = _without_crowds([run for arm in (baseline, *others) for run in arm.runs], asked)
    tables = sorted({metric.partition(".")[0] for metric in asked.metrics}) or EVERY
    told: dict[int, list[RuleOutcome]] = {}
    known = {
        id(arm): [comparable.of_stretch(run.con, run.collector_id, run.stretch, tables) for run in arm.runs] for arm in (baseline, *others)
    }
    first, *rest = _of_arms([known[id(arm)] for arm in (baseline, *others)])
    for arm in (baseline, *others):
        of_runs = [guard for run, one in zip(arm.runs, known[id(arm)], strict=True) for guard in _guards(run, one, (FORBID, WARN))]
        told[id(arm)] = [*of_runs, *_within(arm)]
    of_all = [
        guard
        for run in generators
        for guard in _guards(run, comparable.of_stretch(run.con, run.collector_id, run.stretch, ()), ("generator",))
    ]
    guards = left_out
    pairs: list[Pair] = []
    for other, figures in zip(others, rest, strict=True):  # what is wrong with one arm says nothing of another
        of_pair = [*of_all, *told[id(baseline)], *told[id(other)], *_between(baseline, other, asked.across_machines)]
        of_pair += _foreign((baseline, known[id(baseline)]), (other, known[id(other)]))
        forbidden = next((guard.sentence for guard in of_pair if guard.state == FORBID), "")
        pairs += pairs_of(first, figures, other.name, asked, forbidden)
        guards += of_pair
    place = {metric: number for number, metric in enumerate(ORDER)}
    pairs.sort(key=lambda pair: place.get(pair.baseline[0].metric, len(ORDER)))
    return Comparison(baseline, tuple(others), tuple(judged(pairs, asked.margin)), _all_guards(list(dict.fromkeys(guards))))


def judged(pairs: Sequence[Pair], margin: float = 0) -> list[JudgedFigure]:
    """Each of `pairs` with its difference and its verdict (sql/judged.sql); `margin` in % is the least that matters."""
    values = {
        "basis": BASIS,
        "level": (1 + LEVEL) / 2,
        "power": _POWER,
        "fewest": _FEWEST,
        "fewest_beyond": _BEYOND,
        "several": _SEVERAL,
        "alpha": _ALPHA,
        "margin": margin,
    }
    with closing(statistics.connect()) as con:
        con.executescript(_sql("compared"))
        con.executemany("INSERT INTO compared VALUES (?, ?, ?, ?, ?, ?)", ((number, *_facts_of(pair)) for number, pair in enumerate(pairs)))
        con.executemany("INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _runs_of(pairs))
        told = con.execute(_sql("judged"), values).fetchall()
    return [_judged(pair, row) for pair, row in zip(pairs, told, strict=True)]


def pairs_of(base: Sequence[Figures], other: Sequence[Figures], name: str, asked: ComparisonAsked, forbidden: str = "") -> Iterator[Pair]:
    """What is compared of the runs of a baseline and of another arm: every figure that is asked for and that all of them have."""
    for key in base[0]:
        metric, device, figure = key
        if figure not in asked.figures or not _is_asked(metric, asked.metrics) or not all(key in run for run in (*base, *other)):
            continue
        if metric == _CPU_OF_COMMANDS and all(run[metric, device, "avg"].value < _HARDLY for run in (*base, *other)):
            continue
        yield Pair(name, [run[key] for run in base], [run[key] for run in other], forbidden)


def _facts_of(pair: Pair) -> tuple[int | None, str, float, int, str]:
    """The row of the table `compared`.

    What a load tester looks at first has most of the error rate: with equal parts for hundreds, three runs an arm would find nothing.
    """
    one = pair.baseline[0]
    key = (one.metric, one.figure)
    part, weight = (" ".join(key), HEADLINE[key]) if key in HEADLINE else ("", _REST)
    return int(one.figure[1:]) if one.figure != "avg" else None, part, weight, _WAYS.get(worse(one.metric), 0), pair.forbidden


def _runs_of(pairs: Sequence[Pair]) -> Iterator[tuple[float | None, ...]]:
    """The rows of the table `figures`."""
    for number, pair in enumerate(pairs):
        for side, runs in enumerate((pair.baseline, pair.other)):
            for one in runs:
                yield number, side, one.value, one.low, one.high, one.spread, one.n, one.n_effective


def _judged(pair: Pair, row: Sequence[Any]) -> JudgedFigure:
    one = pair.baseline[0]
    difference = Difference(*row[10:15]) if row[11] is not None and row[12] is not None else None
    drifts = tuple(Drift(one.first, one.last) for one in (*pair.baseline, *pair.other) if abs(one.drift or 0) > _DRIFTS)
    unit = _unit(one.metric)
    return JudgedFigure(
        one.metric, one.device, one.figure, unit, pair.reference, Side(*row[:5]), Side(*row[5:10]), difference, row[15], row[16], drifts
    )


def known_metrics() -> dict[str, list[str]]:
    """What can be compared: the columns of each table, and of "load"."""
    tables = {one.name: [c.name for c in one.metrics] for one in DENSE}
    return {**tables, "load": list(_LOAD), PROCESSES: [_CPU_OF_COMMANDS.partition(".")[2]]}


def _check(asked: ComparisonAsked) -> None:
    """Raises BadInput for a metric or a figure that there is not."""
    for figure in asked.figures:
        if figure not in FIGURES:
            raise BadInput(f"there is no figure {figure[:40]!r}; there are {', '.join(FIGURES)}.")
    known = known_metrics()
    for metric in asked.metrics:
        name, _, column = metric.partition(".")
        if name not in known or (column and column not in known[name]):
            there = [f"{name}.{one}" for one in known[name]] if name in known else list(known)
            raise BadInput(f"there is no metric {metric[:60]!r}; there are {', '.join(there)}.")


def _without_crowds(runs: Iterable[ComparedRun], asked: ComparisonAsked) -> tuple[ComparisonAsked, list[RuleOutcome]]:
    """What is asked for without tables that have too many devices, and what the rule says of these. Raises BadInput if nothing is left."""
    if asked.metrics and asked.however_many:
        return asked, []
    wanted = asked.metrics or EVERY
    crowds: dict[str, int] = {}
    for con, collector_id in {(run.con, run.collector_id) for run in runs}:
        for name, devices in con.execute(_sql("crowds"), {"collector_id": collector_id, **_arm_rule("too_many")["limits"]}):
            if name in wanted:
                crowds[name] = max(devices, crowds.get(name, 0))
    if not crowds:
        return asked, []
    told = ", ".join(f"{name} ({devices:,} devices)" for name, devices in sorted(crowds.items()))
    first = min(crowds)
    said = _arm_says("too_many", tables=told, table=first, column=known_metrics()[first][0])
    asked = replace(asked, metrics=tuple(one for one in wanted if one not in crowds))
    if not asked.metrics:
        raise BadInput(f"{said.sentence}.")
    return asked, [said]


def _guards(run: ComparedRun, known: Known, kinds: Sequence[str]) -> list[RuleOutcome]:
    """What the rules of these kinds say of one run; what they say of a generator forbids."""
    return [
        RuleOutcome(sign.rule, FORBID if sign.kind == "generator" else sign.kind, f"{run.reference}: {sign.sentence.rstrip('.')}")
        for sign in known.signs
        if sign.kind in kinds
    ]


def _foreign(baseline: tuple[Arm, Sequence[Known]], other: tuple[Arm, Sequence[Known]]) -> Iterator[RuleOutcome]:
    """Commands that took much of the CPU time in one arm, and did not run in the other. Nothing is said where nobody recorded processes."""
    limits = _arm_rule("only_there")["limits"]
    for (arm, runs), (_, others) in ((baseline, other), (other, baseline)):
        elsewhere = [one.commands for one in others if one.commands is not None]
        for run, one in zip(arm.runs, runs, strict=True):
            for command, share in (one.commands or {}).items():
                if share > limits["above"] and elsewhere and all(known.get(command, 0) < limits["below"] for known in elsewhere):
                    yield _arm_says("only_there", run=run.reference, command=command, share=share)


def _within(arm: Arm) -> Iterator[RuleOutcome]:
    """What the runs of one arm must not have in common: a run that counts twice, or two of its phases, are no repetition."""
    numbers = [(run.con, run.collector_id, run.stretch.run) for run in arm.runs]
    if len(set(numbers)) < len(numbers):
        yield _arm_says("same_run_twice", arm=arm.name)


def _between(baseline: Arm, other: Arm, across_machines: bool) -> Iterator[RuleOutcome]:
    """What two arms must have in common, and the runs within each."""
    if any(
        (one.con, one.collector_id, one.stretch) == (run.con, run.collector_id, run.stretch) for one in baseline.runs for run in other.runs
    ):
        yield _arm_says("same_run", arm=other.name, baseline=baseline.name)
    first, *runs = (*baseline.runs, *other.runs)
    for run in runs:
        yield from _between_machines(_facts(first), _facts(run), across_machines)


def _between_machines(facts: Mapping[str, Any], others: Mapping[str, Any], across_machines: bool) -> Iterator[RuleOutcome]:
    """What the rules of pairs say of two runs."""
    values = {**{f"a_{name}": value for name, value in facts.items()}, **{f"b_{name}": value for name, value in others.items()}}
    with closing(sqlite3.connect(":memory:")) as con:
        for rule in rules_file(PACKAGE)["pair"]:
            if con.execute(_sql("pair").format(when=rule["when"], **{f"{side}": _of(side, facts) for side in "ab"}), values).fetchone()[0]:
                state = rule["kind"] if rule["kind"] != "machine" else WARN if across_machines else FORBID
                yield RuleOutcome(rule["name"], state, rule["sentence"].format(a=facts, b=others))


def _of(side: str, facts: Mapping[str, Any]) -> str:
    return ", ".join(f":{side}_{name} AS {name}" for name in facts)


def _arm_rule(name: str) -> dict[str, Any]:
    """The rule about arms of that name."""
    return next(rule for rule in rules_file(PACKAGE)["arm"] if rule["name"] == name)


def _arm_says(name: str, **values: object) -> RuleOutcome:
    """What the rule about arms of that name says."""
    rule = _arm_rule(name)
    return RuleOutcome(name, rule["kind"], rule["sentence"].format(**values))


def _facts(run: ComparedRun) -> dict[str, Any]:
    """What rules know of a run besides what it recorded."""
    cursor = run.con.execute(_sql("machine"), {"collector_id": run.collector_id})
    facts = dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))
    return {**facts, "length_ms": run.stretch.end - run.stretch.start}


def _all_guards(found: Sequence[RuleOutcome]) -> tuple[RuleOutcome, ...]:
    """What was found, and behind it every rule that found nothing."""
    known = {guard.rule for guard in found}
    names = [*(rule.name for rule in rules(PACKAGE)), *(rule["name"] for kind in ("pair", "arm") for rule in rules_file(PACKAGE)[kind])]
    calm = [RuleOutcome(name, OK, "") for name in dict.fromkeys(names) if name not in known]
    return (*sorted(found, key=lambda guard: guard.state != FORBID), *calm)


def figures_of(found: Iterable[Figure]) -> Figures:
    """The figures of one run by (metric, device, figure)."""
    return {(one.metric, one.device, one.figure): one for one in found}


def _of_arms(arms: Sequence[Sequence[Known]]) -> list[list[Figures]]:
    """The figures of each run. A command that ran in another one alone used nothing here, if it is known which processes there were."""
    found = [[figures_of(run.figures) for run in arm] for arm in arms]
    commands = sorted({key for arm in found for run in arm for key in run if key[0] == _CPU_OF_COMMANDS})
    for known, figures in ((run, figures) for arm, told in zip(arms, found, strict=True) for run, figures in zip(arm, told, strict=True)):
        if known.commands is not None:
            n = max((one.n for one in known.figures), default=0)
            figures |= {key: Figure(*key, 0.0, 0.0, 0.0, 0.0, n, float(n), 0.0, 0.0, 0.0) for key in commands if key not in figures}
    return found


def _is_asked(metric: str, wanted: Sequence[str]) -> bool:
    return not wanted or metric in wanted or metric.partition(".")[0] in wanted


def _unit(metric: str) -> str:
    name, _, column = metric.partition(".")
    return _LOAD[column] if name == "load" else table(name)[column].unit


def _sql(name: str) -> str:
    return sql.read("perfkit.compare", f"sql/{name}.sql")
