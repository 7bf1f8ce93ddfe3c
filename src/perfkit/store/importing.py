"""Importing: one machine's samples, rollups, percentiles, marks and quality into the database, in one transaction per input."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfkit import catalog
from perfkit.catalog import HOST, Table
from perfkit.errors import BadInput
from perfkit.store import columnar, facts, rollup, schema, windows
from perfkit.store.copying import copy_rollups, copy_samples
from perfkit.store.database import open_database, sentences, transaction
from perfkit.store.inputs import stage
from perfkit.store.staged import Staged

DEFAULT_SITE = catalog.DEFAULT_SITE


@dataclass(frozen=True)
class Imported:
    """What came in: `samples` recorded, `new_samples` new in host_metrics, `rows` of all tables; instants are ms since the epoch."""

    origin: str
    collector_id: int
    machinename: str
    sitename: str
    samples: int
    new_samples: int
    rows: int
    new_rows: int
    first: int | None
    last: int | None
    coverage: float | None
    already: bool  # the same input was imported before


def import_input(
    db: Path,
    path: Path,
    *,
    collector_name: str | None = None,
    site_name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Import `path` (a collection, a processed folder or a lone host.csv) into the database `db`, all of it or nothing.

    The collector is (`collector_name` or the host's own name, `site_name` or "default"). Samples merge by collector and timestamp:
    one that is there already stays. `progress` gets rows done and rows in all. Raises BadInput and Failed; the database is then as before.
    """
    staged = stage(path)
    name = collector_name or staged.hostname
    if not name:
        raise BadInput(f"{path} does not say which machine it is of; name it with --collector-name.")
    try:
        con = open_database(db)
        try:
            with sentences(db):
                with transaction(con):
                    found = _import(con, staged, name, site_name or DEFAULT_SITE, progress or (lambda done, total: None))
                columnar.sweep(con)
            return found
        finally:
            con.close()
    finally:
        staged.con.close()


def _import(con: sqlite3.Connection, staged: Staged, name: str, site: str, progress: Callable[[int, int], None]) -> Imported:
    collector_id = find_or_add(con, name, site)
    known = con.execute("SELECT 1 FROM collections WHERE collector_id = ? AND digest = ?", (collector_id, staged.digest)).fetchone()
    counts = {table: count(staged, table.name) for table in staged.tables}
    first, last = facts.span(staged)
    new = dict.fromkeys(staged.tables, 0)
    if not known and first is not None and last is not None:
        alone = not _has_samples(con, collector_id, 0, 1 << 62)
        new = _copy(con, staged, collector_id, first, last, _counting(progress, sum(counts.values())))
        _describe(con, staged, collector_id, first, last, new.get(HOST, 0))
        _percentiles(con, staged, collector_id, alone)
    return summary(staged, collector_id, name, site, counts, new, (first, last), already=known is not None)


def summary(
    staged: Staged,
    collector_id: int,
    name: str,
    site: str,
    counts: Mapping[Table, int],
    new: Mapping[Table, int],
    span: tuple[int | None, int | None],
    *,
    already: bool,
) -> Imported:
    """What came in, from the rows of each table and those of them that were new."""
    return Imported(
        origin=str(staged.origin),
        collector_id=collector_id,
        machinename=name,
        sitename=site,
        samples=_recorded(staged),
        new_samples=new.get(HOST, 0),
        rows=sum(counts.values()),
        new_rows=sum(new.values()),
        first=span[0],
        last=span[1],
        coverage=staged.coverage,
        already=already,
    )


def find_or_add(con: sqlite3.Connection, name: str, site: str) -> int:
    """The id of the collector `name` at `site`."""
    con.execute("INSERT OR IGNORE INTO collectors (machinename, sitename) VALUES (?, ?)", (name, site))
    row = con.execute("SELECT id FROM collectors WHERE machinename = ? AND sitename = ?", (name, site)).fetchone()
    return int(row[0])


