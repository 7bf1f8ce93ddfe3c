"""The database's tables as SQL: the fixed ones from schema.sql, the metric tables and their rollups from the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources

from perfkit.catalog import FLAG, HOST, INTEGER, REAL, TABLES, TEXT, Column, Table

VERSION = 2
APPLICATION_ID = 0x50464B31  # "PFK1": PRAGMA application_id of every perfkit database

# Rollup levels: the tables' ending, and the bucket's width in milliseconds.
LEVELS: dict[str, int] = {"10s": 10_000, "1m": 60_000, "10m": 600_000}
DUCK_TYPES = {TEXT: "VARCHAR", INTEGER: "BIGINT", REAL: "DOUBLE"}
AGGREGATES = ("min", "avg", "max")


@cache
def text(name: str) -> str:
    """The file `name` of this package."""
    return resources.files("perfkit.store").joinpath(name).read_text("utf-8")


def quoted(names: Iterable[str]) -> list[str]:
    """`names` as SQL identifiers: some, such as user, are words of the language."""
    return [f'"{name}"' for name in names]


def metrics(table: Table) -> tuple[Column, ...]:
    """The columns of `table` that rollups and percentiles are made of: its values but for flags."""
    return tuple(c for c in table.values if c.kind != FLAG)


def device_key(table: Table) -> str | None:
    """The column that tells one series of `table` from another within a collector; None where a sample is one row."""
    return table.keys[0].name if table.keys else None


def ddl() -> str:
    """Everything an empty database needs, as one script."""
    return "\n".join([text("schema.sql"), *(sql for table in TABLES for sql in metric_tables(table)), _portal()])


def metric_tables(table: Table) -> Iterator[str]:
    device = device_key(table)
    names = {
        "table": table.database_name,
        "key": f"{device}, " if device else "",
        "key_columns": "".join(f'"{c.name}" {c.type} NOT NULL,\n    ' for c in table.keys),
    }
    yield text("metric_table.sql").format(columns=_list(f'"{c.name}" {c.type}' for c in table.values), **names)
    for level in LEVELS:
        yield text("rollup_table.sql").format(columns=_list(rollup_columns(table)), level=level, **names)


def rollup_columns(table: Table) -> Iterator[str]:
    """The value columns of the table's rollups, each with its type."""
    for column in metrics(table):
        for aggregate in AGGREGATES:
            whole = column.type == INTEGER and aggregate != "avg"
            yield f"{column.name}_{aggregate} {INTEGER if whole else REAL}"


def _portal() -> str:
    return text("portal.sql").format(columns=", ".join(quoted(c.name for c in HOST.columns)))


def _list(items: Iterator[str]) -> str:
    return ",\n    ".join(items)
