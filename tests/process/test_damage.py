"""Whatever a collection has been through: what can be read is read, what cannot is counted, and nothing is left half-written."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfkit.errors import BadInput, PerfkitError
from perfkit.process.engine import Engine
from perfkit.process.pipeline import process
from support import invent
from support.tables import FILES, rows


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage") / "vm-a.json"
    return invent.write(path, seconds=12, cpus=2, disks=1, containers=1, marks=[(2.0, "steady", "start"), (9.0, "steady", "end")])


@pytest.fixture(scope="module")
def whole(recording: Path) -> Path:
    """What `process` makes of it undamaged; not to be changed."""
    process([recording], recording.with_name("whole"))
    return recording.with_name("whole")


def quality(folder: Path) -> dict[str, object]:
    found = json.loads((folder / "quality.json").read_text())
    assert isinstance(found, dict)
    return found


def test_a_last_line_without_its_end_costs_that_sample_only(recording: Path, whole: Path, tmp_path: Path) -> None:
    text = recording.read_bytes()
    at = text.rindex(b'"subsystem":"/proc/stat"')
    (cut := tmp_path / "cut.json").write_bytes(text[: at + 60])
    process([cut], tmp_path / "out")
    assert rows(tmp_path / "out" / "host.csv") == rows(whole / "host.csv")[:-1]
    assert quality(tmp_path / "out")["truncated"] is True
    assert quality(tmp_path / "out")["end_line"] is False
    assert quality(tmp_path / "out")["unreadable_lines"] == 0


def test_a_truncated_gzip_gives_what_can_be_read(recording: Path, whole: Path, tmp_path: Path) -> None:
    packed = gzip.compress(recording.read_bytes())
    (cut := tmp_path / "vm-a.json.gz").write_bytes(packed[: len(packed) * 2 // 3])
    process([cut], tmp_path / "out")
    got, all_rows = rows(tmp_path / "out" / "memory.csv"), rows(whole / "memory.csv")
    assert 3 < len(got) < len(all_rows)
    assert got == all_rows[: len(got)]
    assert quality(tmp_path / "out")["truncated"] is True


@pytest.mark.parametrize("first", [b"\x00\xff garbage\n", b'{"timestamp":-5,"subsystem":"/proc/stat","measurement":"cpu  1"}\n'])
def test_unreadable_lines_are_counted_and_the_first_is_located(recording: Path, whole: Path, tmp_path: Path, first: bytes) -> None:
    lines = recording.read_bytes().splitlines(keepends=True)
    lines[20:20] = [first, b'{"timestamp":"soon","subsystem":1}\n']
    lines.insert(50, b"[1,2,3]\n")
    (damaged := tmp_path / "damaged.json").write_bytes(b"".join(lines))
    process([damaged], tmp_path / "out")
    assert (tmp_path / "out" / "host.csv").read_bytes() == (whole / "host.csv").read_bytes()
    found = quality(tmp_path / "out")
    assert found["unreadable_lines"] == 3
    (event,) = (e for e in found["events"] if e["kind"] == "damaged")  # type: ignore[attr-defined]
    assert (event["missed"], event["detail"]) == (3, "first in line 21")


def test_lines_out_of_order_and_lines_sent_twice_change_no_row(recording: Path, whole: Path, tmp_path: Path) -> None:
    first, *lines = recording.read_bytes().splitlines(keepends=True)
    twice = lines + lines[30:60]
    random.Random(7).shuffle(twice)
    (shuffled := tmp_path / "shuffled.json").write_bytes(first + b"".join(twice))
    process([shuffled], tmp_path / "out")
    for name in ("host.csv", "cpu.csv", "disk.csv", "containers.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes(), name


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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=mutations(), packed=st.booleans())
def test_no_damage_ends_in_a_traceback_or_in_half_an_output(
    recording: Path, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int, int, bytes]], packed: bool
) -> None:
    """Any mutation gives the whole output or one sentence, and leaves nothing beside it."""
    folder = tmp_path_factory.mktemp("mutated")
    text = gzip.compress(recording.read_bytes(), 1) if packed else recording.read_bytes()
    for kind, at, length, data in changes:
        text = mutate(text, kind, at, length, data)
    (file := folder / "vm-a.json").write_bytes(text)
    try:
        process([file], folder / "out")
    except PerfkitError as error:
        assert str(error).endswith(".")
        assert [entry.name for entry in folder.iterdir()] == ["vm-a.json"]
    else:
        assert {entry.name for entry in folder.iterdir()} == {"vm-a.json", "out"}
        assert {entry.name for entry in (folder / "out").iterdir()} == FILES


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
    path = invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=4, interfaces=1500)
    [result] = process([path], tmp_path / "out")
    with (tmp_path / "out" / "network.csv").open() as file:
        names = {line.split(",")[1] for line in file} - {"interface"}
    assert len(names) == 1000
    assert [(one.subject, one.missed) for one in result.quality.events if one.kind == "too_many"] == [("interface", 500)]


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


@pytest.mark.parametrize("which", ["one sample", "every sample"])
def test_no_monotonic_clock_stops_a_file(tmp_path: Path, which: str) -> None:
    """Sessions, ticks and gaps are counted by it: whatever it says, the recording is read."""
    paths = []
    for number, clock in enumerate([1e-300, 5e-324, 1e11, 1e300, -5.0, 0.0]):
        path = invent.write(tmp_path / f"vm-{number}.json", hostname=f"vm-{number}", seconds=8)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        stamps = sorted({line["timestamp"] for line in lines})
        for line in lines:
            if line["timestamp"] == stamps[4] or which == "every sample":
                line["monotonic"] = clock
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        paths.append(path)
    found = process(paths, tmp_path / "out")
    assert [result.name for result in found] == [path.stem for path in paths]
    assert [result.name for result in found if not 1 <= result.quality.facts["samples"] <= 8] == []
