"""PostgreSQL: the same rows, rollups and views as SQLite, in a server that this test starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.catalog import DENSE, TABLES
from perfkit.errors import Failed
from perfkit.store import open_database
from perfkit.store.importing import import_input
from perfkit.store.schema import LEVELS
from support.database import START, write_folder, write_table
from support.tables import apart

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = [
    pytest.mark.skipif(not BINARIES, reason="no PostgreSQL server is installed (Debian: postgresql)"),
    pytest.mark.usefixtures("never_judged"),  # a mirror has no findings
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of our own, on a socket in a folder of our own."""
    folder = Path(subprocess.run(["mktemp", "-d", "/tmp/pkpg.XXXXXX"], capture_output=True, text=True, check=True).stdout.strip())
    nobody: list[str] = []
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "nobody", "nogroup")
        nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env", f"HOME={folder}"]
    data = folder / "data"
    subprocess.run(
        [*nobody, BINARIES[-1] / "initdb", "-D", data, "-U", "perfkit", "-A", "trust", "--no-sync"], check=True, capture_output=True
    )
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c jit=off -c autovacuum=off"
    control = [*nobody, BINARIES[-1] / "pg_ctl", "-D", data, "-w", "-t", "200", "-l", folder / "log"]
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True)
    try:
        yield f"postgresql://perfkit@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    name = f"t{abs(hash(request.node.name))}"
    with psycopg.connect(server, autocommit=True) as con:
        con.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def ask(url: str, sql: str) -> list[tuple]:
    with psycopg.connect(url) as con:
        return con.execute(sql).fetchall()


def same(url: str, db: Path) -> None:
    """Every metric table and rollup, the percentiles and the levels have the same rows in both."""
    con = open_database(db, read_only=True)
    names = [t.database_name for t in TABLES] + [f"{t.database_name}_{level}" for t in DENSE for level in LEVELS]
    for name in (*names, "percentiles", "levels", "marks", "quality_events", "recordings", "samples", "runs", "phases"):
        assert apart(ask(url, f"SELECT * FROM {name}"), con.execute(f"SELECT * FROM {name}").fetchall()) == [], name
    con.close()


def test_the_rows_are_those_of_sqlite(url: str, tmp_path: Path, db: Path) -> None:
    inputs = [
        write_folder(tmp_path / "a", start=START + 560, seconds=70, seed=1),
        write_folder(tmp_path / "b", start=START + 600, seconds=60, seed=2),
        write_folder(tmp_path / "c", start=START + 9000, seconds=20, seed=3, only=("host", "disk", "containers")),
    ]
    for path in inputs:
        theirs = import_input(url, path, collector_name="vm-a")
        ours = import_input(db, path, collector_name="vm-a")
        assert theirs == ours
    same(url, db)


def test_a_column_that_the_catalog_has_got_since_is_added(url: str, tmp_path: Path) -> None:
    import_input(url, write_table(tmp_path / "host.csv", "host", seconds=20), collector_name="vm-a")
    with psycopg.connect(url) as con:
        con.execute("ALTER TABLE host_metrics DROP COLUMN cpu_busy CASCADE")
        con.execute("DROP TABLE tcp_metrics_10s")
    import_input(url, write_table(tmp_path / "more.csv", "host", start=START + 100, seconds=20), collector_name="vm-a")
    assert ask(url, "SELECT count(*), count(cpu_busy) FROM dashboard_performancemetric") == [(40, 20)]
    assert ask(url, "SELECT count(*) FROM tcp_metrics_10s") == [(0,)]


def test_two_machines_keep_apart(url: str, tmp_path: Path) -> None:
    for number, name in enumerate(("vm-a", "vm-b", "vm-a")):
        path = write_folder(tmp_path / str(number), start=START + 100 * number, seconds=20, seed=number, only=("host", "disk"))
        import_input(url, path, collector_name=name)
    counts = "SELECT machinename, c.samples, count(*) FROM collectors c JOIN runs r ON r.collector_id = c.id GROUP BY 1, 2 ORDER BY 1"
    assert ask(url, counts) == [("vm-a", 40, 2), ("vm-b", 20, 1)]


def test_the_same_input_twice_changes_nothing(url: str, tmp_path: Path) -> None:
    path = write_table(tmp_path / "host.csv", "host", seconds=50)
    assert import_input(url, path, collector_name="vm-a")[0].new_samples == 50
    [again] = import_input(url, path, collector_name="vm-a")
    assert (again.already, again.new_rows) == (True, 0)
    assert ask(url, "SELECT samples FROM collectors") == [(50,)]


def test_the_portals_queries_work_word_for_word(url: str, tmp_path: Path) -> None:
    import_input(url, write_table(tmp_path / "host.csv", "host", seconds=20), collector_name="vm-a")
    assert ask(url, "SELECT id, machinename, sitename FROM collectors_collector;") == [(1, "vm-a", "default")]
    counted = "SELECT collector_id, MIN(timestamp), MAX(timestamp), COUNT(*) FROM dashboard_performancemetric GROUP BY collector_id;"
    assert ask(url, counted) == [(1, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:19.000Z", 20)]
    first = "SELECT timestamp, cpu_user, mem_used FROM dashboard_performancemetric WHERE collector_id = 1 ORDER BY timestamp LIMIT 10;"
    assert len(ask(url, first)) == 10


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    path = write_table(tmp_path / "host.csv", "host", seconds=5)
    with pytest.raises(Failed, match="the PostgreSQL database refused"):
        import_input(f"postgresql://perfkit@/none?host={tmp_path}", path, collector_name="vm-a")


def test_a_missing_driver_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    path = write_table(tmp_path / "host.csv", "host", seconds=5)
    with pytest.raises(Failed, match="PERFKIT_DRIVERS=FOLDER"):
        import_input("postgresql://perfkit@/none", path, collector_name="vm-a")
