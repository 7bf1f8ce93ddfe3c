"""Keeps an eye on a collection that has passed the checks: says at once when recording stops, and that it goes on again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from perfkit.collection import lock
from perfkit.collection.certificate import END_MARK, RECORDING, Certificate, Gap
from perfkit.collection.ticks import Ticks, is_before, together
from perfkit.errors import BadInput, reason
from perfkit.preflight.follow import Follow
from perfkit.preflight.processes import Cost, writers
from perfkit.preflight.state import RecordingState, SampleRead, now
from perfkit.units import format_duration

LOST, RESUMED, ENDED, SO_FAR = "lost", "resumed", "ended", "so far"
_PERIODS_WITHOUT_SAMPLE = 2.5
_GRACE = 0.5
_KEPT_SAMPLES = 1000
_POLL = 0.2
_REPORT_EVERY = 60.0


class Notice(NamedTuple):
    """Something that the person at the terminal should know: kind (lost, resumed, ended, so far), and a sentence."""

    kind: str
    sentence: str


class Watch:
    """Follows `path`, and the files that it goes on in when the collector rotates; polled, never blocking.

    target    what marks are written into: the file that is being written now
    lost_for  why nothing is recorded now, "" if it is
    over      whether nothing will be any more
    cost      of the collector, since `cover`
    patience  seconds that the sample after a load may take to come

    Raises BadInput where the file cannot be read.
    """

    is_stream = False

    def __init__(self, path: Path) -> None:
        try:
            self._follow = Follow(path)
        except OSError as error:
            raise BadInput(f"{path} cannot be read: {reason(error)}.") from None
        self.lost_for = ""
        self.over = False
        self.cost = Cost(None)
        self._parts: list[Ticks] = []
        self._last_sample = time.monotonic()
        self._follow.read()
        self._writer_seen = not self.recording.ours and bool(writers(self._follow.fileno()))

    @property
    def target(self) -> Path:
        return self._follow.path

    @property
    def recording(self) -> RecordingState:
        return self._follow.state.recording

    @property
    def period(self) -> float:
        """Seconds between samples; 1 while nothing tells."""
        return self.recording.period or 1.0

    @property
    def patience(self) -> float:
        return 2.5 * self.period + _POLL

    @property
    def resumed(self) -> str:
        """The sentence for what goes on again."""
        return f"{self.target} is being recorded again"

    @property
    def after_a_loss(self) -> str:
        """What a loss that is over means for the data."""
        return "the gap is in the data."

    @property
    def where_missing(self) -> str:
        """What became of samples that are not there, and what to do."""
        return "missing; find the cause and repeat the test"

    @property
    def silence(self) -> float:
        """Seconds since the last sample came."""
        return time.monotonic() - self._last_sample

    @property
    def last(self) -> SampleRead | None:
        """The newest sample."""
        return self.recording.samples[-1] if self.recording.samples else None

    # What is counted

    def cover(self, since: SampleRead) -> None:
        """Count samples, and what the collector costs, from `since` on."""
        self._parts = [self.recording.ticks(since)]
        self.cost = Cost(self._collector())

    def close_window(self, until: SampleRead) -> None:
        """Count no sample that was read after `until`; one of those should follow, and closes the last gap."""
        for ticks in self._parts:
            ticks.until = until

    def is_closed(self, until: SampleRead) -> bool:
        """Whether a sample that was read after `until` has come."""
        return self.last is not None and is_before(until, self.last)

    def give_up(self, until: SampleRead) -> None:
        """No sample follows: what was due up to `until` is missing."""
        self._parts[-1].end(until.wall_ms, until.monotonic if self._is_monotonic else None)

    @property
    def gaps(self) -> list[Gap]:
        return [gap for ticks in self._parts for gap in ticks.gaps]

    def certificate(self) -> Certificate:
        """Of the window. A recording that was begun anew within it has a gap before its beginning."""
        ended = self.recording.how_it_ended(held=not self.over)
        return together(self._parts, resets=None, ended=END_MARK if ended == RECORDING else ended)

    @property
    def _is_monotonic(self) -> bool:
        return self.last is None or self.last.monotonic is not None

    def _collector(self) -> int | None:
        if self.recording.ours:
            return lock.holder_of(self._follow.fileno())
        return next((writer.pid for writer in writers(self._follow.fileno())), None)

    # What happens

    def poll(self) -> list[Notice]:
        """What has happened since the last call."""
        gone = self._is_gone()  # asked first: what a collector writes before it goes has been read then
        self._read()
        self.cost.read()
        final = self._why_over(gone)
        self.over = bool(final)
        lost = final or self._why_silent()
        events = []
        if lost and not self.lost_for:
            ended = (self.recording.end or {}).get("reason") == "duration"
            events.append(Notice(ENDED if ended else LOST, lost))
        elif self.lost_for and not lost:
            events.append(Notice(RESUMED, self.resumed))
        self.lost_for = lost
        return events

    def close(self) -> None:
        self._follow.close()

    def _read(self) -> None:
        before = self.recording
        arrived = self._follow.read()
        if self._parts and self.recording is not before:
            self._begin_anew(self.recording)
        for sample in arrived:
            self._last_sample = time.monotonic()
            if self._parts:
                self._parts[-1].add(*sample)
        del self.recording.samples[:-_KEPT_SAMPLES]

    def _begin_anew(self, recording: RecordingState) -> None:
        ticks = self._parts[-1]
        first = recording.began or (recording.samples[0] if recording.samples else None)
        if first is not None:
            ticks.end(*first)
        self._parts.append(Ticks(recording.period or ticks.period, recording.started, ticks.since, ticks.until))

    def _is_gone(self) -> bool:
        if self.recording.ours:
            return lock.holder_of(self._follow.fileno()) is None
        return self._writer_seen and self.silence > self.period + _GRACE and not writers(self._follow.fileno())

    def _why_over(self, gone: bool) -> str:
        """Why no sample will ever come, "" if one may."""
        if self.recording.rotated:
            return ""
        if self.recording.end is not None:
            return f"the collection has ended ({self.recording.end.get('reason', 'unknown')})"
        if self._follow.replaced():
            return f"{self.target} was removed, replaced or cut"
        return "the collector has gone without an end line" if gone and self._is_gone() else ""

    def _why_silent(self) -> str:
        if self.silence > _PERIODS_WITHOUT_SAMPLE * self.period + _GRACE:
            return f"no sample for {format_duration(self.silence)}"
        return ""


def watch_until_end(watch: Watch) -> Iterator[Notice]:
    """Events until the end line is there or the collector has gone; every minute one that says how it goes."""
    due = time.monotonic() + _REPORT_EVERY
    watch.cover(now())
    while True:
        yield from watch.poll()
        if watch.over:
            watch.close()
            return
        if time.monotonic() >= due:
            due += _REPORT_EVERY
            yield Notice(SO_FAR, str(watch.certificate()))
        time.sleep(_POLL)
