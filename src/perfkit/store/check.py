"""Is the database sound? Every page of it, what refers to what, its tables against the catalog, the disk below it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from perfkit.errors import PerfkitError
from perfkit.preflight.verdict import FAIL, OK, WARN, Check
from perfkit.store.database import missing_parts, open_database, sentences
from perfkit.units import format_bytes


def check_database(path: Path, keep_free: int) -> tuple[Check, ...]:
    """What is wrong with the database at `path`, which is only read; less than `keep_free` bytes of disk are a warning. Never raises."""
    try:
        with closing(open_database(path, read_only=True)) as con, sentences(path):
            return (*_checks(con, path), _space(path, keep_free))
    except (PerfkitError, sqlite3.Error, OSError) as error:
        return (Check("database", FAIL, "it cannot be read", str(error)),)


def _checks(con: sqlite3.Connection, path: Path) -> Iterator[Check]:
    (machines,) = con.execute("SELECT COUNT(*) FROM collectors").fetchone()
    yield Check("database", OK, f"{path}, {format_bytes(path.stat().st_size)}, {machines} machine{'' if machines == 1 else 's'}")
    yield _integrity(con, path)
    if missing := missing_parts(con):
        cure = f"{path} lacks {', '.join(missing[:3])}; another program has changed it: import the collections into a new one, with --db."
        yield Check("schema", FAIL, f"{len(missing)} parts are missing", cure)
    else:
        yield Check("schema", OK, "every table, column, view and index of the catalog")


def _integrity(con: sqlite3.Connection, path: Path) -> Check:
    cure = f"{path} is damaged; take a copy of it that is whole, or import the collections into a new one, with --db."
    try:
        said = [row[0] for row in con.execute("PRAGMA integrity_check(10)")]
    except sqlite3.DatabaseError as error:
        said = [str(error)]
    if said != ["ok"]:
        return Check("integrity", FAIL, " ".join(said[0].split())[:200], cure)
    if orphan := con.execute("PRAGMA foreign_key_check").fetchone():
        return Check("integrity", FAIL, f"a row of {orphan[0]} belongs to no row of {orphan[2]}", cure)
    return Check("integrity", OK, "every page can be read")


def _space(path: Path, keep_free: int) -> Check:
    disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if free >= keep_free:
        return Check("db disk", OK, f"{format_bytes(free)} free")
    cure = f"serve takes no samples below {format_bytes(keep_free)}; free space there, or delete old samples with perfkit prune."
    return Check("db disk", WARN, f"{format_bytes(free)} free", cure)
