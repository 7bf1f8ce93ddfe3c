"""The commands as a user runs them: real processes, real signals, real kill -9."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pytest

from perfkit.collection import END, MARK, SELF, SESSION, Reader, lock
from support.proc import read
from support.running import in_process

SOURCE = Path(__file__).parents[2] / "src"
PERFKIT = [sys.executable, "-m", "perfkit"]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PCC_", "PERFKIT_"))}
    return {**kept, "PYTHONPATH": str(SOURCE), **more}


def perfkit(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PERFKIT, *words], cwd=cwd, env=environment(**more), capture_output=True, text=True, timeout=200, check=False)


def wait_for(condition: Callable[[], Any], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def samples_in(path: Path) -> int:
    return sum(line.subsystem == "/proc/stat" for line in Reader(path)) if path.exists() else 0


def ticks_in(path: Path) -> int:
    """Ticks of the newest run in a collection: those with a sample, and those that it says a busy machine made it miss."""
    end = read(path, END)[-1].json()
    return int(end["samples"] + end["missed"])


@contextlib.contextmanager
def collecting(folder: Path, *words: str, samples: int = 2, **more: str) -> Iterator[subprocess.Popen[str]]:
    """`perfkit collect` into run.json, once it has taken a few samples."""
    command = [*PERFKIT, "collect", "--collection", "run.json", *words]
    process = subprocess.Popen(command, cwd=folder, env=environment(**more), stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: samples_in(folder / "run.json") >= samples or process.poll() is not None)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_records_for_the_duration_with_no_other_word(tmp_path: Path) -> None:
    done = perfkit("collect", "--duration", "300ms", "--frequency", "100ms", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.iterdir()
    assert re.fullmatch(re.escape(os.uname().nodename) + r"-\d{8}T\d{6}Z\.json", path.name)
    taken = len(read(path, "/proc/stat"))
    assert ticks_in(path) == 4
    assert path.name in done.stderr and f"Recorded {taken} of 4 samples" in done.stderr


def test_the_environment_speaks_and_flags_win(tmp_path: Path) -> None:
    settings = {"PCC_DURATION": "9h", "PCC_FREQUENCY": "50ms", "PCC_COLLECTION": "from-env.json", "PCC_MODE": "local"}
    assert perfkit("collect", "--duration", "200ms", cwd=tmp_path, **settings).returncode == 0
    assert ticks_in(tmp_path / "from-env.json") == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_the_sample_and_writes_the_end(tmp_path: Path, number: signal.Signals) -> None:
    with collecting(tmp_path, "--frequency", "20ms") as process:
        process.send_signal(number)
        assert process.wait(120) == 0
    (end,) = read(tmp_path / "run.json", END)
    assert (end.json()["reason"], end.json()["detail"]) == ("signal", number.name)
    assert end.json()["samples"] == len(read(tmp_path / "run.json", "/proc/stat"))


def test_a_signal_ends_a_wait_of_an_hour_at_once(tmp_path: Path) -> None:
    with collecting(tmp_path, "--frequency", "1h", samples=1) as process:
        process.terminate()
        assert process.wait(120) == 0
    assert read(tmp_path / "run.json")[-1].subsystem == END


def test_it_is_one_process_that_holds_its_file_and_shows_its_words(tmp_path: Path) -> None:
    with collecting(tmp_path, "--frequency", "50ms") as process:
        assert lock.holder(tmp_path / "run.json") == process.pid
        assert read_session(tmp_path / "run.json")["pid"] == process.pid
        words = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        assert "--frequency" in words and "50ms" in words
        loaded = Path(f"/proc/{process.pid}/maps").read_text()
        assert "orjson" not in loaded and "duckdb" not in loaded
        assert not list(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())


def read_session(path: Path) -> dict[str, Any]:
    return dict(next(line.json() for line in Reader(path) if line.subsystem == SESSION))


def test_the_collecting_process_has_imported_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import perfkit.collect.run, perfkit.collect.__main__; print(' '.join(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(SOURCE)], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "typer",
        "click",
        "rich",
        "typing",
        "dataclasses",
        "pathlib",
        "inspect",
        "asyncio",
        "ssl",
        "http",
        "duckdb",
        "orjson",
        "subprocess",
    }
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("name", ["run.json", "run.json.gz"])
def test_marks_from_another_process_are_in_the_collection(tmp_path: Path, name: str) -> None:
    command = [*PERFKIT, "collect", "--collection", name, "--frequency", "50ms"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: samples_in(tmp_path / name) >= 2)
        for words in (("warm-up", "--kind", "start"), ("warm-up", "--kind", "end"), ("deploy",)):
            marked = in_process("mark", *words, "--collection", name, cwd=tmp_path)
            assert (marked.returncode, marked.stderr) == (0, "")
            assert name in marked.stdout
        assert [line.json() for line in Reader(tmp_path / name) if line.subsystem == MARK] == [
            {"label": "warm-up", "kind": "start"},
            {"label": "warm-up", "kind": "end"},
            {"label": "deploy", "kind": "point"},
        ]
        assert in_process("mark", "newest", cwd=tmp_path).returncode == 0
    finally:
        process.terminate()
        process.wait()
    refused = in_process("mark", "too late", "--collection", name, cwd=tmp_path)
    assert refused.returncode == 2 and "nobody records into" in refused.stderr


def test_a_mark_of_a_collection_of_the_go_collector_goes_beside_it(tmp_path: Path) -> None:
    line = '{"timestamp":1767813011,"subsystem":"/proc/loadavg","measurement":"0.1"}\n'
    (tmp_path / "pcc.json").write_text(line)
    for label in ("x", "y"):
        assert in_process("mark", label, "--collection", "pcc.json", cwd=tmp_path).returncode == 0
    assert (tmp_path / "pcc.json").read_text() == line
    marks = read(tmp_path / "pcc.json.marks.json")
    assert [(mark.subsystem, json.loads(mark.measurement)["label"]) for mark in marks] == [(MARK, "x"), (MARK, "y")]


def test_sigusr1_records_a_burst(tmp_path: Path) -> None:
    with collecting(tmp_path, "--frequency", "1h", "--burst", "10ms@200ms", samples=1) as process:
        process.send_signal(signal.SIGUSR1)
        wait_for(lambda: samples_in(tmp_path / "run.json") >= 2)
        began = read(tmp_path / "run.json", "/proc/stat")[1].monotonic or 0
        wait_for(lambda: time.monotonic() > began + 0.6)
        process.terminate()
        assert process.wait(120) == 0
    assert 3 < samples_in(tmp_path / "run.json") <= 22, "one at first, and those of the burst's 200 ms"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--frequency", "1ms"), "10ms apart"),
        (("--frequency", "1"), "not a duration"),
        (("--duration", "soon"), "not a duration"),
        (("--mode", "remote"), "not a mode"),
        (("--mode", "trickle"), "--server"),
        (("--mode", "trickle", "--server", "http://localhost:1"), "needs a key"),
        (("--mode", "trickle", "--server", "http://x", "--apikey-file", "missing"), "cannot read the key"),
        (("--burst", "10ms"), "not a burst"),
        (("--max-size", "1KB"), "smaller than 64KB"),
        (("--max-files", "3"), "--max-size"),
        (("--collection", "no/such/folder/run.json"), "no such file or directory"),
        (("--collection", "/proc/run.json"), "cannot write"),
        (("--collection", "."), "cannot write"),
    ],
)
def test_a_wrong_wish_is_one_sentence_and_leaves_nothing(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = perfkit("collect", "--duration", "100ms", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_receivers_address_that_is_none_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    done = perfkit("collect", "--mode", "trickle", "--server", "ftp://x", cwd=tmp_path, PCC_APIKEY="k")
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert done.stderr == "perfkit: 'ftp://x' is not a receiver's address; write --server http://HOST:PORT or https://HOST.\n"


def test_it_is_served_first_where_that_is_permitted_and_says_how(tmp_path: Path) -> None:
    with collecting(tmp_path, "--frequency", "50ms") as process:
        policy = os.sched_getscheduler(process.pid) & ~os.SCHED_RESET_ON_FORK
        expected = {os.SCHED_FIFO: "fifo", os.SCHED_OTHER: f"nice {os.getpriority(os.PRIO_PROCESS, process.pid)}"}[policy]
        assert read_session(tmp_path / "run.json")["scheduling"] == expected.replace("nice 0", "normal")


def test_its_priority_can_be_left_alone(tmp_path: Path) -> None:
    with collecting(tmp_path, "--frequency", "50ms", "--nice", "0") as process:
        assert os.sched_getscheduler(process.pid) == os.SCHED_OTHER
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0)
        assert read_session(tmp_path / "run.json")["scheduling"] == "normal"


def test_two_collectors_never_share_a_file(tmp_path: Path) -> None:
    with collecting(tmp_path, "--frequency", "50ms") as process:
        second = perfkit("collect", "--collection", "run.json", "--append", cwd=tmp_path)
        assert second.returncode == 2
        assert f"process {process.pid} is recording" in second.stderr


_FORKS = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from perfkit.collect.launch import CollectOptions
from perfkit.collect.run import run
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for path in sys.stdin:
    child = os.fork()
    if not child:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        run(CollectOptions(collection=path.strip(), frequency=0.01, duration=None, containers=False))
        os._exit(0)
    print(child, flush=True)
"""


