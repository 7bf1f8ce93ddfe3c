"""Whatever a collection has been through: what can be read is read, what cannot is counted, and nothing is left half-written."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfkit.collection import Reader
from perfkit.errors import BadInput, PerfkitError
from perfkit.process import findings, quality
from perfkit.process.engine import Engine
from perfkit.process.pipeline import process
from support import invent
from support.tables import FILES, rows


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "vm-a.json"
    return invent.write(path, seconds=12, cpus=2, disks=1, containers=1, marks=[(2.0, "steady", "start"), (9.0, "steady", "end")])


@dataclass(frozen=True)
class Read:
    """What an engine makes of recordings that were damaged in different ways, and of the whole one; each is a machine there."""

    engine: Engine
    names: list[str]

    def rows(self, name: str, table: str) -> list[tuple[object, ...]]:
        """The rows of a table, without the machine's number."""
        number = self.names.index(name)
        of = f"SELECT * EXCLUDE machine FROM {table} WHERE machine = ? ORDER BY ALL"
        return self.engine.con.execute(of, [number]).fetchall()

    def quality(self, name: str) -> dict[str, Any]:
        """What quality.json would say."""
        return quality.of_engine(self.engine.con, self.names.index(name)).as_json()


UNREADABLE = {"garbage": b"\x00\xff garbage\n", "negative": b'{"timestamp":-5,"subsystem":"/proc/stat","measurement":"cpu  1"}\n'}


def damaged(text: bytes) -> dict[str, bytes]:
    """The ways of damage by name: what becomes of the recording."""
    first, *lines = text.splitlines(keepends=True)
    twice = lines + lines[30:60]
    random.Random(7).shuffle(twice)
    packed = gzip.compress(text)
    found = {
        "whole": text,
        "cut": text[: text.rindex(b'"subsystem":"/proc/stat"') + 60],
        "truncated gzip": packed[: len(packed) * 2 // 3],
        "shuffled": first + b"".join(twice),
    }
    for name, line in UNREADABLE.items():
        broken = [first, *lines]
        broken[20:20] = [line, b'{"timestamp":"soon","subsystem":1}\n']
        broken.insert(50, b"[1,2,3]\n")
        found[name] = b"".join(broken)
    return found


@pytest.fixture(scope="module")
def read(recording: Path) -> Iterator[Read]:
    contents = damaged(recording.read_bytes())
    files = []
    for number, content in enumerate(contents.values()):
        (file := recording.with_name(f"{number}.json")).write_bytes(content)
        files.append((number, file))
    with Engine() as engine:
        engine.load(files)
        engine.derive(percentiles=False)
        yield Read(engine, list(contents))


def test_a_last_line_without_its_end_costs_that_sample_only(read: Read) -> None:
    assert read.rows("cut", "host") == read.rows("whole", "host")[:-1]
    told = read.quality("cut")
    assert (told["truncated"], told["end_line"], told["unreadable_lines"]) == (True, False, 0)


def test_a_truncated_gzip_gives_what_can_be_read(read: Read) -> None:
    got, all_rows = read.rows("truncated gzip", "memory"), read.rows("whole", "memory")
    assert 3 < len(got) < len(all_rows)
    assert got == all_rows[: len(got)]
    assert read.quality("truncated gzip")["truncated"] is True


@pytest.mark.parametrize("first", UNREADABLE)
def test_unreadable_lines_are_counted_and_the_first_is_located(read: Read, first: str) -> None:
    assert read.rows(first, "host") == read.rows("whole", "host") != []
    told = read.quality(first)
    assert told["unreadable_lines"] == 3
    (event,) = (e for e in told["events"] if e["kind"] == "damaged")
    assert (event["missed"], event["detail"]) == (3, "first in line 21")


def test_lines_out_of_order_and_lines_sent_twice_change_no_row(read: Read) -> None:
    for name in ("host", "cpu", "disk", "containers"):
        assert read.rows("shuffled", name) == read.rows("whole", name) != [], name


def test_a_member_of_an_archive_is_named_by_its_place_there(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    spoiled, inner = tmp_path / "lab" / "vm-a.json", tmp_path / "more.zip"
    spoiled.write_bytes(recording.read_bytes() + UNREADABLE["garbage"])
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("vm-b.json", spoiled.read_bytes().replace(b"vm-a", b"vm-b"))
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        archive.add(spoiled, "lab/vm-a.json")
        archive.add(inner, "lab/more.zip")
    process([tmp_path / "all.tar"], tmp_path / "out")
    events = [json.loads((tmp_path / "out" / name / "quality.json").read_text())["events"] for name in ("vm-a", "vm-b")]
    named = [event["subject"] for of in events for event in of if event["kind"] == "damaged"]
    assert named == [f"{tmp_path}/all.tar/lab/{member}" for member in ("vm-a.json", "more.zip/vm-b.json")]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"timestamp,cpu_user\n1,2\n",
        b'{"a":1}\n',
        b"\x1f\x8b\x08",
        gzip.compress(b""),
        b'{"timestamp":1,"subsystem":"/proc/unknown","measurement":"x"}\n',
    ],
    ids=["empty", "blank", "CSV", "other JSON", "gzip header", "empty gzip", "no known subsystem"],
)
def test_a_file_without_a_usable_line_is_refused_and_nothing_is_written(tmp_path: Path, content: bytes) -> None:
    (file := tmp_path / "file.json").write_bytes(content)
    with pytest.raises(BadInput, match="is not a collection"):
        process([file], tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]


