"""Databases under test: inputs with numbers that say where they come from, and what every database must hold to."""

from __future__ import annotations

import csv
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from perfkit.catalog import DENSE, INTEGER, SHARE, TABLES, table
from perfkit.store import findings
from perfkit.store.schema import LEVELS
from support import running

START = 1767225600  # 2026-01-01T00:00:00Z
DEVICES = {
    "cpu": [("all",), ("0",)],
    "disk": [("sda",), ("sdb",)],
    "network": [("eth0",)],
    "filesystem": [("/",)],
    "pressure": [("io",)],
    "containers": [("0123456789ab", "web", "docker")],
    "services": [("nginx.service",)],
    "processes": [("0", "(not attributed)", ""), ("7", "nginx", "nginx.service")],
    "cpu_limits": [("0",)],
    "interface_limits": [("eth0",)],
    "process_names": [("7", "nginx", "nginx.service", "/usr/sbin/nginx", "nginx: worker")],
}


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_table(path: Path, name: str, *, start: int = START, seconds: int = 60, seed: int = 0) -> Path:
    """`<name>.csv` with a row a second (and device); a value depends on seed, instant and column; shares up to 100 %."""
    known = table(name)
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(known.header)
        for device in DEVICES.get(name, [()]):
            for second in range(start, start + seconds):
                mixed = zlib.crc32(f"{seed} {name} {device} {second}".encode())
                columns = [c for c in known.columns[: known.written] if c in known.values]
                most = [999_983 if c.kind == SHARE else 9_999_991 for c in columns]
                values = (mixed * p % 999_983 if c.type == INTEGER else mixed * p % most[p - 3] / 10_000 for p, c in enumerate(columns, 3))
                rows.writerow([iso(second), *device, *values])
    return path


def write_folder(folder: Path, *, start: int = START, seconds: int = 60, seed: int = 0, only: Sequence[str] = ()) -> Path:
    """A processed folder of all tables, or of those that are named."""
    folder.mkdir()
    for known in TABLES:
        if only and known.name not in only:
            continue
        write_table(folder / f"{known.name}.csv", known.name, start=start, seconds=seconds, seed=seed)
    return folder


def copy_database(path: Path, to: Path) -> Path:
    """A database that a test may change, of one that several share: a copy costs less than an import."""
    to.parent.mkdir(exist_ok=True)
    for beside in path.parent.glob(f"{path.name}*"):  # its files of samples and its log too
        (shutil.copytree if beside.is_dir() else shutil.copy)(beside, to.with_name(beside.name.replace(path.name, to.name, 1)))
    return to


def made_once(folder: Path, make: Callable[[Path], object], to: Path) -> Path:
    """A copy, `to`, of the database that `make` made in `folder` for every worker process of this test run."""
    return copy_database(running.made_once(folder, lambda building: make(building / "perfkit.db")) / "perfkit.db", to)


def judge_only(patch: pytest.MonkeyPatch, *machines: str) -> None:
    """Imports look for findings in the runs of these machines alone: they are made of rows, and take half of what an import costs."""
    refresh = findings.refresh

    def of_these(con: sqlite3.Connection, collector_id: int, *rest: Any, **options: Any) -> None:
        [(name,)] = con.execute("SELECT machinename FROM collectors WHERE id = ?", (collector_id,))
        if name in machines:
            refresh(con, collector_id, *rest, **options)

    patch.setattr(findings, "refresh", of_these)


def dump(path: Path) -> list[str]:
    """The whole database as SQL text."""
    con = sqlite3.connect(path)
    try:
        return list(con.iterdump())
    finally:
        con.close()


def check_rollups(query) -> None:
    """Every rollup row is the aggregate of the samples, and every closed bucket is there."""
    for known in DENSE:
        device = known.device or "''"
        for level, width in LEVELS.items():
            column = known.metrics[0].name
            until = f"(SELECT until FROM levels l WHERE l.collector_id = t.collector_id AND width_ms = {width})"
            expected = query(
                f"SELECT collector_id, {device}, timestamp - timestamp % {width}, count(*), min({column}), round(avg({column}), 6),"
                f" max({column}) FROM {known.database_name} t WHERE timestamp < {until} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            )
            found = query(
                f"SELECT collector_id, {device}, timestamp, samples, {column}_min, round({column}_avg, 6), {column}_max"
                f" FROM {known.database_name}_{level} ORDER BY 1, 2, 3"
            )
            assert found == expected, (known.name, level)
