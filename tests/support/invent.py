"""Invented collections: a deterministic machine that counts as a kernel does, written in perfkit's format.

    path = invent.write(tmp_path / "vm-a.json", seconds=600, disks=2, spikes=[(120, 60, 0.95)])

Every counter is an integer that only grows, at a pace that follows the invented load; the same arguments give the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

START = 1767225600  # 2026-01-01T00:00:00Z
HZ = 100
_UPTIME = 259_200.0  # the machine has been up for three days when the collection starts

_MEMINFO = """MemTotal:       16327188 kB
MemFree:        {free:8d} kB
MemAvailable:   {available:8d} kB
Buffers:           75172 kB
Cached:         {cached:8d} kB
SwapCached:            0 kB
Active:         {active:8d} kB
Inactive:        1520988 kB
Active(anon):     208604 kB
Inactive(anon):        0 kB
Active(file):     398924 kB
Inactive(file):  1520988 kB
Unevictable:       30368 kB
Mlocked:           27296 kB
SwapTotal:       2097148 kB
SwapFree:        2097148 kB
Zswap:                 0 kB
Zswapped:              0 kB
Dirty:          {dirty:8d} kB
Writeback:             0 kB
AnonPages:      {anon:8d} kB
Mapped:           193820 kB
Shmem:              4400 kB
KReclaimable:     158248 kB
Slab:             248040 kB
SReclaimable:     158248 kB
SUnreclaim:        89792 kB
KernelStack:        3824 kB
PageTables:         4596 kB
SecPageTables:         0 kB
NFS_Unstable:          0 kB
Bounce:                0 kB
WritebackTmp:          0 kB
CommitLimit:    10260740 kB
Committed_AS:   {committed:8d} kB
VmallocTotal:   34359738367 kB
VmallocUsed:       32208 kB
VmallocChunk:          0 kB
Percpu:             3504 kB
HardwareCorrupted:     0 kB
AnonHugePages:    100352 kB
ShmemHugePages:        0 kB
ShmemPmdMapped:        0 kB
FileHugePages:         0 kB
FilePmdMapped:         0 kB
Unaccepted:            0 kB
HugePages_Total:       0
HugePages_Free:        0
HugePages_Rsvd:        0
HugePages_Surp:        0
Hugepagesize:       2048 kB
Hugetlb:               0 kB
DirectMap4k:      109736 kB
DirectMap2M:     2983936 kB
DirectMap1G:    15728640 kB
"""

_CPUINFO = """processor\t: {cpu}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 85
model name\t: Intel(R) Xeon(R) Platinum 8272CL CPU @ 2.60GHz
stepping\t: 7
cpu MHz\t\t: 2600.000
cache size\t: 36608 KB
physical id\t: 0
siblings\t: {cpus}
core id\t\t: {core}
cpu cores\t: {cores}
flags\t\t: fpu vme de pse tsc msr
bogomips\t: 5187.81

"""

_NET_DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
"""

_TCP_NAMES = (
    "Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab "
    "InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors"
)


