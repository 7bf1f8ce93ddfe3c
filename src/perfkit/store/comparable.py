"""What a comparison needs of one run or phase: each metric's figures with their intervals, and what the rules say of it.

Stored when an import is done, so that a page of comparisons need not read samples; made where it is asked for and not stored, or not of the
samples that are there now.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import Any, NamedTuple

import _duckdb as duckdb
import orjson

from perfkit.catalog import DENSE, Table
from perfkit.process.findings import ENGINE, MachineFacts, Span, held, rules, sentence_of
from perfkit.store import columnar, runs, schema
from perfkit.store.runs import UNNAMED, Stretch

LEVEL = 0.95  # of every interval
LEVELS = [0.5, 0.9, 0.95, 0.99]  # of the quantiles that are estimated
BASIS = 8  # cosines of a series: the degrees of freedom of its mean (Lazarus, Lewis, Stock and Watson 2018)
T = 2.3060041352041662  # Student's t of so many degrees beyond which (1 - LEVEL) / 2 lie
PROCESSES = "processes"  # the sparse table that is compared, by command
EVERY = (*(one.name for one in DENSE if not one.seldom), "load", PROCESSES)  # the tables that are compared where none is named
PACKAGE = "perfkit.store"  # whose rules.toml tells what forbids a verdict
# A window with so many samples is prepared at its import: a shorter one is computed quickly and seldom judged, one of over two hours is
# computed when it is asked for.
_FEWEST, _MOST = 90, 8000
_TOGETHER = 1_000_000  # values of which figures are made at once: copies of them take half a gigabyte; fewer take longer


class Figure(NamedTuple):
    """A figure of one metric (duckdb/estimates.sql)."""

    metric: str
    device: str
    figure: str
    value: float
    low: float | None
    high: float | None
    spread: float
    n: int
    n_effective: float
    drift: float | None
    first: float
    last: float


class Sign(NamedTuple):
    """What a rule says of a run: its name and kind (rules.toml), and the sentence."""

    rule: str
    kind: str
    sentence: str


class Known(NamedTuple):
    """What is known of a run or phase; `commands` says how much of the machine's CPU time each took (%), None where nobody recorded it."""

    figures: tuple[Figure, ...]
    signs: tuple[Sign, ...]
    commands: Mapping[str, float] | None


def of_stretch(con: sqlite3.Connection, collector_id: int, one: Stretch, tables: Collection[str] = EVERY) -> Known:
    """What is known of a run or phase, at least of the metrics of `tables` (names of the catalog's, and "load")."""
    stored = con.execute(
        "SELECT comparable FROM judged WHERE collector_id = ? AND range = ? AND from_timestamp = ? AND to_timestamp = ?",
        (collector_id, one.window, one.start, one.end),
    ).fetchone()
    told = orjson.loads(stored[0]) if stored and stored[0] else {}
    if told.get("made_of") == _made_of(con, collector_id, one):
        rows = con.execute(
            schema.select(_columns(), "estimates", "WHERE collector_id = ? AND range = ? ORDER BY rowid"), (collector_id, one.window)
        )
        return Known(tuple(Figure(*row) for row in rows), tuple(Sign(*sign) for sign in told["signs"]), told["commands"])
    with closing(columnar.connect()) as duck:
        return columnar.retried(lambda: _read(con, duck, collector_id, one, tables))


def keep(con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, machine: MachineFacts, windows: Sequence[str]) -> None:
    """Store what is known of the runs and phases of these windows, in the open transaction. `duck` is as columnar.stage left it."""
    chosen = [
        one
        for one in runs.stretches(con, machine.number)
        if one.window in windows and _FEWEST <= _samples(con, machine.number, one) <= _MOST
    ]
    names = ("collector_id", "range", *_columns())
    insert = schema.insert("estimates", names)
    for one, known in zip(chosen, _known(con, duck, machine, chosen, EVERY), strict=True):
        told = {"made_of": _made_of(con, machine.number, one), "signs": [list(sign) for sign in known.signs], "commands": known.commands}
        con.execute(
            "UPDATE judged SET comparable = ? WHERE collector_id = ? AND range = ?",
            (orjson.dumps(told).decode(), machine.number, one.window),
        )
        con.executemany(insert, ((machine.number, one.window, *figure) for figure in known.figures))


def prepare(duck: duckdb.DuckDBPyConnection) -> None:
    """Make the table `series` (run, metric, device, timestamp, value), which `estimates` reads."""
    duck.execute(schema.text("duckdb/at_level"))
    duck.execute("CREATE OR REPLACE TABLE series (run INTEGER, metric VARCHAR, device VARCHAR, timestamp BIGINT, value DOUBLE)")


def estimates(duck: duckdb.DuckDBPyConnection, t: float = T) -> dict[Any, list[Figure]]:
    """The figures of each run of `series`, so many metrics at a time that memory suffices; `t` is that of their intervals."""
    found: dict[Any, list[Figure]] = {}
    asked = {"levels": LEVELS, "basis": BASIS, "t": t}
    for (metrics,) in duck.execute(schema.text("duckdb/batches"), {"most": _TOGETHER}).fetchall():
        for run, *figure in duck.execute(schema.text("duckdb/estimates"), {**asked, "metrics": metrics}).fetchall():
            found.setdefault(run, []).append(Figure(*figure))
    return found


def _columns() -> tuple[str, ...]:
    """The columns of the table `estimates` in the order of Figure."""
    return tuple({"first": "first_third", "last": "last_third"}.get(name, name) for name in Figure._fields)


