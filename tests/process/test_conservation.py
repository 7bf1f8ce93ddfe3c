"""What holds whatever the numbers are: rates add up to the counters' growth, and cutting a collection changes nothing but the cut."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfkit.catalog import TABLES
from perfkit.process import quality
from perfkit.process.engine import Cut, Engine
from perfkit.process.machines import group
from support import invent, machines

Tables = dict[str, list[dict[str, Any]]]
CUTS = (0.2, 0.5, 0.77)


def _rows(engine: Engine, table: str, *machines: int) -> list[dict[str, Any]]:
    """A table's rows of these machines, in order."""
    found = engine.con.execute(f"SELECT * FROM {table} WHERE list_contains($machines, machine) ORDER BY ALL", {"machines": list(machines)})
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row)) for row in found.fetchall()]


def _tables(engine: Engine, *machines: int) -> Tables:
    """Every table's rows of these machines, as if they were one."""
    found = {}
    for table in TABLES:
        rows = [{name: cell for name, cell in row.items() if name != "machine"} for row in _rows(engine, table.name, *machines)]
        found[table.name] = sorted(rows, key=lambda row: [row["timestamp"], *(row[key.name] for key in table.keys)])
    return found


def _steps() -> list[machines.Machine]:
    """A machine with uneven intervals, a gap and all."""
    steps = [lambda machine, s=seconds: machine.pass_time(s) for seconds in (1.0, 0.4, 2.6, 1.0, 30.0, 0.1, 1.0)]  # type: ignore[misc]
    return machines.record(machines.Machine(), steps)


WHOLE, UNEVEN, IN_PARTS = 0, 1, 2
HALVES = {cut: (3 + 2 * place, 4 + 2 * place) for place, cut in enumerate(CUTS)}


def _in_parts(lines: list[bytes], folder: Path) -> list[Path]:
    """A rotated collection, its second part gzipped and named first, a part given twice, and lines shuffled."""
    at = len(lines) // 2
    body = lines[1:at]
    random.Random(5).shuffle(body)
    (folder / "vm.json").write_bytes(b"".join(lines[:1] + body))
    with gzip.open(folder / "vm-002.json.gz", "wb") as file:
        file.writelines(lines[:1] + lines[at:])
    (folder / "again.json").write_bytes(b"".join(lines[:at]))
    return [folder / name for name in ("vm-002.json.gz", "vm.json", "again.json")]


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conservation")
    return invent.write(folder / "vm-a.json", seconds=90, containers=2, gaps=[(40, 7)], marks=[(20, "load", "start"), (60, "load", "end")])


@pytest.fixture(scope="module")
def engine(collection: Path) -> Iterator[Engine]:
    """The collection, whole, in halves and in parts, and one with uneven intervals: machines of one engine."""
    lines = collection.read_bytes().splitlines(keepends=True)
    folder = collection.parent
    files = [(WHOLE, collection), (UNEVEN, machines.write(_steps(), folder / "uneven.json"))]
    for cut, (first, second) in HALVES.items():
        at = int(len(lines) * cut)
        for number, half in ((first, lines[:at]), (second, lines[:1] + lines[at:])):
            (file := folder / f"half-{number}.json").write_bytes(b"".join(half))
            files.append((number, file))
    files += [(IN_PARTS, file) for file in _in_parts(lines, folder)]
    with Engine() as made:
        made.load(files)
        made.derive(percentiles=False)
        yield made


@pytest.fixture(scope="module")
def whole(engine: Engine) -> Tables:
    return _tables(engine, WHOLE)


