"""Exact replay against sysstat: invented machines, read by an unmodified sadc in a chroot and by perfkit, agree within 0.01.

Where perfkit differs on purpose, the scenario names what it leaves empty: it gives no rate across a reset, a hot-plug or the return
of a CPU, where sysstat charges the whole counter to one interval or counts 0.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from perfkit.process import findings
from perfkit.process.pipeline import process
from support import machines
from support.machines import Machine, grow
from support.running import made_once, wait_for

SADC = Path("/usr/lib/sysstat/sadc")
pytestmark = [
    pytest.mark.skipif(not SADC.exists() or not shutil.which("sadf"), reason="sysstat is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="sadc is run in a chroot, which needs root"),
]

Step = Callable[[Machine], None]
TOLERANCE = 0.01


def second(machine: Machine) -> None:
    machine.pass_time()


def then(change: Step, seconds: float = 1.0) -> Step:
    """An ordinary second, and then the change."""

    def step(machine: Machine) -> None:
        machine.pass_time(seconds)
        change(machine)

    return step


@dataclass(frozen=True)
class Scenario:
    """What happens to a machine between its snapshots, and which (interval, table, device) have no rate on purpose."""

    name: str
    steps: list[Step]
    machine: Machine = field(default_factory=Machine)
    empty: frozenset[tuple[int, str, str]] = frozenset()


def _put(group: str, name: str, value: list[int]) -> Step:
    return lambda machine: getattr(machine, group).__setitem__(name, value)


def _drop(group: str, name: str) -> Step:
    return lambda machine: getattr(machine, group).pop(name)


def _iowait_falls(machine: Machine) -> None:
    machine.cpus["0"][4] -= 9


def _stands_still(machine: Machine) -> None:
    held = list(machine.cpus["1"])
    machine.pass_time()
    machine.cpus["1"] = held


def _reset_disk_and_nic(machine: Machine) -> None:
    machine.disks["sda"] = list(machines.READING)
    machine.nics["eth0"] = list(machines.TALKING)


def _reboot(machine: Machine) -> None:
    machine.boot, machine.uptime = machine.boot + 1, 20.0
    machine.wall += 60
    for counters in (machine.cpus, machine.disks, machine.nics):
        for counter in counters.values():
            counter[:] = [value // 1000 for value in counter]


def _virtual(machine: Machine) -> None:
    machine.pass_time()
    for cpu in machine.cpus.values():
        grow(cpu, [40, 10, 0, 0, 0, 0, 0, 25, 35, 8], 1)


_WRAPPING = [5000] * 3 + [2**32 - 20] + [5000] * 3 + [2**32 - 50, 0, 2**32 - 30, 2**32 - 100] + [5000] * 6
_STACK = ("sda", "sda1", "sda2", "dm-0", "md0", "loop0", "sr0")

SCENARIOS = [
    Scenario("steady", [second] * 4),
    Scenario(
        "cpu_offline_and_back",
        [second, then(_drop("cpus", "1")), second, then(_put("cpus", "1", [9000] * 8 + [0, 0]))],
        empty=frozenset({(3, "cpu", "1")}),
    ),
    Scenario("iowait_falls", [second, then(_iowait_falls), second, second], Machine(cpus={"0": [9000] * 8 + [0, 0]})),
    Scenario("tickless_cpu", [second, _stands_still, second, second]),
    Scenario("counters_reset", [second, then(_reset_disk_and_nic), second], empty=frozenset({(1, "disk", "sda"), (1, "network", "eth0")})),
    Scenario("reboot", [second, _reboot, second, second]),
    Scenario("tick_fields_wrap", [second] * 4, Machine(disks={"sda": _WRAPPING})),
    Scenario("disk_plugged_in", [second, then(_put("disks", "sdc", [70] * 17)), second], empty=frozenset({(1, "disk", "sdc")})),
    Scenario("disk_pulled", [second, then(_drop("disks", "sdb")), second]),
    Scenario("nic_plugged_in", [second, then(_put("nics", "eth1", [500] * 16)), second], empty=frozenset({(1, "network", "eth1")})),
    Scenario("partitions_dm_md_loop", [second] * 3, Machine(disks={name: [900 * (n + 1)] * 17 for n, name in enumerate(_STACK)})),
    Scenario("nvme_names", [second] * 3, Machine(disks={"nvme0n1": [500] * 17, "nvme0n1p1": [300] * 17, "nvme10n1": [800] * 17})),
    Scenario("steal_and_guest", [_virtual] * 3),
    Scenario("gap", [second, then(second, 6.25), second]),
    Scenario("uneven_intervals", [then(lambda machine: None, seconds) for seconds in (0.37, 1.63, 2.5)]),
]


@dataclass(frozen=True)
class Outcome:
    """sysstat's statistics, and the instants of ours that they belong to; our tables' rows by (instant, device)."""

    theirs: list[dict[str, Any]]
    ours: dict[str, dict[tuple[str, str], dict[str, str]]]
    instants: list[str]
    devices: dict[str, dict[str, str]]  # per instant, sysstat's name ("dev8-0") to the kernel's


@pytest.fixture(scope="module")
def outcomes(shared: Path) -> dict[str, Outcome]:
    """By scenario."""
    recorded = {scenario.name: machines.record(scenario.machine, scenario.steps) for scenario in SCENARIOS}
    base = made_once(shared / "sysstat", lambda base: _record(base, recorded))
    return {name: _outcome(base / name, states) for name, states in recorded.items()}


def _record(base: Path, recorded: dict[str, list[Machine]]) -> None:
    """All scenarios at once, each snapshot in a second of its own: sadc's timestamps are whole seconds."""
    for name in recorded:
        _prepare(base / name)
    for n in range(max(map(len, recorded.values()))):
        children = [_snapshot(base / name, states, n) for name, states in recorded.items() if n < len(states)]
        assert [child.wait() for child in children] == [0] * len(children)
        last = int(time.time())
        wait_for(lambda last=last: int(time.time()) > last)  # however late the last one was
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "of_engine", lambda *arguments: {})  # half of what it costs, and nobody looks at them
        _process(base, recorded)


