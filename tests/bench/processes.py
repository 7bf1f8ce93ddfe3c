"""What it costs to record who uses the machine: CPU a sample with 100 and 1,000 processes, beside `pidstat -u -r -d`.

    build/venv/bin/python tests/bench/processes.py [cost] [shares]

Prints ours, pidstat's and their ratio, by how many bytes they make a sample in a .gz of `collect` larger, and that collector's memory,
each beside its limit. Processes that sleep are started for it; 15 work a little once a second, as on a machine under load. Then, what is
attributed to processes of known shares over a minute, beside what the scheduler's own counter of nanoseconds says.
"""

from __future__ import annotations

import csv
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from perfkit.collect.processes import Processes
from perfkit.collection import line_head

ROOT = Path(__file__).parents[2]
SAMPLES = 31
SECONDS = 60
WORKING = 15
BURNS = """
import sys, time
share = float(sys.argv[1])
while True:
    began = time.monotonic()
    while time.monotonic() - began < share * 0.1:
        pass
    time.sleep((1 - share) * 0.1)
"""
WORKS = ["bash", "-c", "exec 3<> <(:); while :; do for ((i = 0; i < 2000; i++)); do :; done; read -t 1 -u 3; done"]


def ours() -> float:
    """ms of CPU a sample, without the first sample."""
    now = [0.0]
    processes = Processes("/proc", monotonic=lambda: now[0])
    processes.read(line_head(1, 2))
    costs = []
    for _ in range(SAMPLES - 1):
        time.sleep(0.1)
        now[0] += 1
        before = time.process_time()
        b"".join(processes.read(line_head(1, 2)))
        costs.append(time.process_time() - before)
    processes.close()
    return 1000 * statistics.fmean(costs)


def recorded(folder: Path) -> tuple[float, float]:
    """(bytes a sample in a .gz that the processes add, peak memory in MiB): two collectors at once, one of them without processes."""
    files = {name: folder / f"{name}.json.gz" for name in ("--processes", "--no-processes")}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "perfkit", "collect", "--duration", f"{SECONDS}s", "--collection", str(file), name],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for name, file in files.items()
    ]
    time.sleep(SECONDS * 0.9)
    status = Path(f"/proc/{running[0].pid}/status").read_text()
    peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
    for one in running:
        one.wait()
    larger = files["--processes"].stat().st_size - files["--no-processes"].stat().st_size
    for file in files.values():
        file.unlink()
    return larger / SECONDS, peak / 1024


def pidstat() -> float:
    """ms of CPU a sample."""
    if not shutil.which("pidstat"):
        return float("nan")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["pidstat", "-u", "-r", "-d", "1", "5"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 6


def shares() -> None:
    """Each process's share of a core as processes.csv has it, beside that of /proc/PID/schedstat, which counts nanoseconds."""
    burning = [subprocess.Popen([sys.executable, "-S", "-c", BURNS, str(share)]) for share in (0.1, 0.25, 0.5, 0.8)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "shares.json")
            command = [sys.executable, "-m", "perfkit"]
            environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
            collector = subprocess.Popen([*command, "collect", "--duration", f"{SECONDS + 4}s", "--collection", str(file)], env=environment)
            time.sleep(3)
            before, start = [nanoseconds(one.pid) for one in burning], time.time()
            time.sleep(SECONDS)
            after, end = [nanoseconds(one.pid) for one in burning], time.time()
            collector.wait()
            subprocess.run(
                [*command, "process", str(file), "--outdir", folder + "/out"], env=environment, stdout=subprocess.DEVNULL, check=True
            )
            with Path(folder, "out", "processes.csv").open() as rows:
                found = [(row["pid"], row["timestamp"], row["cpu_percent"]) for row in csv.DictReader(rows)]
    finally:
        for one in burning:
            one.kill()
    since, until = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S") for at in (start + 1, end))
    times = {at for _, at, _ in found if since <= at < until}
    for one, (first, last) in zip(burning, zip(before, after, strict=True), strict=True):
        booked = sum(float(cell or 0) for pid, at, cell in found if pid == str(one.pid) and at in times) / len(times)
        theirs = (last - first) / (end - start) / 1e7
        print(f"{theirs:6.2f} % of a core by the scheduler, {booked:6.2f} % in processes.csv: {booked - theirs:+.2f} points (limit 1)")


def nanoseconds(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def main() -> None:
    asked = sys.argv[1:] or ["cost", "shares"]
    if "cost" in asked:
        costs()
    if "shares" in asked:
        shares()


def costs() -> None:
    there = sum(name.isdigit() for name in os.listdir("/proc"))
    sleeping: list[subprocess.Popen[bytes]] = []
    try:
        for wanted in (100, 1000):
            started = range(len(sleeping), wanted - there)
            sleeping += [subprocess.Popen(WORKS if n < WORKING else ["sleep", "600"]) for n in started]
            cost, peer = statistics.median(ours() for _ in range(3)), pidstat()
            with tempfile.TemporaryDirectory() as folder:
                size, peak = recorded(Path(folder))
            most, limit = (0.6, " (limit 350)") if wanted == 100 else (1.0, "")
            print(f"{wanted:5d} processes: {cost:.2f} ms a sample (limit {most}), pidstat {peer:.2f} ms, {cost / peer:.3f}x (limit 0.15)")
            print(f"{'':16} {size:.0f} bytes a sample in a .gz{limit}, the collector's memory at its peak {peak:.1f} MiB (limit 16)")
    finally:
        for process in sleeping:
            process.kill()


if __name__ == "__main__":
    main()
