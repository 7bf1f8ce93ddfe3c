"""Samples by column, in Parquet beside the database: a cache that lets DuckDB read one metric of a day in milliseconds.

SQLite stays the truth. A segment is a file that holds every sample of one table of one collector in a span of time; it is named in the
table `segments` by the transaction that wrote those samples, and forgotten by one that changes them. What no segment covers is read
from SQLite, so that a lost folder costs time and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import duckdb
import orjson

from perfkit.catalog import TABLES, Table
from perfkit.store import rollup, schema

_FOREVER = 1 << 62
_ORPHAN_SECONDS = 3600


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
    """The segments that reach into [start, end), by time; those whose file is gone are left out."""
    sql = schema.text("segments_in.sql")
    rows = con.execute(sql, {"collector_id": collector_id, "table_name": table.name, "start": start, "end": end})
    found = [Segment(folder(con) / f"{name}.parquet", first, until) for name, first, until in rows]
    return [segment for segment in found if segment.path.is_file()]


def forget(con: sqlite3.Connection, collector_id: int, start: int, end: int) -> None:
    """Forget every segment with a sample in [start, end): they are about to change."""
    con.execute("DELETE FROM segments WHERE collector_id = ? AND from_timestamp < ? AND until > ?", (collector_id, end, start))


def write(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, table: Table, source: int, start: int, until: int
) -> None:
    """Write the segment [start, until) from DuckDB's table of the same name, and name it in the open transaction."""
    name = uuid.uuid4().hex
    place = folder(con)
    place.mkdir(mode=0o700, exist_ok=True)
    path = place / f"{name}.parquet"
    values = "".join(f", {name}" for name in schema.quoted(c.name for c in table.columns))
    sql = schema.text("segment_write.sql").format(table=table.name, columns=values, source=source, path=str(path).replace("'", "''"))
    duck.execute(sql, {"start": start, "until": until})
    path.chmod(0o600)
    con.execute("INSERT INTO segments VALUES (?, ?, ?, ?, ?)", (name, collector_id, table.name, start, until))


def sweep(con: sqlite3.Connection, older_than: float = _ORPHAN_SECONDS) -> None:
    """Delete files that no segment names: what a killed import or a change left behind. Young ones may belong to an open transaction."""
    known = {f"{name}.parquet" for (name,) in con.execute("SELECT name FROM segments")}
    place = folder(con)
    for path in place.glob("*.parquet") if place.is_dir() else ():
        if path.name not in known and path.stat().st_mtime < time.time() - older_than:
            path.unlink(missing_ok=True)


def complete(con: sqlite3.Connection, collector_id: int, end: int, duck: duckdb.DuckDBPyConnection) -> None:
    """Write segments for the samples before `end` that none covers yet, of every table. Call it inside a transaction."""
    for table in TABLES:
        for start, until in uncovered(segments(con, collector_id, table, 0, end), 0, end):
            if stage_rows(con, duck, collector_id, table, start, until):
                write(con, duck, collector_id, table, collector_id, start, until)


def uncovered(found: list[Segment], start: int, end: int) -> list[tuple[int, int]]:
    """The parts of [start, end) that no segment of `found` covers."""
    gaps = []
    for segment in found:
        if segment.start > start:
            gaps.append((start, segment.start))
        start = max(start, segment.until)
    return [*gaps, (start, end)] if start < end else gaps


def stage_rows(
    con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, table: Table, start: int, until: int, *, keep: bool = False
) -> int:
    """Read samples of [start, until) from SQLite into DuckDB's table of the same name (emptied first unless `keep`); how many.

    They travel as JSON in a temporary file: the fastest of the ways that need no numpy.
    """
    columns = ", ".join(f'"{c.name}" {schema.DUCK_TYPES[c.type]}' for c in table.columns)
    verb = "CREATE TABLE IF NOT EXISTS" if keep else "CREATE OR REPLACE TABLE"
    duck.execute(schema.text("stage_table.sql").format(verb=verb, table=table.name, columns=columns))
    names = ", ".join(schema.quoted(c.name for c in table.columns))
    device = schema.device_key(table)
    select = schema.text("stage_select.sql").format(
        table=table.database_name, columns=names, device_is=f"{device} = :device AND " if device else ""
    )
    count = 0
    for one in rollup.devices(con, table, collector_id):
        cursor = con.execute(select, {"collector_id": collector_id, "device": one, "start": start, "until": until})
        while rows := cursor.fetchmany(200_000):
            _insert(duck, table, rows)
            count += len(rows)
    return count


def stage(con: sqlite3.Connection, duck: duckdb.DuckDBPyConnection, collector_id: int, table: Table, start: int, end: int) -> None:
    """Make DuckDB's table of the same name with every sample of [start, end): from the segments, and from SQLite what they lack."""
    found = segments(con, collector_id, table, start, end)
    for place, gap in enumerate(uncovered(found, start, end) or [(start, start)]):
        stage_rows(con, duck, collector_id, table, *gap, keep=place > 0)
    if found:
        names = ", ".join(schema.quoted(c.name for c in table.columns))
        sql = schema.text("stage_segments.sql").format(table=table.name, columns=names)
        duck.execute(sql, {"source": collector_id, "files": [str(s.path) for s in found], "start": start, "end": end})


def _insert(duck: duckdb.DuckDBPyConnection, table: Table, rows: list[tuple[object, ...]]) -> None:
    descriptor, name = tempfile.mkstemp(prefix="perfkit-", suffix=".json")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(rows))
        types = ["INTEGER", "BIGINT", *(schema.DUCK_TYPES[c.type] for c in table.columns)]
        values = ", ".join(f"(json[{i}]->>'$')::{t}" if t == "VARCHAR" else f"json[{i}]::{t}" for i, t in enumerate(types, 1))
        whole = "DOUBLE[]" if "VARCHAR" not in types else "JSON[]"
        duck.execute(schema.text("stage_insert.sql").format(table=table.name, values=values, type=whole), {"path": name})
    finally:
        Path(name).unlink()
