"""Findings of runs and phases: stored when an import is done, made where they are asked for and not stored yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing

import _duckdb as duckdb
import orjson

from perfkit.catalog import TABLES
from perfkit.process.findings import Finding, Judged, Span, SqlPlace, judge
from perfkit.store import columnar, comparable, percentiles, schema
from perfkit.store.percentiles import NamedWindow


def of_window(con: sqlite3.Connection, collector_id: int, window: NamedWindow) -> Judged:
    """What was found in a run or phase: as it is stored, else found now."""
    return stored(con, collector_id, window) or _judge(con, collector_id, [window])[window.name]


def stored(con: sqlite3.Connection, collector_id: int, window: NamedWindow) -> Judged | None:
    """What was found in a run or phase, None where nobody has looked yet."""
    levels = con.execute(
        "SELECT levels FROM judged WHERE collector_id = ? AND range = ? AND from_timestamp = ? AND to_timestamp = ?",
        (collector_id, *window),
    ).fetchone()
    if levels is None:
        return None
    find = schema.select(_columns(), "findings", "WHERE collector_id = ? AND range = ? ORDER BY place")
    rows = con.execute(find, (collector_id, window.name))
    return Judged(tuple(Finding(*row) for row in rows), orjson.loads(levels[0]))


def refresh(
    con: sqlite3.Connection,
    collector_id: int,
    changed: tuple[int, int] | None = None,
    only: Callable[[NamedWindow], bool] = lambda window: True,
) -> None:
    """Bring what is stored up to date after samples in `changed` (ms, both included) came or went, as percentiles.refresh does."""
    named = {window.name: window for window in percentiles.windows(con, collector_id) if ":" in window.name}
    kept = set()
    for name, start, end in con.execute(
        "SELECT range, from_timestamp, to_timestamp FROM judged WHERE collector_id = ?", (collector_id,)
    ).fetchall():
        if named.get(name) == (name, start, end) and (changed is None or end < changed[0] or start > changed[1]):
            kept.add(name)
            continue
        for table in ("judged", "findings", "estimates"):
            con.execute(schema.delete(table, "collector_id = ? AND range = ?"), (collector_id, name))
    if changed:
        con.execute(
            "DELETE FROM capacities WHERE collector_id = ? AND from_timestamp <= ? AND to_timestamp >= ?",
            (collector_id, changed[1], changed[0]),
        )
    missing = [window for name, window in named.items() if name not in kept and only(window)]
    names = ("collector_id", "range", "place", *_columns())
    insert = schema.insert("findings", names)
    if not missing:
        return
    with closing(columnar.connect()) as duck:
        for name, judged in _judged(con, duck, collector_id, missing).items():
            con.execute(
                "INSERT INTO judged (collector_id, range, from_timestamp, to_timestamp, levels) VALUES (?, ?, ?, ?, ?)",
                (collector_id, *named[name], orjson.dumps(judged.levels).decode()),
            )
            con.executemany(insert, ((collector_id, name, place, *finding) for place, finding in enumerate(judged.findings)))
        comparable.keep(con, duck, columnar.machine(con, collector_id), [window.name for window in missing])


def _columns() -> tuple[str, ...]:
    """The columns of the table in the order of Finding."""
    return tuple("resource" if name == "limit" else name for name in Finding._fields)


def _judge(con: sqlite3.Connection, collector_id: int, windows: Sequence[NamedWindow]) -> dict[str, Judged]:
    if not windows:
        return {}
    with closing(columnar.connect()) as duck:
        return columnar.retried(lambda: _judged(con, duck, collector_id, windows))


def _judged(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, windows: Sequence[NamedWindow]
) -> dict[str, Judged]:
    start, end = min(window.start for window in windows), max(window.end for window in windows)
    machine = columnar.stage(con, duck, collector_id, start, end)
    return judge(duck, machine, [Span(*window) for window in windows], _place(collector_id))


def _place(collector_id: int) -> SqlPlace:
    """The database, as its SQL page sees it."""
    names = {table.name: table.database_name for table in TABLES}
    events = "(SELECT collector_id, to_timestamp AS timestamp, kind, subject, missed FROM quality_events)"
    return SqlPlace({**names, "samples": "samples", "events": events}, f"collector_id = {collector_id} AND ", "collector_id, timestamp")
