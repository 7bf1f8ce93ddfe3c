"""The database's tables as SQL: the fixed ones from sqlite/schema.sql, the metric tables and their rollups from the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import cache

from perfkit import sql
from perfkit.catalog import FIGURES, HOST, INTEGER, MACHINE, REAL, TABLES, Table

VERSION = 3
APPLICATION_ID = 0x50464B31  # "PFK1": PRAGMA application_id of every perfkit database

# Rollup levels: the tables' ending, and the bucket's width in milliseconds.
LEVELS: dict[str, int] = {"10s": 10_000, "1m": 60_000, "10m": 600_000}
AGGREGATES = ("min", "avg", "max")


def text(name: str) -> str:
    """The file <name>.sql of this package: "sqlite/rollup" is SQLite's, "duckdb/read_csv" is DuckDB's."""
    return sql.read("perfkit.store", f"{name}.sql")


@cache
def render(name: str, table: Table, level: str = "") -> str:
    """sqlite/<name>.sql for one metric table, or for its rollups of `level`. Names of tables and columns come from the catalog alone.

    {table}        with its level's ending          {device_is}    what restricts a statement to one :device, if the table has devices
    {keys}         its key columns, with a comma    {columns}      its value columns
    {aggregates}   min, avg, max of each metric     {rolled_up}    the rollup's columns for these
    """
    device = table.device
    rolled_up = [name.split()[0] for name in rollup_columns(table)]
    return text(f"sqlite/{name}").format(
        table=f"{table.database_name}_{level}" if level else table.database_name,
        samples=table.database_name,
        device=device,
        device_is=f"{device} = :device AND " if device else "",
        keys="".join(f"{c.name}, " for c in table.keys),
        columns=", ".join(quoted(c.name for c in table.values)),
        aggregates=", ".join(f'{a}("{c.name}")' for c in table.metrics for a in AGGREGATES),
        rolled_up=", ".join(rolled_up),
        excluded=", ".join(f"excluded.{name}" for name in rolled_up),
    )


def quoted(names: Iterable[str]) -> list[str]:
    """`names` as SQL identifiers: some, such as user, are words of the language."""
    return [f'"{name}"' for name in names]


# The look-ups of the package are put together here alone: names of tables and columns come from the catalog and the code, values are always
# parameters.


def names(columns: Iterable[str]) -> str:
    """`columns` as a list in SQL."""
    return ", ".join(quoted(columns))


def select(columns: Iterable[str], table: str, rest: str = "") -> str:
    """A SELECT of some columns; `rest` is what follows the table's name."""
    return f"SELECT {names(columns)} FROM {table} {rest}"  # noqa: S608


def count(table: str, rest: str = "") -> str:
    """A SELECT that counts rows."""
    return f"SELECT count(*) FROM {table} {rest}"  # noqa: S608


def insert(table: str, columns: Collection[str], verb: str = "INSERT") -> str:
    """An INSERT of one row of these columns."""
    return f"{verb} INTO {table} ({names(columns)}) VALUES ({', '.join('?' * len(columns))})"


def update(table: str, columns: Iterable[str], where: str) -> str:
    """An UPDATE of some columns, each to the parameter of its name."""
    return f"UPDATE {table} SET {', '.join(f'{name} = :{name}' for name in columns)} WHERE {where}"  # noqa: S608


def delete(table: str, where: str = "collector_id = ?") -> str:
    """A DELETE of some rows."""
    return f"DELETE FROM {table} WHERE {where}"  # noqa: S608


@cache
def ddl() -> str:
    """Everything an empty database needs, as one script."""
    fixed = text("sqlite/schema").format(
        machine=_list(f"{c.name} {c.type}" for c in MACHINE),
        figures=_list(f"{name} {'INTEGER NOT NULL' if name == 'samples' else REAL}" for name in FIGURES),
    )
    portal = text("sqlite/portal").format(columns=", ".join(quoted(c.name for c in HOST.columns)))
    return "\n".join([fixed, *(script for table in TABLES for script in _metric_tables(table)), portal])


def _metric_tables(table: Table) -> Iterator[str]:
    device = table.device
    names = {
        "table": table.database_name,
        "key": f"{device}, " if device else "",
        # Series are read by collector and device, so that is the order on disk; of sparse tables all devices of a time.
        "order": f"{device}, timestamp" if device else ", ".join(("timestamp", *(c.name for c in table.keys[:1]))),
        "key_columns": "".join(f'"{c.name}" {c.type} NOT NULL,\n    ' for c in table.keys),
    }
    yield text("sqlite/metric_table").format(columns=_list(f'"{c.name}" {c.type}' for c in table.values), **names)
    for level in LEVELS if not table.sparse else ():
        yield text("sqlite/rollup_table").format(columns=_list(rollup_columns(table)), level=level, **names)


def rollup_columns(table: Table) -> Iterator[str]:
    """The value columns of the table's rollups, each with its type."""
    for column in table.metrics:
        for aggregate in AGGREGATES:
            whole = column.type == INTEGER and aggregate != "avg"
            yield f"{column.name}_{aggregate} {INTEGER if whole else REAL}"


def _list(items: Iterable[str]) -> str:
    return ",\n    ".join(items)
