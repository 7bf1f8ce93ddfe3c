"""Live import: the growth of many live collections, a second at a time, through the same SQL as files.

Each machine's last lines are kept, so that the next sample has its predecessor; they stand in the database together with the position in
the journal that they belong to. Between two such checkpoints rows are written all the same: when the journal is read again from the
checkpoint after a crash, they are found to be there.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import _duckdb as duckdb
import orjson

from perfkit.catalog import HOST, TABLES, Table
from perfkit.collection import MARK, MARK_KINDS
from perfkit.collection.certificate import CUT_OFF, RECORDING
from perfkit.collection.subsystems import KERNEL_LOG
from perfkit.errors import BadInput, Failed
from perfkit.process.engine import MOST_DEVICES, NEEDS, Engine
from perfkit.process.quality import Event, Mark, Recording, told_json, window_name
from perfkit.store import columnar, findings, percentiles, rollup, runs, schema
from perfkit.store.database import open_database, sentences, transaction
from perfkit.store.importing import DEFAULT_SITE, find_or_add, insert_sql, merge, tell_collector
from perfkit.store.inputs import digest, of_machine
from perfkit.store.pending import PROCESSES, SLOWER, Pending, RawLine, is_of_slow_sample, lacks_rows, parse
from perfkit.store.runs import Sample

CHECKPOINT_MS = 10_000
_CACHE_KB = 2 << 10  # of the database's pages; more does not make it faster, and memory would grow for minutes until it is filled
# DuckDB 2.0 keeps something of every block of memory that its joins and windows let go, 0.3 MB a step, until there are tens of thousands of
# them; so it is opened anew after so many steps: memory rises and falls by 2 MB with it, and that costs 20 ms a step.
_DERIVED_MOST = 8
_TIDY_MS = 300_000
_HOUR = 3_600_000
_LATE_SECONDS = 0.5  # for so long, and at least one machine, a step imports what came late; the next ones go on with it
_LATE_PAUSE = 3  # where it took longer, for so many times as long no step does that has something new, so that this does not wait
_JUDGE_SECONDS = 0.5  # for so long, and at least one machine, a step takes percentiles and findings of runs that ended
_SPARSE_TIMES = 10  # a table that has rows only of what was used, such as processes, may have so many times more different ones

# What has nothing to do with the data: the disk, the memory or the database.
_NOT_THE_DATA = (Failed, OSError, MemoryError, duckdb.IOException)


class LiveBatch(NamedTuple):
    """Whole NDJSON lines of one machine, received at `received_ms`."""

    identifier: str
    site: str | None
    received_ms: int
    lines: bytes


class SetAside(NamedTuple):
    """Lines of one machine that are in its collection alone, received last at `received_ms`, and the reason."""

    identifier: str
    site: str
    reason: str
    lines: int
    received_ms: int
    detail: str


class Unusable(Exception):
    """What `machine`, (identifier, site), sent cannot be imported."""

    def __init__(self, machine: tuple[str, str], error: Exception) -> None:
        super().__init__(str(error) if isinstance(error, BadInput) else f"{type(error).__name__}: {error}")
        self.machine = machine


@contextmanager
def _sent_by(machine: tuple[str, str]) -> Iterator[None]:
    """Errors of the block that come from the data say which machine it is of."""
    try:
        yield
    except (Unusable, *_NOT_THE_DATA):
        raise
    except sqlite3.Error as error:
        if not _is_of_the_data(error):
            raise
        raise Unusable(machine, error) from error
    except Exception as error:
        raise Unusable(machine, error) from error


def _is_of_the_data(error: sqlite3.Error) -> bool:
    """Whether SQLite could not take the values, rather than that the database cannot be read or written."""
    if isinstance(error, sqlite3.OperationalError):
        lacks = ("no such ", "no column ", "has no column", "values for ")
        return getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR" and not any(words in str(error) for words in lacks)
    return isinstance(error, (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError))


# Tables that live import does not need: samples tell the gaps, the database's marks its runs.
_NEVER_LIVE = ("duplicates", "gaps", "runs")
_FACTS = frozenset({"perfkit/session", "/proc/cpuinfo"})
# Tables whose statement may be left out when no new line comes from a subsystem that starts like this.
_NEEDS_SUBSYSTEM = {**NEEDS, "marks": ("perfkit/mark",), "cores": ("container/", "service/", "processes", *_FACTS)}
# Tables whose rows tell why a cell of theirs is empty (process/sql/components).
_TELLS_WHY = frozenset({one.name for one in TABLES} - {"host", "process_names"})
# Tables of devices that come and go, of which the first value is there whenever there are rates.
_COME_AND_GO = frozenset({"cpu", "disk", "network"})
# Tables that have as many rows whenever limits are read.
_LIMITED = frozenset({"cpu_limits", "interface_limits", "limits"})
_NAMED = re.compile(r"\d+ \d")  # how a row of processes begins: its pid and its start
# Events that live import finds by other means, or that only files have.
_NOT_LIVE = frozenset({"gap", "too_many", "damaged", "truncated", "duplicate"})
# Tables that have a row for each line whose subsystem starts like this.
_LINES = {"containers": "container/", "services": "service/"}
_STEP_MS = 100  # a wall clock that moved by so much more than the other is looked at; whether it was set is said in quality.sql


def _has_unnamed_process(line: RawLine) -> bool:
    """Whether a row of a line 'processes' is missing or does not say whose it is, so that no row of the table tells of its damage."""
    if line.subsystem != PROCESSES:
        return False
    return lacks_rows(line.measurement) or not all(_NAMED.match(row.removeprefix("gone ")) for row in line.measurement.split("\n")[1:])


def _is_unread(line: RawLine) -> bool:
    """Whether a line of perfkit's own does not hold what it should; quality.sql says which."""
    if not line.subsystem.startswith("perfkit/"):
        return False
    told = told_json(line.measurement)
    return not isinstance(told, dict) or (line.subsystem == MARK and not (told.get("kind") in MARK_KINDS and told.get("label")))


