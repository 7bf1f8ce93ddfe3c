"""Live import: a collection that comes in by the second ends as the same rows as the file, whatever is cut, repeated or killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from perfkit.catalog import TABLES
from perfkit.store import open_database, pending
from perfkit.store.importing import import_input
from perfkit.store.live import Live, LiveBatch, SetAside, Unusable
from perfkit.store.pending import SLOWER
from support import invent
from support.database import check_rollups, judge_only
from support.forms import packed


def samples(path: Path) -> list[tuple[int, bytes]]:
    """(second, its lines) of a collection."""
    found: dict[int, list[bytes]] = {}
    for line in path.read_bytes().splitlines(keepends=True):
        found.setdefault(int(line.split(b'"timestamp":')[1].split(b",")[0]), []).append(line)
    return [(at, b"".join(lines)) for at, lines in sorted(found.items())]


def everything(db: Path, machine: str = "vm-a") -> dict[str, list[tuple]]:
    """The rows of a machine, by table."""
    with closing(open_database(db, read_only=True)) as con:
        [(of,)] = con.execute("SELECT id FROM collectors WHERE machinename = ?", (machine,)).fetchall()
        rows = {t.name: f"SELECT * FROM {t.database_name} WHERE collector_id = ? ORDER BY timestamp, 2, 3" for t in TABLES}
        return {name: [row[1:] for row in con.execute(sql, (of,))] for name, sql in rows.items()}


# What most of these tests are about is told by a few sources as well as by all: a step costs half.
FEW = ("/proc/stat", "/proc/meminfo", "/proc/net/dev")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a few sources; not to be changed."""
    return invent.write(tmp_path_factory.mktemp("live") / "vm-a.json", hostname="vm-a", seconds=12, gaps=[(5, 3)], only=FEW)


@pytest.fixture(scope="module")
def from_file(collection: Path) -> dict[str, list[tuple]]:
    """What is in a database that the collection's file was imported into."""
    with pytest.MonkeyPatch.context() as patch:
        judge_only(patch)
        import_input(collection.with_name("file.db"), collection)
    return everything(collection.with_name("file.db"))


def close(found: dict[str, list[tuple]], expected: dict[str, list[tuple]], machine: str = "vm-a") -> None:
    for name, rows in expected.items():
        told = (machine, name)
        assert len(found[name]) == len(rows), told
        for mine, theirs in zip(found[name], rows):
            assert mine == tuple(pytest.approx(value, rel=1e-9, abs=1e-9) if isinstance(value, float) else value for value in theirs), told


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


def written(second: int, subsystem: str, text: str) -> bytes:
    line = {"timestamp": second, "nanosecond": 500_000_000, "monotonic": 1.0, "subsystem": subsystem, "measurement": text}
    return json.dumps(line).encode() + b"\n"


