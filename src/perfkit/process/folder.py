"""The output folder: every table of one source as files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import orjson

from perfkit import catalog
from perfkit.catalog import RANGES, TABLES, Table
from perfkit.process.engine import LARGEST_FIRST
from perfkit.process.statements import statement
from perfkit.process.steady import proposals
from perfkit.process.together import together

FORMAT = 1  # of quality.json

Step = Callable[[str], None]  # is told the name of each file before it is written


def write(con: duckdb.DuckDBPyConnection, source: int, folder: Path, step: Step) -> None:
    """Write everything that is known of `source` into `folder`, which exists."""

    def write_table(con: duckdb.DuckDBPyConnection, name: str) -> None:
        step(f"{name}.csv")
        write_csv(con, source, catalog.table(name), folder / f"{name}.csv")

    together(con, {table.name: () for table in LARGEST_FIRST}, write_table)
    step("percentiles.csv")
    metrics = [f"{table.name}.{column.name}" for table in TABLES for column in table.values]
    con.execute(
        statement("csv_percentiles"),
        {"source": source, "ranges": list(RANGES), "metrics": metrics, "file": str(folder / "percentiles.csv")},
    )
    _json(folder / "container_names.json", dict(con.execute(statement("container_names"), {"source": source}).fetchall()))
    _json(folder / "system_info.json", _system_info(con, source))
    _json(folder / "quality.json", quality(con, source))


def write_parquet(con: duckdb.DuckDBPyConnection, source: int, folder: Path, site: str, machine: str) -> None:
    """Write the tables of `source` as <folder>/<table>/site=/machine=/date=/*.parquet; tables without a row are left out."""
    folder.mkdir()
    for table in TABLES:
        if not _has_rows(con, source, table):
            continue
        columns = [column.name for column in table.columns]
        values = {"source": source, "table": table.name, "columns": columns, "site": site, "machine": machine}
        con.execute(statement("parquet"), {**values, "folder": str(folder / table.name)})


def quality(con: duckdb.DuckDBPyConnection, source: int) -> dict[str, Any]:
    """What quality.json says of `source`: facts, `events`, `marks`, proposed `steady` parts, the `session`. Instants are ISO 8601, UTC."""
    found = con.execute(statement("facts"), {"source": source})
    facts = dict(zip([column[0] for column in found.description or ()], found.fetchone() or (), strict=True))
    session = facts.pop("session", None)
    instants = {key: _iso(facts[key]) for key in ("first_timestamp", "last_timestamp")}
    events = con.execute(statement("events"), {"source": source}).fetchall()
    marks = con.execute(statement("marks_of"), {"source": source}).fetchall()
    return {
        "format": FORMAT,
        **facts,
        **instants,
        "events": [
            {"kind": kind, "from": _iso(since), "to": _iso(until), "subject": subject, "missed": missed, "detail": detail}
            for kind, since, until, subject, missed, detail in events
        ],
        "marks": [{"timestamp": _iso(instant), "kind": kind, "label": label} for instant, kind, label in marks],
        "steady": [
            {"phase": one.phase, "from": _iso(one.since), "to": _iso(one.until), "cpu_busy": one.mean, "kept_percent": one.kept_percent}
            for one in proposals(con, source)
        ],
        "session": orjson.loads(session) if session else None,
    }


def write_csv(con: duckdb.DuckDBPyConnection, source: int, table: Table, file: Path) -> None:
    """Write one table of `source` as CSV; `con` has the table, and `sources` with its column milliseconds."""
    header = ",".join(table.header) + "\n"
    if not _has_rows(con, source, table):
        file.write_text(header)
        return
    fraction = con.execute("SELECT milliseconds FROM sources WHERE source = ?", [source]).fetchone()
    values: dict[str, object] = {
        **{"source": source, "table": table.name, "file": str(file), "header": header, "newline": "\n"},
        "values": [column.name for column in table.values],
        "instant": "%Y-%m-%dT%H:%M:%S.%gZ" if fraction and fraction[0] else "%Y-%m-%dT%H:%M:%SZ",
    }
    if table.keys:
        values |= {"keys": [column.name for column in table.keys], "device": table.keys[0].name}
    con.execute(statement("csv_keyed" if table.keys else "csv"), values)


def _has_rows(con: duckdb.DuckDBPyConnection, source: int, table: Table) -> bool:
    return bool(con.execute(statement("has_rows"), {"table": table.name, "source": source}).fetchall())


def _system_info(con: duckdb.DuckDBPyConnection, source: int) -> dict[str, object]:
    row = con.execute("SELECT system_info FROM system_info WHERE source = ?", [source]).fetchone()
    info: dict[str, object] = orjson.loads(row[0]) if row else {}
    return {key: int(value) if isinstance(value, float) and value.is_integer() else value for key, value in info.items()}


def _json(file: Path, value: object) -> None:
    file.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")


def _iso(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
