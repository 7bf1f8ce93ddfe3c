"""Recordings, runs and phases of a collector in the database, their certificates, and how a recording grows: no sample counts twice.

The definitions are those of process (process/sql/timeline): runs.sql, gaps.sql and windows.sql run in SQLite over the tables `marks`,
`recordings` and `samples`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from perfkit.catalog import MACHINE
from perfkit.collection.certificate import CUT_OFF, END_MARK, RECORDING, Certificate, Gap
from perfkit.errors import NotThere
from perfkit.process.engine import statement
from perfkit.process.quality import Event, Mark, Quality, Recording, Run, Steady, certificate_of, window_name
from perfkit.store import rollup, schema
from perfkit.units import FOREVER, parse_iso

UNNAMED = "first sample "  # how the identity of a recording begins whose collector tells no session
FACTS = (*(c.name for c in MACHINE), "period_ms", "session", "system_info")  # columns of `collectors` that a collection tells
_DIGITS = 10  # of a run's number, at most; an instant in ms has more
_FEW = 5  # samples, as a stream brings them at once
_SILENT_MS = 60_000  # a stream that has sent nothing for so long, and for ten periods, is cut off


class Sample(NamedTuple):
    """A sample of a recording (process/sql/timeline/samples.sql)."""

    timestamp: int
    recording: int
    tick: int
    lateness_ms: float | None


class _Known(NamedTuple):
    recording: int
    identity: str
    period_ms: float | None
    from_timestamp: int
    to_timestamp: int


class Taken(NamedTuple):
    """A recording's number in the database, how many of its samples were new, its ticks in their order, and whether it was unknown."""

    number: int
    new: int
    ticks: list[int]
    unknown: bool


def take(con: sqlite3.Connection, collector_id: int, recordings: Sequence[Recording], samples: Iterable[Sample]) -> dict[int, Taken]:
    """Add `samples` of `recordings` to the collector's, each sample once; what came of each recording.

    A recording that the database has already, in whole or in part, grows.
    """
    found: dict[int, Taken] = {}
    of: dict[int, list[Sample]] = {one.recording: [] for one in recordings}
    for sample in samples:
        of[sample.recording].append(sample)
    for one in recordings:
        if of[one.recording]:
            found[one.recording] = _grow(con, collector_id, one, of[one.recording])
    return found


def _grow(con: sqlite3.Connection, collector_id: int, one: Recording, samples: list[Sample]) -> Taken:
    known = _find(con, collector_id, one)
    if known is None:
        [(number,)] = con.execute("SELECT coalesce(max(recording), 0) + 1 FROM recordings WHERE collector_id = ?", (collector_id,))
        values = {**one._asdict(), "collector_id": collector_id, "recording": number, "samples": 0, "ended": None}
        con.execute(schema.insert("recordings", values), tuple(values.values()))
        shifted = samples
    else:
        number = known.recording
        shifted = _shifted(con, collector_id, known, one, samples)
        if one.identity.startswith(UNNAMED):  # a few samples tell no period, and one that is missing doubles it
            one = one._replace(period_ms=min(filter(None, (known.period_ms, one.period_ms)), default=None))
    rows = [(collector_id, sample.timestamp, number, sample.tick, sample.lateness_ms) for sample in shifted]
    new = con.executemany("INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?)", rows).rowcount
    values = {
        **one._asdict(),
        "last_tick": max(sample.tick for sample in shifted),
        "collector_id": collector_id,
        "number": number,
        "new": new,
    }
    con.execute(schema.text("sqlite/recording_grow"), values)
    return Taken(number, new, [sample.tick for sample in shifted], known is None)


def _find(con: sqlite3.Connection, collector_id: int, one: Recording) -> _Known | None:
    """The recording in the database that `one` is, or is a part of.

    A session tells which one it is. Others are the same where their spans meet: no collector records one machine twice at a time.
    """
    find = schema.select(_Known._fields, "recordings", "WHERE collector_id = ?")
    found = con.execute(f"{find} AND identity = ?", (collector_id, one.identity)).fetchone()
    if found is None:
        slack = 1.5 * (one.period_ms or 0)
        values = (collector_id, one.identity, UNNAMED + "%", UNNAMED + "%", one.to_timestamp + slack, one.from_timestamp - slack)
        found = con.execute(
            f"{find} AND (? LIKE ? OR identity LIKE ?) AND from_timestamp <= ? AND to_timestamp >= ? ORDER BY recording DESC", values
        ).fetchone()
    return None if found is None else _Known(*found)


