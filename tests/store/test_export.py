"""Exports: the CSV files come back, value by value, and import again."""

from __future__ import annotations

import csv
from contextlib import closing
from pathlib import Path

import pytest

from perfkit import units
from perfkit.catalog import TABLES
from perfkit.errors import BadInput
from perfkit.process.pipeline import process
from perfkit.store import open_database
from perfkit.store.export import export
from perfkit.store.importing import import_input
from support import invent
from support.database import START, copy_database, iso, write_folder, write_table

pytestmark = pytest.mark.usefixtures("never_judged")  # an export makes its findings anew


def contents(path: Path) -> list[dict[str, object]]:
    def number(text: str) -> object:
        try:
            return float(text)
        except ValueError:
            return text

    with path.open(newline="") as file:
        rows = [{name: number(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return sorted(rows, key=lambda row: [str(row[name]) for name in list(row)[:2]])


def test_what_process_wrote_comes_back_word_for_word(tmp_path: Path, db: Path) -> None:
    collection = invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=60, containers=1)
    process([collection], tmp_path / "processed")
    import_input(db, tmp_path / "processed")
    with closing(open_database(db)) as con:
        export(con, "vm-a", tmp_path / "again")
    [found] = import_input(tmp_path / "other.db", tmp_path / "again")
    assert (found.certificate.samples, found.certificate.coverage) == (60, 100.0)
    for name in (
        *(f"{table.name}.csv" for table in TABLES),
        "samples.csv",
        "runs.csv",
        "percentiles.csv",
        "findings.csv",
        "container_names.json",
        "system_info.json",
    ):
        assert (tmp_path / "again" / name).read_text() == (tmp_path / "processed" / name).read_text(), name


@pytest.fixture(scope="module")
def forty_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of forty seconds of vm-a in all tables."""
    folder = tmp_path_factory.mktemp("forty")
    import_input(folder / "perfkit.db", write_folder(folder / "run", seconds=40), collector_name="vm-a")
    return folder / "perfkit.db"


def test_an_exported_folder_imports_again_as_the_same_machine(tmp_path: Path, db: Path, forty_seconds: Path) -> None:
    with closing(open_database(copy_database(forty_seconds, db))) as con:
        export(con, "1", tmp_path / "out")
    [found] = import_input(tmp_path / "other.db", tmp_path / "out")
    assert (found.machinename, found.new_samples) == ("vm-a", 40)
    assert import_input(db, tmp_path / "out")[0].new_rows == 0


def test_a_part_of_the_time_can_be_asked_for(tmp_path: Path, forty_seconds: Path) -> None:
    with closing(open_database(forty_seconds)) as con:
        found = export(con, "vm-a", tmp_path / "out", start=(START + 10) * 1000, end=(START + 19) * 1000)
    assert found.rows["host"] == 10
    assert [row["timestamp"] for row in contents(tmp_path / "out" / "host.csv")] == [iso(START + s) for s in range(10, 20)]


def test_a_run_can_be_asked_for_by_its_name(tmp_path: Path, db: Path) -> None:
    marks = [(20, "load", "start"), (40, "load", "end")]
    import_input(db, invent.write(tmp_path / "vm-a.json", seconds=60, marks=marks, only=("/proc/stat", "/proc/meminfo")))
    with closing(open_database(db)) as con:
        found = export(con, "vm-a@1", tmp_path / "out")
        (start, end) = con.execute("SELECT from_timestamp, to_timestamp FROM runs").fetchone()
    times = [row["timestamp"] for row in contents(tmp_path / "out" / "samples.csv")]
    assert len(times) == found.rows["samples"] == 21
    assert (times[0], times[-1]) == (units.iso(start), units.iso(end))


@pytest.fixture(scope="module")
def two_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of one machine's name at two sites; not to be changed."""
    folder = tmp_path_factory.mktemp("sites")
    for place in ("east", "west"):
        import_input(folder / "perfkit.db", write_table(folder / f"{place}.csv", "host", seconds=5), collector_name="vm-a", site_name=place)
    return folder / "perfkit.db"


@pytest.mark.parametrize(
    ("name", "site", "says"),
    [("vm-x", None, "there are: vm-a"), ("vm-a", None, "say which: east/vm-a or west/vm-a"), ("vm-a", "north", "at north")],
    ids=["unknown", "two sites", "unknown site"],
)
def test_an_unknown_or_ambiguous_collector_is_one_sentence(tmp_path: Path, two_sites: Path, name: str, site: str | None, says: str) -> None:
    with closing(open_database(two_sites)) as con, pytest.raises(BadInput, match=says):
        export(con, name, tmp_path / "out", site=site)
    assert not (tmp_path / "out").exists()


def test_nothing_is_left_behind_where_there_are_no_samples(tmp_path: Path, forty_seconds: Path) -> None:
    with closing(open_database(forty_seconds)) as con, pytest.raises(BadInput, match="no samples in that time"):
        export(con, "vm-a", tmp_path / "out", end=1000)
    assert list(tmp_path.iterdir()) == []
