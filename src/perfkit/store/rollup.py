"""Rollups: min, avg and max of every metric in buckets of 10 s, 1 min and 10 min, so that no chart reads a week of samples.

A bucket is written once it is closed: when a sample behind its end has arrived. `levels.until` says up to where that holds;
readers take what is newer from the samples.
"""

from __future__ import annotations

import sqlite3
from functools import cache

from perfkit.catalog import TABLES, Table
from perfkit.store import schema


def devices(con: sqlite3.Connection, table: Table, collector_id: int, level: str = "") -> list[str | None]:
    """The devices of `table` that the collector has rows of, sorted; [None] where a sample is one row."""
    device = schema.device_key(table)
    if device is None:
        return [None]
    name = f"{table.database_name}_{level}" if level else table.database_name
    sql = schema.text("devices.sql").format(device=device, table=name)
    return [value for (value,) in con.execute(sql, {"collector_id": collector_id})]


def close_buckets(con: sqlite3.Connection, collector_id: int, upto: int) -> None:
    """Roll up every bucket that ends at or before `upto` and is not rolled up yet."""
    for level, width in schema.LEVELS.items():
        done = reach(con, collector_id)[width][1]
        until = upto - upto % width
        if until > done:
            fill(con, collector_id, level, done, until)


def refresh(con: sqlite3.Connection, collector_id: int, start: int, end: int) -> None:
    """Compute again the closed buckets that samples in [start, end] fall in: what a merge into older data needs."""
    for level, width in schema.LEVELS.items():
        until = min(reach(con, collector_id)[width][1], end - end % width + width)
        if start < until:
            fill(con, collector_id, level, start - start % width, until)


def fill(con: sqlite3.Connection, collector_id: int, level: str, start: int, until: int) -> None:
    """Write the buckets of `level` in [start, until), and remember that they are there."""
    values = {"collector_id": collector_id, "width": schema.LEVELS[level], "start": start, "until": until}
    for table in TABLES:
        for device in devices(con, table, collector_id):
            con.execute(_fill_sql(table.name, level), {**values, "device": device})
    set_reach(con, collector_id, values["width"], until)


def set_reach(con: sqlite3.Connection, collector_id: int, width: int, until: int, start: int = 0) -> None:
    """Remember that the level's buckets are there until `until`, and that those before `start` were pruned; neither goes back."""
    con.execute(schema.text("reach.sql"), {"collector_id": collector_id, "width": width, "from": start, "until": until})


def reach(con: sqlite3.Connection, collector_id: int) -> dict[int, tuple[int, int]]:
    """From where and until when each level's buckets are there, by width; 0 is the samples themselves."""
    found = dict.fromkeys((0, *schema.LEVELS.values()), (0, 0))
    rows = con.execute("SELECT width_ms, from_timestamp, until FROM levels WHERE collector_id = ?", (collector_id,))
    found.update({width: (start, until) for width, start, until in rows})
    return found


def insert_sql(table: Table, level: str) -> str:
    """One bucket into the rollup table of `level`: collector, keys, bucket, samples, then min, avg, max of each value."""
    places = ", ".join("?" * (3 + len(table.keys) + len(columns(table))))
    names = ", ".join(["collector_id", *(c.name for c in table.keys), "timestamp, samples", *columns(table)])
    return f"INSERT OR REPLACE INTO {table.database_name}_{level} ({names}) VALUES ({places})"


def columns(table: Table) -> list[str]:
    """The value columns of the table's rollups, in order."""
    return [f"{c.name}_{a}" for c in schema.metrics(table) for a in schema.AGGREGATES]


@cache
def _fill_sql(name: str, level: str) -> str:
    table = next(t for t in TABLES if t.name == name)
    device = schema.device_key(table)
    names = columns(table)
    return schema.text("rollup.sql").format(
        table=table.database_name,
        level=level,
        keys="".join(f"{c.name}, " for c in table.keys),
        device_is=f"{device} = :device AND " if device else "",
        columns=", ".join(names),
        excluded=", ".join(f"excluded.{c}" for c in names),
        aggregates=", ".join(f'{a}("{c.name}")' for c in schema.metrics(table) for a in schema.AGGREGATES),
    )
