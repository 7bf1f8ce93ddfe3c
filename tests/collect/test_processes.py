"""Processes: every one is seen, none is mixed up with another, and what they hide stays hidden."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perfkit.collect.processes import FEW, Processes, clock_of, masked
from perfkit.collection import decode, line_head
from support.proc import InventedClock, build

SECRETS = [
    (b"mysql\0--password\0hunter2\0shop", "mysql --password *** shop"),
    (b"mysql\0--password=hunter2\0shop", "mysql --password=*** shop"),
    (b"java\0-Dspring.datasource.password=hunter2\0-jar\0x.jar", "java -Dspring.datasource.password=*** -jar x.jar"),
    (b"curl\0-u\0me:hunter2\0https://x/", "curl -u me:*** https://x/"),
    (b"psql\0postgres://me:hunter2@db/shop", "psql postgres://me:***@db/shop"),
    (b"curl\0-H\0Authorization: Bearer hunter2", "curl -H Authorization: ***"),
    (b"curl\0-H\0Authorization:\0Bearer\0hunter2", "curl -H Authorization: ***"),
    (b"curl\0--oauth2-bearer\0hunter2", "curl --oauth2-bearer ***"),
    (b"curl\0-HX-Api-Key: hunter2", "curl -HX-Api-Key: ***"),
    (b"curl\0--cookie\0session=hunter2", "curl --cookie ***"),
    (b"curl\0-s\0-b\0theme=dark; session=hunter2\0https://x/", "curl -s -b *** https://x/"),
    (b"psql\0postgresql://me:hun/ter2@db/shop", "psql postgresql://me:***@db/shop"),
    (b"npm\0install\0http://cache:4873/@scope/tool", "npm install http://cache:4873/@scope/tool"),
    (b"curl\0--user=me:hunter2\0x", "curl --user=me:*** x"),
    (b"curl\0-ume:hunter2\0x", "curl -ume:*** x"),
    (b"curl\0https://x/?a=1&access_token=hunter2", "curl https://x/?a=1&access_token=***"),
    (b"curl\0https://x/?X-Amz-Signature=hunter2", "curl https://x/?X-Amz-Signature=***"),
    (b"git\0clone\0https://ghp_hunter2hunter2hunter2@github.com/a/b", "git clone https://***@github.com/a/b"),
    (b"git\0clone\0ssh://git@github.com/a/b", "git clone ssh://git@github.com/a/b"),
    (b"psql\0postgres://me:hun@ter2@db/shop", "psql postgres://me:***@db/shop"),
    (b"redis-cli\0-u\0redis://:hunter2@h:6379/0", "redis-cli -u redis://:***@h:6379/0"),
    (b"app\0dsn=me:hunter2@tcp(db)/shop", "app dsn=me:***@tcp(db)/shop"),
    (b"app\0--auth\0me:hunter2", "app --auth me:***"),
    (b"mongod\0--auth\0--port\0001", "mongod --auth --port 1"),
    (b"app\0PASSWORD=hunter2", "app PASSWORD=***"),
    (b"app\0password\0hunter2", "app password ***"),
    (b"app\0--password=\0hunter2", "app --password= ***"),
    (b"app\0token: hunter2", "app token: ***"),
    (b"app\0token:\0hunter2", "app token: ***"),
    (b"app\0GITHUB_PAT=hunter2\0jwt=hunter2", "app GITHUB_PAT=*** jwt=***"),
    (b'app\0{\\"password\\":\\"hunter2\\"}', 'app {\\"password\\":***'),
    (b"openssl\0-passin\0pass:hunter2", "openssl -passin pass:***"),
    (b"mysql\0-uroot\0-phunter2\0shop", "mysql -uroot -p*** shop"),
    (b"mongosh\0-u\0me\0-p\0hunter2", "mongosh -u me -p ***"),
    (b"docker\0login\0-u\0me\0-p\0hunter2", "docker login -u me -p ***"),
    (b"sshpass\0-phunter2\0ssh\0-p\00022\0x", "sshpass -p*** ssh -p 22 x"),
    (b"redis-cli\0-a\0hunter2", "redis-cli -a ***"),
    (b"ldapsearch\0-w\0hunter2", "ldapsearch -w ***"),
    (b"sqlcmd\0-U\0sa\0-P\0hunter2", "sqlcmd -U sa -P ***"),
    (b"ab\0-A\0me:hunter2\0x", "ab -A me:*** x"),
    (b"smbclient\0-U\0me%hunter2", "smbclient -U me%***"),
    (b"sqlplus\0me/hunter2@db", "sqlplus me/***@db"),
    (b"app\0jdbc:oracle:thin:me/hunter2@db", "app jdbc:oracle:thin:me/***@db"),
    (b"sh\0-c\0PGPASSWORD=hunter2 psql", "sh -c PGPASSWORD=***"),
    (b"sh\0-c\0mysql --password hunter2 shop", "sh -c mysql --password ***"),
    (b"sh\0-c\0cd /x; mysql -phunter2 shop", "sh -c cd /x; mysql -p*** shop"),
    (b"sh\0-c\0curl -u me:hunter2 x", "sh -c curl -u me:*** x"),
    (b"mkdir\0-p\0/a/b", "mkdir -p /a/b"),
    (b"rsync\0-P\0a:/b\0/c", "rsync -P a:/b /c"),
    (b"docker\0run\0nginx:1.25@sha256:abc", "docker run nginx:1.25@sha256:abc"),
    (b"java\0-cp\0/a/keys.jar:/b/tokens-1.jar\0Main", "java -cp /a/keys.jar:/b/tokens-1.jar Main"),
    (b"app\0--password-file\0/x", "app --password-file /x"),
    (b"kubectl\0get\0secret\0x", "kubectl get secret x"),
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


@pytest.mark.parametrize("text", ["a", "-", "passwd", "--a-", "login ", "://a:", "mysql -", "sqlplus ", "a:", "\0-u"])
def test_a_long_command_line_does_not_hold_up_the_sample(text: str) -> None:
    """Where each letter makes a pattern look at all others, this takes hours."""
    assert masked(f"x\0{text * 10_000}".encode()).startswith("x ")


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

    def __init__(self, proc: Path, cpu_clock: Callable[[int], int] = time.clock_gettime_ns) -> None:
        self.clock = InventedClock()
        self.processes = Processes(str(proc), monotonic=self.clock.monotonic, cpu_clock=cpu_clock)

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
    assert rows[0] == "scan 1 3 3"
    assert sorted(rows[1:]) == [f"{pid} 50 0 S 5 2 0 3 1 1 20 0 4 10 6 - - - - -" for pid in (1, 7, 9)]
    assert {one["pid"]: one["name"] for one in who} == {1: "init", 7: "a b) (c", 9: "new\nline"}
    assert who[0] | {"pid": 0, "name": ""} == {
        "pid": 0, "start": 50, "parent": 1, "name": "", "uid": os.getuid(), "cgroup": "/system.slice/x.service", "cmdline": "x --token ***"
    }  # fmt: skip
    assert watched.scan() == (["scan 2 3 0"], [])
    (tmp_path / "7" / "stat").write_text(stat(7, name="a b) (c", ticks=40))
    assert watched.scan() == (["scan 3 3 1", "7 50 1 S 5 2 40 3 1 1 20 0 4 10 6 - - - - -"], [])


def test_a_process_that_comes_says_so_and_takes_another_name(tmp_path: Path, watched: Watched) -> None:
    watched.scan()
    put(tmp_path, 12, name="sh", ticks=3, start=99)
    rows, who = watched.scan()
    assert (rows[1][:10], who[0]["name"]) == ("12 99 +1 S", "sh")
    (tmp_path / "12" / "stat").write_text(stat(12, name="nginx", ticks=3, start=99))
    rows, who = watched.scan()
    assert (rows, who[0]["name"]) == (["scan 3 4 0"], "nginx")


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


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "5 (x", "5 (x) S", stat(5, flags=7).replace(" 7 5 0", " x 5 0"), stat(5, ticks=1).replace(" 1 3 1", " 1e9 3 1"),
        stat(5, start=9)[:40], "5 (x) " + "- " * 50, "\0" * 900,
    ],
)  # fmt: skip
def test_a_text_that_no_kernel_writes_ends_nothing(tmp_path: Path, text: str) -> None:
    """Whether it was so from the beginning or comes later; the process is told when its text is the kernel's again."""
    for pid in (5, 6):
        put(tmp_path, pid)
    (tmp_path / "5" / "stat").write_text(text)
    found = Watched(tmp_path)
    (tmp_path / "6" / "stat").write_text(text.replace("5 (", "6 ("))
    rows, who = found.scan()
    assert [row for row in rows[1:] if not row.startswith("gone")] == who == []
    for pid in (5, 6):
        put(tmp_path, pid, ticks=9)
    rows, who = found.scan()
    assert sorted(one["pid"] for one in who) == [5, 6]
    assert len(rows) == 3
    found.processes.close()


