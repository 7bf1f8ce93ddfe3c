"""Which machine is unlike the others: what the page /fleet shows of all machines of the database at once.

It reads what the database has stored of each run, and rollups; no sample. The two questions about runs are those of a lake
(perfkit/lake/sql/questions), the same .sql files over a table of the stored figures.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import _duckdb as duckdb

from perfkit.catalog import DENSE, HOST, LOWER_IS_WORSE, RANGES, SORTED_BY, Column, Table, worse
from perfkit.dashboard import limits, words
from perfkit.dashboard.parameters import Parameters
from perfkit.dashboard.reading import query, rows
from perfkit.errors import BadInput
from perfkit.lake.query import questions
from perfkit.lake.tables import text
from perfkit.store import columnar
from perfkit.store.schema import LEVELS
from perfkit.units import FOREVER

RANGE, METRIC, BY, TOP = "24h", f"{HOST.name}.cpu_busy", "p95", 10
"""What is shown where the URL asks for nothing else; the range is counted back from the newest sample."""
MOST_RUNS = 2000
MOST = 100
_MOST_MEMBERS = 100_000
_LONG = 2 * 3_600_000  # ms of a run that is averaged by ten minutes instead of minutes while nothing of it is stored
_FAR_BACK = 7 * 86_400_000  # ms of it that are read at most
_CELLS = 96  # of a heat map's row, at most
_WIDTHS = (
    *(10, 30, 60, 120, 300, 600, 1200, 1800),
    *(hours * 3600 for hours in (1, 2, 3, 6, 12, 24, 168, 720, 8760, 87600)),
)  # s, of a cell
_TYPES = ["VARCHAR"] * 4 + ["BIGINT"] * 2 + ["VARCHAR", "BIGINT", "VARCHAR", "DOUBLE"]

Row = dict[str, Any]


@dataclass(frozen=True)
class FleetAsked:
    """What of the fleet is asked for: a site or all, the range, and of top and heat map the metric and the figure that sorts."""

    site: str | None
    range: str
    metric: str
    by: str
    top: int

    @property
    def lowest(self) -> bool:
        """Whether the smallest value of the metric is the worst."""
        return worse(self.metric) == LOWER_IS_WORSE

    @classmethod
    def of(cls, args: Parameters) -> FleetAsked:
        """What a URL asks for. Raises BadInput."""
        range_, metric, by = args.get("range") or RANGE, args.get("metric") or METRIC, args.get("by") or BY
        if range_ not in RANGES:
            raise BadInput(f"there is no range {range_[:40]!r}; there are {', '.join(RANGES)}.")
        if metric not in metrics():
            raise BadInput(f"there is no metric {metric[:60]!r} of a fleet; the page lists those there are.")
        if by not in SORTED_BY:
            raise BadInput(f"{by[:40]!r} is no figure to sort by; write one of {', '.join(SORTED_BY)}.")
        return cls(args.get("site") or None, range_, metric, by, args.whole("top", TOP, 1, MOST))


def metrics() -> dict[str, tuple[Table, Column]]:
    """The metrics that machines are sorted and drawn by: the host's, and what of its devices has a limit."""
    found = {f"{one.name}.{c.name}": (one, c) for one in DENSE for c in one.metrics}
    return {name: of for name, of in found.items() if of[0] is HOST or name in limits.LIMITS}


def sites(con: sqlite3.Connection) -> list[str]:
    """The sites that have a machine with data."""
    return [name for (name,) in con.execute("SELECT DISTINCT sitename FROM collectors WHERE last_timestamp IS NOT NULL ORDER BY sitename")]


def told(con: sqlite3.Connection, asked: FleetAsked) -> Row:
    """All that the page shows, as JSON."""
    of, column = metrics()[asked.metric]
    start, end = _window(con, asked)
    listed = rows(con, "fleet_runs", site=asked.site, start=start, end=end, most=MOST_RUNS)
    figures, missing = _figures(con, listed)
    unlike, tests = _judged(figures, {_name(row): row for row in listed})
    return {
        "window": {"from": start, "to": end, "range": asked.range},
        "metric": {"name": asked.metric, "label": words.metric(of, column), "unit": column.unit},
        "machines": len({row["collector"] for row in listed}),
        "runs": {"shown": sum(not row["phase"] for row in listed), "most": MOST_RUNS, "without_figures": missing},
        "top": _top(con, asked, start, end),
        "heatmap": _heatmap(con, asked, start, end),
        "unlike": unlike,
        "tests": tests,
    }


def _window(con: sqlite3.Connection, asked: FleetAsked) -> tuple[int, int]:
    """The range, counted back from the newest sample of the site; it begins with the first sample where it reaches further."""
    sql = "SELECT min(first_timestamp), max(last_timestamp) FROM collectors WHERE :site IS NULL OR sitename = :site"
    first, last = (found or 0 for found in con.execute(sql, {"site": asked.site}).fetchone())
    return max(first, last - (RANGES[asked.range] or FOREVER) + 1), last


def _name(row: Row) -> str:
    """What names a run or phase here and in the answers of the questions."""
    return _run_id(row) + (f":{row['phase']}" if row["phase"] else "")


def _run_id(row: Row) -> str:
    """What names a run in the addresses of pages."""
    return f"{row['collector']}@{row['run']}"


