"""What can be imported, told apart by what it is (a processed folder, a lone host.csv, a collection), as one machine's tables in DuckDB."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import _duckdb as duckdb
import orjson

from perfkit import catalog
from perfkit.catalog import HOST, MACHINE, TABLES, Table
from perfkit.collection import looks_like
from perfkit.collection.certificate import Gap, certify
from perfkit.collection.choose import meant
from perfkit.errors import BadInput, reason
from perfkit.process import quality as qualities
from perfkit.process.engine import Engine
from perfkit.process.folder import SAMPLES, system_info
from perfkit.process.machines import group
from perfkit.process.pipeline import ProcessOptions, derive, memory_errors
from perfkit.process.quality import Event, Quality, Recording
from perfkit.process.reading import collections_in
from perfkit.store import columnar, csv_input, schema
from perfkit.store.runs import UNNAMED, Sample

FOLDER_EXTRAS = ("system_info.json", "quality.json", "percentiles.csv", SAMPLES)


@dataclass
class Staged:
    """One machine's input: `con` has a table per name of the catalog in `tables`, with machine, timestamp (ms), the catalog's columns."""

    con: duckdb.DuckDBPyConnection
    origin: Path
    kind: str
    digest: str
    tables: tuple[Table, ...]
    machine: int
    hostname: str | None
    quality: Quality
    samples: list[Sample]
    system_info: dict[str, Any] = field(default_factory=dict)
    percentiles: list[tuple[Any, ...]] = field(default_factory=list)  # (range, metric, device, catalog.FIGURES)
    notes: list[str] = field(default_factory=list)  # sentences about columns that were left out or are missing

    @property
    def span(self) -> tuple[int, int]:
        """First and last instant of a sample: a recording's first has levels, but no rates and so no row in host."""
        return self.quality.facts["first_timestamp"], self.quality.facts["last_timestamp"]

    @cached_property
    def filled(self) -> dict[Table, int]:
        """How many rows each table has of the machine; those that have none are left out."""
        of = f"WHERE machine = {self.machine:d}"
        counts = (f"SELECT {place}, ({schema.count(table.name, of)})" for place, table in enumerate(self.tables))
        found = self.con.execute(" UNION ALL ".join(counts)).fetchall()
        return {self.tables[place]: rows for place, rows in sorted(found) if rows}

    def facts(self) -> dict[str, Any]:
        """Columns of `collectors` by name, those that are known."""
        known = {name: self.quality.facts.get(name) for name in (*(c.name for c in MACHINE), "period_ms")}
        texts = {"session": self.quality.session, "system_info": self.system_info}
        known |= {name: orjson.dumps(value).decode() if value else None for name, value in texts.items()}
        return {name: value for name, value in known.items() if value is not None}


@contextmanager
def staged(path: Path) -> Iterator[list[Staged]]:
    """The machines that the input at `path` holds, mostly one. Raises BadInput where it is not one of the three, or is damaged."""
    if path.is_dir():
        with _of_folder(path) as found:
            yield [found]
    elif not path.is_file():
        raise BadInput(f"there is no {path}; give a collection, a processed folder or a host.csv with --file.")
    elif path.suffix.lower() == ".csv":
        with _of_host_csv(path) as found:
            yield [found]
    else:
        with _of_collection(path) as machines:
            yield machines


def parts(path: Path) -> list[Path]:
    """`path` itself, or the folders in it where `process` has made one for each of several machines."""
    if not path.is_dir() or (path / "host.csv").is_file() or (path / "host.parquet").is_file():
        return [path]
    return sorted(file.parent for file in path.glob("*/host.csv")) or [path]


def newest(folder: Path) -> Path:
    """The newest processed folder, host.csv or collection in `folder`. Raises BadInput where there is none, or several are recorded."""
    candidates = [path.parent for path in folder.glob("*/host.csv")] + [path for path in [folder / "host.csv"] if path.is_file()]
    recorded = meant(folder, "--file")
    if recorded is not None:
        candidates.append(Path(recorded))
    if not candidates:
        raise BadInput(f"there is no processed folder, host.csv or collection in {folder}; name one with --file.")
    return max(candidates, key=lambda path: (path / "host.csv" if path.is_dir() else path).stat().st_mtime)


