"""References name machines, runs and phases; renaming and removing them leaves the rest as it was."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.cli import main
from perfkit.errors import BadInput
from perfkit.store import open_database, transaction
from perfkit.store.importing import import_input
from perfkit.store.references import remove, rename, resolve
from support import invent
from support.database import check_rollups

FIRST = invent.START * 1000
FEW = ("/proc/stat", "/proc/meminfo")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of two machines, the first with two runs "load"; not to be changed."""
    folder = tmp_path_factory.mktemp("prepared")
    marks = [
        (5, "load", "start"),
        (8, "steady", "start"),
        (12, "steady", "end"),
        (15, "load", "end"),
        (20, "load", "start"),
        (30, "load", "end"),
    ]
    db = folder / "store" / "perfkit.db"
    import_input(db, invent.write(folder / "vm-a.json", hostname="vm-a", seconds=60, marks=marks))
    import_input(db, invent.write(folder / "vm-b.json", hostname="vm-b", seconds=30, only=FEW), site_name="east")
    return folder


@pytest.fixture
def con(prepared: Path, tmp_path: Path, db: Path):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    with closing(open_database(db)) as con:
        yield con


@pytest.mark.parametrize(
    ("text", "collector", "named"),
    [
        ("vm-a", 1, None),
        ("east/vm-b", 2, None),
        ("default/vm-a@1", 1, (1, None)),
        ("vm-a@1:steady", 1, (1, "steady")),
        ("vm-a@load", 1, (2, None)),
        ("vm-a@last", 1, (2, None)),
        ("vm-a@previous", 1, (1, None)),
        ("vm-a:steady", 1, (1, "steady")),
        ("vm-b@1", 2, (1, None)),
        ("vm-a@2026-01-01T00:00:20Z", 1, (2, None)),
    ],
)
def test_what_a_reference_names(con, text: str, collector: int, named: tuple[int, str | None] | None) -> None:
    found = resolve(con, text)
    assert (found.collector_id, found.stretch and (found.stretch.run, found.stretch.phase)) == (collector, named)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vm-c", "there are: vm-a, vm-b"),
        ("west/vm-a", "at west"),
        ("vm-a@9", "there are: 1 (load), 2 (load)"),
        ("vm-a@2:steady", "its phases: none"),
        ("vm-a@1:peak", "its phases: steady"),
        ("vm-a:peak", "there are: load, steady"),
        ("", "names no machine"),
        ("@1", "names no machine"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(con, text: str, says: str) -> None:
    with pytest.raises(BadInput) as error:
        resolve(con, text)
    assert says in str(error.value)


def test_a_renamed_run_keeps_its_number(con) -> None:
    with transaction(con):
        rename(con, resolve(con, "vm-a@1"), "warm-up")
        rename(con, resolve(con, "vm-b@1"), "baseline")
        rename(con, resolve(con, "vm-b"), "vm-z")
    labels = "SELECT machinename, run, label FROM runs JOIN collectors ON id = collector_id ORDER BY 1, 2"
    assert con.execute(labels).fetchall() == [("vm-a", 1, "warm-up"), ("vm-a", 2, "load"), ("vm-z", 1, "baseline")]
    assert resolve(con, "vm-a@1:steady").stretch.label == "steady"
    con.execute("INSERT INTO collectors (machinename, sitename) VALUES ('vm-y', 'east')")
    with pytest.raises(BadInput, match="already"):
        rename(con, resolve(con, "vm-z"), "vm-y")


def test_a_removed_run_is_gone_and_the_rest_stays(con, query) -> None:
    before = con.execute("SELECT count(*) FROM host_metrics WHERE collector_id = 1").fetchone()[0]
    with transaction(con):
        assert remove(con, resolve(con, "vm-a@1")) == 11
    assert con.execute("SELECT run, label FROM runs WHERE collector_id = 1").fetchall() == [(2, "load")]
    assert con.execute("SELECT count(*) FROM host_metrics WHERE collector_id = 1").fetchone() == (before - 11,)
    assert con.execute("SELECT samples FROM collectors WHERE id = 1").fetchone() == (49,)
    assert con.execute(
        "SELECT samples FROM percentiles WHERE collector_id = 1 AND range = 'all' AND metric = 'host.cpu_busy'"
    ).fetchone() == (before - 11,)
    check_rollups(query)


@pytest.mark.usefixtures("unjudged")
def test_a_removed_runs_number_names_no_other_run_and_its_file_comes_in_again(con, tmp_path: Path, db: Path) -> None:
    with transaction(con):
        remove(con, resolve(con, "vm-a@2"))
    [found] = import_input(db, tmp_path / "vm-a.json")
    assert (found.already, found.new_samples) == (False, 11)
    assert con.execute("SELECT run, label FROM runs WHERE collector_id = 1 ORDER BY run").fetchall() == [(1, "load"), (3, "load")]
    assert import_input(db, tmp_path / "vm-a.json")[0].already


def test_with_its_only_run_a_recording_goes(con) -> None:
    with transaction(con):
        remove(con, resolve(con, "vm-a@1"))
        assert remove(con, resolve(con, "vm-a@2")) == 49, "what was recorded before and behind it is no run of its own"
    for table in ("runs", "recordings", "samples", "host_metrics", "quality_events"):
        assert con.execute(f"SELECT count(*) FROM {table} WHERE collector_id = 1").fetchone() == (0,), table


def test_a_load_tools_timeline_goes_with_its_run(con) -> None:
    for run, at in (("k6", 6), ("wrk", 22)):
        times = (FIRST + at * 1000, FIRST + at * 1000 + 3000)
        con.execute(
            """INSERT INTO load_runs (collector_id, run, tool, source, digest, imported_at, first_timestamp, last_timestamp)
            VALUES (1, ?1, ?1, '', ?1, 0, ?2, ?3)""",
            (run, *times),
        )
        con.executemany("INSERT INTO load_metrics (collector_id, run, timestamp) VALUES (1, ?, ?)", [(run, at) for at in times])
    with transaction(con):
        remove(con, resolve(con, "vm-a@1"))
    assert con.execute("SELECT run FROM load_runs").fetchall() == [("wrk",)]
    assert con.execute("SELECT DISTINCT run FROM load_metrics").fetchall() == [("wrk",)]


@pytest.mark.usefixtures("unjudged")
def test_a_file_that_grew_keeps_the_name_that_its_run_was_given(tmp_path: Path, db: Path) -> None:
    marks = [(5, "load", "start"), (15, "load", "end")]
    whole = invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=60, marks=marks, only=FEW).read_bytes()
    half = tmp_path / "half.json"
    half.write_bytes(whole[: whole.index(b'{"timestamp":%d' % (invent.START + 30))])
    import_input(db, half)
    with closing(open_database(db)) as con:
        with transaction(con):
            rename(con, resolve(con, "vm-a@1"), "baseline")
        import_input(db, tmp_path / "vm-a.json")
        assert con.execute("SELECT run, label FROM runs").fetchall() == [(1, "baseline")]
        assert con.execute("SELECT count(*) FROM phases").fetchone() == (0,)