def _prepare(root: Path) -> None:
    """A root folder with sadc and its libraries."""
    libraries = [word for word in subprocess.check_output(["ldd", SADC], text=True).split() if word.startswith("/")]
    for file in (SADC, *map(Path, libraries)):
        target = root / file.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (root / "dev").mkdir()


def _snapshot(root: Path, states: list[Machine], n: int) -> subprocess.Popen[bytes]:
    for folder in ("proc", "sys"):
        shutil.rmtree(root / folder, ignore_errors=True)
    states[n].lay_out(root)
    if n and states[n].boot != states[n - 1].boot:
        subprocess.run(["chroot", root, SADC, "/record"], check=True, capture_output=True)  # as sysstat's service does at boot
    return subprocess.Popen(["chroot", root, SADC, "-S", "DISK", "1", "1", "/record"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _process(base: Path, recorded: dict[str, list[Machine]]) -> None:
    """The tables of every scenario, in one go: each is a machine of its own."""
    files = []
    for name, states in recorded.items():
        file = machines.write(states, base / name / "collection.json")
        file.write_text(file.read_text().replace('\\"oracle\\"', f'\\"{name}\\"'))
        files.append(file)
    found = process(files, base / "output")
    assert [result.name for result in found] == list(recorded)
    for result in found:
        assert result.folder
        result.folder.rename(base / result.name / "output")


def _outcome(root: Path, states: list[Machine]) -> Outcome:
    flags = ["-u", "ALL", "-P", "ALL", "-d", "-n", "DEV", "-r", "ALL", "-w", "-q", "-B", "-W"]
    report = json.loads(subprocess.check_output(["sadf", "-j", root / "record", "--", *flags], env={**os.environ, "S_TIME_FORMAT": "ISO"}))
    keys = {"cpu": "cpu", "disk": "device", "network": "interface", "memory": None, "system": None}
    ours = {
        table: {(row["timestamp"], row[key] if key else ""): row for row in _rows(root / "output" / f"{table}.csv")}
        for table, key in keys.items()
    }
    instants = sorted({instant for instant, _ in ours["memory"]})
    pairs = [instants[n] for n in range(1, len(states)) if states[n].boot == states[n - 1].boot]
    devices = {at: {f"dev500-{n}": name for n, name in enumerate(state.disks)} for at, state in zip(instants, states)}
    return Outcome(report["sysstat"]["hosts"][0]["statistics"], ours, pairs, devices)


def _rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def _compare(row: dict[str, str], figures: dict[str, float], wanted: dict[str, float]) -> None:
    for name, value in figures.items():
        assert value == pytest.approx(wanted[name], abs=TOLERANCE), (name, row)


def _number(text: str) -> float:
    return float(text or 0)


@pytest.fixture(params=SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


def test_every_interval_is_there(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    outcome = outcomes[scenario.name]
    assert len(outcome.theirs) == len(outcome.instants) >= 2


def test_cpu_shares_equal_sysstat(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    """Its user and nice leave guest time out, ours leave it inside as the kernel does; its `all` sums the CPUs' own shares."""
    outcome = outcomes[scenario.name]
    for n, (instant, theirs) in enumerate(zip(outcome.instants, outcome.theirs)):
        for wanted in theirs["cpu-load"]:
            row = outcome.ours["cpu"][instant, wanted["cpu"]]
            if _differs_by_design(scenario, n, wanted["cpu"], row):
                continue
            share = {column: float(row[column]) for column in row if column not in ("timestamp", "cpu")}
            figures = {"usr": share["user"] - share["guest"], "nice": share["nice"] - share["guest_nice"], "sys": share["system"]}
            figures |= {
                "iowait": share["iowait"],
                "steal": share["steal"],
                "irq": share["irq"],
                "soft": share["softirq"],
                "idle": share["idle"],
            }
            _compare(row, {**figures, "guest": share["guest"], "gnice": share["guest_nice"]}, wanted)


def _differs_by_design(scenario: Scenario, n: int, cpu: str, row: dict[str, str]) -> bool:
    """A returned CPU has no rate with us, and neither program's `all` means the same while a CPU comes, goes or sleeps tickless."""
    if (n, "cpu", cpu) in scenario.empty:
        assert row["idle"] == ""
        return True
    return cpu == "all" and (scenario.name, n) in {("cpu_offline_and_back", 1), ("cpu_offline_and_back", 3), ("tickless_cpu", 1)}


def test_disk_figures_equal_sysstat(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    """A device without requests has no await with us, and 0 there."""
    outcome = outcomes[scenario.name]
    for n, (instant, theirs) in enumerate(zip(outcome.instants, outcome.theirs)):
        for wanted in theirs["disk"]:
            device = outcome.devices[instant][wanted["disk-device"]]
            row = outcome.ours["disk"][instant, device]
            if (n, "disk", device) in scenario.empty:
                assert row["read_ops"] == "" and wanted["tps"] > 0
                continue
            figures = {"tps": sum(float(row[f"{kind}_ops"]) for kind in ("read", "write", "discard"))}
            figures |= {f"{kind[0]}kB": float(row[f"{kind}_bytes"]) / 1024 for kind in ("read", "write", "discard")}
            figures |= {"await": _number(row["await_ms"]), "aqu-sz": float(row["queue_length"]), "util-percent": float(row["util_percent"])}
            _compare(row, figures, wanted)


def test_network_rates_equal_sysstat(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    outcome = outcomes[scenario.name]
    for n, (instant, theirs) in enumerate(zip(outcome.instants, outcome.theirs)):
        for wanted in theirs["network"]["net-dev"]:
            row = outcome.ours["network"][instant, wanted["iface"]]
            if (n, "network", wanted["iface"]) in scenario.empty:
                assert row["rx_bytes"] == "" and wanted["rxkB"] > 0
                continue
            figures = {"rxpck": float(row["rx_packets"]), "txpck": float(row["tx_packets"])}
            _compare(row, {**figures, "rxkB": float(row["rx_bytes"]) / 1024, "txkB": float(row["tx_bytes"]) / 1024}, wanted)


def test_memory_and_system_equal_sysstat(outcomes: dict[str, Outcome], scenario: Scenario) -> None:
    """`memused` is our sysstat_used_kb; used_kb is what is not available."""
    outcome = outcomes[scenario.name]
    for instant, theirs in zip(outcome.instants, outcome.theirs):
        memory, system = outcome.ours["memory"][instant, ""], outcome.ours["system"][instant, ""]
        same = {"memfree": "free_kb", "avail": "available_kb", "memused": "sysstat_used_kb", "buffers": "buffers_kb", "cached": "cached_kb"}
        same |= {
            "commit": "committed_kb",
            "active": "active_kb",
            "inactive": "inactive_kb",
            "dirty": "dirty_kb",
            "anonpg": "anon_kb",
            "slab": "slab_kb",
        }
        _compare(memory, {name: float(memory[column]) for name, column in same.items()}, theirs["memory"])
        _compare(system, {"cswch": float(system["context_switches"]), "proc": float(system["forks"])}, theirs["process-and-context-switch"])
        paging = {"pgpgin": "page_in_kb", "pgpgout": "page_out_kb", "majflt": "major_faults"}
        _compare(system, {name: float(system[column]) for name, column in paging.items()}, theirs["paging"])
        _compare(system, {"ldavg-1": float(system["load1"]), "blocked": float(system["blocked"])}, theirs["queue"])
