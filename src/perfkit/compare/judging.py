"""A comparison: each metric of a baseline and of another run or arm of runs, with intervals and a verdict, or the reason why there is none.

With one run an arm, intervals are those of neighbouring samples that resemble each other, and a verdict speaks of these two recordings
only. From three runs an arm on, the runs are the unit, and a verdict speaks of the change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb

from perfkit import sql
from perfkit.catalog import DENSE, HIGHER_IS_WORSE, LOWER_IS_WORSE, Table, table, worse
from perfkit.compare import statistics
from perfkit.compare.statistics import BASIS, LEVEL, Difference, Estimate
from perfkit.errors import BadInput
from perfkit.process.findings import ENGINE, Machine, Rule, Span, held, rules, sentence_of
from perfkit.store import columnar, schema
from perfkit.store import findings as stored
from perfkit.store.runs import Stretch, of_stretch

FIGURES = ("avg", "p50", "p90", "p95", "p99")
WORSE, BETTER, NO_DIFFERENCE, DIFFERS, NOT_JUDGED = "worse", "better", "no_difference", "differs", "not_judged"
FORBID, WARN, OK = "forbid", "warn", "ok"
# What a load tester looks at first: (metric, figure).
HEADLINE = (
    *(("host.cpu_busy", "avg"), ("host.cpu_busy", "p95"), ("load.throughput", "avg"), ("load.errors", "avg")),
    *(("load.latency_avg_ms", "avg"), ("load.latency_p95_ms", "avg")),
)
_FEWEST = 30  # samples' worth of independent ones that a verdict needs
_BEYOND = 5  # of them beyond a quantile: with fewer, an interval that has both ends has them by luck, and is too narrow
_RUNS = 3  # runs an arm from which on the runs are the unit
_DRIFTS = 3.5  # Student's t of a slow rise or fall: 1 % of series without one have it
_ALPHA = 1 - LEVEL
_LOAD = {
    **dict.fromkeys(("throughput", "errors"), "1/s"),
    **dict.fromkeys([f"latency_{figure}_ms" for figure in ("avg", "p50", "p90", "p95", "p99")], "ms"),
}
# Facts of two machines of which a difference forbids a verdict, and those that are only told.
_SAME_OR_NONE = {"cpus": "number of CPUs", "cpu_model": "CPU model", "architecture": "architecture"}
_TOLD = {"memory_mb": "memory", "kernel": "kernel", "operating_system": "operating system", "instance_type": "instance type"}


@dataclass(frozen=True)
class Run:
    """One run or phase: what the user called it, and where it is."""

    reference: str
    con: sqlite3.Connection
    collector_id: int
    stretch: Stretch


@dataclass(frozen=True)
class Arm:
    """Runs of the same thing, under one name."""

    name: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Asked:
    """What a comparison is narrowed to: metrics (<table>.<column>, or a table), figures; `margin` in % is the least that matters."""

    metrics: tuple[str, ...] = ()
    figures: tuple[str, ...] = FIGURES
    margin: float = 0.0
    across_machines: bool = False


class Side(NamedTuple):
    """One side's figure with its interval; `n` samples are worth `n_effective` independent ones."""

    value: float
    low: float | None
    high: float | None
    n: int
    n_effective: float


@dataclass(frozen=True)
class Row:
    """One figure of one metric: both sides, the difference (other minus baseline) and what is to be said of it."""

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
    drifts: bool

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
            "drifts": self.drifts,
        }