def _shifted(con: sqlite3.Connection, collector_id: int, known: _Known, one: Recording, samples: list[Sample]) -> list[Sample]:
    """`samples` with the ticks that they have in the recording `known`."""
    if one.identity == known.identity and not one.identity.startswith(UNNAMED):
        return samples
    first = samples[0]
    near = con.execute(
        """SELECT timestamp, tick FROM samples WHERE collector_id = ? AND recording = ?
        ORDER BY abs(timestamp - ?), timestamp LIMIT 1""",
        (collector_id, known.recording, first.timestamp),
    ).fetchone()
    if near is None:
        return samples
    period = known.period_ms or one.period_ms or 1000
    offset = near[1] + round((first.timestamp - near[0]) / period) - first.tick
    if known.identity.startswith(UNNAMED) and not one.identity.startswith(
        UNNAMED
    ):  # its session came to be known: its ticks are the promised ones
        con.execute("UPDATE samples SET tick = tick - ? WHERE collector_id = ? AND recording = ?", (offset, collector_id, known.recording))
        con.execute(
            "UPDATE recordings SET identity = ?, last_tick = last_tick - ? WHERE collector_id = ? AND recording = ?",
            (one.identity, offset, collector_id, known.recording),
        )
        return samples
    if len(samples) <= _FEW:
        return _ticked(samples, near, period)
    return [sample._replace(tick=sample.tick + offset) for sample in samples]


def _ticked(samples: list[Sample], near: tuple[int, int], period_ms: float) -> list[Sample]:
    """`samples`, too few to tell their period, with ticks counted on from the one at `near` (timestamp, tick)."""
    found = []
    at, tick = near
    for sample in samples:
        step = sample.timestamp - at
        tick += max(1, round(step / period_ms)) if step > 1.5 * period_ms else min(step, 1)
        at = sample.timestamp
        found.append(sample._replace(tick=tick))
    return found


def find_gaps(con: sqlite3.Connection, collector_id: int, recordings: Collection[int], after: int = 0) -> None:
    """List the gaps of `recordings` again, as far as they lie behind the sample at `after` (ms); what was pruned keeps its gaps."""
    pruned = rollup.reach(con, collector_id)[0][0]
    for number in recordings:
        values: dict[str, Any] = {"collector_id": collector_id, "recording": number, "after": after, "pruned": pruned}
        [(values["kept"],)] = con.execute(
            "SELECT min(timestamp) FROM samples WHERE collector_id = :collector_id AND recording = :recording AND timestamp >= :after",
            values,
        )
        [(values["begun"],)] = con.execute(schema.text("sqlite/begun"), values)
        con.execute(
            """DELETE FROM quality_events WHERE collector_id = :collector_id AND recording = :recording AND kind = 'gap'
            AND (from_timestamp >= coalesce(:kept, :after) OR from_timestamp = :begun)""",
            values,
        )
        con.execute(schema.text("sqlite/gaps").format(definition=statement("timeline/gaps")), values)


def add_marks(con: sqlite3.Connection, collector_id: int, marks: Iterable[Mark], taken: Mapping[int, Taken]) -> None:
    """Add marks; one that is there already stays as it is, and as it was renamed. `taken` as `take` gave it."""
    con.executemany(
        """INSERT OR IGNORE INTO marks (collector_id, timestamp, kind, label, recording, place) SELECT ?1, ?2, ?3, ?4, ?5, ?6
        WHERE NOT EXISTS (SELECT 1 FROM marks WHERE collector_id = ?1 AND timestamp = ?2 AND kind = ?3 AND told = ?4)""",
        ((collector_id, m.timestamp, m.kind, m.label, _number(taken, m.recording), m.place) for m in marks),
    )


def add_events(
    con: sqlite3.Connection, collector_id: int, events: Iterable[Event], taken: Mapping[int, Taken], recordings: Sequence[Recording]
) -> None:
    """Add events and find the gaps of the recordings again. Told gaps count where a window has cut off the samples on one side of them."""
    known = [numbered(event, taken) for event in _within(events, recordings)]
    insert_events(con, collector_id, (e for e in known if e.kind != "gap"))
    find_gaps(con, collector_id, [one.number for one in taken.values()])
    insert_events(con, collector_id, (e for e in known if e.kind == "gap" and _is_cut(con, collector_id, e)), "INSERT OR IGNORE")


