"""Live import: a collection that comes in by the second ends as the same rows as the file, whatever is cut, repeated or killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.catalog import TABLES
from perfkit.store import open_database, pending
from perfkit.store.importing import import_input
from perfkit.store.live import Live, LiveBatch, SetAside, Unusable
from perfkit.store.pending import SLOWER
from support import invent
from support.database import check_rollups


def samples(path: Path) -> list[tuple[int, bytes]]:
    """(second, its lines) of a collection."""
    found: dict[int, list[bytes]] = {}
    for line in path.read_bytes().splitlines(keepends=True):
        found.setdefault(int(line.split(b'"timestamp":')[1].split(b",")[0]), []).append(line)
    return [(at, b"".join(lines)) for at, lines in sorted(found.items())]


def everything(db: Path) -> dict[str, list[tuple]]:
    con = open_database(db, read_only=True)
    try:
        return {t.name: con.execute(f"SELECT * FROM {t.database_name} ORDER BY collector_id, timestamp, 2, 3").fetchall() for t in TABLES}
    finally:
        con.close()


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    path = tmp_path_factory.mktemp("live") / "vm-a.json"
    return invent.write(path, hostname="vm-a", seconds=12, containers=1, users=True, gaps=[(5, 3)])


@pytest.fixture(scope="module")
def file_db(collection: Path) -> Path:
    """The collection's file imported; not to be changed."""
    import_input(collection.with_name("file.db"), collection)
    return collection.with_name("file.db")


@pytest.fixture(scope="module")
def from_file(file_db: Path) -> dict[str, list[tuple]]:
    return everything(file_db)


def close(found: dict[str, list[tuple]], expected: dict[str, list[tuple]]) -> None:
    for name, rows in expected.items():
        assert len(found[name]) == len(rows), name
        for mine, theirs in zip(found[name], rows):
            assert mine == tuple(pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value for value in theirs), name


def together(batches: Sequence[tuple[int, bytes]], number: int = 3) -> Iterator[tuple[int, bytes]]:
    """The same lines in fewer batches: what a step costs hardly depends on how many samples are in it."""
    for first in range(0, len(batches), number):
        some = batches[first : first + number]
        yield some[-1][0], b"".join(lines for _, lines in some)


def feed_all(live: Live, batches: Iterable[tuple[int, bytes]], clock: list[int], name: str = "vm-a") -> None:
    for at, lines in batches:
        clock[0] = at * 1000 + 200
        live.feed([LiveBatch(name, None, at * 1000 + 200, lines)], journal="day", position=str(at))
    clock[0] += 5000
    live.feed([], journal="day", position="end")


def test_a_second_at_a_time_gives_the_rows_of_the_file(db: Path, collection: Path, file_db: Path, from_file: dict, query) -> None:
    """And a sample that has all that the one before had does not wait for the next."""
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    newest = []

    def seconds() -> Iterator[tuple[int, bytes]]:
        for at, lines in samples(collection):
            yield at, lines
            newest.append(query("SELECT max(timestamp) / 1000 FROM host_metrics") == [(at,)])  # once it is taken in

    feed_all(live, seconds(), clock)
    live.close()
    assert newest == [False, *[True] * (len(newest) - 2), False]  # the first has no predecessor, the end line is no sample
    close(everything(db), from_file)
    check_rollups(query)
    assert query("SELECT machinename, sitename, cpus, samples FROM collectors") == [("vm-a", "default", 4, 9)]
    assert query("SELECT kind, missed FROM quality_events WHERE kind = 'gap'") == [("gap", 3)]
    assert query("SELECT DISTINCT range FROM percentiles") == [("run:1",)], (
        "a recording that has ended is judged: lists of machines wait for nothing"
    )
    assert query("SELECT range FROM findings WHERE range <> 'run:1'") == []
    with closing(open_database(file_db, read_only=True)) as con:
        for sql in (
            "SELECT first_timestamp, last_timestamp, samples, samples_expected, round(coverage, 9) FROM collections",
            "SELECT first_timestamp, last_timestamp, samples, period_ms, cpus, memory_mb, kernel, session FROM collectors",
        ):
            assert query(sql) == con.execute(sql).fetchall()


