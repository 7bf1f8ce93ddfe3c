"""How late the collector's ticks are: at 1 Hz with every core busy, and at 100 Hz.

    flock /tmp/bench.lock .venv/bin/python tests/bench/collect_lateness.py [--seconds 60]

Several collectors run at once in different phases, so that a minute at 1 Hz gives enough ticks for a 99th percentile. Ticks are
taken from the collections: each read's `monotonic` beside the session's grid. A bare sleeping loop of the same priority runs beside
them as the peer: what the machine itself can do at the moment.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from perfkit.collection import Reader  # noqa: E402 (the path comes first)

_BURN = "while True: pass"
_PEER = """
import os, sys, time
if sys.argv[3:]:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
period, end = float(sys.argv[1]), time.monotonic() + float(sys.argv[2])
deadline = time.monotonic() + period
while deadline < end:
    time.sleep(max(deadline - time.monotonic(), 0))
    print(time.monotonic() - deadline)
    deadline += period
"""


@contextlib.contextmanager
def busy_cores() -> Iterator[None]:
    burning = [subprocess.Popen([sys.executable, "-c", _BURN]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def collect(folder: str, count: int, period: float, seconds: float, *words: str) -> list[Path]:
    """Run `count` collectors at once, a fraction of a period apart."""
    paths = [Path(folder) / f"{time.monotonic_ns()}-{number}.json" for number in range(count)]
    running = []
    for path in paths:
        command = [sys.executable, "-m", "perfkit", "collect", "--no-containers", "--collection", str(path)]
        command += ["--frequency", f"{period * 1000:g}ms", "--duration", f"{seconds:g}s", *words]
        running.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, stderr=subprocess.DEVNULL))
        time.sleep(period / count)
    for process in running:
        process.wait()
    return paths


def latenesses(path: Path, period: float) -> list[float]:
    """Milliseconds that each tick came after its place on the grid."""
    times, started = [], 0.0
    for line in Reader(path):
        if line.subsystem == "perfkit/session":
            started = line.json()["started"]
        elif line.subsystem == "/proc/stat":
            times.append(line.monotonic or 0.0)
    return [((moment - started) % period if (moment - started) % period < period * 0.999 else 0.0) * 1000 for moment in times[1:]]


def intervals(path: Path) -> list[float]:
    times = [line.monotonic or 0.0 for line in Reader(path) if line.subsystem == "/proc/stat"]
    return [(b - a) * 1000 for a, b in zip(times, times[1:])]


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def verdict(what: str, values: list[float], bar: float) -> None:
    found = percentile(values, 0.99)
    shown = f"p50 {percentile(values, 0.5):6.2f}  p99 {found:6.2f}  max {max(values):7.2f} ms of {len(values)}"
    print(f"{what:52} {shown}  (p99 bar {bar:g}) {'met' if found <= bar else 'MISSED'}")


def peer(period: float, seconds: float, *raised: str) -> subprocess.Popen[str]:
    """A loop that only sleeps, at the lowest real-time priority if `raised`."""
    return subprocess.Popen([sys.executable, "-c", _PEER, str(period), str(seconds), *raised], stdout=subprocess.PIPE, text=True)


def of_peer(process: subprocess.Popen[str]) -> list[float]:
    return [float(line) * 1000 for line in process.communicate()[0].split()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        loop = peer(0.01, seconds / 2)
        paths = collect(folder, 1, 0.01, seconds / 2)
        verdict("100 Hz, nothing else of ours: interval", intervals(paths[0]), 11)
        verdict("  peer, a loop that only sleeps: interval", [10 + b - a for a, b in pairs(of_peer(loop))], 11)
        for about, words, raised, bar in (("priority raised", (), ("fifo",), 2), ("own priority", ("--nice", "0"), (), 10)):
            with busy_cores():
                loop = peer(0.1, seconds, *raised)
                paths = collect(folder, 8, 1.0, seconds, *words)
                theirs = of_peer(loop)
            verdict(f"1 Hz, all cores busy, {about}: lateness", [x for path in paths for x in latenesses(path, 1.0)], bar)
            verdict("  peer, a loop that only sleeps: lateness", theirs, bar)


def pairs(values: list[float]) -> list[tuple[float, float]]:
    return list(zip(values, values[1:]))


if __name__ == "__main__":
    main()
