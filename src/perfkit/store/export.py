"""The database's samples as the files that they came from."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from perfkit.catalog import TABLES
from perfkit.errors import BadInput, Failed, reason
from perfkit.process import folder as output
from perfkit.process.engine import Engine, statement
from perfkit.process.findings import Span, judge
from perfkit.store import columnar, runs, schema
from perfkit.store.references import resolve
from perfkit.units import FOREVER


@dataclass(frozen=True)
class Exported:
    """The folder that was written, and the rows of each of its files."""

    folder: Path
    rows: dict[str, int]


def export(
    con: sqlite3.Connection, collector: str, outdir: Path, *, site: str | None = None, start: int | None = None, end: int | None = None
) -> Exported:
    """Write the samples of a machine, or of one of its runs or phases (see references.py), in [start, end] ms as a processed folder.

    The files are those of `process`, value by value, so that `import` takes the folder. `outdir` is written whole or not at all.
    Raises BadInput for a machine that is unknown or stands at several sites, and where `outdir` exists.
    """
    one = resolve(con, collector, site)
    if outdir.exists():
        raise BadInput(f"{outdir} exists already; name another folder with --outdir.")
    whole = (one.stretch.start, one.stretch.end) if one.stretch else (0, FOREVER)
    first, last = max(whole[0], start or 0), min(whole[1], FOREVER if end is None else end)
    with _beside(outdir) as folder, Engine() as engine:
        rows = _write(con, engine, one.collector_id, folder, first, last)
        if not rows["samples"]:
            raise BadInput(f"{collector} has no samples in that time; leave out --from and --to to see what it has.")
    return Exported(outdir, rows)


def _write(con: sqlite3.Connection, engine: Engine, collector_id: int, folder: Path, first: int, last: int) -> dict[str, int]:
    """The folder's files; the rows of each table."""
    duck = engine.con
    within = (collector_id, first, last)
    samples = con.execute(
        "SELECT ?1, timestamp, recording, tick, lateness_ms, 1 FROM samples WHERE collector_id = ?1 AND timestamp BETWEEN ?2 AND ?3",
        within,
    ).fetchall()
    columns = "machine INTEGER, timestamp BIGINT, recording BIGINT, tick BIGINT, lateness_ms DOUBLE, counted BOOLEAN"
    duck.execute(f"CREATE OR REPLACE TABLE samples ({columns})")
    types = ["INTEGER", "BIGINT", "BIGINT", "BIGINT", "DOUBLE", "BOOLEAN"]
    columnar.insert(duck, "samples", types, samples)
    fraction = any(row[1] % 1000 for row in samples)
    duck.execute(
        "CREATE TABLE machines AS SELECT $machine::INTEGER AS machine, $fraction AS milliseconds",
        {"machine": collector_id, "fraction": fraction},
    )
    rows = {"samples": len(samples)}
    tables = output.Tables(duck, collector_id, folder)
    for table in TABLES:
        columnar.attach(con, duck, collector_id, table, first, last + 1)
        [(rows[table.name],)] = duck.execute(schema.count(table.name)).fetchall()
        tables.write(table, has_rows=bool(rows[table.name]))
    tables.write_samples()
    _take_percentiles(con, engine, collector_id, first, last)
    output.write_percentiles(duck, collector_id, folder)
    names = dict(duck.execute(statement("output/container_names"), {"machine": collector_id}).fetchall())
    [(info,)] = con.execute("SELECT system_info FROM collectors WHERE id = ?", (collector_id,))
    if samples:
        told = runs.quality(con, collector_id, first, last)
        output.write_facts(told, names, orjson.loads(info or "{}"), folder)
        spans = [Span(run.window, run.from_timestamp, run.to_timestamp) for run in told.runs]
        output.write_findings(judge(duck, columnar.stage(con, duck, collector_id, first, last), spans), folder)
    return rows


def _take_percentiles(con: sqlite3.Connection, engine: Engine, collector_id: int, first: int, last: int) -> None:
    """The stored percentiles of windows that lie in [first, last]."""
    rows = con.execute(schema.text("sqlite/percentiles_within"), {"collector_id": collector_id, "first": first, "last": last}).fetchall()
    engine.con.execute(statement("summaries/percentiles_table"))
    columnar.insert(
        engine.con, "percentiles", ["INTEGER", "VARCHAR", "VARCHAR", "VARCHAR", "BIGINT", "BIGINT", "BIGINT", *["DOUBLE"] * 8], rows
    )


@contextmanager
def _beside(outdir: Path) -> Iterator[Path]:
    """A new folder next to `outdir` that takes its name when the block ends well."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{outdir.name}-", dir=outdir.absolute().parent))
    except OSError as error:
        raise Failed(f"{outdir} cannot be written: {reason(error)}; name another folder with --outdir.") from error
    try:
        yield folder
        folder.chmod(0o755)
        folder.replace(outdir)
    except OSError as error:
        raise Failed(f"{outdir} cannot be written: {reason(error)}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
