"""The collector's memory, its bytes a sample, and what 100 containers add: beside the limits.

    flock /tmp/bench.lock .venv/bin/python tests/bench/collect_footprint.py

Containers are 100 real cgroups of v1 where this machine has v1 and the user may make them, and 100 of v2 from files.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio", "pids")
IDS = [f"{number:064x}" for number in range(100)]

V2_FILES = {
    "cpu.stat": "usage_usec 657011267\nuser_usec 626480303\nsystem_usec 30530964\nnr_periods 7313\nnr_throttled 6\nthrottled_usec 5921\n",
    "cpu.max": "100000 100000\n",
    "memory.current": "498794496\n",
    "memory.max": "2147483648\n",
    "memory.stat": "anon 1994752\nfile 452734976\nkernel 44064768\n" + "filler 1\n" * 40 + "inactive_file 1000\nslab 43270792\n",
    "io.stat": "253:0 rbytes=282624 wbytes=6306193408 rios=10 wios=15138 dbytes=0 dios=0\n",
    "pids.current": "104\n",
    "pids.max": "19108\n",
}


@contextlib.contextmanager
def v1_containers() -> Iterator[str]:
    """100 containers' cgroups in this machine's v1 hierarchies; gives the root of /sys."""
    folders = [Path("/sys/fs/cgroup") / controller / "docker" / name for controller in CONTROLLERS for name in IDS]
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        yield "/sys"
    finally:
        for folder in [*folders, *(Path("/sys/fs/cgroup") / controller / "docker" for controller in CONTROLLERS)]:
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def v2_containers() -> Iterator[str]:
    """The same in files that look like v2."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "fs/cgroup"
        for name in IDS:
            container = base / "system.slice" / f"docker-{name}.scope"
            container.mkdir(parents=True)
            for file, text in V2_FILES.items():
                (container / file).write_text(text)
        (base / "cgroup.controllers").write_text("cpu io memory pids\n")
        yield folder


def make_busy(sys_root: str) -> None:
    """Change what every invented v2 container tells, as busy ones do between two samples."""
    for number, name in enumerate(IDS):
        folder = Path(sys_root) / "fs/cgroup/system.slice" / f"docker-{name}.scope"
        for file in ("cpu.stat", "memory.current", "memory.stat", "io.stat"):
            text = V2_FILES[file].replace("7", str((number + time.monotonic_ns()) % 10))
            (folder / file).write_text(text)


@contextlib.contextmanager
def collecting(path: str, *words: str) -> Iterator[int]:
    """The real command at 1 Hz; gives its pid once it has begun."""
    command = [sys.executable, "-m", "perfkit", "collect", "--collection", path, *words]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, stderr=subprocess.DEVNULL)
    try:
        time.sleep(2.5)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def peak_kib(pid: int) -> int:
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))


def cpu_seconds(pid: int) -> float:
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def verdict(what: str, value: float, bar: float, unit: str) -> None:
    print(f"{what:58} {value:8.2f} {unit:5} (bar {bar:g}) {'met' if value <= bar else 'MISSED'}")


def memory_and_cpu(folder: str, name: str, sys_root: str, *words: str, busy: bool = False) -> tuple[float, float]:
    """(peak MiB, ms of CPU a sample) of a run over 15 samples."""
    with collecting(f"{folder}/{name}.json", "--sys", sys_root, "--frequency", "1s", "--nice", "0", *words) as pid:
        before, count = cpu_seconds(pid), 15
        for _ in range(count):
            if busy:
                make_busy(sys_root)
            time.sleep(1)
        return peak_kib(pid) / 1024, (cpu_seconds(pid) - before) / count * 1000


def size_of_samples(folder: str, seconds: int = 60) -> tuple[float, float]:
    """(bytes a sample in gzip, plain) at 1 Hz, without the lines that come once."""
    with collecting(f"{folder}/size.json.gz", "--no-containers"), collecting(f"{folder}/size.json", "--no-containers"):
        before = [Path(f"{folder}/size.json{end}").stat().st_size for end in (".gz", "")]
        time.sleep(seconds)
        after = [Path(f"{folder}/size.json{end}").stat().st_size for end in (".gz", "")]
    return (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        alone, base = memory_and_cpu(folder, "host", "/sys", "--no-containers")
        verdict("peak RSS, host sources", alone, 16, "MiB")
        verdict("peak RSS, host sources, gz", memory_and_cpu(folder, "host.gz", "/sys", "--no-containers")[0], 16, "MiB")
        sets = [("v2 from files", v2_containers, False), ("v2 from files, all busy", v2_containers, True)]
        if os.access("/sys/fs/cgroup/cpuacct", os.W_OK):
            sets.insert(0, ("v1, real", v1_containers, False))
        for what, containers, busy in sets:
            with containers() as sys_root:
                peak, cost = memory_and_cpu(folder, what, sys_root, busy=busy)
            verdict(f"peak RSS, 100 containers, {what}", peak, 20, "MiB")
            verdict(f"extra CPU per tick, 100 containers, {what}", cost - base, 5, "ms")
        gz, plain = size_of_samples(folder)
        verdict("bytes a sample, gz", gz, 500, "B")
        print(f"{'bytes a sample, plain':58} {plain:8.2f} B")


if __name__ == "__main__":
    main()
