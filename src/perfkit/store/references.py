"""References: what names a machine, a run or a phase in the command line, [SITE/]MACHINE[@RUN][:PHASE]; and what can be done to them."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from perfkit.catalog import TABLES
from perfkit.errors import BadInput
from perfkit.store import columnar, findings, percentiles, rollup, runs, schema
from perfkit.store.export import find
from perfkit.store.runs import Stretch

_FORM = re.compile(r"(?:(?P<site>[^/@]+)/)?(?P<machine>[^/@]+?)(?:@(?P<run>[^:]+(?::\d\d[^:]*)*))?(?::(?P<phase>.+))?")


@dataclass(frozen=True)
class Reference:
    """A machine, or one of its runs or phases where `stretch` is given."""

    text: str
    collector_id: int
    stretch: Stretch | None = None


def resolve(con: sqlite3.Connection, text: str, site: str | None = None) -> Reference:
    """What `text` names. Raises BadInput that lists what there is; nothing is answered with something else than was asked."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise BadInput(f"{text[:60]!r} names no machine; write [SITE/]MACHINE[@RUN][:PHASE], as in vm-a@2:steady.")
    collector_id = find(con, parts["machine"], parts["site"] or site)
    if not parts["run"] and not parts["phase"]:
        return Reference(text, collector_id)
    return Reference(text, collector_id, runs.pick(runs.stretches(con, collector_id), parts["run"], parts["phase"]))


def rename(con: sqlite3.Connection, one: Reference, name: str) -> None:
    """Give a machine or a run another name; a run keeps its number. Call it inside a transaction."""
    if not name.strip():
        raise BadInput("the new name is empty.")
    if one.stretch is None:
        taken = con.execute(
            """SELECT 1 FROM collectors AS c JOIN collectors AS o ON o.sitename = c.sitename AND o.id <> c.id
            WHERE c.id = ? AND o.machinename = ?""",
            (one.collector_id, name),
        ).fetchone()
        if taken:
            raise BadInput(f"there is a machine {name!r} at that site already; choose another name.")
        con.execute("UPDATE collectors SET machinename = ? WHERE id = ?", (name, one.collector_id))
        return
    run = _run(one)
    con.execute("UPDATE runs SET label = ?, marked = 1 WHERE collector_id = ? AND run = ?", (name, one.collector_id, run.run))
    if run.marked:
        con.execute(
            "UPDATE marks SET label = ? WHERE collector_id = ? AND label = ? AND timestamp IN (?, ?)",
            (name, one.collector_id, run.label, run.start, run.end),
        )
    else:
        marks = [(one.collector_id, at, kind, name, run.recording) for at, kind in ((run.start, "start"), (run.end, "end"))]
        con.executemany("INSERT OR IGNORE INTO marks (collector_id, timestamp, kind, label, recording) VALUES (?, ?, ?, ?, ?)", marks)
    runs.refresh(con, one.collector_id)


def remove(con: sqlite3.Connection, one: Reference) -> int:
    """Delete a machine with all that is known of it, or a run with its samples; how many samples went. Call it inside a transaction."""
    start, end = (0, runs.FOREVER) if one.stretch is None else (_run(one).start, _run(one).end)
    within = (one.collector_id, start, end)
    [(count,)] = con.execute("SELECT count(*) FROM samples WHERE collector_id = ? AND timestamp BETWEEN ? AND ?", within)
    for table in TABLES:
        con.execute(f"DELETE FROM {table.database_name} WHERE collector_id = ? AND timestamp BETWEEN ? AND ?", within)
        for level, width in schema.LEVELS.items() if not table.sparse else ():
            bucket = (one.collector_id, start - start % width, end)
            con.execute(f"DELETE FROM {table.database_name}_{level} WHERE collector_id = ? AND timestamp BETWEEN ? AND ?", bucket)
    for table_name in ("samples", "marks"):
        con.execute(f"DELETE FROM {table_name} WHERE collector_id = ? AND timestamp BETWEEN ? AND ?", within)
    for table_name in ("quality_events", "recordings", "collections"):
        first, last = ("first_timestamp", "last_timestamp") if table_name == "collections" else ("from_timestamp", "to_timestamp")
        con.execute(f"DELETE FROM {table_name} WHERE collector_id = ? AND {first} >= ? AND {last} <= ?", within)
    columnar.forget(con, one.collector_id, start, end + 1)
    if one.stretch is None:
        for table_name in ("load_runs", "load_metrics", "runs", "phases", "percentiles", "judged", "findings", "estimates"):
            con.execute(f"DELETE FROM {table_name} WHERE collector_id = ?", (one.collector_id,))
        con.execute("DELETE FROM collectors WHERE id = ?", (one.collector_id,))
        return int(count)
    con.execute(schema.text("sqlite/shrink_recordings"), {"collector_id": one.collector_id})
    con.execute(schema.text("sqlite/shrink_collector"), {"collector_id": one.collector_id})
    rollup.refresh(con, one.collector_id, start, end)
    runs.refresh(con, one.collector_id)
    percentiles.refresh(con, one.collector_id, (start, end))
    findings.refresh(con, one.collector_id, (start, end))
    return int(count)


def _run(one: Reference) -> Stretch:
    if one.stretch is None or one.stretch.phase:
        raise BadInput(f"{one.text} is a phase; name a run or a machine.")
    return one.stretch
