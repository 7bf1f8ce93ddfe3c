"""What the collector itself takes of the machine, seen from outside: its CPU time and memory in /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple


class Reading(NamedTuple):
    """CPU seconds that a process has used at an instant (monotonic, s), and its resident memory in bytes."""

    instant: float
    cpu_seconds: float
    rss_bytes: int


class Cost:
    """A process's CPU and memory between the first and the latest `read`; a process that has gone keeps its latest."""

    def __init__(self, pid: int | None, proc: Path = Path("/proc")) -> None:
        self._stat = proc / str(pid) / "stat"
        self.first = self.latest = self._reading()

    def read(self) -> None:
        """Look again."""
        self.latest = self._reading() or self.latest

    @property
    def core_percent(self) -> float | None:
        """CPU time as a percentage of one core; None below a second of watching, or where the process could not be seen."""
        if self.first is None or self.latest is None or self.latest.instant - self.first.instant < 1:
            return None
        return 100 * (self.latest.cpu_seconds - self.first.cpu_seconds) / (self.latest.instant - self.first.instant)

    def _reading(self) -> Reading | None:
        try:
            fields = self._stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        return Reading(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))
