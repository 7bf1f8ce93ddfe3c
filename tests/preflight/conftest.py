"""Collectors that really run, sound or with one fault."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.running import FAULTY, Start, collect, wait_for


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """What the test has started, and ends at its end."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for one in started:
        one.kill()
        one.wait()


@pytest.fixture
def faulty(processes: list[subprocess.Popen[bytes]]) -> Start:
    """Start a collector with a fault: faulty(file, "frozen", frequency=0.2); it has written its first line when this returns."""

    def start(file: Path, fault: str = "none", **options: object) -> subprocess.Popen[bytes]:
        size = file.stat().st_size if file.exists() else 0
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        process = subprocess.Popen([sys.executable, str(FAULTY), str(file), "--fault", fault, *words])
        processes.append(process)
        wait_for(lambda: file.exists() and file.stat().st_size > size)
        return process

    return start


@pytest.fixture
def collector(processes: list[subprocess.Popen[bytes]]) -> Start:
    """Start perfkit's own collector with these options."""

    def start(file: Path, *words: str) -> subprocess.Popen[bytes]:
        process = collect("--collection", file, "--no-containers", *words)
        processes.append(process)
        wait_for(lambda: file.exists() and (file.name.endswith(".gz") or b"/proc/stat" in file.read_bytes()))
        return process

    return start