def _unneeded(new: set[str], *, facts: bool) -> list[str]:
    """The tables that stay empty; those of the machine's facts too, unless there are new `facts`."""
    without_lines = [table for table, starts in _NEEDS_SUBSYSTEM.items() if not any(name.startswith(starts) for name in new)]
    return [*_NEVER_LIVE, *(() if facts else ("machines", "system_info")), *without_lines]


def _engine_for_a_step(most_devices: int = MOST_DEVICES) -> Engine:
    engine = Engine(threads=1, most_devices=most_devices)
    engine.con.execute("PRAGMA disable_optimizer")  # over a few rows it costs more than it saves
    return engine


@cache
def _empty_tables() -> str:
    """The statements that make the tables of an engine into which nothing was loaded: 30 ms, while to derive them takes 300."""
    with _engine_for_a_step() as engine:
        engine.derive(percentiles=False, quality=False)
        made = engine.con.execute("SELECT sql FROM duckdb_tables()").fetchall()
    return "".join(sql.replace("CREATE TABLE", "CREATE OR REPLACE TABLE", 1) for (sql,) in made)


_CLOSED = """SELECT run, NULL FROM runs JOIN recordings USING (collector_id, recording)
    WHERE collector_id = :id AND open = 0 AND (marked = 1 OR ended NOT IN (:still, :cut))
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


def _is_apart(samples: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there was a reboot, another recording or a step of the wall clock between two `samples` of a machine."""
    by_clock = sorted(samples, key=lambda one: (one["stretch"], one["clock"]))
    return any(
        one["stretch"] != later["stretch"] or abs(later["timestamp"] - one["timestamp"] - 1000 * (later["clock"] - one["clock"])) > _STEP_MS
        for one, later in pairwise(by_clock)
    )


def _since(samples: Sequence[Sample], after: int) -> list[Sample]:
    """Those after that instant, and the newest before: lines of older ones are there to be compared with."""
    newest = max((sample.timestamp for sample in samples if sample.timestamp <= after), default=after)
    return [sample for sample in samples if sample.timestamp >= newest]


