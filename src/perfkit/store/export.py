"""The database's samples as the files that they came from."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perfkit.catalog import TABLES
from perfkit.errors import BadInput, Failed, reason
from perfkit.process.engine import Engine
from perfkit.process.folder import write_csv
from perfkit.store import columnar, schema

_FOREVER = 1 << 53


@dataclass(frozen=True)
class Exported:
    """The folder that was written, and the rows of each of its files."""

    folder: Path
    rows: dict[str, int]


def export(
    con: sqlite3.Connection, collector: str, outdir: Path, *, site: str | None = None, start: int | None = None, end: int | None = None
) -> Exported:
    """Write the samples of a collector (its machine's name, or its id) in [start, end] ms as a processed folder.

    The files are those of `process`, value by value; quality.json has the facts, marks and events, so that `import` takes the folder.
    `outdir` is written whole or not at all. Raises BadInput for a collector that is unknown or stands at several sites, and where
    `outdir` exists.
    """
    facts = _collector(con, collector, site)
    if outdir.exists():
        raise BadInput(f"{outdir} exists already; name another folder with --outdir.")
    since, until = max(0, start or 0), (_FOREVER if end is None else end + 1)
    with _beside(outdir) as folder, Engine() as engine:
        duck = engine.con
        fraction = con.execute(schema.text("export_fraction.sql"), {"id": facts["id"]}).fetchone()[0]
        duck.execute(schema.text("export_sources.sql"), {"source": facts["id"], "milliseconds": bool(fraction)})
        rows = {}
        for table in TABLES:
            columnar.stage(con, duck, facts["id"], table, since, until)
            write_csv(duck, facts["id"], table, folder / f"{table.name}.csv")
            found = duck.execute(schema.text("count.sql").format(table=table.name), [facts["id"]]).fetchone()
            rows[table.name] = int(found[0]) if found else 0
        if not rows["host"]:
            raise BadInput(f"{collector} has no samples in that time; leave out --from and --to to see what it has.")
        recorded = max(rows[name] for name in ("host", "memory", "system"))
        _write_facts(con, facts, folder, recorded, (since, until))
    return Exported(outdir, rows)


def _collector(con: sqlite3.Connection, name: str, site: str | None) -> dict[str, Any]:
    cursor = con.execute(schema.text("export_collector.sql"), {"name": name, "site": site})
    found = [dict(zip([column[0] for column in cursor.description], row)) for row in cursor]
    if not found:
        known = [row[0] for row in con.execute("SELECT DISTINCT machinename FROM collectors ORDER BY 1 LIMIT 10")]
        raise BadInput(f"there is no collector {name!r}{f' at {site}' if site else ''}; there are: {', '.join(known) or 'none'}.")
    if len(found) > 1:
        sites = ", ".join(row["sitename"] for row in found)
        raise BadInput(f"{name} stands at several sites ({sites}); name one with --site-name.")
    return found[0]


def _write_facts(con: sqlite3.Connection, facts: dict[str, Any], folder: Path, samples: int, span: tuple[int, int]) -> None:
    values = {"id": facts["id"], "since": span[0], "until": span[1]}
    marks = con.execute(schema.text("export_marks.sql"), values)
    events = con.execute(schema.text("export_events.sql"), values).fetchall()
    expected = samples + sum(missed or 0 for _, _, kind, _, missed, _ in events if kind == "gap")
    info = json.loads(facts.pop("system_info") or "{}")
    session = json.loads(facts.pop("session") or "null")
    quality = {
        "format": 1,
        "hostname": facts["machinename"],
        **{key: value for key, value in facts.items() if key not in ("id", "machinename", "sitename")},
        "samples": samples,
        "samples_expected": expected,
        "coverage": 100.0 * samples / expected,
        "marks": [dict(zip(("timestamp", "kind", "label"), row)) for row in marks],
        "events": [dict(zip(("from", "to", "kind", "subject", "missed", "detail"), row)) for row in events],
        "session": session,
    }
    (folder / "quality.json").write_text(json.dumps(quality, indent=2) + "\n", "utf-8")
    (folder / "system_info.json").write_text(json.dumps(info, indent=2) + "\n", "utf-8")


@contextmanager
def _beside(outdir: Path) -> Iterator[Path]:
    """A new folder beside `outdir` that takes its name when the block ends well."""
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
