"""One call over files of both collectors: each machine comes out as if it had been processed alone."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from perfkit.process.engine import Engine
from perfkit.process.pipeline import process
from support import invent
from support.forms import as_pcc
from support.tables import FILES, rows

SOME = ("/proc/stat", "/proc/meminfo", "/proc/diskstats", "/proc/net/dev")


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """perfkit's collection of vm-a, rotated once with the second part zipped; pcc's of web, rotated, and of db, zipped."""
    folder = tmp_path_factory.mktemp("mixture")
    whole = (
        invent.write(folder / "whole.json", seconds=40, containers=2, marks=[(10, "load", "start")]).read_bytes().splitlines(keepends=True)
    )
    (folder / "vm-a.json").write_bytes(b"".join(whole[:300]))
    (folder / "vm-a-002.json.gz").write_bytes(gzip.compress(b"".join(whole[:1] + whole[300:])))
    web = as_pcc(invent.write(folder / "web-whole.json", hostname="web", seconds=30, cpus=2, only=SOME), folder / "web-lines.json")
    lines = web.read_bytes().splitlines(keepends=True)
    (folder / "web.json").write_bytes(b"".join(lines[:60]))
    (folder / "web-001.json").write_bytes(b"".join(lines[60:]))
    as_pcc(invent.write(folder / "db-whole.json", hostname="db", seconds=20, disks=3, containers=1, gaps=[(8, 4)]), folder / "db.json.gz")
    return [folder / name for name in ("vm-a.json", "web.json", "vm-a-002.json.gz", "db.json.gz", "web-001.json")]


def test_machines_of_both_collectors_come_out_as_if_alone(mixture: list[Path], tmp_path: Path) -> None:
    """perfkit's parts by the machine that they name, pcc's by their file; plain, zipped and rotated ones in any order."""
    results = process(mixture, tmp_path / "all")
    assert [result.name for result in results] == ["vm-a", "web", "db"]
    for result in results:
        alone = [file for file in mixture if file.name.startswith(result.name)]
        process(alone, tmp_path / result.name)
        assert {entry.name for entry in result.folder.iterdir()} == FILES
        for name in FILES - {"percentiles.csv"}:
            assert (result.folder / name).read_bytes() == (tmp_path / result.name / name).read_bytes(), (result.name, name)
        _same_figures(result.folder, tmp_path / result.name)


def _same_figures(one: Path, other: Path) -> None:
    """A mean depends on the order of its sum in the last digits."""
    ours, theirs = rows(one / "percentiles.csv"), rows(other / "percentiles.csv")
    assert len(ours) == len(theirs) > 100
    for mine, its in zip(ours, theirs):
        assert [mine[key] for key in ("range", "metric", "device", "samples", "min", "max", "p50", "p99")] == [
            its[key] for key in ("range", "metric", "device", "samples", "min", "max", "p50", "p99")
        ]
        assert [float(mine[key] or 0) for key in ("avg", "stddev")] == pytest.approx([float(its[key] or 0) for key in ("avg", "stddev")])


def test_pcc_s_rates_equal_perfkit_s_at_whole_seconds(tmp_path: Path) -> None:
    """pcc's lines carry no monotonic clock: the rates of one machine in both forms differ by the clocks' fractions only."""
    ours = invent.write(tmp_path / "vm-a.json", seconds=20)
    with Engine() as engine:
        engine.load([(1, ours), (2, as_pcc(ours, tmp_path / "same.json"))])
        engine.derive(percentiles=False, quality=False)
        one, other = (engine.con.execute("FROM host WHERE machine = ? ORDER BY timestamp", [machine]).fetchall() for machine in (1, 2))
    assert len(one) == 19
    assert [at // 1000 * 1000 for _, at, *_ in one] == [at for _, at, *_ in other]
    for mine, its in zip(one, other):
        assert mine[2:] == pytest.approx(its[2:], rel=1e-3)
