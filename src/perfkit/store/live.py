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
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from perfkit.catalog import HOST, TABLES, Table
from perfkit.collection import SESSION
from perfkit.collection.certificate import CUT_OFF, RECORDING
from perfkit.process.engine import NEEDS, Engine
from perfkit.process.quality import Mark, Recording, told_json, window_name
from perfkit.store import columnar, findings, percentiles, rollup, runs, schema
from perfkit.store.database import open_database, sentences, transaction
from perfkit.store.importing import DEFAULT_SITE, find_or_add, insert_sql, merge, tell_collector
from perfkit.store.inputs import digest, of_machine
from perfkit.store.pending import Pending, RawLine, parse
from perfkit.store.runs import Sample

CHECKPOINT_MS = 10_000
_TIDY_MS = 300_000
_HOUR = 3_600_000


class LiveBatch(NamedTuple):
    """Whole NDJSON lines of one machine, received at `received_ms`."""

    identifier: str
    site: str | None
    received_ms: int
    lines: bytes


# Tables that live import does not need: samples tell the gaps, the database's marks its runs.
_NEVER_LIVE = ("duplicates", "gaps", "runs")
# Tables whose statement may be left out when no new line comes from a subsystem that starts like this.
_NEEDS_SUBSYSTEM = {**NEEDS, "marks": ("perfkit/mark",)}
_FACTS = frozenset({"perfkit/session", "/proc/cpuinfo"})


def _unneeded(new: set[str], *, facts: bool) -> list[str]:
    """The tables that stay empty; those of the machine's facts too, unless there are new `facts`."""
    without_lines = [table for table, starts in _NEEDS_SUBSYSTEM.items() if not any(name.startswith(starts) for name in new)]
    return [*_NEVER_LIVE, *(() if facts else ("machines", "system_info")), *without_lines]


_CLOSED = """SELECT run, NULL FROM runs WHERE collector_id = :id AND open = 0 AND marked = 1
    UNION ALL SELECT run, phase FROM phases WHERE collector_id = :id AND open = 0"""


def _one_line(name: str, value: Any) -> Any:
    """JSON as imports of files write it."""
    return orjson.dumps(told_json(value)).decode() if name in ("session", "system_info") else value


def _alive(one: Recording) -> Recording:
    """A recording of which the end was not sent goes on."""
    return one._replace(ended=RECORDING) if one.ended == CUT_OFF else one


def _written(line: RawLine) -> bytes:
    seconds, rest = divmod(line.stamp, 1000)
    clock = {} if line.monotonic is None else {"monotonic": line.monotonic}
    told = {"subsystem": line.subsystem, "measurement": line.measurement}
    return orjson.dumps({"timestamp": seconds, "nanosecond": rest * 1_000_000, **clock, **told})


def _is_broken(ticks: Sequence[int], due: int | None) -> bool:
    return any(later - tick > 1 for tick, later in zip(ticks, ticks[1:])) or (due is not None and due > max(ticks))


class _Machine:
    def __init__(self, collector_id: int, pending: Pending) -> None:
        self.id = collector_id
        self.pending = pending
        self.last = -1  # newest sample in the database
        self.tidied = -1  # when its rollups were brought up to date, in steps of _TIDY_MS
        self.facts_changed = False  # has a session or CPUs that `collectors` does not know yet
        self.hour = -1  # up to which its samples stand by column


def _machine_id(lines: Sequence[RawLine], name: str) -> str | None:
    """What a session among `lines` says, if it is of a machine that goes by its own name."""
    for line in lines:
        if line.subsystem == SESSION:
            try:
                facts = orjson.loads(line.measurement)
            except orjson.JSONDecodeError:
                continue
            if isinstance(facts, dict) and facts.get("hostname") == name and isinstance(facts.get("machine_id"), str):
                return str(facts["machine_id"])
    return None


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
                lines, _ = parse(batch.lines)
                machine = self._machine(batch.identifier, batch.site or DEFAULT_SITE, lines)
                if machine.pending.add(lines, batch.received_ms):
                    self._changed.add(machine)
            new = self._take_in() + self._take_in_late()
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

    def _machine(self, name: str, site: str, lines: Sequence[RawLine]) -> _Machine:
        known = self._machines.get((name, site))
        if known is None:
            collector_id = find_or_add(self._con, name, site, _machine_id(lines, name))
            row = self._con.execute("SELECT lines FROM live_lines WHERE collector_id = ?", (collector_id,)).fetchone()
            known = self._machines[name, site] = _Machine(collector_id, Pending.load(row[0]) if row else Pending())
            (known.last,) = self._con.execute(
                "SELECT coalesce(last_timestamp, -1) FROM collectors WHERE id = ?", (collector_id,)
            ).fetchone()
        return known

    def _take_in(self) -> int:
        now = self._now()
        rows: list[tuple[int, RawLine]] = []
        grown: dict[int, _Machine] = {}
        after: dict[int, int] = {}  # the newest sample that was taken before, by machine
        new_of: set[str] = set()
        for machine in self._machines.values():
            if not machine.pending.waiting:
                continue
            last = machine.pending.taken
            before, taken = machine.pending.take(now)
            if taken:
                grown[machine.id] = machine
                after[machine.id] = min(last, taken[0].stamp - 1)
                rows += [(machine.id, line) for line in (*before, *taken)]
                new_of.update(line.subsystem for line in taken)
                machine.facts_changed |= any(line.subsystem in _FACTS for line in taken)
        if not rows:
            return 0
        skip = _unneeded(new_of, facts=any(machine.facts_changed for machine in grown.values()))
        self._derive(rows, after, skip)
        new = sum(self._append(table) for table in TABLES if table.name not in skip)
        self._note(grown, skip)
        return new

    def _take_in_late(self) -> int:
        """Import what came after newer samples, where it belongs; how many host samples were new. It is rare, and may take a second."""
        new = 0
        for (name, site), machine in self._machines.items():
            late = machine.pending.take_late(self._now())
            if not late:
                continue
            self._changed.add(machine)
            stamps = "SELECT timestamp FROM samples WHERE collector_id = ? AND timestamp BETWEEN ? AND ?"
            known = {stamp for (stamp,) in self._con.execute(stamps, (machine.id, min(late), max(late)))}
            lines = [line for stamp, lines in late.items() if stamp not in known for line in lines]
            if lines:
                new += self._merge(name, site, [*([machine.pending.session] if machine.pending.session else []), *lines])
        return new

    def _merge(self, name: str, site: str, lines: Sequence[RawLine]) -> int:
        """Import lines as a file of theirs would be."""
        with tempfile.TemporaryDirectory(prefix="perfkit-") as folder, Engine(threads=1) as engine:
            path = Path(folder) / "late.json"
            path.write_bytes(b"\n".join(_written(line) for line in lines) + b"\n")
            engine.load([(1, path)])
            engine.derive(percentiles=False)
            one = of_machine(engine.con, path, digest([path]), 1, fewest=1)
            quality = replace(one.quality, recordings=tuple(_alive(recording) for recording in one.quality.recordings))
            return merge(self._con, replace(one, quality=quality, kind="late", origin=Path("late")), name, site).new_samples

    def _derive(self, rows: Sequence[tuple[int, RawLine]], after: Mapping[int, int], skip: list[str]) -> None:
        self._engine.clear()
        descriptor, name = tempfile.mkstemp(prefix="perfkit-", suffix=".json")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"\n".join(orjson.dumps({"machine": machine, **line._asdict()}) for machine, line in rows))
            self._engine.con.execute(schema.text("duckdb/live_load"), {"path": name})
        finally:
            Path(name).unlink()
        self._engine.derive(percentiles=False, quality=False, skip=skip)
        self._engine.con.execute(schema.text("duckdb/live_after"), {"machines": list(after), "instants": list(after.values())})

    def _append(self, table: Table) -> int:
        """Insert the new samples of one table; how many host samples that were."""
        columns = ["timestamp", *(c.name for c in table.columns)]
        cursor = self._engine.con.execute(schema.text("duckdb/live_samples"), {"table": table.name, "columns": columns})
        names = [column[0] for column in cursor.description or ()][1:]
        rows = cursor.fetchall()
        count = self._con.executemany(insert_sql(table.database_name, names), rows).rowcount if rows else 0
        return count if table is HOST else 0

    def _note(self, grown: Mapping[int, _Machine], skip: Collection[str]) -> None:
        """What is known of the machines besides their metrics: recordings, gaps, marks, runs, hardware; now and then the rollups."""
        recordings = self._by_machine("recordings", Recording._fields)
        samples = self._by_machine("samples", Sample._fields)
        marks = {} if "marks" in skip else self._by_machine("marks", Mark._fields)
        facts = {} if "machines" in skip else self._by_machine("machines", runs.FACTS)
        for number, machine in grown.items():
            found = [Recording(**row) for row in recordings.get(number, ())]
            taken = sorted(
                (Sample(**row) for row in samples.get(number, ())), key=lambda sample: (sample.recording, sample.tick, sample.timestamp)
            )
            if taken:
                self._grow(machine, found, taken, [Mark(**row) for row in marks.get(number, ())])
            if machine.facts_changed and number in facts:
                told = {name: _one_line(name, value) for name, value in facts[number][0].items() if value is not None}
                tell_collector(self._con, number, machine.last, machine.last, told)
                machine.facts_changed = False
            self._tidy(machine)
        if self._full_hours:
            machine = self._full_hours.popleft()
            columnar.complete(self._con, machine.id, machine.hour * _HOUR, self._duck)

    def _by_machine(self, table: str, names: Sequence[str]) -> dict[int, list[dict[str, Any]]]:
        """Rows of a derived table by their machine."""
        cursor = self._engine.con.execute(schema.text("duckdb/live_rows"), {"table": table, "columns": list(names)})
        columns = [column[0] for column in cursor.description or ()]
        found: dict[int, list[dict[str, Any]]] = {}
        for row in cursor.fetchall():
            known = dict(zip(columns, row, strict=True))
            found.setdefault(known.pop("machine"), []).append(known)
        return found

    def _grow(self, machine: _Machine, recordings: list[Recording], samples: list[Sample], marks: list[Mark]) -> None:
        """Bring recordings, gaps, runs and the collector's span up to date."""
        con, last = self._con, max(sample.timestamp for sample in samples)
        alive = [_alive(one) for one in recordings]
        taken = runs.take(con, machine.id, alive, samples)
        runs.add_marks(con, machine.id, marks, taken)
        first = min(sample.timestamp for sample in samples)
        broken = [
            taken[one.recording].number for one in alive if one.recording in taken and _is_broken(taken[one.recording].ticks, one.due_tick)
        ]
        runs.find_gaps(con, machine.id, broken, first)
        new = sum(one.new for one in taken.values())
        if new and first < machine.last and any(sample.timestamp < machine.last for sample in samples[1:]):
            rollup.refresh(con, machine.id, first, last)
            columnar.forget(con, machine.id, first, last + 1)
        machine.last = max(machine.last, last)
        tell_collector(con, machine.id, first, last, {})
        con.execute(schema.text("sqlite/live_collection"), {"id": machine.id, "now": self._now(), "first": first, "last": last, "new": new})
        known = {number for (number,) in con.execute("SELECT DISTINCT recording FROM runs WHERE collector_id = ?", (machine.id,))}
        if marks or not known.issuperset(one.number for one in taken.values()) or any(one.ended != RECORDING for one in alive):
            runs.refresh(con, machine.id)
        else:
            for one in taken.values():
                runs.extend(con, machine.id, one.number, last)

    def _tidy(self, machine: _Machine) -> None:
        """Every few minutes, each machine in a second of its own: rollups, coverage; once an hour: the samples by column."""
        step = (machine.last - machine.id * 1000 % _TIDY_MS) // _TIDY_MS
        if machine.last < 0 or step == machine.tidied:
            return
        machine.tidied = step
        rollup.close_buckets(self._con, machine.id, machine.last)
        closed = {window_name(*row) for row in self._con.execute(_CLOSED, {"id": machine.id})}
        percentiles.refresh(self._con, machine.id, only=lambda window: window.name in closed)
        findings.refresh(self._con, machine.id, only=lambda window: window.name in closed)
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
