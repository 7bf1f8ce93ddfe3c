"""A collector with one chosen fault, run as a process by the tests: it shares no code with perfkit's.

    faulty_collector.py FILE --frequency 0.2 --fault frozen

Without --fault it records as design of the format says: session line, then samples of this machine's real /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import socket
import time
from pathlib import Path

SOURCES = ["/proc/stat", "/proc/meminfo", "/proc/diskstats", "/proc/net/dev"]
FAULTS = ("none", "slow", "missing", "frozen", "nolock", "stalls", "unsynchronised", "other-boot", "garbage", "pcc", "pcc-stalls")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("file", type=Path)
    options.add_argument("--frequency", type=float, default=0.2)
    options.add_argument("--duration", type=float, default=60.0)
    options.add_argument("--fault", choices=FAULTS, default="none")
    options.add_argument("--samples", type=int, default=10**9, help="of a stalling collector: how many before it stalls")
    record(options.parse_args())


def record(chosen: argparse.Namespace) -> None:
    fault = chosen.fault
    descriptor = os.open(chosen.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if not fault.startswith("pcc") and fault != "nolock":
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if not fault.startswith("pcc"):
        os.write(descriptor, session(chosen))
    with contextlib.suppress(OSError):  # on a busy machine it has its one fault and no other
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    first = {name: Path(name).read_text() for name in SOURCES}
    period = chosen.frequency * (3 if fault == "slow" else 1)
    started = time.monotonic()
    for count in range(chosen.samples):
        os.write(descriptor, sample(fault, first))
        if fault == "garbage" and count == 2:
            os.write(descriptor, b"\0\0\0 not a measurement\n")
        passed = time.monotonic() - started
        time.sleep(period - passed % period)
    time.sleep(600)


def session(chosen: argparse.Namespace) -> bytes:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    content = {
        "format": 1,
        "hostname": socket.gethostname(),
        "boot_id": "0" * 36 if chosen.fault == "other-boot" else boot,
        "pid": os.getpid(),
        "frequency": chosen.frequency,
        "duration": chosen.duration,
        "clock_synchronised": chosen.fault != "unsynchronised",
        "subsystems": SOURCES,
        "part": 0,
    }
    return line("perfkit/session", json.dumps(content), time.time_ns(), True)


def sample(fault: str, first: dict[str, str]) -> bytes:
    now = time.time_ns()
    names = SOURCES[:-1] if fault == "missing" else SOURCES
    texts = {name: first[name] if fault == "frozen" else Path(name).read_text() for name in names}
    return b"".join(line(name, text, now, not fault.startswith("pcc")) for name, text in texts.items())


def line(subsystem: str, measurement: str, now: int, perfkit: bool) -> bytes:
    found: dict[str, object] = {"timestamp": now // 10**9}
    if perfkit:
        found.update(nanosecond=now % 10**9, monotonic=round(time.monotonic(), 6))
    found.update(subsystem=subsystem, measurement=measurement)
    return json.dumps(found).encode() + b"\n"


if __name__ == "__main__":
    main()