def _figures(con: sqlite3.Connection, listed: list[Row]) -> tuple[list[tuple[object, ...]], int]:
    """The rows of the questions' table `run_figures`, and of how many runs nothing is known yet."""
    stored = query("fleet_figures")
    found: list[tuple[object, ...]] = []
    missing = 0
    for row in listed:
        values = {"collector": row["collector"], "range": row["range"], "from": row["from_timestamp"], "to": row["to_timestamp"]}
        known = con.execute(stored, values).fetchall()
        if not known and not row["phase"]:
            known = _rolled_up(con, row["collector"], max(row["from_timestamp"], row["to_timestamp"] - _FAR_BACK), row["to_timestamp"])
            missing += not known
        told_by = (row["site"], row["machine"], row["label"], row["phase"], row["from_timestamp"], row["to_timestamp"], _name(row))
        found.extend((*told_by, samples, metric, value) for metric, samples, value in known)
    return found, missing


def _rolled_up(con: sqlite3.Connection, collector: int, start: int, end: int) -> list[tuple[object, ...]]:
    """(metric, samples, average) of the host between two instants, by its minutes, or by ten where it is long."""
    level = "10m" if end - start > _LONG else "1m"
    names = [c.name for c in HOST.metrics]
    # Of a metric that a bucket has not, its samples do not count.
    averages = (f"sum({name}_avg * samples) / sum(CASE WHEN {name}_avg IS NOT NULL THEN samples END)" for name in names)
    sql = query("fleet_rollup").format(averages=", ".join(averages), table=f"{HOST.database_name}_{level}")
    [(samples, *values)] = con.execute(sql, {"collector": collector, "from": start, "to": end, "width": LEVELS[level]})
    return [(f"{HOST.name}.{name}", samples, value) for name, value in zip(names, values) if value is not None]


def _judged(figures: list[tuple[object, ...]], named: dict[str, Row]) -> tuple[list[Row], list[Row]]:
    """The machines that are unlike their peers, and the tests on several machines, each with its machines."""
    if not figures:
        return [], []
    with closing(columnar.connect()) as duck:
        duck.execute(text("robust_z"))
        duck.execute(query("fleet_table"))
        columnar.insert(duck, "told", _TYPES, figures)
        unlike = [{**row, **_metric(row["metric"]), **_link(named[row["run"]])} for row in _answers(duck, "unlike", MOST)]
        members = _answers(duck, "stragglers", _MOST_MEMBERS)
    tests: dict[tuple[str, str, int], Row] = {}
    for row in members:
        key = (row.pop("site"), row.pop("label"), row.pop("test"))
        machines = row.pop("machines")
        test = tests.setdefault(key, {"site": key[0], "label": key[1], "from": key[2], "machines": machines, "members": []})
        test["members"].append({**row, **_metric(row["says"]), **_link(named[row["run"]])})
    return unlike, list(tests.values())


def _answers(duck: duckdb.DuckDBPyConnection, name: str, top: int) -> list[Row]:
    asked = questions()[name]
    given = {"label": None, "start": None, "end": None, "top": top}
    instants = "* REPLACE (epoch_ms(test) AS test)" if name == "stragglers" else "*"
    told = f"SELECT {instants} FROM (\n{asked.sql}\n)"  # noqa: S608 - a question that comes with perfkit
    cursor = duck.execute(told, {key: given[key] for key in asked.parameters})
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def _metric(name: str) -> Row:
    """What a metric of the questions is called, and its unit."""
    if name == "run_seconds":
        return {"metric": name, "metric_label": "Length of the run", "unit": "s"}
    column = HOST[name.partition(".")[2]]
    return {"metric": name, "metric_label": words.metric(HOST, column), "unit": column.unit}


def _link(row: Row) -> Row:
    """What names the machine and its run in the addresses of pages."""
    return {"collector": row["collector"], "id": _run_id(row), "run": row["run"], "phase": row["phase"]}


def _top(con: sqlite3.Connection, asked: FleetAsked, start: int, end: int) -> list[Row]:
    weight = f"-p.{'min' if asked.by == 'max' else asked.by}" if asked.lowest else f"p.{asked.by}"
    values = {"site": asked.site, "metric": asked.metric, "start": start, "end": end, "top": asked.top}
    cursor = con.execute(query("fleet_top").format(weight=weight), values)
    names = [column[0] for column in cursor.description]
    found = (dict(zip(names, row)) for row in cursor)
    return [{**row, "id": _run_id(row)} for row in found]


def _heatmap(con: sqlite3.Connection, asked: FleetAsked, start: int, end: int) -> Row:
    """A row of cells for each machine that has data in the window, None where it has none."""
    of, column = metrics()[asked.metric]
    width = next(width * 1000 for width in _WIDTHS if width * 1000 * _CELLS >= end - start)
    coarsest, *finer = sorted((level for level in LEVELS.items() if width % level[1] == 0), key=lambda level: -level[1])
    device = of.device
    sql = query("fleet_heatmap")
    names = {"column": column.name, "worst": "min" if asked.lowest else "max", "device": f", m.{device}" if device else ""}
    first = start - start % width
    count = (end - first) // width + 1
    values = {"site": asked.site, "start": first, "end": end, "width": width}
    cells: dict[int, list[float | None]] = {}

    def fill(level: tuple[str, int], collector: int | None = None) -> None:
        for one, bucket, value in con.execute(
            sql.format(table=f"{of.database_name}_{level[0]}", **names), {**values, "collector": collector}
        ):
            cells.setdefault(one, [None] * count)[(bucket - first) // width] = value

    fill(coarsest)
    named = {row[0]: row[1:] for row in con.execute("SELECT id, machinename, sitename FROM collectors")}
    reaching = "SELECT id FROM collectors WHERE last_timestamp >= :start AND first_timestamp <= :end AND coalesce(sitename = :site, 1)"
    for (collector,) in con.execute(reaching, values).fetchall():  # too short for a whole bucket of the coarsest
        for level in finer:
            if collector not in cells:
                fill(level, collector)
    found = [{"collector": one, "machine": named[one][0], "site": named[one][1], "values": values} for one, values in cells.items()]
    return {"from": first, "width_ms": width, "machines": found}
