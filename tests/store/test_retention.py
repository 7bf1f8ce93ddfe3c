"""Pruning: samples go, rollups stay longer, the space comes back, and series and percentiles still answer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from perfkit.catalog import DENSE, TABLES
from perfkit.store import open_database, series
from perfkit.store.importing import import_input
from perfkit.store.percentiles import of_window
from perfkit.store.retention import prune
from perfkit.store.schema import LEVELS
from support.database import START, copy_database, write_folder

pytestmark = pytest.mark.usefixtures("never_judged")
SECONDS = 1500
NOW = START + SECONDS
KEPT = START + 600  # what prune(850) keeps from: 10 min buckets are not cut


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of the folder `run` beside it; not to be changed."""
    folder = tmp_path_factory.mktemp("retention")
    import_input(folder / "perfkit.db", write_folder(folder / "run", seconds=SECONDS), collector_name="vm-a")
    return folder / "perfkit.db"


@pytest.fixture
def con(imported: Path, db: Path):
    copy_database(imported, db)
    with closing(open_database(db)) as con:
        yield con


def test_old_samples_go_and_their_rollups_stay(con) -> None:
    before = {
        f"{t.name}_{level}": con.execute(f"SELECT count(*) FROM {t.database_name}_{level}").fetchone() for t in DENSE for level in LEVELS
    }
    gone = prune(con, 850, now=NOW)
    for table in TABLES:
        assert con.execute(f"SELECT min(timestamp) FROM {table.database_name}").fetchone() == (KEPT * 1000,), table.name
        for level in LEVELS if not table.sparse else ():
            assert con.execute(f"SELECT count(*) FROM {table.database_name}_{level}").fetchone() == before[f"{table.name}_{level}"]
    assert gone.rows > 600 * len(TABLES)
    assert prune(con, 850, now=NOW).rows == 0


def test_rollups_go_later_and_those_of_ten_minutes_never(con) -> None:
    gone = prune(con, 300, now=NOW + 600)
    assert gone.rollup_rows > 0
    oldest = {level: con.execute(f"SELECT min(timestamp) FROM host_metrics_{level}").fetchone()[0] for level in LEVELS}
    assert oldest == {"10s": (START + 1200) * 1000, "1m": START * 1000, "10m": START * 1000}


def test_the_file_shrinks(con, db: Path) -> None:
    con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = db.stat().st_size
    gone = prune(con, 10, now=NOW + 86400)
    assert db.stat().st_size < before / 2
    assert gone.freed >= before - db.stat().st_size


def test_a_chart_over_the_pruned_time_comes_from_the_rollups(con) -> None:
    whole = series(con, "host", 1, ["cpu_user"], START * 1000, NOW * 1000, 5000, bucket_ms=10_000)
    prune(con, 850, now=NOW)
    found = series(con, "host", 1, ["cpu_user"], START * 1000, NOW * 1000, 5000)
    assert found.bucket_ms == 10_000
    assert found.rows == whole.rows
    assert series(con, "host", 1, ["cpu_user"], KEPT * 1000, NOW * 1000, 5000).bucket_ms == 0


def test_percentiles_answer_from_what_is_kept_alone(con) -> None:
    stored = of_window(con, 1, START * 1000, (NOW - 1) * 1000)
    prune(con, 850, now=NOW)
    assert of_window(con, 1, START * 1000, (NOW - 1) * 1000) == stored  # the whole run's stay
    rows = of_window(con, 1, (START + 60) * 1000, (NOW - 1) * 1000)
    assert rows[0][2] == NOW - KEPT
    assert of_window(con, 1, (START + 60) * 1000, (START + 120) * 1000) == []


def test_collectors_that_came_from_files_stay_when_only_live_ones_are_pruned(con) -> None:
    assert prune(con, 10, now=NOW + 86400, live_only=True).rows == 0
    con.execute("UPDATE collections SET kind = 'live'")
    assert prune(con, 10, now=NOW + 86400, live_only=True).rows > 0


def test_the_same_input_again_does_not_bring_pruned_samples_back(con, imported: Path, db: Path) -> None:
    prune(con, 850, now=NOW)
    assert import_input(db, imported.with_name("run"), collector_name="vm-a")[0].already
    assert con.execute("SELECT min(timestamp) FROM host_metrics").fetchone() == (KEPT * 1000,)
