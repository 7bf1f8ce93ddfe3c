"""Live import: the growth of many live collections, a second at a time, through the same SQL as files.

Each machine's last lines are kept, so that the next sample has its predecessor; they stand in the database together with the position in
the journal that they belong to. Between two such checkpoints rows are written all the same: when the journal is read again from the
checkpoint after a crash, they are found to be there.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from perfkit.catalog import HOST, TABLES, Table
from perfkit.process.engine import Engine
from perfkit.store import columnar, rollup, schema
from perfkit.store.database import insert_sql, open_database, sentences, transaction
from perfkit.store.importing import DEFAULT_SITE, find_or_add
from perfkit.store.pending import Pending, RawLine, parse

CHECKPOINT_MS = 10_000
_TIDY_MS = 300_000
_HOUR = 3_600_000


class LiveBatch(NamedTuple):
    """Whole NDJSON lines of one machine, received at `received_ms`."""

    identifier: str
    site: str | None
    received_ms: int
    lines: bytes


# Tables whose statement may be left out when no new line comes from a source that starts like this.
_FED_BY = {
    "duplicates": (),
    "phases": (),
    "marks": ("perfkit/mark",),
    "containers": ("container/",),
    "pressure": ("/proc/pressure/",),
    "tcp": ("/proc/net/snmp", "/proc/net/netstat"),
    "filesystem": ("statfs",),
}
_FACTS = frozenset({"perfkit/session", "/proc/cpuinfo"})


def _unneeded(new: set[str], *, facts: bool) -> list[str]:
    """The tables that stay empty; those of the machine's facts too, unless there are new `facts`."""
    return [*(() if facts else ("sources", "system_info")), *_without_lines(new)]


def _without_lines(new: set[str]) -> list[str]:
    return [table for table, starts in _FED_BY.items() if not any(subsystem.startswith(starts) for subsystem in new)]


@cache
def _samples_sql(table: Table) -> str:
    names = schema.quoted([*(c.name for c in table.keys), "timestamp", *(c.name for c in table.values)])
    return schema.text("live_samples.sql").format(columns=", ".join(names), table=table.name)


class _Machine:
    def __init__(self, collector_id: int, pending: Pending) -> None:
        self.id = collector_id
        self.pending = pending
        self.last = -1  # newest sample in the database
        self.seen = -1  # newest sample that was received live
        self.tidied = -1  # when its rollups were brought up to date, in steps of _TIDY_MS
        self.untold = False  # has a session or CPUs that `collectors` does not know yet
        self.hour = -1  # up to which its samples stand by column


class Live:
    """The database's one live writer. `now` gives ms since the epoch."""

    def __init__(self, db: Path, *, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._db = db
        self._con = open_database(db)
        self._engine = Engine(threads=1)
        self._engine.con.execute("PRAGMA disable_optimizer")  # over a few rows it costs more than it saves
        self._engine.derive(percentiles=False, quality=False)
        self._now = now
        self._machines: dict[tuple[str, str], _Machine] = {}
        self._saved_ms = 0
        self._duck = columnar.connect()
        self._full_hours: deque[_Machine] = deque()
        self._changed: set[_Machine] = set()

    def position(self, journal: str) -> str | None:
        """From where `journal` must be fed: the position of the last checkpoint, None before the first."""
        row = self._con.execute("SELECT position FROM live_positions WHERE journal = ?", (journal,)).fetchone()
        return None if row is None else str(row[0])

    def feed(self, batches: Sequence[LiveBatch], *, journal: str, position: str) -> int:
        """Take in `batches`, which end at `position` of `journal`, in one transaction; how many host samples were new.

        Call it with no batches when idle, so that samples that nothing follows get in. On an error nothing has changed, neither here
        nor in the database, except that this object must be made again.
        """
        with sentences(self._db), transaction(self._con):
            for batch in batches:
                machine = self._machine(batch.identifier, batch.site or DEFAULT_SITE)
                lines, _ = parse(batch.lines)
                if machine.pending.add(lines, batch.received_ms):
                    self._changed.add(machine)
            new = self._take_in()
            if self._now() - self._saved_ms >= CHECKPOINT_MS:
                self._checkpoint(journal, position)
        return new

    def save(self, journal: str, position: str) -> None:
        """Checkpoint now: what the importer calls before it ends."""
        with sentences(self._db), transaction(self._con):
            self._checkpoint(journal, position)

    def close(self) -> None:
        """Close the database. Whatever was fed since the last checkpoint will be asked for again, and found to be there."""
        self._engine.close()
        self._duck.close()
        self._con.close()

    def _machine(self, name: str, site: str) -> _Machine:
        known = self._machines.get((name, site))
        if known is None:
            collector_id = find_or_add(self._con, name, site)
            row = self._con.execute("SELECT lines FROM live_lines WHERE collector_id = ?", (collector_id,)).fetchone()
            known = self._machines[name, site] = _Machine(collector_id, Pending.load(row[0]) if row else Pending())
            known.last, known.seen = self._con.execute(schema.text("live_known.sql"), {"id": collector_id}).fetchone()
        return known

    def _take_in(self) -> int:
        now = self._now()
        rows: list[tuple[int, RawLine]] = []
        after: list[tuple[int, int, bool, int]] = []
        grown: list[_Machine] = []
        new_of: set[str] = set()
        for machine in self._machines.values():
            if not machine.pending.waiting:
                continue
            last = machine.pending.taken
            before, taken = machine.pending.take(now)
            if taken:
                grown.append(machine)
                after.append((machine.id, min(last, taken[0].stamp - 1), machine.untold, machine.seen))
                rows += [(machine.id, line) for line in (*before, *taken)]
                new_of.update(line.subsystem for line in taken)
                machine.untold |= any(line.subsystem in _FACTS for line in taken)
        if not rows:
            return 0
        skip = _unneeded(new_of, facts=any(untold for _, _, untold, _ in after))
        self._derive(rows, after, skip)
        stamps = {source: stamp for source, stamp, *_ in after}
        new = sum(self._append(table, stamps) for table in TABLES if table.name not in skip)
        self._note(grown, skip)
        return new

    def _derive(self, rows: Sequence[tuple[int, RawLine]], after: list[tuple[int, int, bool, int]], skip: list[str]) -> None:
        self._engine.clear()
        descriptor, name = tempfile.mkstemp(prefix="perfkit-", suffix=".json")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"\n".join(orjson.dumps({"source": source, **line._asdict()}) for source, line in rows))
            self._engine.con.execute(schema.text("live_load.sql"), {"path": name})
        finally:
            Path(name).unlink()
        self._engine.derive(percentiles=False, quality=False, skip=skip)
        self._engine.con.execute(schema.text("live_after.sql"), dict(zip(("sources", "stamps", "untold", "seen"), map(list, zip(*after)))))

    def _append(self, table: Table, after: Mapping[int, int]) -> int:
        """Insert the new samples of one table; how many host samples that were."""
        place = 1 + len(table.keys)
        rows = [row for row in self._engine.con.execute(_samples_sql(table)).fetchall() if row[place] > after[row[0]]]
        count = self._con.executemany(insert_sql(table), rows).rowcount if rows else 0
        return count if table is HOST else 0

    def _note(self, grown: list[_Machine], skip: Collection[str]) -> None:
        """What is known of the machines beside their samples: gaps, marks, span, hardware; and the rollups from time to time."""
        self._con.executemany("INSERT OR IGNORE INTO quality_events VALUES (?, ?, ?, ?, ?, ?, ?)", self._fetch("live_gaps"))
        if "marks" not in skip:
            self._con.executemany("INSERT OR IGNORE INTO marks VALUES (?, ?, ?, ?)", self._fetch("live_marks"))
        self._grow(grown)
        if "sources" not in skip:
            facts = self._fetch("live_facts")
            self._con.executemany(schema.text("live_facts_update.sql"), facts)
            told = {row[-1] for row in facts}
            for machine in grown:
                machine.untold &= machine.id not in told
        for machine in grown:
            self._tidy(machine)
        if self._full_hours:
            machine = self._full_hours.popleft()
            columnar.complete(self._con, machine.id, machine.hour * _HOUR, self._duck)

    def _grow(self, grown: list[_Machine]) -> None:
        """Bring first and last timestamps, samples and coverage up to date."""
        spans = {row[0]: row[1:] for row in self._fetch("live_spans")}
        values = []
        for machine in (machine for machine in grown if machine.id in spans):
            first, last, new = spans[machine.id]
            if first <= machine.last:
                rollup.refresh(self._con, machine.id, first, last)
                columnar.forget(self._con, machine.id, first, last + 1)
            values.append({"id": machine.id, "first": first, "last": last, "known": machine.last, "new": new, "now": self._now()})
            machine.last, machine.seen = max(machine.last, last), max(machine.seen, last)
        for name in ("live_grow", "live_collection", "live_coverage"):
            self._con.executemany(schema.text(f"{name}.sql"), values)

    def _fetch(self, name: str) -> list[tuple[Any, ...]]:
        return self._engine.con.execute(schema.text(f"{name}.sql")).fetchall()

    def _tidy(self, machine: _Machine) -> None:
        """Every few minutes, each machine in a second of its own: rollups, coverage; once an hour: the samples by column."""
        step = (machine.last - machine.id * 1000 % _TIDY_MS) // _TIDY_MS
        if machine.last < 0 or step == machine.tidied:
            return
        machine.tidied = step
        rollup.close_buckets(self._con, machine.id, machine.last)
        self._con.execute("DELETE FROM percentiles WHERE collector_id = ? AND range NOT LIKE 'phase:%'", (machine.id,))
        hour = machine.last // _HOUR
        if machine.hour not in (-1, hour):
            self._full_hours.append(machine)
        machine.hour = hour

    def _checkpoint(self, journal: str, position: str) -> None:
        lines = [(machine.id, machine.pending.dump()) for machine in self._changed]
        self._con.executemany("INSERT OR REPLACE INTO live_lines VALUES (?, ?)", lines)
        self._con.execute("INSERT OR REPLACE INTO live_positions VALUES (?, ?)", (journal, position))
        self._changed.clear()
        self._saved_ms = self._now()
