"""Load tools' results beside the metrics: one run, and its timeline."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from perfkit.errors import BadInput
from perfkit.loadtools.timeline import COLUMNS
from perfkit.store import schema
from perfkit.store.database import transaction
from perfkit.store.importing import DEFAULT_SITE, find_or_add


def add_run(
    con: sqlite3.Connection,
    machinename: str,
    *,
    run: str,
    tool: str,
    source: Path,
    digest: str,
    rows: Iterable[Mapping[str, Any]],
    sitename: str = DEFAULT_SITE,
    requests: int | None = None,
    errors: int | None = None,
    summary: Mapping[str, Any] | None = None,
) -> int:
    """Write a run of a load tool against a machine, in one transaction; the rows written, 0 where `digest` is there already.

    A row has `timestamp` in ms since the epoch and any of COLUMNS: errors and throughput per second, latencies in ms. A run of the
    same name is replaced. Raises BadInput for a run without rows.
    """
    timeline: list[tuple[Any, ...]] = [(int(row["timestamp"]), *(row.get(name) for name in COLUMNS)) for row in rows]
    if not timeline:
        raise BadInput(f"{source} has no measurements of {tool}; let it run longer, or with its timeline switched on.")
    with transaction(con):
        collector_id = find_or_add(con, machinename, sitename)
        known = con.execute("SELECT digest FROM load_runs WHERE collector_id = ? AND run = ?", (collector_id, run)).fetchone()
        if known == (digest,):
            return 0
        con.execute("DELETE FROM load_runs WHERE collector_id = ? AND run = ?", (collector_id, run))
        con.execute("DELETE FROM load_metrics WHERE collector_id = ? AND run = ?", (collector_id, run))
        values = {
            "collector_id": collector_id,
            "run": run,
            "tool": tool,
            "source": str(source),
            "digest": digest,
            "imported_at": time.time_ns() // 1_000_000,
            "first": min(at for at, *_ in timeline),
            "last": max(at for at, *_ in timeline),
            "requests": requests,
            "errors": errors,
            "summary": json.dumps(summary) if summary else None,
        }
        con.execute(schema.text("load_run_insert.sql"), values)
        con.executemany(schema.text("load_metrics_insert.sql"), ((collector_id, run, *row) for row in timeline))
    return len(timeline)
