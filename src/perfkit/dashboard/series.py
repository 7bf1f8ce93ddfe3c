"""Series of metrics as a chart takes them: one list of times a table, and as long a list for every value."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perfkit import store
from perfkit.catalog import TABLES
from perfkit.errors import BadInput

DIGITS = 3


def metrics_by_table(names: Sequence[str]) -> dict[str, list[str]]:
    """`["host.cpu_user", "disk.await_ms"]` as {table: [columns]}; BadInput for a name that the catalog does not have."""
    known = {table.name: {column.name for column in table.values} for table in TABLES}
    found: dict[str, list[str]] = {}
    for name in names:
        table, _, column = name.partition(".")
        if column not in known.get(table, ()):
            raise BadInput(f"there is no metric {name[:60]!r}; write table.column, as in host.cpu_user.")
        if column not in found.setdefault(table, []):
            found[table].append(column)
    return found


@dataclass(frozen=True)
class Wanted:
    """What of a collector: from `start` to `end` ms, both included, in about `points` points, or in buckets of `bucket_ms`."""

    collector: int
    start: int
    end: int
    points: int
    bucket_ms: int | None = None
    device: str | None = None


def read(con: sqlite3.Connection, table: str, columns: Sequence[str], wanted: Wanted) -> dict[str, Any]:
    """{"bucket_ms", "t": [...], "devices": {device: {column: {"avg", "min", "max"}}}}.

    `bucket_ms` 0 says that the values are samples; then there is only "avg". None stands where a device has no value.
    """
    window = (wanted.start, wanted.end + 1, wanted.points)
    found = store.series(con, table, wanted.collector, columns, *window, device=wanted.device, bucket_ms=wanted.bucket_ms)
    by_device: dict[str, list[tuple[Any, ...]]] = {}
    for row in found.rows:
        by_device.setdefault(row[1] or "", []).append(row)
    times = sorted({row[0] for row in found.rows})
    return {
        "bucket_ms": found.bucket_ms,
        "t": times,
        "devices": {name: _values(rows, columns, times, merged=found.bucket_ms > 0) for name, rows in by_device.items()},
    }


def _values(rows: list[tuple[Any, ...]], columns: Sequence[str], times: list[int], *, merged: bool) -> dict[str, dict[str, list[Any]]]:
    """The rows turned into lists along `times`."""
    if len(rows) != len(times):
        at = {row[0]: row for row in rows}
        nothing = (None,) * (3 + 3 * len(columns))
        rows = [at.get(time, nothing) for time in times]
    lists = list(zip(*rows))
    kinds = ("avg", "min", "max") if merged else ("avg",)
    return {
        column: {kind: [value if value is None else round(value, DIGITS) for value in lists[3 + 3 * i + j]] for j, kind in enumerate(kinds)}
        for i, column in enumerate(columns)
    }
