"""From the database into the lake, day by day: what `serve --lake` writes of the machines that stream."""

from __future__ import annotations

import hashlib
import secrets
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import _duckdb as duckdb
import orjson

from perfkit.catalog import TABLES
from perfkit.errors import PerfkitError
from perfkit.files import replace_file
from perfkit.lake.place import Lake
from perfkit.lake.tables import DIGEST_DIGITS, text
from perfkit.lake.writing import LakeWriter, records
from perfkit.process.findings import Assessment, verdict
from perfkit.process.quality import Quality, Run
from perfkit.store import columnar, findings, runs
from perfkit.store.database import open_database
from perfkit.store.percentiles import NamedWindow

PAUSE_SECONDS = 900.0
SETTLE_MS = 3_600_000
"""How long after its end a day is taken for complete; what comes later makes it be written again."""
_DAY = 86_400_000


def write_days(db: Path, lake: Lake, now_ms: int, say: Callable[[str], None] = lambda line: None) -> int:
    """Write every complete day of every machine of the database that is not in the lake as it is now; how many were written.

    A machine's day always has the same file names, so that it takes its own place, and never that of another database, as of a second
    receiver which was sent a part of the day. What was pruned from the database stays in the lake.
    A machine for which that fails is named to `say`, and tried again at the next call.
    """
    ledger = _Ledger(db, lake)
    written = 0
    with closing(open_database(db, read_only=True)) as con:
        for collector_id, site, name in con.execute("SELECT id, sitename, machinename FROM collectors ORDER BY id").fetchall():
            whole = None
            for day, samples, state in con.execute(text("days"), {"id": collector_id, "until": now_ms - SETTLE_MS}).fetchall():
                start, until = day * _DAY, (day + 1) * _DAY
                key = f"{site}/{name}/{day}"
                if until > now_ms - SETTLE_MS or not ledger.is_news(key, samples, state):
                    continue
                try:
                    whole = whole or runs.quality(con, collector_id)
                    of_day = hashlib.sha256(f"{ledger.database}\0{site}\0{name}\0{start}".encode()).hexdigest()[:DIGEST_DIGITS]
                    _write_day(con, lake, whole, collector_id, site, name, start, until, of_day)
                except (PerfkitError, duckdb.Error) as error:
                    say(f"a day of {name} could not be written into the lake ({' '.join(str(error).split())}); trying again later.")
                    break
                ledger.note(key, samples, state)
                written += 1
    return written


def run_days(db: Path, lake: Lake, on_ready: Callable[[str], None], say: Callable[[str], None]) -> None:
    """Call `write_days` every quarter of an hour until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    on_ready("")
    while not stop.is_set():
        try:
            write_days(db, lake, int(time.time() * 1000), say)
        except (PerfkitError, OSError, sqlite3.OperationalError) as error:
            say(f"nothing could be written into the lake {lake.name} ({error}); trying again later.")
        stop.wait(PAUSE_SECONDS)


def _write_day(
    con: sqlite3.Connection, lake: Lake, whole: Quality, collector_id: int, site: str, name: str, start: int, until: int, of_day: str
) -> None:
    """Write [start, until) of a collector into the files of `of_day`, a digest; `whole` is what is known of all its samples."""
    with closing(columnar.connect()) as duck, LakeWriter(lake, site) as writer:
        for table in TABLES:
            columnar.attach(con, duck, collector_id, table, start, until)
        kept = _of_day(whole, runs.quality(con, collector_id, start, until - 1), start, until)
        parts = {one.window: _part(con, collector_id, one) for one in kept.runs}
        identities = {one.recording: one.identity for one in whole.recordings}
        writer.take_rows(duck, collector_id, name, of_day, records(kept, parts, identities))
        writer.publish()


def _of_day(whole: Quality, day: Quality, start: int, until: int) -> Quality:
    """What began in [start, until), each in its full length; what began before stands in the day before. Figures are those of the `day`."""

    def began(found: tuple[Any, ...], name: str = "from_timestamp") -> tuple[Any, ...]:
        return tuple(one for one in found if start <= getattr(one, name) < until)

    return Quality(
        day.facts, day.certificate, began(whole.recordings), began(whole.runs), began(whole.marks, "timestamp"), began(whole.events)
    )


def _part(con: sqlite3.Connection, collector_id: int, one: Run) -> Assessment:
    judged = findings.of_window(con, collector_id, NamedWindow(one.window, one.from_timestamp, one.to_timestamp))
    return Assessment(verdict(one.certificate, judged), judged, {})


class _Ledger:
    """What was written into one lake, in a file next to the database: without it days are written again.

    `database` tells this database's files in the lake from those of others.
    """

    def __init__(self, db: Path, lake: Lake) -> None:
        of_lake = hashlib.sha256(lake.name.encode()).hexdigest()[:8]
        self._path = db.with_name(f"{db.name}.lake-{of_lake}.json")
        try:
            found = orjson.loads(self._path.read_bytes())
        except (OSError, ValueError):
            found = {}
        self.database = str(found.get("database") or secrets.token_hex(8))
        self._known: dict[str, list[Any]] = {key: value for key, value in found.items() if isinstance(value, list) and len(value) == 2}

    def is_news(self, key: str, samples: int, state: str) -> bool:
        """Whether the day is not in the lake as it is now; one of which samples were pruned since is."""
        known = self._known.get(key)
        return known is None or (known[1] != state and samples >= known[0])

    def note(self, key: str, samples: int, state: str) -> None:
        self._known[key] = [samples, state]
        replace_file(self._path, orjson.dumps({"database": self.database, **self._known}))
