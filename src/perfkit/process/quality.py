"""quality.json: what a reader of one machine's numbers has to know. The one writer and the one reader of that file.

    {"format": 2, "hostname": ..., "samples": ..., "coverage": ..., "certificate": {...}, "recordings": [...], "runs": [...],
     "marks": [...], "events": [...], "steady": [...], "session": {...}}

Instants are ISO 8601 in UTC in the file, and milliseconds since the epoch here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import _duckdb as duckdb
import orjson

from perfkit.collection.certificate import RECORDING, Certificate, Gap, certify
from perfkit.errors import BadInput
from perfkit.process.engine import statement
from perfkit.units import iso, parse_iso

FORMAT = 2
_DIGITS = 19  # of a whole number of 64 bits, and more


class Event(NamedTuple):
    """Something that happened to the recording (see sql/summaries/quality.sql for the kinds)."""

    kind: str
    from_timestamp: int
    to_timestamp: int
    subject: str = ""
    missed: int | None = None
    detail: str | None = None
    recording: int | None = None


class Mark(NamedTuple):
    """A mark of a recording; `place` orders marks of one instant."""

    timestamp: int
    kind: str
    label: str
    recording: int
    place: int


class Recording(NamedTuple):
    """One recording (see sql/timeline/recordings.sql)."""

    recording: int
    identity: str
    boot_id: str | None
    from_timestamp: int
    to_timestamp: int
    last_timestamp: int
    period_ms: float | None
    duration: float | None
    samples: int
    last_tick: int
    due_tick: int | None
    largest_lateness_ms: float | None
    ended: str | None
    begun_timestamp: int | None = None


@dataclass(frozen=True)
class Run:
    """A run, or where `phase` is given one of its phases, with its certificate."""

    run: int
    label: str
    phase: str | None
    recording: int
    from_timestamp: int
    to_timestamp: int
    open: bool
    certificate: Certificate

    @property
    def window(self) -> str:
        """The name of its window, as percentiles and findings have it."""
        return window_name(self.run, self.phase)


class Steady(NamedTuple):
    """From `from_timestamp` to `to_timestamp` CPU busy was steady around `cpu_busy` %; that is `kept_percent` of the window `phase`."""

    phase: str
    from_timestamp: int
    to_timestamp: int
    cpu_busy: float
    kept_percent: float


@dataclass(frozen=True)
class Quality:
    """Everything that quality.json says. `facts` are the machine and its figures, with instants in ms.

    `certificate` is of all recordings together, as far as they lie in the window that was asked for.
    """

    facts: dict[str, Any]
    certificate: Certificate
    recordings: tuple[Recording, ...] = ()
    runs: tuple[Run, ...] = ()
    marks: tuple[Mark, ...] = ()
    events: tuple[Event, ...] = ()
    steady: tuple[Steady, ...] = ()
    session: dict[str, Any] | None = None

    @property
    def recorder(self) -> str:
        """That a live process still records it; "" where none does."""
        pid = self.facts.get("recorder")
        if self.certificate.ended != RECORDING or pid is None:
            return ""
        return f"still being recorded{f' by process {pid}' if pid else ''}: this is what is there so far."

    def as_json(self) -> dict[str, Any]:
        """The file's content."""
        instants = {key: _iso(self.facts.get(key)) for key in ("first_timestamp", "last_timestamp")}
        return {
            "format": FORMAT,
            **self.facts,
            **instants,
            "samples_expected": self.certificate.samples_expected,
            "coverage": self.certificate.coverage,
            "certificate": self.certificate.as_dict(),
            "recordings": [_outward(one._asdict()) for one in self.recordings],
            "runs": [_outward({**vars(one), "certificate": one.certificate.as_dict()}) for one in self.runs],
            "marks": [_outward(one._asdict()) for one in self.marks],
            "events": [_outward(one._asdict()) for one in self.events],
            "steady": [_outward(one._asdict()) for one in self.steady],
            "session": self.session,
        }


def window_name(run: int, phase: str | None = None) -> str:
    """How the window of a run, or of one of its phases, is called (sql/timeline/windows.sql)."""
    return f"run:{run}:{phase}" if phase else f"run:{run}"


def of_engine(con: duckdb.DuckDBPyConnection, machine: int) -> Quality:
    """What the derived tables in `con` know of `machine`."""
    facts = _rows(con, "facts", machine)[0]
    session = facts.pop("session", None)
    window = facts.pop("kept_from"), facts.pop("kept_to")
    events = tuple(Event(**row) for row in _rows(con, "events", machine))
    con.execute(statement("summaries/steady_series"), {"machine": machine})
    steady = tuple(Steady(*row) for row in con.execute(statement("summaries/steady")).fetchall())
    return Quality(
        facts=facts,
        certificate=certificate_of(facts["samples"], events, facts["ended"], facts["largest_lateness_ms"], window if window[1] else None),
        recordings=tuple(Recording(**row) for row in _rows(con, "recordings_of", machine)),
        runs=tuple(_run(row, events) for row in _rows(con, "runs_recorded", machine)),
        marks=tuple(Mark(**row) for row in _rows(con, "marks_of", machine)),
        events=events,
        steady=steady,
        session=told_json(session) if session else None,
    )


