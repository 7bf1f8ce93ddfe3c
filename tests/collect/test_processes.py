"""Processes: every one is seen, none is mixed up with another, and what they hide stays hidden."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.collect.processes import FEW, Processes, masked
from perfkit.collection import decode, line_head
from support.proc import InventedClock, build

SECRETS = [
    (b"mysql\0--password\0hunter2\0shop", "mysql --password *** shop"),
    (b"mysql\0--password=hunter2\0shop", "mysql --password=*** shop"),
    (b"java\0-Dspring.datasource.password=hunter2\0-jar\0x.jar", "java -Dspring.datasource.password=*** -jar x.jar"),
    (b"curl\0-u\0me:hunter2\0https://x/", "curl -u me:*** https://x/"),
    (b"psql\0postgres://me:hunter2@db/shop", "psql postgres://me:***@db/shop"),
    (b"curl\0-H\0Authorization: Bearer hunter2", "curl -H Authorization: ***"),
    (b"sh\0-c\0PGPASSWORD=hunter2 psql", "sh -c PGPASSWORD=***"),
    (b'x\0{"apikey": "hunter2"}', 'x {"apikey": ***'),
    (b"agent\0--api-key\0hunter2", "agent --api-key ***"),
    (b"ssh\0-p\00022\0host", "ssh -p 22 host"),
    (b"sort\0-k\0002", "sort -k 2"),
    (b"", ""),
]


@pytest.mark.parametrize(("cmdline", "expected"), SECRETS)
def test_secrets_of_command_lines_are_masked(cmdline: bytes, expected: str) -> None:
    assert masked(cmdline) == expected
    assert len(masked(cmdline + b"\0" + "é".encode() * 300).encode()) <= 200


def stat(pid: int, *, name: str = "x", ticks: int = 0, start: int = 50, rss: int = 10, flags: int = 0, state: str = "S") -> str:
    fields = [
        state,
        "1",
        "1",
        "1",
        "0",
        "-1",
        str(flags),
        "5",
        "0",
        "2",
        "0",
        str(ticks),
        "3",
        "1",
        "1",
        "20",
        "0",
        "4",
        "0",
        str(start),
        "9",
        str(rss),
    ]
    return f"{pid} ({name}) {' '.join(fields)} {' '.join(['0'] * 17)} 6 0 0\n"


def put(proc: Path, pid: int, **facts) -> None:
    build(proc / str(pid), {"stat": stat(pid, **facts), "cmdline": "x\0--token\0abc", "cgroup": "0::/system.slice/x.service\n"})


class Watched:
    """The processes of an invented /proc, a second a scan."""

    def __init__(self, proc: Path) -> None:
        self.clock = InventedClock()
        self.processes = Processes(str(proc), monotonic=self.clock.monotonic)

    def scan(self) -> tuple[list[str], list[dict]]:
        self.clock.pass_time(1)
        lines = [decode(line) for line in self.processes.read(line_head(1, 2))]
        assert [line.subsystem for line in lines] == ["perfkit/process"] * (len(lines) - 1) + ["processes"]
        return lines[-1].measurement.split("\n"), [json.loads(line.measurement) for line in lines[:-1]]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    for pid, name in ((1, "init"), (7, "a b) (c"), (9, "new\nline")):
        put(tmp_path, pid, name=name)
    found = Watched(tmp_path)
    yield found
    found.processes.close()


def test_the_first_scan_has_all_and_the_next_what_changed(tmp_path: Path, watched: Watched) -> None:
    rows, who = watched.scan()
    assert rows[0] == "scan 1 3"
    assert sorted(rows[1:]) == [f"{pid} 50 0 S 5 2 0 3 1 1 20 0 4 10 6 - - - - -" for pid in (1, 7, 9)]
    assert {one["pid"]: one["name"] for one in who} == {1: "init", 7: "a b) (c", 9: "new\nline"}
    assert who[0] | {"pid": 0, "name": ""} == {
        "pid": 0, "start": 50, "parent": 1, "name": "", "uid": os.getuid(), "cgroup": "/system.slice/x.service", "cmdline": "x --token ***"
    }  # fmt: skip
    assert watched.scan() == (["scan 2 3"], [])
    (tmp_path / "7" / "stat").write_text(stat(7, name="a b) (c", ticks=40))
    assert watched.scan() == (["scan 3 3", "7 50 1 S 5 2 40 3 1 1 20 0 4 10 6 - - - - -"], [])


def test_a_process_that_comes_says_so_and_takes_another_name(tmp_path: Path, watched: Watched) -> None:
    watched.scan()
    put(tmp_path, 12, name="sh", ticks=3, start=99)
    rows, who = watched.scan()
    assert (rows[1][:10], who[0]["name"]) == ("12 99 +1 S", "sh")
    (tmp_path / "12" / "stat").write_text(stat(12, name="nginx", ticks=3, start=99))
    rows, who = watched.scan()
    assert (rows, who[0]["name"]) == (["scan 3 4"], "nginx")


def test_a_new_file_is_understood_alone(watched: Watched) -> None:
    watched.scan()
    watched.processes.begin_again()
    rows, who = watched.scan()
    assert len(rows) == 4 and len(who) == 3
    assert rows[1].split()[2] == "1"


def test_kernel_threads_are_told_and_their_names_are_not_followed(tmp_path: Path, watched: Watched) -> None:
    put(tmp_path, 2, name="kworker/0:1", flags=0x00200000)
    _, who = watched.scan()
    assert next(one for one in who if one["pid"] == 2) == {"pid": 2, "start": 50, "parent": 1, "name": "kworker/0:1", "kernel": True}
    (tmp_path / "2" / "stat").write_text(stat(2, name="kworker/0:1-events", flags=0x00200000, ticks=1))
    assert watched.scan()[1] == []


def test_a_pid_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    """Without a descriptor to hold, the start tells them apart."""
    put(tmp_path, 5, ticks=900)
    found = Watched(tmp_path)
    found.processes._descriptors = 0
    found.scan()
    (tmp_path / "5" / "stat").write_text(stat(5, ticks=4, start=77, name="other"))
    rows, who = found.scan()
    assert rows[1] == "gone 5 50"
    assert rows[2].startswith("5 77 +1 S 5 2 4")
    assert who[0]["name"] == "other"


def test_of_many_the_busy_and_the_large_are_read_in_every_sample(tmp_path: Path) -> None:
    for pid in range(1, 5001):
        put(tmp_path, pid, rss=900 if pid == 4000 else 10)
    found = Watched(tmp_path)
    found.processes._descriptors = 200  # more are not held: files are opened, and give the same
    rows, who = found.scan()
    assert len(rows) == len(who) + 1 == 5001
    for second in range(2, 31):
        (tmp_path / "3000" / "stat").write_text(stat(3000, ticks=second))
        (tmp_path / "4000" / "stat").write_text(stat(4000, ticks=second, rss=900))
        rows, _ = found.scan()
        ages = {row.split()[0]: row.split()[2] for row in rows[1:]}
        assert ages["4000"] == "1"
        if second == 10:
            assert ages["3000"] == "9"  # it did nothing before, and is read with all others
        elif second > 10:
            assert ages["3000"] == "1"
    found.processes.close()


def test_real_processes_come_end_and_are_zombies(tmp_path: Path) -> None:
    clock = InventedClock()
    processes = Processes("/proc", monotonic=clock.monotonic)
    processes.read(line_head(1, 2))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    told = ""
    for _ in range(3 * FEW):
        clock.pass_time(1)
        told = processes.read(line_head(1, 2))[-1].decode()
        if f"n{child.pid} " in told:
            break
    assert f"n{child.pid} " in told
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and nobody has asked for it yet
    states = ""
    for _ in range(12):
        clock.pass_time(1)
        states += processes.read(line_head(1, 2))[-1].decode()
    assert f"n{child.pid} " in states and " Z " in states
    child.wait()
    gone = ""
    for _ in range(12):
        clock.pass_time(1)
        gone += processes.read(line_head(1, 2))[-1].decode()
    assert f"gone {child.pid} " in gone
    processes.close()
    child.stdin.close()


def test_few_descriptors_are_left_to_the_rest(tmp_path: Path) -> None:
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
        "from perfkit.collect.processes import Processes; from perfkit.collection import line_head; import os\n"
        "p = Processes(sys.argv[1]); p.read(line_head(1, 2)); print(len(os.listdir('/proc/self/fd')) < 200)"
    )
    for pid in range(1, 400):
        put(tmp_path, pid)
    found = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, env={"PYTHONPATH": "src"}
    )
    assert found.stdout == "True\n"
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
