"""Watches a collection for some seconds and notes everything that the checks need to judge."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from perfkit import lock
from perfkit.preflight.holder import Writer, writers
from perfkit.preflight.kernel import Counters, Nudge, counters, read_counters
from perfkit.preflight.story import Sample, Story
from perfkit.preflight.tail import Tail

DEFAULT_WAIT = 5.0
# What pcc writes in one period is not known before two samples: its longest usual period.
_UNKNOWN_PERIOD = 10.0
_NUDGE = 1.0


class Observation(NamedTuple):
    """What was seen of one collection in one window of `elapsed` seconds.

    `before`, `nudged` and `after` are this machine's counters at the start of the window, at the end of the nudge (None if the
    window was too short for it) and at the end, `recorded` those in the last sample; `fresh` says that it was read after the
    nudge. `arrived` are the samples of the window, `arrived_sources` how often each source came in it. `holder` is the pid
    that has the collector's lock, 0 one out of sight.
    """

    path: Path
    story: Story
    elapsed: float
    before: Counters
    nudged: Counters | None
    after: Counters
    recorded: Counters
    fresh: bool
    arrived: tuple[Sample, ...]
    arrived_sources: Counter[str]
    age: float
    holder: int | None
    writers: tuple[Writer, ...]
    replaced: bool
    size: int
    skipped: int
    damaged: bool
    grown: int
    free: int


def watch_time(story: Story, wait: float | None) -> float:
    """Seconds to watch at most: `wait`, or if that is None the default, or two and a half periods if these are longer."""
    if wait is not None:
        return wait
    return max(DEFAULT_WAIT, 2.5 * (story.period or _UNKNOWN_PERIOD))


class Window:
    """One look at a growing collection: opened, watched, closed."""

    def __init__(self, path: Path, wait: float | None) -> None:
        self._tail = Tail(path)
        self._path = path
        self._story = Story()
        self._wait = wait
        self._arrived = 0
        self._last_growth = path.stat().st_mtime

    def watch(self) -> Observation:
        """Look until two samples have arrived and one was read after the nudge, at most for `watch_time`."""
        try:
            self._take()
            return self._observe()
        finally:
            self._tail.close()

    def _observe(self) -> Observation:
        story, nudge = self._story, Nudge(self._tail.fileno(), _NUDGE)
        known, sources, size = len(story.samples), story.seen.copy(), self._tail.size
        runs, before, start = story.runs, read_counters(), time.monotonic()
        first_writers = writers(self._tail.fileno())
        nudged: Counters | None = None
        nudge_end, fresh = 0.0, False
        while time.monotonic() - start < watch_time(story, self._wait):
            nudge.step()
            if nudge.done and nudged is None:
                nudged, nudge_end = read_counters(), time.time()
            self._take()
            if story.runs != runs:
                known, sources, runs = 0, Counter(), story.runs
            fresh = nudged is not None and _read_after(story, nudge_end)
            if (fresh and len(story.samples) - known >= 2) or story.end:
                break
        elapsed = time.monotonic() - start
        recorded, after = counters(story.latest), read_counters()
        last = writers(self._tail.fileno())
        return Observation(
            path=self._path,
            story=story,
            elapsed=elapsed,
            before=before,
            nudged=nudged,
            after=after,
            recorded=recorded,
            fresh=fresh,
            arrived=tuple(story.samples[known:]),
            arrived_sources=story.seen - sources,
            age=time.time() - self._last_growth,
            holder=lock.holder_of(self._tail.fileno()),
            writers=tuple(writer for writer in last if writer.pid in {w.pid for w in first_writers}),
            replaced=self._tail.replaced(),
            size=self._tail.size,
            skipped=self._tail.skipped,
            damaged=self._tail.damaged,
            grown=self._tail.size - size,
            free=_free(self._path),
        )

    def _take(self) -> None:
        size = self._tail.size
        for raw in self._tail.read():
            self._story.take(raw)
        if self._tail.size > size:
            self._last_growth = os.fstat(self._tail.fileno()).st_mtime


def _read_after(story: Story, moment: float) -> bool:
    """Whether the last sample was read after `moment`; pcc's whole seconds have to be a later second."""
    return bool(story.samples) and story.samples[-1].wall > moment


def _free(path: Path) -> int:
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize
