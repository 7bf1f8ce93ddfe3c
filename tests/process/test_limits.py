"""Limits that hide: what each tenth sample tells of CPUs, interfaces and the kernel, the speed of links, and who was killed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perfkit.process.engine import Engine
from support import invent

KILLED = "Memory cgroup out of memory: Killed process 77 (a) (b) total-vm:4kB, anon-rss:1kB"


def well(path: Path) -> None:
    """A minute of an invented machine; its session tells the speed of eth0, and a process is killed at second 20."""
    invent.write(path, seconds=60, users=True, containers=1)
    lines = path.read_text().splitlines()
    told = [json.loads(line) for line in lines]
    session = json.loads(told[0]["measurement"])
    session["interfaces"]["eth0"] |= {"speed_mbit": 10, "duplex": "full"}
    told[0]["measurement"] = json.dumps(session)
    at = next(n for n, one in enumerate(told) if one["timestamp"] == invent.START + 21)
    record = f"6,1,{(told[at]['monotonic'] - 0.5) * 1e6:.0f},-;{KILLED}\n4,2,x;garbage"
    told.insert(at, {**told[at], "subsystem": "/dev/kmsg", "measurement": record})
    for one in told:
        if one["subsystem"].startswith("container/"):
            text = json.loads(one["measurement"]) | {"memory_oom_kills": 3 if one["timestamp"] < invent.START + 40 else 4}
            one["measurement"] = json.dumps(text)
    path.write_text("".join(json.dumps(one) + "\n" for one in told))


def rows(engine: Engine, sql: str, of: Callable[[Path], None] = well) -> list[tuple]:
    """What a statement says of one of MACHINES."""
    mine = re.sub(r"FROM (\w+)", rf"FROM (FROM \1 WHERE machine = {MACHINES.index(of)}) AS \1", sql)
    return engine.con.execute(mine).fetchall()


def test_cpus(engine: Engine) -> None:
    told = rows(
        engine,
        """SELECT cpu, frequency_mhz, frequency_percent, round(thermal_throttles, 2), round(run_wait_percent, 1), round(softnet_drops, 2),
        round(softnet_squeezes, 2) FROM cpu_limits WHERE timestamp // 1000 = 1767225600 + 20 ORDER BY cpu""",
    )
    assert told == [("0", 2600, 100, 0, 25, 0.1, 0), ("1", 1300, 50, 0.5, 50, 0.1, 1.6)]
    assert rows(engine, "SELECT count(*), count(run_wait_percent) FROM cpu_limits") == [
        (12, 10)
    ]  # every tenth sample; the first has no rate


def test_interfaces_and_the_kernel(engine: Engine) -> None:
    assert rows(
        engine, "SELECT DISTINCT interface, round(bw_in_exceeded), round(pps_exceeded), bw_out_exceeded FROM interface_limits ORDER BY 2"
    ) == [
        ("eth0", 4, 4, None),
        ("eth0", None, None, None),
    ]
    assert rows(engine, "SELECT * EXCLUDE (machine, timestamp, why) FROM limits ORDER BY timestamp LIMIT 1") == [
        (1000, 4000, 25, 312, 624, 50, 10, 100, 10, 4, -1.5, -2.5, 0.25)
    ]


def test_the_use_of_a_link_is_a_share_of_its_speed(engine: Engine) -> None:
    told = rows(
        engine,
        "SELECT interface, speed_mbit, count(util_percent), max(abs(util_percent - tx_bytes / 12500)) FROM network GROUP BY ALL ORDER BY 1",
    )
    assert told[0][:3] == ("eth0", 10, 59)
    assert told[0][3] < 1e-9
    assert told[1] == ("lo", None, 0, None)


def test_who_was_killed_is_an_event(engine: Engine) -> None:
    told = rows(engine, "SELECT from_timestamp, to_timestamp, subject, detail FROM quality WHERE kind = 'oom_kill' ORDER BY 1")
    start = invent.START * 1000
    assert [(first - start) // 100 for first, _, _, _ in told] == [205, 390]
    assert [(subject, detail) for _, _, subject, detail in told] == [("a) (b (process 77)", KILLED), ("container app-0", None)]


GARBAGE = ["", "x", "ethtool", "ethtool/eth0", "ethtool/eth0/bw_in_allowance_exceeded -5 NaN", "/proc/sys/fs/file-nr 1e999 x 0",
           "/sys/devices/system/cpu/cpu/cpufreq/scaling_cur_freq 1", "/sys/devices/system/cpu/cpu9/cpufreq/base_frequency 0"]  # fmt: skip


def garbage(path: Path) -> None:
    """Each slow sample but the first has another text that no kernel writes."""
    invent.write(path, seconds=10 * len(GARBAGE) + 10, users=True)
    told = [json.loads(line) for line in path.read_text().splitlines()]
    for one in told:
        if one["subsystem"] in ("limits", "/proc/schedstat", "/proc/net/softnet_stat") and one["timestamp"] > invent.START + 5:
            one["measurement"] = GARBAGE[(one["timestamp"] - invent.START) // 10 - 1]
    path.write_text("".join(json.dumps(one) + "\n" for one in told))


def test_garbage_stops_nothing(engine: Engine) -> None:
    assert rows(engine, "SELECT count(*) FROM limits WHERE open_files = 1000", garbage) == [(1,)]
    assert rows(engine, "SELECT count(*) FROM limits WHERE open_files > 0 OR connections > 0", garbage) == [(1,)]


IMPOSSIBLE = (
    # what in the slow sample becomes what; the subject of the event, and a word of it
    ("limits", "file-nr \\d+", "file-nr 5000", "limits", "more than there may be"),
    ("limits", "file-nr \\d+", "file-nr 9223372036854775808", "limits", "cannot be"),
    ("limits", "nf_conntrack_count 10", "nf_conntrack_count 101", "limits", "more than there may be"),
    ("limits", "20 8193", "20 -1", "limits", "cannot be"),
    ("limits", "adjtimex -1500000", "adjtimex -9223372036854775808", "limits", "cannot be"),
    ("limits", "receiver -2500", "receiver 9223372036854775807", "limits", "cannot be"),
    ("limits", "receiver -2500 250", "receiver -2500 -1", "limits", "cannot be"),
    ("limits", "core_throttle_count 0", "core_throttle_count -1", "limits of cpu 0", "cannot be"),
    ("limits", "scaling_cur_freq 2600000", "scaling_cur_freq 99000000000", "limits of cpu 0", "far above"),
    ("limits", "bw_in_allowance_exceeded \\d+", "bw_in_allowance_exceeded -5", "limits of eth0", "no number that can be"),
    ("limits", r"(\nethtool/.*)+", "", "limits of eth0", "lines are missing"),
    ("limits", r"\n.*nf_conntrack_max.*", "", "limits", "a number is missing"),
    ("limits", r"\n.*cpu1/cpufreq/scaling_cur_freq.*", "", "limits of cpu 1", "a number is missing"),
    ("limits", r"(?s)^.*$", "", "limits", "lines are missing"),
    ("/proc/schedstat", r"cpu1 .*", "", "limits of cpu 1", "a number is missing"),
    ("/proc/schedstat", "cpu1 .*", "cpu1 0 0 0 0 0 0 77 x 9", "limits of cpu 1", "not understood"),
    ("/proc/net/softnet_stat", "^\\S+ \\S+", "00001000 zzzzzzzz", "limits of cpu 0", "cannot be"),
)


def impossible(path: Path) -> None:
    """Each slow sample but the first two has one thing that cannot be; a counter that goes back is a reset."""
    invent.write(path, seconds=10 * len(IMPOSSIBLE) + 30, users=True)
    told = [json.loads(line) for line in path.read_text().splitlines()]
    for one in told:
        number = (one["timestamp"] - invent.START) // 10 - 2
        if 0 <= number < len(IMPOSSIBLE) and one["subsystem"] == IMPOSSIBLE[number][0]:
            before, one["measurement"] = one["measurement"], re.sub(*IMPOSSIBLE[number][1:3], one["measurement"], count=1, flags=re.M)
            assert one["measurement"] != before
        if number == len(IMPOSSIBLE) and one["subsystem"] == "limits":
            one["measurement"] = re.sub("pps_allowance_exceeded \\d+", "pps_allowance_exceeded 1", one["measurement"])
    path.write_text("".join(json.dumps(one) + "\n" for one in told))


def test_what_cannot_be_is_empty_and_an_event_says_why(engine: Engine) -> None:
    events = {(subject, kind): detail for subject, kind, detail in rows(engine, "SELECT subject, kind, detail FROM quality", impossible)}
    for _, _, changed, subject, words in IMPOSSIBLE:
        assert words in events.get((subject, "unusable"), ""), changed
    assert ("limits of eth0", "reset") in events
    assert rows(
        engine, "SELECT count(*), count(open_files_percent), count(connections_percent), count(clock_error_ms) FROM limits", impossible
    ) == [(19, 17, 17, 17)]
    assert rows(engine, "SELECT count(frequency_percent) FROM cpu_limits WHERE cpu = '0'", impossible) == [(18,)]
    assert rows(engine, "SELECT subject, missed FROM quality WHERE kind = 'unusable' ORDER BY 1", impossible) == [
        ("limits", 9),
        ("limits of cpu 0", 4),
        ("limits of cpu 1", 4),
        ("limits of eth0", 3),
    ]


def faster(path: Path) -> None:
    """With 20 samples a second the slow ones are half a second apart, and limits are read in every other one."""
    invent.write(path, seconds=62, users=True)
    first = json.loads(path.read_text().split("\n", 1)[0])["monotonic"]
    kept = []
    for line in map(json.loads, path.read_text().splitlines()):
        second = line["timestamp"] - invent.START
        line["monotonic"] = first + (line["monotonic"] - first) / 20
        line["timestamp"], line["nanosecond"] = invent.START + second // 20, second % 20 * 50_000_000
        if line["subsystem"] not in ("limits", "/proc/schedstat", "/proc/net/softnet_stat") or second // 10 % 2 == 0:
            kept.append(json.dumps(line) + "\n")
    path.write_text("".join(kept))


def test_a_collector_that_is_faster_leaves_limits_out_and_nothing_is_missing(engine: Engine) -> None:
    assert rows(engine, "SELECT count(*) FROM limits", faster) == [(4,)]
    assert rows(engine, "SELECT count(*) FROM quality WHERE starts_with(subject, 'limits')", faster) == [(0,)]


MACHINES: tuple[Callable[[Path], None], ...] = (well, garbage, impossible, faster)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The tables of all MACHINES."""
    folder = tmp_path_factory.mktemp("limits")
    with Engine() as found:
        for number, write in enumerate(MACHINES):
            write(path := folder / f"{number}.json")
            found.load([(number, path)])
        found.derive(percentiles=False)
        yield found