@pytest.mark.usefixtures("unjudged")
def test_a_spool_that_comes_after_newer_samples_is_imported_where_it_belongs(tmp_path: Path, db: Path, query) -> None:
    """Five samples of the middle come last, once and again: every sample is there once, and no gap is left."""
    collection = invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=16)
    import_input(tmp_path / "file.db", collection)
    expected = everything(tmp_path / "file.db")
    whole = samples(collection)
    late = whole[6:11]
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    feed_all(live, [*together(whole[:6]), *together(whole[11:])], clock)
    assert query("SELECT sum(missed) FROM quality_events WHERE kind = 'gap'") == [(5,)]
    for _ in range(2):
        live.feed([LiveBatch("vm-a", None, clock[0], b"".join(lines for _, lines in late))], journal="day", position="late")
        clock[0] += 5000
        live.feed([], journal="day", position="end")
        assert query("SELECT count(*), count(DISTINCT timestamp), max(recording) FROM samples") == [(16, 16, 1)]
        assert query("SELECT sum(missed) FROM quality_events WHERE kind = 'gap'") == [(None,)]
        found = everything(db)
        assert len(found["memory"]) == len(expected["memory"]) == 16
        assert len(found["host"]) == len(expected["host"]) - 1  # the first of the late ones has none before it
        check_rollups(query)
    live.close()


@pytest.mark.usefixtures("unjudged")
def test_one_late_sample_alone_is_taken_in(tmp_path: Path, db: Path, query) -> None:
    whole = samples(invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=12))
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    feed_all(live, [*together(whole[:5]), *together(whole[6:])], clock)
    live.feed([LiveBatch("vm-a", None, clock[0], whole[5][1])], journal="day", position="late")
    live.save("day", "late")
    live.close()
    live = Live(db, now=lambda: clock[0])  # it waited in the checkpoint
    live.feed([LiveBatch("vm-a", None, clock[0], whole[-1][1])], journal="day", position="late")
    clock[0] += 5000
    live.feed([], journal="day", position="end")
    live.close()
    assert query("SELECT count(*) FROM samples") == [(12,)]


def written(second: int, subsystem: str, text: str) -> bytes:
    line = {"timestamp": second, "nanosecond": 500_000_000, "monotonic": 1.0, "subsystem": subsystem, "measurement": text}
    return json.dumps(line).encode() + b"\n"


@pytest.mark.usefixtures("unjudged")
def test_what_comes_late_without_a_sample_stops_nothing_and_marks_are_kept(tmp_path: Path, db: Path, query) -> None:
    whole = samples(invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=8))
    at = whole[3][0]
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    feed_all(live, together(whole[:-1]), clock)
    live.feed([LiveBatch("vm-a", None, clock[0], written(at, "nobody/knows", "x"))], journal="day", position="late")
    clock[0] += 5000
    live.feed([], journal="day", position="late")
    mark = written(at, "perfkit/mark", '{"label":"warm","kind":"point"}')
    of_a_sample = mark.replace(b"500000000", b"0").replace(b"warm", b"on time")
    live.feed([LiveBatch("vm-a", None, clock[0], mark + of_a_sample)], journal="day", position="late")
    assert live.unfinished
    clock[0] += 5000
    live.feed([], journal="day", position="late")
    assert not live.unfinished
    live.close()
    assert query("SELECT timestamp - ?, label, recording FROM marks ORDER BY 1", at * 1000) == [(0, "on time", 1), (500, "warm", 1)]
    assert query("SELECT count(*) FROM samples") == [(8,)]


