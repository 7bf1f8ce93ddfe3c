"""`serve --lake`: complete days of the database, as processing the same collection writes them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from perfkit.lake.days import SETTLE_MS, write_days
from perfkit.lake.place import open_lake
from perfkit.store import open_database
from perfkit.store.importing import import_input
from support.database import copy_database
from support.running import wait_for
from support.served import Served

from .conftest import MIDNIGHT, Rows, files, rows

DAY = 86_400_000
SECOND_DAY_ENDED = MIDNIGHT * 1000 + DAY + SETTLE_MS


@pytest.fixture(scope="module")
def imported(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with `collection`; not to be changed."""
    db = tmp_path_factory.mktemp("days") / "perfkit.db"
    import_input(db, collection, site_name="null")
    return db


def test_a_complete_day_is_written_once_and_again_when_something_came(
    lake_rows: Rows, collection: Path, imported: Path, tmp_path: Path
) -> None:
    db, where = copy_database(imported, tmp_path / "perfkit.db"), open_lake(str(tmp_path / "lake"))
    assert write_days(db, where, MIDNIGHT * 1000 + SETTLE_MS - 1) == 0  # the first day is not complete yet
    assert write_days(db, where, MIDNIGHT * 1000 + SETTLE_MS + 1) == 1
    assert {file.date for file in where.files("host")} == {"2026-01-01"}
    assert write_days(db, where, SECOND_DAY_ENDED + 1) == 1
    told, made = rows(tmp_path / "lake"), lake_rows
    for name in ("host", "cpu", "disk", "memory", "network", "containers", "marks", "recordings", "runs"):
        assert [row[:-1] for row in told[name]] == [row[:-1] for row in made[name]], name
    assert write_days(db, where, SECOND_DAY_ENDED + DAY) == 0
    with closing(open_database(db)) as con, con:
        con.execute("INSERT INTO marks (collector_id, timestamp, kind, label) VALUES (1, ?, 'point', 'late')", (MIDNIGHT * 1000 + 10,))
    before = len(files(tmp_path / "lake"))
    assert write_days(db, where, SECOND_DAY_ENDED + DAY) == 1
    assert len(files(tmp_path / "lake")) == before
    assert len(rows(tmp_path / "lake")["marks"]) == len(made["marks"]) + 1
    import_input(tmp_path / "second.db", collection, site_name="null")  # another receiver, which was sent the same
    assert write_days(tmp_path / "second.db", where, SECOND_DAY_ENDED + DAY) == 2
    assert len(files(tmp_path / "lake")) == 2 * before  # neither takes the other's place, and each row counts once
    assert len(rows(tmp_path / "lake")["marks"]) == len(made["marks"]) + 1
    with closing(open_database(db)) as con, con:
        con.execute("DELETE FROM samples WHERE timestamp > ?", (MIDNIGHT * 1000,))
    assert write_days(db, where, SECOND_DAY_ENDED + DAY) == 0  # what was pruned stays in the lake


def test_serve_writes_the_days_into_the_lake(imported: Path, lake: Path, lake_rows: Rows, tmp_path: Path) -> None:
    copy_database(imported, tmp_path / "perfkit.db")
    served = Served(tmp_path, "--lake", str(tmp_path / "lake"), dashboard=False)
    try:
        wait_for(lambda: len(files(tmp_path / "lake")) >= len(files(lake)) - 4)
        assert f"Complete days go into the lake {tmp_path}/lake." in served.read()
        wait_for(lambda: [row[:-1] for row in rows(tmp_path / "lake")["host"]] == [row[:-1] for row in lake_rows["host"]])
    finally:
        served.stop()
