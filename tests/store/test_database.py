"""The database file: made, opened, brought up to date, or refused with a sentence."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from perfkit import catalog
from perfkit.errors import BadInput, Failed
from perfkit.store import database, default_path, open_database, transaction
from perfkit.store import schema as current
from support.seed import fill

VERSIONS = Path(__file__).parent / "versions"


def structure(con: sqlite3.Connection) -> dict[str, list[tuple]]:
    """Every table and view with its columns and primary key."""
    names = [name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    return {name: sorted(row[1:3] + row[5:] for row in con.execute(f"PRAGMA table_info({name})")) for name in names}


def test_a_new_database_is_ours_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "perfkit.db"
    con = open_database(path)
    assert con.execute("PRAGMA application_id").fetchone() == (current.APPLICATION_ID,)
    assert con.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert path.stat().st_mode & 0o777 == 0o600
    con.close()


@pytest.mark.parametrize("script", sorted(VERSIONS.glob("*.sql")), ids=lambda path: f"version {path.stem}")
def test_every_earlier_version_is_brought_up_to_date_with_its_rows(script: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    con = sqlite3.connect(old)
    con.executescript(script.read_text())
    con.close()
    with pytest.raises(BadInput, match="older schema version"):
        open_database(old, read_only=True)
    con = open_database(old)
    fresh = open_database(tmp_path / "fresh.db")
    assert structure(con) == structure(fresh)
    assert con.execute("PRAGMA user_version").fetchone() == (current.VERSION,)
    assert con.execute("SELECT collector_id, timestamp, cpu_user FROM host_metrics").fetchall() == [
        (7, 1767225600000, 1.5),
        (7, 1767225601000, 2.5),
    ]
    con.close()
    fresh.close()


def test_there_is_a_snapshot_of_every_earlier_version() -> None:
    assert {int(path.stem) for path in VERSIONS.glob("*.sql")} == set(range(1, current.VERSION))


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "old.db"
    con = sqlite3.connect(old)
    con.executescript((VERSIONS / "1.sql").read_text())
    before = list(con.iterdump())
    con.close()
    monkeypatch.setattr("perfkit.store.runs.refresh", lambda con, collector_id: con.execute("ALTER TABLE nowhere ADD COLUMN x"))
    with pytest.raises(Failed, match="no such table"):
        open_database(old)
    con = sqlite3.connect(old)
    assert list(con.iterdump()) == before
    con.close()


def test_an_older_database_gets_recordings_runs_and_cpu_busy(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    con = sqlite3.connect(path)
    con.executescript((VERSIONS / "2.sql").read_text())
    con.close()
    con = open_database(path)
    assert con.execute("SELECT timestamp, cpu_busy FROM host_metrics").fetchall() == [(1767225600000, 9), (1767225601000, 9)]
    assert con.execute("SELECT recording, samples, last_tick FROM recordings").fetchall() == [(1, 2, 1)]
    assert con.execute("SELECT timestamp, tick FROM samples").fetchall() == [(1767225600000, 0), (1767225601000, 1)]
    assert con.execute("SELECT run, label, open, to_timestamp FROM runs").fetchall() == [(1, "load", 1, 1767225601000)]
    assert con.execute("SELECT kind, detail FROM quality_events").fetchall() == [("clock_step", "+1 s")]
    con.close()


def test_the_catalog_is_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column and a table that the catalog has got since appear in a database when it is opened, rollups included; nothing is lost."""
    path = tmp_path / "x.db"
    fill(path, seconds=40)
    grown = catalog.Column("mapped_kb", catalog.INTEGER, catalog.GAUGE, "KiB", "Mapped", "/proc/meminfo")
    memory = replace(catalog.table("memory"), columns=(*catalog.table("memory").columns, grown))
    sockets = catalog.Table("sockets", "Sockets", "socket_metrics", (replace(grown, name="in_use"),))
    tables = (*(memory if table.name == "memory" else table for table in catalog.TABLES), sockets)
    monkeypatch.setattr(current, "TABLES", tables)
    for cached in (current.ddl, database._parts_of_new):
        cached.cache_clear()
    try:
        with pytest.raises(BadInput, match="brings it up to date"):
            open_database(path, read_only=True)
        con = open_database(path)
        assert con.execute("SELECT count(*), count(used_kb), count(mapped_kb) FROM memory_metrics").fetchone() == (40, 40, 0)
        assert con.execute("SELECT count(*), count(mapped_kb_max) FROM memory_metrics_10s").fetchone() == (3, 0)
        assert (
            con.execute("SELECT in_use FROM socket_metrics").fetchall()
            == con.execute("SELECT in_use_avg FROM socket_metrics_1m").fetchall()
            == []
        )
        con.close()
    finally:
        monkeypatch.undo()
        for cached in (current.ddl, database._parts_of_new):
            cached.cache_clear()
    con = open_database(path, read_only=True)  # an older perfkit still reads what it knows
    assert con.execute("SELECT count(*) FROM memory_metrics").fetchone() == (40,)
    con.close()


