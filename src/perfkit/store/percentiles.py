"""Percentiles of any window, exactly, by the SQL of process; those of the named windows (ranges, runs, phases) are stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import _duckdb as duckdb
import orjson

from perfkit import catalog
from perfkit.process.engine import statement, take_percentiles
from perfkit.store import columnar, rollup, schema

# metric as table.column, device or "", then catalog.FIGURES. A metric without a value in the window has no row.
Row = tuple[Any, ...]


_COLUMNS = ("range", "from_timestamp", "to_timestamp", "metric", "device", *catalog.FIGURES)


class NamedWindow(NamedTuple):
    """A named window in ms since the epoch, both ends included: a range, "run:3" or "run:3:steady"."""

    name: str
    start: int
    end: int


def windows(con: sqlite3.Connection, collector_id: int) -> list[NamedWindow]:
    """The named windows of a collector; none where it has no samples."""
    query = schema.text("sqlite/windows").format(definition=statement("timeline/windows"))
    ranges = orjson.dumps(catalog.RANGES).decode()
    return [NamedWindow(*row) for row in con.execute(query, {"collector_id": collector_id, "ranges": ranges})]


def of_window(con: sqlite3.Connection, collector_id: int, start: int, end: int, tables: Sequence[str] = ("host",)) -> list[Row]:
    """Of every metric of `tables` over the samples in [start, end] ms, both included: from what is stored, else computed."""
    if stored := _stored(con, collector_id, start, end, tables):
        return stored
    with closing(columnar.connect()) as duck:
        found = _compute(con, duck, collector_id, [NamedWindow("asked", start, end)], tables)
    return [row[3:] for row in found]


def store(con: sqlite3.Connection, collector_id: int, rows: Iterable[tuple[Any, ...]]) -> None:
    """Keep `rows` of (range, from, to, *Row) as the collector's percentiles."""
    insert = schema.insert("percentiles", ("collector_id", *_COLUMNS), "INSERT OR REPLACE")
    con.executemany(insert, ((collector_id, *row) for row in rows))


def refresh(
    con: sqlite3.Connection,
    collector_id: int,
    changed: tuple[int, int] | None = None,
    only: Callable[[NamedWindow], bool] = lambda window: True,
) -> None:
    """Bring the stored percentiles up to date after samples in `changed` (ms, both included) came or went.

    Every named window has its own then, or those of them that `only` tells.
    """
    named = {window.name: window for window in windows(con, collector_id)}
    kept: set[str] = set()
    for name, start, end in con.execute(
        "SELECT DISTINCT range, from_timestamp, to_timestamp FROM percentiles WHERE collector_id = ?", (collector_id,)
    ).fetchall():
        if named.get(name) == (name, start, end) and (changed is None or end < changed[0] or start > changed[1]):
            kept.add(name)
        else:
            con.execute("DELETE FROM percentiles WHERE collector_id = ? AND range = ?", (collector_id, name))
    if missing := [window for name, window in named.items() if name not in kept and only(window)]:
        with closing(columnar.connect()) as duck:
            store(con, collector_id, _compute(con, duck, collector_id, missing, [table.name for table in catalog.DENSE]))


def _stored(con: sqlite3.Connection, collector_id: int, start: int, end: int, tables: Sequence[str]) -> list[Row]:
    """What is stored for exactly this window, in the order of _compute."""
    where = "WHERE collector_id = ? AND from_timestamp = ? AND to_timestamp = ?"
    found = con.execute(schema.select(("metric", "device", *catalog.FIGURES), "percentiles", where), (collector_id, start, end))
    place = {metric: number for number, metric in enumerate(_metrics(tables))}
    known = {row[:2]: row for row in found if row[0] in place}
    return sorted(known.values(), key=lambda row: (place[row[0]], row[1]))


def _metrics(tables: Sequence[str]) -> list[str]:
    return [f"{name}.{column.name}" for name in tables for column in catalog.table(name).metrics]


def _compute(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, asked: Sequence[NamedWindow], tables: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Rows of (range, from, to, *Row) of each window."""
    return columnar.retried(lambda: _taken(con, duck, collector_id, asked, tables))


def _taken(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, asked: Sequence[NamedWindow], tables: Sequence[str]
) -> list[tuple[Any, ...]]:
    kept = rollup.reach(con, collector_id)[0][0]
    start, end = max(kept, min(window.start for window in asked)), max(window.end for window in asked)
    duck.execute("CREATE OR REPLACE TABLE windows (machine INTEGER, range VARCHAR, from_timestamp BIGINT, to_timestamp BIGINT)")
    duck.executemany("INSERT INTO windows VALUES (?, ?, ?, ?)", [(collector_id, *window) for window in asked])

    def attached() -> Iterator[catalog.Table]:
        for name in tables:  # to plan a statement over a table without rows costs 20 ms, for nothing
            if columnar.attach(con, duck, collector_id, catalog.table(name), start, end + 1):
                yield catalog.table(name)

    take_percentiles(duck, attached())
    ordered = "ORDER BY range, list_position($metrics, metric), device"
    return duck.execute(schema.select(_COLUMNS, "percentiles", ordered), {"metrics": _metrics(tables)}).fetchall()