@dataclass(frozen=True)
class Guard:
    """What a rule says: ok, warn or forbid."""

    rule: str
    state: str
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """A baseline and the others, the rows of every metric that both have, and what the rules say."""

    baseline: Arm
    others: tuple[Arm, ...]
    rows: tuple[Row, ...]
    guards: tuple[Guard, ...]

    def as_json(self) -> dict[str, Any]:
        """The comparison as docs/compare.md has it."""
        return {
            "baseline": self.baseline.name,
            "others": [one.name for one in self.others],
            "runs_per_arm": [len(self.baseline.runs), *(len(one.runs) for one in self.others)],
            "metrics": [row.as_json() for row in self.rows],
            "guards": [vars(guard) for guard in self.guards],
        }

    def unjudged(self, asked: Asked) -> bool:
        """Whether something that was asked for by name has no verdict, or, where nothing was named, nothing has one."""
        if not asked.metrics:
            return all(row.verdict == NOT_JUDGED for row in self.rows)
        pairs = [(other.name, metric, figure) for other in self.others for metric in asked.metrics for figure in asked.figures]
        there = [(row.reference, name, row.figure) for row in self.rows for name in (row.metric, row.metric.partition(".")[0])]
        return any(row.verdict == NOT_JUDGED for row in self.rows) or not set(pairs) <= set(there)

    def is_worse(self, row: Row, margin: float) -> bool:
        """Whether the whole interval of a row lies beyond the margin (% of the baseline), in the direction that is worse."""
        if row.difference is None or row.verdict in (NOT_JUDGED, NO_DIFFERENCE):
            return False
        least = margin / 100 * abs(row.baseline.value)
        way = worse(row.metric)
        return (way == HIGHER_IS_WORSE and row.difference.low > least) or (way == LOWER_IS_WORSE and row.difference.high < -least)


def compare(baseline: Arm, others: Sequence[Arm], asked: Asked | None = None, generators: Sequence[Run] = ()) -> Comparison:
    """Compare each of `others` with `baseline`. Raises BadInput for a metric or a figure that there is not."""
    asked = asked or Asked()
    tables = _tables(asked)
    arms = [baseline, *others]
    with closing(columnar.connect()) as duck:
        duck.execute(_sql("macros"))
        duck.execute("CREATE TABLE series (run INTEGER, metric VARCHAR, device VARCHAR, timestamp BIGINT, value DOUBLE)")
        with_load = not asked.metrics or any(name.partition(".")[0] == "load" for name in asked.metrics)
        numbered = [run for arm in arms for run in arm.runs]
        of_run = [_read(duck, number, run, tables, with_load) for number, run in enumerate(numbered)]
        of_all = [guard for run in generators for guard in _read_generator(duck, run)]
        estimates = _estimates(duck)
    told = {id(arm): [guard for run in arm.runs for guard in of_run[numbered.index(run)]] + list(_within(arm)) for arm in arms}
    first, *rest = [[estimates.get(numbered.index(run), {}) for run in arm.runs] for arm in arms]
    guards: list[Guard] = []
    rows: list[Row] = []
    for other, known in zip(others, rest, strict=True):  # what is wrong with one arm says nothing of another
        of_pair = [*of_all, *told[id(baseline)], *told[id(other)], *_between(baseline, other, asked.across_machines)]
        forbidden = next((guard.sentence for guard in of_pair if guard.state == FORBID), "")
        rows += _rows(first, known, other.name, asked, forbidden)
        guards += of_pair
    found = tuple(_with_family(rows, baseline, others, asked.margin))
    return Comparison(baseline, tuple(others), found, _all_guards(list(dict.fromkeys(guards))))


def _tables(asked: Asked) -> list[Table]:
    """The tables that are read. Raises BadInput for a metric or a figure that there is not."""
    for figure in asked.figures:
        if figure not in FIGURES:
            raise BadInput(f"there is no figure {figure[:40]!r}; there are {', '.join(FIGURES)}.")
    known = {one.name: [c.name for c in schema.metrics(one)] for one in DENSE} | {"load": list(_LOAD)}
    for metric in asked.metrics:
        name, _, column = metric.partition(".")
        if name not in known or (column and column not in known[name]):
            there = [f"{name}.{one}" for one in known[name]] if name in known else list(known)
            raise BadInput(f"there is no metric {metric[:60]!r}; there are {', '.join(there)}.")
    wanted = {metric.partition(".")[0] for metric in asked.metrics}
    return [one for one in DENSE if not wanted or one.name in wanted]


