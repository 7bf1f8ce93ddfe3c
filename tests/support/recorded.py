"""Runs in a database whose numbers a test chooses: one recording per run, one row per sample."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from perfkit.catalog import table
from perfkit.process.quality import Event, Mark, Recording
from perfkit.store import open_database, runs, transaction
from perfkit.store.importing import find_or_add, insert_sql, tell_collector

START = 1767225600000  # 2026-01-01T00:00:00Z
FACTS = {"cpus": 4, "cpu_model": "Xeon", "architecture": "x86_64", "memory_mb": 16384.0, "kernel": "6.1", "period_ms": 1000.0}

Cells = Mapping[str, Any]


def steady(level: float, samples: int, seed: int, phi: float = 0.5, noise: float = 1.0) -> list[float]:
    """Values around `level` whose neighbours resemble each other."""
    chance, last, found = random.Random(seed), 0.0, []
    for _ in range(samples):
        last = phi * last + chance.gauss(0, noise)
        found.append(level + last)
    return found


def record(
    db: Path,
    cpu_busy: Sequence[float],
    *,
    machine: str = "vm-a",
    start: int = START,
    rows: Mapping[str, Callable[[int], Cells]] | None = None,
    missing: range = range(0),
    lateness_ms: Callable[[int], float] = lambda tick: 0.4,
    events: Sequence[tuple[str, str, int | None]] = (),
    ended: str = "duration",
    facts: Cells | None = None,
    load: Cells | None = None,
    marks: Sequence[tuple[int, str, str]] = (),
    processes: Mapping[str, Callable[[int], float]] | None = None,
    pids: Mapping[str, str] | None = None,
) -> int:
    """Add one recording; the number of its first run. `rows` gives the cells of other tables by tick, `missing` are ticks without a sample,
    `events` are (kind, subject, missed), `load` the columns of a load tool's run, `marks` (tick, kind, label), `processes` the CPU (%) of
    commands by tick, whose `pids` are given; the collector's is 1234."""
    known = {**FACTS, **(facts or {})}
    period = known["period_ms"]
    ticks = [tick for tick in range(len(cpu_busy)) if tick not in missing]
    at = [start + round(tick * period) for tick in ticks]
    with closing(open_database(db)) as con, transaction(con):
        collector_id = find_or_add(con, machine, "default")
        told = {"host": lambda tick: {"cpu_busy": cpu_busy[tick], "cpu_steal": 0.0}, **(rows or {})}
        for name, cells in told.items():
            filled = [(tick, cells(tick)) for tick in ticks]
            columns = sorted({column for _, row in filled for column in row})
            names = ["timestamp", *columns]
            rows_of = [(collector_id, start + round(tick * period), *map(row.get, columns)) for tick, row in filled]
            con.executemany(insert_sql(table(name).database_name, names), rows_of)
        columns = ["timestamp", "pid", "command", "service", "cpu_percent"]
        used = (
            (collector_id, start + round(tick * period), (pids or {})[command], command, "", cpu(tick))
            for command, cpu in (processes or {}).items()
            for tick in ticks
        )
        con.executemany(insert_sql("process_metrics", columns), used)
        [(number,)] = con.execute("SELECT coalesce(max(recording), 0) + 1 FROM recordings WHERE collector_id = ?", (collector_id,))
        identity = f"boot {number} 1234 {start}"
        one = Recording(
            1, identity, "boot", at[0], at[-1], at[-1], period, None, len(at), ticks[-1], None, max(map(lateness_ms, ticks)), ended
        )
        taken = runs.take(con, collector_id, [one], [runs.Sample(t, 1, tick, lateness_ms(tick)) for tick, t in zip(ticks, at, strict=True)])
        told = [Event(kind, at[1], at[1], subject, missed, None, 1) for kind, subject, missed in events]
        runs.add_events(con, collector_id, told, taken, [one])
        runs.add_marks(con, collector_id, [Mark(at[tick], kind, label, 1, place) for place, (tick, kind, label) in enumerate(marks)], taken)
        tell_collector(con, collector_id, at[0], at[-1], known)
        runs.refresh(con, collector_id)
        if load is not None:
            _load(con, collector_id, at, load)
        first = con.execute("SELECT min(run) FROM runs WHERE collector_id = ? AND recording = ?", (collector_id, number)).fetchone()
        return int(first[0])


def _load(con: Any, collector_id: int, at: Sequence[int], load: Cells) -> None:
    name = f"k6 {at[0]}"
    con.execute(
        "INSERT INTO load_runs (collector_id, run, tool, source, digest, imported_at, first_timestamp, last_timestamp, requests, errors,"
        " summary) VALUES (?, ?, 'k6', 'k6.json', ?, 0, ?, ?, ?, 0, ?)",
        (collector_id, name, name, at[0], at[-1], load.get("requests", 1000), load.get("summary", "{}")),
    )
    latency = load.get("latency", [5.0] * len(at))
    users = load.get("users", [10.0] * len(at))
    con.executemany(
        "INSERT INTO load_metrics (collector_id, run, timestamp, users, throughput, errors, latency_avg_ms) VALUES (?, ?, ?, ?, ?, 0, ?)",
        ((collector_id, name, instant, users[place], load["throughput"][place], latency[place]) for place, instant in enumerate(at)),
    )