@pytest.mark.usefixtures("unjudged")
def test_what_waited_at_the_end_is_taken_in_after_a_restart_although_nothing_more_comes(tmp_path: Path, db: Path, query) -> None:
    """Of a collector whose lines have no monotonic clock, the newest sample waits for what may still belong to it; so does a late one."""
    whole = [(at, re.sub(rb'"monotonic":[0-9.]+,', b"", lines)) for at, lines in samples(invent.write(tmp_path / "vm-a.json", seconds=8))]
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    for at, lines in [*together(whole[:3]), *together(whole[4:-1], 5), whole[3]]:
        clock[0] = whole[-1][0] * 1000
        live.feed([LiveBatch("vm-a", None, clock[0], lines)], journal="day", position=str(at))
    live.save("day", "end")
    live.close()
    assert query("SELECT count(*) FROM samples") == [(6,)]
    clock[0] += 2000
    live = Live(db, now=lambda: clock[0])
    assert live.unfinished
    live.feed([], journal="day", position="end")
    assert query("SELECT count(*) FROM samples") == [(8,)]
    assert not live.unfinished
    live.save("day", "end")
    live.close()
    assert query("SELECT waits FROM live_lines") == [(0,)]


@pytest.mark.usefixtures("unjudged")
def test_a_machine_has_so_many_devices_in_an_hour_and_an_event_tells_of_further_ones(tmp_path: Path, db: Path, query) -> None:
    whole = samples(invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=6, containers=1))
    clock = [0]
    live = Live(db, now=lambda: clock[0], most_devices=3)
    for number, (at, lines) in enumerate(whole[:-1]):
        clock[0] = at * 1000 + 200
        names = "".join(f"  new{number}{other}: {'1 ' * 16}\n" for other in "abc")
        text = lines.replace(b"eth0:", f"eth0: {'1 ' * 16}\n{names} rest:".encode().replace(b"\n", b"\\n"))
        text += b"".join(
            written(at, f"container/docker/{number}{other}", '{"cpu_usage_usec":1}').replace(b"500000000", b"0") for other in "ab"
        )
        live.feed([LiveBatch("vm-a", None, clock[0], text)], journal="day", position=str(at))
    assert live.held_back == 0, "after a crash before the next checkpoint they would come again"
    live.save("day", "end")
    held_back = live.held_back
    live.close()
    assert query("SELECT count(DISTINCT interface) FROM network_metrics") == [(3,)]
    assert query("SELECT count(DISTINCT container_id) FROM container_metrics")[0][0] <= 3
    told = dict(query("SELECT subject, missed FROM quality_events WHERE kind = 'too_many'"))
    assert told.keys() >= {"interface", "containers"}
    assert told["containers"] >= 1
    assert query("SELECT count(*) FROM host_metrics") == [(len(whole) - 2,)]
    assert held_back >= sum(told.values())


@pytest.mark.parametrize(
    ("subsystem", "text", "most"),
    [
        ("odd/{}", "{{}}", 1),
        ("perfkit/odd{}", "{{}}", 1),
        ("container/docker/{:012x}", "{{}}", 6),
        ("service/u{}.service", "{{}}", 6),
        ("processes", "scan 1 1\n{} 1 a R 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", 6),
        ("perfkit/process", '{{"pid": {}}}', 6),
    ],
    ids=["unknown", "unknown of perfkit", "containers", "services", "processes", "who they are"],
)
def test_names_that_are_new_in_each_sample_take_no_memory(monkeypatch: pytest.MonkeyPatch, subsystem: str, text: str, most: int) -> None:
    monkeypatch.setattr(pending, "_MOST_CGROUPS", 5)
    monkeypatch.setattr(pending, "_MOST_PROCESSES", 5)
    of = pending.Pending()
    for second in range(40):
        named = pending.RawLine(1000 * second, second, subsystem.format(second), text.format(second))
        of.add([pending.RawLine(1000 * second, second, "/proc/stat", "cpu 1"), named], 1000 * second)
        of.take(1000 * second + pending.HOLD_MS)
    assert len(of.kept) <= most
    assert len(of.running.rows) <= most
    assert len(of.running.who) <= most
    assert of.kept["/proc/stat"].stamp == 39_000


def test_late_lines_that_never_end_are_taken_in_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "_MOST_LATE_LINES", 50)
    of = pending.Pending(taken=9_000)
    for number in range(50):
        assert of.take_late(now_ms=0) == {}
        of.add([pending.RawLine(1000, 1.0, f"odd/{number}", "")], received_ms=0)
    assert len(of.take_late(now_ms=0)[1000]) == 50


