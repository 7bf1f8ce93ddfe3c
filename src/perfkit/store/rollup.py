"""Rollups: min, avg and max of every metric in buckets of 10 s, 1 min and 10 min, so that no chart reads a week of samples.

A bucket is written once it is closed: when a sample behind its end has arrived. `levels.until` says up to where that holds;
readers take what is newer from the samples.
"""

from __future__ import annotations

import sqlite3

from perfkit.catalog import DENSE, Table
from perfkit.store import schema


def devices(con: sqlite3.Connection, table: Table, collector_id: int, level: str = "") -> list[str | None]:
    """The devices of `table` that the collector has rows of, sorted; [None] where a sample is one row."""
    if table.device is None:
        return [None]
    return [value for (value,) in con.execute(schema.render("devices", table, level), {"collector_id": collector_id})]


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
    for table in DENSE:
        for device in devices(con, table, collector_id):
            con.execute(schema.render("rollup", table, level), {**values, "device": device})
    set_reach(con, collector_id, schema.LEVELS[level], until)


def set_reach(con: sqlite3.Connection, collector_id: int, width: int, until: int, start: int = 0) -> None:
    """Remember that the level's buckets are there until `until`, and that those before `start` were pruned; neither goes back."""
    con.execute(
        """INSERT INTO levels (collector_id, width_ms, from_timestamp, until) VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET until = max(until, excluded.until), from_timestamp = max(from_timestamp, excluded.from_timestamp)""",
        (collector_id, width, start, until),
    )


def reach(con: sqlite3.Connection, collector_id: int) -> dict[int, tuple[int, int]]:
    """From where and until when each level's buckets are there, by width; 0 is the samples themselves."""
    found = dict.fromkeys((0, *schema.LEVELS.values()), (0, 0))
    rows = con.execute("SELECT width_ms, from_timestamp, until FROM levels WHERE collector_id = ?", (collector_id,))
    found.update({width: (start, until) for width, start, until in rows})
    return found
