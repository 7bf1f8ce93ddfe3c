"""Input larger than the memory allowed: the rest goes to disk, and the output is the same."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from perfkit.errors import Failed
from perfkit.process import findings
from perfkit.process.pipeline import ProcessOptions, process
from support import invent
from support.forms import as_pcc
from support.tables import rows

MB = 1_000_000


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Several machines that recorded the same: together far more than the memory that the test allows."""
    folder = tmp_path_factory.mktemp("memory")
    first = as_pcc(invent.write(folder / "invented.json", seconds=1000, disks=4, partitions=2, interfaces=4), folder / "a.json")
    for name in "bcdef":
        (folder / f"{name}.json").symlink_to(first)
    return [folder / f"{name}.json" for name in "abcdef"]


def test_what_does_not_fit_is_spilled_and_changes_nothing(collections: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "of_engine", lambda *arguments: {})  # they are made of what is compared
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spill))
    spilled = 0

    def look(what: str, done: int, total: int) -> None:
        nonlocal spilled
        with suppress(FileNotFoundError):  # gone in this moment: the next look sees others
            spilled = max(spilled, sum(file.stat().st_size for file in spill.rglob("*") if file.is_file()))

    process(collections, tmp_path / "little", ProcessOptions(memory_limit=90 * MB, threads=2), look)
    assert spilled > MB
    assert list(spill.iterdir()) == []
    process(collections[:1], tmp_path / "much")
    for table in ("host", "cpu", "disk", "network", "memory", "tcp"):
        whole = rows(tmp_path / "much" / f"{table}.csv")
        assert len(whole) >= 999
        assert all(rows(tmp_path / "little" / machine / f"{table}.csv") == whole for machine in "af"), table


def test_too_little_memory_is_told_in_a_sentence(collections: list[Path], tmp_path: Path) -> None:
    with pytest.raises(Failed, match="raise --memory-limit"):
        process(collections[:1], tmp_path / "out", ProcessOptions(memory_limit=5 * MB))
    assert not (tmp_path / "out").exists()