def insert_events(con: sqlite3.Connection, collector_id: int, events: Iterable[Event], verb: str = "INSERT OR REPLACE") -> None:
    """Add events, with the numbers that their recordings have in the database."""
    into = schema.insert("quality_events", ("collector_id", *Event._fields), verb)
    con.executemany(into, ((collector_id, *event) for event in events))


def numbered(event: Event, taken: Mapping[int, Taken]) -> Event:
    """`event` with the number that its recording has in the database; `taken` as `take` gave it."""
    return event if event.recording is None else event._replace(recording=_number(taken, event.recording))


def _within(events: Iterable[Event], recordings: Sequence[Recording]) -> Iterator[Event]:
    """`events`; of a gap what is missing within its recording, as far as that is here."""
    spans = {one.recording: (one.from_timestamp, one.to_timestamp) for one in recordings}
    for one in events:
        if one.kind == "gap" and one.recording in spans:
            missed = Gap(one.from_timestamp, one.to_timestamp, one.missed or 0).missed_within(*spans[one.recording])
            if missed:
                yield one._replace(missed=missed)
        else:
            yield one


def _is_cut(con: sqlite3.Connection, collector_id: int, gap: Event) -> bool:
    """Whether a gap reaches out of the samples of its recording that are there, and not because the recording begins with it."""
    values = (collector_id, gap.recording)
    begun = con.execute("SELECT begun_timestamp FROM recordings WHERE collector_id = ? AND recording = ?", values).fetchone()
    if begun and begun[0] is not None and gap.from_timestamp <= begun[0]:
        return False
    within = "SELECT 1 FROM samples WHERE collector_id = ? AND recording = ? AND timestamp {} ? LIMIT 1"
    sides = (("<=", gap.from_timestamp), (">=", gap.to_timestamp))
    return not all(con.execute(within.format(side), (*values, at)).fetchone() for side, at in sides)


def _number(taken: Mapping[int, Taken], recording: int) -> int:
    return taken[recording].number if recording in taken else recording


def extend(con: sqlite3.Connection, collector_id: int, recording: int, last: int) -> None:
    """The open runs and phases of a recording that goes on reach to its last instant (ms)."""
    values = {"to_timestamp": last, "collector_id": collector_id, "recording": recording}
    earlier = "collector_id = :collector_id AND recording = :recording AND to_timestamp < :to_timestamp"
    for table, is_open in (("runs", "(open = 1 OR marked = 0)"), ("phases", "open = 1")):
        con.execute(schema.update(table, ["to_timestamp"], f"{earlier} AND {is_open}"), values)


def refresh(con: sqlite3.Connection, collector_id: int) -> None:
    """Find the collector's runs and phases again. A run that was there keeps its number; others are numbered by start."""
    query = schema.text("sqlite/runs").format(definition=statement("timeline/runs"))
    found = con.execute(query, {"collector_id": collector_id}).fetchall()
    numbers = _numbers(con, collector_id, [row for row in found if row[3] is None])
    for table in ("runs", "phases"):
        con.execute(schema.delete(table), (collector_id,))
    for recording, run, label, phase, start, end, is_open, marked in found:
        if phase is None:
            con.execute(
                "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (collector_id, numbers[run], label, recording, start, end, is_open, marked),
            )
        else:
            con.execute(
                "INSERT INTO phases VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (collector_id, numbers[run], phase, label, recording, start, end, is_open),
            )


def _numbers(con: sqlite3.Connection, collector_id: int, found: list[tuple[Any, ...]]) -> dict[int, int]:
    """The lasting number of each run by the one that it has in `found`, which is by start.

    A run is known by its recording, label and start. A recording that was one run until its first mark came gives that number to it.
    """
    known: dict[tuple[Any, ...], int] = {}
    [(last,)] = con.execute("SELECT last_run FROM collectors WHERE id = ?", (collector_id,))  # whose numbers were removed stay theirs
    for run, label, recording, start, marked in con.execute(
        "SELECT run, label, recording, from_timestamp, marked FROM runs WHERE collector_id = ? ORDER BY run DESC", (collector_id,)
    ):
        known[(recording, label, start) if marked else (recording,)] = run
        last = max(last, run)
    numbers: dict[int, int] = {}
    for recording, run, label, _, start, _, _, marked in found:
        if marked and (recording, label, start) in known:
            numbers[run] = known.pop((recording, label, start))
    for recording, run, *_ in found:
        if run not in numbers:
            numbers[run] = known.pop((recording,), 0) or (last := last + 1)
    con.execute("UPDATE collectors SET last_run = ? WHERE id = ?", (last, collector_id))
    return numbers


