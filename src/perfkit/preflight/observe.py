"""Watches a collection for some seconds and notes everything that the checks need to judge."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from perfkit.collection import lock
from perfkit.preflight.follow import Follow
from perfkit.preflight.holder import Writer, writers
from perfkit.preflight.kernel import Counters, Nudge, counters, read_counters
from perfkit.preflight.story import Sample, Story

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
        self._follow = Follow(path)
        self._story = self._follow.story
        self._wait = wait
        self._last_growth = path.stat().st_mtime
        self._known = self._runs = 0
        self._known_sources: Counter[str] = Counter()
        self._nudged: Counters | None = None
        self._nudge_end = 0.0

    def watch(self) -> Observation:
        """Look until two samples have arrived and one was read after the nudge, at most for `watch_time`."""
        try:
            self._take()
            return self._observe()
        finally:
            self._follow.close()

    def _observe(self) -> Observation:
        follow, story, size = self._follow, self._story, self._follow.size
        self._known, self._known_sources, self._runs = len(story.samples), story.seen.copy(), story.runs
        before, start, first_writers = read_counters(), time.monotonic(), writers(follow.fileno())
        self._look(start)
        elapsed, recorded, after, last_writers = time.monotonic() - start, counters(story.latest), read_counters(), writers(follow.fileno())
        return Observation(
            path=follow.path,
            story=story,
            elapsed=elapsed,
            before=before,
            nudged=self._nudged,
            after=after,
            recorded=recorded,
            fresh=self._fresh(),
            arrived=tuple(story.samples[self._known :]),
            arrived_sources=story.seen - self._known_sources,
            age=time.time() - self._last_growth,
            holder=lock.holder_of(follow.fileno()),
            writers=tuple(writer for writer in last_writers if writer.pid in {one.pid for one in first_writers}),
            replaced=follow.replaced(),
            size=follow.size,
            skipped=follow.skipped,
            damaged=follow.damaged,
            grown=follow.size - size,
            free=_free(follow.path),
        )

    def _look(self, start: float) -> None:
        nudge = Nudge(self._follow.fileno, _NUDGE)
        while time.monotonic() - start < watch_time(self._story, self._wait):
            nudge.step()
            if nudge.done and self._nudged is None:
                self._nudged, self._nudge_end = read_counters(), time.time()
            self._take()
            self._forget_an_earlier_run()
            ended = self._story.end is not None and not self._follow.rotating()
            if ended or (self._fresh() and len(self._story.samples) - self._known >= 2):
                return

    def _forget_an_earlier_run(self) -> None:
        if self._story.runs != self._runs:
            self._known, self._known_sources, self._runs = 0, Counter(), self._story.runs

    def _fresh(self) -> bool:
        """Whether the last sample was read after the nudge; one of pcc's whole seconds has to be a later second."""
        return self._nudged is not None and bool(self._story.samples) and self._story.samples[-1].wall > self._nudge_end

    def _take(self) -> None:
        size = self._follow.size
        self._follow.read()
        if self._follow.size > size:
            self._last_growth = os.fstat(self._follow.fileno()).st_mtime


def _free(path: Path) -> int:
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize
