"""Locust's statistics over time: NAME_stats_history.csv of --csv NAME, and its failures in NAME_failures.csv next to it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field

from perfkit.errors import BadInput
from perfkit.loadtools.marks import Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.requests import STARVED, epoch_ms
from perfkit.loadtools.timeline import MOST_ROWS, Row, Summary, Timeline, number

_TOGETHER = ("Aggregated", "Total")  # how the rows of all requests together are named
_ROW = {
    "users": "User Count",
    "throughput": "Requests/s",
    "errors": "Failures/s",
    "latency_p50_ms": "50%",
    "latency_p90_ms": "90%",
    "latency_p95_ms": "95%",
    "latency_p99_ms": "99%",
    "latency_max_ms": "100%",
}
_HISTORY, _FAILURES = "_stats_history", "_failures"  # how Locust ends the names of both files
_COUNTS = {"requests": "Total Request Count", "errors": "Total Failure Count"}


def is_locust(head: str) -> bool:
    """Whether a file that begins so is Locust's stats history."""
    return {"Timestamp", "User Count", "Name"} <= set(_cells(head.lstrip().split("\n", 1)[0])[0])


def read(output: Output, _start: Start) -> list[Timeline]:
    """The rows of all requests together: Locust's own sliding rates and current percentiles.

    Its averages are of all the time since the start, so they are left out. Where the header stands again and the rows behind it
    are later than those before, another run begins. Locust's table of failures has no times and is that of its newest start, so it
    counts only where the file holds one run.
    """
    runs: list[_Run] = []
    for number_of_header, cells in _together(output):
        at = epoch_ms(number(cells.get("Timestamp")) or 0.0)
        if at is None:
            output.unread += 1
            continue
        if not runs or (number_of_header != runs[-1].header and at > runs[-1].last):
            runs.append(_Run(number_of_header))
        runs[-1].add(round(at), cells)
        runs[-1].header, runs[-1].last = number_of_header, max(round(at), runs[-1].last)
        if len(runs[-1].rows) > MOST_ROWS:
            raise BadInput(f"{output.path} holds more than {MOST_ROWS:,} rows; split it by time and import the parts.")
    if not runs:
        raise BadInput(f"{output.path} holds no row of all requests together; Locust was ended before it wrote one.")
    found = [run.timeline() for run in runs]
    found[0].summary.unread, found[-1].summary.cut = output.unread, output.cut
    if len(found) == 1:
        found[0].summary.starved = _starved(output)
    return found


def _starved(history: Output) -> int | None:
    """Failures that say that Locust itself ran out of something; None where its table of failures is missing or cannot be read."""
    name = history.path.name
    path = history.path.with_name(_FAILURES.join(name.rsplit(_HISTORY, 1)))
    if _HISTORY not in name or not path.is_file():
        return None
    try:
        rows = list(csv.DictReader(Output(path).lines()))
    except (BadInput, csv.Error):
        return None
    counts = [(number(row.get("Occurrences")), row.get("Error") or "") for row in rows]
    return round(sum(count or 0 for count, error in counts if STARVED.search(error)))


@dataclass
class _Run:
    header: int  # how many headers stood before its newest row
    last: int = 0  # the latest row's instant
    rows: dict[int, Row] = field(default_factory=dict)
    counts: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _COUNTS})  # a count for each time it began again

    def add(self, at: int, cells: dict[str, str]) -> None:
        self.rows[at] = Row(at, **{name: number(cells.get(column)) for name, column in _ROW.items()})
        for name, column in _COUNTS.items():
            count, so_far = number(cells.get(column)), self.counts[name]
            if count is not None and so_far and count >= so_far[-1]:
                so_far[-1] = count
            elif count is not None:
                so_far.append(count)

    def timeline(self) -> Timeline:
        requests, errors = (int(sum(counts)) if counts else None for counts in self.counts.values())
        return Timeline("locust", [self.rows[at] for at in sorted(self.rows)], Summary(requests, errors, row_seconds=1))


def _together(output: Output) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of all requests together, by column, each with the number of headers before it."""
    names: list[str] = []
    delimiter, headers = ",", 0
    for line in output.lines():
        cells, found = _cells(line, delimiter if names else None)
        if "User Count" in cells:
            names, delimiter, headers = cells, found, headers + 1
        elif len(cells) != len(names):
            output.unread += 1
        else:
            row = dict(zip(names, cells, strict=True))
            if row["Name"] in _TOGETHER:  # with ";", the decimal sign is Excel's comma
                yield headers, {name: cell.replace(",", ".") for name, cell in row.items()} if delimiter == ";" else row


def _cells(line: str, delimiter: str | None = None) -> tuple[list[str], str]:
    used = delimiter or (";" if line.count(";") > line.count(",") else ",")
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=used), [])], used
    except csv.Error:
        return [], used
