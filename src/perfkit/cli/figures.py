"""A run and its phases as lines of text: the verdict, and a table with a row per phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from perfkit.units import format_bytes, format_duration

# Metric of the table host, head of its column, and whether it counts bytes per second.
_COLUMNS = (
    ("cpu_busy", "CPU %", False),
    ("mem_used", "used MiB", False),
    ("disk_read_bytes", "read /s", True),
    ("disk_write_bytes", "write /s", True),
    ("net_rx_bytes", "rx /s", True),
    ("net_tx_bytes", "tx /s", True),
)


class FiguresRow(NamedTuple):
    """A run, or one of its phases: its name, its length in seconds, coverage in %, and {metric: {"avg", "p95"}} of the host."""

    name: str
    seconds: float
    coverage: float | None
    figures: Mapping[str, Mapping[str, float]]


def table(rows: Iterable[FiguresRow]) -> list[str]:
    """Lines of equal columns: average and 95th percentile of the headline metrics; "-" where there is none."""
    cells = [["avg / P95", "length", "recorded", *(head for _, head, _ in _COLUMNS)]]
    for row in rows:
        recorded = "-" if row.coverage is None else f"{int(row.coverage * 100) / 100:g} %"
        cells.append([row.name, format_duration(row.seconds), recorded, *(_cell(row, name, of) for name, _, of in _COLUMNS)])
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return ["  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]) for line in cells]


def _cell(row: FiguresRow, metric: str, of_bytes: bool) -> str:
    found = row.figures.get(metric)
    if not found or found["avg"] is None:
        return "-"
    return " / ".join(format_bytes(found[key]) if of_bytes else f"{found[key]:.1f}" for key in ("avg", "p95"))