def test_a_removed_machine_can_be_imported_again(con, tmp_path: Path, db: Path) -> None:
    with transaction(con):
        remove(con, resolve(con, "vm-a"))
    for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        columns = {row[1] for row in con.execute(f"PRAGMA table_info({name})")}
        if "collector_id" in columns:
            assert con.execute(f"SELECT count(*) FROM {name} WHERE collector_id = 1").fetchone() == (0,), name
    [found] = import_input(db, tmp_path / "vm-a.json")
    assert not found.already
    assert found.new_samples == 59


@pytest.mark.usefixtures("unjudged")
def test_runs_are_named_with_their_site_where_two_have_such_a_machine(
    con, tmp_path: Path, db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_input(db, invent.write(tmp_path / "twin.json", hostname="vm-b", seconds=30, seed=5, only=FEW), site_name="west")
    assert main(["runs", "--db", str(db)]) == 0
    named = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert sorted(named) == ["east/vm-b@1", "vm-a@1", "vm-a@2", "west/vm-b@1"]
    for one in named:
        assert main(["runs", one.partition("@")[0], "--db", str(db)]) == 0
        assert f"{one}  " in capsys.readouterr().out


def test_the_commands(con, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", "--db", str(db)]) == 0
    out = capsys.readouterr().out
    assert "vm-a@2  load  2026-01-01T00:00:20Z  10 s" in out
    assert "no gap" in out
    assert main(["runs", "vm-a", "--json", "--db", str(db)]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["runs"]] == ["1@2", "1@1"]
    assert main(["rename", "vm-a@2", "peak", "--db", str(db)]) == 0
    assert main(["remove", "vm-a@peak", "--db", str(db)]) == 0
    said, removed = capsys.readouterr().out.splitlines()[1:]
    assert said == "vm-a@peak: run 2 (peak) of vm-a, from 2026-01-01T00:00:20.001Z to 2026-01-01T00:00:30.001Z."
    assert removed == "Removed vm-a@peak: 11 samples."
    assert main(["remove", "vm-a@peak", "--db", str(db)]) == 2
