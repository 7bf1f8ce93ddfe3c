"""The output folder: every file, for every machine, whole or not at all; and the command around it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from perfkit.catalog import TABLES
from perfkit.cli import main
from perfkit.cli.process import _named_in
from perfkit.errors import BadInput
from perfkit.process.pipeline import ProcessOptions, process
from support import invent
from support.tables import FILES

FEW = ("/proc/stat", "/proc/meminfo")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("output")
    return invent.write(
        folder / "vm-a.json", seconds=30, containers=1, marks=[(5, "load", "start"), (20, "load", "end"), (22, "calm", "point")]
    )


@pytest.fixture(scope="module")
def output(collection: Path) -> Path:
    process([collection], collection.parent / "out", ProcessOptions(parquet=True, site="lab"))
    return collection.parent / "out"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of two sources, where it is not the matter what was read."""
    path = tmp_path_factory.mktemp("small") / "vm-a.json"
    return invent.write(path, seconds=30, marks=[(5, "load", "start"), (20, "load", "end")], only=FEW)


def _run(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "perfkit", "process", *map(str, words)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    return subprocess.run(command, cwd=cwd, env=settings, capture_output=True, text=True, check=False)


def test_every_file_is_there_with_the_catalog_s_columns(output: Path) -> None:
    assert {entry.name for entry in output.iterdir()} == FILES | {"parquet"}
    for table in TABLES:
        with (output / f"{table.name}.csv").open(newline="") as opened:
            assert tuple(next(csv.reader(opened))) == table.header


def test_host_has_a_row_for_every_sample_with_a_predecessor(output: Path) -> None:
    with (output / "host.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["timestamp"] for row in rows] == [f"2026-01-01T00:00:{second:02d}.001Z" for second in range(1, 30)]
    assert all(cell for row in rows for cell in row.values())


def test_the_first_sample_has_no_rate_and_no_zero(output: Path) -> None:
    for name, column in (
        ("cpu", "idle"),
        ("disk", "read_bytes"),
        ("network", "rx_bytes"),
        ("tcp", "in_segments"),
        ("containers", "cpu_percent"),
    ):
        with (output / f"{name}.csv").open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert {row[column] for row in rows if row["timestamp"] == rows[0]["timestamp"]} == {""}
        assert "" not in {row[column] for row in rows if row["timestamp"] != rows[0]["timestamp"]}


def test_percentiles_equal_a_recomputation_from_the_csv(output: Path) -> None:
    """By an independent formula: linear interpolation between the sorted values."""
    with (output / "host.csv").open(newline="") as opened:
        values = [(row["timestamp"], float(row["cpu_user"])) for row in csv.DictReader(opened)]
    with (output / "percentiles.csv").open(newline="") as opened:
        told = {(row["range"], row["metric"]): row for row in csv.DictReader(opened)}
    assert {name for name, _ in told} == {"all", "1h", "6h", "24h", "7d", "run:1"}
    for name, begin, end in (("all", "", "~"), ("run:1", "2026-01-01T00:00:05", "2026-01-01T00:00:20.001Z")):
        chosen = sorted(value for at, value in values if begin <= at <= end)
        row = told[name, "host.cpu_user"]
        assert int(row["samples"]) == len(chosen)
        assert float(row["avg"]) == pytest.approx(sum(chosen) / len(chosen))
        for column, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("min", 0.0), ("max", 1.0)):
            place = share * (len(chosen) - 1)
            low = chosen[int(place)]
            high = chosen[min(int(place) + 1, len(chosen) - 1)]
            assert float(row[column]) == pytest.approx(low + (high - low) * (place % 1))


def test_parquet_holds_the_same_tables_in_hive_folders(output: Path) -> None:
    pattern = output / "parquet" / "disk" / "site=lab" / "machine=vm-a" / "date=2026-01-01" / "*.parquet"
    theirs = duckdb.sql(f"SELECT device, read_ops, in_total, epoch_ms(timestamp) FROM read_parquet('{pattern}') ORDER BY ALL").fetchall()
    columns = "device, read_ops::DOUBLE, in_total::INTEGER, epoch_ms(timestamp)"
    ours = duckdb.sql(f"SELECT {columns} FROM read_csv('{output}/disk.csv') ORDER BY ALL").fetchall()
    assert theirs == ours
    assert len(ours) == 30 * 4


def test_machines_get_a_folder_each(small: Path, tmp_path: Path) -> None:
    other = invent.write(tmp_path / "b.json.gz", hostname="vm b/../x", seconds=5, only=FEW)
    results = process([small, other], tmp_path / "out")
    assert [result.folder.relative_to(tmp_path / "out").as_posix() for result in results] == ["vm-a", "vm_b_.._x"]
    assert all({entry.name for entry in result.folder.iterdir()} == FILES for result in results)


def test_a_refused_input_leaves_the_output_as_it_was(output: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "bad.json").write_text("nothing\n")
    with pytest.raises(BadInput, match="not a collection"):
        process([tmp_path / "bad.json"], tmp_path / "out")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bad.json", "out"]
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_other_files_in_the_output_folder_stay(small: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    process([small], tmp_path / "out")
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == FILES | {"notes.txt"}


def test_the_command_takes_the_newest_collection_here_and_names_what_it_did(small: Path, tmp_path: Path) -> None:
    (tmp_path / "vm-a.json").write_bytes(small.read_bytes())
    done = _run(cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "vm-a.json" in done.stdout and "recorded 30 of 30 samples, no gap" in done.stdout
    assert json.loads((tmp_path / "vm-a" / "quality.json").read_bytes())["samples"] == 30


def test_a_name_with_colons_in_the_variable_is_one_file(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("vm-12:00:00.json", "b.json", "c:d.json")
    for name in names:
        shutil.copy(small, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert _named_in("vm-12:00:00.json:b.json:c:d.json:missing") == [Path(name) for name in (*names, "missing")]
    monkeypatch.setenv("PCR_COLLECTION", names[0])
    assert main(["process", "--outdir", "out"]) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param([], "there is no collection in this folder", id="nothing here"),
        pytest.param(["--collection", "absent.json"], "cannot read absent.json: no such file", id="no such file"),
        pytest.param(["--collection", "empty.json"], "empty.json is not a collection", id="empty file"),
        pytest.param(["--collection", "empty.json", "--from", "noon"], "'noon' is not an instant", id="no instant"),
        pytest.param(["--collection", "empty.json", "--memory-limit", "lots"], "'lots' is not a size", id="no size"),
        pytest.param(["--collection", "empty.json", "--outdir", "empty.json"], "empty.json is a file", id="a file in the way"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    if words:
        (tmp_path / "empty.json").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert main(["process", *words]) == 2
    told = capsys.readouterr().err
    assert told.startswith("perfkit: ") and sentence in told and told.count("\n") == 1
    assert not [entry for entry in tmp_path.iterdir() if entry.name != "empty.json"]


def test_an_unknown_phase_is_refused_with_those_that_there_are(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["process", "--collection", str(small), "--outdir", "out", "--between", "lunch"]) == 2
    told = capsys.readouterr().err
    assert "'lunch'" in told and "runs and phases: load.\n" in told
