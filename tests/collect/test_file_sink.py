"""The local sink: nobody else's file is touched, and what is in a file stays readable whatever ends the writing."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.collect.file_sink import CollectionFile, FileSink, numbered
from perfkit.collection import END, SESSION, Reader, encode, lock
from perfkit.errors import BadInput, Failed
from support.proc import make_collector, read

NAMES = ["run.json", "run.json.gz"]


def lines(first: int, count: int) -> list[bytes]:
    return [encode(n, 0, float(n), "/proc/loadavg", b"0.%d\n" % n) for n in range(first, first + count)]


def write(path: Path, samples: list[bytes], *, append: bool = False) -> None:
    file = CollectionFile(str(path), append=append)
    for sample in samples:
        file.write(sample)
    file.close()


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_is_for_its_owner_alone(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, lines(0, 3))
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert len(read(tmp_path / name)) == 3


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_can_be_read_while_the_next_is_taken(tmp_path: Path, name: str) -> None:
    file = CollectionFile(str(tmp_path / name))
    for count, sample in enumerate(lines(0, 5), 1):
        file.write(sample)
        assert len(list(Reader(tmp_path / name))) == count
    file.close()


def test_an_existing_file_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("precious")
    with pytest.raises(BadInput, match=r"exists.*--append"):
        FileSink(str(tmp_path / "run.json"))
    with pytest.raises(BadInput, match="not a collection"):
        FileSink(str(tmp_path / "run.json"), append=True)
    assert (tmp_path / "run.json").read_text() == "precious"


def test_an_empty_file_may_be_used_and_a_folder_or_device_may_not(tmp_path: Path) -> None:
    (tmp_path / "empty.json").touch()
    write(tmp_path / "empty.json", lines(0, 1))
    for path in (tmp_path, "/dev/null", tmp_path / "no/such/folder.json"):
        with pytest.raises(BadInput):
            FileSink(str(path))


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "run.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadInput):
        FileSink(str(tmp_path / "run.json"))
    assert not (tmp_path / "elsewhere").exists()


_HOLD = "import sys; sys.path.insert(0, sys.argv[1]); from perfkit.collect.file_sink import FileSink; FileSink(sys.argv[2]).write(b'x'); "
_SOURCE = str(Path(__file__).parents[2] / "src")


def test_the_lock_names_its_holder_and_falls_with_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD + "print(flush=True); sys.stdin.read()", _SOURCE, str(path)], stdin=-1, stdout=-1
    )
    with holder:
        assert holder.stdout and holder.stdin
        holder.stdout.readline()
        assert lock.holder(path) == holder.pid
        with pytest.raises(BadInput, match=f"process {holder.pid} is recording"):
            FileSink(str(path), append=True)
        holder.kill()
        holder.wait()
    assert lock.holder(path) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_collection_cut_anywhere_can_be_continued_and_reads_as_one(tmp_path: Path, name: str) -> None:
    """Whatever a crash left, appending keeps every whole line before it and adds no damage."""
    file = CollectionFile(str(tmp_path / name))
    ends = []
    for sample in lines(0, 6):
        file.write(sample)
        ends.append(file.size)
    data = (tmp_path / name).read_bytes()
    file.close()
    for cut in range(ends[0], len(data) + 1):
        path = tmp_path / f"{cut}-{name}"
        path.write_bytes(data[:cut])
        write(path, lines(100, 2), append=True)
        whole = sum(end <= cut for end in ends)
        assert [line.timestamp for line in read(path)] == [*range(whole), 100, 101], cut


def test_a_finished_gzip_collection_is_continued_as_another_member(tmp_path: Path) -> None:
    write(tmp_path / "run.json.gz", lines(0, 3))
    write(tmp_path / "run.json.gz", lines(3, 3), append=True)
    assert [line.timestamp for line in read(tmp_path / "run.json.gz")] == list(range(6))


def test_gzip_and_plain_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path / "run.json", lines(0, 3))
    (tmp_path / "run.json").rename(tmp_path / "run.json.gz")
    with pytest.raises(BadInput, match="disagree"):
        FileSink(str(tmp_path / "run.json.gz"), append=True)


def test_appending_continues_as_a_new_session(tmp_path: Path) -> None:
    make_collector(tmp_path, duration=5.0).run()
    collector = make_collector(tmp_path, duration=5.0, sink=FileSink(str(tmp_path / "run.json"), append=True))
    collector.run()
    assert [line.subsystem for line in read(tmp_path / "run.json") if line.subsystem in (SESSION, END)] == [SESSION, END, SESSION, END]
    assert len(read(tmp_path / "run.json", "/proc/stat")) == 12


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_stops_the_run_with_a_sentence_and_keeps_whole_samples(tmp_path: Path, name: str) -> None:
    with small_disk(tmp_path / "disk", "128k") as disk:
        sink = FileSink(str(disk / name))
        with pytest.raises(Failed, match=r"takes no more .no space left on device.*--append"):
            make_collector(tmp_path, duration=10_000.0, sink=sink).run()
        samples = sum(line.subsystem == "/proc/stat" for line in Reader(disk / name))
        reader = Reader(disk / name)
        assert [line.subsystem for line in reader][-1] in ("/proc/pressure/cpu", "perfkit/self", END)
        assert (reader.damaged, samples > 20) == (0, True)
        os.truncate(disk / name, 0)


def test_a_read_only_folder_is_a_sentence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64k") as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(BadInput, match="read-only file system"):
            FileSink(str(disk / "run.json"))


@pytest.mark.parametrize(
    ("path", "expected"), [("a/run.json", "a/run-002.json"), ("run.json.gz", "run-002.json.gz"), ("run", "run-002"), ("x.gz", "x-002.gz")]
)
def test_a_rotations_names_count_before_the_ending(path: str, expected: str) -> None:
    assert numbered(path, 2) == expected