def write(
    path: Path,
    *,
    hostname: str = "vm-a",
    start: int = START,
    seconds: float = 600,
    frequency: float = 1.0,
    cpus: int = 4,
    disks: int = 2,
    partitions: int = 1,
    interfaces: int = 2,
    loops: int = 0,
    containers: int = 0,
    users: bool = False,
    seed: int = 0,
    healthy: bool = False,
    spikes: Sequence[tuple[float, float, float]] = (),
    gaps: Sequence[tuple[float, float]] = (),
    marks: Sequence[tuple[float, str, str]] = (),
    only: Sequence[str] = (),
) -> Path:
    """Write one invented collection to `path` (gzip if it ends in .gz) and return `path`.

    `frequency` is the seconds between two samples. `partitions` are per disk; `interfaces` count lo;
    `loops` are idle loop devices; `users` adds two services, a few processes and the limits that hide; a `healthy`
    machine neither swaps nor is held back by any of them, so that its CPUs alone are its limit. Instants are seconds from the
    start: `spikes` are (from, seconds, busy share of the CPUs), `gaps` (from, seconds) without samples, `marks` (at, label, kind).
    `only` are the subsystems that are read, besides perfkit's own lines: tables without lines cost nothing.
    """
    machine = Machine(
        hostname, cpus=cpus, disks=disks, partitions=partitions, interfaces=interfaces, loops=loops, containers=containers, seed=seed
    )
    machine.users = Users(machine.random.random(), healthy) if users else None
    machine.healthy = healthy
    machine.only = tuple(only)
    with ExitStack() as stack:
        if path.suffix == ".gz":
            raw = stack.enter_context(path.open("wb"))
            file = stack.enter_context(gzip.GzipFile("", "wb", 1, raw, mtime=0))
        else:
            file = stack.enter_context(path.open("wb"))
        for line in machine.lines(start=start, seconds=seconds, frequency=frequency, spikes=spikes, gaps=gaps, marks=marks):
            file.write(line)
    return path


