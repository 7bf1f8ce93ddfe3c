"""What pages and API read from the database: one function a question, each on an open read-only connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from perfkit.dashboard.ranges import Window

Row = dict[str, Any]


@cache
def query(name: str) -> str:
    """The SQL of queries/<name>.sql."""
    return resources.files("perfkit.dashboard").joinpath("queries", f"{name}.sql").read_text("utf-8")


def rows(con: sqlite3.Connection, name: str, **parameters: object) -> list[Row]:
    """All rows of the query `name` as dictionaries."""
    cursor = con.execute(query(name), parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def collectors(con: sqlite3.Connection) -> list[Row]:
    """Every collector, the one with the newest data first."""
    return rows(con, "collectors")


def collector(con: sqlite3.Connection, number: int) -> Row | None:
    """The collector `number`, or None."""
    found = rows(con, "collector", collector=number)
    return found[0] if found else None


def marks(con: sqlite3.Connection, number: int) -> list[tuple[int, str, str]]:
    """(timestamp, kind, label) of every mark of the collector, in time order."""
    return [(row["timestamp"], row["kind"], row["label"]) for row in rows(con, "marks", collector=number)]


def quality(con: sqlite3.Connection, number: int, start: int, end: int) -> list[Row]:
    """The collector's quality events that touch the window, in time order; the first 2,000 of them."""
    return rows(con, "quality", collector=number, start=start, end=end)


def percentiles(con: sqlite3.Connection, number: int, window: Window, tables: Sequence[str]) -> list[Row]:
    """One row a metric and device of `tables`: samples, min, avg, max, stddev, p50, p90, p95, p99 in the window."""
    found = rows(con, "percentiles", collector=number, range=window.name)
    return [row for row in found if row["metric"].split(".")[0] in tables]