def test_cells_that_a_spreadsheet_would_run_are_neutral(recording: Path, tmp_path: Path) -> None:
    evil = recording.read_bytes().replace(rb"\"container_name\":\"", rb"\"container_name\":\"=cmd|' /C calc'!A0-")
    evil = evil.replace(b'" eth0', b'"@SUM(1)')
    (file := tmp_path / "evil.json").write_bytes(evil)
    process([file], tmp_path / "out")
    cells = [cell for name in ("containers.csv", "network.csv") for row in rows(tmp_path / "out" / name) for cell in row.values()]
    assert any("=cmd" in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r")) or (cell[:1] == "-" and not _is_number(cell))]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, int, int, bytes]]:
    one = st.tuples(
        st.sampled_from(["flip", "drop", "insert", "repeat", "cut", "number", "swap"]),
        st.integers(0, 1 << 20),
        st.integers(1, 4000),
        st.one_of(
            st.binary(min_size=1, max_size=12), st.sampled_from([b"-1", b"1e999", b"99999999999999999999", b"NaN", b"\\u0000", b"\n", b'"'])
        ),
    )
    return draw(st.lists(one, min_size=1, max_size=6))


def mutate(text: bytes, kind: str, at: int, length: int, data: bytes) -> bytes:
    at %= len(text) + 1
    before, behind, rest = text[:at], text[at : at + length], text[at + length :]
    return {
        "flip": before + data + text[at + len(data) :],
        "drop": before + rest,
        "insert": before + data + behind + rest,
        "repeat": before + behind + behind + rest,
        "swap": before + rest[:length] + behind + rest[length:],
        "number": before + re.sub(rb"\d", lambda _: data, behind, count=1) + rest,
        "cut": before,
    }[kind]


MOST = 12  # recordings that are processed together: planning the SQL costs as much as all else of one


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The same seconds of different machines."""
    folder = tmp_path_factory.mktemp("machines")
    marks = [(2.0, "steady", "start"), (9.0, "steady", "end")]
    return [
        invent.write(folder / f"{n}.json", hostname=f"vm-{n}", seconds=12, cpus=2, disks=1, containers=1, marks=marks).read_bytes()
        for n in range(MOST)
    ]


def looks_usable(file: Path) -> bool:
    """Whether it is a collection, as far as one can see."""
    return any(line.subsystem in ("/proc/stat", "/proc/meminfo") for line in Reader(file))


def whole_or_refused(files: list[Path], folder: Path) -> bool:
    """Whether they were processed: then everything is there, else there is one sentence, and nothing besides the input."""
    before = set(folder.iterdir())
    try:
        found = process(files, folder / "out")
    except PerfkitError as error:
        assert str(error).endswith(".")
        assert set(folder.iterdir()) == before
        return False
    assert set(folder.iterdir()) == before | {folder / "out"}
    assert len(found) >= len(files)
    for one in found:
        assert one.folder is not None
        assert {entry.name for entry in one.folder.iterdir()} == FILES
    return True


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases=st.lists(st.tuples(mutations(), st.booleans()), min_size=MOST, max_size=MOST))
def test_no_damage_ends_in_a_traceback_or_in_half_an_output(
    machines: list[bytes], tmp_path_factory: pytest.TempPathFactory, cases: list[tuple[list[tuple[str, int, int, bytes]], bool]]
) -> None:
    """Any mutation gives the whole output or one sentence, and leaves nothing beside it."""
    usable, others = [], []
    folder = tmp_path_factory.mktemp("mutated")
    for number, (changes, packed) in enumerate(case for place, case in enumerate(cases) if case not in cases[:place]):
        text = gzip.compress(machines[number], 1) if packed else machines[number]
        for kind, at, length, data in changes:
            text = mutate(text, kind, at, length, data)
        (file := folder / f"mutant-{number}.json").write_bytes(text)
        (usable if looks_usable(file) else others).append(file)
    alone = others if not usable or whole_or_refused(usable, folder) else [*usable, *others]
    for file in alone:  # where one of several is refused, all are
        place = tmp_path_factory.mktemp("alone")
        whole_or_refused([file.rename(place / file.name)], place)


def test_a_number_without_bounds_in_a_session_costs_itself_alone(tmp_path: Path) -> None:
    paths = []
    for which, number in enumerate(["1e999", "-1e999", "123456789" * 50, "[" * 5000 + "]" * 5000]):
        path = invent.write(tmp_path / f"vm-{which}.json", hostname=f"vm-{which}", seconds=8)
        first, _, rest = path.read_text().partition("\n")
        line = json.loads(first)
        line["measurement"] = line["measurement"].replace("{", f'{{"odd":{number},', 1)
        path.write_text(json.dumps(line) + "\n" + rest)
        paths.append(path)
    assert [result.quality.facts["samples"] for result in process(paths, tmp_path / "out")] == [8] * 4


def test_whatever_number_a_session_tells_the_recording_is_read(tmp_path: Path) -> None:
    """Each number that a session has, one after the other; /proc/cpuinfo counts no CPUs, so that the session's word does."""
    paths = []
    told = json.loads(invent.write(tmp_path / "whole.json", seconds=4).read_text().partition("\n")[0])
    session = json.loads(told["measurement"])
    keys = [key for key, value in session.items() if isinstance(value, (int, float)) and not isinstance(value, bool)]
    assert {"cpus", "hz", "pid", "started", "frequency"} <= set(keys)
    for which, (key, number) in enumerate(itertools.product(keys, ["1e999", "-1", "0", "9223372036854775807", "1e300", '"x"'])):
        path = invent.write(tmp_path / f"{which}.json", hostname=f"vm-{which}", seconds=4)
        first, *lines = path.read_text().splitlines()
        line = json.loads(first)
        of = json.loads(line["measurement"])
        line["measurement"] = json.dumps({**of, "boot_id": f"boot-{which}", key: "NUMBER"}).replace('"NUMBER"', number)
        path.write_text(
            "\n".join([json.dumps(line), *(one.replace("processor", "core") if "/proc/cpuinfo" in one else one for one in lines)]) + "\n"
        )
        paths.append(path)
    with Engine() as engine:
        engine.load(list(enumerate(paths)))
        engine.derive()
        assert engine.con.execute("SELECT samples, count(*) FROM machines GROUP BY 1").fetchall() == [(4, len(paths))]


def test_of_very_many_interfaces_the_first_have_rows(tmp_path: Path) -> None:
    with Engine() as engine:
        engine.load([(1, invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=2, interfaces=1500))])
        engine.derive(percentiles=False)
        assert engine.con.execute("SELECT count(DISTINCT interface) FROM network").fetchall() == [(1000,)]
        assert engine.con.execute("SELECT subject, missed FROM quality WHERE kind = 'too_many'").fetchall() == [("interface", 500)]


