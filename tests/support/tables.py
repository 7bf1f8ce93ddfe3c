"""Reading what `process` wrote, for tests that compare it."""

from __future__ import annotations

import csv
from pathlib import Path

from perfkit.catalog import TABLES

Row = dict[str, str]
FILES = {
    *(f"{table.name}.csv" for table in TABLES),
    "samples.csv",
    "runs.csv",
    "percentiles.csv",
    "findings.csv",
    "quality.json",
    "system_info.json",
    "container_names.json",
}


def rows(file: Path) -> list[Row]:
    """The rows of a CSV, in order, every cell as text."""
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def keyed(folder: Path, name: str) -> dict[tuple[str, ...], Row]:
    """A table's rows by timestamp and device."""
    keys = ["timestamp", *(column.name for column in next(t for t in TABLES if t.name == name).keys)]
    return {tuple(row[key] for key in keys): row for row in rows(folder / f"{name}.csv")}
