"""A database under test, and a way to ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perfkit.store import open_database
from support.database import judge_only


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "store" / "perfkit.db"


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports look for no findings in their runs: for tests of what else an import does."""
    judge_only(monkeypatch)


@pytest.fixture(scope="module")
def never_judged() -> Iterator[None]:
    """The same for all of a module, and for what its fixtures import; not where support/seed.py fills a database that others share."""
    with pytest.MonkeyPatch.context() as patch:
        judge_only(patch)
        yield


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
