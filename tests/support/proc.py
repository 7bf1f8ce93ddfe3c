"""An invented machine: folders that look like /proc and /sys, a clock that only moves when it is told, and a collector on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from perfkit.collect.clock import Ticker
from perfkit.collect.collector import Collector
from perfkit.collect.file_sink import FileSink
from perfkit.collect.launch import CollectOptions
from perfkit.collect.progress import Progress
from perfkit.collect.sample import Sampler
from perfkit.collect.sources import open_sources
from perfkit.collection import Line, Reader

__all__ = ["Asked", "InventedClock", "Ticker", "build", "make_collector", "read"]

PROC = {
    "stat": "cpu  10 0 5 100 1 0 0 0 0 0\ncpu0 5 0 3 50 1 0 0 0 0 0\ncpu1 5 0 2 50 0 0 0 0 0 0\n"
    "intr 5000 1 2 3 4\nctxt 77\nbtime 1700000000\nprocesses 9\nprocs_running 1\nprocs_blocked 0\nsoftirq 400 1 2 3\n",
    "meminfo": "MemTotal:       8000000 kB\nMemFree:        4000000 kB\nMemAvailable:   6000000 kB\n",
    "diskstats": "   8       0 sda 10 0 80 5 20 0 160 9 0 12 14 0 0 0 0 0 0\n   8       1 sda1 10 0 80 5 20 0 160 9 0 12 14 0 0 0 0 0 0\n",
    "net/dev": "Inter-|   Receive  |  Transmit\n face |bytes packets|bytes packets\n"
    "    lo:  10 1 0 0 0 0 0 0 10 1 0 0 0 0 0 0\n  eth0: 500 5 0 0 0 0 0 0 700 7 0 0 0 0 0 0\n",
    "loadavg": "0.10 0.20 0.30 1/99 4242\n",
    "vmstat": "nr_free_pages 1000\npgpgin 1\npgpgout 2\npswpin 0\npswpout 0\npgalloc_dma 7\n"
    "pgfault 50\npgmajfault 3\npgrefill 9\noom_kill 0\nunevictable 1\n",
    "net/snmp": "Ip: Forwarding\nIp: 1\nTcp: ActiveOpens CurrEstab\nTcp: 4 2\nUdp: InDatagrams\nUdp: 8\n",
    "net/netstat": "TcpExt: ListenOverflows ListenDrops\nTcpExt: 0 0\nIpExt: InOctets\nIpExt: 99\n",
    "pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=10\n",
    "cpuinfo": "processor\t: 0\nmodel name\t: Invented\n\nprocessor\t: 1\nmodel name\t: Invented\n\n",
    "filesystems": "nodev\ttmpfs\nnodev\tproc\n\text4\n\tsquashfs\n",
    "self/mounts": "/dev/sda1 / ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n",
    "sys/kernel/hostname": "vm-invented\n",
    "sys/kernel/random/boot_id": "00000000-1111-2222-3333-444444444444\n",
}


def build(folder: Path, files: dict[str, str]) -> Path:
    """Write each file below `folder`; a name that ends in "/" is a folder. Returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text(text)
    return folder


class InventedClock:
    """Waiting moves the time at once; `jump` may make each waiting last longer, or step the wall clock."""

    def __init__(self, wall: float = 1_767_225_600.25, jump: Callable[[InventedClock], None] = lambda _: None) -> None:
        self.wall, self.mono, self._jump = wall, 1000.0, jump
        self.waits = 0

    def wall_ns(self) -> int:
        return round(self.wall * 1e6) * 1000

    def monotonic(self) -> float:
        return self.mono

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds

    def wait(self, deadline: float) -> bool:
        self.waits += 1
        self.pass_time(max(deadline - self.mono, 0.0))
        self._jump(self)
        return False


class Asked:
    """Requests without signals and pipes."""

    def __init__(self) -> None:
        self.stop = ""
        self.marks: list[bytes] = []
        self.burst = False

    def take(self) -> tuple[list[bytes], bool]:
        taken, self.marks = self.marks, []
        burst, self.burst = self.burst, False
        return taken, burst


def make_collector(
    folder: Path, *, clock: InventedClock | None = None, requests: Asked | None = None, sink: Any = None, groups: Any = (), **wishes: Any
) -> Collector:
    """A collector of the invented machine in `folder` (/proc is made if it is missing), into `folder`/run.json."""
    proc = folder / "proc"
    if not proc.exists():
        build(proc, PROC)
    clock = clock or InventedClock()
    options = CollectOptions(
        **{"collection": str(folder / "run.json"), "proc": str(proc), "sys": str(folder / "sys"), "duration": 10.0, **wishes}
    )
    sources, unavailable = open_sources(options.proc)
    return Collector(
        options=options,
        facts={"hostname": "vm-invented", "unavailable": unavailable},
        sampler=Sampler(sources, clock, options.proc, groups),
        clock=clock,
        requests=requests or Asked(),  # type: ignore[arg-type]
        sink=sink or FileSink(options.collection, max_size=options.max_size, max_files=options.max_files),
        progress=Progress(lambda _: None, options.duration),
    )


def read(path: Path, subsystem: str = "") -> list[Line]:
    """The lines of a collection that must be without damage; of one subsystem, if named."""
    reader = Reader(path)
    lines = list(reader)
    assert (reader.damaged, reader.truncated) == (0, False)
    return [line for line in lines if subsystem in ("", line.subsystem)]
