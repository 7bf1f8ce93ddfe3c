"""References: what names a machine, a run or a phase in the command line, [SITE/]MACHINE[@RUN][:PHASE]; and what can be done to them."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from perfkit.catalog import TABLES
from perfkit.collection.certificate import RECORDING
from perfkit.errors import BadInput
from perfkit.store import columnar, findings, percentiles, rollup, runs, schema
from perfkit.store.runs import Stretch
from perfkit.units import FOREVER, iso

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
    collector_id = _find(con, parts["machine"], parts["site"] or site)
    if not parts["run"] and not parts["phase"]:
        return Reference(text, collector_id)
    return Reference(text, collector_id, runs.pick(runs.stretches(con, collector_id), parts["run"], parts["phase"]))


def _find(con: sqlite3.Connection, name: str, site: str | None) -> int:
    """The id of the collector of that name or id. Raises BadInput where there is none, or one at each of several sites."""
    found = con.execute(
        """SELECT id, sitename FROM collectors
        WHERE (machinename = :name OR CAST(id AS TEXT) = :name) AND (:site IS NULL OR sitename = :site)
        ORDER BY machinename = :name DESC""",
        {"name": name, "site": site},
    ).fetchall()
    if not found:
        known = [row[0] for row in con.execute("SELECT DISTINCT machinename FROM collectors ORDER BY 1 LIMIT 10")]
        raise BadInput(f"there is no collector {name!r}{f' at {site}' if site else ''}; there are: {', '.join(known) or 'none'}.")
    if len(found) > 1:
        raise BadInput(f"{name} stands at several sites; say which: {' or '.join(f'{row[1]}/{name}' for row in found)}.")
    return int(found[0][0])


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
            "UPDATE marks SET told = coalesce(told, label), label = ? WHERE collector_id = ? AND label = ? AND timestamp IN (?, ?)",
            (name, one.collector_id, run.label, run.start, run.end),
        )
    else:
        ends = [(run.start, "start"), (run.end, "end")]
        if runs.ended(con, one.collector_id, run.recording) == RECORDING:
            del ends[1]  # it goes on
        marks = [(one.collector_id, at, kind, name, run.recording) for at, kind in ends]
        con.executemany("INSERT OR IGNORE INTO marks (collector_id, timestamp, kind, label, recording) VALUES (?, ?, ?, ?, ?)", marks)
    runs.refresh(con, one.collector_id)


def remove(con: sqlite3.Connection, one: Reference) -> int:
    """Delete a machine with all that is known of it, or a run with its samples; how many samples went. Call it inside a transaction.

    With a recording's only run, all of the recording goes.
    """
    start, end = (0, FOREVER) if one.stretch is None else _reach(con, one.collector_id, _run(one))
    within = (one.collector_id, start, end)
    at = "collector_id = ? AND timestamp BETWEEN ? AND ?"
    [(count,)] = con.execute(schema.count("samples", f"WHERE {at}"), within)
    for table in TABLES:
        con.execute(schema.delete(table.database_name, at), within)
        for level, width in schema.LEVELS.items() if not table.sparse else ():
            bucket = (one.collector_id, start - start % width, end)
            con.execute(schema.delete(f"{table.database_name}_{level}", at), bucket)
    for table_name in ("samples", "marks"):
        con.execute(schema.delete(table_name, at), within)
    for table_name in ("quality_events", "recordings", "collections", "load_runs"):
        first, last = (
            f"{side}_timestamp" for side in (("from", "to") if table_name in ("quality_events", "recordings") else ("first", "last"))
        )
        con.execute(schema.delete(table_name, f"collector_id = ? AND {first} >= ? AND {last} <= ?"), within)
    con.execute(
        "DELETE FROM load_metrics WHERE collector_id = ?1 AND run NOT IN (SELECT run FROM load_runs WHERE collector_id = ?1)", within[:1]
    )
    con.execute(  # so that what it brought can be imported again
        """UPDATE collections SET digest = 'removed ' || id
        WHERE collector_id = ? AND first_timestamp <= ? AND last_timestamp >= ? AND kind <> 'live'""",
        (one.collector_id, end, start),
    )
    columnar.forget(con, one.collector_id, start, end + 1)
    if one.stretch is None:
        for table_name in ("load_runs", "load_metrics", "runs", "phases", "percentiles", "judged", "findings", "capacities", "estimates"):
            con.execute(schema.delete(table_name), (one.collector_id,))
        con.execute("DELETE FROM collectors WHERE id = ?", (one.collector_id,))
        return int(count)
    con.execute(schema.text("sqlite/shrink_recordings"), {"collector_id": one.collector_id})
    con.execute(schema.text("sqlite/shrink_collector"), {"collector_id": one.collector_id})
    rollup.refresh(con, one.collector_id, start, end)
    runs.refresh(con, one.collector_id)
    percentiles.refresh(con, one.collector_id, (start, end))
    findings.refresh(con, one.collector_id, (start, end))
    return int(count)


def described(con: sqlite3.Connection, one: Reference) -> str:
    """What it is, in a sentence: "run 2 (load) of vm-a, from ... to ..."."""
    find = "SELECT machinename, sitename, first_timestamp, last_timestamp FROM collectors WHERE id = ?"
    machine, site, first, last = con.execute(find, (one.collector_id,)).fetchone()
    if one.stretch:
        return f"run {one.stretch.run} ({one.stretch.label}) of {machine}, from {iso(one.stretch.start)} to {iso(one.stretch.end)}."
    [(count,)] = con.execute("SELECT count(*) FROM runs WHERE collector_id = ?", (one.collector_id,))
    span = "" if first is None else f", from {iso(first)} to {iso(last)}"
    return f"all of {machine} at {site}, {count} run{'' if count == 1 else 's'}{span}."


def _reach(con: sqlite3.Connection, collector_id: int, run: Stretch) -> tuple[int, int]:
    """From when to when samples go with the run (ms)."""
    if [one.run for one in runs.stretches(con, collector_id) if one.recording == run.recording and one.phase is None] != [run.run]:
        return run.start, run.end
    start, end = con.execute(
        "SELECT from_timestamp, to_timestamp FROM recordings WHERE collector_id = ? AND recording = ?", (collector_id, run.recording)
    ).fetchone()
    return min(start, run.start), max(end, run.end)


def _run(one: Reference) -> Stretch:
    if one.stretch is None or one.stretch.phase:
        raise BadInput(f"{one.text} is a phase; name a run or a machine.")
    return one.stretch
