"""What import works on, whatever it came from: one machine's tables in DuckDB and the facts about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from perfkit.catalog import Table


@dataclass
class Staged:
    """Tables named as in the catalog: source, timestamp in ms, the catalog's columns.

    `machine` has values for columns of `collectors`; `marks`, `events` and `percentiles` have rows for the tables of these names,
    without their collector.
    """

    con: duckdb.DuckDBPyConnection
    origin: Path
    kind: str
    digest: str
    tables: tuple[Table, ...]
    source: int = 1
    hostname: str | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    samples: int | None = None  # recorded, the first one included, which has no rates and so no row in host
    expected: int | None = None
    coverage: float | None = None
    period_ms: float | None = None
    marks: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    percentiles: list[tuple[Any, ...]] = field(default_factory=list)


def digest(files: Iterable[Path]) -> str:
    """SHA-256 over the contents of `files` in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(files):
        with path.open("rb") as file:
            whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
