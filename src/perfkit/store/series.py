"""A metric over time at the resolution of a chart: samples where they are few, else the rollup that fits."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from perfkit import catalog
from perfkit.store import rollup, schema

_SECOND = 1000
# Bucket widths that read well on an axis; each is a multiple of the rollup that serves it.
WIDTHS = tuple(_SECOND * s for s in (10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800))


@dataclass(frozen=True)
class Series:
    """`rows` are (bucket start in ms, device, samples, then avg, min, max of each of `columns`), by device and time.

    `bucket_ms` is 0 where the rows are samples: then samples is 1 and avg, min and max are the value.
    """

    columns: tuple[str, ...]
    bucket_ms: int
    rows: list[tuple[Any, ...]]


def series(
    con: sqlite3.Connection,
    table: str,
    collector_id: int,
    columns: Sequence[str],
    start: int,
    end: int,
    points: int = 700,
    *,
    device: str | None = None,
    bucket_ms: int | None = None,
) -> Series:
    """`columns` of the catalog table `table` in [start, end) ms, in at most about 2 x `points` buckets per device.

    The span widens to whole buckets. Smallest and largest values survive any width. Buckets lie on the epoch's grid: a later call with
    the same `bucket_ms` continues this one. One `device`, or all of them. Raises KeyError for a table or column not in the catalog.
    """
    known = catalog.table(table)
    names = tuple(known[c].name if c in {v.name for v in known.metrics} else _unknown(c) for c in columns)
    bucket = _width(con, collector_id, start, end, points) if bucket_ms is None else bucket_ms
    level = _level(bucket)
    values: dict[str, Any] = {"collector_id": collector_id, "start": start, "end": end}
    if bucket:
        until = rollup.reach(con, collector_id)[schema.LEVELS[level]][1]
        values |= {"start": start - start % bucket, "end": end + -end % bucket, "bucket": bucket, "until": until}
    found = []
    for one in [device] if device is not None else _devices(con, known, collector_id, level):
        rows = con.execute(_sql(known.name, level, names), {**values, "device": one})
        found += [(row[0], one, *row[1:]) for row in rows]
    return Series(names, bucket, found)


def _unknown(column: str) -> str:
    raise KeyError(column)


def _devices(con: sqlite3.Connection, table: catalog.Table, collector_id: int, level: str) -> list[str | None]:
    found = set(rollup.devices(con, table, collector_id))
    if level:
        found |= set(rollup.devices(con, table, collector_id, level))
    return sorted(found, key=lambda name: (name != "all", len(name or ""), name or ""))


def _width(con: sqlite3.Connection, collector_id: int, start: int, end: int, points: int) -> int:
    """0 for samples, else the narrowest bucket that keeps to `points` and whose level was not pruned."""
    row = con.execute("SELECT period_ms FROM collectors WHERE id = ?", (collector_id,)).fetchone()
    period = (row and row[0]) or _SECOND
    kept = rollup.reach(con, collector_id)
    fitting = [width for width in (0, *WIDTHS) if (end - start) / (width or period) <= 2 * points] or [WIDTHS[-1]]
    whole = [width for width in fitting if kept[schema.LEVELS[_level(width)] if width else 0][0] <= start]
    return whole[0] if whole else max(fitting[0], *schema.LEVELS.values())


def _level(bucket: int) -> str:
    """The coarsest level whose buckets fill `bucket` exactly; "" for samples."""
    if bucket == 0:
        return ""
    return max((w, name) for name, w in schema.LEVELS.items() if bucket % w == 0)[1]


@cache
def _sql(name: str, level: str, columns: tuple[str, ...]) -> str:
    table = catalog.table(name)
    device = table.device
    return schema.text("sqlite/series" if level else "sqlite/series_raw").format(
        table=table.database_name,
        level=level,
        device_is=f"{device} = :device AND " if device else "",
        sampled=", ".join(f'"{c}", "{c}", "{c}"' for c in columns),
        rolled=", ".join(f"{c}_avg, {c}_min, {c}_max" for c in columns),
        merged=", ".join(_merged(c) for c in columns),
    )


def _merged(column: str) -> str:
    weights = f"sum(CASE WHEN {column}_avg IS NOT NULL THEN samples END)"
    return f"sum({column}_avg * samples) / {weights}, min({column}_min), max({column}_max)"