def told_json(text: str) -> Any:
    """JSON that a machine sent; None for what cannot be read. A number beyond those that JSON of ours can have becomes a float."""
    try:
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < _DIGITS else float(digits))
    except (ValueError, RecursionError):
        return None


def of_json(content: bytes, name: str) -> Quality:
    """What the file `name` says. Raises BadInput for one of a newer perfkit, or that is not as perfkit writes it."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{name} is not JSON: {error}.") from error
    if not isinstance(found, dict):
        raise BadInput(f"{name} is not as `perfkit process` writes it (it is no object).")
    if isinstance(found.get("format"), int) and found["format"] > FORMAT:
        raise BadInput(f"{name} is of a newer perfkit (format {found['format']}, known here: {FORMAT}); use that one.")
    try:
        return _parsed(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{name} is not as `perfkit process` writes it ({error}).") from error


def certificate_of(
    samples: int, events: Iterable[Event], ended: str | None, lateness_ms: float | None, window: tuple[int, int] | None = None
) -> Certificate:
    """The certificate of `samples` with these `events`; with a `window` (ms, both included) of what lies in it."""
    known = [one for one in events if window is None or window[0] <= one.to_timestamp <= window[1] or one.kind == "gap"]
    gaps = [Gap(one.from_timestamp, one.to_timestamp, one.missed or 0) for one in known if one.kind == "gap"]
    return certify(
        samples,
        gaps,
        window,
        ended=ended or "",
        largest_lateness_ms=lateness_ms,
        clock_steps=sum(one.kind == "clock_step" for one in known),
        resets=sum(one.kind == "reset" for one in known),
    )


def _run(row: Mapping[str, Any], events: Sequence[Event]) -> Run:
    window = row["from_timestamp"], row["to_timestamp"]
    found = certificate_of(row["samples"], events, row["ended"], row["lateness_ms"], window)
    return Run(row["run"], row["label"], row["phase"], row["recording"], *window, bool(row["open"]), found)


def _rows(con: duckdb.DuckDBPyConnection, name: str, machine: int) -> list[dict[str, Any]]:
    found = con.execute(statement(f"summaries/{name}"), {"machine": machine})
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _parsed(found: dict[str, Any]) -> Quality:
    lists = ("recordings", "runs", "marks", "events", "steady")
    first, last = (_milliseconds(found.get(key)) for key in ("first_timestamp", "last_timestamp"))
    facts = {
        key: value
        for key, value in found.items()
        if key not in ("format", "samples_expected", "coverage", "certificate", "session", *lists)
    }
    facts |= {"first_timestamp": first, "last_timestamp": last}

    def read(key: str) -> list[dict[str, Any]]:
        return [_inward(one, first, last) for one in found.get(key) or ()]

    events = tuple(Event(**one) for one in read("events"))
    told = found.get("certificate")
    counted = certificate_of(facts.get("samples") or 0, events, facts.get("ended"), facts.get("largest_lateness_ms"))
    return Quality(
        facts=facts,
        certificate=Certificate.of_dict(told) if told else counted,
        recordings=tuple(Recording(**one) for one in read("recordings")),
        runs=tuple(Run(**{**one, "certificate": Certificate.of_dict(one["certificate"])}) for one in read("runs")),
        marks=tuple(Mark(**{"recording": 1, "place": place, **one}) for place, one in enumerate(read("marks"))),
        events=events,
        steady=tuple(Steady(**one) for one in read("steady")),
        session=found.get("session"),
    )


_INSTANTS = {
    "from_timestamp": "from",
    "to_timestamp": "to",
    "timestamp": "timestamp",
    "last_timestamp": "last_timestamp",
    "begun_timestamp": "begun",
}


def _outward(one: dict[str, Any]) -> dict[str, Any]:
    return {_INSTANTS.get(key, key): _iso(value) if key in _INSTANTS else value for key, value in one.items()}


def _inward(one: Mapping[str, Any], first: int | None, last: int | None) -> dict[str, Any]:
    """A row of the file; an instant that it does not tell (before format 2) is the machine's first or last."""
    names = {outward: inward for inward, outward in _INSTANTS.items()}
    row = {names.get(key, key): _milliseconds(value) if key in names else value for key, value in one.items()}
    for key, default in (("from_timestamp", first), ("to_timestamp", last)):
        if key in row and row[key] is None:
            row[key] = default
    return row


def _iso(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso(milliseconds)


def _milliseconds(instant: str | float | None) -> int | None:
    return parse_iso(instant) if isinstance(instant, str) else None if instant is None else int(instant)