def test_what_cannot_be_taken_in_names_its_machine_and_can_be_forgotten(tmp_path: Path, db: Path, query) -> None:
    whole = samples(invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=4))
    live = Live(db, now=lambda: whole[-1][0] * 1000)
    for name in ("vm-a", "vm-b"):
        live.feed([LiveBatch(name, "lab", whole[-1][0] * 1000, whole[0][1])], journal="day", position="x")
    live.save("day", "x")
    live.close()
    with closing(open_database(db)) as con:
        con.execute("UPDATE live_lines SET lines = x'00' WHERE collector_id = 1")
    for _ in range(2):
        live = Live(db, now=lambda: whole[-1][0] * 1000 + 5000)
        with pytest.raises(Unusable) as unusable:
            live.feed([], journal="day", position="x")
        assert unusable.value.machine == ("vm-a", "lab")
        live.close()
    live = Live(db, now=lambda: whole[-1][0] * 1000 + 5000)
    assert live.forget("vm-a", "lab") == 0
    live.note(SetAside("vm-a", "lab", "import", 3, 1000, "why"))
    live.note(SetAside("vm-a", "lab", "import", 4, 2000, "why not"))
    live.close()
    live = Live(db, now=lambda: whole[-1][0] * 1000 + 5000)
    live.feed([], journal="day", position="x")
    live.close()
    assert query("SELECT machinename, count(*) FROM samples JOIN collectors ON id = collector_id") == [("vm-b", 1)]
    assert query("SELECT kind, subject, missed, detail FROM quality_events") == [("set_aside", "import", 7, "why not")]


@pytest.mark.usefixtures("unjudged")
def test_samples_cut_in_two_and_batches_that_come_twice_change_nothing(tmp_path: Path, db: Path, collection: Path, from_file: dict) -> None:
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    pieces = []
    known = samples(collection)
    for at, text in [*known[:4], *together(known[4:-4]), *known[-4:]]:
        lines = text.splitlines(keepends=True)
        pieces += [(at, b"".join(lines[:3])), (at, b"".join(lines[3:]))]
    feed_all(live, (piece for piece in pieces for _ in (0, 1)), clock)
    feed_all(live, pieces[-4:], clock)
    live.close()
    close(everything(db), from_file)


@pytest.mark.usefixtures("unjudged")
def test_many_machines_at_once_stay_apart(tmp_path: Path, db: Path) -> None:
    paths = {f"vm-{i}": invent.write(tmp_path / f"{i}.json", hostname=f"vm-{i}", seconds=4, seed=i, cpus=1 + i) for i in range(3)}
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    for of_all in zip(*(samples(path) for path in paths.values())):
        clock[0] = of_all[0][0] * 1000 + 200
        batches = [LiveBatch(name, "lab", clock[0], lines) for name, (_, lines) in zip(paths, of_all)]
        live.feed(batches, journal="day", position="x")
    clock[0] += 5000
    live.feed([], journal="day", position="x")
    live.close()
    mixed = tmp_path / "all.json"
    mixed.write_bytes(b"".join(path.read_bytes() for path in paths.values()))
    import_input(tmp_path / "files.db", mixed, site_name="lab")
    close(everything(db), everything(tmp_path / "files.db"))


@pytest.mark.usefixtures("unjudged")
def test_damaged_lines_cost_themselves_alone(db: Path, collection: Path, from_file: dict) -> None:
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    broken = b'{"timestamp": "soon"}\nnot json\n\n{"timestamp":1e400,"subsystem":"x","measurement":"y"}\n[1]\n'
    feed_all(live, together([(at, broken + lines) for at, lines in samples(collection)]), clock)
    live.close()
    close(everything(db), from_file)


@pytest.mark.usefixtures("unjudged")
def test_a_clock_that_is_set_back_costs_the_one_sample_across_the_step(tmp_path: Path, db: Path, query) -> None:
    first = invent.write(tmp_path / "a.json", seconds=10)
    text = first.read_bytes()
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    start = samples(first)[0][0]
    moved = []
    for at, lines in samples(first):
        if at - start >= 6:
            lines = lines.replace(b'"timestamp":%d' % at, b'"timestamp":%d' % (at - 3600))  # noqa: PLW2901
            at -= 3600  # noqa: PLW2901
        moved.append((at, lines))
    assert text
    feed_all(live, [*together(moved[:4], 2), *moved[4:8], *together(moved[8:])], clock)
    live.close()
    assert query("SELECT count(*) FROM host_metrics") == [(9,)]  # of 11: the first has no predecessor either
    check_rollups(query)


