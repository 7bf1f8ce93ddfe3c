"""Figures of a lake: PYTHONPATH=src python tests/bench/lake.py [--hours 1000] [--machines 10] [--fleets 100]; 0 leaves one out.

* percentiles: exact percentiles of a metric over HOURS machine-hours at one sample a second, a file each: seconds, peak memory
* compact: how fast the hours of MACHINES become one file a day, beside a bare COPY of the same rows
* stragglers: in how many of FLEETS invented fleets of 20 machines the throttled one is named first
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from perfkit.catalog import HOST
from perfkit.lake.compaction import compact
from perfkit.lake.place import open_lake
from perfkit.lake.query import QueryLimits, answer_named
from perfkit.lake.tables import file_name

START = 1767225600000
_HOST = ", ".join(f'(random() * 100)::DOUBLE AS "{c.name}"' for c in HOST.columns)
_WRITE = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)"


def make(folder: Path, machines: int, hours: int, per_file: int = 3600) -> None:
    """Files of host for every machine and stretch of `per_file` seconds, as `process --lake` writes them; values are noise."""
    con = duckdb.connect()
    for machine in range(machines):
        for begin in range(0, hours * 3600, per_file):
            place = folder / "host" / "site=lab" / f"machine=vm-{machine:04}" / f"date=2026-01-{1 + begin // 86400:02}"
            place.mkdir(parents=True, exist_ok=True)
            first, last = START + begin * 1000, START + (begin + per_file - 1) * 1000
            columns = f"make_timestamptz(({first} + i * 1000) * 1000) AS timestamp, {_HOST}, '{machine:016x}' AS collection"
            rows = f"SELECT {columns} FROM range({per_file}) t(i)"
            con.execute(f"COPY ({rows}) TO '{place / file_name(first, last, f'{machine * 1000 + begin // per_file:016x}')}' {_WRITE}")


def percentiles(hours: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        machines = max(1, hours // 10)
        make(Path(folder), machines, hours // machines)
        done = subprocess.run([sys.executable, __file__, "--ask", folder], capture_output=True, text=True, check=True)
    print(f"percentiles over {hours} machine-hours ({hours} files): {done.stdout.strip()}")


def ask(folder: str) -> None:
    began = time.perf_counter()
    with answer_named(open_lake(folder), "percentiles", {"metric": "host.cpu_busy"}, QueryLimits(2 << 30, 600)) as answer:
        [row] = list(answer.rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.perf_counter() - began:.2f} s, {peak:.0f} MiB at the peak, {row[2]:,} samples")


def compaction(machines: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), machines, 24)
        began = time.perf_counter()
        for day in sorted((Path(folder) / "host" / "site=lab").glob("*/*")):
            duckdb.execute(f"COPY (FROM '{day}/*.parquet') TO '{folder}/bare.parquet' {_WRITE}")
        bare = time.perf_counter() - began
        began = time.perf_counter()
        found = compact(open_lake(folder))
        own = time.perf_counter() - began
    pace = f"{machines * 86_400 / own:,.0f} rows/s, {bare / own:.2f}x the pace of a bare COPY"
    print(f"compact: {found.files} files to {found.files_now} in {own:.2f} s ({pace})")


def fleet(folder: Path, seed: int, machines: int = 20, seconds: int = 600) -> str:
    """A lake of one test; the name of the machine that was throttled: it is busier by a twentieth to a half, and ends later."""
    chance = random.Random(seed)
    con = duckdb.connect()
    con.execute(f"SELECT setseed({chance.random()})")
    throttled = chance.randrange(machines)
    slower = 1 + chance.uniform(0.05, 0.5)
    parts, runs = [], []
    for machine in range(machines):
        own = chance.gauss(1, 0.02)  # no two machines are alike
        busy, length = 40 * own, round(seconds * chance.gauss(1, 0.01))
        if machine == throttled:
            busy, length = min(99.0, busy * slower), round(length * (1 + (slower - 1) / 4))
        # The load goes up and down on all machines alike; what is left is noise of each machine's own.
        level = f"{busy} * (1 + 0.2 * sin(i / 60)) + 6 * (random() - 0.5)"
        net = f"{1e6 * own} * (1 + 0.2 * sin(i / 60)) * (0.9 + 0.2 * random())"
        parts.append(f"SELECT '{machine:02}' AS machine, i, {level} AS cpu_busy, {net} AS net_rx_bytes FROM range({length}) t(i)")
        runs.append(f"SELECT '{machine:02}' AS machine, {length - 1} AS last")
    con.execute(f"CREATE TABLE rows AS {' UNION ALL '.join(parts)}")
    con.execute(f"CREATE TABLE runs AS {' UNION ALL '.join(runs)}")
    for table in ("host", "runs"):
        (folder / table).mkdir(parents=True)
    instant = f"make_timestamptz({START * 1000} + {{}} * 1000000)"
    host = f"SELECT {instant.format('i')} AS timestamp, cpu_busy, net_rx_bytes, 'lab' AS site, machine, '2026-01-01' AS date FROM rows"
    run = (
        f"SELECT {instant.format(0)} AS timestamp, 'boot' AS recording, 'load' AS label, {instant.format('last')} AS to_timestamp,"
        " 'lab' AS site, machine, '2026-01-01' AS date FROM runs"
    )
    for table, rows in (("host", host), ("runs", run)):
        con.execute(f"COPY ({rows}) TO '{folder / table}' (FORMAT parquet, PARTITION_BY (site, machine, date), OVERWRITE_OR_IGNORE)")
    return f"{throttled:02}"


def stragglers(fleets: int) -> None:
    first = 0
    for seed in range(fleets):
        with tempfile.TemporaryDirectory() as folder:
            expected = fleet(Path(folder), seed)
            with answer_named(open_lake(folder), "stragglers", {"top": 1}, QueryLimits(2 << 30, 600)) as answer:
                [row] = [dict(zip(answer.names, row)) for row in answer.rows]
            first += row["machine"] == expected
    print(f"stragglers: the throttled machine of 20 was named first in {first} of {fleets} fleets")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=1000)
    parser.add_argument("--machines", type=int, default=10)
    parser.add_argument("--fleets", type=int, default=100)
    parser.add_argument("--ask")
    options = parser.parse_args()
    if options.ask:
        ask(options.ask)
        return
    if options.fleets:
        stragglers(options.fleets)
    if options.hours:
        percentiles(options.hours)
    if options.machines:
        compaction(options.machines)


if __name__ == "__main__":
    main()