def digest(files: Iterable[Path]) -> str:
    """SHA-256 over the contents of `files` in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(files):
        with path.open("rb") as file:
            whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


@contextmanager
def _of_collection(path: Path) -> Iterator[list[Staged]]:
    try:
        if not looks_like(path):
            raise BadInput(f"{path} is neither a collection nor a host.csv; see `perfkit import --help`.")
        with tempfile.TemporaryDirectory(prefix="perfkit-") as folder, Engine(temp_folder=Path(folder)) as engine, memory_errors():
            files = collections_in([path], Path(folder))
            machines = derive(engine, group(files), ProcessOptions(), lambda what, done, total: None, files)
            of_path = digest([path, *(file for file in files if file.parent == path.parent and file != path)])
            yield [of_machine(engine.con, path, of_path, machine.number) for machine in machines]
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {reason(error)}.") from error


def of_machine(
    con: duckdb.DuckDBPyConnection, path: Path, of_path: str, machine: int, *, fewest: int = 2, with_percentiles: bool = True
) -> Staged:
    """A machine that was derived in `con` from `path`, with percentiles or without. Raises BadInput for less than the `fewest` samples."""
    found = qualities.of_engine(con, machine)
    if found.facts["samples"] < fewest:
        raise BadInput(f"{path} has fewer than two samples: there is nothing to import.")
    samples = con.execute(
        "SELECT timestamp, recording, tick, lateness_ms FROM samples WHERE machine = ? AND counted ORDER BY recording, tick, timestamp",
        [machine],
    ).fetchall()
    figures = ("range", "metric", "device", *catalog.FIGURES)
    return Staged(
        con,
        path,
        "collection",
        of_path,
        TABLES,
        machine,
        found.facts.get("hostname"),
        found,
        [Sample(*row) for row in samples],
        system_info(con, machine),
        con.execute(schema.select(figures, "percentiles", "WHERE machine = ?"), [machine]).fetchall() if with_percentiles else [],
    )


@contextmanager
def _of_folder(path: Path) -> Iterator[Staged]:
    files = csv_input.table_files(path)
    if HOST not in files:
        raise BadInput(f"{path} is no processed folder: it has no host.csv; make one with `perfkit process`.")
    con = columnar.connect()
    try:
        for table, file in files.items():
            csv_input.read_table(con, table, file)
        dropped = csv_input.drop_impossible(con, files)
        csv_input.fill_busy(con, tuple(files))
        told = _quality(path / "quality.json")
        found, samples = _recorded(con, path, tuple(files), told)
        extras = [path / name for name in FOLDER_EXTRAS if (path / name).is_file()]
        of_path = digest([*files.values(), *extras])
        info = _object(path / "system_info.json")
        figures = [] if dropped else csv_input.read_percentiles(con, path / "percentiles.csv")  # which would be of those numbers too
        notes = [sentence for table, file in files.items() for sentence in csv_input.note(con, table, file)]
        found, notes = replace(found, events=(*found.events, *dropped)), [*notes, *_made_empty(path, dropped)]
        yield Staged(con, path, "folder", of_path, tuple(files), 1, _hostname(found), found, samples, info, figures, notes)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {reason(error)}.") from error
    finally:
        con.close()


def _made_empty(path: Path, dropped: Iterable[Event]) -> list[str]:
    told = ", ".join(f"{event.subject} ({event.missed})" for event in dropped)
    return [f"{path.name}: made empty, because it cannot be: {told}"] if told else []


@contextmanager
def _of_host_csv(path: Path) -> Iterator[Staged]:
    con = columnar.connect()
    try:
        with csv_input.as_text(path) as (text, cut):
            csv_input.read_table(con, HOST, text)
            dropped = csv_input.drop_impossible(con, (HOST,))
            name = csv_input.machine_named_in(con, text)
            notes = [*csv_input.note(con, HOST, text), *cut, *_made_empty(path, dropped)]
        csv_input.fill_busy(con, (HOST,))
        found, samples = _recorded(con, path, (HOST,), None)
        found = replace(found, events=(*found.events, *dropped))
        if name is None and path.name == "host.csv":
            name = _hostname(_quality(path.parent / "quality.json"))
        yield Staged(con, path, "host.csv", digest([path]), (HOST,), 1, name, found, samples, notes=notes)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {reason(error)}.") from error
    finally:
        con.close()


def _recorded(con: duckdb.DuckDBPyConnection, path: Path, tables: tuple[Table, ...], told: Quality | None) -> tuple[Quality, list[Sample]]:
    """What is known of the recordings, and their samples: as the folder tells, or one recording made of the tables' samples."""
    if told and told.recordings and (path / SAMPLES).is_file():
        return told, [Sample(*row) for row in csv_input.read_samples(con, path / SAMPLES)]
    instants = " UNION ".join(schema.select(["timestamp"], table.name) for table in tables)
    con.execute(f"CREATE OR REPLACE TABLE instants AS {instants}")
    con.execute(schema.text("duckdb/sampled"))
    samples = [
        Sample(*row) for row in con.execute("SELECT timestamp, recording, tick, lateness_ms FROM samples ORDER BY timestamp").fetchall()
    ]
    if not samples:
        raise BadInput(f"{path} has no rows: there is nothing to import.")
    (period,) = con.execute("SELECT any_value(period_ms) FROM samples").fetchone() or (None,)
    first, last = samples[0].timestamp, samples[-1].timestamp
    one = Recording(1, f"{UNNAMED}{first}", None, first, last, last, period, None, len(samples), samples[-1].tick, None, None, None)
    gaps = [Gap(a.timestamp, b.timestamp, b.tick - a.tick - 1) for a, b in zip(samples, samples[1:])]
    events = [Event("gap", gap.start_ms, gap.end_ms, missed=gap.missed, recording=1) for gap in gaps if gap.missed]
    counted = certify(len(samples), gaps)
    facts = {**(told.facts if told else {}), "first_timestamp": first, "last_timestamp": last, "period_ms": period}
    facts["samples"] = len(samples)
    others = [event._replace(recording=None) for event in (told.events if told else ()) if event.kind != "gap"]
    marks = tuple(mark._replace(recording=1) for mark in told.marks) if told else ()
    return Quality(facts, counted, (one,), (), marks, (*events, *others), session=told.session if told else None), samples


def _quality(path: Path) -> Quality | None:
    return qualities.of_json(path.read_bytes(), str(path)) if path.is_file() else None


def _hostname(quality: Quality | None) -> str | None:
    name = quality.facts.get("hostname") if quality else None
    return name if isinstance(name, str) and name else None


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = orjson.loads(path.read_bytes())
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}.") from error
    return found if isinstance(found, dict) else {}
