"""Writing what processing made of a machine into a lake."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import _duckdb as duckdb

from perfkit.catalog import DUCK_TYPES, INTEGER, MACHINE, TABLES, Table
from perfkit.lake.place import Lake
from perfkit.lake.tables import DIGEST_DIGITS, INSTANT, LAKE, RECORDS, TYPES, day_of, file_name, folder_of, text
from perfkit.process.findings import Assessment
from perfkit.process.machines import Machine
from perfkit.process.quality import Quality
from perfkit.store.columnar import insert


def digest(files: Iterable[Path]) -> str:
    """What tells the collection in `files` from every other, whatever its files are called and in which order they come."""
    found = []
    for path in files:
        with path.open("rb") as file:
            found.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:DIGEST_DIGITS]


class Made(NamedTuple):
    """A file that is ready, and the path in the lake that it will have."""

    file: Path
    path: str


class LakeWriter:
    """Writes machines into the lake at once: `take` makes their files, out of sight, and `publish` shows them all.

    Use it as a context; what was not published when it ends is gone. Its methods raise BadInput and Failed.
    """

    def __init__(self, lake: Lake, site: str) -> None:
        self.lake = lake
        self.written = 0
        """Files that are in the lake now."""
        self._site = site
        self._made: list[Made] = []
        self._writers: set[tuple[str, str]] = set()
        self._names: set[str] = set()
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None  # made for the first file: an input that is refused makes no lake

    def __enter__(self) -> LakeWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def take(self, con: duckdb.DuckDBPyConnection, machine: Machine, quality: Quality, parts: Mapping[str, Assessment]) -> None:
        """Make the files of a machine that was processed in `con`.

        It goes by its own hostname; where that is not known, or another machine of this writer has it already, by the name of its output.
        """
        hostname = quality.facts.get("hostname")
        name = hostname if isinstance(hostname, str) and hostname and hostname not in self._names else machine.name
        self._names.add(name)
        self.take_rows(con, machine.number, name, digest(machine.files), records(quality, parts))

    def take_rows(
        self, con: duckdb.DuckDBPyConnection, machine: int, name: str, writer: str, told: Mapping[str, Sequence[tuple[Any, ...]]]
    ) -> None:
        """Make the files of `machine`, called `name`, from the catalog's tables in `con`, and from the rows of RECORDS that `told` has."""
        for table in TABLES:
            self._take_table(con, table, table.name, machine, name, writer)
        for table in RECORDS:
            stage(con, table, machine, told[table.name])
            self._take_table(con, table, _staged(table), machine, name, writer)
        self._writers.add((name, writer))

    def publish(self) -> None:
        """Make all files visible, each whole. What the same collections left in the lake before, and have no longer, goes."""
        if not self._made:
            return
        places = {table.name: place for place, table in enumerate(LAKE)}
        new = {made.path for made in self._made}
        with self.lake.locked(shared=True):
            for made in sorted(self._made, key=lambda one: places[one.path.partition("/")[0]]):
                self.lake.publish(made.file, made.path)
            for path in list(self._former()):
                if path not in new:
                    self.lake.remove(path)
        self.written = len(new)
        self._made, self._writers = [], set()

    def _former(self) -> Iterator[str]:
        """The files that the collections of this writer have in the lake."""
        for name, writer in self._writers:
            for table in LAKE:
                yield from (file.path for file in self.lake.files(folder_of(table.name, self._site, name)) if file.writer == writer)

    def _take_table(self, con: duckdb.DuckDBPyConnection, table: Table, source: str, machine: int, name: str, writer: str) -> None:
        folder = folder_of(table.name, self._site, name)
        for date, first, last in con.execute(text("spans"), {"table": source, "machine": machine}).fetchall():
            start, until = day_of(first)
            self._folder = self._folder or self._stack.enter_context(self.lake.writing())
            file = self._folder / f"{len(self._made)}.parquet"
            values = {"machine": machine, "start": start, "until": until, "collection": writer, "file": str(file)}
            with self.lake.errors():
                con.execute(write_sql(table, source), values)
            self._made.append(Made(file, f"{folder}/date={date}/{file_name(first, last, writer)}"))


def write_sql(table: Table, source: str) -> str:
    """sql/write.sql for the rows of `table` that stand in DuckDB's table `source`; each column gets the catalog's type."""
    columns = ", ".join(f'"{c.name}"::{TYPES[c.type]} AS "{c.name}"' for c in table.columns)
    order = ", ".join(["1", *(f'"{c.name}"' for c in table.keys)])
    return text("write").format(table=source, columns=columns, order=order)


def stage(con: duckdb.DuckDBPyConnection, table: Table, machine: int, rows: Sequence[tuple[Any, ...]]) -> None:
    """Make the rows of one of RECORDS, (timestamp, its columns; instants in ms), a table of `con`."""
    types = {**DUCK_TYPES, INSTANT: DUCK_TYPES[INTEGER]}
    name = _staged(table)
    columns = ", ".join(f'"{c.name}" {types[c.type]}' for c in table.columns)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name} (machine INTEGER, timestamp BIGINT, {columns})")
    insert(con, name, ["INTEGER", "BIGINT", *(types[c.type] for c in table.columns)], [(machine, *row) for row in rows])
    for column in (c.name for c in table.columns if c.type == INSTANT):
        con.execute(f'ALTER TABLE {name} ALTER "{column}" TYPE TIMESTAMPTZ USING make_timestamp("{column}" * 1000) AT TIME ZONE \'UTC\'')


def records(
    quality: Quality, parts: Mapping[str, Assessment], identities: Mapping[int, str] | None = None
) -> dict[str, list[tuple[Any, ...]]]:
    """What is known of a machine besides its samples: rows by the names of RECORDS, each (timestamp, the table's columns).

    `identities` are those of recordings by number, where `quality` does not have them all.
    """
    facts = quality.facts
    known = [facts.get(c.name) for c in MACHINE]
    whole = ("period_ms", "last_timestamp", "samples", "samples_expected", "coverage")
    known_as = identities or {one.recording: one.identity for one in quality.recordings}

    def identity(recording: int | None) -> str:
        return "" if recording is None else known_as.get(recording, "")

    return {
        "machines": [(facts["first_timestamp"], *known, *(facts.get(name) for name in whole))],
        "recordings": [
            (r.from_timestamp, r.identity, r.boot_id, r.to_timestamp, r.period_ms, r.duration, r.samples, r.largest_lateness_ms, r.ended)
            for r in quality.recordings
        ],
        "marks": [(m.timestamp, identity(m.recording), m.kind, m.label, m.place) for m in quality.marks],
        "quality_events": [
            (e.from_timestamp, e.kind, e.subject, identity(e.recording), e.to_timestamp, e.missed, e.detail) for e in quality.events
        ],
        "runs": [_run(one, identity(one.recording), parts.get(one.window)) for one in quality.runs],
    }


def _run(one: Any, recording: str, part: Assessment | None) -> tuple[Any, ...]:
    told = one.certificate.as_dict()
    figures = ("samples", "samples_expected", "coverage", "gaps", "longest_gap_ms", "largest_lateness_ms", "clock_steps", "resets", "ended")
    meaning = (int(part.verdict.trusted), part.verdict.limit, part.verdict.sentence) if part else (None, None, None)
    span = (one.run, one.to_timestamp, int(one.open))
    return (one.from_timestamp, recording, one.label, one.phase, *span, *(told[name] for name in figures), *meaning)


def _staged(table: Table) -> str:
    return f"lake_{table.name}"
