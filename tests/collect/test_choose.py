"""Without --collection a command takes the collection that is being recorded here, else the newest; it never guesses between two."""

from __future__ import annotations

import contextlib
import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.cli import main
from perfkit.collection import SESSION, encode, encode_json
from perfkit.collection.choose import being_recorded, choose, is_marks_file, marks_beside, newest
from perfkit.errors import BadInput

OURS = encode_json(1, 0, 1.0, SESSION, {"format": 1})
OTHER = encode(1, 0, 1.0, "/proc/loadavg", b"0.1\n")

_HOLD = """
import fcntl, sys
files = [open(path, "r+b") for path in sys.argv[1:]]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
print(flush=True)
input()
"""


def write(path: Path, text: bytes = OURS, age: int = 1000) -> Path:
    """A file that was written to `age` seconds before 2023-11-14T22:13:20Z."""
    path.write_bytes(text)
    os.utime(path, (1_700_000_000 - age,) * 2)
    return path


@contextlib.contextmanager
def held(*paths: Path) -> Iterator[int]:
    """Another process that holds the collector's lock on the files; gives its pid."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, *map(str, paths)], stdin=-1, stdout=-1)
    assert process.stdout and process.stdin
    try:
        process.stdout.readline()
        yield process.pid
    finally:
        process.communicate(b"\n")


def spool(folder: Path) -> Path:
    folder.mkdir()
    (folder / "000000000001.ndjson").write_bytes(OURS)
    return write(folder / "lock", b"vm-a")


def test_the_newest_collection_is_the_one_written_last_and_nothing_else(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    write(tmp_path / "old.json", age=30)
    write(tmp_path / "run.json", age=20)
    write(tmp_path / "package.json", b'{"name":"x"}\n', age=10)
    write(tmp_path / "run.json.marks.json", encode_json(1, 0, 1.0, "perfkit/mark", {"label": "x", "kind": "point"}), age=5)
    (tmp_path / "folder.json").mkdir()
    assert newest(tmp_path) == choose(tmp_path) == str(tmp_path / "run.json")
    write(tmp_path / "run2.json.gz", gzip.compress(OURS), age=1)
    assert newest(tmp_path) == choose(tmp_path) == str(tmp_path / "run2.json.gz")


def test_marks_have_a_file_of_their_own_next_to_the_collection() -> None:
    assert marks_beside("here/run.json") == "here/run.json.marks.json"
    assert is_marks_file("run.json.gz.marks.json") and not is_marks_file("marks.json")


def test_the_one_that_is_being_recorded_is_meant_though_another_is_newer(tmp_path: Path) -> None:
    recorded = write(tmp_path / "recorded.json", age=50)
    write(tmp_path / "copied.json", age=5)
    assert choose(tmp_path) == str(tmp_path / "copied.json")
    with held(recorded) as pid:
        assert choose(tmp_path) == str(recorded)
        assert being_recorded(tmp_path) == {str(recorded): f"process {pid}"}


def test_a_spool_is_meant_only_where_a_command_can_use_one(tmp_path: Path) -> None:
    write(tmp_path / "done.json")
    with held(spool(tmp_path / "vm-a.spool")):
        assert choose(tmp_path, spools=True) == str(tmp_path / "vm-a.spool")
        assert choose(tmp_path) == str(tmp_path / "done.json")
    assert choose(tmp_path, spools=True) == str(tmp_path / "done.json")


def test_of_several_that_are_being_recorded_none_is_taken_and_all_are_named(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.json"), write(tmp_path / "b.json.gz", gzip.compress(OURS))
    with held(a, b, spool(tmp_path / "c.spool")) as pid:
        for spools in (False, True):
            with pytest.raises(BadInput, match=rf"3 collectors .*: a\.json \(process {pid}\), b\.json\.gz .*, c\.spool .*--collection"):
                choose(tmp_path, spools=spools)


def test_two_collections_of_pcc_that_are_being_written_are_not_guessed_between(tmp_path: Path) -> None:
    for name in ("host_collection.json", "container_collection.json"):
        (tmp_path / name).write_bytes(OTHER)
    with pytest.raises(BadInput, match=r"container_collection\.json .*, host_collection.json"):
        choose(tmp_path)
    write(tmp_path / "host_collection.json", OTHER)
    assert choose(tmp_path) == str(tmp_path / "container_collection.json")


def test_where_there_is_none_the_sentence_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data/lock", b"")
    write(tmp_path / "data/other.db", b"")
    with held(tmp_path / "data/lock"), pytest.raises(BadInput, match=r"no collection in .*; start perfkit collect"):
        choose(tmp_path, spools=True, wait=0.2)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["preflight"], "--collection"),
        (["preflight", "--watch"], "--collection"),
        (["preflight", "--", "true"], "--collection"),
        (["mark", "steady"], "--collection"),
        (["process"], "--collection"),
        (["import", "--db", "x.db"], "--file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_no_command_chooses_between_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with held(write(tmp_path / "a.json"), write(tmp_path / "b.json")):
        assert main(words) in (1, 2)
    said = capsys.readouterr()
    assert "2 collectors record in" in said.out + said.err
    assert "a.json (process" in said.out + said.err
    assert f"name the one you mean with {option}" in said.out + said.err
