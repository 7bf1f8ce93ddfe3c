"""Watches a collection for some seconds and notes everything that the checks need to judge."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from perfkit.collection import lock
from perfkit.collection.ticks import is_before
from perfkit.preflight.counters import Counters, Nudge, counters, read_counters
from perfkit.preflight.follow import Follow
from perfkit.preflight.processes import Process, writers
from perfkit.preflight.state import RecordingState, SampleRead, State, now

DEFAULT_WAIT = 5.0
# What pcc writes in one period is not known before two samples: its longest usual period.
_UNKNOWN_PERIOD = 10.0
_NUDGE, _SHARE = 1.0, 1 / 3  # seconds of the nudge at most, and of the whole wait


class Observation(NamedTuple):
    """What was seen of one collection in one window of `elapsed` seconds.

    before, nudged, after  this machine's counters at the start of the window, at the end of the nudge (None if the window ended
                           before), and at the end
    recorded               those in the last sample; `fresh` says that it was read after the nudge
    arrived                the samples of the window, `arrived_sources` how often each source came in it
    age                    seconds since the file grew last
    holder                 pid that has the collector's lock, 0 if it is out of sight, None if nobody has it
    skipped                bytes in the middle of a long file that were not read
    grown                  bytes that were added in the window
    """

    path: Path
    state: State
    elapsed: float
    before: Counters
    nudged: Counters | None
    after: Counters
    recorded: Counters
    fresh: bool
    arrived: tuple[SampleRead, ...]
    arrived_sources: Counter[str]
    age: float
    holder: int | None
    writers: tuple[Process, ...]
    replaced: bool
    size: int
    skipped: int
    damaged: bool
    grown: int
    free: int

    @property
    def recording(self) -> RecordingState:
        return self.state.recording

    @property
    def is_held(self) -> bool:
        """Whether a live process records into the file, as far as can be seen."""
        return self.holder is not None if self.recording.ours else bool(self.writers)


def _known_period(recording: RecordingState) -> float:
    return recording.period or _UNKNOWN_PERIOD


def watch_time(recording: RecordingState, wait: float | None) -> float:
    """Seconds to watch at most: `wait`, or if that is None the default, or two and a half periods if these are longer."""
    return max(DEFAULT_WAIT, 2.5 * _known_period(recording)) if wait is None else wait


def fitting_wait(recording: RecordingState) -> float:
    """Whole seconds that are enough for the proof: for the nudge, and for two samples after it."""
    return math.ceil(2.5 * _known_period(recording) + 1)


class Look:
    """One look at a growing collection: opened, watched, closed."""

    def __init__(self, path: Path, wait: float | None) -> None:
        self._follow = Follow(path)
        self._state = self._follow.state
        self._wait = wait
        self._last_growth = path.stat().st_mtime
        self._known = 0
        self._known_sources: Counter[str] = Counter()
        self._recording = self._state.recording
        self._nudged: Counters | None = None
        self._nudge_end = SampleRead(0, None)

    def watch(self) -> Observation:
        """Look until two samples have arrived and one was read after the nudge, at most for `watch_time`."""
        try:
            self._take()
            return self._observe()
        finally:
            self._follow.close()

    def _observe(self) -> Observation:
        follow, size = self._follow, self._follow.size
        self._recording = self._state.recording
        self._known, self._known_sources = len(self._recording.samples), self._recording.seen.copy()
        before, start, first_writers = read_counters(), time.monotonic(), writers(follow.fileno())
        self._look(start)
        holder = self._holder()
        elapsed, after, last_writers = time.monotonic() - start, read_counters(), writers(follow.fileno())
        return Observation(
            path=follow.path,
            state=self._state,
            elapsed=elapsed,
            before=before,
            nudged=self._nudged,
            after=after,
            recorded=counters(self._state.latest),
            fresh=self._fresh(),
            arrived=tuple(self._recording.samples[self._known :]),
            arrived_sources=self._recording.seen - self._known_sources,
            age=time.time() - self._last_growth,
            holder=holder,
            writers=tuple(writer for writer in last_writers if writer.pid in {one.pid for one in first_writers}),
            replaced=follow.replaced(),
            size=follow.size,
            skipped=follow.skipped,
            damaged=follow.damaged,
            grown=follow.size - size,
            free=_free(follow.path),
        )

    def _look(self, start: float) -> None:
        nudge = Nudge(self._follow.fileno, min(_NUDGE, _SHARE * watch_time(self._recording, self._wait)))
        while time.monotonic() - start < watch_time(self._recording, self._wait):
            nudge.step()
            if nudge.done and self._nudged is None:
                self._nudged, self._nudge_end = read_counters(), now()
            self._take()
            self._forget_an_earlier_recording()
            if self._recording.rotated:
                continue  # its next file is there in a moment
            if self._recording.end is not None or (self._fresh() and len(self._recording.samples) - self._known >= 2):
                return

    def _holder(self) -> int | None:
        """Who holds the lock. What its collector wrote before it let go is read then: an end line, or the name of the next file."""
        holder = lock.holder_of(self._follow.fileno())
        if holder is None:
            self._take()
            self._forget_an_earlier_recording()
            holder = lock.holder_of(self._follow.fileno())
        return holder

    def _forget_an_earlier_recording(self) -> None:
        if self._state.recording is not self._recording:
            self._recording, self._known, self._known_sources = self._state.recording, 0, Counter()

    def _fresh(self) -> bool:
        """Whether the last sample was read after the nudge; one of pcc's whole seconds has to be a later second."""
        if self._nudged is None or not self._recording.samples:
            return False
        return is_before(self._nudge_end, self._recording.samples[-1])

    def _take(self) -> None:
        size = self._follow.size
        self._follow.read()
        if self._follow.size > size:
            self._last_growth = os.fstat(self._follow.fileno()).st_mtime


def _free(path: Path) -> int:
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize
