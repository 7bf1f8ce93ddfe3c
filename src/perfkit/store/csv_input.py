"""Processed files as tables: a folder that `process` wrote, or one host.csv, the portal's older forms included."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import _duckdb as duckdb

from perfkit.catalog import CPU, DUCK_TYPES, FIGURES, HOST, KEY, SHARE, TABLES, TEXT, Column, Table
from perfkit.collection.opening import Opening
from perfkit.errors import BadInput, reason
from perfkit.process.quality import Event
from perfkit.store import schema
from perfkit.units import iso

# Columns by which some exports name the machine of each row; never data.
MACHINE_COLUMNS = ("machinename", "hostname", "machine", "machine_id", "collector", "sitename", "site")
_CONVERSION = re.compile(
    r'CSV Error on Line: (\d+).*?Error when converting column "([^"]*)"\. Could not convert string "([^"]*)"', re.DOTALL
)
_MOST_SHARE = 101  # %, of figures that another program has rounded
_MOST = 1 << 62
_SHARED = ("host", "cpu", "memory", "disk", "network", "filesystem", "pressure")  # tables whose shares are all of one whole
_SIGNED = ("clock_offset_ms", "receiver_ahead_ms")
_BELOW = 100  # % of a core
_TAIL = 1 << 16  # bytes; longer than a row
_LINE = re.compile(r"CSV Error on Line: (\d+)")
_DELIMITERS = (",", ";", "\t")
_DECIMAL_COMMA = re.compile(r"^(\s*-?\d+|\S.*:\d\d),(\d+(?:[eE][-+]?\d+)?(?:\s*|Z|[-+]\d\d:?\d\d))$")  # of a number, or of seconds


def table_files(folder: Path) -> dict[Table, Path]:
    """The catalog's tables that `folder` holds, as CSV or Parquet."""
    return {
        table: folder / f"{table.name}{ending}"
        for table in TABLES
        for ending in (".parquet", ".csv")
        if (folder / f"{table.name}{ending}").is_file()
    }


