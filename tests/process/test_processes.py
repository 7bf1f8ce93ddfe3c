"""Who used the machine: the rows of a sample add up to the host, whatever comes, ends, or was never seen.

A case tells a recording, and is then told what is found in it: so that the recordings of all cases are read at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from perfkit.process.engine import Engine
from support import invent

START = 1767225600


class Recording:
    """A collection of a machine with two CPUs, a sample a second, written by hand."""

    def __init__(self) -> None:
        promise = {"format": 1, "hostname": "vm", "boot_id": "b", "pid": 1, "started": 1000.0, "frequency": 1.0, "duration": 600}
        self.lines = [self._line(0, "perfkit/session", json.dumps({**promise, "hz": 100, "page_size": 4096}))]
        self.busy = 0
        self.second = 0
        self.events: set[tuple[str, str, int, int]] = set()  # those of processes: kind, subject, first and last second

    def _line(self, second: float, subsystem: str, text: str) -> str:
        return json.dumps(
            {"timestamp": START + int(second), "nanosecond": 0, "monotonic": 1000.0 + second, "subsystem": subsystem, "measurement": text}
        )

    def who(self, pid: int, start: int, name: str, parent: int = 1, **facts) -> None:
        value = {"pid": pid, "start": start, "parent": parent, "name": name, "cgroup": f"/system.slice/{name}.service", **facts}
        self.lines.append(self._line(self.second, "perfkit/process", json.dumps(value)))

    def sample(self, busy: int, rows: Sequence[str] | None, lost: int = 0) -> None:
        """A second in which the CPUs were busy for `busy` ticks; `rows` are the processes', of which so many are `lost`; None: no line."""
        self.busy += busy
        idle = 200 * (self.second + 1) - self.busy
        cpus = "".join(f"cpu{n} {self.busy // 2} 0 0 {idle // 2} 0 0 0 0 0 0\n" for n in range(2))
        self.lines.append(
            self._line(self.second, "/proc/stat", f"cpu  {self.busy} 0 0 {idle} 0 0 0 0 0 0\n{cpus}ctxt {self.second + 1}\nbtime 1\n")
        )
        if rows is not None:
            self.lines.append(self._line(self.second, "processes", "\n".join((f"scan {self.second + 1} 9 {len(rows) + lost}", *rows))))
        self.second += 1


