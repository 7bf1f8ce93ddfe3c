"""Reading a lake: its tables as views of DuckDB, every row once, whichever files have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import _duckdb as duckdb

from perfkit.catalog import HOST, Table
from perfkit.lake.place import Lake
from perfkit.lake.tables import INSTANT, LAKE, TYPES, LakeFile, text

_HIVE = "hive_partitioning = true, hive_types = {'site': VARCHAR, 'machine': VARCHAR, 'date': DATE}"

RUN_FIGURES = "run_figures"
"""What the questions about runs read: of a lake a view of its tables, of a database a table of what it has stored."""


def make_views(
    con: duckdb.DuckDBPyConnection, lake: Lake, tables: Iterable[Table] = LAKE, chosen: Sequence[LakeFile] | None = None
) -> None:
    """Give `con` a view of each of `tables`: site, machine, timestamp, the table's columns, date, collection.

    The files are those that the lake has now, or `chosen`.
    """
    for table in tables:
        files = [one for one in (lake.files(table.name) if chosen is None else chosen) if one.table == table.name]
        with lake.errors():
            con.execute(view_sql(table, lake.base, files))


def view_sql(table: Table, base: str, files: Sequence[LakeFile]) -> str:
    """sql/view.sql for the `files` of `table`, whose paths follow `base`."""
    columns = ", ".join(f'"{c.name}"' for c in table.columns)
    return text("view").format(table=table.name, columns=columns, rows=rows_sql(table, base, files))


def run_figures_sql() -> str:
    """sql/run_figures.sql, over the views `runs` and `host`."""
    metrics = [f"{HOST.name}.{c.name}" for c in HOST.metrics]
    averages = ", ".join(f'avg(h."{metric.partition(".")[2]}") AS "{metric}"' for metric in metrics)
    return text(RUN_FIGURES).format(averages=averages, metrics=", ".join(f'"{metric}"' for metric in metrics))


def rows_sql(table: Table, base: str, files: Sequence[LakeFile]) -> str:
    """sql/rows.sql for the `files` of `table`, whose paths follow `base`."""
    shared = sharing(files)
    return text("rows").format(
        typed=", ".join(f'NULL::{TYPES[c.type]} AS "{c.name}"' for c in table.columns),
        keys=", ".join(["timestamp", *(f'"{c.name}"' for c in table.keys)]),
        filled=" + ".join(f'("{c.name}" IS NOT NULL)::INTEGER' for c in table.values),
        latest="".join(f'"{c.name}" DESC, ' for c in table.values if c.type == INSTANT),
        alone=_read([file for file in files if file not in shared], base),
        shared=_read([file for file in files if file in shared], base, "filename = true, "),
    )


def sharing(files: Iterable[LakeFile]) -> set[LakeFile]:
    """Those of `files` that may have a row which another of them has too."""
    partitions: dict[str, list[LakeFile]] = {}
    for file in files:
        partitions.setdefault(file.partition, []).append(file)
    return {
        one
        for together in partitions.values()
        if len(together) > 1
        for one in together
        if any(one.may_share_rows(other) for other in together if other is not one)
    }


def _read(files: Sequence[LakeFile], base: str, more: str = "") -> str:
    """The files as a table; an empty one where there are none."""
    if not files:
        return "typed"
    paths = ", ".join(literal(base + file.path) for file in files)
    return f"read_parquet([{paths}], union_by_name = true, {more}{_HIVE})"


def literal(path: str) -> str:
    """A path as DuckDB's SQL has it: no wildcard in it is expanded."""
    return "'" + "".join(f"[{c}]" if c in "*?[" else c for c in path).replace("'", "''") + "'"
