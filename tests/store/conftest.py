"""Inputs for imports: host.csv files and processed folders with numbers that say where they come from."""

from __future__ import annotations

import csv
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from perfkit.catalog import INTEGER, TABLES, table
from perfkit.store import open_database

START = 1767225600  # 2026-01-01T00:00:00Z
DEVICES = {
    "cpu": [("all",), ("0",)],
    "disk": [("sda",), ("sdb",)],
    "network": [("eth0",)],
    "filesystem": [("/",)],
    "pressure": [("io",)],
    "containers": [("0123456789ab", "web", "docker")],
}


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_table(path: Path, name: str, *, start: int = START, seconds: int = 60, seed: int = 0) -> Path:
    """`<name>.csv` with a row a second (and device); a value depends on the seed, the instant and the column alone."""
    known = table(name)
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(known.header)
        for device in DEVICES.get(name, [()]):
            for second in range(start, start + seconds):
                mixed = zlib.crc32(f"{seed} {name} {device} {second}".encode())
                values = (
                    mixed * p % 999_983 if c.type == INTEGER else mixed * p % 9_999_991 / 10_000 for p, c in enumerate(known.values, 3)
                )
                rows.writerow([iso(second), *device, *values])
    return path


def write_folder(folder: Path, *, start: int = START, seconds: int = 60, seed: int = 0) -> Path:
    folder.mkdir()
    for known in TABLES:
        write_table(folder / f"{known.name}.csv", known.name, start=start, seconds=seconds, seed=seed)
    return folder


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "store" / "perfkit.db"


@pytest.fixture
def query(db: Path) -> Iterator[Callable[..., list[tuple]]]:
    """Run one statement on the database, read only."""

    def run(sql: str, *values: object) -> list[tuple]:
        con = open_database(db, read_only=True)
        try:
            return con.execute(sql, values).fetchall()
        finally:
            con.close()

    return run


def dump(path: Path) -> list[str]:
    """The whole database as SQL text."""
    con = sqlite3.connect(path)
    try:
        return list(con.iterdump())
    finally:
        con.close()
