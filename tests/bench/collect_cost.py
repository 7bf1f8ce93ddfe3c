"""What one sample costs in CPU: the collector beside a loop that only preads the same files, and beside Debian's sadc.

    flock /tmp/bench.lock .venv/bin/python tests/bench/collect_cost.py [--period 1.0] [--seconds 100]

All run at once, so that they share the machine's state, and are read from outside (/proc/PID/schedstat): nothing is left out, not
the waking up, not the sleeping, not the write. The bare loop sleeps on absolute deadlines too; with a write of what it has read it
shows how much of the difference is that alone. Of stretches of ten samples (one of them takes statfs and perfkit/self too) the
median counts, so that a hiccup of the machine does not.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
SADC = Path("/usr/lib/sysstat/sadc")

_BARE = """
import os, sys, time
period, out, files = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
out = out and os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
held = [os.open(f, os.O_RDONLY) for f in files]
deadline = time.monotonic()
while True:
    texts = [os.pread(fd, 65536, 0) for fd in held]
    if out:
        os.write(out, b"".join(texts))
    deadline += period
    time.sleep(max(deadline - time.monotonic(), 0))
"""

# The collector with some of its sources alone; everything else is as in `perfkit collect`.
_OURS = """
import sys
sys.path.insert(0, sys.argv[1])
from perfkit.collect import run, sources
from perfkit.collect.launch import CollectOptions
sources.HOST = sources.HOST[: int(sys.argv[2])]
run.run(CollectOptions(frequency=float(sys.argv[3]), collection=sys.argv[4], containers=False,
                services=False, processes=False, duration=None, nice=0))
"""


def host_files(count: int | None = None) -> list[str]:
    """The files behind the collector's sources that this machine has."""
    sys.path.insert(0, str(ROOT / "src"))
    from perfkit.collect.sources import open_sources

    return [s.subsystem for s in open_sources("/proc")[0]][:count]


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--period", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=100.0)
    asked = parser.parse_args()
    period = str(asked.period)
    lean = [sys.executable, "-I", "-S", "-c"]
    with tempfile.TemporaryDirectory() as folder:

        def ours(count: int, name: str) -> list[str]:
            return [*lean, _OURS, str(ROOT / "src"), str(count), period, f"{folder}/{name}"]

        commands = {
            "bare, 4 files": [*lean, _BARE, period, "", *host_files(4)],
            "bare, 4 files, write": [*lean, _BARE, period, f"{folder}/bare", *host_files(4)],
            "ours, 4 files": ours(4, "four.json"),
            "bare, all files": [*lean, _BARE, period, "", *host_files()],
            "ours, all files": ours(99, "all.json"),
            "ours, all files, gz": ours(99, "all.json.gz"),
        }
        if SADC.exists() and asked.period >= 1:
            commands["sadc -S DISK"] = [str(SADC), "-S", "DISK", str(int(asked.period)), f"{folder}/sa"]
        costs = measure(commands, asked.seconds, asked.period)
    report(costs)


def measure(commands: dict[str, list[str]], seconds: float, period: float) -> dict[str, float]:
    """Milliseconds of CPU per sample of each command, all running at once: the median of stretches of ten samples."""
    running = {}
    for name, command in commands.items():
        running[name] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(period / len(commands))  # each wakes alone: one right behind another would find the kernel's code in the caches
    try:
        time.sleep(3 * max(period, 0.5))
        looks = [{name: cpu_seconds(process.pid) for name, process in running.items()}]
        began = time.monotonic()
        for number in range(1, max(int(seconds / period / 10), 1) + 1):
            time.sleep(max(began + number * 10 * period - time.monotonic(), 0))
            looks.append({name: cpu_seconds(process.pid) for name, process in running.items()})
        return {name: statistics.median(b[name] - a[name] for a, b in zip(looks, looks[1:])) * 100 for name in running}
    finally:
        for process in running.values():
            process.terminate()
            process.wait()


def report(costs: dict[str, float]) -> None:
    """Each measurement beside its limit."""
    for name, cost in costs.items():
        print(f"{name:22} {cost:8.4f} ms CPU a sample")
    bars = [("ours, 4 files", "bare, 4 files", 1.3), ("ours, all files", "bare, all files", 1.6)]
    bars += [("ours, all files", "sadc -S DISK", 0.6)] if "sadc -S DISK" in costs else []
    for subject, peer, bar in bars:
        ratio = costs[subject] / costs[peer]
        print(f"{subject} / {peer}: {ratio:.2f} (bar {bar}) {'met' if ratio <= bar else 'MISSED'}")


if __name__ == "__main__":
    main()