class Stretch(NamedTuple):
    """A run, or where `phase` is given one of its phases, as a part of time: both ends are included (ms)."""

    run: int
    label: str
    phase: str | None
    recording: int
    start: int
    end: int
    open: bool
    marked: bool

    @property
    def window(self) -> str:
        """The name of its window, as percentiles and findings have it."""
        return window_name(self.run, self.phase)

    @property
    def reference(self) -> str:
        """What stands behind the machine's name in a reference: "@2", "@2:steady"."""
        return f"@{self.run}:{self.phase}" if self.phase else f"@{self.run}"


def stretches(con: sqlite3.Connection, collector_id: int) -> list[Stretch]:
    """The runs of a collector by number, behind each its phases."""
    rows = con.execute(schema.text("sqlite/runs_and_phases"), {"collector_id": collector_id})
    return [
        Stretch(run, label, phase, of, start, end, bool(is_open), bool(marked))
        for run, label, phase, of, start, end, is_open, marked in rows
    ]


def pick(known: Sequence[Stretch], run: str | None, phase: str | None) -> Stretch:
    """The run or phase that is meant. RUN is a number, a label (the newest run of it), `last`, `previous` or the instant of its start.

    A phase without a run is the newest run's that has one of that name, or the newest run of that label. Raises NotThere that lists what
    there is; nothing is answered with something else than was asked.
    """
    if run:
        chosen = _pick_run([one for one in known if one.phase is None], run)
        if not phase:
            return chosen
        found = [one for one in known if one.run == chosen.run and one.phase == phase]
        there = [str(one.phase) for one in known if one.run == chosen.run and one.phase]
        if not found:
            raise NotThere(f"run {chosen.run} ({chosen.label}) has no phase {phase[:60]!r}; its phases: {', '.join(there) or 'none'}.")
        return found[0]
    named = [one for one in known if one.marked and phase in (one.phase, None if one.phase else one.label)]
    if not named:
        there = list(dict.fromkeys(one.phase or one.label for one in known if one.marked))
        raise NotThere(f"there is no phase {(phase or '')[:60]!r} here; there are: {', '.join(there) or 'none'}.")
    return max(named, key=lambda one: (one.start, one.run))


