"""What is known of the machine and of the recording beside the samples: hardware, coverage, marks, gaps, percentiles."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from perfkit.catalog import HOST
from perfkit.errors import BadInput
from perfkit.store import schema, windows
from perfkit.store.staged import Staged

# Columns of `collectors` that a collection tells about; `sources` of the engine and quality.json have them under the same names.
MACHINE = (
    "machine_id",
    "operating_system",
    "kernel",
    "architecture",
    "cpu_model",
    "cpus",
    "memory_mb",
    "cloud_vendor",
    "instance_type",
    "time_zone",
    "system_info",
    "session",
)
_FIGURES = ("min", "avg", "max", "stddev", "p50", "p90", "p95", "p99")


def from_samples(staged: Staged) -> None:
    """Period and coverage from the samples alone: the median step is the period, what it promises over the span is expected."""
    row = staged.con.execute(schema.text("period.sql").format(table=HOST.name), [staged.source]).fetchone()
    if row and row[0]:
        period, span, samples = row
        staged.period_ms = float(period)
        staged.samples = samples
        staged.expected = round(span / period) + 1
        staged.coverage = min(100.0, 100.0 * samples / staged.expected)


def from_engine(staged: Staged) -> None:
    """As the engine's tables sources, marks, quality and percentiles have them."""
    names = ("hostname", "period_ms", "samples", "samples_expected", "coverage", *MACHINE)
    row = staged.con.execute(schema.text("engine_source.sql").format(columns=", ".join(names)), [staged.source]).fetchone()
    _take(staged, dict(zip(names, row or ())))
    staged.marks = staged.con.execute(schema.text("engine_marks.sql"), [staged.source]).fetchall()
    staged.events = staged.con.execute(schema.text("engine_quality.sql"), [staged.source]).fetchall()
    rows = staged.con.execute(schema.text("engine_percentiles.sql"), [staged.source]).fetchall()
    staged.percentiles = [(name, start, end, tuple(rest)) for name, start, end, *rest in rows]


def from_folder(staged: Staged, quality: Mapping[str, Any], system_info: Mapping[str, Any], percentiles: Path) -> None:
    """As `process` wrote them into quality.json, system_info.json and percentiles.csv; a folder without them still has its samples."""
    from_samples(staged)
    _take(staged, {**quality, "system_info": system_info or None})
    try:
        staged.marks = [(_instant(mark["timestamp"]), mark["kind"], mark["label"]) for mark in quality.get("marks", ())]
        staged.events = [_event(event) for event in quality.get("events", ())]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{staged.origin}/quality.json is not as `perfkit process` writes it ({error}).") from error
    if percentiles.is_file():
        staged.percentiles = _percentiles(percentiles, staged)


def hostname(quality: Mapping[str, Any]) -> str | None:
    """The machine's own name, if quality.json has it."""
    name = quality.get("hostname")
    return name if isinstance(name, str) and name else None


def span(staged: Staged) -> tuple[int | None, int | None]:
    """First and last instant of any table: the first sample of a collection has levels, but no rates and so no row in host."""
    rows = [staged.con.execute(schema.text("span.sql").format(table=table.name), [staged.source]).fetchone() for table in staged.tables]
    known = [row for row in rows if row and row[0] is not None]
    return (min(row[0] for row in known), max(row[1] for row in known)) if known else (None, None)


def _take(staged: Staged, known: Mapping[str, Any]) -> None:
    staged.hostname = hostname(known)
    staged.machine = {name: _plain(known.get(name)) for name in MACHINE}
    staged.period_ms = known.get("period_ms") or staged.period_ms
    staged.samples = known.get("samples") or staged.samples
    staged.expected = known.get("samples_expected") or staged.expected
    staged.coverage = known.get("coverage") if known.get("coverage") is not None else staged.coverage


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _event(event: Mapping[str, Any]) -> tuple[Any, ...]:
    start = _instant(event["from"])
    end = start if event.get("to") is None else _instant(event["to"])
    return (start, end, event["kind"], event.get("subject") or "", event.get("missed"), _plain(event.get("detail")))


def _instant(text: str | float) -> int:
    """Milliseconds since the epoch of an ISO 8601 instant, or of milliseconds."""
    if isinstance(text, str):
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
    return int(text)


def _percentiles(path: Path, staged: Staged) -> list[tuple[str, int, int, tuple[Any, ...]]]:
    """The rows of percentiles.csv whose window is known: a range of the samples, or a phase between the marks."""
    first, last = span(staged)
    if first is None or last is None:
        return []
    known = windows.named_windows(first, last, staged.marks)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [(name, *known[name], figures) for name, figures in map(_figures, csv.DictReader(file)) if name in known]
    except (KeyError, ValueError, TypeError) as error:
        raise BadInput(f"{path} is not as `perfkit process` writes it ({error}).") from error


def _figures(row: Mapping[str, str]) -> tuple[str, tuple[Any, ...]]:
    return row["range"], (
        row["metric"],
        row["device"],
        int(row["samples"]),
        *(float(row[name]) if row[name] else None for name in _FIGURES),
    )