def test_a_process_that_has_not_run_is_not_read_again_but_in_one_of_ten_scans_of_all(tmp_path: Path, watched: Watched) -> None:
    """One thread's nanoseconds tell it; of several threads, or where the kernel does not count, they do not."""
    for pid, counted in ((20, "0 0 0"), (21, "5 6 7"), (22, "5 6 7")):
        put(tmp_path, pid)
        build(tmp_path / str(pid), {"stat": stat(pid).replace(" 20 0 4 0 50", " 20 0 1 0 50"), "schedstat": f"{counted}\n"})
    watched.scan()
    watched.scan()
    for pid in (20, 21, 22):
        (tmp_path / str(pid) / "stat").write_text(stat(pid, ticks=8, rss=7).replace(" 20 0 4 0 50", " 20 0 1 0 50"))
    assert [row.split()[0] for row in watched.scan()[0][1:]] == ["20"]
    found = {number: watched.scan()[0][1:] for number in range(4, 21)}
    assert {number: rows for number, rows in found.items() if rows} == {
        10: ["21 50 1 S 5 2 8 3 1 1 20 0 1 7 6 5 6 7 - -"],
        20: ["22 50 1 S 5 2 8 3 1 1 20 0 1 7 6 5 6 7 - -"],
    }
    (tmp_path / "21" / "schedstat").write_text("9 6 8\n")
    (tmp_path / "21" / "stat").write_text(stat(21, ticks=9, rss=7).replace(" 20 0 4 0 50", " 20 0 1 0 50"))
    assert watched.scan()[0][1:] == ["21 50 1 S 5 2 9 3 1 1 20 0 1 7 6 9 6 8 - -"]