def test_rates_integrate_to_the_counters_growth(engine: Engine) -> None:
    """Uneven intervals, a gap and all: sum of rate x interval is what the counter grew by."""
    states = _steps()
    intervals = [now.uptime - before.uptime for before, now in zip(states, states[1:])]

    def integral(table: str, column: str, **key: str) -> float:
        rows = [row for row in _rows(engine, table, UNEVEN) if all(row[k] == v for k, v in key.items())]
        assert len(rows) == len(states)
        return sum(row[column] * seconds for row, seconds in zip(rows[1:], intervals))

    first, last = states[0], states[-1]
    for field, scale, column in (
        (0, 1, "read_ops"),
        (2, 512, "read_bytes"),
        (4, 1, "write_ops"),
        (6, 512, "write_bytes"),
        (13, 512, "discard_bytes"),
    ):
        growth = last.disks["sda"][field] - first.disks["sda"][field]
        assert integral("disk", column, device="sda") == pytest.approx(growth * scale)
    for field, column in ((0, "rx_bytes"), (1, "rx_packets"), (8, "tx_bytes"), (9, "tx_packets")):
        assert integral("network", column, interface="eth0") == pytest.approx(last.nics["eth0"][field] - first.nics["eth0"][field])
    assert integral("system", "context_switches") == pytest.approx(last.switches - first.switches)


def test_cpu_shares_add_up(whole: Tables) -> None:
    """The eight states of cpu.csv, and the five columns of host.csv, make 100 %."""
    states = ("user", "nice", "system", "iowait", "irq", "softirq", "steal", "idle")
    rated = [row for row in whole["cpu"] if row["idle"] is not None]
    assert len(rated) == len(whole["cpu"]) - 5 > 0
    assert all(sum(row[state] for state in states) == pytest.approx(100) for row in rated)
    host = [[row[f"cpu_{part}"] for part in ("user", "system", "iowait", "idle", "steal")] for row in whole["host"]]
    assert all(sum(parts) == pytest.approx(100) for parts in host)


@pytest.mark.parametrize("cut", CUTS)
def test_two_halves_make_the_same_rows_but_for_the_cut(collection: Path, engine: Engine, whole: Tables, cut: float) -> None:
    lines = collection.read_bytes().splitlines(keepends=True)
    border = _instant(lines[int(len(lines) * cut)])
    halves = _tables(engine, *HALVES[cut])
    for table, rows in whole.items():
        apart = [row for row in halves[table] if row["timestamp"] not in border]
        assert apart == [row for row in rows if row["timestamp"] not in border], table
        assert bool(rows) == (table not in WITHOUT_ROWS), table


# What the collection has no lines of.
WITHOUT_ROWS = {"services", "processes", "process_names", "cpu_limits", "interface_limits", "limits"}


def _instant(line: bytes) -> set[int]:
    """The instants (ms) of the sample that `line` belongs to, and of the one after it."""
    second = json.loads(line)["timestamp"]
    return {1000 * second + 1, 1000 * second + 1001}


def test_parts_in_any_form_and_order_are_one_timeline(collection: Path, engine: Engine, whole: Tables) -> None:
    """A rotated collection, its second part gzipped and named first, a part given twice, and lines shuffled: the same tables."""
    files = [collection.with_name(name) for name in ("vm-002.json.gz", "vm.json", "again.json")]
    assert len(group(files)) == 1
    assert _tables(engine, IN_PARTS) == whole
    lines = collection.read_bytes().splitlines(keepends=True)
    twice = sum(b'"perfkit/' not in line for line in lines[: len(lines) // 2])
    told = quality.of_engine(engine.con, IN_PARTS).as_json()["events"]
    assert {"kind": "duplicate", "missed": twice} in [{key: event[key] for key in ("kind", "missed")} for event in told]


def test_what_is_asked_for_keeps_the_rates_of_the_whole(collection: Path, whole: Tables) -> None:
    """A window, and a phase."""
    since, until = invent.START * 1000 + 30_000, invent.START * 1000 + 39_999
    kept = {invent.START * 1000 + 1000 * second + 1 for second in range(30, 40)}
    with Engine() as engine:
        engine.load([(WHOLE, collection)])
        engine.derive(window=Cut(since, until), percentiles=False)
        for table, rows in _tables(engine, WHOLE).items():
            assert rows == [row for row in whole[table] if row["timestamp"] in kept], table
        engine.derive(window=Cut(phase="load"), percentiles=False)
        instants = [(row["timestamp"] - 1) // 1000 - invent.START for row in _rows(engine, "memory", WHOLE)]
    assert (instants[0], instants[-1], len(instants)) == (20, 60, 34)