def _read(duck: duckdb.DuckDBPyConnection, number: int, run: Run, tables: Sequence[Table], with_load: bool) -> list[Guard]:
    """Put a run's samples into `series`; what the rules say of it."""
    start, end = run.stretch.start, run.stretch.end
    machine = stored.stage(run.con, duck, run.collector_id, start, end)
    for one in tables:
        counted = "in_total = 1" if "in_total" in one.header else "cpu = 'all'" if one.name == "cpu" else "true"
        metrics = [c.name for c in schema.metrics(one)]
        values = {"run": number, "table": one.name, "device": schema.device_key(one) or "machine", "metrics": metrics}
        duck.execute(_sql("series").format(counted=counted), {**values, "start": start, "end": end})
    within = {"collector_id": run.collector_id, "start": start, "end": end}
    if with_load:
        cursor = run.con.execute(_sql("load"), within)
        names = [column[0] for column in cursor.description]
        told: list[tuple[object, ...]] = [
            (number, f"load.{name}", "", row[0], value) for row in cursor for name, value in zip(names[1:], row[1:]) if value is not None
        ]
        columnar.insert(duck, "series", ["INTEGER", "VARCHAR", "VARCHAR", "BIGINT", "DOUBLE"], told)
    return _guards(duck, run, machine, rules("perfkit.compare"))


def _read_generator(duck: duckdb.DuckDBPyConnection, run: Run) -> list[Guard]:
    """What the rules say of the load generator's machine."""
    machine = stored.stage(run.con, duck, run.collector_id, run.stretch.start, run.stretch.end)
    chosen = [rule for rule in rules("perfkit.compare") if rule.kind == "generator"]
    found = held(duck, machine, [Span("run", run.stretch.start, run.stretch.end)], chosen)
    return [Guard(rule.name, FORBID, f"{run.reference}: {rule.sentence}") for rule in chosen if ("run", rule.name) in found]


