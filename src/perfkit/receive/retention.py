"""Forgetting what is older than it has to be kept: collections of past days, and the database's live samples."""

from __future__ import annotations

import calendar
import contextlib
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

PAUSE_SECONDS = 3600.0
_DAY = re.compile(r"-(\d{4}-\d{2}-\d{2})\.json$")


def expire_collections(root: Path, seconds: float, now: float) -> int:
    """Delete the collections under `root` whose day ended more than `seconds` before `now`; how many."""
    gone = 0
    for path in root.glob("*/*.json"):
        found = _DAY.search(path.name)
        if found and _end_of_day(found[1]) + seconds < now:
            path.unlink(missing_ok=True)
            gone += 1
            with contextlib.suppress(OSError):  # the others of this identifier are still there
                path.parent.rmdir()
    return gone


def run_retention(data: Path, seconds: float, prune: Callable[[float], object], on_ready: Callable[[str], None]) -> None:
    """Every hour until SIGTERM: expire collections, and call `prune` (seconds) for the database."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    on_ready("")
    while not stop.is_set():
        expire_collections(data / "collections", seconds, time.time())
        prune(seconds)
        stop.wait(PAUSE_SECONDS)


def _end_of_day(day: str) -> float:
    try:
        return calendar.timegm(time.strptime(day, "%Y-%m-%d")) + 86400.0
    except ValueError:
        return float("inf")
