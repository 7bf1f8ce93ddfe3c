"""A database under test, and a way to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perfkit.store import open_database


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
