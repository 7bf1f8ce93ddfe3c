"""Percentiles of any window, exactly; those of the usual ranges and of the phases are stored."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cache
from typing import Any

import duckdb

from perfkit import catalog
from perfkit.store import columnar, rollup, schema

Row = tuple[Any, ...]  # metric, device, samples, min, avg, max, stddev, p50, p90, p95, p99


def percentiles(con: sqlite3.Connection, collector_id: int, start: int, end: int, tables: Sequence[str] = ("host",)) -> list[Row]:
    """Of every metric of `tables` over the samples in [start, end] ms, both included.

    Rows are (metric as table.column, device or "", samples, min, avg, max, stddev, p50, p90, p95, p99). A metric without a value
    in the window has no row. Percentiles interpolate between neighbours; the standard deviation is the sample's.
    """
    if stored := _stored(con, collector_id, start, end, tables):
        return stored
    with closing(columnar.connect()) as duck:
        try:
            return _of_tables(con, duck, collector_id, tables, start, end)
        except duckdb.IOException:  # a segment was replaced between its look-up and its reading
            return _of_tables(con, duck, collector_id, tables, start, end)


def _of_tables(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, tables: Sequence[str], start: int, end: int
) -> list[Row]:
    return [row for name in tables for row in _compute(con, duck, collector_id, catalog.table(name), start, end)]


def store(con: sqlite3.Connection, collector_id: int, rows: Iterable[tuple[str, int, int, Row]]) -> None:
    """Keep `rows` of (range, from, to, Row) as the collector's percentiles."""
    sql = schema.text("percentile_insert.sql")
    con.executemany(sql, ((collector_id, name, row[0], row[1], start, end, *row[2:]) for name, start, end, row in rows))


def refresh(con: sqlite3.Connection, collector_id: int) -> None:
    """Compute the collector's stored percentiles again: the five ranges back from its last sample, and its phases."""
    con.execute("DELETE FROM percentiles WHERE collector_id = ?", (collector_id,))
    known: dict[tuple[int, int], list[Row]] = {}
    for name, start, end in windows_of(con, collector_id):
        if (start, end) not in known:
            known[start, end] = percentiles(con, collector_id, start, end, [t.name for t in catalog.TABLES])
        store(con, collector_id, [(name, start, end, row) for row in known[start, end]])


def windows_of(con: sqlite3.Connection, collector_id: int) -> list[tuple[str, int, int]]:
    """The named windows of a collector: (name, from, to) of the five ranges and of each phase between its marks."""
    row = con.execute("SELECT first_timestamp, last_timestamp FROM collectors WHERE id = ?", (collector_id,)).fetchone()
    if row is None or row[1] is None:
        return []
    marks = con.execute("SELECT timestamp, kind, label FROM marks WHERE collector_id = ? ORDER BY timestamp", (collector_id,)).fetchall()
    return [(name, start, end) for name, (start, end) in named_windows(row[0], row[1], marks).items()]


def named_windows(first: int, last: int, marks: Iterable[tuple[int, str, str]]) -> dict[str, tuple[int, int]]:
    """(from, to) of each range, counted back from the last sample, and of each phase.

    A phase lasts from its start mark to the next end mark of its label, or to the last sample; a label used again is numbered.
    """
    found = {name: (first if span is None else max(first, last - int(span * 1000) + 1), last) for name, span in catalog.RANGES.items()}
    known = sorted(marks)
    seen: Counter[str] = Counter()
    for at, kind, label in known:
        if kind == "start":
            seen[label] += 1
            ends = (end for end, what, whose in known if what == "end" and whose == label and end >= at)
            found[f"phase:{label}" + (f" ({seen[label]})" if seen[label] > 1 else "")] = (at, next(ends, last))
    return found


def _stored(con: sqlite3.Connection, collector_id: int, start: int, end: int, tables: Sequence[str]) -> list[Row]:
    """What is stored for exactly this window, by table, device and column as `_compute` has it."""
    columns = [f"{name}.{column.name}" for name in tables for column in schema.metrics(catalog.table(name))]
    place = {metric: (tables.index(metric.partition(".")[0]), number) for number, metric in enumerate(columns)}
    found = con.execute(schema.text("percentile_stored.sql"), {"collector_id": collector_id, "start": start, "end": end})
    known = {row[:2]: row for row in found if row[0] in place}
    return sorted(known.values(), key=lambda row: (place[row[0]][0], row[1], place[row[0]][1]))


def _compute(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, table: catalog.Table, start: int, end: int
) -> list[Row]:
    start = max(start, rollup.reach(con, collector_id)[0][0])
    found = columnar.segments(con, collector_id, table, start, end + 1)
    rest = columnar.uncovered(found, start, end + 1)
    loose = sum([columnar.stage_rows(con, duck, collector_id, table, *gap, keep=i > 0) for i, gap in enumerate(rest)])
    values: dict[str, Any] = {"start": start, "end": end}
    sources = []
    if found:
        values["files"] = [str(segment.path) for segment in found]
        sources.append("read_parquet($files)")
    if loose or not found:
        sources.append(table.name)
    wide = duck.execute(_sql(table.name, tuple(sources)), values).fetchall()
    return [row for device, *cells in wide for row in rows(table, device or "", cells)]


def rows(table: catalog.Table, device: str, cells: Sequence[Any]) -> Iterable[Row]:
    """One row a metric from one row a device: six cells a metric, the last of them the list of percentiles."""
    for place, column in enumerate(schema.metrics(table)):
        samples, low, mean, high, spread, cuts = cells[6 * place : 6 * place + 6]
        if samples:
            yield (f"{table.name}.{column.name}", device, samples, low, mean, high, spread, *cuts)


@cache
def _sql(name: str, sources: tuple[str, ...]) -> str:
    table = catalog.table(name)
    device = schema.device_key(table) or "NULL"
    columns = ", ".join(schema.quoted(c.name for c in schema.metrics(table)))
    part = schema.text("window_part.sql")
    parts = "    UNION ALL\n".join(part.format(device=device, columns=columns, source=source) for source in sources)
    measures = schema.text("window_measures.sql")
    return schema.text("window.sql").format(
        parts=parts, measures=",".join(measures.format(column=f'"{c.name}"') for c in schema.metrics(table))
    )
