"""Invented machines as snapshots of /proc, for an oracle: what sysstat reads and what a collection holds is the same text."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

START = 1_767_225_600
_MEMORY = {
    "MemTotal": 16_000_000,
    "MemFree": 6_000_000,
    "MemAvailable": 12_000_000,
    "Buffers": 75_000,
    "Cached": 4_000_000,
    "Active": 3_000_000,
}
_MEMORY |= {"Inactive": 2_500_000, "SwapTotal": 2_000_000, "SwapFree": 1_500_000, "Dirty": 900, "AnonPages": 2_000_000, "Shmem": 5_000}
_MEMORY |= {
    "Slab": 250_000,
    "SReclaimable": 160_000,
    "KernelStack": 4_000,
    "PageTables": 5_000,
    "Committed_AS": 5_000_000,
    "VmallocUsed": 32_000,
}

# user nice system idle iowait irq softirq steal guest guest_nice: ticks of one second
TYPICAL = [30, 2, 12, 45, 5, 1, 2, 3, 0, 0]
# reads merged sectors ms, writes merged sectors ms, in flight, busy ms, queue ms, discards merged sectors ms, flushes ms: of one second
READING = [20, 3, 640, 35, 40, 9, 1600, 120, 0, 90, 155, 2, 0, 64, 1, 1, 1]
# received bytes packets errs drop fifo frame compressed multicast, sent the same: of one second
TALKING = [48_000, 100, 0, 0, 0, 0, 0, 1, 91_000, 120, 0, 0, 0, 0, 0, 0]


@dataclass
class Machine:
    """A machine's counters at one instant; `boot` counts its boots."""

    uptime: float = 1000.0
    wall: float = START
    boot: int = 1
    cpus: dict[str, list[int]] = field(
        default_factory=lambda: {"0": [9000, 100, 3000, 80_000, 700, 50, 90, 60, 0, 0], "1": [8000] * 8 + [0, 0]}
    )
    disks: dict[str, list[int]] = field(default_factory=lambda: {"sda": [5000] * 17, "sdb": [100] * 17})
    nics: dict[str, list[int]] = field(default_factory=lambda: {"lo": [10_000] * 16, "eth0": [1_000_000] * 16})
    memory: dict[str, int] = field(default_factory=lambda: dict(_MEMORY))
    switches: int = 1_000_000
    pages: int = 50_000

    def pass_time(self, seconds: float = 1.0) -> None:
        """Let every CPU, disk and interface do its typical work; only eth0 and the first disk are busy."""
        self.uptime, self.wall = self.uptime + seconds, self.wall + seconds
        for n, cpu in enumerate(self.cpus.values()):
            grow(cpu, TYPICAL, seconds * (1 + n % 2))
        for n, disk in enumerate(self.disks.values()):
            grow(disk, READING, seconds * (1 if n == 0 else 0.1 * (n % 3)))
        for name, nic in self.nics.items():
            grow(nic, TALKING, seconds * (0 if name == "lo" else 1))
        self.switches += round(4000 * seconds)
        self.pages += round(300 * seconds)
        self.memory["MemFree"] -= 4_000
        self.memory["Dirty"] += 13

    def files(self) -> Iterator[tuple[str, str]]:
        """(path below /, text): what a collection holds."""
        summed = [sum(ticks) for ticks in zip(*self.cpus.values())]
        cpus = [f"cpu  {_words(summed)}", *(f"cpu{label} {_words(ticks)}" for label, ticks in self.cpus.items())]
        rest = ["intr 5000", f"ctxt {self.switches}", f"btime {START - 1000 + 86_400 * self.boot}", f"processes {self.switches // 100}"]
        yield "/proc/stat", "\n".join([*cpus, *rest, "procs_running 3", "procs_blocked 1", "softirq 7000", ""])
        yield "/proc/meminfo", "".join(f"{key + ':':<16}{value:>8} kB\n" for key, value in self.memory.items())
        lines = (f" 500 {n:7d} {name} {_words(fields)}\n" for n, (name, fields) in enumerate(self.disks.items()))
        yield "/proc/diskstats", "".join(lines)
        head = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs\n"
        yield "/proc/net/dev", head + "".join(f"{name:>6}: {_words(fields)}\n" for name, fields in self.nics.items())
        yield "/proc/loadavg", "1.25 0.75 0.50 3/312 4000\n"
        paging = (self.pages, 2 * self.pages, self.pages // 10, self.pages // 4)
        yield "/proc/vmstat", "pgpgin {}\npgpgout {}\npswpin {}\npswpout 7\npgmajfault {}\n".format(*paging)

    def lay_out(self, root: Path) -> None:
        """Write the machine as plain folders /proc and /sys below `root`."""
        for path, text in (*self.files(), ("/proc/uptime", f"{self.uptime:.2f} {self.uptime:.2f}\n")):
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).write_text(text)
        for disk in self.disks:
            (root / "sys/block" / disk).mkdir(parents=True, exist_ok=True)

    def lines(self, *, session: bool) -> Iterator[str]:
        """The lines of one sample of a collection; with the `session` that begins a run."""
        facts = {"format": 1, "hostname": "oracle", "machine_id": "0" * 32, "boot_id": f"boot-{self.boot}", "frequency": 1.0, "part": 0}
        for subsystem, text in ([("perfkit/session", json.dumps(facts))] if session else []) + list(self.files()):
            head = {"timestamp": int(self.wall), "nanosecond": round(self.wall % 1 * 1e9), "monotonic": round(self.uptime, 6)}
            yield json.dumps({**head, "subsystem": subsystem, "measurement": text}) + "\n"


def grow(counter: list[int], pace: list[int], seconds: float) -> None:
    """Add `seconds` of `pace` to `counter`, in place."""
    counter[:] = [value + round(step * seconds) for value, step in zip(counter, pace)]


def _words(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


def record(machine: Machine, steps: list[Callable[[Machine], None]]) -> list[Machine]:
    """The machine at first and after each step; `machine` itself stays as it is."""
    states = [copy.deepcopy(machine)]
    for step in steps:
        states.append(copy.deepcopy(states[-1]))
        step(states[-1])
    return states


def write(states: list[Machine], file: Path) -> Path:
    """A collection of the states, with a session at the start and after each boot."""
    with file.open("w") as opened:
        for n, state in enumerate(states):
            opened.writelines(state.lines(session=n == 0 or state.boot != states[n - 1].boot))
    return file
