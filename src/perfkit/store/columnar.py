"""Samples by column, in Parquet next to the database: a cache that lets DuckDB read one metric of a day in milliseconds.

SQLite stays the truth. A segment is a file that holds every sample of one table of one collector in a span of time; it is named in the
table `segments` by the transaction that wrote those samples, and forgotten by one that changes them. What no segment covers is read
from SQLite, so that a lost folder costs time and nothing else. A file's name ends with the CRC-32 of its content: one that is damaged goes.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
import time
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import _duckdb as duckdb
import orjson

from perfkit.catalog import DUCK_TYPES, TABLES, Table
from perfkit.process.findings import MachineFacts
from perfkit.store import rollup, schema

T = TypeVar("T")

_ORPHAN_SECONDS = 3600
_ROWS_AT_ONCE = 200_000
_SAMPLE_TYPES = ["INTEGER", "BIGINT", "DOUBLE"]


@dataclass(frozen=True)
class Segment:
    """A file with every sample of [start, until)."""

    path: Path
    start: int
    until: int


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own that fetches no extension and counts time in UTC."""
    con = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
    con.execute("SET TimeZone = 'UTC'")
    return con


def folder(con: sqlite3.Connection) -> Path:
    """The folder of the segments of the database that `con` has open."""
    (file,) = (row[2] for row in con.execute("PRAGMA database_list") if row[1] == "main")
    return Path(f"{file}.columns")


def segments(con: sqlite3.Connection, collector_id: int, table: Table, start: int, end: int) -> list[Segment]:
    """The segments that reach into [start, end), by time; those whose file is gone or damaged are left out."""
    rows = con.execute(
        """SELECT name, from_timestamp, until FROM segments
        WHERE collector_id = ? AND table_name = ? AND from_timestamp < ? AND until > ? ORDER BY from_timestamp""",
        (collector_id, table.name, end, start),
    )
    found = [Segment(folder(con) / f"{name}.parquet", first, until) for name, first, until in rows]
    return [segment for segment in found if _is_sound(segment.path)]


def _is_sound(path: Path) -> bool:
    """Whether the file is there and is as it was written; one that is not is deleted, and this is said."""
    try:
        known = path.stat()
        if f"{_crc(path, known.st_mtime_ns, known.st_size):08x}" == path.stem.rpartition("-")[2]:
            return True
        path.unlink()
    except OSError:
        return False
    print(f"perfkit: {path} was damaged and is deleted; the database has what it held.", file=sys.stderr)
    return False


@lru_cache(maxsize=10_000)
def _crc(path: Path, mtime_ns: int, size: int) -> int:
    """Of the file as of that time and size: each is read once."""
    with path.open("rb") as file:
        found = 0
        while block := file.read(1 << 20):
            found = zlib.crc32(block, found)
        return found


def forget(con: sqlite3.Connection, collector_id: int, start: int, end: int) -> None:
    """Forget every segment with a sample in [start, end): they are about to change."""
    con.execute("DELETE FROM segments WHERE collector_id = ? AND from_timestamp < ? AND until > ?", (collector_id, end, start))


def write(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, table: Table, machine: int, start: int, until: int
) -> None:
    """Write the segment [start, until) of `machine` from DuckDB's table of the same name, and name it in the open transaction."""
    name = uuid.uuid4().hex
    place = folder(con)
    place.mkdir(mode=0o700, exist_ok=True)
    path = place / f"{name}.new"
    columns = [c.name for c in table.columns]
    values = {"table": table.name, "columns": columns, "machine": machine, "start": start, "until": until, "path": str(path)}
    duck.execute(schema.text("duckdb/write_segment"), values)
    path.chmod(0o600)
    written = path.stat()
    name = f"{name}-{_crc(path, written.st_mtime_ns, written.st_size):08x}"
    path.rename(place / f"{name}.parquet")
    con.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", (name, collector_id, table.name, start, until))


def sweep(con: sqlite3.Connection, older_than: float = _ORPHAN_SECONDS) -> None:
    """Delete files that no segment names: what a killed import or a change left behind. Young ones may belong to an open transaction."""
    known = {f"{name}.parquet" for (name,) in con.execute("SELECT name FROM segments")}
    place = folder(con)
    for path in (*place.glob("*.parquet"), *place.glob("*.new")) if place.is_dir() else ():
        if path.name not in known and path.stat().st_mtime < time.time() - older_than:
            path.unlink(missing_ok=True)


def complete(con: sqlite3.Connection, collector_id: int, end: int, duck: duckdb.DuckDBPyConnection) -> None:
    """Write segments for the samples before `end` that none covers yet, of every table. Call it inside a transaction."""
    for table in TABLES:
        for start, until in uncovered(segments(con, collector_id, table, 0, end), 0, end):
            _make(duck, table, table.name)
            if _stage(con, duck, collector_id, table, table.name, start, until):
                write(con, duck, collector_id, table, collector_id, start, until)


