"""What pages and API read from the database: one function a question, each on an open read-only connection."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from perfkit import sql
from perfkit.catalog import FIGURES, Table, table
from perfkit.collection.certificate import Certificate
from perfkit.dashboard import ranges
from perfkit.dashboard.ranges import Window
from perfkit.errors import NotThere
from perfkit.loadtools import capacity
from perfkit.loadtools.capacity import Capacity
from perfkit.process.findings import SHOWN, Span, verdict
from perfkit.store import findings as found
from perfkit.store import percentiles as stored
from perfkit.store import runs
from perfkit.store.rollup import devices

PERCENTILES = ("metric", "device", *FIGURES)

# The device that stands for all others of its table, and how many of a table are shown before any is asked for.
WHOLE = "all"
SHOWN_AT_FIRST = 2
SOME = 20  # devices that are named where one is not there

Row = dict[str, Any]


def query(name: str) -> str:
    """The SQL of queries/<name>.sql."""
    return sql.read("perfkit.dashboard", f"queries/{name}.sql")


def rows(con: sqlite3.Connection, name: str, **parameters: object) -> list[Row]:
    """All rows of the query `name` as dictionaries."""
    cursor = con.execute(query(name), parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def collectors(con: sqlite3.Connection) -> list[Row]:
    """Every collector, the one with the newest data first."""
    return rows(con, "collectors")


def clock(con: sqlite3.Connection, collector_id: int) -> Row:
    """What the machine told last of its clock, in ms; a value is None where it is not known.

    `error`   by how much it may be wrong, as its kernel says; None too where nobody sets it
    `ahead`   how far the clock of the receiver is ahead of it, which may be wrong by `within`
    """
    columns = {"error": "clock_error_ms", "ahead": "receiver_ahead_ms", "within": "receiver_within_ms"}
    sql = "SELECT {0} FROM limit_metrics WHERE collector_id = ? AND {0} IS NOT NULL ORDER BY timestamp DESC LIMIT 1"
    found = {name: con.execute(sql.format(column), (collector_id,)).fetchone() for name, column in columns.items()}
    return {name: value[0] if value else None for name, value in found.items()}


def collector(con: sqlite3.Connection, collector_id: int) -> Row | None:
    """The collector `collector_id`, or None."""
    found = rows(con, "collector", collector=collector_id)
    return found[0] if found else None


def marks(con: sqlite3.Connection, collector_id: int) -> list[tuple[int, str, str]]:
    """(timestamp, kind, label) of every mark of the collector, in time order."""
    return [(row["timestamp"], row["kind"], row["label"]) for row in rows(con, "marks", collector=collector_id)]


def quality(con: sqlite3.Connection, collector_id: int, start: int, end: int) -> list[Row]:
    """The collector's quality events that touch the window, in time order; the first 2,000 of them."""
    return rows(con, "quality", collector=collector_id, start=start, end=end)


def window(con: sqlite3.Connection, collector_id: int, args: Mapping[str, str]) -> Window:
    """The part of the collector's data that a URL asks for; raises BadInput (see ranges.window)."""
    return ranges.window(args, stored.windows(con, collector_id), runs.stretches(con, collector_id))


def certificate(con: sqlite3.Connection, collector_id: int, shown: Window, now_ms: int) -> Certificate:
    """What was recorded of the window: the figures of its run or phase where it is one."""
    if shown.stretch:
        return runs.of_stretch(con, collector_id, shown.stretch, now_ms=now_ms)
    return runs.covered(con, collector_id, shown.start, shown.end, now_ms=now_ms)


def has_containers(con: sqlite3.Connection, collector_id: int) -> bool:
    """Whether any container was ever seen on the collector's machine."""
    return con.execute("SELECT 1 FROM container_metrics WHERE collector_id = ? LIMIT 1", (collector_id,)).fetchone() is not None


def version(con: sqlite3.Connection, collector_id: int) -> str:
    """Something that changes with every sample, mark and event of the collector, "" where there is none."""
    found = rows(con, "version", collector=collector_id)
    return found[0]["version"] if found else ""


def container_names(con: sqlite3.Connection, collector_id: int) -> dict[str, str]:
    """The name of each container of the collector, by id."""
    return {row["container_id"]: row["container_name"] for row in rows(con, "container_names", collector=collector_id)}


def devices_to_show(
    con: sqlite3.Connection, collector_id: int, asked: dict[str, list[str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """All devices of each table of `asked`, and of these the ones to show.

    They are those asked for; else the one that stands for all; else the first that the host's totals count. Raises NotThere for one that
    the machine never had.
    """
    known = {name: sorted((str(device) for device in devices(con, table(name), collector_id)), key=_by_number) for name in asked}
    for name, wanted in asked.items():
        if missing := [device for device in wanted if device not in known[name]]:
            there = ", ".join(known[name][:SOME]) or "none"
            raise NotThere(f"there are no figures of {missing[0][:60]!r} in the table {name} of this machine; there are those of {there}.")
    return known, {name: _chosen(con, collector_id, name, known[name], wanted) for name, wanted in asked.items()}


def _chosen(con: sqlite3.Connection, collector_id: int, name: str, known: list[str], wanted: list[str]) -> list[str]:
    if shown := [device for device in known if device in wanted]:
        return shown
    if WHOLE in known:
        return [WHOLE]
    return ([device for device in known if _counted(con, collector_id, table(name), device)] or known)[:SHOWN_AT_FIRST]


def _by_number(device: str) -> tuple[bool, list[tuple[int, str]]]:
    """What stands for all devices first, then sda before sdb and 9 before 10."""
    return device != WHOLE, [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", device)]


def _counted(con: sqlite3.Connection, collector_id: int, of: Table, device: str) -> bool:
    """Whether the host's total counts the device of the table disk or network."""
    sql = query("counted").format(table=of.database_name, device=of.keys[0].name)
    row = con.execute(sql, {"collector": collector_id, "device": device}).fetchone()
    return bool(row and row[0])


def percentiles(con: sqlite3.Connection, collector_id: int, window: Window, tables: Sequence[str]) -> list[Row]:
    """One row per metric and device of `tables`: samples, min, avg, max, stddev, p50, p90, p95, p99 in the window."""
    return [dict(zip(PERCENTILES, row)) for row in stored.of_window(con, collector_id, window.start, window.end, tables)]


def figures(con: sqlite3.Connection, collector_id: int, start: int, end: int) -> Row:
    """{metric: {"avg", "p95", "max"}} of the host in [start, end] ms, and under "load" what the load tools reported there."""
    host = stored.of_window(con, collector_id, start, end)
    known = {row[0].partition(".")[2]: dict(zip(PERCENTILES, row)) for row in host}
    load = rows(con, "load_figures", collector=collector_id, start=start, end=end)[0]
    shown = {name: {key: known[name][key] for key in ("avg", "p95", "max")} for name in SHOWN if name in known}
    return {**shown, "load": load if load["throughput"] is not None else None}


def runs_listed(con: sqlite3.Connection, now_ms: int, collector_id: int | None = None, run: int | None = None) -> list[Row]:
    """Every run, the newest first, or the one that is asked for: machine, span, certificate, verdict, capacity and figures."""
    listed = rows(con, "runs", collector=collector_id, run=run, newest=0)
    of: dict[int, list[runs.Stretch]] = {}
    for row in listed:
        of.setdefault(row["collector"], []).append(_stretch(row))
    parts = {(collector, one.run): (one, part) for collector, all_ in of.items() for one, part in _parts(con, collector, all_, now_ms)}
    told = [(row, *parts[row["collector"], row["run"]]) for row in listed]
    return [{**_named(row, one), **part} for row, one, part in told]


def newest_runs(con: sqlite3.Connection, now_ms: int, collector_id: int | None = None) -> list[Row]:
    """The run of each machine, or of the one that is asked for, that began last, as `runs_listed` has it but for its findings.

    Verdict and figures are None where they are not stored, as of a run that is still recorded: a list of machines does not wait for them.
    """
    listed = []
    for row in rows(con, "runs", collector=collector_id, run=None, newest=1):
        one = _stretch(row)
        known = found.stored(con, row["collector"], stored.NamedWindow(one.window, one.start, one.end)) is not None
        part = next(_parts(con, row["collector"], [one], now_ms))[1] if known else {"from": one.start, "to": one.end}
        listed.append({**_named(row, one), **{name: part.get(name) for name in ("from", "to", "recorded", "verdict", "figures")}})
    return listed


def _named(row: Row, one: runs.Stretch) -> Row:
    return {"id": f"{row['collector']}{one.reference}", **row}


def _stretch(row: Row) -> runs.Stretch:
    """The run in a row of runs.sql."""
    span = (row["from_timestamp"], row["to_timestamp"])
    return runs.Stretch(row["run"], row["label"], None, row["recording"], *span, bool(row["open"]), bool(row["marked"]))


def phases_of(con: sqlite3.Connection, collector_id: int, run: int, now_ms: int) -> list[Row]:
    """The phases of a run, by time, each as `runs_listed` has its run."""
    phases = [one for one in runs.stretches(con, collector_id) if one.run == run and one.phase]
    return [{"phase": one.phase, "label": one.label, **part} for one, part in _parts(con, collector_id, phases, now_ms)]


def _parts(
    con: sqlite3.Connection, collector_id: int, stretches: Sequence[runs.Stretch], now_ms: int
) -> Iterator[tuple[runs.Stretch, Row]]:
    """What each of a collector's runs or phases means."""
    capacities = capacity.of_windows(con, collector_id, [Span(one.window, one.start, one.end) for one in stretches])
    for one in stretches:
        yield one, _part(con, collector_id, one, now_ms, capacities.get(one.window))


def _part(con: sqlite3.Connection, collector_id: int, one: runs.Stretch, now_ms: int, told_of_load: Capacity | None) -> Row:
    told = runs.of_stretch(con, collector_id, one, now_ms=now_ms)
    judged = found.of_window(con, collector_id, stored.NamedWindow(one.window, one.start, one.end))
    rate = told_of_load.knee.rate if told_of_load else ""
    return {
        "from": one.start,
        "to": one.end,
        "open": one.open,
        "recorded": str(told),
        "certificate": told.as_dict(),
        "verdict": verdict(told, judged, lambda at: rate or _load_at(con, collector_id, at)).as_json(),
        "capacity": told_of_load.as_json() if told_of_load else None,
        "figures": figures(con, collector_id, one.start, one.end),
        "findings": [finding.as_json() for finding in judged.findings],
    }


def _load_at(con: sqlite3.Connection, collector_id: int, at: int) -> str:
    """The load at an instant, "1,840 requests/s"; "" where no load tool told."""
    rate = rows(con, "load_at", collector=collector_id, at=at)[0]["throughput"]
    return "" if not rate else f"{rate:,.0f} requests/s"


def worst_minutes(con: sqlite3.Connection, collector_id: int, window: Window) -> list[Row]:
    """(tile, minute, value) of the 60 s with the highest mean, from `minute` (ms) on, for cpu, memory, disk and network."""
    return rows(con, "worst_minutes", collector=collector_id, start=window.start, end=window.end)


def who(con: sqlite3.Connection, collector_id: int, window: Window, most: int = 20) -> list[Row]:
    """Who used the machine: a row for each command of each service, at most `most`; none where processes were not recorded."""
    return rows(con, "who", collector=collector_id, start=window.start, end=window.end, most=most)


def processes(con: sqlite3.Connection, collector_id: int, window: Window, command: str, most: int = 50) -> list[Row]:
    """The processes of one command: who each is and what it used, at most `most`."""
    return rows(con, "process", collector=collector_id, start=window.start, end=window.end, command=command, most=most)


def has_process(con: sqlite3.Connection, collector_id: int, command: str) -> bool:
    """Whether a process of that command was ever seen."""
    sql = "SELECT 1 FROM process_metrics WHERE collector_id = ? AND command = ? LIMIT 1"
    return con.execute(sql, (collector_id, command)).fetchone() is not None


def list_of_collectors(con: sqlite3.Connection) -> list[Row]:
    """`collectors`, each with `spark` (the last hour's CPU, % busy a minute, None where none) and `latest` values."""
    sparks: dict[int, dict[int, float]] = {}
    for row in rows(con, "sparklines"):
        sparks.setdefault(row["id"], {})[row["minute"]] = row["busy"]
    latest = {row["id"]: row for row in rows(con, "latest")}
    return [{**row, "spark": _minutes(sparks.get(row["id"], {})), "latest": latest.get(row["id"])} for row in collectors(con)]


def _minutes(busy: dict[int, float]) -> list[float | None]:
    return [busy.get(minute) for minute in range(min(busy), max(busy) + 1, 60_000)] if busy else []
