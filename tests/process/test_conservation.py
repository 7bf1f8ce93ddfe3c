"""What holds whatever the numbers are: rates add up to the counters' growth, and cutting a collection changes nothing but the cut."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pytest

from perfkit.catalog import TABLES
from perfkit.process.engine import Cut
from perfkit.process.pipeline import ProcessOptions, process
from support import invent, machines


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def _tables(folder: Path) -> dict[str, list[dict[str, str]]]:
    return {table.name: _rows(folder / f"{table.name}.csv") for table in TABLES}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conservation")
    return invent.write(folder / "vm-a.json", seconds=90, containers=2, gaps=[(40, 7)], marks=[(20, "load", "start"), (60, "load", "end")])


@pytest.fixture(scope="module")
def whole(collection: Path) -> dict[str, list[dict[str, str]]]:
    process([collection], collection.parent / "whole")
    return _tables(collection.parent / "whole")


def test_rates_integrate_to_the_counters_growth(tmp_path: Path) -> None:
    """Uneven intervals, a gap and all: sum of rate x interval is what the counter grew by."""
    steps = [lambda machine, s=seconds: machine.pass_time(s) for seconds in (1.0, 0.4, 2.6, 1.0, 30.0, 0.1, 1.0)]  # type: ignore[misc]
    states = machines.record(machines.Machine(), steps)
    process([machines.write(states, tmp_path / "collection.json")], tmp_path / "out")
    intervals = [now.uptime - before.uptime for before, now in zip(states, states[1:])]

    def integral(table: str, column: str, **key: str) -> float:
        rows = [row for row in _rows(tmp_path / "out" / f"{table}.csv") if all(row[k] == v for k, v in key.items())]
        return sum(float(row[column]) * seconds for row, seconds in zip(rows[1:], intervals))

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


def test_cpu_shares_add_up(whole: dict[str, list[dict[str, str]]]) -> None:
    """The eight states of cpu.csv, and the five columns of host.csv, make 100 %."""
    states = ("user", "nice", "system", "iowait", "irq", "softirq", "steal", "idle")
    rated = [row for row in whole["cpu"] if row["idle"]]
    assert len(rated) == len(whole["cpu"]) - 5
    assert all(sum(float(row[state]) for state in states) == pytest.approx(100) for row in rated)
    host = [[float(row[f"cpu_{part}"]) for part in ("user", "system", "iowait", "idle", "steal")] for row in whole["host"]]
    assert all(sum(parts) == pytest.approx(100) for parts in host)


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.77])
def test_two_halves_make_the_same_rows_but_for_the_cut(
    collection: Path, whole: dict[str, list[dict[str, str]]], tmp_path: Path, cut: float
) -> None:
    lines = collection.read_bytes().splitlines(keepends=True)
    at = int(len(lines) * cut)
    (tmp_path / "first.json").write_bytes(b"".join(lines[:at]))
    (tmp_path / "second.json").write_bytes(b"".join(lines[:1] + lines[at:]))
    for half in ("first", "second"):
        process([tmp_path / f"{half}.json"], tmp_path / half)
    border = _instant(lines[at])
    for table, rows in whole.items():
        halves = [row for half in ("first", "second") for row in _rows(tmp_path / half / f"{table}.csv")]
        apart = [row for row in halves if row["timestamp"] not in border]
        assert apart == [row for row in rows if row["timestamp"] not in border], table


def _instant(line: bytes) -> set[str]:
    """The CSV instants of the sample that `line` belongs to, and of the one after it."""
    import json
    from datetime import datetime, timezone

    found = json.loads(line)
    moment = datetime.fromtimestamp(found["timestamp"], timezone.utc)
    return {
        moment.replace(second=(moment.second + n) % 60, minute=moment.minute + (moment.second + n) // 60).strftime("%Y-%m-%dT%H:%M:%S.001Z")
        for n in (0, 1)
    }


def test_parts_in_any_form_and_order_are_one_timeline(collection: Path, whole: dict[str, list[dict[str, str]]], tmp_path: Path) -> None:
    """A rotated collection, its second part gzipped and named first, a part given twice, and lines shuffled: the same tables."""
    lines = collection.read_bytes().splitlines(keepends=True)
    at = len(lines) // 2
    body = lines[1:at]
    random.Random(5).shuffle(body)
    (tmp_path / "vm.json").write_bytes(b"".join(lines[:1] + body))
    with gzip.open(tmp_path / "vm-002.json.gz", "wb") as file:
        file.writelines(lines[:1] + lines[at:])
    (tmp_path / "again.json").write_bytes(b"".join(lines[:at]))
    results = process([tmp_path / name for name in ("vm-002.json.gz", "vm.json", "again.json")], tmp_path / "out")
    assert [result.folder for result in results] == [tmp_path / "out"]
    assert _tables(tmp_path / "out") == whole
    twice = sum(b'"perfkit/' not in line for line in lines[:at])
    assert {"kind": "duplicate", "missed": twice} in [
        {key: event[key] for key in ("kind", "missed")} for event in results[0].quality.as_json()["events"]
    ]


def test_a_window_keeps_the_rates_of_the_whole(collection: Path, whole: dict[str, list[dict[str, str]]], tmp_path: Path) -> None:
    since, until = invent.START * 1000 + 30_000, invent.START * 1000 + 39_999
    process([collection], tmp_path / "out", ProcessOptions(window=Cut(since, until)))
    kept = {f"2026-01-01T00:00:{second}.001Z" for second in range(30, 40)}
    cut = _tables(tmp_path / "out")
    for table in ("cpu", "disk", "network", "memory", "tcp", "system", "pressure", "containers"):
        assert cut[table] == [row for row in whole[table] if row["timestamp"] in kept], table
    assert cut["host"] == [row for row in whole["host"] if row["timestamp"] in kept]


def test_between_keeps_one_phase(collection: Path, tmp_path: Path) -> None:
    process([collection], tmp_path / "out", ProcessOptions(window=Cut(phase="load")))
    instants = [row["timestamp"] for row in _rows(tmp_path / "out" / "memory.csv")]
    assert (instants[0], instants[-1], len(instants)) == ("2026-01-01T00:00:20.001Z", "2026-01-01T00:01:00.001Z", 34)
