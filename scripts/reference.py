#!/usr/bin/env python3
"""Write the generated pages of docs/: `PYTHONPATH=src python3 scripts/reference.py`. A test checks that it was done.

metrics.md comes from the catalog, findings.md from the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perfkit.catalog import TABLES, Table
from perfkit.collection.certificate import TRUSTED
from perfkit.process.findings import LIMITS, Rule, rules

ROOT = Path(__file__).resolve().parents[1]

METRICS = """# Every column

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


def columns_of(table: Table) -> Iterator[str]:
    yield f"\n## {table.title}\n\n"
    yield f"`{table.name}.csv`, database table `{table.database_name}`, computed in "
    yield f"[`{table.name}.sql`](../src/perfkit/process/sql/components/{table.name}.sql)\n\n"
    yield "| column | kind | unit | what it is | from |\n|---|---|---|---|---|\n"
    for column in table.columns:
        yield f"| `{column.name}` | {column.kind} | {column.unit} | {column.label} | `{column.source}` |\n"


FINDINGS = f"""# What perfkit finds

A **finding** is a rule that holds in a run or a phase: its condition is true for at least its share of the samples, and for at least
so many of them. One line per rule names the worst device or container and how many more are like it. Every finding says what to do,
and carries the SQL that lists the samples it was found in: run it in the folder of `process` with DuckDB, or on the dashboard's SQL
page.

The **verdict** is one sentence made of the findings. It names the resource that was at its limit for most of the time (of several, the
one that began first), from when, and at which load where a load tool's timeline was imported
(that of the [knee](capacity.md), or without a knee that of the instant); then how far the others were from
theirs. A recording that has less than {TRUSTED} % of the samples that were due is not to be trusted, and the verdict says so first. Where
the speed of the network's links is not known (most virtual interfaces), the network is judged by its errors alone.

`findings.csv` and the database's table `findings` list them, `process --json` and `/api/v1/runs/ID` have them as JSON. The rules are in
[`rules.toml`](../src/perfkit/process/rules.toml), in the order of importance. The limits on the overview page, which everybody may
change in the page's address, are another thing: they mark single figures.

"""


def row(rule: Rule) -> str:
    """One rule as a row; in its condition, names are columns of metrics.md."""
    condition = (
        rule.when.replace("|", "\\|")
        .replace("{cpus}", "CPUs")
        .replace("{period_ms}", "period")
        .replace("{foreign}", "command is background work")
    )
    if rule.having:
        condition += f"`; `{rule.having}"
    least = f"{rule.share:g} %, {rule.samples}" if rule.share else f"{rule.samples}"
    return f"| `{rule.name}` | {rule.kind} | {LIMITS.get(rule.limit, '')} | `{condition}` | {least} | {rule.advice} | {rule.source} |\n"


def metrics() -> str:
    """docs/metrics.md as the catalog has it now."""
    return METRICS + "".join(part for table in TABLES for part in columns_of(table))


def findings() -> str:
    """docs/findings.md as the rules have it now."""
    head = "| rule | kind | limit | a sample's condition | samples, at least | what to do | source |\n|---|---|---|---|---|---|---|\n"
    return FINDINGS + head + "".join(row(rule) for rule in rules())


PAGES = {"metrics.md": metrics, "findings.md": findings}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page())