def uncovered(found: list[Segment], start: int, end: int) -> list[tuple[int, int]]:
    """The parts of [start, end) that no segment of `found` covers."""
    gaps = []
    for segment in found:
        if segment.start > start:
            gaps.append((start, segment.start))
        start = max(start, segment.until)
    return [*gaps, (start, end)] if start < end else gaps


def attach(con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, table: Table, start: int, end: int) -> bool:
    """Let DuckDB see each sample of [start, end) as <table.name>: machine (the collector's id), timestamp and the catalog's columns.

    False where it has none of them; where there are files of samples nobody has looked.
    """
    found = segments(con, collector_id, table, start, end)
    duck.execute(f"DROP VIEW IF EXISTS {table.name}")
    loose = f"{table.name}_loose"
    _make(duck, table, loose)
    rows = sum(_stage(con, duck, collector_id, table, loose, *gap) for gap in uncovered(found, start, end))
    if not found:
        duck.execute(f"CREATE VIEW {table.name} AS FROM {loose}")
        return rows > 0
    paths = ", ".join("'" + str(segment.path).replace("'", "''") + "'" for segment in found)
    names = {"table": table.name, "loose": loose, "columns": ", ".join(schema.quoted(c.name for c in table.columns))}
    view = schema.text("duckdb/view").format(**names, machine=collector_id, files=f"read_parquet([{paths}])", start=start, until=end)
    duck.execute(view)
    return True


def stage(con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, start: int, end: int) -> MachineFacts:
    """Let DuckDB see what rules read of the collector in [start, end] ms: the catalog's tables, `samples` and `quality`."""
    start = max(start, rollup.reach(con, collector_id)[0][0])
    for table in TABLES:
        attach(con, duck, collector_id, table, start, end + 1)
    within = (collector_id, start, end)
    duck.execute("CREATE OR REPLACE TABLE samples (machine INTEGER, timestamp BIGINT, lateness_ms DOUBLE)")
    late = "SELECT collector_id, timestamp, lateness_ms FROM samples WHERE collector_id = ? AND timestamp BETWEEN ? AND ?"
    insert(duck, "samples", _SAMPLE_TYPES, con.execute(late, within).fetchall())
    events = con.execute(
        "SELECT kind, subject, missed, to_timestamp FROM quality_events WHERE collector_id = ? AND to_timestamp BETWEEN ? AND ?", within
    ).fetchall()
    duck.execute(schema.text("duckdb/events"), {"machine": collector_id, "rows": orjson.dumps(events).decode()})
    return machine(con, collector_id)


def retried(read: Callable[[], T]) -> T:
    """What `read` gives of segments; read once more where one was replaced between its look-up and its reading."""
    try:
        return read()
    except duckdb.IOException:
        return read()


def machine(con: sqlite3.Connection, collector_id: int) -> MachineFacts:
    """What rules know of the collector's machine."""
    [(cpus, period_ms)] = con.execute("SELECT cpus, period_ms FROM collectors WHERE id = ?", (collector_id,))
    return MachineFacts(collector_id, cpus, period_ms)


def _make(duck: duckdb.DuckDBPyConnection, table: Table, name: str) -> None:
    duck.execute(f"CREATE OR REPLACE TABLE {name} ({table.duck_columns})")


def _stage(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, table: Table, name: str, start: int, until: int
) -> int:
    """Add samples of [start, until) from SQLite to DuckDB's table `name`; how many. They travel as JSON: the fastest way without numpy."""
    select = schema.render("samples_within", table)
    types = ["INTEGER", "BIGINT", *(DUCK_TYPES[c.type] for c in table.columns)]
    count = 0
    rows: list[tuple[object, ...]] = []  # of many devices together: each insert costs 10 ms, however little it inserts
    for device in rollup.devices(con, table, collector_id):
        cursor = con.execute(select, {"collector_id": collector_id, "device": device, "start": start, "until": until})
        while more := cursor.fetchmany(_ROWS_AT_ONCE):
            rows += more
            if len(rows) >= _ROWS_AT_ONCE:
                insert(duck, name, types, rows)
                count += len(rows)
                rows = []
    insert(duck, name, types, rows)
    return count + len(rows)


def insert(duck: duckdb.DuckDBPyConnection, name: str, types: list[str], rows: list[tuple[object, ...]]) -> None:
    """Add `rows`, whose values are of DuckDB's `types`, to its table `name`."""
    if not rows:
        return
    descriptor, path = tempfile.mkstemp(prefix="perfkit-", suffix=".json")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(rows))
        values = ", ".join(f"(json[{i}]->>'$')::{t}" if t == "VARCHAR" else f"json[{i}]::{t}" for i, t in enumerate(types, 1))
        whole = "DOUBLE[]" if "VARCHAR" not in types else "JSON[]"
        duck.execute(schema.text("duckdb/stage_rows").format(table=name, values=values, type=whole), {"path": path})
    finally:
        Path(path).unlink()
