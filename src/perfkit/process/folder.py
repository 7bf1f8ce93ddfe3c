"""The output folder: every table of one machine as files."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import _duckdb as duckdb
import orjson

from perfkit.catalog import DENSE, RANGES, TABLES, Table
from perfkit.process.engine import statement, with_rows
from perfkit.process.findings import COLUMNS, Judged
from perfkit.process.quality import Quality, Run, told_json
from perfkit.units import iso

SAMPLES = "samples.csv"
SAMPLES_COLUMNS = ("recording", "tick", "lateness_ms")
_RUN = ("run", "phase", "label", "recording", "from", "to", "seconds", "open")
_CERTIFICATE = (
    "samples",
    "samples_expected",
    "coverage",
    "gaps",
    "longest_gap_ms",
    "largest_lateness_ms",
    "clock_steps",
    "resets",
    "ended",
)

_WHOLE = 1 << 53  # from here on not every whole number is a float

Step = Callable[[str], None]  # is told the name of each file before it is written


def write(con: duckdb.DuckDBPyConnection, machine: int, quality: Quality, folder: Path, step: Step) -> None:
    """Write everything that is known of `machine` into `folder`, which exists."""
    tables = Tables(con, machine, folder)
    there = with_rows(con, {table.name: table.name for table in TABLES}, machine)
    for table in TABLES:
        step(f"{table.name}.csv")
        tables.write(table, has_rows=table.name in there)
    step(SAMPLES)
    tables.write_samples()
    step("percentiles.csv")
    write_percentiles(con, machine, folder)
    write_facts(
        quality, dict(con.execute(statement("output/container_names"), {"machine": machine}).fetchall()), system_info(con, machine), folder
    )


class Tables:
    """The tables of a machine as CSV files in `folder`; `con` has them, and `machines` with its column milliseconds."""

    def __init__(self, con: duckdb.DuckDBPyConnection, machine: int, folder: Path) -> None:
        self._con = con
        self._machine = machine
        self._folder = folder
        fraction = con.execute("SELECT milliseconds FROM machines WHERE machine = ?", [machine]).fetchone()
        self._instant = "%Y-%m-%dT%H:%M:%S.%gZ" if fraction and fraction[0] else "%Y-%m-%dT%H:%M:%SZ"

    def write(self, table: Table, *, has_rows: bool) -> None:
        """Write <table>.csv; a table of which no row is there has the header alone."""
        written = table.columns[: table.written]
        values, keys = [c.name for c in written if c in table.values], [c.name for c in table.keys]
        self._write(table.name, values, keys, f"{table.name}.csv", has_rows=has_rows)

    def write_samples(self) -> None:
        """Write samples.csv: every sample that counts, its recording, its tick in it and how late it was."""
        self._con.execute(
            "CREATE OR REPLACE TABLE counted AS FROM samples WHERE counted AND machine = $machine", {"machine": self._machine}
        )
        there = bool(with_rows(self._con, {"counted": "counted"}))
        self._write("counted", SAMPLES_COLUMNS, (), SAMPLES, has_rows=there)

    def _write(self, table: str, values: Sequence[str], keys: Sequence[str], name: str, *, has_rows: bool) -> None:
        header = ",".join(("timestamp", *keys, *values)) + "\n"
        if not has_rows:  # planning a statement would cost 10 ms, for nothing
            (self._folder / name).write_text(header)
            return
        parameters: dict[str, object] = {
            **{"machine": self._machine, "table": table, "file": str(self._folder / name), "header": header, "newline": "\n"},
            **{"values": list(values), "instant": self._instant},
        }
        if keys:
            parameters |= {"keys": list(keys), "device": keys[0]}
        self._con.execute(statement("output/csv_keyed" if keys else "output/csv"), parameters)


def write_facts(quality: Quality, container_names: dict[str, str], info: dict[str, object], folder: Path) -> None:
    """quality.json, runs.csv, container_names.json and system_info.json."""
    with (folder / "runs.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow((*_RUN, *_CERTIFICATE))
        rows.writerows(_run_cells(run) for run in quality.runs)
    _json(folder / "container_names.json", container_names)
    _json(folder / "system_info.json", info)
    _json(folder / "quality.json", quality.as_json())


def write_findings(judged: Mapping[str, Judged], folder: Path) -> None:
    """Write findings.csv: a row per finding of each run and phase, which `judged` has by the names of their windows, by importance."""
    with (folder / "findings.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("range", *COLUMNS))
        for window, found in judged.items():
            for one in found.findings:
                rows.writerow([neutral(cell) if isinstance(cell, str) else cell for cell in (window, *one.as_json().values())])


def write_parquet(con: duckdb.DuckDBPyConnection, machine: int, folder: Path, site: str, name: str) -> None:
    """Write the tables of `machine` as <folder>/<table>/site=/machine=/date=/*.parquet; tables without a row are left out."""
    folder.mkdir()
    there = with_rows(con, {table.name: table.name for table in TABLES}, machine)
    for table in (table for table in TABLES if table.name in there):
        columns = [column.name for column in table.columns]
        values = {"number": machine, "table": table.name, "columns": columns, "site": site, "machine": name}
        con.execute(statement("output/parquet"), {**values, "folder": str(folder / table.name)})


def write_percentiles(con: duckdb.DuckDBPyConnection, machine: int, folder: Path) -> None:
    """Write percentiles.csv of `machine`: the ranges, the runs and their phases."""
    metrics = [f"{table.name}.{column.name}" for table in DENSE for column in table.values]
    values = {"machine": machine, "ranges": list(RANGES), "metrics": metrics, "file": str(folder / "percentiles.csv")}
    con.execute(statement("output/csv_percentiles"), values)


def system_info(con: duckdb.DuckDBPyConnection, machine: int) -> dict[str, object]:
    """What system_info.json says of `machine`; empty where no /proc/cpuinfo was recorded."""
    row = con.execute("SELECT system_info FROM system_info WHERE machine = ?", [machine]).fetchone()
    info: dict[str, object] = (told_json(row[0]) or {}) if row else {}
    return {
        key: int(value) if isinstance(value, float) and abs(value) < _WHOLE and value.is_integer() else value for key, value in info.items()
    }


def _run_cells(run: Run) -> tuple[object, ...]:
    seconds = (run.to_timestamp - run.from_timestamp) / 1000
    label = [neutral(text) for text in (run.phase or "", run.label)]
    span = (run.run, *label, run.recording, iso(run.from_timestamp), iso(run.to_timestamp), seconds, int(run.open))
    told = run.certificate.as_dict()
    return (*span, *(told[key] for key in _CERTIFICATE))


def neutral(text: str) -> str:
    """As the macro of this name: a spreadsheet would run a text that starts like a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text


def _json(file: Path, value: object) -> None:
    file.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n")
