"""Series of metrics as a chart takes them: one list of times a table, and as long a list for every value."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from perfkit import catalog, store
from perfkit.catalog import GAUGE, RATE, SHARE, TABLES, Column, Table
from perfkit.dashboard.reading import query
from perfkit.errors import BadInput

SCALE = 1000
KINDS = ("avg", "min", "max")  # in the order of store.series


def charted(table: Table) -> Sequence[Column]:
    """The columns of a table that `read` takes: of a sparse one those of the processes or services that used it."""
    if not table.sparse:
        return table.metrics
    return [c for c in table.values if c.kind in (SHARE, RATE, GAUGE)] if table.name in NAMED else ()


def metrics_by_table(names: Sequence[str]) -> dict[str, list[str]]:
    """`["host.cpu_user", "disk.await_ms"]` as {table: [columns]}; BadInput for a name that the catalog does not have."""
    known = {table.name: [column.name for column in charted(table)] for table in TABLES}
    found: dict[str, list[str]] = {}
    for name in names:
        table, _, column = name.partition(".")
        if column not in known.get(table, ()):
            raise BadInput(f"there is no metric {name[:60]!r}; write table.column, as in host.cpu_user.")
        if column not in found.setdefault(table, []):
            found[table].append(column)
    return found


# A sparse table is charted by what it is called here.
NAMED = {"processes": "command", "services": "service"}
MOST_USERS = 10  # the rest is one
OTHERS = "(all others)"


@dataclass(frozen=True)
class Wanted:
    """What of a collector: from `start` to `end` ms, both included, in about `points` points, or in buckets of `bucket_ms`.

    `bands` are the metrics of which smallest and largest are wanted too; None for all. `devices` names the devices wanted of a
    table, all where it is not there; of the others there are still the metrics in `every`.
    """

    collector: int
    start: int
    end: int
    points: int
    bucket_ms: int | None = None
    bands: frozenset[str] | None = None
    devices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    every: frozenset[str] = frozenset()


def read(con: sqlite3.Connection, table: str, columns: Sequence[str], wanted: Wanted) -> dict[str, Any]:
    """{"bucket_ms", "t": [...], "devices": {device: {column: {"avg", "min", "max"}}}}.

    `bucket_ms` 0 says that the values are samples; then there is only "avg". None stands where a device has no value.
    """
    if table in NAMED:
        return _used(con, table, columns, wanted)
    parts = [_part(con, table, names, wanted, device) for names, device in _parts(table, columns, wanted)]
    by_device: dict[str, tuple[Sequence[str], list[tuple[Any, ...]]]] = {}
    for part in parts:
        found: dict[str, list[tuple[Any, ...]]] = {}
        for row in part.rows:
            found.setdefault(row[1] or "", []).append(row)
        by_device |= {device: (part.columns, rows) for device, rows in found.items()}
    times = sorted({row[0] for _, rows in by_device.values() for row in rows})
    bucket = parts[0].bucket_ms

    def kinds(column: str) -> Sequence[str]:
        return KINDS if bucket and (wanted.bands is None or f"{table}.{column}" in wanted.bands) else KINDS[:1]

    return {
        "bucket_ms": bucket,
        "t": times,
        "devices": {device: _values(rows, {c: kinds(c) for c in names}, times) for device, (names, rows) in by_device.items()},
    }


def _used(con: sqlite3.Connection, table: str, columns: Sequence[str], wanted: Wanted) -> dict[str, Any]:
    """As `read`, of what the largest users used on average: the first is the one with most of the first column; nothing is 0.

    A gauge, such as memory, is the sum over the user's processes of what each had on average; None where none was read.
    """
    part = _part(con, "host", ["cpu_busy"], wanted, None)
    width = max(part.bucket_ms, 1)
    counts = {row[0]: row[2] for row in part.rows}
    text = users_sql("users", table, columns)
    names_asked = json.dumps(wanted.devices[table]) if table in wanted.devices else None
    values = {"collector": wanted.collector, "start": wanted.start, "end": wanted.end, "width": width, "names": names_asked}
    gauges = {c.name for c in catalog.table(table).values if c.kind == GAUGE}
    used: dict[str, list[dict[int, float]]] = {}  # of each name, for each column, the sum in each bucket
    for bucket, name, *sums in con.execute(text, values):
        for in_buckets, value in zip(used.setdefault(name, [{} for _ in columns]), sums):
            if value is not None:
                in_buckets[bucket] = value
    times = sorted(counts) if used else []
    names = sorted(used, key=lambda name: -sum(used[name][0].values()))
    if others := [used.pop(name) for name in names[MOST_USERS:]]:
        names = [*names[:MOST_USERS], OTHERS]
        used[OTHERS] = [{at: sum(one[place].get(at, 0) for one in others) for at in times} for place in range(len(columns))]

    def averages(column: str, in_buckets: Mapping[int, float]) -> list[float | None]:
        if column in gauges:
            return _rounded([in_buckets.get(at) for at in times])
        return _rounded([max(in_buckets.get(at, 0) / (counts[at] or 1), 0) for at in times])

    return {
        "bucket_ms": part.bucket_ms,
        "t": times,
        "devices": {name: {column: {"avg": averages(column, found)} for column, found in zip(columns, used[name])} for name in names},
    }


def users_sql(name: str, table: str, columns: Sequence[str]) -> str:
    """queries/<name>.sql over a table of users."""
    known = catalog.table(table)
    chosen = [known[column] for column in columns]
    sums = ", ".join(f"sum({c.name}) AS {c.name}" for c in chosen)
    of_each = ", ".join(f"{'avg' if c.kind == GAUGE else 'sum'}({c.name}) AS {c.name}" for c in chosen)
    return query(name).format(name=NAMED[table], sums=sums, of_each=of_each, key=known.keys[0].name, table=known.database_name)


def _parts(table: str, columns: Sequence[str], wanted: Wanted) -> Iterator[tuple[Sequence[str], str | None]]:
    """Yields (columns, device) pairs, device None for all; later pairs override earlier ones."""
    if table not in wanted.devices:
        yield columns, None
        return
    if shared := [column for column in columns if f"{table}.{column}" in wanted.every]:
        yield shared, None
    for device in wanted.devices[table]:
        yield columns, device


def _part(con: sqlite3.Connection, table: str, columns: Sequence[str], wanted: Wanted, device: str | None) -> store.Series:
    window = (wanted.start, wanted.end + 1, wanted.points)
    return store.series(con, table, wanted.collector, columns, *window, device=device, bucket_ms=wanted.bucket_ms)


def _values(rows: list[tuple[Any, ...]], kinds: Mapping[str, Sequence[str]], times: list[int]) -> dict[str, dict[str, list[Any]]]:
    """The rows turned into lists along `times`: {column: {kind: values}} for the kinds of each column."""
    if len(rows) != len(times):
        at = {row[0]: row for row in rows}
        nothing = (None,) * (3 + len(KINDS) * len(kinds))
        rows = [at.get(time, nothing) for time in times]
    lists = list(zip(*rows))
    return {
        column: {kind: _rounded(lists[3 + len(KINDS) * i + KINDS.index(kind)]) for kind in wanted}
        for i, (column, wanted) in enumerate(kinds.items())
    }


def _rounded(values: Sequence[float | None]) -> list[float | None]:
    """To thousandths, which is what a chart can show; twice as fast as round(v, 3) where tens of thousands are sent."""
    try:
        return [v if v is None else round(v * SCALE) / SCALE for v in values]
    except OverflowError:  # an infinity, which JSON sends as null
        return [v if v is None or not isfinite(v * SCALE) else round(v * SCALE) / SCALE for v in values]


LOAD = (
    "users",
    "throughput",
    "errors",
    "latency_avg_ms",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_max_ms",
)


def read_load(con: sqlite3.Connection, wanted: Wanted) -> dict[str, Any]:
    """As `read`, of what load tools reported: a run is a device, the columns are LOAD."""
    width = wanted.bucket_ms or max(1000, (wanted.end - wanted.start) // wanted.points)
    values = {"collector": wanted.collector, "start": wanted.start, "end": wanted.end, "width": width}
    by_run: dict[str, list[tuple[Any, ...]]] = {}
    for run, bucket, *cells in con.execute(query("load"), values):
        # _values expects avg, min and max of each column; min and max are not asked for.
        by_run.setdefault(run, []).append((bucket, run, 1, *(cell for value in cells for cell in (value, None, None))))
    times = sorted({row[0] for rows in by_run.values() for row in rows})
    return {
        "bucket_ms": width,
        "t": times,
        "devices": {run: _values(rows, dict.fromkeys(LOAD, KINDS[:1]), times) for run, rows in by_run.items()},
    }
