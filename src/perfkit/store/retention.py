"""Forgetting old samples: by range, with rollups kept longer, and the space given back."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from perfkit.catalog import DENSE, TABLES, Table
from perfkit.store import columnar, rollup, schema
from perfkit.store.database import sentences, transaction

# How many times longer than the samples each rollup is kept; one that is not named is kept for good.
KEPT_LONGER = {"10s": 3, "1m": 12}
_ALIGNED = max(schema.LEVELS.values())
_COLLECTORS = """SELECT id FROM collectors WHERE last_timestamp IS NOT NULL
    AND (NOT :live_only OR EXISTS (SELECT 1 FROM collections WHERE collector_id = collectors.id AND kind = 'live'))"""
_CHUNK_MS = 86_400_000  # deleted in one transaction, so that a live writer never waits long


@dataclass(frozen=True)
class Pruned:
    """What went: samples (rows of all metric tables), rollup rows, and bytes of the file and of its columns."""

    rows: int
    rollup_rows: int
    freed: int


def prune(con: sqlite3.Connection, older_than: float, *, live_only: bool = False, now: float | None = None) -> Pruned:
    """Delete samples older than `older_than` seconds before `now`, after rolling them up, and give the space back.

    Rollups go after a multiple of that time (KEPT_LONGER), those of 10 min never; percentiles, marks and quality stay. With
    `live_only`, collectors that were imported from files alone are left as they are. Each transaction is short.
    """
    path = Path(str(con.execute("PRAGMA database_list").fetchone()[2]))
    moment = time.time() if now is None else now
    with sentences(path):
        before = _size(con, path)
        rows = rolled = 0
        for (collector_id,) in con.execute(_COLLECTORS, {"live_only": live_only}).fetchall():
            limit = int((moment - older_than) * 1000)
            rows += _samples(con, collector_id, limit - limit % _ALIGNED)
            for level, times in KEPT_LONGER.items():
                limit = int((moment - times * older_than) * 1000)
                rolled += _rollups(con, collector_id, level, limit - limit % _ALIGNED)
        _give_back(con)
        return Pruned(rows, rolled, max(0, before - _size(con, path)))


def _samples(con: sqlite3.Connection, collector_id: int, limit: int) -> int:
    row = con.execute("SELECT first_timestamp, last_timestamp FROM collectors WHERE id = ?", (collector_id,)).fetchone()
    start = max(row[0] or 0, rollup.reach(con, collector_id)[0][0])
    end = min(limit, (row[1] or 0) + 1)
    if start >= end:
        return 0
    with transaction(con):
        rollup.close_buckets(con, collector_id, limit)
        con.execute("DELETE FROM segments WHERE collector_id = ? AND until <= ?", (collector_id, limit))
    rows = _delete(con, collector_id, "", 0, start, end)
    columnar.sweep(con, 0)
    return rows


def _rollups(con: sqlite3.Connection, collector_id: int, level: str, limit: int) -> int:
    width = schema.LEVELS[level]
    start, until = rollup.reach(con, collector_id)[width]
    first = con.execute("SELECT first_timestamp FROM collectors WHERE id = ?", (collector_id,)).fetchone()[0] or 0
    start, end = max(start, first - first % width), min(limit, until)
    return _delete(con, collector_id, f"_{level}", width, start, end) if start < end else 0


def _delete(con: sqlite3.Connection, collector_id: int, ending: str, width: int, start: int, end: int) -> int:
    """Delete [start, end) of every table, by days, the oldest first; what is gone is noted with each."""
    rows = 0
    while start < end:
        until = min(end, start - start % _CHUNK_MS + _CHUNK_MS)
        with transaction(con):
            rows += sum(_delete_rows(con, table, ending, collector_id, start, until) for table in (DENSE if ending else TABLES))
            if not ending:
                con.execute("DELETE FROM samples WHERE collector_id = ? AND timestamp >= ? AND timestamp < ?", (collector_id, start, until))
            rollup.set_reach(con, collector_id, width, 0, until)
        start = until
    return rows


def _delete_rows(con: sqlite3.Connection, table: Table, ending: str, collector_id: int, start: int, until: int) -> int:
    sql = schema.render("prune", table, ending.lstrip("_"))
    names = rollup.devices(con, table, collector_id, ending.lstrip("_"))
    values = {"collector_id": collector_id, "start": start, "until": until}
    return sum(con.execute(sql, {**values, "device": name}).rowcount for name in names)


def _give_back(con: sqlite3.Connection) -> None:
    """Free pages to the file system, some at a time; then the log."""
    while con.execute("PRAGMA freelist_count").fetchone()[0]:
        left = con.execute("PRAGMA freelist_count").fetchone()[0]
        con.execute("PRAGMA incremental_vacuum(4000)").fetchall()
        if con.execute("PRAGMA freelist_count").fetchone()[0] >= left:
            break
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _size(con: sqlite3.Connection, path: Path) -> int:
    folder = columnar.folder(con)
    columns = sum(file.stat().st_size for file in folder.glob("*.parquet")) if folder.is_dir() else 0
    return path.stat().st_size + columns