@contextlib.contextmanager
def collectors() -> Iterator[Callable[[Path], int]]:
    """Starts collectors at 100 Hz: processes of their own, forked from one that has loaded all. Gives the process's number."""
    one_at_a_time = Lock()
    command = [sys.executable, "-I", "-S", "-c", _FORKS, str(SOURCE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        stdin, stdout = parent.stdin, parent.stdout
        assert stdin and stdout

        def start(path: Path) -> int:
            with one_at_a_time:
                print(path, file=stdin, flush=True)
                return int(stdout.readline())

        yield start


def killed(start: Callable[[Path], int], path: Path) -> Path:
    """Start a collector and kill -9 it at a random moment after its first sample."""
    process = start(path)
    wait_for(lambda: samples_in(path))
    time.sleep(random.uniform(0, 0.12))
    os.kill(process, signal.SIGKILL)
    wait_for(lambda: not Path(f"/proc/{process}").exists())
    return path


@pytest.mark.parametrize("name", ["run.json", "run.json.gz"])
def test_fifty_kills_leave_fifty_files_that_parse_to_the_last_whole_sample(tmp_path: Path, name: str) -> None:
    """Plain and gzip make the hundred. What is missing is at most the sample that was being written: ticks have no gap before it."""
    with collectors() as start, ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(partial(killed, start), [tmp_path / f"{number}-{name}" for number in range(50)]))
    for path in paths:
        reader = Reader(path)
        lines = list(reader)
        assert reader.damaged == 0, path
        assert lines[0].subsystem == SESSION
        promised = lines[0].json()["subsystems"]
        samples: dict[tuple[int, int | None], list[str]] = {}
        for line in lines:
            if line.subsystem in promised:
                samples.setdefault((line.timestamp, line.nanosecond), []).append(line.subsystem)
        *whole, last = samples.values()
        assert all(subsystems == promised for subsystems in whole), path
        assert last == promised[: len(last)], path


def test_a_killed_collection_is_continued_with_append(tmp_path: Path) -> None:
    with collecting(tmp_path, "--frequency", "20ms", samples=3):
        pass  # leaving kills it
    before = samples_in(tmp_path / "run.json")
    assert (
        perfkit("collect", "--collection", "run.json", "--append", "--duration", "100ms", "--frequency", "50ms", cwd=tmp_path).returncode
        == 0
    )
    assert ticks_in(tmp_path / "run.json") == 3
    assert before < samples_in(tmp_path / "run.json") <= before + 3
    assert len(read(tmp_path / "run.json", SESSION)) == 2


def test_a_terminal_gets_one_line_that_moves(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*PERFKIT, "collect", "--collection", "run.json", "--duration", "1500ms", "--frequency", "100ms"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the process is
        while select.select([ours], [], [], 120)[0]:
            shown += os.read(ours, 4096)
    assert process.wait() == 0
    os.close(ours)
    assert re.search(rb"\r\x1b\[K.*1 s of 2 s.*samples.*KiB.*ms late", shown)
    assert b"Recording into run.json" in shown


def test_what_cannot_be_told_does_not_stop_the_recording(tmp_path: Path) -> None:
    """The terminal or the log's reader is gone."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [*PERFKIT, "collect", "--collection", "run.json", "--duration", "200ms", "--frequency", "50ms"]
    assert subprocess.run(command, cwd=tmp_path, env=environment(), stderr=writing, check=False).returncode == 0
    os.close(writing)
    assert ticks_in(tmp_path / "run.json") == 5


def test_the_collector_tells_what_it_costs(tmp_path: Path) -> None:
    assert perfkit("collect", "--collection", "run.json", "--duration", "300ms", "--frequency", "10ms", cwd=tmp_path).returncode == 0
    last = json.loads(read(tmp_path / "run.json", SELF)[-1].measurement)
    assert last["cpu_seconds"] > 0
    assert 4 << 20 < last["rss_bytes"] < 64 << 20
    assert 0 < last["written_bytes"] <= (tmp_path / "run.json").stat().st_size