def _read(con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, one: Stretch, tables: Collection[str]) -> Known:
    machine = columnar.stage(con, duck, collector_id, one.start, one.end)
    return _known(con, duck, machine, [one], tables)[0]


def _known(
    con: sqlite3.Connection,
    duck: duckdb.DuckDBPyConnection,
    machine: MachineFacts,
    stretches: Sequence[Stretch],
    tables: Collection[str],
) -> list[Known]:
    if not stretches:
        return []
    prepare(duck)
    told = []
    for number, one in enumerate(stretches):
        for table in DENSE:
            if table.name in tables:
                _add_series(duck, number, one, table)
        if "load" in tables:
            _add_load(con, duck, number, machine.number, one)
        told.append(_signs(con, duck, machine, one))
        if PROCESSES in tables:
            duck.execute(schema.text("duckdb/commands"), {"run": number})
    figures = estimates(duck)
    return [Known(tuple(figures.get(number, ())), *signs) for number, signs in enumerate(told)]


def _add_series(duck: duckdb.DuckDBPyConnection, number: int, one: Stretch, table: Table) -> None:
    counted = "in_total = 1" if "in_total" in table.header else "cpu = 'all'" if table.name == "cpu" else "true"
    values = {
        "run": number,
        "table": table.name,
        "device": table.device or "machine",
        "metrics": [c.name for c in table.metrics],
        "start": one.start,
        "end": one.end,
    }
    duck.execute(schema.text("duckdb/series").format(counted=counted), values)


def _add_load(con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, number: int, collector_id: int, one: Stretch) -> None:
    cursor = con.execute(schema.text("sqlite/load_within"), {"collector_id": collector_id, "start": one.start, "end": one.end})
    names = [column[0] for column in cursor.description]
    told: list[tuple[object, ...]] = [
        (number, f"load.{name}", "", row[0], value) for row in cursor for name, value in zip(names[1:], row[1:]) if value is not None
    ]
    columnar.insert(duck, "series", ["INTEGER", "VARCHAR", "VARCHAR", "BIGINT", "DOUBLE"], told)


def _signs(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, machine: MachineFacts, one: Stretch
) -> tuple[tuple[Sign, ...], Mapping[str, float] | None]:
    """What the rules say of one run, and the CPU that each command took; leaves the table `used`."""
    told = runs.of_stretch(con, machine.number, one)
    facts = (told.coverage or 0.0, told.gaps, told.clock_steps, told.resets, told.samples, told.ended or "")
    duck.execute(schema.text("duckdb/run_facts"))
    places = (machine.number, one.start)
    duck.execute("INSERT INTO run_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", [*places, *facts, _collector(con, machine.number, one)])
    for row in con.execute(schema.text("sqlite/load_runs_within"), {"collector_id": machine.number, "start": one.start, "end": one.end}):
        duck.execute("INSERT INTO load_facts VALUES (?, ?, ?, ?, ?, ?)", [*places, *row])
    duck.execute(schema.text("duckdb/used"), {"start": one.start, "end": one.end})
    tables = {**ENGINE, "run": "run_facts", "load": "load_facts", "used": "used"}
    span = Span("run", one.start, one.end)
    found = held(duck, machine, [span], rules(PACKAGE), tables)
    signs = (
        Sign(rule.name, rule.kind, sentence_of(rule, subjects, machine, span))
        for rule in rules(PACKAGE)
        if (subjects := found.get(("run", rule.name)))
    )
    shares = dict(duck.execute("SELECT command, avg(cpu_percent) FROM used WHERE NOT own GROUP BY command ORDER BY command").fetchall())
    recorded = machine.cpus and duck.execute("SELECT count(*) FROM used").fetchall()[0][0]
    return tuple(signs), {name: share / machine.cpus for name, share in shares.items()} if recorded and machine.cpus else None


def _collector(con: sqlite3.Connection, collector_id: int, one: Stretch) -> str | None:
    """The process id of the collector that recorded it: the identity of a recording is its boot, that, and its start."""
    row = con.execute("SELECT identity FROM recordings WHERE collector_id = ? AND recording = ?", (collector_id, one.recording)).fetchone()
    parts = row[0].split(" ") if row and not row[0].startswith(UNNAMED) else []
    return parts[-2] if len(parts) > 1 else None


def _samples(con: sqlite3.Connection, collector_id: int, one: Stretch) -> int:
    within = (collector_id, one.start, one.end)
    [(count,)] = con.execute("SELECT count(*) FROM samples WHERE collector_id = ? AND timestamp BETWEEN ? AND ?", within)
    return int(count)


def _made_of(con: sqlite3.Connection, collector_id: int, one: Stretch) -> str:
    """What is stored holds as long as this is the same: rules and SQL, how much was recorded, how it ended, what load tools brought."""
    within = {"collector_id": collector_id, "start": one.start, "end": one.end}
    [facts] = con.execute(schema.text("sqlite/made_of"), {**within, "recording": one.recording})
    return f"{_definition()} {orjson.dumps([one.start, one.end, one.open, one.marked, *facts]).decode()}"


@cache
def _definition() -> str:
    """What the figures and the rules are, shortened."""
    texts = [schema.text(f"duckdb/{name}") for name in ("estimates", "series", "at_level", "used", "commands", "run_facts")]
    return hashlib.sha256("\n".join([*texts, repr(rules(PACKAGE))]).encode()).hexdigest()[:16]
