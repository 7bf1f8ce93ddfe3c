"""What it costs to record who uses the machine: CPU a sample with 100 and 1,000 processes, beside `pidstat -u -r -d`.

    build/venv/bin/python tests/bench/processes.py

Prints ours, pidstat's and their ratio, by how many bytes they make a sample in a .gz of `collect` larger, and that collector's memory, each
beside its limit.
Processes that sleep are started for it; every tenth works a little once a second.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))

from perfkit.collect.processes import Processes
from perfkit.collection import line_head

ROOT = Path(__file__).parents[2]
SAMPLES = 31
SECONDS = 60
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


def main() -> None:
    there = sum(name.isdigit() for name in os.listdir("/proc"))
    sleeping: list[subprocess.Popen[bytes]] = []
    try:
        for wanted in (100, 1000):
            sleeping += [subprocess.Popen(WORKS if n % 10 == 0 else ["sleep", "600"]) for n in range(wanted - there - len(sleeping))]
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
