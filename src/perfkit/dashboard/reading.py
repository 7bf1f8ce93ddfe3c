"""What pages and API read from the database: one function a question, each on an open read-only connection."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from perfkit.catalog import Table, table
from perfkit.dashboard.ranges import Window
from perfkit.store.rollup import devices
from perfkit.store.windows import percentiles as compute

PERCENTILES = ("metric", "device", "samples", "min", "avg", "max", "stddev", "p50", "p90", "p95", "p99")

# The device that stands for all others of its table, and how many of a table are shown before any is asked for.
WHOLE = "all"
SHOWN_AT_FIRST = 2

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


def recorded(con: sqlite3.Connection, number: int) -> Row:
    """The collector's samples, expected samples, gaps, longest gap in ms, other events, and whether it has containers."""
    return rows(con, "recorded", collector=number)[0]


def version(con: sqlite3.Connection, number: int) -> str:
    """Something that changes with every sample, mark and event of the collector, "" where there is none."""
    found = rows(con, "version", collector=number)
    return found[0]["version"] if found else ""


def container_names(con: sqlite3.Connection, number: int) -> dict[str, str]:
    """The name of each container of the collector, by id."""
    return {row["container_id"]: row["container_name"] for row in rows(con, "container_names", collector=number)}


def devices_to_show(con: sqlite3.Connection, number: int, asked: dict[str, list[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """All devices of each table of `asked`, and of these the ones to show.

    They are those asked for; else the one that stands for all; else the first that the host's totals count.
    """
    known = {name: sorted((str(device) for device in devices(con, table(name), number)), key=_by_number) for name in asked}
    return known, {name: _chosen(con, number, name, known[name], wanted) for name, wanted in asked.items()}


def _chosen(con: sqlite3.Connection, number: int, name: str, known: list[str], wanted: list[str]) -> list[str]:
    if shown := [device for device in known if device in wanted]:
        return shown
    if WHOLE in known:
        return [WHOLE]
    return ([device for device in known if _counted(con, number, table(name), device)] or known)[:SHOWN_AT_FIRST]


def _by_number(device: str) -> tuple[bool, list[tuple[int, str]]]:
    """What stands for all devices first, then sda before sdb and 9 before 10."""
    return device != WHOLE, [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", device)]


def _counted(con: sqlite3.Connection, number: int, of: Table, device: str) -> bool:
    """Whether the host's total counts the device of the table disk or network."""
    sql = query("counted").format(table=of.database_name, device=of.keys[0].name)
    row = con.execute(sql, {"collector": number, "device": device}).fetchone()
    return bool(row and row[0])


def percentiles(con: sqlite3.Connection, number: int, window: Window, tables: Sequence[str]) -> list[Row]:
    """One row a metric and device of `tables`: samples, min, avg, max, stddev, p50, p90, p95, p99 in the window.

    With the table host comes host.cpu_busy, which the overview's first tile shows; it has no p50, p90, p99 and stddev.
    """
    found = [dict(zip(PERCENTILES, row)) for row in compute(con, number, window.start, window.end, tables)]
    if "host" in tables:
        found += rows(con, "busy", collector=number, start=window.start, end=window.end)
    return found


def worst_minutes(con: sqlite3.Connection, number: int, window: Window) -> list[Row]:
    """(tile, minute, value) of the minute with the highest mean, for cpu, memory, disk and network."""
    return rows(con, "worst_minutes", collector=number, start=window.start, end=window.end)


def list_of_collectors(con: sqlite3.Connection) -> list[Row]:
    """`collectors`, each with `spark` (the last hour's CPU, % busy a minute, None where none) and `latest` values."""
    sparks: dict[int, dict[int, float]] = {}
    for row in rows(con, "sparklines"):
        sparks.setdefault(row["id"], {})[row["minute"]] = row["busy"]
    latest = {row["id"]: row for row in rows(con, "latest")}
    return [{**row, "spark": _minutes(sparks.get(row["id"], {})), "latest": latest.get(row["id"])} for row in collectors(con)]


def _minutes(busy: dict[int, float]) -> list[float | None]:
    return [busy.get(minute) for minute in range(min(busy), max(busy) + 1, 60_000)] if busy else []
