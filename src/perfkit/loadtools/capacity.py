"""The knee of a run or a phase, up to which throughput grew with the load, and what a request cost the machine (docs/capacity.md)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import _duckdb as duckdb
import orjson

from perfkit import sql
from perfkit.catalog import table
from perfkit.compare.statistics import quantile
from perfkit.process.findings import Span
from perfkit.store import columnar, comparable, rollup, runs, schema
from perfkit.store.comparable import BASIS, LEVEL
from perfkit.units import format_bytes, format_duration

VARIED = 1.25  # times as much load at the 95th percentile as at the 5th, at least
FEWEST = 24  # blocks of time
_FLATTER = 0.5  # times as steep behind the knee as before it, at most
_GROWN = 1.25  # times the throughput of the least load at the knee, at least
_BEYOND = {"users": 1.0, "requests in flight": 2.0}  # times the load of the knee that was reached, at least
_F = 8  # of the bent line against a straight one, at least
_FREEDOM = 3 * BASIS // 4  # of a slope's Student's t: where the load rises slowly, few of the cosines tell its variance (simulated)
_TIMELINE = ["VARCHAR", "BIGINT", "DOUBLE", "DOUBLE", "DOUBLE"]


class Slope(NamedTuple):
    """What one more request cost, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Knee:
    """Up to `at` users (or requests in flight) the throughput grew with the load, to `throughput`; all None where there is a `reason`.

    `load` tells what the load is counted in, `from_timestamp` (ms) when it was first so much, `before` and `after` what one more brought.
    """

    load: str | None = None
    at: float | None = None
    throughput: float | None = None
    from_timestamp: int | None = None
    before: float | None = None
    after: float | None = None
    reason: str = ""

    @property
    def rate(self) -> str:
        """ "1,840 requests/s", "" without a knee."""
        return "" if self.throughput is None else f"{self.throughput:,.0f} requests/s"

    @property
    def sentence(self) -> str:
        if self.at is None or self.before is None or self.after is None:
            return f"No knee: {self.reason}."
        share = max(0, 100 * self.after / self.before)
        grew = f"the throughput grew with the load up to {self.at:,.0f} {self.load}, at {self.rate}"
        return f"Knee: {grew}; beyond, one more brought {share:.0f} % of one before."


@dataclass(frozen=True)
class Capacity:
    """Knee and cost of a window; `cost` has a slope for each of cpu_seconds, disk_bytes and network_bytes that is known."""

    knee: Knee
    cost: Mapping[str, Slope]
    reason: str = ""  # why there is no cost

    @property
    def cost_sentence(self) -> str:
        if self.reason:
            return f"No cost of a request: {self.reason}."
        shown = []
        for name, (words, written) in _COSTS.items():
            if name in self.cost:
                value, low, high = self.cost[name]
                nothing = f"no {words} that could be shown (at most {written(high)})" if high > 0 else f"no {words} that could be shown"
                shown.append(f"{written(value)} {words} ({written(low)} to {written(high)})" if low > 0 else nothing)
        return f"A request cost {', '.join(shown)}."

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Capacity:
        """What `as_json` told."""
        knee, cost = told["knee"], told["cost"]
        figures = (knee[name] for name in ("load", "at", "throughput", "from", "before", "after", "reason"))
        return cls(Knee(*figures), {name: Slope(**cost[name]) for name in _COSTS if cost[name]}, cost["reason"])

    def as_json(self) -> dict[str, Any]:
        """As `/api/v1/runs/ID` has it."""
        knee = self.knee
        return {
            "knee": {
                "load": knee.load,
                "at": knee.at,
                "throughput": knee.throughput,
                "from": knee.from_timestamp,
                "before": knee.before,
                "after": knee.after,
                "reason": knee.reason,
                "sentence": knee.sentence,
            },
            "cost": {
                **{name: self.cost[name]._asdict() if name in self.cost else None for name in _COSTS},
                "reason": self.reason,
                "sentence": self.cost_sentence,
            },
        }


def of_windows(con: sqlite3.Connection, collector_id: int, spans: Sequence[Span]) -> dict[str, Capacity]:
    """Knee and cost of each of `spans` in which a load tool reported something, by its name: as they are kept, else found now."""
    kept = {}
    for name, *span, told in con.execute(
        "SELECT range, from_timestamp, to_timestamp, told FROM capacities WHERE collector_id = ?", (collector_id,)
    ):
        kept[Span(name, *span)] = Capacity.from_json(orjson.loads(told))
    found = {span.name: kept[span] for span in spans if span in kept}
    return found | _of_windows(con, collector_id, [span for span in spans if span not in kept])


def keep(con: sqlite3.Connection, collector_id: int) -> None:
    """Keep knee and cost of the collector's runs and phases, so that pages need not look for them. Call it inside a transaction."""
    spans = [Span(one.window, one.start, one.end) for one in runs.stretches(con, collector_id) if not one.open]
    found = of_windows(con, collector_id, spans)
    con.execute("DELETE FROM capacities WHERE collector_id = ?", (collector_id,))
    rows = ((collector_id, *span, orjson.dumps(found[span.name].as_json()).decode()) for span in spans if span.name in found)
    con.executemany("INSERT INTO capacities VALUES (?, ?, ?, ?, ?)", rows)


