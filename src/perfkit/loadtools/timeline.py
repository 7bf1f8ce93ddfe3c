"""The timeline of one run of a load tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What a row may say, besides `timestamp` (ms since the epoch, UTC; where its second begins): users at work, operations and errors
# per second, latency in ms of what ended within the row.
COLUMNS = (
    "users",
    "throughput",
    "errors",
    "latency_avg_ms",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "latency_max_ms",
)


@dataclass(frozen=True)
class Timeline:
    """The rows of a run in order of time, and its own totals (`requests`, `errors`, where the tool tells)."""

    tool: str
    rows: tuple[dict[str, Any], ...]
    summary: dict[str, Any]


def row(timestamp: float, **values: float | None) -> dict[str, Any]:
    """A row at `timestamp` ms with these columns; the others are None."""
    return {"timestamp": round(timestamp), **dict.fromkeys(COLUMNS), **values}
