"""Watches a collection until it ends, and tells what happens to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from perfkit.errors import BadInput
from perfkit.preflight.watch import Event, open_watch

_POLL = 0.2
_REPORT_EVERY = 60.0


def watch_until_end(path: Path) -> Iterator[Event]:
    """Events until the end line is there or the collector has gone; every minute one that says how it goes.

    Raises BadInput where the file cannot be read.
    """
    watch = open_watch(path)
    if isinstance(watch, str):
        raise BadInput(f"{path} cannot be read: {watch}.")
    coverage, due = watch.cover(), time.monotonic() + _REPORT_EVERY
    while True:
        yield from watch.poll()
        if watch.over:
            watch.close()
            return
        if time.monotonic() >= due:
            due += _REPORT_EVERY
            expected, present = coverage.until(watch.now())
            yield Event("so far", f"{present} of {expected} samples, latest {coverage.lateness * 1000:.1f} ms late")
        time.sleep(_POLL)
