"""One table of marks, and the runs and phases that every door of perfkit makes of it."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from perfkit.cli import main
from perfkit.dashboard.app import make_app
from perfkit.errors import BadInput
from perfkit.process import findings, quality
from perfkit.process.pipeline import Result, process
from perfkit.store import columnar, comparable, importing, open_database, percentiles
from perfkit.store import findings as store_findings
from perfkit.store.export import export
from perfkit.store.importing import import_input
from perfkit.store.live import Live, LiveBatch
from perfkit.store.references import resolve
from perfkit.units import iso
from support.certificates import START_MS, UPTIME, Recorder
from support.in_process import InProcess

# (second, label, kind) of the first recording; its samples are one a second from 0 to 59.
FIRST = [
    *[(2.5, "load", "start"), (5.5, "load", "end")],
    *[(8.5, "load", "start"), (11.5, "load", "end")],  # the same label a second time: a second run
    (13.5, "deploy", "point"),  # an annotation
    (14.5, "lost", "end"),  # closes nothing
    *[(16.5, "again", "start"), (17.5, "again", "start"), (19.5, "again", "end"), (21.5, "again", "end")],  # brackets of one label
    *[(24.5, "test", "start"), (26.5, "steady", "start"), (27.5, "ramp", "start"), (28.5, "ramp", "end"), (30.5, "steady", "end")],
    *[(32.5, "steady", "start"), (36.5, "steady", "end"), (38.5, "test", "end")],  # nested, and twice the same label within
    *[(45.5, "open", "start"), (47.5, "peak", "start"), (49.5, "peak", "end"), (52.5, "cool", "start")],  # nothing closes two of them
]
# The second recording begins at 120 s. What would close the open start lies in it, and is of no use there: it has no pair.
SECOND = [(5.5, "open", "end"), (7.5, "deploy", "point")]
LAST, SECOND_FIRST, SECOND_LAST = 59.501, 120.0, 149.501  # from the session line to the end line


class Part(NamedTuple):
    """A run, or one of its phases: from and to in seconds after the start."""

    run: int
    label: str
    phase: str | None
    start: float
    end: float
    open: bool = False
    marked: bool = True


EXPECTED = [
    Part(1, "load", None, 2.5, 5.5),
    Part(2, "load", None, 8.5, 11.5),
    Part(3, "again", None, 16.5, 21.5),
    Part(3, "again", "again", 17.5, 19.5),
    Part(4, "test", None, 24.5, 38.5),
    Part(4, "steady", "steady", 26.5, 30.5),
    Part(4, "ramp", "ramp", 27.5, 28.5),
    Part(4, "steady", "steady.2", 32.5, 36.5),
    Part(5, "open", None, 45.5, LAST, open=True),
    Part(5, "peak", "peak", 47.5, 49.5),
    Part(5, "cool", "cool", 52.5, LAST, open=True),
    Part(6, "recording", None, SECOND_FIRST, SECOND_LAST, marked=False),
]
RUNS = [one for one in EXPECTED if one.phase is None]


def part(run: int, label: str, phase: str | None, start: int, end: int, is_open: object, marked: object = True) -> Part:
    """A part as a door tells it, in ms since the epoch."""
    return Part(run, label, phase or None, (start - START_MS) / 1000, (end - START_MS) / 1000, bool(is_open), bool(marked))


def collection() -> bytes:
    one = Recorder()
    lines = [one.session()]
    lines += [_with_marks(one, second, FIRST) for second in range(60)]
    lines += [one.end(59.501, "signal", detail="SIGTERM")]
    other = Recorder(one.machine, started=UPTIME + 120, pid=1300)
    lines += [other.session()]
    lines += [_with_marks(other, second, SECOND) for second in range(30)]
    lines += [other.end(29.501, "duration")]
    return b"".join(lines)


def _with_marks(one: Recorder, second: int, marks: list[tuple[float, str, str]]) -> bytes:
    """The sample of a second, and the marks that came before the next."""
    return one.record([second]) + b"".join(one.mark(at, label, kind) for at, label, kind in marks if second < at < second + 1)


@dataclass(frozen=True)
class Doors:
    """What `process` made, and a database of each way in."""

    result: Result
    databases: dict[str, Path]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("marks")
    with pytest.MonkeyPatch.context() as patch:
        for module, costly in ((findings, "rules"), (importing, "_roll_up"), (columnar, "write")):  # no run needs them
            patch.setattr(module, costly, lambda *arguments: ())
        patch.setattr(comparable, "keep", lambda *arguments: None)
        file = folder / "vm-a.json"
        file.write_bytes(collection())
        ways = {name: folder / f"{name}.db" for name in ("file", "folder", "export", "live")}
        [result] = process([file], folder / "out")
        import_input(ways["file"], file)
        import_input(ways["folder"], result.folder)
        with closing(open_database(ways["file"])) as con:
            export(con, "vm-a", folder / "exported")
        import_input(ways["export"], folder / "exported")
        stream(ways["live"], file)
        yield Doors(result, ways)


def stream(db: Path, file: Path) -> None:
    """The collection as a collector streams it, twenty samples at a time."""
    sent: dict[int, list[bytes]] = {}
    for line in file.read_bytes().splitlines(keepends=True):
        sent.setdefault(json.loads(line)["timestamp"] // 20, []).append(line)
    clock = [0]
    live = Live(db, now=lambda: clock[0])
    for part_of, lines in sent.items():
        clock[0] = (part_of + 1) * 20_000 + 200
        live.feed([LiveBatch("vm-a", None, clock[0], b"".join(lines))], journal="day", position=str(part_of))
    clock[0] += 5000
    live.feed([], journal="day", position="end")
    live.close()
    with closing(open_database(db)) as con:  # as it does itself every few minutes
        percentiles.refresh(con, 1)
        store_findings.refresh(con, 1)


WAYS = pytest.mark.parametrize("way", ["file", "folder", "export", "live"])


def test_process(doors: Doors) -> None:
    """In quality.json and in runs.csv."""
    told = quality.of_json((doors.result.folder / "quality.json").read_bytes(), "quality.json")
    for runs in (told.runs, doors.result.quality.runs):
        found = [part(one.run, one.label, one.phase, one.from_timestamp, one.to_timestamp, one.open) for one in runs]
        assert found == [one._replace(marked=True) for one in EXPECTED]
    with (doors.result.folder / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["run"]), row["label"], row["phase"] or None) for row in rows] == [one[:3] for one in EXPECTED]
    spans = [(iso(START_MS + round(1000 * one.start)), iso(START_MS + round(1000 * one.end))) for one in EXPECTED]
    assert [(row["from"], row["to"]) for row in rows] == spans


@WAYS
def test_tables_and_windows(doors: Doors, way: str) -> None:
    """Whatever way a collection comes in; percentiles exist of every run and phase, and of no point."""
    with closing(sqlite3.connect(doors.databases[way])) as con:
        names = "run, label, {}, from_timestamp, to_timestamp, open, {}"
        runs = con.execute(f"SELECT {names.format('NULL', 'marked')} FROM runs").fetchall()
        phases = con.execute(f"SELECT {names.format('phase', '1')} FROM phases").fetchall()
        assert sorted((part(*row) for row in runs + phases), key=lambda one: (one.run, one.phase is not None, one.start)) == EXPECTED
        windows = {name for (name,) in con.execute("SELECT DISTINCT range FROM percentiles WHERE range LIKE 'run:%'")}
        assert windows == {f"run:{one.run}" + (f":{one.phase}" if one.phase else "") for one in EXPECTED}
        marks = con.execute("SELECT (timestamp - ?) / 1000.0, label, kind FROM marks ORDER BY 1", (START_MS,)).fetchall()
    assert marks == FIRST + [(SECOND_FIRST + at, label, kind) for at, label, kind in SECOND]


@WAYS
def test_api_and_pages(doors: Doors, way: str) -> None:
    app = InProcess(make_app(doors.databases[way]))
    phases = sorted({one.run for one in EXPECTED if one.phase})
    urls = ["/api/v1/runs", "/api/v1/collectors/1/series?metrics=host.cpu_user", "/runs", "/collectors/1", "/compare"]
    urls += [f"{door}/{'1@'}{run}" for run in phases for door in ("/api/v1/runs", "/runs")]
    windows = {one: f"/api/v1/collectors/1/series?metrics=host.cpu_user&run={one.run}&phase={one.phase or ''}" for one in EXPECTED}
    try:
        answers = app.ask([*urls, *windows.values()])
    finally:
        app.close()
    listed = answers["/api/v1/runs"].json()["runs"]
    assert [of_json(one) for one in reversed(listed)] == RUNS
    assert [of_json(one) for one in answers[urls[1]].json()["runs"]] == EXPECTED
    assert [of_json(one) for one in reversed(frame(answers["/runs"].text)["runs"])] == RUNS
    [machine] = frame(answers["/compare"].text)["collectors"]
    assert [of_json(one) for one in machine["runs"]] == EXPECTED
    offered = [f'<option value="@{one.run}{":" + one.phase if one.phase else ""}">' for one in EXPECTED]
    assert [one for one in offered if one not in answers["/collectors/1"].text] == []
    assert answers["/collectors/1"].text.count('<option value="@') == len(EXPECTED)
    for run in phases:
        expected = [one for one in EXPECTED if one.run == run]
        for told in (answers[f"/api/v1/runs/1@{run}"].json(), frame(answers[f"/runs/1@{run}"].text)["run"]):
            assert [of_json(told), *(of_json({"run": run, **one}) for one in told["phases"])] == expected
    for one, url in windows.items():
        window = answers[url].json()["window"]
        assert (window["from"], window["to"]) == (START_MS + round(1000 * one.start), START_MS + round(1000 * one.end)), one


def test_the_page_of_a_run_shows_no_other_run(doors: Doors) -> None:
    """A phase is one of its own; its menu offers itself and its own phases."""
    app = InProcess(make_app(doors.databases["file"]))
    try:
        answers = app.ask(["/runs/1@3?phase=steady", "/runs/1@4?phase=steady.2", "/runs/1@4?run=5", "/runs/1@4"])
    finally:
        app.close()
    assert [one.status_code for one in answers.values()] == [404, 200, 400, 200]
    assert "Run 3 (again) has no phase &#39;steady&#39;; its phases: again." in answers["/runs/1@3?phase=steady"].text
    phase, run = answers["/runs/1@4?phase=steady.2"].text, answers["/runs/1@4"].text
    assert "&run=4&phase=steady.2" in unescape(phase), "what the browser fetches early"
    assert "recorded 4 of 4 samples" in phase
    assert "recorded 14 of 14 samples" in run
    assert re.findall(r'<option value="([^"]+)">', run) == ["@4", "@4:steady", "@4:ramp", "@4:steady.2"]


@WAYS
def test_references_and_the_list_of_runs(doors: Doors, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(open_database(doors.databases[way], read_only=True)) as con:
        for one in EXPECTED:
            found = resolve(con, f"vm-a@{one.run}" + (f":{one.phase}" if one.phase else "")).stretch
            assert found is not None
            assert part(found.run, found.label, found.phase, found.start, found.end, found.open, found.marked) == one
        assert resolve(con, "vm-a@load").stretch.run == 2, "the newest of a label"
        for missing in ("vm-a:deploy", "vm-a@lost", "vm-a@7", "vm-a@1:steady"):
            with pytest.raises(BadInput, match=r"there are: |its phases: "):
                resolve(con, missing)
    assert main(["runs", "--json", "--db", str(doors.databases[way])]) == 0
    listed = json.loads(capsys.readouterr().out)["runs"]
    assert [of_json(one) for one in reversed(listed)] == RUNS


def of_json(one: dict[str, Any]) -> Part:
    return part(one["run"], one["label"], one.get("phase"), one["from"], one["to"], one["open"], one.get("marked", True))


def frame(html: str) -> dict[str, Any]:
    """What a page's script is given."""
    return json.loads(unescape(html.partition('data-frame="')[2].partition('"')[0]))