class Fed:
    """A live import whose clock a test moves; each feed ends a second."""

    def __init__(self, db: Path) -> None:
        self.now = invent.START * 1000
        self._db = db
        self.live = Live(db, now=lambda: self.now)

    def feed(self, batches: Mapping[str, bytes]) -> None:
        """Lines by machine."""
        told = [LiveBatch(name, None, self.now, lines) for name, lines in batches.items()]
        self.live.feed(told, journal="day", position=str(self.now // 1000))

    def idle(self) -> None:
        """Some seconds in which nothing comes: what waits for more is taken in."""
        self.now += 5000
        self.feed({})

    def restart(self) -> None:
        self.live.save("day", "x")
        self.live.close()
        self.live = Live(self._db, now=lambda: self.now)


BROKEN = b'{"timestamp": "soon"}\nnot json\n\n{"timestamp":1e400,"subsystem":"x","measurement":"y"}\n[1]\n'
MACHINES: dict[str, dict[str, Any]] = {
    "vm-a": {"seconds": 9, "containers": 1, "users": True, "gaps": [(4, 2)]},  # comes a second at a time
    "vm-cut": {"seconds": 9, "containers": 1, "users": True, "gaps": [(4, 2)]},  # each sample is cut in two, and each batch comes twice
    "vm-damaged": {"seconds": 9, "containers": 1, "users": True, "gaps": [(4, 2)]},  # batches of three samples, and of lines that are none
    "vm-0": {"seconds": 4, "cpus": 1},
    "vm-1": {"seconds": 4, "cpus": 2},
    "vm-2": {"seconds": 4, "cpus": 3},
    "vm-spool": {"seconds": 9},  # four samples of its middle come last
    "vm-late": {"seconds": 9, "only": FEW},  # one sample comes last
    "vm-clock": {"seconds": 8, "only": FEW},  # its clock is set back
    "vm-marks": {"seconds": 8, "only": FEW},  # what comes last is no sample
    "vm-waits": {"seconds": 8, "only": FEW},  # without a monotonic clock: samples wait for what may belong to them
}
AS_FILES = tuple(MACHINES)[:7]
SEEN = {**dict.fromkeys(AS_FILES[:3], 7), **dict.fromkeys(AS_FILES[3:6], 4)}
SEEN |= {"vm-spool": 9, "vm-late": 9, "vm-clock": 8, "vm-marks": 8, "vm-waits": 8}
OF = "collector_id = (SELECT id FROM collectors WHERE machinename = '{}')"


def test_whatever_way_it_comes_the_rows_are_those_of_the_file(tmp_path: Path, db: Path, query, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many machines in the same steps: it is the planning of its SQL that a step costs."""
    judge_only(monkeypatch, "vm-a")
    files = {name: invent.write(tmp_path / f"{name}.json", hostname=name, **wanted) for name, wanted in MACHINES.items()}
    import_input(tmp_path / "file.db", packed(tmp_path / "all.tar", [files[name] for name in AS_FILES]))
    of_files = {name: everything(tmp_path / "file.db", name) for name in AS_FILES}

    whole = {name: [lines for _, lines in samples(path)] for name, path in files.items()}
    ticks = {name: {at - invent.START: lines for at, lines in samples(path)} for name, path in files.items()}
    spool = [ticks["vm-spool"].pop(tick) for tick in range(3, 7)]
    late = ticks["vm-late"].pop(5)
    del ticks["vm-marks"][8]  # it still records
    del ticks["vm-waits"]
    fed = Fed(db)
    _feed_all(fed, ticks, query)
    fed.idle()
    for name in AS_FILES[:-1]:
        close(everything(db, name), of_files[name], name)
    _says_what_its_file_says(query, tmp_path / "file.db")
    assert query(f"SELECT count(*) FROM host_metrics WHERE {OF.format('vm-clock')}") == [(7,)]  # the first has no predecessor
    _spool_comes_twice(fed, spool, of_files["vm-spool"], query, db)
    _marks_come_late(fed, query)
    _what_waits_outlives_a_restart(fed, [re.sub(rb'"monotonic":[0-9.]+,', b"", lines) for lines in whole["vm-waits"]], late, query)
    fed.feed({"vm-late": whole["vm-late"][-1]})  # again
    fed.idle()
    fed.live.save("day", "end")
    fed.live.close()
    assert query("SELECT waits FROM live_lines WHERE waits <> 0") == []
    assert dict(query("SELECT machinename, count(*) FROM samples JOIN collectors ON id = collector_id GROUP BY 1")) == SEEN
    check_rollups(query)


def _feed_all(fed: Fed, ticks: Mapping[str, Mapping[int, bytes]], query) -> None:
    """The lines of each machine by second, as MACHINES tells. A sample of vm-a that has all that the one before it had does not wait for
    the next: the first has no predecessor, the end line is no sample."""
    sent = {name: dict(of) for name, of in ticks.items()}
    for name in ("vm-damaged", "vm-late", "vm-marks"):
        sent[name] = dict(together([(tick, sent[name][tick]) for tick in sorted(sent[name])]))
    sent["vm-damaged"] = {tick: BROKEN + lines for tick, lines in sent["vm-damaged"].items()}
    stamp = b'"timestamp":%d'
    for tick in range(5, 9):
        old, new = (stamp % (invent.START + tick - back) for back in (0, 3600))
        sent["vm-clock"][tick] = sent["vm-clock"][tick].replace(old, new)
    newest = []
    for tick in range(10):
        fed.now = (invent.START + tick) * 1000 + 200
        of_all = {name: of[tick] for name, of in sent.items() if tick in of and name != "vm-cut"}
        lines = sent["vm-cut"].get(tick, b"").splitlines(keepends=True)
        first, second = ({"vm-cut": b"".join(some)} for some in (lines[:3], lines[3:]))
        for batches in (first, first, {**of_all, **second}, second):
            if lines or batches not in (first, second):
                fed.feed(batches)
        if tick in sent["vm-a"]:
            at = query(f"SELECT max(timestamp) / 1000 FROM host_metrics WHERE {OF.format('vm-a')}")
            newest.append(at == [(invent.START + tick,)])
    assert newest == [False, *[True] * (len(newest) - 2), False]


def _spool_comes_twice(fed: Fed, spool: Sequence[bytes], expected: Mapping[str, list[tuple]], query, db: Path) -> None:
    """Every sample is there once, and no gap is left."""
    of = OF.format("vm-spool")
    missing = f"SELECT sum(missed) FROM quality_events WHERE {of} AND kind = 'gap'"
    assert query(missing) == [(4,)]
    for _ in range(2):
        fed.feed({"vm-spool": b"".join(spool)})
        fed.idle()
        assert query(f"SELECT count(*), count(DISTINCT timestamp), max(recording) FROM samples WHERE {of}") == [(9, 9, 1)]
        assert query(missing) == [(None,)]
        found = everything(db, "vm-spool")
        assert len(found["memory"]) == len(expected["memory"]) == 9
        assert len(found["host"]) == len(expected["host"]) - 1  # the first of the late ones has none before it


def _marks_come_late(fed: Fed, query) -> None:
    """What comes late without a sample stops nothing, and marks are kept."""
    second = invent.START + 3
    fed.feed({"vm-marks": written(second, "nobody/knows", "x")})
    fed.idle()
    mark = written(second, "perfkit/mark", '{"label":"warm","kind":"point"}')
    fed.feed({"vm-marks": mark + mark.replace(b"500000000", b"0").replace(b"warm", b"on time")})
    assert fed.live.unfinished
    fed.idle()
    assert not fed.live.unfinished
    marks = f"SELECT timestamp - ?, label, recording FROM marks WHERE {OF.format('vm-marks')} ORDER BY 1"
    assert query(marks, second * 1000) == [(0, "on time", 1), (500, "warm", 1)]


def _what_waits_outlives_a_restart(fed: Fed, waits: Sequence[bytes], late: bytes, query) -> None:
    """The newest sample waits for what may still belong to it, and so does a late one: they are taken in although nothing more comes."""
    counts = [f"SELECT count(*) FROM samples WHERE {OF.format(name)}" for name in ("vm-waits", "vm-late")]
    fed.now += 10_000
    for lines, others in ((waits[:3], {}), (waits[4:-1], {}), ([waits[3]], {"vm-late": late})):
        fed.feed({"vm-waits": b"".join(lines), **others})
    fed.restart()
    assert [query(count) for count in counts] == [[(6,)], [(8,)]]
    fed.now += 2000
    assert fed.live.unfinished
    for _ in counts:  # on a slow machine one feed takes in what came late of one machine
        fed.feed({})
    assert [query(count) for count in counts] == [[(8,)], [(9,)]]
    assert not fed.live.unfinished


def _says_what_its_file_says(query, file_db: Path) -> None:
    """What else the database says of vm-a."""
    of = OF.format("vm-a")
    machine = "FROM collectors WHERE machinename = 'vm-a'"
    assert query(f"SELECT sitename, cpus, samples {machine}") == [("default", 4, 7)]
    assert query(f"SELECT kind, missed FROM quality_events WHERE kind = 'gap' AND {of}") == [("gap", 2)]
    # A recording that has ended is judged: lists of machines wait for nothing.
    assert query(f"SELECT DISTINCT range FROM percentiles WHERE {of}") == query("SELECT DISTINCT range FROM judged") == [("run:1",)]
    assert query("SELECT range FROM findings WHERE range <> 'run:1'") == []
    with closing(open_database(file_db, read_only=True)) as con:
        for sql in (
            f"SELECT first_timestamp, last_timestamp, samples, samples_expected, round(coverage, 9) FROM collections WHERE {of}",
            f"SELECT first_timestamp, last_timestamp, samples, period_ms, cpus, memory_mb, kernel, session {machine}",
        ):
            assert query(sql) == con.execute(sql).fetchall()


@pytest.mark.usefixtures("unjudged")
def test_a_machine_has_so_many_devices_in_an_hour_and_an_event_tells_of_further_ones(tmp_path: Path, db: Path, query) -> None:
    whole = samples(invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=6, containers=1, only=(*FEW, "container/")))
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
    whole = samples(invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=4, only=FEW))
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


def without_limits(path: Path) -> Path:
    """A recording in which some rows of limits are missing in two slow samples, all limits in the next; then an interface is gone with its
    limits, which is no loss; last, all that a slow sample reads is lost, and the collector's own line alone tells that it was one. That of
    a late sample tells nothing."""
    whole = invent.write(path, hostname="vm-l", seconds=75, disks=1, users=True)
    kept = []
    for line in map(json.loads, whole.read_text().splitlines()):
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
    whole.write_text("".join(kept))
    return whole


@pytest.mark.usefixtures("unjudged")
def test_what_empties_a_cell_is_the_same_event_as_of_a_file(tmp_path: Path, db: Path, query) -> None:
    """Also after a restart; and limits that stay away are told for each sample."""
    files = {"vm-h": hostile(tmp_path / "vm-h.json"), "vm-l": without_limits(tmp_path / "vm-l.json")}
    import_input(tmp_path / "file.db", packed(tmp_path / "all.tar", files.values()))
    of = {name: samples(path) for name, path in files.items()}
    batches = [*together(of["vm-h"][:3]), *of["vm-h"][3:6], *together(of["vm-h"][6:], 5)]
    of_limits = [*together(of["vm-l"][:35], 12), *together(of["vm-l"][35:], 14)]
    fed = Fed(db)
    for number, ((at, lines), (its, other)) in enumerate(zip_longest(batches, of_limits, fillvalue=(0, b""))):
        if number == 3:
            fed.restart()
        fed.now = max(fed.now, 1000 * max(at, its) + 200)
        fed.feed({"vm-h": lines, "vm-l": other})
    fed.idle()
    fed.live.close()
    events = f"""SELECT kind, subject, from_timestamp, to_timestamp, missed, detail, recording FROM quality_events
        WHERE {OF.format("{}")} ORDER BY 1, 2, 3"""
    of_file = {}
    with closing(open_database(tmp_path / "file.db", read_only=True)) as con:
        for name in files:
            of_file[name] = con.execute(events.format(name)).fetchall()
            assert query(events.format(name)) == of_file[name], name
    start = of["vm-h"][0][0] * 1000 + 1
    assert {
        (kind, subject, (first - start) // 1000, (last - start) // 1000, missed)
        for kind, subject, first, last, missed, *_ in of_file["vm-h"]
    } == {
        ("unusable", "memory", 3, 9, 3),
        *(("unusable", f"cpu {cpu}", 5, 5, 1) for cpu in ("all", 0, 1, 2, 3)),
        ("unusable", "tcp", 6, 7, 2),
        ("unusable", "system", 7, 8, 2),
        ("unusable", next(subject for _, subject, *_ in of_file["vm-h"] if subject.startswith("container/docker/")), 8, 8, 1),
        ("unusable", next(subject for _, subject, *_ in of_file["vm-h"] if subject.startswith("container ")), 14, 14, 1),
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
    start = of["vm-l"][0][0] * 1000
    told = [row for row in of_file["vm-l"] if row[0] != "guessed_totals"]
    assert [(kind, subject, (first - start) // 1000, (last - start) // 1000, *rest[:2]) for kind, subject, first, last, *rest in told] == [
        ("unplug", "network eth0", 49, 50, None, None),
        ("unusable", "limits", 40, 60, 2, "its lines are missing"),
        ("unusable", "limits of cpu 0", 40, 60, 2, "its lines are missing"),
        ("unusable", "limits of cpu 1", 20, 60, 4, "a number is missing; its lines are missing"),
        ("unusable", "limits of eth0", 20, 40, 3, "its lines are missing"),
    ]


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
    for limit in (2, 10_000):
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