# {(second, command): (cpu_percent, service, rss_bytes)}
Found = dict[tuple[int, str], tuple[Any, ...]]
Case = Callable[[], Generator[Recording, Found, None]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """A function that yields its recording, gets the rows of its processes, and looks at them and at the recording's events."""
    CASES[function.__name__] = function
    return function


def case_of_each(values: Iterable[str]) -> Callable[[Callable[[str], Generator[Recording, Found, None]]], None]:
    """A case of each of these values."""

    def told(function: Callable[[str], Generator[Recording, Found, None]]) -> None:
        CASES.update({f"{function.__name__} [{value}]": partial(function, value) for value in values})

    return told


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Generator[Recording, Found, None], Found]]:
    """By case: itself, that has told its recording, and what is found in it."""
    folder = tmp_path_factory.mktemp("processes")
    running = [function() for function in CASES.values()]
    recordings = [next(one) for one in running]
    files = [(number, folder / f"{number}.json") for number in range(len(recordings))]
    for recording, (_, path) in zip(recordings, files):
        path.write_text("\n".join(recording.lines) + "\n")
    with Engine() as engine:
        engine.load(files)
        engine.derive(percentiles=False)
        rows = engine.con.execute(
            "SELECT machine, timestamp, command, cpu_percent, service, rss_bytes FROM processes ORDER BY 1, 2, pid"
        ).fetchall()
        told = engine.con.execute(
            "SELECT machine, kind, subject, from_timestamp, to_timestamp FROM quality WHERE contains(subject, 'process')"
        ).fetchall()
    found: list[Found] = [{} for _ in recordings]
    for number, at, command, cpu, service, rss in rows:
        found[number][at // 1000 - START, command] = (None if cpu is None else round(cpu, 6), service, rss)
    for number, kind, subject, first, last in told:
        recordings[number].events.add((kind, subject, first // 1000 - START, last // 1000 - START))
    return dict(zip(CASES, zip(running, found)))


def row(pid: int, start: int, age: str, user: int, system: int = 0, children: int = 0) -> str:
    return f"{pid} {start} {age} S 0 0 {user} {system} {children} 0 20 0 1 10 0 {user}0000000 0 1 - -"


@case
def shares_are_of_one_core_and_what_is_left_is_told() -> Generator[Recording, Found, None]:
    one = Recording()
    one.who(5, 9, "db")
    one.sample(100, [row(5, 9, "0", 700)])
    one.sample(90, [row(5, 9, "1", 730, 20)])
    one.sample(60, [])
    found = yield one
    assert found[0, "db"] == (None, "db.service", 40960)  # nobody knows when it used that
    assert found[1, "db"] == (50, "db.service", 40960)
    assert found[1, "(not attributed)"][0] == pytest.approx(40)
    assert (2, "db") not in found  # it did nothing
    assert found[2, "(not attributed)"][0] == pytest.approx(60)
    assert (0, "(not attributed)") not in found


@case
def processes_that_used_more_than_the_host_leave_the_rest_unknown() -> Generator[Recording, Found, None]:
    one = Recording()
    one.who(5, 9, "db")
    one.sample(10, [row(5, 9, "0", 0)])
    one.sample(20, [row(5, 9, "1", 90)])
    found = yield one
    assert found[1, "db"][0] == 90
    assert found[1, "(not attributed)"][0] is None
    assert one.events == {("unusable", "all processes together", 1, 1)}


@case
def a_new_process_starts_from_nothing_and_an_old_one_that_is_seen_first_does_not() -> Generator[Recording, Found, None]:
    one = Recording()
    one.sample(10, [])
    one.who(6, 50, "new")
    one.sample(40, [row(6, 50, "+1", 30)])
    found = yield one
    assert found[1, "new"][0] == 30
    assert found[1, "(not attributed)"][0] == pytest.approx(10)


@case
def children_that_were_never_seen_are_their_parents() -> Generator[Recording, Found, None]:
    """40 ticks of short-lived children; 25 more are of a child that was seen, had used 25 before it ended, and is not counted twice."""
    one = Recording()
    one.who(5, 9, "make")
    one.sample(10, [row(5, 9, "0", 0)])
    one.who(8, 60, "cc", parent=5)
    one.sample(70, [row(5, 9, "1", 5, children=40), row(8, 60, "+1", 25)])
    one.sample(20, ["gone 8 60", row(5, 9, "1", 10, children=65)])
    found = yield one
    assert found[1, "make"][0] == 45
    assert found[1, "cc"][0] == 25
    assert found[2, "make"][0] == 5
    assert found[2, "(not attributed)"][0] == pytest.approx(15)


@case
def what_an_orphan_used_in_its_life_is_not_what_init_uses_now() -> Generator[Recording, Found, None]:
    one = Recording()
    one.who(1, 1, "init", parent=0)
    one.sample(10, [row(1, 1, "0", 0)])
    one.sample(8, [row(1, 1, "1", 1, children=90_000)])
    found = yield one
    assert found[1, "init"][0] == pytest.approx(8)
    assert found[1, "(not attributed)"][0] == pytest.approx(0)


@case
def a_process_that_is_read_rarely_has_its_average_in_each_sample() -> Generator[Recording, Found, None]:
    one = Recording()
    one.who(5, 9, "cold")
    one.sample(10, [row(5, 9, "0", 0)])
    for _ in range(3):
        one.sample(20, [])
    one.sample(20, [row(5, 9, "4", 40)])
    found = yield one
    assert [found[second, "cold"][0] for second in (1, 2, 3, 4)] == [10] * 4
    assert [found[second, "cold"][2] for second in (1, 2, 3, 4)] == [None, None, None, 40960]
    assert [found[second, "(not attributed)"][0] for second in (1, 2, 3, 4)] == [pytest.approx(10)] * 4


@case
def a_scan_that_is_lost_makes_an_average_over_the_gap() -> Generator[Recording, Found, None]:
    one = Recording()
    one.who(5, 9, "db")
    one.sample(10, [row(5, 9, "0", 0)])
    one.sample(50, None)  # its line is damaged: nobody knows whether it has run
    one.sample(50, [row(5, 9, "1", 80)])
    found = yield one
    assert found[2, "db"][0] == 40


DAMAGED_ROWS = {
    # what becomes of the rows of scan 2; the events; the shares of db (pid 5) and web (pid 6) from second 1 on
    "cut": (lambda rows: [*rows[:3], rows[3][:9]], {"processes", "process 6"}, [20, 30, 40], [None, None, 10]),
    "more words": (lambda rows: [*rows[:3], rows[3] + " 7"], {"processes", "process 6"}, [20, 30, 40], [None, None, 10]),
    "a word": (lambda rows: [*rows[:3], rows[3].replace(" - ", " ? ")], {"processes", "process 6"}, [20, 30, 40], [20, 30, 10]),
    "not a number": (
        lambda rows: [*rows[:3], rows[3].replace(" 20 ", " x ", 1)],
        {"processes", "process 6"},
        [20, 30, 40],
        [None, None, 10],
    ),
    "whose": (lambda rows: [*rows[:3], "?" + rows[3]], {"processes"}, [20, 30, 40], [25, 25, 10]),
    "cut before": (lambda rows: [*rows[:2], rows[2][:1]], {"processes"}, [25, 25, 40], [25, 25, 10]),
    "gone": (lambda rows: rows[:3], {"processes"}, [20, 30, 40], [25, 25, 10]),
    "one that ended": (lambda rows: rows[1:], {"processes"}, [20, 30, 40], [20, 30, 10]),
    "too many": (lambda rows: ["gone 98 1", *rows], {"processes"}, [20, 30, 40], [20, 30, 10]),
    "kernel": (lambda rows: [rows[0], rows[1][:-4], *rows[2:]], {"processes", "process 2"}, [20, 30, 40], [20, 30, 10]),
}


@case_of_each(DAMAGED_ROWS)
def a_damaged_row_costs_its_own_cells_and_an_event_says_so(name: str) -> Generator[Recording, Found, None]:
    """What may have stood in it is no part of what comes next: rates are over the time since the row before it."""
    change, subjects, db, web = DAMAGED_ROWS[name]
    one = Recording()
    one.who(2, 1, "kthreadd", kernel=True)
    one.who(5, 9, "db")
    one.who(6, 9, "web")
    for used in ((0, 0, 0), (20, 20, 5), (50, 50, 10), (90, 60, 15)):
        rows = [row(2, 1, "1", used[2]), row(5, 9, "1", used[0]), row(6, 9, "1", used[1])]
        told = ["gone 99 1", *rows]
        changed = change(told) if one.second == 1 else told
        one.sample(150, changed, len(told) - len(changed))
    found = yield one
    assert [found.get((second, "db"), (None,))[0] for second in (1, 2, 3)] == db
    assert [found.get((second, "web"), (None,))[0] for second in (1, 2, 3)] == web
    assert found[1, "(kernel threads)"][0] == (None if name == "kernel" else 5)
    assert one.events == {("unusable", subject, 1, 1) for subject in subjects}


@case
def samples_that_come_faster_than_scans_have_the_scans_shares() -> Generator[Recording, Found, None]:
    one = Recording()
    one.who(5, 9, "db")
    one.sample(10, [row(5, 9, "0", 0)])
    one.sample(50, None)
    one.lines[-1] = one.lines[-1].replace("scan 2", "scan 2")
    one.sample(50, None)
    one.second = 3
    one.sample(50, None)
    one.lines.append(one._line(3, "processes", "scan 2 9\n" + row(5, 9, "1", 90)))
    found = yield one
    assert [found[second, "db"][0] for second in (1, 2, 3)] == [30, 30, 30]


@case
def a_pid_that_is_used_again_is_another_process() -> Generator[Recording, Found, None]:
    one = Recording()
    one.who(5, 9, "old")
    one.sample(10, [row(5, 9, "0", 5000)])
    one.who(5, 77, "young")
    one.sample(30, ["gone 5 9", row(5, 77, "+1", 20)])
    found = yield one
    assert found[1, "young"][0] == 20
    assert (1, "old") not in found


@case
def kernel_threads_are_one_row() -> Generator[Recording, Found, None]:
    one = Recording()
    for pid in (2, 30):
        one.who(pid, 1, f"k{pid}", kernel=True)
    one.sample(10, [row(2, 1, "0", 0), row(30, 1, "0", 0)])
    one.sample(30, [row(2, 1, "1", 4), row(30, 1, "1", 5)])
    found = yield one
    assert found[1, "(kernel threads)"][:2] == (9, "")
    assert {command for _, command in found} == {"(kernel threads)", "(not attributed)"}


HOSTILE = ["", "scan", "scan x y", "scan 2 9\n5 9", "scan 2 9\n5 9 1 S - - - - - - - - - - - - - - - -", "scan 99999999999999999999 1",
           "scan 2 9\n5 9 -5 S 0 0 1e999 0 0 0 20 0 1 10 0 0 0 1 - -",
           "scan 2 9\n5 9 999999999999 S 0 0 9223372036854775807 0 0 0 20 0 1 9223372036854775807 0 0 0 1 - -",
           "scan 2 9\ngone\ngone 5 9\ngone 5 9"]  # fmt: skip


@case_of_each(HOSTILE)
def no_line_stops_the_rest(text: str) -> Generator[Recording, Found, None]:
    one = Recording()
    one.who(5, 9, "db")
    one.lines.append(one._line(0, "perfkit/process", '{"pid": [1], "start": {}, "name": 7, "cgroup": null}'))
    one.lines.append(one._line(0, "perfkit/process", "[]"))
    one.sample(10, [row(5, 9, "0", 0)])
    one.sample(30, None)
    one.lines.append(one._line(1, "processes", text))
    one.sample(30, [row(5, 9, "1", 7)])
    found = yield one
    assert (2, "(not attributed)") in found or text.startswith("scan 999") or not text.startswith("scan 2")


@pytest.mark.parametrize("name", CASES)
def test_what_is_told_of_processes(read: dict[str, tuple[Generator[Recording, Found, None], Found]], name: str) -> None:
    one, found = read[name]
    with suppress(StopIteration):
        one.send(found)


def test_the_rows_of_each_sample_add_up_to_the_host(tmp_path: Path) -> None:
    with Engine() as engine:
        for seed in range(10):
            path = invent.write(tmp_path / f"{seed}.json", seconds=30, users=True, seed=seed)
            engine.load([(seed, path)])
        engine.derive(percentiles=False)
        rows = engine.con.execute(
            """SELECT sum(cpu_percent), any_value(cpu_busy) * 4, bool_or(pid = '0') FROM processes JOIN host USING (machine, timestamp)
            GROUP BY machine, timestamp"""
        ).fetchall()
    assert len(rows) == 10 * 29
    assert all(known and total == pytest.approx(busy) for total, busy, known in rows)
