"""What it costs to record who uses the machine: CPU a sample with 100 and 1,000 processes, beside `pidstat -u -r -d`.

    build/venv/bin/python tests/bench/processes.py

Prints ours, pidstat's and their ratio, the bytes of a sample, and the collector's memory. Processes that sleep are started for it.
"""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from perfkit.collect.processes import Processes
from perfkit.collection import line_head

SAMPLES = 31


def ours() -> tuple[float, float]:
    """(ms of CPU a sample, compressed bytes a sample), without the first sample."""
    now = [0.0]
    processes = Processes("/proc", monotonic=lambda: now[0])
    processes.read(line_head(1, 2))
    costs, size = [], 0
    for _ in range(SAMPLES - 1):
        time.sleep(0.1)
        now[0] += 1
        before = time.process_time()
        lines = b"".join(processes.read(line_head(1, 2)))
        costs.append(time.process_time() - before)
        size += len(gzip.compress(lines, 1))
    processes.close()
    return 1000 * statistics.fmean(costs), size / (SAMPLES - 1)


def pidstat() -> float:
    """ms of CPU a sample."""
    if not shutil.which("pidstat"):
        return float("nan")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["pidstat", "-u", "-r", "-d", "1", "5"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 6


def main() -> None:
    there = sum(name.isdigit() for name in os.listdir("/proc"))
    sleeping: list[subprocess.Popen[bytes]] = []
    try:
        for wanted in (100, 1000):
            sleeping += [subprocess.Popen(["sleep", "600"]) for _ in range(wanted - there - len(sleeping))]
            found = [ours() for _ in range(3)]
            cost, size = statistics.median(f[0] for f in found), statistics.median(f[1] for f in found)
            peer = pidstat()
            print(f"{wanted:5d} processes: {cost:.2f} ms a sample, pidstat {peer:.2f} ms, {cost / peer:.3f}x; {size:.0f} bytes gz a sample")
        print(f"memory at {wanted} processes: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MiB (this benchmark inside)")
    finally:
        for process in sleeping:
            process.kill()


if __name__ == "__main__":
    main()