def test_among_very_many_bridges_the_one_card_has_rows_and_counts(tmp_path: Path) -> None:
    """By its name alone, which is the last: the session of this collector tells no topology."""
    path = tmp_path / "vm-a.json"
    lines = []
    for second in (0, 1):
        devices = [f"{name}: {' '.join([str(1000 * second)] * 16)}" for name in (*(f"br-{number}" for number in range(9)), "wlan0")]
        texts = {"/proc/stat": f"cpu  {second} 0 0 {second} 0 0 0 0 0 0", "/proc/net/dev": "\n".join(["Inter-|", " face |bytes", *devices])}
        lines += [json.dumps({"timestamp": second + 1, "subsystem": name, "measurement": text}) for name, text in texts.items()]
    path.write_text("\n".join(lines) + "\n")
    with Engine(most_devices=2) as engine:
        engine.load([(1, path)])
        engine.derive(percentiles=False)
        rows = engine.con.execute("SELECT interface, in_total FROM network WHERE rx_bytes = 1000 ORDER BY interface").fetchall()
        assert rows == [("br-0", 0), ("wlan0", 1)]
        assert engine.con.execute("SELECT subject, missed FROM quality WHERE kind = 'too_many'").fetchall() == [("interface", 8)]


def test_no_monotonic_clock_stops_a_file(tmp_path: Path) -> None:
    """Sessions, ticks and gaps are counted by it: whatever it says, in one sample or in all, the recording is read and judged."""
    paths = []
    for which, clock in itertools.product(("one", "all"), [1e-300, 5e-324, 1e11, 1e300, -5.0, 0.0]):
        name = f"{which} {clock}"
        path = invent.write(tmp_path / f"{name}.json", hostname=name, seconds=8)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        stamps = sorted({line["timestamp"] for line in lines})
        for line in lines:
            if line["timestamp"] == stamps[4] or which == "all":
                line["monotonic"] = clock
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        paths.append(path)
    with Engine() as engine:
        engine.load(list(enumerate(paths)))
        engine.derive()
        for number, path in enumerate(paths):
            found = quality.of_engine(engine.con, number)
            assert 1 <= found.facts["samples"] <= 8, path.stem
            assert json.loads(json.dumps(found.as_json()))["samples"] == found.facts["samples"], path.stem
            assert findings.of_engine(engine.con, number, found).keys() == {run.window for run in found.runs}, path.stem