HOSTILE = (
    # in which seconds the text of a source is another: what in it becomes what
    ("/proc/meminfo", (3, 4, 9), r"MemAvailable: *\d+", "MemAvailable: 99999999999"),  # more than there is
    ("/proc/net/snmp", (6,), r"(Tcp: [A-Z].*\nTcp: \S+ \S+ \S+ \S+ )\d+", r"\1 9223372036854775808"),
    ("/proc/vmstat", (7,), "pgpgin ", "pgpgin -"),
    ("container/", (8,), r"(?s).{9}$", ""),  # half a line
    ("container/", (14,), r'"memory_current":\d+,', ""),
    ("/proc/diskstats", (10,), " sda ", " sda 9223372036854775807 "),
    ("/proc/diskstats", (11, 12), r"\Z", "   8      16 sdz 12 0 80 0 0 0 0 0 0 0 0\n"),  # comes and goes
    ("/proc/pressure/io", (13,), "total=", "total=-"),
    ("processes", (6,), r"\n(40 .*) \S+ \S+", r"\n\1"),  # a row is cut
    ("processes", (9,), r"\n40 ", "\nx "),  # a row does not say whose it is
    ("processes", (12,), r"\n40 .*", ""),  # a row is lost
    ("limits", (10,), r"\n(?:ethtool|\S+/cpu1/).*", ""),
    ("limits", (20,), r"/proc/sys.*\n|adjtimex.*|receiver.*", ""),
)


def hostile(path: Path) -> Path:
    """A recording with something of each kind that empties a cell, in seconds of their own."""
    whole = invent.write(path, hostname="vm-h", seconds=24, containers=1, disks=1, users=True)
    lines = [json.loads(line) for line in whole.read_text().splitlines()]
    first, stat = lines[0]["timestamp"], ""
    for line in lines:
        second, name = line["timestamp"] - first, line["subsystem"]
        for prefix, seconds, old, new in HOSTILE:
            if name.startswith(prefix) and second in seconds:
                line["measurement"] = re.sub(old, new, line["measurement"])
        if name == "/proc/stat":
            stat = line["measurement"] = stat if second == 5 else line["measurement"]  # stands still
        line["timestamp"] += 60 if second > 15 else 0  # the clock is set
    for second, mark in ((12, '{"label": "a", "kind": "stop"}'), (22 + 60, '{"kind": "end"}')):
        at = next(place for place, line in enumerate(lines) if line["subsystem"] == "/proc/meminfo" and line["timestamp"] - first == second)
        lines.insert(at, {**lines[at], "subsystem": "perfkit/mark", "measurement": mark})
    whole.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return whole