class Machine:
    """A machine's counters, and the kernel's texts of them."""

    def __init__(
        self,
        hostname: str,
        *,
        cpus: int = 4,
        disks: int = 2,
        partitions: int = 1,
        interfaces: int = 2,
        loops: int = 0,
        containers: int = 0,
        seed: int = 0,
    ) -> None:
        self.hostname = hostname
        self.random = random.Random(f"{hostname} {seed}")
        self.cpus = [[self.random.randrange(10_000) for _ in range(10)] for _ in range(cpus)]
        self.disks = [f"sd{chr(ord('a') + i)}" for i in range(disks)]
        self.partitions = partitions
        self.loops = {f"loop{i}": [0] * 17 for i in range(loops)}
        self.counters = {name: [self.random.randrange(100_000) for _ in range(17)] for name in self._block_devices()}
        self.interfaces = {
            name: [self.random.randrange(1_000_000) for _ in range(16)] for name in ("lo", *(f"eth{i}" for i in range(interfaces - 1)))
        }
        self.containers = {
            hashlib.sha256(f"{hostname} {i}".encode()).hexdigest(): [self.random.randrange(1_000_000) for _ in range(8)]
            for i in range(containers)
        }
        self.totals = [self.random.randrange(1_000_000) for _ in range(14)]
        self.load = 0.0
        self.users: Users | None = None
        self.healthy = False
        self.only: tuple[str, ...] = ()

    def _block_devices(self) -> Iterator[str]:
        for disk in self.disks:
            yield disk
            for i in range(1, self.partitions + 1):
                yield f"{disk}{i}"

    def lines(
        self,
        *,
        start: int = START,
        seconds: float = 600,
        frequency: float = 1.0,
        spikes: Sequence[tuple[float, float, float]] = (),
        gaps: Sequence[tuple[float, float]] = (),
        marks: Sequence[tuple[float, str, str]] = (),
    ) -> Iterator[bytes]:
        """The collection's lines, newline included, in the order in which a collector writes them."""
        yield _line(start, 0, _UPTIME, "perfkit/session", json.dumps(self.session(frequency, seconds)))
        yield _line(start, 0, _UPTIME, "/proc/cpuinfo", self.cpuinfo())
        pending = sorted(marks)
        samples = 0
        for i in range(int(seconds / frequency)):
            at = i * frequency
            self.advance(at, frequency, next((share for begin, length, share in spikes if begin <= at < begin + length), None))
            if any(begin <= at < begin + length for begin, length in gaps):
                continue
            nanos = round(at * 1e9) + 1_000_000 + self.random.randrange(300_000)
            second, nanosecond = start + nanos // 1_000_000_000, nanos % 1_000_000_000
            monotonic = _UPTIME + nanos / 1e9
            while pending and pending[0][0] <= at:
                _, label, kind = pending.pop(0)
                yield _line(second, nanosecond, monotonic, "perfkit/mark", json.dumps({"label": label, "kind": kind}))
            told = [*self.sample(samples), *(self.users.sample(monotonic) if self.users else ())]
            for n, (subsystem, text) in enumerate(told):
                if self.only and not subsystem.startswith(("perfkit/", *self.only)):
                    continue
                yield _line(second, nanosecond, monotonic + n * 2e-5, subsystem, text)
            samples += 1
        end = {"reason": "duration", "samples": samples, "missed": 0, "late": 0}
        yield _line(start + int(seconds), 0, _UPTIME + seconds, "perfkit/end", json.dumps(end))

    def session(self, frequency: float, duration: float) -> dict[str, object]:
        """The first line's facts."""
        identity = hashlib.sha256(self.hostname.encode()).hexdigest()
        disks: dict[str, object] = {d: {"kind": "disk", "in_total": True} for d in self.disks}
        disks |= {loop: {"kind": "loop", "in_total": False} for loop in self.loops}
        for disk in self.disks:
            for i in range(1, self.partitions + 1):
                disks[f"{disk}{i}"] = {"kind": "partition", "in_total": False, "parent": disk}
        return {
            "format": 1,
            "perfkit": "0.1.0",
            "hostname": self.hostname,
            "os": "Debian GNU/Linux 12 (bookworm)",
            "kernel": "6.1.0-30-cloud-amd64",
            "architecture": "x86_64",
            "boot_id": f"{identity[:8]}-{identity[8:12]}-4{identity[13:16]}-8{identity[17:20]}-{identity[20:32]}",
            "machine_id": identity[32:],
            "pid": 1234,
            "frequency": frequency,
            "duration": duration,
            "timezone": "UTC",
            "utc_offset": 0,
            "clock_synchronised": True,
            "cpus": len(self.cpus),
            "hz": HZ,
            "cloud_vendor": "Invented Cloud",
            "instance_type": f"inv.{len(self.cpus)}",
            "subsystems": [name for name, _ in self.sample(1) if not name.startswith("container/") and name.startswith(self.only or ("",))],
            "slower": {"statfs[*]": 10, "perfkit/self": 10},
            "containers": bool(self.containers),
            "unavailable": {},
            "part": 0,
            "started": _UPTIME,
            "disks": disks,
            "interfaces": {name: {"kind": "virtual" if name == "lo" else "physical", "in_total": name != "lo"} for name in self.interfaces},
        }

    def advance(self, at: float, period: float, spike: float | None) -> None:
        """Let `period` seconds pass at the load of the instant `at`, or at `spike`."""
        noise = self.random.random()
        self.load = spike if spike is not None else 0.25 + 0.15 * math.sin(at / 95) + 0.1 * noise
        ticks = HZ * period
        for i, cpu in enumerate(self.cpus):
            busy = min(ticks, ticks * self.load * (1 + 0.1 * (i % 3 - 1)))
            for field, share in ((0, 0.7), (1, 0.02), (2, 0.2), (5, 0.01), (6, 0.03), (7, 0.04)):
                cpu[field] += int(busy * share + noise)
            waiting = int((ticks - busy) * 0.05 * noise)
            cpu[4] += waiting
            cpu[3] += int(ticks - busy) - waiting
        for n, counter in enumerate(self.counters.values()):
            pace = period * self.load * (60 if n < 1 + self.partitions else 8 * (n % 5))
            reads, writes = int(pace * noise), int(pace * (1 + noise))
            steps = (reads, reads // 9, reads * 24, reads // 2, writes, writes // 3, writes * 40, writes * 2)
            for field, step in enumerate(steps):
                counter[field] += step
            counter[8] = writes % 3
            counter[9] += min(int(period * 1000), int(pace * 2))
            counter[10] += reads // 2 + writes * 2
        for name, counter in self.interfaces.items():
            packets = int(period * self.load * (40 if name == "lo" else 900) * (0.5 + noise))
            for field, step in ((0, packets * 480), (1, packets), (8, packets * 910), (9, packets + 3)):
                counter[field] += step
        for n, counter in enumerate(self.containers.values()):
            usage = int(1e6 * period * self.load * (1 + n % 3) / 2)
            for field, step in enumerate((usage, usage * 3 // 4, usage - usage * 3 // 4, usage // 3, usage // 2, 3, 5, int(10 * period))):
                counter[field] += step
        for field in range(len(self.totals)):
            self.totals[field] += int(period * self.load * 130 * (field + 1) * noise)

    def sample(self, number: int) -> Iterator[tuple[str, str]]:
        """(subsystem, the kernel's text) of one sample, in the collector's order."""
        yield "/proc/stat", self.stat()
        yield "/proc/meminfo", self.meminfo()
        yield "/proc/diskstats", self.diskstats()
        yield "/proc/net/dev", self.net_dev()
        yield (
            "/proc/loadavg",
            f"{self.load * 4:.2f} {self.load * 3.5:.2f} {self.load * 3:.2f} {1 + int(self.load * 8)}/312 {4000 + number}\n",
        )
        swapped, turned_away = ([0, 0, 0], 0) if self.healthy else (self.totals[2:5], self.totals[5] // 1000)
        yield "/proc/vmstat", "pgpgin {}\npgpgout {}\npswpin {}\npswpout {}\npgmajfault {}\n".format(*self.totals[:2], *swapped)
        yield "/proc/net/snmp", self.snmp()
        yield "/proc/net/netstat", f"TcpExt: ListenOverflows ListenDrops\nTcpExt: {turned_away} {turned_away}\n"
        for n, resource in enumerate(("cpu", "memory", "io")):
            total = self.totals[6 + n] * 40
            average = self.load * 10
            yield (
                f"/proc/pressure/{resource}",
                f"some avg10={average:.2f} avg60={average * 0.9:.2f} avg300=0.00 total={total}\n"
                f"full avg10={average / 2:.2f} avg60=0.00 avg300=0.00 total={total // 2}\n",
            )
        if number % 10 == 0:
            yield "statfs[*]", self.statfs(number)
        for name, (identity, counter) in enumerate(self.containers.items()):
            yield f"container/docker/{identity[:12]}", self.container(name, identity, counter)
        if number % 10 == 0:
            yield (
                "perfkit/self",
                json.dumps(
                    {
                        "cpu_seconds": number * 0.0004,
                        "rss_bytes": 14_000_000,
                        "bytes_written": number * 5000,
                        "ticks_late": 0,
                        "ticks_missed": 0,
                    }
                ),
            )

    def stat(self) -> str:
        summed = [sum(fields) for fields in zip(*self.cpus)]
        lines = ["cpu  " + " ".join(map(str, summed))]
        lines += [f"cpu{i} " + " ".join(map(str, cpu)) for i, cpu in enumerate(self.cpus)]
        lines += [
            f"intr {self.totals[9] * 3}",
            f"ctxt {self.totals[9] * 7}",
            f"btime {START - int(_UPTIME)}",
            f"processes {self.totals[10] // 50}",
        ]
        lines += [f"procs_running {1 + int(self.load * 8)}", f"procs_blocked {int(self.load * 2)}", f"softirq {self.totals[11] * 2}"]
        return "\n".join(lines) + "\n"

    def meminfo(self) -> str:
        used = int(2_000_000 + 9_000_000 * self.load)
        return _MEMINFO.format(
            free=13_800_000 - used,
            available=15_500_000 - used,
            cached=1_857_872,
            active=600_000 + used // 2,
            dirty=int(1000 + 5000 * self.load),
            anon=used,
            committed=used + 800_000,
        )

    def diskstats(self) -> str:
        loops = (f"   7 {n:7d} {name} {' '.join(map(str, counter))}\n" for n, (name, counter) in enumerate(self.loops.items()))
        disks = (f"   8 {n * 16:7d} {name} {' '.join(map(str, counter))}\n" for n, (name, counter) in enumerate(self.counters.items()))
        return "".join((*loops, *disks))

    def net_dev(self) -> str:
        layout = "%6s: %7d %7d %4d %4d %4d %5d %10d %9d %8d %7d %4d %4d %4d %5d %7d %10d\n"
        return _NET_DEV + "".join(layout % (name, *counter) for name, counter in self.interfaces.items())

    def snmp(self) -> str:
        opened, accepted, segments = self.totals[12] // 100, self.totals[13] // 100, self.totals[12]
        established = int(40 + 200 * self.load)
        return (
            f"{_TCP_NAMES}\nTcp: 1 200 120000 -1 {opened} {accepted} 1 2 {established} {segments} {segments * 2} {segments // 5000} 0 3 0\n"
        )

    def statfs(self, number: int) -> str:
        free = 6_449_502 - number % 1_000_000
        mounts = (("/", 4096, 7_344_928, free, free - 4096), ("/boot/efi", 512, 213_663, 201_164, 201_164))
        keys = ("mount_point", "block_size", "blocks_total", "blocks_free", "blocks_available")
        return "".join(json.dumps(dict(zip(keys, mount)), separators=(",", ":")) + "\n" for mount in mounts)

    def container(self, number: int, identity: str, counter: Sequence[int]) -> str:
        usage, user, system, read, written, reads, writes, periods = counter
        return json.dumps(
            {
                "container_id": identity,
                "container_name": f"app-{number}",
                "runtime": "docker",
                "inode": 5000 + number,
                "cpu_usage_usec": usage,
                "cpu_user_usec": user,
                "cpu_system_usec": system,
                "cpu_periods": periods,
                "cpu_throttled": 0 if self.healthy else periods // 4,
                "cpu_throttled_usec": 0 if self.healthy else usage // 10,
                "cpu_quota": 200_000,
                "cpu_period": 100_000,
                "memory_current": int(200_000_000 + 300_000_000 * self.load),
                "memory_max": 2_147_483_648,
                "memory_anon": 150_000_000,
                "memory_file": 40_000_000,
                "memory_inactive_file": 30_000_000,
                "memory_kernel": 5_000_000,
                "memory_slab": 4_000_000,
                "io_read_bytes": read,
                "io_write_bytes": written,
                "io_read_ops": reads,
                "io_write_ops": writes,
                "pids_current": 12 + number,
                "pids_max": 19_108,
            },
            separators=(",", ":"),
        )

    def cpuinfo(self) -> str:
        cpus = len(self.cpus)
        return "".join(_CPUINFO.format(cpu=i, cpus=cpus, core=i // 2, cores=max(1, cpus // 2)) for i in range(cpus))


class Users:
    """Two services and the processes in them, one of which ends and is followed by another, as perfkit's collector writes them."""

    NAMES: ClassVar = {1: ("systemd", "/init.scope"), 2: ("kthreadd", ""), 40: ("nginx", "/system.slice/nginx.service"),
             41: ("postgres: writer (1) x", "/system.slice/postgresql.service")}  # fmt: skip

    def __init__(self, seed: float, healthy: bool = False) -> None:
        self.random = random.Random(seed)
        self.healthy = healthy
        self.scan = 0
        self.ticks = {pid: [self.random.randrange(1000) for _ in range(4)] for pid in self.NAMES}
        self.services = {name: self.random.randrange(10**6) for name in ("nginx.service", "postgresql.service")}
        self.looked: dict[str, float] = {}
        self.written: dict[str, float] = {}

    def sample(self, monotonic: float) -> Iterator[tuple[str, str]]:
        """The lines of one sample."""
        self.scan += 1
        for name in self.services:
            busy = self.scan == 1 or self.random.random() < 0.6
            looked, self.looked[name] = self.looked.get(name, 0.0), monotonic
            if busy:
                self.services[name] += self.random.randrange(1, 400_000)
                before = {"before": looked} if self.written.get(name, 0.0) < looked else {}
                self.written[name] = monotonic
                value = {"unit": name, "cpu_usage_usec": self.services[name], "memory_current": 5_000_000, **before, "inode": 7}
                yield f"service/{name}", json.dumps(value)
        if self.scan % 10 == 1:
            yield from self.limits()
        rows: list[str] = []
        if self.scan == 1:
            yield from (self.about(pid, 100 + pid) for pid in self.ticks)
        child = 1000 + self.scan
        if self.scan > 1 and self.scan % 3 == 0:  # a child of nginx comes, and ends before the next sample
            yield self.about(child, 9000 + self.scan, "worker")
            rows.append(f"{child} {9000 + self.scan} +1 R 10 0 7 1 0 0 20 0 1 300 0 80000000 1000 5 0 0")
        if self.scan > 1 and (self.scan - 1) % 3 == 0:
            rows.append(f"gone {child - 1} {9000 + self.scan - 1}")
            self.ticks[40][2] += 9  # its 8 ticks, and one that nobody saw
        for pid, ticks in self.ticks.items():
            if self.scan == 1 or self.random.random() < 0.5 or pid == 40:
                ticks[0] += self.random.randrange(12)
                ticks[1] += self.random.randrange(5)
                age = 1 if self.scan > 1 else 0
                told = " ".join(map(str, ticks))
                rows.append(f"{pid} {100 + pid} {age} S {ticks[0]} 0 {told} 20 0 1 400 0 {ticks[0]}0000000 5000 9 - -")
        yield "processes", "\n".join((f"scan {self.scan} {len(self.ticks)} {len(rows)}", *rows))

    def limits(self) -> Iterator[tuple[str, str]]:
        """Of two CPUs and an interface in Amazon's cloud."""
        done = 0 if self.healthy else self.scan // 10
        yield (
            "/proc/net/softnet_stat",
            "".join(f"0000{4096 + done:x} {done:08x} {16 * cpu * done:08x}{' 00000000' * 9} {cpu:08x} 0 0\n" for cpu in (0, 1)),
        )
        yield "/proc/schedstat", "".join(f"cpu{cpu} 0 0 0 0 0 0 77 {done * (cpu + 1) * 2_500_000_000} 9\n" for cpu in (0, 1))
        rows = [f"/proc/sys/fs/file-nr {1000 + done} 0 4000", "/proc/sys/kernel/pid_max 4194304", "/proc/sys/kernel/threads-max 624"]
        rows += ["/proc/sys/net/netfilter/nf_conntrack_count 10", "/proc/sys/net/netfilter/nf_conntrack_max 100"]
        for cpu in (0, 1):
            folder = f"/sys/devices/system/cpu/cpu{cpu}"
            rows += [f"{folder}/cpufreq/scaling_cur_freq {(2 - cpu) * 1300000}", f"{folder}/cpufreq/base_frequency 2600000"]
            rows += [f"{folder}/cpufreq/cpuinfo_max_freq 3900000", f"{folder}/thermal_throttle/core_throttle_count {cpu * done * 5}"]
        rows += [f"ethtool/eth0/{name}_allowance_exceeded {done * 40}" for name in ("bw_in", "pps")]
        rows += ["adjtimex -1500000 4000 20 8193", "receiver -2500 250"]
        yield "limits", "\n".join(rows)

    def about(self, pid: int, start: int, name: str = "") -> tuple[str, str]:
        """Who a process is."""
        known, cgroup = self.NAMES.get(pid, (name, "/system.slice/nginx.service"))
        value = {"pid": pid, "start": start, "parent": 40 if pid > 1000 else 1, "name": known, "cgroup": cgroup, "cmdline": known}
        return "perfkit/process", json.dumps({**value, "kernel": True} if pid == 2 else value)


def _line(second: int, nanosecond: int, monotonic: float, subsystem: str, text: str) -> bytes:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return (
        f'{{"timestamp":{second},"nanosecond":{nanosecond},"monotonic":{monotonic:.6f},"subsystem":"{subsystem}","measurement":"{escaped}"}}\n'
    ).encode()