def test_a_newer_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    con = open_database(path)
    con.execute("PRAGMA user_version = 99")
    con.close()
    with pytest.raises(BadInput, match="schema version 99, newer than this perfkit knows"):
        open_database(path)


@pytest.mark.parametrize(
    "content", [b"not a database at all, just text" * 50, b"SQLite format 3\0" + b"\xff" * 2000], ids=["text", "damaged"]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not a perfkit database"):
        open_database(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    con = sqlite3.connect(path)
    con.execute("CREATE TABLE theirs (x)")
    con.commit()
    con.close()
    before = path.read_bytes()
    with pytest.raises(BadInput, match="not one of perfkit's"):
        open_database(path)
    assert path.read_bytes() == before


def test_a_locked_database_is_a_sentence_after_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    other = open_database(path)
    con = open_database(path, busy_ms=50)
    from perfkit.store.database import sentences

    with transaction(other), pytest.raises(Failed, match="locked by another writer"), sentences(path), transaction(con):
        pass
    con.close()
    other.close()


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="setpriv is not installed: no unprivileged user to try with")
@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become nobody")
def test_a_read_only_database_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_database(path).close()
    path.chmod(0o444)
    for folder in (tmp_path, *list(tmp_path.parents)[:-1]):
        folder.chmod(folder.stat().st_mode | 0o055)
    code = "import sys; from pathlib import Path; from perfkit.store import open_database, transaction\n"
    code += "from perfkit.store.database import sentences\n"
    code += (
        "p = Path(sys.argv[1])\nwith sentences(p):\n    con = open_database(p)\n    with transaction(con): con.execute('DELETE FROM marks')"
    )
    nobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", code, str(path)]
    run = subprocess.run(nobody, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert "perfkit.errors.Failed" in run.stderr, run.stderr
    assert "cannot be" in run.stderr


def _open(path: Path) -> int:
    con = open_database(path)
    try:
        return con.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    finally:
        con.close()


def test_many_processes_may_make_the_same_database_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        counts = pool.map(_open, [tmp_path / "x.db"] * 8)
    assert len(set(counts)) == 1


def test_readers_see_the_state_before_a_writer_while_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    fill(path, seconds=20)
    writer, reader = open_database(path), open_database(path, read_only=True)
    with transaction(writer):
        writer.execute("DELETE FROM host_metrics")
        assert reader.execute("SELECT count(*) FROM host_metrics").fetchone() == (20,)
    assert reader.execute("SELECT count(*) FROM host_metrics").fetchone() == (0,)
    writer.close()
    reader.close()


def test_the_default_path_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFKIT_DB", "/data/p.db")
    assert default_path() == Path("/data/p.db")
    monkeypatch.delenv("PERFKIT_DB")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_path() == Path("/data/perfkit/perfkit.db")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/u")
    assert default_path() == Path("/home/u/.local/share/perfkit/perfkit.db")