@pytest.mark.usefixtures("unjudged")
def test_what_empties_a_cell_is_the_same_event_as_of_a_file(tmp_path: Path, db: Path, query) -> None:
    collection = hostile(tmp_path / "vm-h.json")
    import_input(tmp_path / "file.db", collection)
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    batches = samples(collection)
    feed_all(live, [*together(batches[:3]), *batches[3:6], *together(batches[6:])], clock, "vm-h")
    live.close()
    events = "SELECT kind, subject, from_timestamp, to_timestamp, missed, detail, recording FROM quality_events ORDER BY 1, 2, 3"
    with closing(open_database(tmp_path / "file.db", read_only=True)) as con:
        of_file = con.execute(events).fetchall()
    assert query(events) == of_file
    start = batches[0][0] * 1000 + 1
    assert {
        (kind, subject, (first - start) // 1000, (last - start) // 1000, missed) for kind, subject, first, last, missed, *_ in of_file
    } == {
        ("unusable", "memory", 3, 9, 3),
        *(("unusable", f"cpu {cpu}", 5, 5, 1) for cpu in ("all", 0, 1, 2, 3)),
        ("unusable", "tcp", 6, 7, 2),
        ("unusable", "system", 7, 8, 2),
        ("unusable", next(subject for _, subject, *_ in of_file if subject.startswith("container/docker/")), 8, 8, 1),
        ("unusable", next(subject for _, subject, *_ in of_file if subject.startswith("container ")), 14, 14, 1),
        ("reset", "disk sda", 9, 10, None),
        ("reset", "disk sda", 10, 11, None),
        ("hot_plug", "disk sdz", 10, 11, None),
        ("unplug", "disk sdz", 12, 13, None),
        ("guessed_totals", "disk", 0, 83, None),
        ("unusable", "pressure io", 13, 14, 2),
        ("unusable", "process 40", 6, 6, 1),
        ("unusable", "processes", 6, 12, 3),
        ("unusable", "perfkit/mark", 12, 82, 2),
        ("unusable", "limits of eth0", 10, 10, 1),
        ("unusable", "limits of cpu 1", 10, 10, 1),
        ("unusable", "limits", 80, 80, 1),
        ("clock_step", "", 15, 76, None),
    }


def test_machines_that_end_together_are_judged_in_turn(db: Path, collection: Path, query, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended is in the database at once; what it means is found out of one machine in each step, so that no sample waits for all."""
    monkeypatch.setattr("perfkit.store.live._JUDGE_SECONDS", 0)
    clock, names, whole = [0], ("vm-a", "vm-b", "vm-c"), samples(collection)
    live = Live(db, now=lambda: clock[0])
    for at, lines in together(whole, len(whole)):
        clock[0] = at * 1000 + 200
        live.feed([LiveBatch(name, None, at * 1000 + 200, lines) for name in names], journal="day", position="all")
    told = []
    while live.unfinished:
        told.append(query("SELECT count(DISTINCT collector_id), (SELECT count(*) FROM judged) FROM host_metrics"))
        clock[0] += 5000
        live.feed([], journal="day", position="all")
    live.close()
    assert told == [[(3, judged)] for judged in (1, 2)]
    assert query("SELECT DISTINCT collector_id, range FROM judged ORDER BY 1") == [(1, "run:1"), (2, "run:1"), (3, "run:1")]


@pytest.mark.usefixtures("unjudged")
def test_limits_that_stay_away_are_told_for_each_sample(tmp_path: Path, db: Path, query) -> None:
    """Some rows in two slow samples, all limits in the next; then an interface is gone with its limits, which is no loss; last, all
    that a slow sample reads is lost, and the collector's own line alone tells that it was one. That of a late sample tells nothing."""
    collection = invent.write(tmp_path / "vm-h.json", hostname="vm-h", seconds=75, disks=1, users=True)
    kept = []
    for line in map(json.loads, collection.read_text().splitlines()):
        second, name = line["timestamp"] - invent.START, line["subsystem"]
        if name == "limits" and second in (20, 30):
            line["measurement"] = re.sub(r"\n(?:ethtool|\S+/cpu1/).*", "", line["measurement"])
        if name == "limits" and second >= 50:
            line["measurement"] = re.sub(r"\nethtool.*", "", line["measurement"])
        if name == "/proc/net/dev" and second >= 50:
            line["measurement"] = re.sub(r"\n *eth0:.*", "", line["measurement"])
        lost = {40: ("limits", "/proc/schedstat", "/proc/net/softnet_stat"), 60: tuple(SLOWER)}.get(second, ())
        if name not in lost:
            kept.append(f"{json.dumps(line)}\n")
        if name == "/proc/vmstat" and (second % 10 == 0 or second == 33):
            kept.append(json.dumps({**line, "subsystem": "perfkit/self", "measurement": json.dumps({"samples": second + 1})}) + "\n")
    collection.write_text("".join(kept))
    import_input(tmp_path / "file.db", collection)
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    batches = samples(collection)
    feed_all(live, together(batches[:35], 12), clock, "vm-h")
    live.close()
    live = Live(db, now=lambda: clock[0])  # restarted
    feed_all(live, together(batches[35:], 14), clock, "vm-h")
    live.close()
    events = """SELECT kind, subject, from_timestamp, to_timestamp, missed, detail FROM quality_events WHERE kind <> 'guessed_totals'
        ORDER BY 1, 2"""
    with closing(open_database(tmp_path / "file.db", read_only=True)) as con:
        of_file = con.execute(events).fetchall()
    start = batches[0][0] * 1000
    assert [(kind, subject, (first - start) // 1000, (last - start) // 1000, *rest) for kind, subject, first, last, *rest in of_file] == [
        ("unplug", "network eth0", 49, 50, None, None),
        ("unusable", "limits", 40, 60, 2, "its lines are missing"),
        ("unusable", "limits of cpu 0", 40, 60, 2, "its lines are missing"),
        ("unusable", "limits of cpu 1", 20, 60, 4, "a number is missing; its lines are missing"),
        ("unusable", "limits of eth0", 20, 40, 3, "its lines are missing"),
    ]
    assert query(events) == of_file


def test_samples_that_share_a_stamp_are_told(tmp_path: Path, db: Path, query) -> None:
    """Those of pcc with two samples a second: together in a batch, or one after the other. The same lines again are none."""
    clock = [0]
    text = "cpu  {0} 0 0 {0} 0 0 0 0 0 0\ncpu0 {0} 0 0 {0} 0 0 0 0 0 0\n"
    told = [{"timestamp": invent.START + n // 2, "subsystem": "/proc/stat", "measurement": text.format(100 * n)} for n in range(6)]
    lines = [json.dumps(line).encode() + b"\n" for line in told]
    with closing(Live(db, now=lambda: clock[0])) as live:
        feed_all(live, [(invent.START, lines[0])], clock)
        feed_all(live, [(invent.START, lines[0])], clock)
        assert query("SELECT kind FROM quality_events") == []
        feed_all(live, [(invent.START + 1, b"".join(lines[:4])), (invent.START + 2, lines[4]), (invent.START + 2, lines[5])], clock)
    found = query("SELECT from_timestamp, to_timestamp FROM quality_events WHERE kind = 'shared_stamp'")
    assert found == [(invent.START * 1000, (invent.START + 2) * 1000)]


@pytest.mark.usefixtures("unjudged")
def test_the_position_goes_on_after_a_restart(db: Path, collection: Path, from_file: dict) -> None:
    known = samples(collection)
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    assert live.position("day") is None
    for at, lines in together(known[:6]):
        clock[0] = at * 1000 + 200
        live.feed([LiveBatch("vm-a", None, clock[0], lines)], journal="day", position=str(at))
    live.close()  # without save(): what came after the last checkpoint is asked for again
    live = Live(db, now=lambda: clock[0])
    position = live.position("day")
    assert position is not None
    assert known[0][0] <= int(position) <= known[5][0]
    feed_all(live, together([(at, lines) for at, lines in known if at > int(position)]), clock)
    live.close()
    close(everything(db), from_file)


KILLED = """
import sys
from pathlib import Path
from perfkit.store.live import Live, LiveBatch
from store.test_live import samples, together
clock = [0]
live = Live(Path(sys.argv[1]), now=lambda: clock[0])
for at, lines in together(samples(Path(sys.argv[2])), 2):
    if at <= int(live.position("day") or 0):
        continue
    clock[0] = at * 1000 + 200
    live.feed([LiveBatch("vm-a", None, clock[0], lines)], journal="day", position=str(at))
    print(at, flush=True)
clock[0] += 5000
live.feed([], journal="day", position=str(at))
live.save("day", str(at))
print("end", flush=True)
"""


def test_kill_9_loses_nothing_and_repeats_nothing(db: Path, collection: Path, from_file: dict) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for limit in (5, 10_000):
        with subprocess.Popen([sys.executable, "-c", KILLED, db, collection], stdout=subprocess.PIPE, text=True, env=env) as process:
            for count, line in enumerate(process.stdout or []):
                if count == limit or line == "end\n":
                    process.send_signal(signal.SIGKILL)
                    break
    close(everything(db), from_file)
    con = open_database(db, read_only=True)
    for table in ("collectors", "collections", "recordings"):
        assert con.execute(f"SELECT samples FROM {table}").fetchone() == (len(from_file["memory"]),), table
    con.close()
