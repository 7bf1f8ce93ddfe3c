"""Locust's statistics over time: NAME_stats_history.csv of --csv NAME."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from perfkit.errors import BadInput
from perfkit.loadtools.marks import Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.requests import epoch_ms
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
_COUNTS = {"requests": "Total Request Count", "errors": "Total Failure Count"}


def is_locust(head: str) -> bool:
    """Whether a file that begins so is Locust's stats history."""
    return {"Timestamp", "User Count", "Name"} <= set(_cells(head.lstrip().split("\n", 1)[0])[0])


def read(output: Output, _start: Start) -> list[Timeline]:
    """The rows of all requests together: Locust's own sliding rates and current percentiles.

    Its averages are of all the time since the start, so they are left out.
    """
    rows: dict[int, Row] = {}
    totals: dict[str, list[float]] = {name: [] for name in _COUNTS}  # the last counts before each time that they began again
    for cells in _together(output):
        at = epoch_ms(number(cells.get("Timestamp")) or 0.0)
        if at is None:
            output.unread += 1
            continue
        rows[round(at)] = Row(round(at), **{name: number(cells.get(column)) for name, column in _ROW.items()})
        for name, column in _COUNTS.items():
            count = number(cells.get(column))
            if count is not None:
                so_far = totals[name]
                totals[name] = [*so_far[:-1], count] if so_far and count >= so_far[-1] else [*so_far, count]
        if len(rows) > MOST_ROWS:
            raise BadInput(f"{output.path} holds more than {MOST_ROWS:,} rows; split it by time and import the parts.")
    if not rows:
        raise BadInput(f"{output.path} holds no row of all requests together; Locust was ended before it wrote one.")
    requests, errors = (int(sum(counts)) if counts else None for counts in totals.values())
    summary = Summary(requests, errors, row_seconds=1, unread=output.unread, cut=output.cut)
    return [Timeline("locust", [rows[at] for at in sorted(rows)], summary)]


def _together(output: Output) -> Iterator[dict[str, str]]:
    """The rows of all requests together, by column."""
    names: list[str] = []
    delimiter = ","
    for line in output.lines():
        cells, found = _cells(line, None if not names else delimiter)
        if "User Count" in cells:
            names, delimiter = cells, found
        elif len(cells) != len(names):
            output.unread += 1
        else:
            row = dict(zip(names, cells, strict=True))
            if row["Name"] in _TOGETHER:
                yield {name: cell.replace(",", ".") for name, cell in row.items()} if delimiter == ";" else row  # Excel's decimal comma


def _cells(line: str, delimiter: str | None = None) -> tuple[list[str], str]:
    used = delimiter or (";" if line.count(";") > line.count(",") else ",")
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=used), [])], used
    except csv.Error:
        return [], used
