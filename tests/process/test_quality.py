"""quality.json names what a reader of the numbers has to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from perfkit.process import quality
from perfkit.process.engine import Engine
from support import machines
from support.machines import Machine

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


EVENTS: dict[str, tuple[Callable[[Machine], None], set[Event]]] = {
    "nothing": (second, set()),
    "gap": (_gap, {("gap", "")}),
    "reboot": (_reboot, {("reboot", "")}),
    "clock step": (_clock_back, {("clock_step", "")}),
    "reset": (_reset, {("reset", "disk sda")}),
    "hot-plug": (_plug, {("hot_plug", "network eth1")}),
    "unplug": (_unplug, {("unplug", "disk sdb")}),
}


def _renumbered(file: Path) -> Path:
    """Another disk comes in the place of sda, under its name."""
    lines = file.read_text().splitlines(keepends=True)
    later = [
        line.replace("500       0 sda", "500      16 sda") if f'"timestamp": {machines.START + 2}' <= line[1:24] else line for line in lines
    ]
    file.write_text("".join(later))
    return file


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A machine of each of EVENTS, then two others, whose recordings are read at once."""
    folder = tmp_path_factory.mktemp("quality")
    stories = [[second, second, step, second, second] for step, _ in EVENTS.values()]
    stories += [[second] * 4, [second, second, _gap, second]]
    files = [machines.write(machines.record(Machine(), steps), folder / f"{n}.json") for n, steps in enumerate(stories)]
    _renumbered(files[RENUMBERED])
    with Engine() as made:
        made.load(list(enumerate(files)))
        made.derive(percentiles=False)
        yield made


RENUMBERED, WITH_A_GAP = len(EVENTS), len(EVENTS) + 1


def _told(engine: Engine, number: int) -> dict[str, Any]:
    return quality.of_engine(engine.con, number).as_json()


@pytest.mark.parametrize("name", EVENTS)
def test_each_event_is_named_with_its_device(engine: Engine, name: str) -> None:
    told = {(event["kind"], event["subject"]) for event in _told(engine, list(EVENTS).index(name))["events"]}
    # pcc tells no topology: names decide which disks and interfaces count.
    assert told == EVENTS[name][1] | {("guessed_totals", "disk"), ("guessed_totals", "interface")}


def test_a_disk_of_the_same_name_under_another_number_is_another_disk(engine: Engine) -> None:
    reads = engine.con.execute("SELECT read_ops FROM disk WHERE device = 'sda' AND machine = ? ORDER BY timestamp", [RENUMBERED])
    assert reads.fetchall() == [(None,), (20,), (None,), (20,), (20,)]
    told = [(event["kind"], event["subject"]) for event in _told(engine, RENUMBERED)["events"] if event["kind"] != "guessed_totals"]
    assert told == [("reset", "disk sda")]


def test_coverage_counts_what_a_gap_misses(engine: Engine) -> None:
    told = _told(engine, WITH_A_GAP)
    assert (told["samples"], told["samples_expected"], told["coverage"]) == (5, 10, 50.0)
    assert [event["missed"] for event in told["events"] if event["kind"] == "gap"] == [5]
    assert (told["period_ms"], told["unreadable_lines"], told["truncated"]) == (1000.0, 0, False)
