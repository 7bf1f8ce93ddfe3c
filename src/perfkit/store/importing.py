"""Importing: one machine's samples, rollups, percentiles, runs and quality into the database, in one transaction per input."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfkit import catalog
from perfkit.catalog import HOST, Table
from perfkit.collection.certificate import Certificate
from perfkit.errors import BadInput
from perfkit.process.quality import Recording
from perfkit.store import columnar, findings, percentiles, rollup, runs, schema
from perfkit.store.database import default_path, open_database, sentences, transaction
from perfkit.store.inputs import Staged, staged

DEFAULT_SITE = catalog.DEFAULT_SITE
POSTGRES = ("postgresql://", "postgres://")
_BATCH = 10_000

Progress = Callable[[int, int], None]  # gets rows done, of how many


@dataclass(frozen=True)
class Imported:
    """What came in: `new_samples` are new in host_metrics, `rows` are of all tables; instants are ms since the epoch.

    `certificate` tells what the input has of its recordings, `notes` that it is still recorded, and which columns were left out.
    """

    origin: str
    collector_id: int
    machinename: str
    sitename: str
    new_samples: int
    rows: int
    new_rows: int
    first: int
    last: int
    certificate: Certificate
    already: bool  # the same input was imported before
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """What a sender is told."""
        told = self.certificate.as_dict()
        return {**vars(self), "samples": told["samples"], "coverage": told["coverage"], "certificate": told, "notes": list(self.notes)}


def target(db: str | None) -> Path | str:
    """Where an import goes: the path of a SQLite file, or a PostgreSQL URL as it is; the default database for None."""
    if not db:
        return default_path()
    return db if db.startswith(POSTGRES) else Path(db).expanduser()


def import_input(
    db: Path | str,
    path: Path,
    *,
    collector_name: str | None = None,
    site_name: str | None = None,
    progress: Progress | None = None,
) -> list[Imported]:
    """Import `path` (a collection, a processed folder or a lone host.csv) into the database `db`, all of it or nothing; one per machine.

    The collector is (`collector_name` or the host's own name, `site_name` or "default"). Samples merge by collector and timestamp:
    one that is there already stays. Raises BadInput and Failed; the database is then as before.
    """
    with staged(path) as machines:
        names = [_name(one, path, collector_name, machines) for one in machines]
        if isinstance(db, str):
            from perfkit.store import postgres

            return postgres.import_machines(db, machines, names, site_name or DEFAULT_SITE, progress)
        return import_machines(db, machines, names, site_name or DEFAULT_SITE, progress, by_id=collector_name is None)


def import_machines(
    db: Path, machines: Sequence[Staged], names: Sequence[str], site: str, progress: Progress | None = None, *, by_id: bool = False
) -> list[Imported]:
    """Import the machines of one input under these names, in one transaction; `by_id` as find_or_add wants a machine's id."""
    with closing(open_database(db)) as con, sentences(db):
        tell = _counting(progress, sum(rows for one in machines for rows in one.filled.values()))
        with transaction(con):
            found = [_import(con, one, name, site, tell, by_id=by_id) for one, name in zip(machines, names, strict=True)]
        columnar.sweep(con)
        return found


def merge(con: sqlite3.Connection, one: Staged, name: str, site: str) -> Imported:
    """Import one machine's input in the open transaction."""
    return _import(con, one, name, site, lambda rows: None)


def find_or_add(con: sqlite3.Connection, name: str, site: str, machine_id: object = None) -> int:
    """The id of the collector `name` at `site`. One that was known by its `machine_id`, as senders of pcc's may be, is called so now.

    Only what the owner imports may say that: a sender could name another's.
    """
    if machine_id and not con.execute("SELECT 1 FROM collectors WHERE machinename = ? AND sitename = ?", (name, site)).fetchone():
        con.execute("UPDATE collectors SET machinename = ? WHERE machinename = ? AND sitename = ?", (name, machine_id, site))
    con.execute("INSERT OR IGNORE INTO collectors (machinename, sitename) VALUES (?, ?)", (name, site))
    row = con.execute("SELECT id FROM collectors WHERE machinename = ? AND sitename = ?", (name, site)).fetchone()
    return int(row[0])


def insert_sql(table: str, columns: Sequence[str], verb: str = "INSERT OR IGNORE") -> str:
    """One row of the collector and these `columns` into `table`; a row that is there already stays as it is."""
    return schema.insert(table, ("collector_id", *columns), verb)


def _name(one: Staged, path: Path, given: str | None, machines: Sequence[Staged]) -> str:
    if given and len(machines) > 1:
        there = ", ".join(str(machine.hostname) for machine in machines)
        raise BadInput(f"{path} mixes recordings of several machines ({there}), so they cannot all be {given}; leave --collector-name out.")
    if name := given or one.hostname:
        return name
    raise BadInput(f"{path} does not say which machine it is of; name it with --collector-name.")


def _import(
    con: sqlite3.Connection, one: Staged, name: str, site: str, progress: Callable[[int], None], *, by_id: bool = False
) -> Imported:
    collector_id = find_or_add(con, name, site, one.quality.facts.get("machine_id") if by_id else None)
    known = con.execute("SELECT 1 FROM collections WHERE collector_id = ? AND digest = ?", (collector_id, one.digest)).fetchone()
    first, last = one.span
    new: dict[Table, int] = {}
    if not known:
        _refuse_another_machine(con, one, collector_id, name)
        alone = not con.execute("SELECT 1 FROM samples WHERE collector_id = ? LIMIT 1", (collector_id,)).fetchone()
        new = _copy(con, one, collector_id, first, last, progress)
        _describe(con, one, collector_id, first, last)
        if alone and one.percentiles:
            percentiles.store(con, collector_id, _named(con, one, collector_id))
            percentiles.refresh(con, collector_id)
        else:
            percentiles.refresh(con, collector_id, (first, last))
        findings.refresh(con, collector_id, (first, last))
    return Imported(
        origin=str(one.origin),
        collector_id=collector_id,
        machinename=name,
        sitename=site,
        new_samples=new.get(HOST, 0),
        rows=sum(one.filled.values()),
        new_rows=sum(new.values()),
        first=first,
        last=last,
        certificate=one.quality.certificate,
        already=known is not None,
        notes=tuple(filter(None, (one.quality.recorder, *one.notes))),
    )


def _named(con: sqlite3.Connection, one: Staged, collector_id: int) -> Iterator[tuple[Any, ...]]:
    """The input's percentiles under the names that their windows have in the database, where its runs may have other numbers."""
    windows = percentiles.windows(con, collector_id)
    here: dict[str, percentiles.NamedWindow | None] = {window.name: window for window in windows}
    same = {(window.start, window.end, window.name.count(":")): window for window in windows if ":" in window.name}
    for run in one.quality.runs:
        name = run.window
        here[name] = same.get((run.from_timestamp, run.to_timestamp, name.count(":")), here.get(name))
    for range_, *rest in one.percentiles:
        if (window := here.get(range_)) is not None:
            yield (*window, *rest)


def _refuse_another_machine(con: sqlite3.Connection, one: Staged, collector_id: int, name: str) -> None:
    """Two boots of one machine are never at the same time; machines that were cloned may be."""
    for recording in one.quality.recordings:
        met = con.execute(
            """SELECT 1 FROM recordings WHERE collector_id = ? AND boot_id <> ? AND from_timestamp < ? AND to_timestamp > ?""",
            (collector_id, recording.boot_id, recording.to_timestamp, recording.from_timestamp),
        ).fetchone()
        if met and recording.identity not in {
            row[0] for row in con.execute("SELECT identity FROM recordings WHERE collector_id = ?", (collector_id,))
        }:
            raise BadInput(
                f"{one.origin} was recorded at the same time as another boot of {name} that is there already: it is another machine of that"
                " name (or its clock was behind); import it under another name with --collector-name."
            )


def _copy(
    con: sqlite3.Connection, one: Staged, collector_id: int, first: int, last: int, progress: Callable[[int], None]
) -> dict[Table, int]:
    """Samples and rollups of every table; how many samples were new."""
    widest = max(schema.LEVELS.values())
    merging = con.execute(
        "SELECT EXISTS (SELECT 1 FROM host_metrics WHERE collector_id = ? AND timestamp BETWEEN ? AND ?)",
        (collector_id, first - widest, last + widest),
    ).fetchone()[0]
    new = {table: _copy_samples(con, one, table, collector_id, progress) for table in one.filled}
    if merging and any(new.values()):
        columnar.forget(con, collector_id, first, last + 1)
        rollup.refresh(con, collector_id, first, last)
        rollup.close_buckets(con, collector_id, last)
        with closing(columnar.connect()) as duck:
            columnar.complete(con, collector_id, last + 1, duck)
    elif not merging:
        _roll_up(con, one, collector_id, first, last)
        for table in one.filled:
            columnar.write(con, one.con, collector_id, table, one.machine, first, last + 1)
    return new


def _copy_samples(con: sqlite3.Connection, one: Staged, table: Table, collector_id: int, progress: Callable[[int], None]) -> int:
    keys = [*(c.name for c in table.keys), "timestamp"]
    values = {
        "collector_id": collector_id,
        "machine": one.machine,
        "table": table.name,
        "keys": keys,
        "columns": [*keys, *(c.name for c in table.values)],
    }
    cursor = one.con.execute(schema.text("duckdb/copy_samples"), values)
    columns = [column[0] for column in cursor.description or ()][1:]
    return _pour(con, cursor, insert_sql(table.database_name, columns), progress)


def _roll_up(con: sqlite3.Connection, one: Staged, collector_id: int, first: int, last: int) -> None:
    """Rollups of samples that have no neighbours: DuckDB computes them, after the buckets that stood open before were closed."""
    for level, width in schema.LEVELS.items():
        done = rollup.reach(con, collector_id)[width][1]
        if done < first - first % width:
            rollup.fill(con, collector_id, level, done, first - first % width)
        until = max(done, last - last % width)
        for table in (table for table in one.filled if until > first and not table.sparse):
            keys, metrics = [*(c.name for c in table.keys), "timestamp"], [c.name for c in table.metrics]
            values = {"collector_id": collector_id, "machine": one.machine, "table": table.name, "keys": keys, "metrics": metrics}
            cursor = one.con.execute(schema.text("duckdb/copy_rollups"), {**values, "width": width, "until": until})
            names = [column[0] for column in cursor.description or ()][1:]
            _pour(con, cursor, insert_sql(f"{table.database_name}_{level}", names, "INSERT OR REPLACE"), lambda rows: None)
        rollup.set_reach(con, collector_id, width, until)


def _pour(con: sqlite3.Connection, cursor: Any, insert: str, progress: Callable[[int], None]) -> int:
    """Rows of DuckDB's `cursor` by the statement `insert`; how many were new."""
    new = 0
    while rows := cursor.fetchmany(_BATCH):
        new += con.executemany(insert, rows).rowcount
        progress(len(rows))
    return new


def _describe(con: sqlite3.Connection, one: Staged, collector_id: int, first: int, last: int) -> None:
    """Everything besides the metrics: the collection, the machine, recordings and their samples, marks, events, runs."""
    counted = one.quality.certificate.as_dict()
    figures = {name: counted[name] for name in ("samples", "samples_expected", "coverage")}
    origin = {"digest": one.digest, "source": str(one.origin), "kind": one.kind, "imported_at": int(time.time() * 1000)}
    span = {"collector_id": collector_id, "first_timestamp": first, "last_timestamp": last}
    con.execute(schema.text("sqlite/collection_insert"), {**span, **origin, **figures})
    for recording in one.quality.recordings:
        _forget_superseded(con, collector_id, recording)
    taken = runs.take(con, collector_id, one.quality.recordings, one.samples)
    runs.add_marks(con, collector_id, one.quality.marks, taken)
    runs.add_events(con, collector_id, one.quality.events, taken, one.quality.recordings)
    tell_collector(con, collector_id, first, last, one.facts())
    runs.refresh(con, collector_id)


def _forget_superseded(con: sqlite3.Connection, collector_id: int, recording: Recording) -> None:
    """A recording that comes again whole brings its events anew: the file has grown, or the file of a stream came."""
    con.execute(
        """DELETE FROM quality_events WHERE collector_id = :id AND from_timestamp >= :first AND to_timestamp <= :last AND EXISTS (
            SELECT 1 FROM recordings
            WHERE collector_id = :id AND identity = :identity AND from_timestamp >= :first AND to_timestamp <= :last)""",
        {"id": collector_id, "identity": recording.identity, "first": recording.from_timestamp, "last": recording.to_timestamp},
    )


def tell_collector(con: sqlite3.Connection, collector_id: int, first: int, last: int, facts: dict[str, Any]) -> None:
    """Bring the collector's span and samples up to date, and its facts if [first, last] is its newest."""
    [(newest,)] = con.execute("SELECT coalesce(last_timestamp, 0) <= ? FROM collectors WHERE id = ?", (last, collector_id))
    if newest and facts:
        con.execute(schema.update("collectors", facts, "id = :id"), {**facts, "id": collector_id})
    con.execute(schema.text("sqlite/collector_grow"), {"id": collector_id, "first": first, "last": last})


def _counting(progress: Progress | None, total: int) -> Callable[[int], None]:
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        if progress:
            progress(done, total)

    return count
