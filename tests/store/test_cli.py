"""The commands import, export and prune: what they print, where they look, how they refuse."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.cli import main
from perfkit.store import open_database
from support.database import write_folder, write_table
from support.seed import DEVICES, fill

DOCS = Path(__file__).parents[2] / "docs" / "database.md"


@pytest.mark.usefixtures("unjudged")
def test_import_says_what_came_in_and_what_was_there(tmp_path: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write_table(tmp_path / "host.csv", "host", seconds=60)
    two = write_folder(tmp_path / "run", seconds=90, only=("host", "disk"))
    assert main(["import", str(one), "--file", str(two), "--collector-name", "vm-a", "--site-name", "lab", "--db", str(db)]) == 0
    out = capsys.readouterr().out
    assert f"{one} -> vm-a at lab (collector 1)" in out
    assert "recorded  60 of 60 samples, no gap" in out
    assert "time      2026-01-01T00:00:00Z to 2026-01-01T00:00:59Z (59 s)" in out
    assert "rows      60 new" in out
    assert "60 were there already" in out
    assert f"Database: {db}" in out
    assert main(["import", str(two), "--collector-name", "vm-a", "--site-name", "lab", "--db", str(db)]) == 0
    assert "the same input was imported before" in capsys.readouterr().out


@pytest.mark.usefixtures("unjudged")
def test_import_without_an_input_takes_the_newest_here(
    tmp_path: Path, db: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["import", "--db", str(db)]) == 2
    assert "there is no processed folder, host.csv or collection" in capsys.readouterr().err
    write_folder(tmp_path / "run", seconds=5, only=("host",))
    assert main(["import", "--db", str(db), "--collector-name", "vm-a"]) == 0
    assert capsys.readouterr().out.startswith("run -> vm-a at default")


@pytest.mark.usefixtures("unjudged")
def test_the_first_bad_input_ends_the_command_and_what_came_before_it_stays(
    tmp_path: Path, db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_table(tmp_path / "host.csv", "host", seconds=5)
    assert main(["import", str(good), str(tmp_path / "none.json"), "--collector-name", "vm-a", "--db", str(db)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("perfkit: there is no ")
    with closing(open_database(db, read_only=True)) as con:
        assert con.execute("SELECT count(*) FROM host_metrics").fetchone() == (5,)


def test_export_and_prune_go_through_the_commands(tmp_path: Path, db: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(db, seconds=30, devices=dict.fromkeys(DEVICES, ()))
    times = ["--from", "2026-01-01T00:00:10Z", "--to", "2026-01-01T00:00:14Z"]
    assert main(["export", "--collector", "vm-a", *times, "--outdir", str(tmp_path / "out"), "--db", str(db)]) == 0
    assert f"{tmp_path / 'out' / 'host'}.csv  5 rows" in capsys.readouterr().out
    assert main(["prune", "--older-than", "1h", "--db", str(db)]) == 0
    assert "rows of samples" in capsys.readouterr().out
    assert main(["prune", "--older-than", "soon", "--db", str(db)]) == 2
    assert main(["prune", "--older-than", "1h", "--db", str(tmp_path / "none.db")]) == 2
    assert not (tmp_path / "none.db").exists()


def test_the_queries_of_the_documentation_run(db: Path) -> None:
    fill(db, seconds=600, gap=(100, 110))
    blocks = re.findall(r"(?:^    (?:--|SELECT|FROM|WHERE|GROUP).*\n)+", DOCS.read_text(), re.MULTILINE)
    queries = [query for block in blocks for query in block.split(";") if query.strip()]
    with closing(open_database(db, read_only=True)) as con:
        for query in queries:
            assert con.execute(query).fetchall(), query
    assert len(queries) >= 6
