"""`process` beside the bare scan of the same file: how much all the arithmetic costs on top of reading.

    python tests/bench/process_speed.py day gz big week short few [--folder /tmp/perfkit-bench] [--repeat 5]

Every run is a process of its own, and the scan and ours take turns; wall and CPU time are the median of the repeats, peak RSS is the
largest. The bars are for CPU seconds, which others that use the machine change less. The scan is DuckDB's read_json of the same file into a
table, with the same columns and nothing else. Inputs are invented once and kept in the folder.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from support import invent  # noqa: E402 - needs the path above

DAY = 86_400
SCAN = """
import sys, duckdb
duckdb.connect().execute(
    "CREATE TABLE t AS FROM read_json(?, format = 'newline_delimited', columns = {timestamp: 'BIGINT', nanosecond: 'BIGINT',"
    " monotonic: 'DOUBLE', subsystem: 'VARCHAR', measurement: 'VARCHAR'})", [sys.argv[1]])
"""


@dataclass(frozen=True)
class Case:
    """One input and the bars that it is held to."""

    about: str
    machine: dict[str, int]
    seconds: int = DAY
    ending: str = ".json"
    times_scan: float | None = None
    rss_mib: int | None = None
    cpu_s: float | None = None
    options: list[str] = field(default_factory=list)


_SMALL = {"cpus": 4, "disks": 2, "partitions": 2, "loops": 9, "interfaces": 6}
CASES = {
    "day": Case("24 h at 1 s, 4 CPUs, 15 block devices, 6 interfaces", _SMALL, times_scan=8, rss_mib=700),
    "gz": Case("the same, .gz", _SMALL, ending=".json.gz", times_scan=8),
    "big": Case("24 h at 1 s, 64 CPUs, 20 containers", {"cpus": 64, "containers": 20}, times_scan=8, rss_mib=3072),
    "week": Case("7 days at 1 s, --memory-limit 2GB", _SMALL, seconds=7 * DAY, options=["--memory-limit", "2GB"]),
    "short": Case("10 minutes at 1 s, from start to files", _SMALL, seconds=600, cpu_s=0.6),
    "few": Case("three samples, from start to files", _SMALL, seconds=3, cpu_s=0.35),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("cases", nargs="*", default=["day"], choices=CASES)
    arguments.add_argument("--folder", type=Path, default=Path("/tmp/perfkit-bench"))
    arguments.add_argument("--repeat", type=int, default=5)
    arguments.add_argument("--pyz", type=Path, help="run this file instead of the checkout")
    given = arguments.parse_args()
    given.folder.mkdir(exist_ok=True)
    times = f"{'scan':>8} {'ours':>8} {'ratio':>6}"
    print(f"{'input':<54} {'size':>8} {times} {times} (CPU) {'bar':>6} {'peak RSS':>9} {'bar':>9}")
    for name in given.cases:
        _measure(CASES[name], given.folder, given.repeat, given.pyz)


def _measure(case: Case, folder: Path, repeat: int, pyz: Path | None) -> None:
    file = _input(case, folder)
    program = [sys.executable, pyz] if pyz else [sys.executable, "-m", "perfkit"]
    output = folder / "output"
    scans: list[Run] = []
    ours: list[Run] = []
    for _ in range(repeat):
        scans.append(_run([sys.executable, "-c", SCAN, file]))
        shutil.rmtree(output, ignore_errors=True)
        ours.append(_run([*program, "process", "--collection", file, "--outdir", output, *case.options]))
    scan, wall, rss = median(run.wall for run in scans), median(run.wall for run in ours), max(run.rss for run in ours)
    scan_cpu, cpu = median(run.cpu for run in scans), median(run.cpu for run in ours)
    bar = f"{case.times_scan:g}x" if case.times_scan else f"{case.cpu_s:g} s" if case.cpu_s else "-"
    rss_bar = f"{case.rss_mib} MiB" if case.rss_mib else "-"
    print(
        f"{case.about:<54} {file.stat().st_size / 1e6:>5.0f} MB {scan:>6.2f} s {wall:>6.2f} s {wall / scan:>5.2f}x"
        f" {scan_cpu:>6.2f} s {cpu:>6.2f} s {cpu / scan_cpu:>5.2f}x {bar:>6} {rss:>11.0f} MiB {rss_bar:>9}"
    )


def _input(case: Case, folder: Path) -> Path:
    name = "-".join(f"{key}{value}" for key, value in case.machine.items())
    file = folder / f"{name}-{case.seconds}s{case.ending}"
    if not file.exists():
        beside = file.with_name(f"new-{file.name}")
        invent.write(beside, seconds=case.seconds, **case.machine)  # type: ignore[arg-type]
        beside.rename(file)
    return file


class Run(NamedTuple):
    """What a process took: wall and CPU seconds, peak RSS in MiB."""

    wall: float
    cpu: float
    rss: float


def _run(command: list[object]) -> Run:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    begun = time.perf_counter()
    child = subprocess.Popen([str(word) for word in command], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command} failed")
    return Run(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
