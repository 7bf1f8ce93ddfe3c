"""Findings in the database: stored by an import, made anew where they are not, and their SQL lists the samples that they tell of."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from perfkit.process.pipeline import Result, process
from perfkit.store import findings, open_database, percentiles, runs
from perfkit.store.importing import import_input
from perfkit.store.references import remove, resolve
from support import invent
from support.database import copy_database
from support.forms import packed
from support.tables import same_figures

MARKS = [(10, "load", "start"), (20, "steady", "start"), (50, "steady", "end"), (60, "load", "end")]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A collection whose CPUs are full within its phase "steady", and one of another machine that has a gap."""
    folder = tmp_path_factory.mktemp("recorded")
    busy = invent.write(folder / "vm-a.json", seconds=90, containers=1, spikes=[(20, 30, 0.99)], marks=MARKS)
    return [busy, invent.write(folder / "vm-b.json", hostname="vm-b", seconds=90, gaps=[(40, 7)])]


@pytest.fixture(scope="module")
def imported(recorded: list[Path]) -> Path:
    """A database of both; not to be changed."""
    archive = packed(recorded[0].with_name("both.tar"), recorded)
    import_input(archive.with_name("perfkit.db"), archive)
    return archive.with_name("perfkit.db")


@pytest.fixture(autouse=True)
def _copied(imported: Path, db: Path) -> None:
    copy_database(imported, db)


@pytest.fixture(scope="module")
def processed(recorded: list[Path]) -> list[Result]:
    """What process makes of both."""
    return process(recorded, recorded[0].with_name("out"))


def test_an_import_stores_what_is_found_in_each_run_and_phase(query) -> None:
    found = query("SELECT range, sentence FROM findings WHERE rule = 'cpu_busy' AND collector_id = 1 ORDER BY range")
    assert [window for window, _ in found] == ["run:1", "run:1:steady"]
    assert found[1][1].startswith("CPU busy above 90 % for 30 s of 31 s")
    assert query("SELECT range FROM judged WHERE collector_id = 1 ORDER BY range") == [("run:1",), ("run:1:steady",)]


def test_what_is_not_stored_is_found_all_the_same(db: Path) -> None:
    with closing(open_database(db)) as con:
        windows = [window for window in percentiles.windows(con, 1) if ":" in window.name]
        stored = [findings.of_window(con, 1, window) for window in windows]
        con.execute("DELETE FROM judged")
        assert same_figures([findings.of_window(con, 1, window) for window in windows], stored)
        assert stored[0].findings


def test_the_sql_of_a_finding_lists_its_samples_in_the_database(query) -> None:
    found = query("SELECT sql, from_timestamp, to_timestamp FROM findings")
    assert len(found) > 3
    for sql, first, last in found:
        rows = query(sql)
        assert (rows[0][0], rows[-1][0]) == (first, last), sql


def test_the_sql_of_a_finding_lists_its_samples_in_the_folder(processed: list[Result], monkeypatch: pytest.MonkeyPatch) -> None:
    result, _ = processed
    monkeypatch.chdir(result.folder)
    assert os.listdir().count("findings.csv") == 1
    with duckdb.connect() as con:
        for part in result.parts.values():
            for one in part.judged.findings:
                span = con.execute(f"SELECT min(epoch_ms(timestamp)), max(epoch_ms(timestamp)) FROM ({one.sql})").fetchone()
                assert span == (one.from_timestamp, one.to_timestamp), one.sql


def test_a_gap_is_found_in_the_folder_and_in_the_database(processed: list[Result], query, monkeypatch: pytest.MonkeyPatch) -> None:
    _, result = processed
    (one,) = (one for one in result.parts["run:1"].judged.findings if one.rule == "gaps")
    assert one.sentence == "The recording has gaps, once; the longest lacks 7 samples."
    monkeypatch.chdir(result.folder)
    with duckdb.connect() as con:
        assert con.execute(f"SELECT count(*) FROM ({one.sql})").fetchone() == (1,)
    [(sql,)] = query("SELECT sql FROM findings WHERE rule = 'gaps' AND collector_id = 2")
    assert len(query(sql)) == 1


def test_a_run_that_is_removed_takes_its_findings_with_it(db: Path, query) -> None:
    with closing(open_database(db)) as con:
        remove(con, resolve(con, "vm-a@1"))
        assert all(one.phase is None for one in runs.stretches(con, 1))
    assert query("SELECT count(*) FROM findings WHERE rule = 'cpu_busy' AND collector_id = 1") == [(0,)]
