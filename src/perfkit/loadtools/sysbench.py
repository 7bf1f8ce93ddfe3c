"""What sysbench 1.0 prints: a line every --report-interval seconds, and its closing figures."""

from __future__ import annotations

import re
from typing import Any

from perfkit.loadtools.timeline import Timeline, row

_LINE = re.compile(r"^\[ (\d+)s \] (.+)$", re.MULTILINE)
_PERCENTILE = re.compile(r"lat(?:ency)? \(ms,(\d+)%\): ([\d.]+)")
_FIGURES = {
    "seconds": r"total time:\s+([\d.]+)s",
    "events": r"total number of events:\s+(\d+)",
    "latency_avg_ms": r"^\s+avg:\s+([\d.]+)",
    "latency_max_ms": r"^\s+max:\s+([\d.]+)",
    "latency_p95_ms": r"^\s+95th percentile:\s+([\d.]+)",
}
_BLOCK = re.compile(r"block size:? +(\d+)([KM]?)i?B", re.IGNORECASE)
_MIB = 1 << 20
_KNOWN_PERCENTILES = ("50", "90", "95", "99")


def parse(text: str, start: float) -> Timeline:
    """The timeline of a run that began at `start` (seconds since the epoch).

    Without report lines the closing figures stand for the whole run, in a row at its start and one at its end.
    """
    figures = {name: _number(pattern, text) for name, pattern in _FIGURES.items()}
    rows, before = [], 0
    for line in _LINE.finditer(text):
        second, block = int(line[1]), _block_size(text)
        rows.append(row((start + before) * 1000, **_interval(line[2], block)))
        before = second
    if not rows and figures["seconds"]:
        rows = _level(start, figures)
    return Timeline("sysbench", tuple(rows), {"requests": int(figures["events"] or 0)})


def _interval(line: str, block: float) -> dict[str, float | None]:
    values: dict[str, float | None] = {
        "users": _number(r"thds: (\d+)", line),
        "throughput": _number(r"(?:tps|eps): ([\d.]+)", line),
        "errors": _number(r"err/s: ([\d.]+)", line),
    }
    if values["throughput"] is None:
        values["throughput"] = _operations(line, block)
    percentile = _PERCENTILE.search(line)
    if percentile and percentile[1] in _KNOWN_PERCENTILES:
        values[f"latency_p{percentile[1]}_ms"] = float(percentile[2])
    return values


def _operations(line: str, block: float) -> float | None:
    """Operations per second of the tests that report MiB/s: memory (one figure), fileio (reads, writes, fsyncs)."""
    moved = [float(found) for found in re.findall(r"([\d.]+) MiB/s", line)]
    return sum(moved) * _MIB / block + (_number(r"fsyncs: ([\d.]+)", line) or 0.0) if moved and block else None


def _block_size(text: str) -> float:
    found = _BLOCK.search(text)
    return int(found[1]) * {"": 1, "K": 1 << 10, "M": _MIB}[found[2].upper()] if found else 0


def _level(start: float, figures: dict[str, float | None]) -> list[dict[str, Any]]:
    seconds = figures["seconds"] or 0.0
    values = {name: figures[name] for name in ("latency_avg_ms", "latency_max_ms", "latency_p95_ms")}
    values["throughput"] = figures["events"] / seconds if figures["events"] is not None and seconds else None
    return [row(at * 1000, **values) for at in (start, start + seconds)]


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    return float(found[1]) if found else None
