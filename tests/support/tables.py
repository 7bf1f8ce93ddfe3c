"""Reading and comparing what `process` and `import` wrote."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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


def apart(one: Iterable[tuple], other: Iterable[tuple]) -> list[tuple]:
    """The rows that stand on one side alone. Figures that were added up in another order are equal: they differ in the last digits.

    They are not rounded to be compared: the mean of figures with few digits lies often half-way between two rounded ones.
    """
    counts, others = Counter(one), Counter(other)
    left, right = (sorted(rows.elements(), key=_words_then_figures) for rows in (counts - others, others - counts))
    if len(left) == len(right) and all(map(_equal, left, right)):
        return []
    return [*left, *right]


def same_figures(one: Any, other: Any) -> bool:
    """Whether two answers as from JSON are equal, their figures as `apart` has it."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_figures(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same_figures, one, other))
    return bool(one == other)


def _words_then_figures(row: tuple) -> tuple:
    return repr([cell for cell in row if not isinstance(cell, float)]), [cell for cell in row if isinstance(cell, float)]


def _equal(one: tuple, other: tuple) -> bool:
    return same_figures(one, other)
