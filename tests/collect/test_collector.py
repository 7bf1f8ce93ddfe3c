"""The run, on an invented machine whose clock and files do what is asked of them."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from perfkit.collect.marks import encode_mark
from perfkit.collection import END, MARK, SELF, SESSION
from perfkit.errors import Failed
from perfkit.preflight.state import State
from support.proc import PROC, Asked, InventedClock, build, make_collector, read

FOUR = ("/proc/stat", "/proc/meminfo", "/proc/diskstats", "/proc/net/dev")


def told(path: Path, subsystem: str) -> list[dict[str, Any]]:
    return [json.loads(line.measurement) for line in read(path, subsystem)]


def test_a_run_begins_with_its_session_ends_with_its_end_and_keeps_every_tick(tmp_path: Path) -> None:
    assert make_collector(tmp_path, duration=20.0).run() == "duration"
    lines = read(tmp_path / "run.json")
    assert (lines[0].subsystem, lines[1].subsystem, lines[-1].subsystem) == (SESSION, "/proc/cpuinfo", END)
    for subsystem in FOUR:
        assert [line.monotonic for line in lines if line.subsystem == subsystem] == [1000.0 + n for n in range(21)]
    assert told(tmp_path / "run.json", END) == [{"reason": "duration", "detail": "", "samples": 21, "missed": 0, "late": 0}]


def test_all_lines_of_a_sample_carry_its_time(tmp_path: Path) -> None:
    make_collector(tmp_path, frequency=0.1, duration=2.0).run()
    lines = [line for line in read(tmp_path / "run.json") if line.subsystem in FOUR]
    samples = {(line.timestamp, line.nanosecond) for line in lines}
    assert len(samples) == 21
    assert len(lines) == 21 * len(FOUR)


def test_the_session_promises_what_can_be_read_and_says_what_cannot(tmp_path: Path) -> None:
    build(tmp_path / "proc", {name: text for name, text in PROC.items() if not name.startswith("pressure")})
    make_collector(tmp_path, duration=3.0, frequency=0.5).run()
    (session,) = told(tmp_path / "run.json", SESSION)
    assert (session["format"], session["frequency"], session["duration"], session["cpus"], session["part"]) == (1, 0.5, 3.0, 2, 0)
    assert session["unavailable"] == {f"/proc/pressure/{name}": "no such file or directory" for name in ("cpu", "memory", "io")}
    present = {line.subsystem for line in read(tmp_path / "run.json")}
    assert set(session["subsystems"]) <= present


def test_slow_things_come_every_tenth_sample_and_with_the_first(tmp_path: Path) -> None:
    make_collector(tmp_path, duration=25.0).run()
    for subsystem in ("statfs[*]", SELF):
        assert [round((line.monotonic or 0) - 1000) for line in read(tmp_path / "run.json", subsystem)] == [0, 10, 20]
    assert [line["samples"] for line in told(tmp_path / "run.json", SELF)] == [1, 11, 21]


def test_a_stall_is_marked_late_its_missed_ticks_are_counted_and_none_is_made_up(tmp_path: Path) -> None:
    def stall(clock: InventedClock) -> None:
        if clock.waits == 5:
            clock.pass_time(3.4)

    make_collector(tmp_path, clock=InventedClock(jump=stall), duration=12.0).run()
    times = [round((line.monotonic or 0) - 1000, 1) for line in read(tmp_path / "run.json", "/proc/stat")]
    assert times == [0, 1, 2, 3, 4, 8.4, 9, 10, 11, 12]
    late = [line for line in told(tmp_path / "run.json", SELF) if line["late_tick"]]
    assert [(line["late"], line["missed"], line["lateness_ms"]) for line in late] == [(1, 3, 3400.0)]
    assert told(tmp_path / "run.json", END)[0]["missed"] == 3


def test_a_stepped_wall_clock_shows_in_the_timestamps_and_moves_no_tick(tmp_path: Path) -> None:
    def step(clock: InventedClock) -> None:
        clock.wall += {3: -7200.0, 6: 86400.0}.get(clock.waits, 0.0)

    make_collector(tmp_path, clock=InventedClock(jump=step)).run()
    lines = read(tmp_path / "run.json", "/proc/stat")
    assert [line.monotonic for line in lines] == [1000.0 + n for n in range(11)]
    steps = [round(b.timestamp - a.timestamp) for a, b in zip(lines, lines[1:])]
    assert steps == [1, 1, -7199, 1, 1, 86401, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("what", "facts"),
    [
        ("stall", {"samples": 10, "samples_expected": 13, "gaps": 1, "longest_gap_ms": 4400, "largest_lateness_ms": 400.0}),
        ("step", {"samples": 13, "clock_steps": 1}),
        ("late start", {"samples": 11, "samples_expected": 13, "gaps": 1, "longest_gap_ms": 2500, "largest_lateness_ms": 500.0}),
    ],
)
def test_the_closing_line_has_the_figures_of_whoever_reads_the_file(tmp_path: Path, what: str, facts: dict[str, Any]) -> None:
    def happen(clock: InventedClock) -> None:
        if clock.waits == 5:
            clock.pass_time(3.4 if what == "stall" else 0)
            clock.wall += 3600.0 if what == "step" else 0

    clock = InventedClock(jump=happen)
    collector = make_collector(tmp_path, clock=clock, duration=12.0)
    if what == "late start":
        clock.pass_time(2.5)
    collector.run()
    state = State()
    for line in (tmp_path / "run.json").read_bytes().splitlines():
        state.take(line)
    left_out = {"resets": None, "ended": None}
    found = collector.certificate.as_dict() | left_out
    assert found == pytest.approx(state.certificate(held=False).as_dict() | left_out)
    assert {name: found[name] for name in facts} == pytest.approx(facts)


@pytest.mark.parametrize("frequency", [0.01, 0.25, 1.0, 3600.0])
def test_frequencies_from_ten_milliseconds_to_hours_keep_their_grid(tmp_path: Path, frequency: float) -> None:
    make_collector(tmp_path, frequency=frequency, duration=frequency * 50).run()
    times = [line.monotonic or 0 for line in read(tmp_path / "run.json", "/proc/loadavg")]
    assert times == pytest.approx([1000.0 + n * frequency for n in range(51)], abs=1e-5)


def test_a_stop_request_finishes_with_an_end_line_that_names_the_signal(tmp_path: Path) -> None:
    asked = Asked()

    def stop(clock: InventedClock) -> None:
        asked.stop = "SIGTERM" if clock.waits == 4 else ""

    assert make_collector(tmp_path, requests=asked, clock=InventedClock(jump=stop), duration=None).run() == "signal"
    (end,) = told(tmp_path / "run.json", END)
    assert (end["reason"], end["detail"]) == ("signal", "SIGTERM")
    assert len(read(tmp_path / "run.json", "/proc/stat")) == end["samples"]


class Interrupting(InventedClock):
    """A waker ends every wait in the middle, as a mark does."""

    def wait(self, deadline: float) -> bool:
        middle = (self.mono + deadline) / 2
        if self.waits % 2 == 0:
            super().wait(middle)
            return True
        return super().wait(deadline)


def test_marks_land_between_samples_and_move_no_tick(tmp_path: Path) -> None:
    asked = Asked()
    asked.marks = [encode_mark("warm-up", "start"), encode_mark('a % " \\ ü', "point")]
    make_collector(tmp_path, requests=asked, clock=Interrupting()).run()
    assert told(tmp_path / "run.json", MARK) == [{"label": "warm-up", "kind": "start"}, {"label": 'a % " \\ ü', "kind": "point"}]
    assert [line.monotonic for line in read(tmp_path / "run.json", "/proc/stat")] == [1000.0 + n for n in range(11)]


def test_a_burst_records_faster_for_its_length_and_the_grid_goes_on(tmp_path: Path) -> None:
    asked = Asked()

    class Wake(InventedClock):
        def wait(self, deadline: float) -> bool:
            if self.mono < 1003.3 <= deadline:
                self.pass_time(1003.3 - self.mono)
                asked.burst = True
                return True
            return super().wait(deadline)

    collector = make_collector(tmp_path, requests=asked, clock=Wake(), burst=0.1, burst_length=0.5)
    collector.run()
    assert str(collector.certificate) == "11 of 11 samples, no gap, latest 0.0 ms late", "a tick counts once"
    times = [round((line.monotonic or 0) - 1000, 3) for line in read(tmp_path / "run.json", "/proc/stat")]
    assert times == [0, 1, 2, 3, 3.3, 3.4, 3.5, 3.6, 3.7, 3.8, 4, 5, 6, 7, 8, 9, 10]


def test_a_source_that_vanishes_is_noted_once_and_again_when_it_is_back(tmp_path: Path) -> None:
    def change(clock: InventedClock) -> None:
        meminfo = tmp_path / "proc/meminfo"
        if clock.waits == 5:
            meminfo.write_text("")
        elif clock.waits == 15:
            meminfo.write_text(PROC["meminfo"])

    make_collector(tmp_path, clock=InventedClock(jump=change), duration=40.0).run()
    notes = [line for line in told(tmp_path / "run.json", SELF) if "failed" in line]
    assert [(line["failed"], line["recovered"]) for line in notes] == [({"/proc/meminfo": "it is empty"}, []), ({}, ["/proc/meminfo"])]
    assert len(read(tmp_path / "run.json", "/proc/stat")) == 41
    assert len(read(tmp_path / "run.json", "/proc/meminfo")) == 26  # away from the 6th to the 20th: tried again every tenth sample


def test_new_devices_and_cpus_are_told_within_ten_samples(tmp_path: Path) -> None:
    def plug(clock: InventedClock) -> None:
        proc = tmp_path / "proc"
        if clock.waits == 12:
            (proc / "diskstats").write_text(PROC["diskstats"] + "   8      16 sdb 1 0 8 1 0 0 0 0 0 1 1 0 0 0 0 0 0\n")
        if clock.waits == 25:
            (proc / "stat").write_text(PROC["stat"].replace("cpu1 5 0 2 50 0 0 0 0 0 0\n", ""))

    make_collector(tmp_path, clock=InventedClock(jump=plug), duration=40.0).run()
    sessions = read(tmp_path / "run.json", SESSION)
    assert [(round(line.monotonic or 0), json.loads(line.measurement)["part"]) for line in sessions] == [(1000, 0), (1020, 1)]
    assert [round(line.monotonic or 0) for line in read(tmp_path / "run.json", "/proc/cpuinfo")] == [1000, 1030]


class Full:
    """A sink that takes so many writes and no more."""

    def __init__(self, room: int) -> None:
        self.room, self.kept, self.written = room, b"", 0

    def write(self, lines: bytes) -> None:
        if self.room == 0:
            raise Failed("no space left.")
        self.room -= 1
        self.kept += lines

    def check(self) -> None: ...
    def close(self) -> None: ...
    def next_file(self) -> str:
        return ""

    def facts(self) -> dict[str, Any]:
        return {}


def test_a_sink_that_fails_ends_the_run_with_its_sentence(tmp_path: Path) -> None:
    sink = Full(4)
    with pytest.raises(Failed, match="no space left"):
        make_collector(tmp_path, sink=sink).run()
    assert sink.kept.count(b'"/proc/stat"') == 4


GARBAGE = [
    b"",
    b"\0" * 50,
    b"\xff\xfe\x80",
    b"cpu",
    b"\n\n\n",
    b"cpu x y z\nintr\nsoftirq ",
    b'"\\\x01\x1f',
    b"intr 1 2 3\n" * 99,
    b"A" * 70_000,
    b"      \n    \n",
]


def test_ten_thousand_samples_of_a_machine_whose_files_vanish_shrink_and_turn_to_garbage(tmp_path: Path) -> None:
    """Every line stays valid JSON with the text that was there, no tick is lost, and the run ends as it should."""
    chance = random.Random(3)  # the same machine every time
    proc = build(tmp_path / "proc", PROC)
    names = [name for name in PROC if name.split("/")[0] not in ("sys", "filesystems", "self")]

    def spoil(clock: InventedClock) -> None:
        if chance.random() < 0.8:
            return
        path = proc / chance.choice(names)
        what = chance.random()
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists() and not 0.1 <= what < 0.9:
            path.write_bytes(b"")  # a file that is gone from /proc gives nothing any more, held open or not
            path.unlink()
        if what < 0.1:
            path.mkdir()
        elif what < 0.5:
            path.write_bytes(chance.choice(GARBAGE))
        elif what < 0.9:
            path.write_text(PROC[path.relative_to(proc).as_posix()])

    make_collector(tmp_path, clock=InventedClock(jump=spoil), duration=9_999.0).run()
    lines = read(tmp_path / "run.json")
    (end,) = [json.loads(line.measurement) for line in lines if line.subsystem == END]
    assert (end["samples"], end["missed"]) == (10_000, 0)
    assert len({line.subsystem for line in lines}) >= len(FOUR)


def test_a_rotated_collection_goes_on_in_numbered_files_that_stand_alone(tmp_path: Path) -> None:
    make_collector(tmp_path, duration=200.0, max_size=64 << 10).run()
    files = [tmp_path / "run.json", *sorted(tmp_path.glob("run-*.json"))]
    assert len(files) > 3
    times: list[float] = []
    for number, path in enumerate(files):
        lines = read(path)
        session, end = json.loads(lines[0].measurement), json.loads(lines[-1].measurement)
        assert (lines[0].subsystem, session["part"], lines[-1].subsystem) == (SESSION, number, END)
        assert end.get("next") == (files[number + 1].name if number + 1 < len(files) else None)
        assert path.stat().st_size < (64 << 10) + 8192
        times += [line.monotonic or 0 for line in lines if line.subsystem == "/proc/stat"]
    assert times == [1000.0 + n for n in range(201)]


def test_of_a_rotation_only_so_many_files_are_kept(tmp_path: Path) -> None:
    (tmp_path / "run-003.json").write_text("somebody else's")
    make_collector(tmp_path, duration=300.0, max_size=64 << 10, max_files=2).run()
    assert (tmp_path / "run-003.json").read_text() == "somebody else's"
    ours = sorted(path.name for path in tmp_path.glob("run*.json") if path.name != "run-003.json")
    assert len(ours) == 2
    assert told(tmp_path / ours[-1], END)[0]["reason"] == "duration"
