"""quality.json names what a reader of the numbers has to know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from perfkit.process.pipeline import process
from support import machines
from support.machines import Machine
from support.tables import rows

Event = tuple[str, str]


def second(machine: Machine) -> None:
    machine.pass_time()


def _reboot(machine: Machine) -> None:
    machine.pass_time(90)
    machine.boot, machine.uptime = 2, 15.0


def _clock_back(machine: Machine) -> None:
    machine.pass_time()
    machine.wall -= 30.5


def _reset(machine: Machine) -> None:
    machine.pass_time()
    machine.disks["sda"] = [1] * 17


def _plug(machine: Machine) -> None:
    machine.pass_time()
    machine.nics["eth1"] = [0] * 16


def _unplug(machine: Machine) -> None:
    machine.pass_time()
    machine.disks.pop("sdb")


def _gap(machine: Machine) -> None:
    machine.pass_time(6)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(second, set(), id="nothing"),
        pytest.param(_gap, {("gap", "")}, id="gap"),
        pytest.param(_reboot, {("reboot", "")}, id="reboot"),
        pytest.param(_clock_back, {("clock_step", "")}, id="clock step"),
        pytest.param(_reset, {("reset", "disk sda")}, id="reset"),
        pytest.param(_plug, {("hot_plug", "network eth1")}, id="hot-plug"),
        pytest.param(_unplug, {("unplug", "disk sdb")}, id="unplug"),
    ],
)
def test_each_event_is_named_with_its_device(tmp_path: Path, step: Callable[[Machine], None], expected: set[Event]) -> None:
    states = machines.record(Machine(), [second, second, step, second, second])
    result = process([machines.write(states, tmp_path / "collection.json")], tmp_path / "out")[0]
    told = {(event["kind"], event["subject"]) for event in result.quality.as_json()["events"]}
    # pcc tells no topology: names decide which disks and interfaces count.
    assert told == expected | {("guessed_totals", "disk"), ("guessed_totals", "interface")}


def test_a_disk_of_the_same_name_under_another_number_is_another_disk(tmp_path: Path) -> None:
    file = machines.write(machines.record(Machine(), [second, second, second, second]), tmp_path / "collection.json")
    lines = file.read_text().splitlines(keepends=True)
    later = [
        line.replace("500       0 sda", "500      16 sda") if f'"timestamp": {machines.START + 2}' <= line[1:24] else line for line in lines
    ]
    file.write_text("".join(later))
    result = process([file], tmp_path / "out")[0]
    assert [row["read_ops"] for row in rows(tmp_path / "out" / "disk.csv") if row["device"] == "sda"] == ["", "20.0", "", "20.0", "20.0"]
    told = [(event["kind"], event["subject"]) for event in result.quality.as_json()["events"] if event["kind"] != "guessed_totals"]
    assert told == [("reset", "disk sda")]


def test_coverage_counts_what_a_gap_misses(tmp_path: Path) -> None:
    states = machines.record(Machine(), [second, second, _gap, second])
    told = process([machines.write(states, tmp_path / "collection.json")], tmp_path / "out")[0].quality.as_json()
    assert (told["samples"], told["samples_expected"], told["coverage"]) == (5, 10, 50.0)
    assert [event["missed"] for event in told["events"] if event["kind"] == "gap"] == [5]
    assert (told["period_ms"], told["unreadable_lines"], told["truncated"]) == (1000.0, 0, False)