def read_table(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    """Make the table `<table.name>` from `path`: machine (1), timestamp in ms, the catalog's columns. A column that it lacks is empty.

    Raises BadInput where it has none of the table's columns, or one twice, and for a line that cannot be read.
    """
    header = header_of(con, path)
    places = _places(table, header, path)
    try:
        con.execute(_reader(table, header, places, path), {"path": str(path)})
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise BadInput(_explain(path, str(error))) from error
    _check_timestamps(con, table, path)
    _check_machines(con, table, path)


def note(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> list[str]:
    """What a reader of the imported file should know: which of its columns were left out, and which of the table's are empty."""
    header = header_of(con, path)
    old = _kilobytes(table)
    known = {"timestamp", *MACHINE_COLUMNS, *(c.name for c in table.columns), *old}
    unknown = [name for name in header if name not in known]
    missing = [
        c.name for c in table.columns[: table.written] if c.name not in header and not any(old[k] == c.name and k in header for k in old)
    ]
    found = [f"{path.name}: left out, because it is not known: {', '.join(unknown)}"] if unknown else []
    return found + ([f"{path.name}: empty, because the file lacks it: {', '.join(missing)}"] if missing else [])


@contextmanager
def as_text(path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A lone CSV file as it can be read: unpacked, as UTF-8, with commas, without a cut end; and what is to be told of that."""
    opening = Opening(path)
    with tempfile.TemporaryDirectory(prefix="perfkit-") as folder:
        text = Path(folder, path.name)
        try:
            with text.open("wb") as file:
                file.writelines(opening)
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {reason(error)}.") from error
        try:
            delimiter = _delimiter(text)
            notes = [f"{path.name}: its end is cut, and left out"] if _end_whole(text, delimiter) else []
            if delimiter != "," and _separate_by_commas(text, delimiter):
                notes.append(f"{path.name}: the commas in its numbers are taken for decimal points")
            yield (text if opening.layers or opening.mixed or notes or delimiter != "," else path), notes
        except BadInput as error:
            raise BadInput(str(error).replace(str(text), str(path))) from error


def _delimiter(text: Path) -> str:
    """What separates the columns of a CSV file: a comma, or as spreadsheets of some countries write it, a semicolon or a tab."""
    with text.open("rb") as file:
        header = file.readline(_TAIL)
    return max(_DELIMITERS, key=lambda delimiter: header.count(delimiter.encode()))


def _separate_by_commas(text: Path, delimiter: str) -> bool:
    """Write the file anew, as it would be with commas between its columns; whether numbers in it had decimal commas."""
    anew, decimals = text.with_name("anew"), 0
    with _readable(text) as file, anew.open("w", encoding="utf-8", newline="") as written:
        writer = csv.writer(written, lineterminator="\n")
        for row in csv.reader(file, delimiter=delimiter):
            told = [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row]
            decimals += told != row
            writer.writerow(told)
    anew.replace(text)
    return decimals > 0


@contextmanager
def _readable(path: Path) -> Iterator[IO[str]]:
    """The CSV file as text. Raises BadInput where it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(f"{path} cannot be read as CSV: {why}.") from error


def _end_whole(text: Path, delimiter: str) -> bool:
    """Cut off NUL bytes at the end of a CSV file, and a last line that is not whole; whether there was one."""
    with text.open("r+b") as file:
        header = file.readline()
        size = file.seek(0, os.SEEK_END)
        tail_at = max(0, size - _TAIL)
        file.seek(tail_at)
        tail = file.read()
        whole = tail.rstrip(b"\0")
        before, _, last = whole.rpartition(b"\n")
        cells, columns = (line.count(delimiter.encode()) for line in (last, header))
        is_cut = tail_at + len(before) >= len(header) - 1 and 0 < cells < columns
        file.truncate(tail_at + (len(before) + 1 if is_cut else len(whole)))
        return is_cut or len(whole) < len(tail)


def drop_impossible(con: duckdb.DuckDBPyConnection, tables: Collection[Table]) -> list[Event]:
    """Make the cells of `tables` empty that cannot be: negative, more than the whole, or near the end of 64 bits; an event a column."""
    found = []
    for table, column in ((of, one) for of in tables for one in _with_impossible(con, of)):
        where = f"WHERE {_is_impossible(table, column)}"
        instants = [at for (at,) in con.execute(schema.select(["timestamp"], table.name, where)).fetchall()]
        con.execute(f'UPDATE {table.name} SET "{column.name}" = NULL {where}')  # noqa: S608 - names and limits of the catalog
        subject = column.name if table is HOST else f"{table.name} {column.name}"
        found.append(Event("unusable", min(instants), max(instants), subject, len(instants), "the file says a number that cannot be"))
    return found


def _with_impossible(con: duckdb.DuckDBPyConnection, table: Table) -> list[Column]:
    """The columns that have such a cell, mostly none: asked for in one statement, since planning one for each column costs more."""
    columns = [one for one in table.values if one.type != TEXT]
    if not columns:
        return []
    asked = ", ".join(f"coalesce(bool_or({_is_impossible(table, one)}), false)" for one in columns)
    [told] = con.execute(f"SELECT {asked} FROM {table.name}").fetchall()  # noqa: S608 - names and limits of the catalog
    return [one for one, is_there in zip(columns, told, strict=True) if is_there]


def _is_impossible(table: Table, column: Column) -> str:
    """The SQL condition for a cell that cannot be. A clock may be behind, and what is not attributed to processes a little below 0."""
    least = -_MOST if column.name in _SIGNED else -_BELOW if table.name == "processes" else 0
    most = _MOST_SHARE if column.kind == SHARE and table.name in _SHARED else _MOST
    return f'"{column.name}" < {least} OR "{column.name}" > {most}'


def fill_busy(con: duckdb.DuckDBPyConnection, tables: Collection[Table]) -> None:
    """host.csv has no cpu_busy: it is the CPU "all" of cpu.csv, else what is neither idle nor waiting for I/O (%)."""
    if CPU in tables:
        con.execute(schema.text("duckdb/fill_busy_of_cpu"))
    con.execute(schema.text("duckdb/fill_busy"))


def read_samples(con: duckdb.DuckDBPyConnection, path: Path) -> list[tuple[Any, ...]]:
    """(timestamp in ms, recording, tick, lateness in ms or None) of samples.csv, in the order of recordings and ticks."""
    with _as_written(path):
        return con.execute(schema.text("duckdb/read_samples"), {"path": str(path)}).fetchall()


def read_percentiles(con: duckdb.DuckDBPyConnection, path: Path) -> list[tuple[Any, ...]]:
    """(range, metric, device, catalog.FIGURES) of percentiles.csv; nothing where there is no such file."""
    if not path.is_file():
        return []
    with _as_written(path):
        return con.execute(schema.text("duckdb/read_percentiles"), {"path": str(path), "figures": list(FIGURES)}).fetchall()


@contextmanager
def _as_written(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise BadInput(f"{path} is not as `perfkit process` writes it ({str(error).splitlines()[0]}).") from error


def machine_named_in(con: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """The one machine that a host.csv's own columns name, if it has such a column."""
    column = next((c for c in MACHINE_COLUMNS[:3] if c in _csv_header(path)), None) if path.suffix == ".csv" else None
    if column is None:
        return None
    rows = con.execute(
        "SELECT DISTINCT COLUMNS([$column]) FROM read_csv($path, header = true, all_varchar = true) ORDER BY 1",
        {"column": column, "path": str(path)},
    )
    names = [name for (name,) in rows.fetchall()]
    if len(names) > 1:
        raise BadInput(
            f"{path} mixes rows of several machines ({', '.join(names[:3])}); split it by its column {column} and import each part."
        )
    return str(names[0]) if names and names[0] else None


def header_of(con: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """The names of the file's columns."""
    return _parquet_header(con, path) if path.suffix == ".parquet" else _csv_header(path)


def _csv_header(path: Path) -> list[str]:
    with _readable(path) as file:
        names = [name.strip().lower() for name in next(csv.reader(file), [])]
    return [name or f"column {place}" for place, name in enumerate(names, 1)]


def _parquet_header(con: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    try:
        return [str(row[0]) for row in con.execute("DESCRIBE FROM read_parquet($path)", {"path": str(path)}).fetchall()]
    except duckdb.Error as error:
        raise BadInput(f"{path} is not a Parquet file.") from error


def _places(table: Table, header: Sequence[str], path: Path) -> dict[str, str]:
    """The SQL expression of each catalog column over the file's columns."""
    if not header or "timestamp" not in header:
        raise BadInput(f"{path} is no {table.name}.csv: its first line must be {','.join(table.header)}.")
    places = {c.name: f'"{c.name}"' for c in table.columns if c.name in header}
    places |= {name: f'"{old}" / 1024' for old, name in _kilobytes(table).items() if old in header and name not in header}
    twice = sorted({name for name in header if list(header).count(name) > 1})
    if twice:
        raise BadInput(f"{path} has the column {twice[0]} twice; leave one of them out.")
    missing_keys = [c.name for c in table.keys if c.name not in places]
    if not places or missing_keys:
        raise BadInput(f"{path} has not the columns of {table.name}.csv: its first line must be {','.join(table.header)}.")
    return {c.name: places.get(c.name, "NULL") for c in table.columns}


def _kilobytes(table: Table) -> dict[str, str]:
    """The portal's names of columns that it has in KiB, by which column of ours they are in MiB."""
    return {f"{c.name}_kb": c.name for c in table.columns if table is HOST and c.unit == "MiB"}


def _reader(table: Table, header: Sequence[str], places: dict[str, str], path: Path) -> str:
    types = {c.name: DUCK_TYPES[c.type] for c in table.columns}
    columns = ", ".join(
        f"'{name}': '{types.get(name, 'VARCHAR' if name in ('timestamp', *MACHINE_COLUMNS) else 'DOUBLE')}'" for name in header
    )
    return schema.text("duckdb/read_parquet" if path.suffix == ".parquet" else "duckdb/read_csv").format(
        name=table.name,
        types=columns,
        columns=", ".join(f'{_value(c, places[c.name], types[c.name])} AS "{c.name}"' for c in table.columns),
    )


def _value(column: Column, place: str, type_: str) -> str:
    if place == "NULL":
        return f"NULL::{type_}"
    if column.kind == KEY:  # as process writes a name that a spreadsheet would take for a formula
        return f"if(regexp_matches({place}, '^''[-=+@\\t\\r\\n]'), substr({place}, 2), coalesce({place}, ''))"
    return f"CASE WHEN NOT isnan({place}) THEN {place} END" if type_ == "DOUBLE" else place


def _explain(path: Path, message: str) -> str:
    if found := _CONVERSION.search(message):
        return f"{path} line {found[1]}: {found[3]!r} in column {found[2]} is not a number; nothing was imported."
    if found := _LINE.search(message):
        return f"{path} line {found[1]} does not have the columns that the first line names; nothing was imported."
    return f"{path} cannot be read: {message.splitlines()[0]}."


def _check_timestamps(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> None:
    bad = con.execute(schema.count(table.name, "WHERE timestamp IS NULL")).fetchone()
    if bad and bad[0]:
        where = _first_bad_line(path)
        raise BadInput(f"{path}{where}: the timestamp is neither ISO 8601 nor Unix seconds; nothing was imported.")
    early = con.execute(schema.count(table.name, "WHERE timestamp < 0")).fetchone()
    if early and early[0]:
        raise BadInput(f"{path} says a time before 1970 in {early[0]:,} of its rows, which cannot be; nothing was imported.")


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
    find = schema.select(["timestamp"], table.name, f"GROUP BY timestamp{keys} HAVING count(*) > 1 ORDER BY timestamp LIMIT 1")
    if con.execute(find).fetchone() is None:
        return
    con.execute(f"CREATE OR REPLACE TABLE {table.name} AS FROM {table.name} SELECT DISTINCT *")
    twice = con.execute(find).fetchone()
    if twice:
        at = iso(twice[0])
        raise BadInput(f"{path} has different rows for the same instant, such as {at}: does it mix machines? Nothing was imported.")