def _pick_run(runs: Sequence[Stretch], text: str) -> Stretch:
    by_start = sorted(runs, key=lambda one: (one.start, one.run))
    found: list[Stretch] = []
    if text.isdecimal() and len(text) < _DIGITS:
        found = [one for one in runs if one.run == int(text)]
    elif text in ("last", "previous"):
        found = by_start[-1:] if text == "last" else by_start[-2:-1]
    if not found:
        found = [one for one in by_start if one.label == text][-1:]
    if not found:
        with suppress(ValueError):
            found = [one for one in runs if one.start // 1000 == parse_iso(text) // 1000]
    if found:
        return found[0]
    there = ", ".join(f"{one.run} ({one.label})" for one in by_start[-12:])
    raise NotThere(f"there is no run {text[:60]!r} here; there are: {there or 'none'}.")


def certificate(con: sqlite3.Connection, collector_id: int, start: int, end: int, ended: str | None = None) -> Certificate:
    """What was recorded of [start, end] ms: samples there and expected, gaps, lateness; `ended` is how the run or recording ended."""
    samples, lateness = con.execute(
        "SELECT count(*), max(lateness_ms) FROM samples WHERE collector_id = ? AND timestamp BETWEEN ? AND ?", (collector_id, start, end)
    ).fetchone()
    return certificate_of(samples, _events(con, collector_id, start, end), ended, lateness, (start, end))


def covered(con: sqlite3.Connection, collector_id: int, start: int, end: int, *, now_ms: int | None = None) -> Certificate:
    """The certificate of a range of the collector's samples: at their ends also of what was due before or behind."""
    first, last = con.execute("SELECT first_timestamp, last_timestamp FROM collectors WHERE id = ?", (collector_id,)).fetchone() or (
        None,
        None,
    )
    if first is None or last is None or end < last:
        return certificate(con, collector_id, start, end)
    how = ended(con, collector_id, now_ms=now_ms)
    return certificate(con, collector_id, 0 if start <= first else start, FOREVER, how)


def ended(con: sqlite3.Connection, collector_id: int, recording: int | None = None, *, now_ms: int | None = None) -> str | None:
    """How a recording ended; the newest one if none is given. A stream that fell silent is cut off: that needs `now_ms`."""
    row = con.execute(
        """SELECT ended, last_timestamp, coalesce(period_ms, 1000) FROM recordings
        WHERE collector_id = ? AND (recording = ? OR ? IS NULL) ORDER BY to_timestamp DESC LIMIT 1""",
        (collector_id, recording, recording),
    ).fetchone()
    if row is None:
        return None
    silent = now_ms is not None and now_ms - row[1] > max(_SILENT_MS, 10 * row[2])
    return CUT_OFF if row[0] == RECORDING and silent else row[0]


def runs_of(con: sqlite3.Connection, collector_id: int, *, now_ms: int | None = None) -> list[Run]:
    """Runs and behind each its phases, by number; with their certificates."""
    return [
        Run(one.run, one.label, one.phase, one.recording, one.start, one.end, one.open, of_stretch(con, collector_id, one, now_ms=now_ms))
        for one in stretches(con, collector_id)
    ]


def of_stretch(con: sqlite3.Connection, collector_id: int, one: Stretch, *, now_ms: int | None = None) -> Certificate:
    """The certificate of a run or phase: it ended with its mark, or as its recording did."""
    how = END_MARK if one.marked and not one.open else ended(con, collector_id, one.recording, now_ms=now_ms)
    return certificate(con, collector_id, one.start, one.end, how)


def steady(con: sqlite3.Connection, collector_id: int, start: int, end: int, phase: str = "all") -> Steady | None:
    """The proposed steady part of CPU busy after `start` up to `end` (ms), by MSER-5; None where there is none. Offered, never applied."""
    query = schema.text("sqlite/steady").format(definition=statement("summaries/steady"))
    found = con.execute(query, {"collector_id": collector_id, "start": start, "end": end, "phase": phase}).fetchone()
    return Steady(*found) if found else None


def quality(con: sqlite3.Connection, collector_id: int, start: int = 0, end: int = FOREVER) -> Quality:
    """What quality.json would say of the collector's samples in [start, end] ms."""
    names = ("machinename", *(c.name for c in MACHINE), "period_ms", "first_timestamp", "last_timestamp", "session")
    machinename, *values = con.execute(schema.select(names, "collectors", "WHERE id = ?"), (collector_id,)).fetchone()
    facts: dict[str, Any] = {"hostname": machinename, **dict(zip(names[1:], values))}
    session = json.loads(facts.pop("session") or "null")
    first, last = max(start, facts["first_timestamp"] or 0), min(end, facts["last_timestamp"] or 0)
    counted = certificate(con, collector_id, start, end, ended(con, collector_id))
    told = counted.as_dict()
    facts |= {"first_timestamp": first, "last_timestamp": last}
    facts |= {name: told[name] for name in ("samples", "largest_lateness_ms", "ended")}
    recordings = con.execute(schema.text("sqlite/recordings_within"), {"collector_id": collector_id, "start": start, "end": end})
    marks = con.execute(
        """SELECT timestamp, kind, label, recording, place FROM marks
        WHERE collector_id = ? AND timestamp BETWEEN ? AND ? ORDER BY timestamp, place""",
        (collector_id, start, end),
    )
    runs = [run for run in runs_of(con, collector_id) if run.from_timestamp <= last and run.to_timestamp >= first]
    proposals = (steady(con, collector_id, r.from_timestamp, r.to_timestamp, r.window) for r in runs)
    return Quality(
        facts=facts,
        certificate=counted,
        recordings=tuple(Recording(*row) for row in recordings),
        runs=tuple(runs),
        marks=tuple(Mark(*row) for row in marks),
        events=_events(con, collector_id, start, end),
        steady=tuple(one for one in proposals if one),
        session=session,
    )


def _events(con: sqlite3.Connection, collector_id: int, start: int, end: int) -> tuple[Event, ...]:
    within = "WHERE collector_id = ? AND from_timestamp <= ? AND to_timestamp >= ? ORDER BY from_timestamp, kind, subject"
    rows = con.execute(schema.select(Event._fields, "quality_events", within), (collector_id, end, start))
    return tuple(Event(*row) for row in rows)
