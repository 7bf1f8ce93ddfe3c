"""Rows from DuckDB into the database, by batches: samples as they are, and rollups that DuckDB computed from them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

import duckdb

from perfkit.catalog import Table
from perfkit.store import rollup, schema
from perfkit.store.database import insert_sql

Progress = Callable[[int], None]  # called with the number of rows just handled
_BATCH = 10_000


def copy_samples(
    duck: duckdb.DuckDBPyConnection, con: sqlite3.Connection, table: Table, source: int, collector_id: int, progress: Progress
) -> int:
    """Insert the samples of `source`; how many were new. One that is there already stays as it is."""
    keys = "".join(f"{c.name}, " for c in table.keys)
    values = ", ".join(schema.quoted(c.name for c in table.values))
    select = schema.text("copy_samples.sql").format(table=table.name, keys=keys, values=values)
    return _pour(duck, con, select, {"source": source, "collector_id": collector_id}, insert_sql(table), progress)


def copy_rollups(
    duck: duckdb.DuckDBPyConnection, con: sqlite3.Connection, table: Table, source: int, collector_id: int, level: str, until: int
) -> None:
    """Insert the buckets of `level` that end at or before `until`, of samples that the database had no neighbours of."""
    select = schema.text("copy_rollups.sql").format(
        table=table.name,
        keys="".join(f"{c.name}, " for c in table.keys),
        aggregates=", ".join(f'{a}("{c.name}")' for c in schema.metrics(table) for a in schema.AGGREGATES),
    )
    values = {"source": source, "collector_id": collector_id, "width": schema.LEVELS[level], "until": until}
    _pour(duck, con, select, values, rollup.insert_sql(table, level), lambda rows: None)


def _pour(
    duck: duckdb.DuckDBPyConnection, con: sqlite3.Connection, select: str, values: Mapping[str, object], insert: str, progress: Progress
) -> int:
    new = 0
    cursor = duck.execute(select, values)
    while rows := cursor.fetchmany(_BATCH):
        new += con.executemany(insert, rows).rowcount
        progress(len(rows))
    return new
