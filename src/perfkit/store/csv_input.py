"""Processed files as tables: a folder that `process` wrote, or one host.csv, the portal's older form included."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import duckdb

from perfkit.catalog import HOST, TABLES, Table
from perfkit.errors import BadInput, reason
from perfkit.store import schema

SOURCE = 1  # the `source` of everything read here
# Columns by which some exports name the machine of each row; never data.
MACHINE_COLUMNS = ("machinename", "hostname", "machine", "machine_id", "collector", "sitename", "site")
_CONVERSION = re.compile(
    r'CSV Error on Line: (\d+).*?Error when converting column "([^"]*)"\. Could not convert string "([^"]*)"', re.DOTALL
)
_LINE = re.compile(r"CSV Error on Line: (\d+)")


def table_files(folder: Path) -> dict[Table, Path]:
    """The catalog's tables that `folder` holds, as CSV or Parquet."""
    return {
        table: folder / f"{table.name}{ending}"
        for table in TABLES
        for ending in (".parquet", ".csv")
        if (folder / f"{table.name}{ending}").is_file()
    }


def read_table(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    """Make the table `<table.name>` from `path`: source, timestamp in ms, the catalog's columns; sorted by key and time.

    Raises BadInput that names the missing and unknown columns, or the line that cannot be read.
    """
    header = _parquet_header(con, path) if path.suffix == ".parquet" else _csv_header(path)
    places = _places(table, header, path)
    try:
        con.execute(_reader(table, header, places, path), {"path": str(path), "source": SOURCE})
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise BadInput(_explain(path, str(error))) from error
    _check_timestamps(con, table, path)
    _check_machines(con, table, path)


def machine_named_in(con: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """The one machine that a host.csv's own columns name, if it has such a column."""
    column = next((c for c in MACHINE_COLUMNS[:3] if c in _csv_header(path)), None) if path.suffix == ".csv" else None
    if column is None:
        return None
    sql = schema.text("csv_machine.sql").format(column=column)
    names = [name for (name,) in con.execute(sql, {"path": str(path)}).fetchall()]
    if len(names) > 1:
        raise BadInput(
            f"{path} mixes rows of several machines ({', '.join(names[:3])}); split it by its column {column} and import each part."
        )
    return str(names[0]) if names and names[0] else None


def _csv_header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [name.strip() for name in next(csv.reader(file), [])]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"{path} cannot be read as CSV: {why}.") from error


def _parquet_header(con: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    try:
        return [str(row[0]) for row in con.execute(schema.text("parquet_header.sql"), {"path": str(path)}).fetchall()]
    except duckdb.Error as error:
        raise BadInput(f"{path} is not a Parquet file.") from error


def _places(table: Table, header: Sequence[str], path: Path) -> dict[str, str]:
    """The SQL expression of each catalog column over the file's columns."""
    if not header or "timestamp" not in header:
        raise BadInput(f"{path} is no {table.name}.csv: its first line must be {','.join(table.header)}.")
    places = {c.name: f'"{c.name}"' for c in table.columns if c.name in header}
    old_form = {c.name: f'"{c.name}_kb" / 1024' for c in table.columns if table is HOST and f"{c.name}_kb" in header}
    missing = [c.name for c in table.columns if c.name not in places and c.name not in old_form]
    known = {"timestamp", *places, *(f"{name}_kb" for name in old_form), *MACHINE_COLUMNS}
    unknown = [name for name in header if name not in known]
    twice = sorted({name for name in header if list(header).count(name) > 1})
    if missing or unknown or twice:
        wrong = [f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("unknown", unknown), ("twice", twice)) if names]
        raise BadInput(f"{path} has not the columns of {table.name}.csv ({'; '.join(wrong)}).")
    return old_form | places


def _reader(table: Table, header: Sequence[str], places: dict[str, str], path: Path) -> str:
    types = {c.name: schema.DUCK_TYPES[c.type] for c in table.columns}
    columns = ", ".join(
        f"'{name}': '{types.get(name, 'VARCHAR' if name in ('timestamp', *MACHINE_COLUMNS) else 'DOUBLE')}'" for name in header
    )
    return schema.text("read_parquet.sql" if path.suffix == ".parquet" else "read_csv.sql").format(
        name=table.name,
        types=columns,
        columns=", ".join(f'{_finite(places[c.name], types[c.name])} AS "{c.name}"' for c in table.columns),
    )


def _finite(place: str, type_: str) -> str:
    return f"CASE WHEN isfinite({place}) THEN {place} END" if type_ == "DOUBLE" else place


def _explain(path: Path, message: str) -> str:
    if found := _CONVERSION.search(message):
        return f"{path} line {found[1]}: {found[3]!r} in column {found[2]} is not a number; nothing was imported."
    if found := _LINE.search(message):
        return f"{path} line {found[1]} does not have the columns that the first line names; nothing was imported."
    return f"{path} cannot be read: {message.splitlines()[0]}."


def _check_timestamps(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    bad = con.execute(schema.text("csv_bad_timestamp.sql").format(name=table.name)).fetchone()
    if bad and bad[0]:
        where = _first_bad_line(path)
        raise BadInput(f"{path}{where}: the timestamp is neither ISO 8601 nor Unix seconds; nothing was imported.")


def _first_bad_line(path: Path) -> str:
    """ " line 17" of the first timestamp that DuckDB could not read; "" for Parquet."""
    if path.suffix != ".csv":
        return ""
    number = re.compile(r"\d{9,11}(\.\d+)?|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d.*")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        place = next(rows).index("timestamp")
        bad = ((rows.line_num, row[place]) for row in rows if row and not number.fullmatch(row[place].strip()))
        found = next(bad, None)
    return f" line {found[0]} ({found[1][:40]!r})" if found else ""


def _check_machines(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    """Equal rows count once; different rows for one instant cannot be of one machine."""
    keys = "".join(f", {c.name}" for c in table.keys[:1])
    find = schema.text("csv_duplicates.sql").format(name=table.name, keys=keys)
    if con.execute(find).fetchone() is None:
        return
    con.execute(schema.text("csv_distinct.sql").format(name=table.name))
    twice = con.execute(find).fetchone()
    if twice:
        raise BadInput(f"{path} has different rows for the same instant, such as {twice[0]}: does it mix machines? Nothing was imported.")
