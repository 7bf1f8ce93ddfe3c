"""A database under test, and a way to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perfkit.store import findings, open_database


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "store" / "perfkit.db"


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports look for no findings in their runs, which is half of what they cost: for tests of what else an import does."""
    monkeypatch.setattr(findings, "refresh", lambda *arguments, **options: None)


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