def _guards(duck: duckdb.DuckDBPyConnection, run: Run, machine: Machine, chosen: Sequence[Rule]) -> list[Guard]:
    """What the rules say of one run."""
    told = of_stretch(run.con, run.collector_id, run.stretch)
    duck.execute(_sql("facts"))
    facts = (run.stretch.start, told.coverage or 0.0, told.gaps, told.clock_steps, told.resets, told.samples, told.ended or "")
    duck.execute("INSERT INTO run_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [machine.number, *facts])
    within = {"collector_id": run.collector_id, "start": run.stretch.start, "end": run.stretch.end}
    for row in run.con.execute(_sql("load_runs"), within):
        duck.execute("INSERT INTO load_facts VALUES (?, ?, ?, ?, ?, ?)", [machine.number, run.stretch.start, *row])
    tables = {**ENGINE, "run": "run_facts", "load": "load_facts"}
    of_run = [rule for rule in chosen if rule.kind in (FORBID, WARN)]
    found = held(duck, machine, [Span("run", run.stretch.start, run.stretch.end)], of_run, tables)
    return [
        Guard(rule.name, rule.kind, f"{run.reference}: {sentence_of(rule, subjects, machine)}")
        for rule in of_run
        if (subjects := found.get(("run", rule.name)))
    ]


def _within(arm: Arm) -> Iterator[Guard]:
    """What the runs of one arm must not have in common: a run that counts twice, or two of its phases, are no repetition."""
    numbers = [(run.con, run.collector_id, run.stretch.run) for run in arm.runs]
    if len(set(numbers)) < len(numbers):
        yield Guard("same_run_twice", FORBID, f"{arm.name} holds one run more than once: it is no repetition")


def _between(baseline: Arm, other: Arm, across_machines: bool) -> Iterator[Guard]:
    """What two arms must have in common, and the runs within each."""
    if any(
        (one.con, one.collector_id, one.stretch) == (run.con, run.collector_id, run.stretch) for one in baseline.runs for run in other.runs
    ):
        yield Guard("same_run", WARN, f"{other.name} holds a run of {baseline.name}: it is compared with itself")
    first, *runs = (*baseline.runs, *other.runs)
    for run in runs:
        yield from _between_machines(_facts(first), _facts(run), across_machines)
    lengths = [run.stretch.end - run.stretch.start for run in (first, *runs)]
    if max(lengths) > 2 * min(lengths):
        yield Guard("length", WARN, "one run is more than twice as long as another")


def _between_machines(facts: Mapping[str, Any], others: Mapping[str, Any], across_machines: bool) -> Iterator[Guard]:
    if facts["period_ms"] and others["period_ms"] and abs(facts["period_ms"] / others["period_ms"] - 1) > 0.05:
        yield Guard(
            "period",
            FORBID,
            f"one was sampled every {facts['period_ms'] / 1000:g} s, the other every {others['period_ms'] / 1000:g} s: peaks are not alike",
        )
    for name, words in _SAME_OR_NONE.items():
        if facts[name] and others[name] and facts[name] != others[name]:
            state = WARN if across_machines else FORBID
            yield Guard("hardware", state, f"the machines differ in their {words} ({facts[name]}, {others[name]}); see --across-machines")
    for name, words in _TOLD.items():
        if facts[name] and others[name] and facts[name] != others[name]:
            yield Guard("machine", WARN, f"the machines differ in their {words} ({facts[name]}, {others[name]})")


def _facts(run: Run) -> dict[str, Any]:
    cursor = run.con.execute(_sql("machine"), {"collector_id": run.collector_id})
    return dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))


def _all_guards(found: Sequence[Guard]) -> tuple[Guard, ...]:
    """What was found, and behind it every rule that found nothing."""
    known = {guard.rule for guard in found}
    calm = [Guard(rule.name, OK, "") for rule in rules("perfkit.compare") if rule.name not in known]
    return (*sorted(found, key=lambda guard: guard.state != FORBID), *calm)


_Key = tuple[str, str, str]  # metric, device, figure


class _Known(NamedTuple):
    side: Side
    estimate: Estimate
    drift: float | None


_Estimates = Mapping[_Key, _Known]


def _estimates(duck: duckdb.DuckDBPyConnection) -> dict[int, dict[_Key, _Known]]:
    """What is known of each figure of each run."""
    t = statistics.quantile((1 + LEVEL) / 2, BASIS)
    found: dict[int, dict[_Key, _Known]] = {}
    cursor = duck.execute(_sql("estimates"), {"levels": statistics.LEVELS, "basis": BASIS, "t": t})
    for run, metric, device, figure, value, low, high, spread, n, n_effective, drift, *_ in cursor.fetchall():
        side = Side(value, low, high, n, n_effective)
        found.setdefault(run, {})[metric, device, figure] = _Known(side, Estimate(value, low, high, spread, BASIS), drift)
    return found


def _rows(base: Sequence[_Estimates], other: Sequence[_Estimates], name: str, asked: Asked, forbidden: str) -> Iterator[Row]:
    """The rows of one pair of arms, without a verdict yet where one is possible."""
    for key in base[0]:
        metric, device, figure = key
        if figure not in asked.figures or not _is_asked(metric, asked.metrics) or not all(key in run for run in (*base, *other)):
            continue
        sides = [[run[key] for run in arm] for arm in (base, other)]
        drifts = any(abs(one.drift or 0) > _DRIFTS for side in sides for one in side)
        left, right = (_side(side) for side in sides)
        found, reason = _difference(sides, figure)
        reason = forbidden or reason
        yield Row(metric, device, figure, _unit(metric), name, left, right, found, NOT_JUDGED if reason else "", reason, drifts)