def _copy(
    con: sqlite3.Connection, staged: Staged, collector_id: int, first: int, last: int, progress: Callable[[int], None]
) -> dict[Any, int]:
    widest = max(schema.LEVELS.values())
    merging = _has_samples(con, collector_id, first - widest, last + widest)
    new = {table: copy_samples(staged.con, con, table, staged.source, collector_id, progress) for table in staged.tables}
    if merging and any(new.values()):
        columnar.forget(con, collector_id, first, last + 1)
        rollup.refresh(con, collector_id, first, last)
        rollup.close_buckets(con, collector_id, last)
        with closing(columnar.connect()) as duck:
            columnar.complete(con, collector_id, last + 1, duck)
    elif not merging:
        _roll_up(con, staged, collector_id, first, last)
        for table in staged.tables:
            columnar.write(con, staged.con, collector_id, table, staged.source, first, last + 1)
    return new


def _roll_up(con: sqlite3.Connection, staged: Staged, collector_id: int, first: int, last: int) -> None:
    """Rollups of samples that have no neighbours: DuckDB computes them, after the buckets that stood open before were closed."""
    for level, width in schema.LEVELS.items():
        done = rollup.reach(con, collector_id)[width][1]
        if done < first - first % width:
            rollup.fill(con, collector_id, level, done, first - first % width)
        until = max(done, last - last % width)
        for table in staged.tables:
            copy_rollups(staged.con, con, table, staged.source, collector_id, level, until)
        rollup.set_reach(con, collector_id, width, until)


def _describe(con: sqlite3.Connection, staged: Staged, collector_id: int, first: int, last: int, new_samples: int) -> None:
    con.execute(schema.text("collection_insert.sql"), collection_values(staged, collector_id, first, last))
    newest = con.execute("SELECT coalesce(last_timestamp, 0) <= ? FROM collectors WHERE id = ?", (last, collector_id)).fetchone()[0]
    if newest:
        known = {**staged.machine, "period_ms": staged.period_ms}
        for column, value in known.items():
            if value is not None:
                con.execute(f"UPDATE collectors SET {column} = ? WHERE id = ?", (value, collector_id))
    con.execute(schema.text("collector_grow.sql"), {"id": collector_id, "first": first, "last": last, "new": new_samples})
    con.executemany("INSERT OR IGNORE INTO marks VALUES (?, ?, ?, ?)", ((collector_id, *row) for row in staged.marks))
    con.executemany("INSERT OR IGNORE INTO quality_events VALUES (?, ?, ?, ?, ?, ?, ?)", ((collector_id, *row) for row in staged.events))


def collection_values(staged: Staged, collector_id: int, first: int, last: int) -> dict[str, Any]:
    """The parameters of collection_insert.sql."""
    return {
        "collector_id": collector_id,
        "digest": staged.digest,
        "source": str(staged.origin),
        "kind": staged.kind,
        "imported_at": int(time.time() * 1000),
        "first": first,
        "last": last,
        "samples": _recorded(staged),
        "expected": staged.expected,
        "coverage": staged.coverage,
    }


def _recorded(staged: Staged) -> int:
    return count(staged, HOST.name) if staged.samples is None else staged.samples


def _percentiles(con: sqlite3.Connection, staged: Staged, collector_id: int, alone: bool) -> None:
    """Those of the collection where it is all the collector has, else computed again over everything."""
    if alone and staged.percentiles:
        con.execute("DELETE FROM percentiles WHERE collector_id = ?", (collector_id,))
        windows.store(con, collector_id, staged.percentiles)
    else:
        windows.refresh(con, collector_id)


def _has_samples(con: sqlite3.Connection, collector_id: int, start: int, end: int) -> bool:
    sql = "SELECT EXISTS (SELECT 1 FROM host_metrics WHERE collector_id = ? AND timestamp BETWEEN ? AND ?)"
    return bool(con.execute(sql, (collector_id, start, end)).fetchone()[0])


def count(staged: Staged, name: str) -> int:
    """Rows of one table of the input."""
    row = staged.con.execute(schema.text("count.sql").format(table=name), [staged.source]).fetchone()
    return int(row[0]) if row else 0


def _counting(progress: Callable[[int, int], None], total: int) -> Callable[[int], None]:
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        progress(done, total)

    return count
