"""What is known of the machine and of the recording beside the samples: hardware, coverage, marks, gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from perfkit.catalog import HOST
from perfkit.store import schema
from perfkit.store.staged import Staged


def from_samples(staged: Staged) -> None:
    """Period and coverage from the samples alone: the median step is the period, what it promises over the span is expected."""
    row = staged.con.execute(schema.text("period.sql").format(table=HOST.name), [staged.source]).fetchone()
    if row and row[0]:
        period, span, samples = row
        staged.period_ms = float(period)
        staged.expected = round(span / period) + 1
        staged.coverage = min(100.0, 100.0 * samples / staged.expected)


def from_folder(staged: Staged, quality: dict[str, Any], system_info: dict[str, Any], percentiles: Path) -> None:
    """As `process` wrote them into quality.json, system_info.json and percentiles.csv."""
    from_samples(staged)
    staged.hostname = hostname(quality)


def hostname(quality: dict[str, Any]) -> str | None:
    """The machine's own name, if quality.json has it."""
    name = quality.get("hostname")
    return name if isinstance(name, str) and name else None