def _is_asked(metric: str, wanted: Sequence[str]) -> bool:
    return not wanted or metric in wanted or metric.partition(".")[0] in wanted


def _unit(metric: str) -> str:
    name, _, column = metric.partition(".")
    return _LOAD[column] if name == "load" else table(name)[column].unit


def _side(side: Sequence[_Known]) -> Side:
    """A side of one run as it is, of several as the mean of theirs."""
    if len(side) == 1:
        return side[0].side
    of = statistics.of_runs([one.estimate.value for one in side])
    return Side(of.value, of.low, of.high, sum(one.side.n for one in side), float(len(side)))


def _difference(sides: Sequence[Sequence[_Known]], figure: str) -> tuple[Difference | None, str]:
    """The difference of two sides, and why it is not judged, or ""."""
    base, other = sides
    if min(len(base), len(other)) >= _RUNS or (len(base) > 1 and len(other) > 1):
        left, right = (statistics.of_runs([one.estimate.value for one in side]) for side in sides)
        alike = left.spread == right.spread == 0 and left.value != right.value
        return statistics.of_means(
            left, right
        ), "all runs of a side have the same figure: how far runs differ is not known" if alike else ""
    if len(base) > 1 or len(other) > 1:
        return None, "one side has several runs, the other one: repeat it as often"
    found = (
        statistics.of_means(base[0].estimate, other[0].estimate)
        if figure == "avg"
        else statistics.of_quantiles(base[0].estimate, other[0].estimate)
    )
    few = min(base[0].side.n_effective, other[0].side.n_effective)
    if few < _FEWEST:
        return found, f"its samples are worth {few:.0f} independent ones, {_FEWEST} are needed: record longer"
    if found is None or (figure != "avg" and few * (100 - int(figure[1:])) < 100 * _BEYOND):
        return found, "the recording is too short for this quantile's interval"
    return found, ""


def _with_family(rows: Sequence[Row], baseline: Arm, others: Sequence[Arm], margin: float) -> Iterator[Row]:
    """The rows with their verdicts: a difference counts where it stands in the family of all that are judged (Holm).

    What a load tester looks at first has half of the error rate to itself: in one family of hundreds, three runs an arm would find nothing.
    """
    sizes = {other.name: min(len(baseline.runs), len(other.runs)) for other in others}
    judged = [row for row in rows if row.verdict != NOT_JUDGED and row.difference]
    first = [row for row in judged if (row.metric, row.figure) in HEADLINE]
    rest = [row for row in judged if (row.metric, row.figure) not in HEADLINE]
    share = 2 if first and rest else 1
    stands = {
        id(row): min(1.0, share * p)
        for part in (first, rest)
        for row, p in zip(part, statistics.holm([row.difference.p for row in part if row.difference]), strict=True)
    }
    for row in rows:
        if id(row) not in stands or row.difference is None:
            yield row
            continue
        verdict, reason = _verdict(row, row.difference, stands[id(row)], sizes[row.reference], margin)
        yield Row(**{**vars(row), "verdict": verdict, "reason": reason})


def _verdict(row: Row, of: Difference, p: float, runs: int, margin: float) -> tuple[str, str]:
    least = margin / 100 * abs(row.baseline.value)
    if p >= _ALPHA or (of.low <= least and of.high >= -least):
        return NO_DIFFERENCE, ""
    if runs < _RUNS:
        return DIFFERS, "these two recordings differ; whether the change did it, only repeated runs can tell"
    way = worse(row.metric)
    if way not in (HIGHER_IS_WORSE, LOWER_IS_WORSE):
        return DIFFERS, ""
    return (WORSE if (of.value > 0) == (way == HIGHER_IS_WORSE) else BETTER), ""


def _sql(name: str) -> str:
    return sql.read("perfkit.compare", f"sql/{name}.sql")
