"""The timeline of one run of a load tool, and what else its output says of the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

MOST_SPANS = 100  # of one kind that a summary lists
MOST_ROWS = 1_000_000  # of one run

_LARGEST = 1e18

Span = tuple[int, int, int]  # first and last ms since the epoch, and how many


class Row(NamedTuple):
    """What a tool reports of one stretch of time. None is unknown.

    timestamp   ms since the epoch, UTC, at which the stretch begins
    users       at work: virtual users, threads or connections
    throughput  operations per second; `errors` likewise
    latency_*   ms, of the operations that ended within the stretch
    """

    timestamp: int
    users: float | None = None
    throughput: float | None = None
    errors: float | None = None
    latency_avg_ms: float | None = None
    latency_p50_ms: float | None = None
    latency_p90_ms: float | None = None
    latency_p95_ms: float | None = None
    latency_p99_ms: float | None = None
    latency_max_ms: float | None = None


COLUMNS = Row._fields[1:]


@dataclass
class Summary:
    """What is known of a whole run: the content of `load_runs.summary`, as JSON without what is None or empty.

    docs/loadtools.md describes every key. Those that tell of a generator that was at its own limit, so that a comparison may
    refuse to judge: `dropped`, `starved` and their spans.
    """

    requests: int | None = None  # operations in all, those without a time included
    errors: int | None = None  # of them
    operation: str = "request"  # what one operation is
    row_seconds: float | None = None  # how long a row's stretch is; None where the rows differ or there is one level
    untimed: int = 0  # operations without a believable time; all of them count as errors
    unread: int = 0  # lines that could not be read
    cut: bool = False  # the output breaks off within a line or a packed stream
    dropped: int | None = None  # operations that the generator should have started and did not
    dropped_spans: list[Span] = field(default_factory=list)
    starved: int | None = None  # errors that say that the generator itself ran out of ports, descriptors or memory
    starved_spans: list[Span] = field(default_factory=list)
    users_max: float | None = None
    users_max_from: int | None = None  # the first and the last row with so many users
    users_max_until: int | None = None
    bytes: int | None = None  # size of the file that was read
    notes: list[str] = field(default_factory=list)  # sentences for people

    def to_json(self) -> dict[str, Any]:
        """The keys that say something."""
        usual = {name: value for name, value in asdict(Summary()).items() if value is not None and name != "operation"}
        return {name: value for name, value in asdict(self).items() if value is not None and value != usual.get(name)}


@dataclass
class Timeline:
    """The rows of one run; it puts them into the order of time, and keeps one of each instant. `label` tells it from others of its file.

    Tools print a latency of 0 where nothing was answered: there it is unknown.
    """

    tool: str
    rows: list[Row]
    summary: Summary = field(default_factory=Summary)
    label: str = ""

    def __post_init__(self) -> None:
        self.rows = list({row.timestamp: _measured(row) for row in sorted(self.rows, key=lambda row: row.timestamp)}.values())
        for name in ("requests", "errors"):
            if (getattr(self.summary, name) or 0) > _LARGEST:  # than the database holds
                setattr(self.summary, name, None)
        users = [row.users for row in self.rows if row.users is not None]
        if users:
            self.summary.users_max = max(users)
            at_most = [row.timestamp for row in self.rows if row.users == self.summary.users_max]
            self.summary.users_max_from, self.summary.users_max_until = at_most[0], at_most[-1]


def _measured(row: Row) -> Row:
    if row.throughput != 0:
        return row
    return Row(
        row.timestamp, **{name: getattr(row, name) or None if name.startswith("latency_") else getattr(row, name) for name in COLUMNS}
    )


def level(start: float, seconds: float, **values: float | None) -> list[Row]:
    """Figures of a whole run that began at `start` (seconds since the epoch) as two rows, at its start and at its end."""
    first, last = round(start * 1000), round((start + seconds) * 1000)
    return [Row(at, **values) for at in dict.fromkeys((first, last))]


def spans(counts: Iterable[tuple[int, float]], width: int) -> list[Span]:
    """Neighbouring stretches of `width` ms in which something was counted, as spans; at most MOST_SPANS, joined across gaps if need be."""
    counted = [(at, at + width - 1, round(number)) for at, number in counts if number]
    gap = width
    while True:
        joined: list[Span] = []
        for first, last, number in counted:
            if joined and first - joined[-1][1] <= gap:
                joined[-1] = (joined[-1][0], last, joined[-1][2] + number)
            else:
                joined.append((first, last, number))
        if len(joined) <= MOST_SPANS:
            return joined
        counted, gap = joined, gap * 2


def figure(value: object) -> float:
    """The finite number that `value` says, 0 or more; ValueError where it says none."""
    found = number(value)
    if found is None:
        raise ValueError(f"{value!r:.50} is no number that can be")
    return found


def number(text: object) -> float | None:
    """A finite number that `text` says, or None: "N/A", "nan", "" and "-" are unknown, and what is below 0 or too large to be measured."""
    try:
        value = float(text)  # type: ignore[arg-type]  # what is no number at all raises
    except (TypeError, ValueError):
        return None
    return value if 0 <= value < _LARGEST else None  # not so for nan either