def _of_windows(con: sqlite3.Connection, collector_id: int, spans: Sequence[Span]) -> dict[str, Capacity]:
    within = ({"collector_id": collector_id, "start": span.start, "end": span.end} for span in spans)
    loaded = [span for span, one in zip(spans, within, strict=True) if con.execute(_read("sqlite/has_load"), one).fetchone()]
    if not loaded:
        return {}
    start, end = min(span.start for span in loaded), max(span.end for span in loaded)
    machine = columnar.machine(con, collector_id)
    rows = con.execute(_read("sqlite/timeline"), {"collector_id": collector_id, "start": start, "end": end}).fetchall()
    with closing(columnar.connect()) as duck:
        duck.execute("CREATE TABLE timeline (run VARCHAR, timestamp BIGINT, users DOUBLE, throughput DOUBLE, latency_ms DOUBLE)")
        columnar.insert(duck, "timeline", _TIMELINE, rows)
        host = (con, duck, collector_id, table("host"), max(start, rollup.reach(con, collector_id)[0][0]), end + 1)

        def read() -> dict[str, Capacity]:
            columnar.attach(*host)
            return of_tables(duck, collector_id, loaded, machine.cpus, machine.period_ms)

        return columnar.retried(read)


def of_tables(
    duck: duckdb.DuckDBPyConnection, machine: int, spans: Iterable[Span], cpus: int | None, period_ms: float | None
) -> dict[str, Capacity]:
    """Knee and cost of each of `spans`; `duck` has the tables `timeline` (sql/duckdb/blocks.sql) and `host`."""
    spans = list(spans)
    duck.execute("CREATE OR REPLACE TEMP TABLE asked (number INTEGER, range VARCHAR, from_timestamp BIGINT, to_timestamp BIGINT)")
    duck.executemany("INSERT INTO asked VALUES (?, ?, ?, ?)", [(machine, *span) for span in spans])
    duck.execute(_read("duckdb/blocks"), {"cpus": cpus, "period_ms": period_ms or 1000})
    duck.execute(_read("duckdb/knee"), {"varied": VARIED, "fewest": FEWEST})
    duck.execute(_read("duckdb/cost"), {"varied": VARIED, "fewest": FEWEST, "basis": BASIS})
    duck.execute(schema.text("duckdb/at_level"))
    t = quantile((1 + LEVEL) / 2, _FREEDOM)
    slopes: dict[str, dict[str, Slope]] = {}
    for window, figures in comparable.estimates(duck, t).items():
        means = (one for one in figures if one.figure == "avg")
        slopes[window] = {one.metric: Slope(one.value, one.low, one.high) for one in means if one.low is not None and one.high is not None}
    cursor = duck.execute("SELECT * FROM knees")
    names = [column[0] for column in cursor.description]
    told = {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}
    return {span.name: _capacity(told.get(span.name), slopes.get(span.name, {})) for span in spans}


def _capacity(told: Mapping[str, Any] | None, slopes: Mapping[str, Slope]) -> Capacity:
    if told is None or told["n"] < FEWEST:
        few = f"the load was told of {told['n'] if told else 0} stretches of time, {FEWEST} are needed"
        return Capacity(Knee(reason=few), {}, few)
    unknown = "" if slopes else "the throughput never varied" if not told["throughput_varied"] else "nothing is known of the machine then"
    if reason := _no_knee(told):
        return Capacity(Knee(reason=reason), slopes, unknown)
    knee = Knee(told["load_is"], told["knee"], told["level"], told["since"], told["before"], told["after"])
    return Capacity(knee, slopes, unknown)


def _no_knee(told: Mapping[str, Any]) -> str:
    """Why there is no knee, or ""."""
    if not told["load_varied"]:
        return "the load never varied"
    if told["load_is"] is None:
        return "throughput alone does not tell a load that is held from one that is limited"
    if told["knee"] is None or told["before"] <= 0 or told["grown"] < _GROWN:
        return "the throughput did not grow with the load"
    bent = told["after"] <= _FLATTER * told["before"] and (told["f"] is None or told["f"] >= _F)
    return "" if bent and told["beyond"] >= _BEYOND[told["load_is"]] else "the throughput grew with the load to its end"


def _seconds(seconds: float) -> str:
    """ "2.10 ms", "350 µs": three digits, as of a share of a request one has."""
    if abs(seconds) >= 1:
        return format_duration(seconds) if seconds >= 60 else f"{seconds:.3g} s"
    return f"{seconds * 1000:.3g} ms" if abs(seconds) >= 0.001 else f"{seconds * 1e6:.3g} µs"


def _bytes(size: float) -> str:
    return f"{size:.2g} B" if abs(size) < 10 else format_bytes(size)


_COSTS: dict[str, tuple[str, Callable[[float], str]]] = {
    "cpu_seconds": ("CPU", _seconds),
    "disk_bytes": ("disk", _bytes),
    "network_bytes": ("network", _bytes),
}


def _read(name: str) -> str:
    return sql.read("perfkit.loadtools", f"sql/{name}.sql")
