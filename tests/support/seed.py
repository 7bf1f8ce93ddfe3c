"""Fill a database with invented rows, quickly and the same each time: what tests of readers stand on.

    from seed import fill
    collector_id = fill(path, "vm-a", seconds=3600)

The rows go in through perfkit.store's own statements, and runs, gaps and percentiles are perfkit's: only the numbers are invented here.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from perfkit.catalog import INTEGER, TABLES, Column, Table
from perfkit.process.quality import Mark, Recording
from perfkit.store import findings, open_database, percentiles, runs, transaction
from perfkit.store.importing import insert_sql, tell_collector
from perfkit.store.rollup import close_buckets
from support.database import made_once

START = 1767225600  # 2026-01-01T00:00:00Z
DEVICES = {
    "cpu": ("all", "0", "1", "2", "3"),
    "disk": ("sda", "sda1", "sdb"),
    "network": ("eth0", "lo"),
    "filesystem": ("/", "/mnt"),
    "pressure": ("cpu", "io", "memory"),
    "containers": ("4f5d3c2b1a09", "8899aabbccdd"),
    "services": ("nginx.service", "postgresql.service"),
    "processes": ("0", "101", "202"),
    "cpu_limits": ("0", "1"),
    "interface_limits": ("eth0",),
    "process_names": ("101 ", "202 "),
}
# The other keys of a device.
NAMES = {
    "4f5d3c2b1a09": ("shop-db", "docker"),
    "8899aabbccdd": ("shop-web", "docker"),
    "0": ("(not attributed)", ""),
    "101": ("nginx", "nginx.service"),
    "202": ("postgres", "postgresql.service"),
    "101 ": ("nginx", "nginx.service", "/usr/sbin/nginx", "nginx: worker <b>process</b>"),
    "202 ": ("postgres", "postgresql.service", "/usr/bin/postgres", "postgres: writer"),
}


# Where a database that several tests ask for alike is kept, so that it is filled once; tests/conftest.py sets it.
kept_in: Path | None = None


def fill(
    path: Path,
    machinename: str = "vm-a",
    sitename: str = "default",
    *,
    seconds: int = 600,
    start: int = START,
    seed: int = 0,
    gap: tuple[int, int] | None = None,
    devices: Mapping[str, Sequence[str]] | None = None,
) -> int:
    """Add a collector with `seconds` samples at 1 s to the database at `path` (made if missing); its id.

    `gap` leaves out the samples from..to, in seconds after the start. The run "load" is the middle third.
    `devices` are those of some tables, in place of DEVICES.
    """
    asked = {"machinename": machinename, "sitename": sitename, "seconds": seconds, "seed": seed, "gap": gap, "devices": devices}
    if kept_in is None or start != START or path.exists():
        return _fill(path, start=start, **asked)
    name = hashlib.sha256(repr(asked).encode()).hexdigest()
    made_once(kept_in / name, lambda made: _fill(made, start=start, **asked), path)
    return 1


def _fill(
    path: Path,
    machinename: str,
    sitename: str,
    *,
    seconds: int,
    start: int,
    seed: int,
    gap: tuple[int, int] | None,
    devices: Mapping[str, Sequence[str]] | None,
) -> int:
    rng = random.Random(seed)
    instants = [(start + i) * 1000 for i in range(seconds) if not (gap and gap[0] <= i < gap[1])]
    con = open_database(path)
    with transaction(con):
        collector_id = _collector(con, machinename, sitename, instants)
        for table in TABLES:
            rows = [
                row
                for device in {**DEVICES, **(devices or {})}.get(table.name, (None,))
                for row in _rows(collector_id, table, device, instants, rng)
            ]
            names = [*(c.name for c in table.keys), "timestamp", *(c.name for c in table.values)]
            con.executemany(insert_sql(table.database_name, names), rows)
        close_buckets(con, collector_id, instants[-1])
        _record(con, collector_id, start * 1000, seconds * 1000, instants)
        percentiles.refresh(con, collector_id)
        findings.refresh(con, collector_id)
    con.close()
    return collector_id


def _collector(con, machinename: str, sitename: str, instants: list[int]) -> int:
    con.execute(
        "INSERT INTO collectors (machinename, sitename, operating_system, kernel, architecture, cpu_model, cpus, memory_mb, cloud_vendor,"
        " instance_type, time_zone, system_info, period_ms, first_timestamp, last_timestamp)"
        " VALUES (?, ?, 'Debian GNU/Linux 12 (bookworm)', '6.1.0-18-amd64', 'x86_64', 'Intel(R) Xeon(R) Platinum 8272CL CPU @ 2.60GHz',"
        " 4, 16384, 'Microsoft Azure', 'Standard_D4s_v3', 'UTC', ?, 1000, ?, ?)",
        (machinename, sitename, json.dumps({"total_cpus": 4}), instants[0], instants[-1]),
    )
    (collector_id,) = con.execute("SELECT last_insert_rowid()").fetchone()
    con.execute(
        "INSERT INTO collections (collector_id, digest, source, kind, imported_at, first_timestamp, last_timestamp, samples,"
        " samples_expected, coverage) VALUES (?, ?, 'seeded.json', 'collection', ?, ?, ?, ?, ?, ?)",
        (
            collector_id,
            f"{collector_id:064x}",
            instants[-1],
            instants[0],
            instants[-1],
            len(instants),
            (instants[-1] - instants[0]) // 1000 + 1,
            100 * len(instants) / ((instants[-1] - instants[0]) // 1000 + 1),
        ),
    )
    return collector_id


def _rows(collector_id: int, table: Table, device: str | None, instants: list[int], rng: random.Random) -> Iterator[tuple]:
    keys = () if device is None else (device.strip(), *(NAMES[device] if len(table.keys) > 1 else ()))
    phases = [rng.random() * 6 for _ in table.values]
    for at in instants:
        wave = at / 1000 / 300
        yield (collector_id, *keys, at, *(_value(column, wave + phase, rng) for column, phase in zip(table.values, phases)))


def _value(column: Column, angle: float, rng: random.Random) -> float | int:
    if column.name == "in_total":
        return 1
    share = (1 + math.sin(angle)) / 2 * 0.7 + rng.random() * 0.3
    top = 100.0 if "%" in column.unit else 16384.0 if column.unit == "MiB" else 5e6 if column.unit.startswith("B") else 500.0
    return int(share * top) if column.type == INTEGER else share * top


def _record(con, collector_id: int, start: int, length: int, instants: list[int]) -> None:
    """One recording with these samples, and the run "load" in it."""
    ticks = [(at - instants[0]) // 1000 for at in instants]
    identity = f"9f5f9ca7-beef-42a5-809f-65621df0c28c {collector_id} 100.0"
    span = (instants[0], instants[-1], instants[-1])
    boot_id = identity.split(maxsplit=1)[0]
    one = Recording(1, identity, boot_id, *span, 1000.0, length / 1000, len(instants), ticks[-1], ticks[-1], 0.4, "duration")
    taken = runs.take(con, collector_id, [one], [runs.Sample(at, 1, tick, 0.4) for at, tick in zip(instants, ticks)])
    third = length // 3 // 1000 * 1000
    marks = [Mark(start + third, "start", "load", 1, 1), Mark(start + 2 * third, "end", "load", 1, 2)]
    runs.add_marks(con, collector_id, marks, taken)
    runs.find_gaps(con, collector_id, [1])
    tell_collector(con, collector_id, instants[0], instants[-1], {})
    runs.refresh(con, collector_id)


if __name__ == "__main__":
    import sys

    for i, machine in enumerate(("vm-a", "vm-b")):
        fill(Path(sys.argv[1]), machine, seconds=int(sys.argv[2]) if len(sys.argv) > 2 else 3600, seed=i)