def _stops_early(recordings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one ended with an error."""
    return any((one["ended"] or "").startswith("error") for one in recordings)


def _is_broken(taken: runs.Taken, one: Recording) -> bool:
    """Whether a sample is missing between those that were taken, before their end, or between the recording's beginning and them."""
    ticks = taken.ticks
    before = -1 if taken.unknown and one.begun_timestamp is not None else ticks[0]
    return any(later - tick > 1 for tick, later in zip((before, *ticks), ticks)) or (one.due_tick is not None and one.due_tick > max(ticks))


class _Machine:
    def __init__(self, name: tuple[str, str], collector_id: int, pending: Pending) -> None:
        self.name = name  # (identifier, site)
        self.id = collector_id
        self.pending = pending
        self.devices: dict[str, dict[tuple[str, ...], int]] = {}  # by table: those of the last hour, and when they were seen last
        self.last = -1  # newest sample in the database
        self.tidied = -1  # when its rollups were brought up to date, in steps of _TIDY_MS
        self.facts_changed = False  # has a session or CPUs that `collectors` does not know yet
        self.ended: set[str] = set()  # recordings whose end was seen: nothing of them comes later that would have them judged
        self.hour = -1  # the hour up to which its samples are stored by column
        self.guesses = False  # whether names decide what counts in its totals
        self.seen: dict[str, int] = {}  # by table: how many rows its newest sample had


class Live:
    """The database's one live writer. `now` gives ms since the epoch.

    A machine may have `most_devices` different ones in each table within an hour; the rows of further ones stay in its collection, and
    an event says so.
    """

    def __init__(self, db: Path, *, now: Callable[[], int] = lambda: time.time_ns() // 1_000_000, most_devices: int = MOST_DEVICES) -> None:
        self._db = db
        self._con = open_database(db)
        self._con.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        self._most_devices = most_devices
        self._open: Engine | None = None  # from the first lines on: a server that receives nothing needs none
        self._derived = 0
        self._now = now
        self._machines: dict[tuple[str, str], _Machine] = {}
        self._saved_ms = 0
        self._full_hours: deque[_Machine] = deque()
        self._to_judge: dict[_Machine, None] = {}  # in the order in which they are due
        self._late_from = 0.0
        self._happened = False  # whether something in this step's rows may be worth an event
        self._changed: set[_Machine] = set()
        waiting = "SELECT machinename, sitename FROM live_lines JOIN collectors ON id = collector_id WHERE waits = 1"
        try:
            with sentences(db):
                self._to_load: list[tuple[str, str]] = self._con.execute(waiting).fetchall()
        except BaseException:
            self.close()
            raise
        self.held_back = 0
        """Rows of what was checkpointed since this object was made that have no place in the tables: their machine has too many devices."""
        self._beyond = 0  # those since the last checkpoint: after a crash they come again
        self.unfinished = bool(self._to_load)
        """Whether something waits to be taken in: call `feed` again, if need be with no batches."""

    def position(self, journal: str) -> str | None:
        """From where `journal` must be fed: the position of the last checkpoint, None before the first."""
        with sentences(self._db):
            row = self._con.execute("SELECT position FROM live_positions WHERE journal = ?", (journal,)).fetchone()
        return None if row is None else str(row[0])

    def feed(self, batches: Sequence[LiveBatch], *, journal: str, position: str) -> int:
        """Take in `batches`, which end at `position` of `journal`, in one transaction; how many host samples were new.

        Call it with no batches when idle, so that samples that nothing follows get in. On an error nothing has changed, neither here
        nor in the database, except that this object must be made again; Unusable names the machine whose lines it was about.
        """
        with sentences(self._db), transaction(self._con):
            self._load_waiting()
            for batch in batches:
                with _sent_by((batch.identifier, batch.site or DEFAULT_SITE)):
                    lines, _ = parse(batch.lines)
                    machine = self._machine(batch.identifier, batch.site or DEFAULT_SITE)
                    if machine.pending.add(lines, batch.received_ms):
                        self._changed.add(machine)
                    if shared := machine.pending.shared:
                        detail = "of those with one stamp one has rows; import its collection to have all"
                        self._add_event(machine.id, Event("shared_stamp", min(shared), max(shared), "", None, detail))
                        shared.clear()
            new = self._take_in()
            if (began := time.monotonic()) > self._late_from or not batches:
                new += self._take_in_late()
                took = time.monotonic() - began
                self._late_from = time.monotonic() + (_LATE_PAUSE * took if took > _LATE_SECONDS else 0.0)
            self._judge()
            if self._now() - self._saved_ms >= CHECKPOINT_MS:
                self._checkpoint(journal, position)
        self.unfinished = bool(self._to_judge) or any(machine.pending.waits for machine in self._machines.values())
        return new

    def save(self, journal: str, position: str) -> None:
        """Checkpoint now: what the importer calls before it ends."""
        with sentences(self._db), transaction(self._con):
            self._checkpoint(journal, position)

    def note(self, aside: SetAside) -> None:
        """Count further lines in the machine's quality event of that reason; commits at once."""
        with sentences(self._db), transaction(self._con):
            collector_id = find_or_add(self._con, aside.identifier, aside.site)
            row = self._con.execute("SELECT last_timestamp FROM collectors WHERE id = ?", (collector_id,)).fetchone()
            at = aside.received_ms if row[0] is None else row[0]  # in its own time line, where its pages look
            self._add_event(collector_id, Event("set_aside", at, at, aside.reason, aside.lines, aside.detail), adds=True)

    def forget(self, identifier: str, site: str) -> int:
        """Drop the lines that are held back for the machine's next sample, for good, because they cannot be imported; how many.

        Its next sample begins anew.
        """
        with sentences(self._db), transaction(self._con):
            collector_id = find_or_add(self._con, identifier, site)
            row = self._con.execute("SELECT lines FROM live_lines WHERE collector_id = ?", (collector_id,)).fetchone()
            self._con.execute("DELETE FROM live_lines WHERE collector_id = ?", (collector_id,))
        self._machines.pop((identifier, site), None)
        try:
            return Pending.load(row[0]).held if row else 0
        except Exception:  # damaged: nobody knows how many
            return 0

    def close(self) -> None:
        """Close the database. Whatever was fed since the last checkpoint will be asked for again, and found to be there."""
        self._close_engine()
        self._con.close()

    @property
    def _engine(self) -> Engine:
        """The engine, with its tables."""
        if self._open is None:
            engine = _engine_for_a_step(self._most_devices)
            engine.con.execute(_empty_tables())
            self._open, self._derived = engine, 0
        return self._open

    def _close_engine(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _load_waiting(self) -> None:
        """The machines of which something waited when the database was last left, so that it is taken in although no more may come."""
        while self._to_load:
            with _sent_by(self._to_load[-1]):
                self._machine(*self._to_load[-1])
            self._to_load.pop()

    def _machine(self, name: str, site: str) -> _Machine:
        known = self._machines.get((name, site))
        if known is None:
            collector_id = find_or_add(self._con, name, site)
            row = self._con.execute("SELECT lines FROM live_lines WHERE collector_id = ?", (collector_id,)).fetchone()
            known = self._machines[name, site] = _Machine((name, site), collector_id, Pending.load(row[0]) if row else Pending())
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
            with _sent_by(machine.name):
                before, taken = machine.pending.take(now)
            if taken:
                self._changed.add(machine)
                grown[machine.id] = machine
                after[machine.id] = min(last, taken[0].stamp - 1)
                rows += [(machine.id, line) for line in (*before, *taken)]
                new_of.update(line.subsystem for line in taken)
                if any(map(is_of_slow_sample, taken)):  # tables that lose their rows are looked at too
                    new_of.update(line.subsystem for line in before if line.subsystem in SLOWER)
                machine.facts_changed |= any(line.subsystem in _FACTS for line in taken)
        if not rows:
            return 0
        skip = _unneeded(new_of, facts=any(machine.facts_changed for machine in grown.values()))
        try:
            return self._add(rows, after, grown, skip)
        except (Unusable, *_NOT_THE_DATA):
            raise
        except Exception as error:
            if isinstance(error, sqlite3.Error) and not _is_of_the_data(error):
                raise
            for machine in grown.values():  # one after the other: whose lines are they?
                with _sent_by(machine.name):
                    mine = [row for row in rows if row[0] == machine.id]
                    self._add(mine, {machine.id: after[machine.id]}, {machine.id: machine}, skip)
            raise

    def _add(self, rows: Sequence[tuple[int, RawLine]], after: Mapping[int, int], grown: Mapping[int, _Machine], skip: list[str]) -> int:
        """Compute the new samples of the machines that have `grown`, and add them; how many host samples that were."""
        self._derive(rows, after, skip)
        self._happened = any(line.subsystem == KERNEL_LOG.name or _has_unnamed_process(line) for _, line in rows)
        self._happened = self._happened or any(line.stamp > after[machine] and _is_unread(line) for machine, line in rows)
        new = sum(self._append(table, grown, rows, after) for table in TABLES if table.name not in skip)
        self._note(grown, skip, after)
        return new

    def _take_in_late(self) -> int:
        """Import what came after newer samples, where it belongs; how many host samples were new. It is rare, and may take a second."""
        new = 0
        give_up = time.monotonic() + _LATE_SECONDS
        for machine in sorted((one for one in self._machines.values() if one.pending.late), key=lambda one: one.pending.received_ms):
            late = machine.pending.take_late(self._now()) if time.monotonic() < give_up else None
            if not late:
                continue
            self._changed.add(machine)
            stamps = "SELECT timestamp FROM samples WHERE collector_id = ? AND timestamp BETWEEN ? AND ?"
            known = {stamp for (stamp,) in self._con.execute(stamps, (machine.id, min(late), max(late)))}
            lines = [line for stamp, lines in late.items() for line in lines if stamp not in known or line.subsystem == MARK]
            if lines:
                with _sent_by(machine.name):
                    new += self._merge(machine, [*([machine.pending.session] if machine.pending.session else []), *lines])
        return new

    def _merge(self, machine: _Machine, lines: Sequence[RawLine]) -> int:
        """Import lines as a file of theirs would be; how many host samples were new."""
        with tempfile.TemporaryDirectory(prefix="perfkit-") as folder, Engine(threads=1, most_devices=self._most_devices) as engine:
            path = Path(folder) / "late.json"
            path.write_bytes(b"\n".join(_written(line) for line in lines) + b"\n")
            engine.load([(1, path)])
            engine.derive(percentiles=False)
            numbers = [number for (number,) in engine.con.execute("SELECT DISTINCT machine FROM samples ORDER BY machine").fetchall()]
            if not numbers:
                self._add_late_marks(machine, engine)
            new = 0
            for number in numbers:
                one = of_machine(engine.con, path, digest([path]), number, fewest=1, with_percentiles=False)
                quality = replace(one.quality, recordings=tuple(_alive(recording) for recording in one.quality.recordings))
                new += merge(self._con, replace(one, quality=quality, kind="late", origin=Path("late")), *machine.name).new_samples
            return new

    def _add_late_marks(self, machine: _Machine, engine: Engine) -> None:
        """Marks that came alone, after newer samples: each belongs to the recording that had begun last by then."""
        told = engine.con.execute(schema.select(Mark._fields, "marks", "ORDER BY timestamp, place")).fetchall()
        marks = [Mark(*row) for row in told]
        begun = "SELECT recording FROM recordings WHERE collector_id = ? AND from_timestamp <= ? ORDER BY from_timestamp DESC LIMIT 1"
        placed = []
        for mark in marks:
            row = self._con.execute(begun, (machine.id, mark.timestamp)).fetchone()
            placed.append(mark._replace(recording=row[0] if row else 1))
        runs.add_marks(self._con, machine.id, placed, {})
        if placed:
            runs.refresh(self._con, machine.id)

    def _derive(self, rows: Sequence[tuple[int, RawLine]], after: Mapping[int, int], skip: list[str]) -> None:
        if self._derived >= _DERIVED_MOST:
            self._close_engine()
        self._engine.clear()
        self._derived += 1
        columns = {name: [getattr(line, name) for _, line in rows] for name in RawLine._fields}
        self._engine.con.execute(schema.text("duckdb/live_load"), {"machine": [machine for machine, _ in rows], **columns})
        self._engine.derive(percentiles=False, quality=False, skip=skip)
        self._engine.con.execute(schema.text("duckdb/live_after"), {"machines": list(after), "instants": list(after.values())})

    def _append(self, table: Table, grown: Mapping[int, _Machine], lines: Sequence[tuple[int, RawLine]], after: Mapping[int, int]) -> int:
        """Insert the new samples of one table; how many host samples that were."""
        columns = ["timestamp", *(c.name for c in table.columns), *(("why",) if table.name in _TELLS_WHY else ())]
        cursor = self._engine.con.execute(schema.text("duckdb/live_samples"), {"table": table.name, "columns": columns})
        names = [column[0] for column in cursor.description or ()][1:]
        rows = cursor.fetchall()
        if table.name in _LINES:
            told = sum(line.subsystem.startswith(_LINES[table.name]) and line.stamp > after[collector_id] for collector_id, line in lines)
            self._happened = self._happened or told != len(rows)
        if names[-1] == "why":
            self._happened = self._came_or_went(table, rows, grown) or self._happened or any(row[-1] for row in rows)
            self._happened = self._lacks_limits(table, lines, after) or self._happened
            names, rows = names[:-1], [row[:-1] for row in rows]
        if table.keys:
            rows = self._without_too_many(table, names, rows, grown)
        count = self._con.executemany(insert_sql(table.database_name, names), rows).rowcount if rows else 0
        return count if table is HOST else 0

    def _came_or_went(self, table: Table, rows: Sequence[tuple[Any, ...]], grown: Mapping[int, _Machine]) -> bool:
        """Whether a machine has another number of devices than in the sample before, or one that has no rates yet."""
        if table.name not in _COME_AND_GO:
            return False
        counts: dict[int, dict[int, int]] = {}
        for row in rows:
            of = counts.setdefault(row[0], {})
            of[row[1]] = of.get(row[1], 0) + 1
        value = 2 + len(table.keys)
        changed = any(row[value] is None for row in rows)
        for collector_id, of in counts.items():
            there = [*of.values()]
            changed |= {grown[collector_id].seen.get(table.name), *there} != {there[-1]}
            grown[collector_id].seen[table.name] = there[-1]
        return changed

    def _lacks_limits(self, table: Table, lines: Sequence[tuple[int, RawLine]], after: Mapping[int, int]) -> bool:
        """Whether a slow sample of a machine may lack limits that were there before."""
        if table.name not in _LIMITED:
            return False
        slow: dict[int, dict[int, set[str]]] = {}
        for collector_id, line in lines:
            if is_of_slow_sample(line):
                slow.setdefault(collector_id, {})[line.stamp] = set()
        if not slow:
            return False
        keys = [key.name for key in table.keys]
        for collector_id, rows in self._by_machine(table.name, ["timestamp", *keys]).items():
            for row in rows:
                slow.setdefault(collector_id, {}).setdefault(row["timestamp"], set()).add("".join(row[key] or "" for key in keys))
        return any(
            at > after[collector_id] and len(there) < len(set().union(*of.values()))
            for collector_id, of in slow.items()
            for at, there in of.items()
        )

    def _without_too_many(
        self, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]], grown: Mapping[int, _Machine]
    ) -> list[tuple[Any, ...]]:
        """`rows` (collector, then the columns `names`) without those of devices beyond a machine's limit, of which an event tells."""
        places = [names.index(key.name) + 1 for key in table.keys]
        at = names.index("timestamp") + 1
        most = self._most_devices * (_SPARSE_TIMES if table.sparse else 1)
        kept, beyond = [], {collector_id: set() for collector_id in grown}  # type: tuple[list[tuple[Any, ...]], dict[int, set[tuple[str, ...]]]]
        looked: dict[int, int] = {}  # the instant for which a machine's devices were last searched for those that are gone
        for row in rows:
            known = grown[row[0]].devices.setdefault(table.name, {})
            device = tuple(row[place] for place in places)
            if device not in known and len(known) >= most:
                if looked.get(row[0]) != row[at]:
                    looked[row[0]] = row[at]
                    for gone in [one for one, seen in known.items() if seen < row[at] - _HOUR]:
                        del known[gone]
                if len(known) >= most:
                    beyond[row[0]].add(device)
                    self._beyond += 1
                    continue
            known[device] = row[at]
            kept.append(row)
        for collector_id, devices in beyond.items():
            if devices:
                last = max(row[at] for row in rows if row[0] == collector_id)
                detail = f"the first {most:,} within an hour have rows"
                self._add_event(collector_id, Event("too_many", last, last, table.name, len(devices), detail))
        return kept

    def _add_event(self, collector_id: int, event: Event, *, adds: bool = False) -> None:
        """Bring the one event of its kind and subject up to date; what it `adds` is counted on top of what it has missed before."""
        self._con.execute(schema.text("sqlite/live_event"), {**event._asdict(), "collector_id": collector_id, "adds": adds})

    def _note(self, grown: Mapping[int, _Machine], skip: Collection[str], after: Mapping[int, int]) -> None:
        """What is known of the machines besides their metrics: recordings, gaps, marks, runs, hardware; now and then the rollups."""
        recordings = self._by_machine("recordings", Recording._fields)
        samples = self._by_machine("samples", (*Sample._fields, "counted", "clock", "stretch"))
        marks = {} if "marks" in skip else self._by_machine("marks", Mark._fields)
        facts = {} if "machines" in skip else self._by_machine("machines", runs.FACTS)
        self._happened = self._happened or any(_is_apart(of) for of in samples.values()) or any(map(_stops_early, recordings.values()))
        events = self._events() if self._happened else {}
        for collector_id, machine in grown.items():
            with _sent_by(machine.name):
                found = [Recording(**row) for row in recordings.get(collector_id, ())]
                taken = sorted(
                    (Sample(**{name: row[name] for name in Sample._fields}) for row in samples.get(collector_id, ()) if row["counted"]),
                    key=lambda sample: (sample.recording, sample.tick, sample.timestamp),
                )
                if taken := _since(taken, after[collector_id]):
                    known = self._grow(machine, found, taken, [Mark(**row) for row in marks.get(collector_id, ())])
                    self._tell(machine, [one for one in events.get(collector_id, ()) if one.to_timestamp > after[collector_id]], known)
                if machine.facts_changed and collector_id in facts:
                    told = {name: _one_line(name, value) for name, value in facts[collector_id][0].items() if value is not None}
                    tell_collector(self._con, collector_id, machine.last, machine.last, told)
                    machine.facts_changed = False
                ended = {one.identity for one in found if one.ended and one.ended not in (RECORDING, CUT_OFF)}
                self._tidy(machine, at_once=not ended <= machine.ended)
                machine.ended |= ended
        if "devices" not in skip:
            for collector_id, kind, count, lines in self._engine.con.execute(schema.text("duckdb/live_too_many")).fetchall():
                last = grown[collector_id].last
                self._beyond += lines
                detail = f"the first {self._most_devices:,} of them have rows"
                self._add_event(collector_id, Event("too_many", last, last, kind, count, detail))
        if self._full_hours:
            machine = self._full_hours.popleft()
            with columnar.connect() as duck:
                columnar.complete(self._con, machine.id, machine.hour * _HOUR, duck)

    def _events(self) -> dict[int, list[Event]]:
        """What files tell of such samples in their quality.json, by machine."""
        self._engine.judge()
        return {
            collector_id: [Event(**row) for row in rows if row["kind"] not in _NOT_LIVE]
            for collector_id, rows in self._by_machine("quality", Event._fields).items()
        }

    def _tell(self, machine: _Machine, events: Sequence[Event], taken: Mapping[int, runs.Taken]) -> None:
        """Add events of new samples; lines that are read a second time, after a crash, count once."""
        is_new = any(one.new for one in taken.values())
        for event in events:
            if event.kind == "unusable":
                if is_new:
                    self._add_event(machine.id, self._with_what_was(machine.id, event), adds=True)
            elif event.kind == "guessed_totals":
                machine.guesses = True
                self._add_event(machine.id, event)
            else:
                runs.insert_events(self._con, machine.id, [runs.numbered(event, taken)])
        if machine.guesses:  # holds for all samples
            self._con.execute(
                """UPDATE quality_events SET to_timestamp = last_timestamp, from_timestamp = first_timestamp FROM collectors
                WHERE id = collector_id AND id = ? AND kind = 'guessed_totals'""",
                (machine.id,),
            )

    def _with_what_was(self, collector_id: int, event: Event) -> Event:
        """`event` with all reasons that its subject was unusable for so far."""
        told = "SELECT detail FROM quality_events WHERE collector_id = ? AND kind = ? AND subject = ?"
        before = [detail for (detail,) in self._con.execute(told, (collector_id, event.kind, event.subject))]
        reasons = {reason for detail in (*before, event.detail) for reason in (detail or "").split("; ")}
        return event._replace(detail="; ".join(sorted(reasons)))

    def _by_machine(self, table: str, names: Sequence[str]) -> dict[int, list[dict[str, Any]]]:
        """Rows of a derived table by their machine."""
        cursor = self._engine.con.execute(schema.text("duckdb/live_rows"), {"table": table, "columns": list(names)})
        columns = [column[0] for column in cursor.description or ()]
        found: dict[int, list[dict[str, Any]]] = {}
        for row in cursor.fetchall():
            known = dict(zip(columns, row, strict=True))
            found.setdefault(known.pop("machine"), []).append(known)
        return found

    def _grow(self, machine: _Machine, recordings: list[Recording], samples: list[Sample], marks: list[Mark]) -> dict[int, runs.Taken]:
        """Bring recordings, gaps, runs and the collector's span up to date; what came of each recording."""
        con, last = self._con, max(sample.timestamp for sample in samples)
        alive = [_alive(one) for one in recordings]
        taken = runs.take(con, machine.id, alive, samples)
        runs.add_marks(con, machine.id, marks, taken)
        first = min(sample.timestamp for sample in samples)
        broken = [taken[one.recording].number for one in alive if one.recording in taken and _is_broken(taken[one.recording], one)]
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
        return taken

    def _tidy(self, machine: _Machine, at_once: bool) -> None:
        """Every few minutes, each machine in a second of its own, and when a recording ended: rollups, what its runs mean; once an hour:
        the samples by column.
        """
        step = (machine.last - machine.id * 1000 % _TIDY_MS) // _TIDY_MS
        if machine.last < 0 or (step == machine.tidied and not at_once):
            return
        machine.tidied = step
        rollup.close_buckets(self._con, machine.id, machine.last)
        self._to_judge[machine] = None
        hour = machine.last // _HOUR
        if machine.hour not in (-1, hour):
            self._full_hours.append(machine)
        machine.hour = hour

    def _judge(self) -> None:
        """Percentiles and findings of runs that ended, of one machine or a few in each step: a hundred may end in the same second."""
        until = time.monotonic() + _JUDGE_SECONDS
        for machine in list(self._to_judge):
            del self._to_judge[machine]
            with _sent_by(machine.name):
                is_closed = self._closed(machine)
                percentiles.refresh(self._con, machine.id, only=is_closed)
                findings.refresh(self._con, machine.id, only=is_closed)
            if time.monotonic() > until:
                break

    def _closed(self, machine: _Machine) -> Callable[[percentiles.NamedWindow], bool]:
        values = {"id": machine.id, "still": RECORDING, "cut": CUT_OFF}
        names = {window_name(*row) for row in self._con.execute(_CLOSED, values)}
        return lambda window: window.name in names

    def _checkpoint(self, journal: str, position: str) -> None:
        lines = [(machine.id, machine.pending.dump(), machine.pending.waits) for machine in self._changed]
        self._con.executemany("INSERT OR REPLACE INTO live_lines (collector_id, lines, waits) VALUES (?, ?, ?)", lines)
        self._con.execute("INSERT OR REPLACE INTO live_positions VALUES (?, ?)", (journal, position))
        self._changed.clear()
        self.held_back, self._beyond = self.held_back + self._beyond, 0
        self._saved_ms = self._now()