def test_a_process_that_ends_between_the_list_and_its_opening_is_none(tmp_path: Path, watched: Watched) -> None:
    build(tmp_path, {"77/": ""})  # its files are gone already
    rows, who = watched.scan()
    assert (len(rows), {one["pid"] for one in who}) == (4, {1, 7, 9})
    assert "77" not in " ".join(rows)


def test_systemds_escapes_are_undone_as_those_of_services(tmp_path: Path, watched: Watched) -> None:
    put(tmp_path, 12)
    (tmp_path / "12" / "cgroup").write_text("0::/system.slice/a\\x2db\\x20c\\x2fd.service\n")
    _, who = watched.scan()
    assert next(one["cgroup"] for one in who if one["pid"] == 12) == "/system.slice/a-b c\\x2fd.service"


class Clocks:
    """The kernel's clocks of CPU time, by the pid; a process that is not among them is not there."""

    def __init__(self, *pids: int) -> None:
        self.ran = dict.fromkeys((os.getpid(), *pids), 1)

    def __call__(self, clock: int) -> int:
        found = next((ran for pid, ran in self.ran.items() if clock_of(pid) == clock), None)
        if found is None:
            raise OSError(errno.EINVAL, "Invalid argument")
        return found


def own(proc: Path, *, last: int = 1, numbers: str = "") -> None:
    """Make `proc` that of this pid namespace, in which the number given last is `last`."""
    build(proc, {"self/status": f"Name:\tx\nNSpid:\t{numbers or os.getpid()}\n", "sys/kernel/ns_last_pid": f"{last}\n"})


def test_the_clock_of_a_process_counts_what_all_its_threads_ran() -> None:
    """The kernel's clock by the name that is made of the pid, beside what the C library tells of this very process."""
    before = time.process_time_ns()
    of_it = time.clock_gettime_ns(clock_of(os.getpid()))
    assert before <= of_it <= time.process_time_ns()
    with pytest.raises(OSError, match="Invalid argument"):
        time.clock_gettime_ns(clock_of(1 << 22))  # no kernel gives a larger one


def test_no_file_of_a_process_whose_clock_stands_still_is_read_but_in_one_of_ten_scans_of_all(tmp_path: Path) -> None:
    own(tmp_path)
    clocks = Clocks(20, 21, 22)
    for pid, threads in ((20, "99"), (21, "2"), (22, "100")):
        put(tmp_path, pid)
        (tmp_path / str(pid) / "stat").write_text(stat(pid).replace(" 20 0 4 0 50", f" 20 0 {threads} 0 50"))
    found = Watched(tmp_path, clocks)
    assert len(found.scan()[0]) == 4
    for pid, threads in ((20, "99"), (21, "2"), (22, "100")):
        (tmp_path / str(pid) / "stat").write_text(stat(pid, ticks=8).replace(" 20 0 4 0 50", f" 20 0 {threads} 0 50"))
    assert [row.split()[0] for row in found.scan()[0][1:]] == ["22"]  # of so many threads its clock takes as long as the file
    clocks.ran[21] += 1
    assert [row.split()[0] for row in found.scan()[0][1:]] == ["21"]
    told = {number: [row.split()[0] for row in found.scan()[0][1:]] for number in range(4, 104)}
    assert [(number, pids) for number, pids in told.items() if pids] == [(100, ["20"])]
    del clocks.ran[20]
    (tmp_path / "20" / "stat").unlink()
    assert found.scan()[0][1:] == ["gone 20 50"]
    found.processes.close()


