#!/usr/bin/env python3
"""Write docs/metrics.md from the catalog: `PYTHONPATH=src python3 scripts/metrics_doc.py`. A test checks that it was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perfkit.catalog import TABLES, Table

ROOT = Path(__file__).resolve().parents[1]

PREFACE = """# Every column

How a column is computed stands in the `.sql` file of its table, beside the column. What holds for all of them:

* `timestamp` comes first in every CSV: ISO 8601, UTC, with milliseconds where the collection has them. In the database it is a
  whole number of milliseconds since the epoch.
* A **rate** is a counter's difference over the monotonic time between the two reads, per second. The first sample has none, nor has
  the first after a reset, a reboot or a hot-plug: the cell is empty, never 0. Over a gap it is the true average.
* A **share** is a percentage from 0 to 100; a container's CPU is in percent of one core and has no upper bound.
* A **gauge** is the level at the instant of the sample. A **counter** is the kernel's own running total. A **flag** is 0 or 1.
* Bytes are bytes; KiB and MiB are 1,024 and 1,048,576 of them. A disk's sector is 512 bytes.
* `in_total` is 1 for the devices that the host's total counts: disks that are not made of other block devices, and physical
  interfaces. So each byte counts once.
"""


def section(table: Table) -> Iterator[str]:
    yield f"\n## {table.title}\n\n"
    yield f"`{table.name}.csv`, database table `{table.database_name}`, computed in "
    yield f"[`{table.name}.sql`](../src/perfkit/process/sql/components/{table.name}.sql)\n\n"
    yield "| column | kind | unit | what it is | from |\n|---|---|---|---|---|\n"
    for column in table.columns:
        yield f"| `{column.name}` | {column.kind} | {column.unit} | {column.label} | `{column.source}` |\n"


def document() -> str:
    """docs/metrics.md as the catalog has it now."""
    return PREFACE + "".join(part for table in TABLES for part in section(table))


if __name__ == "__main__":
    (ROOT / "docs" / "metrics.md").write_text(document())