@pytest.mark.parametrize("numbers", ["{}\t7", "7", "", "x", "1{}"])
def test_clocks_are_not_asked_where_proc_has_the_numbers_of_another_namespace(tmp_path: Path, numbers: str) -> None:
    own(tmp_path, numbers=numbers.format(os.getpid()) or " ")
    put(tmp_path, 20)
    found = Watched(tmp_path, Clocks(20))
    assert found.scan()[0][0] == "scan 1 1 1"
    (tmp_path / "20" / "stat").write_text(stat(20, ticks=8))
    assert len(found.scan()[0]) == 2
    found.processes.close()


def test_those_that_have_come_are_among_the_numbers_that_were_given(tmp_path: Path) -> None:
    """Few numbers are tried; all are listed where more were given, where they began again, and in one of ten looks."""
    own(tmp_path, last=300)
    clocks = Clocks(20, 280)
    for pid in (20, 280):
        put(tmp_path, pid)
    found = Watched(tmp_path, clocks)

    def came(last: int | str, *pids: int) -> list[int]:
        build(tmp_path, {"sys/kernel/ns_last_pid": f"{last}\n"})
        for pid in pids:
            put(tmp_path, pid)
            clocks.ran[pid] = 1
        return sorted(int(row.split()[0]) for row in found.scan()[0][1:])

    assert came(300) == [20, 280]
    assert came(310, 302, 310) == [302, 310]
    put(tmp_path, 312)  # a thread, which has a folder and no clock
    assert came(314, 313, 350) == [313]  # 350 has got its number in another way
    put(tmp_path, 315)  # in the making
    assert came(316) == []
    assert came(317, 315) == [315]
    assert came(318) == came(319) == came(319) == []
    assert came(319) == [350]  # the tenth look
    assert came(319 + 33, 306) == [306]
    assert came(301, 290, 301) == [290, 301]
    assert came("no number", 270) == [270]
    found.processes.close()


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a namespace")
def test_in_a_pid_namespace_with_the_proc_of_another_all_is_as_elsewhere() -> None:
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", FOREIGN]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": "src"})
    if "unshare" in done.stderr:
        pytest.skip(f"no pid namespace here: {done.stderr.strip()}")
    assert done.stdout == "True True\n", done.stderr


FOREIGN = """
import itertools, os
from perfkit.collect.processes import Processes
from perfkit.collection import decode, line_head
seconds = itertools.count()
p = Processes("/proc", monotonic=lambda: next(seconds))
p.read(line_head(1, 2))
rows = []
while not rows:  # a process that runs shows, whatever has this number here
    sum(range(10**6))
    rows = [row for row in decode(p.read(line_head(1, 2))[-1]).measurement.split("\\n")[1:] if row.split()[0] == os.readlink("/proc/self")]
print(os.getpid() == 1, len(rows) == 1)
"""

THREADS = """
import threading, time
for _ in range(800):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(flush=True)
input()
"""


def test_a_process_of_800_threads_is_one_row() -> None:
    with subprocess.Popen([sys.executable, "-c", THREADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        processes = Processes("/proc")
        told = decode(processes.read(line_head(1, 2))[-1]).measurement
        processes.close()
        child.kill()
    (row,) = [row.split() for row in told.split("\n") if row.startswith(f"{child.pid} ")]
    assert row[12] == "801"


HIDDEN = """
import os, sys
from perfkit.collect.processes import Processes
from perfkit.collection import decode, line_head
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
p = Processes("/proc")
print(decode(p.read(line_head(1, 2))[-1]).measurement.split("\\n")[1].split()[0] == str(os.getpid()), len(p._known))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to hide processes")
def test_where_proc_hides_others_the_own_are_told() -> None:
    """hidepid=2, in a mount namespace of its own."""
    command = ["unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$0" "$@"', sys.executable, "-c", HIDDEN]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": "src"})
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.stdout == "True 1\n", done.stderr


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
