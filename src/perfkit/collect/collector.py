"""The run: from the session line through every sample to the end line."""

from __future__ import annotations

import os

from perfkit.collect.clock import Ticker
from perfkit.collect.sample import Sampler
from perfkit.collect.session import session
from perfkit.collection import END, SELF, SESSION, encode_json
from perfkit.collection.subsystems import SLOW
from perfkit.collection.ticks import Ticks, together
from perfkit.errors import PerfkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from perfkit.collect.launch import CollectOptions
    from perfkit.collect.marks import Requests
    from perfkit.collect.progress import Progress
    from perfkit.collect.sample import Clock
    from perfkit.collection.certificate import Certificate

    class Sink(Protocol):
        """Where lines go. `write` keeps them in order and raises a PerfkitError when it cannot go on."""

        @property
        def written(self) -> int: ...
        def write(self, lines: bytes) -> None: ...
        def check(self) -> None: ...
        def next_file(self) -> str: ...
        def rotate(self) -> None: ...
        def facts(self) -> dict[str, Any]: ...
        def close(self) -> None: ...


class Collector:
    """Samples into `sink` until the duration is over or a stop is requested.

    Everything it touches is handed in: the machine's facts, the sampler with its sources, the clock, the requests of signals and
    marks, the sink. `form` turns lines into another collector's before they are written.
    """

    def __init__(  # noqa: PLR0913 (everything it touches is handed in)
        self,
        *,
        options: CollectOptions,
        facts: dict[str, Any],
        sampler: Sampler,
        clock: Clock,
        requests: Requests,
        sink: Sink,
        progress: Progress,
        form: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._options, self._facts, self._sampler, self._clock = options, facts, sampler, clock
        self._requests, self._sink, self._progress, self._form = requests, sink, progress, form
        self._started = clock.monotonic()
        self._end = None if options.duration is None else self._started + options.duration
        self._ticker = Ticker(self._started, options.frequency, self._end)
        self._counted = Ticks(options.frequency, self._started)  # what is in the file, as its readers count it
        self._burst: Ticker | None = None
        self._burst_end = 0.0
        self._part = 0
        self._written = 0  # samples

    def run(self) -> str:
        """Record until the end; returns why it ended: "duration" or "signal".

        Raises what the sink raises, after the end line has been tried.
        """
        try:
            self._counted.begin(self._clock.wall_ns() // 1_000_000)
            self._write_sample(self._session_line() + self._sampler.cpuinfo(*self._wall()) + self._sample())
            self._record()
        except PerfkitError as error:
            self._try_to_end(str(error))
            raise
        reason = "signal" if self._requests.stop else "duration"
        self._write(self._end_line({"reason": reason, "detail": self._requests.stop}))
        self._counted.end(self._clock.wall_ns() // 1_000_000, self._clock.monotonic())
        self._sink.close()
        return reason

    def _record(self) -> None:
        while self._wait():
            lines = self._sample()
            if self._sampler.is_slow:
                lines = self._topology_lines() + lines
            self._write_sample(lines)
            if self._options.max_size is not None:
                self._rotate_if_due()

    def _write_sample(self, lines: bytes) -> None:
        self._write(lines)
        self._written += 1
        self._counted.add(*self._sampler.read_at)

    def _write(self, lines: bytes) -> None:
        if self._form is not None:
            lines = self._form(lines)
        if lines:
            self._sink.write(lines)

    def _topology_lines(self) -> bytes:
        """Session and cpuinfo lines, if CPUs, disks or interfaces have come or gone."""
        lines = self._session_line() if self._sampler.devices_changed else b""
        if self._sampler.cpus_changed:
            lines = self._sampler.cpuinfo(*self._wall()) + lines
        self._sampler.devices_changed = self._sampler.cpus_changed = False
        return lines

    @property
    def certificate(self) -> Certificate:
        """What has been recorded so far of what should be."""
        return together([self._counted])

    # One tick

    def _wait(self) -> bool:
        """Until the next tick, taking marks and bursts meanwhile; False when the run is over."""
        while not self._requests.stop:
            deadline = self._next_deadline()
            if self._end is not None and deadline > self._end + 1e-6:
                return False
            if not self._clock.wait(deadline):
                return True
            self._serve_requests()
        return False

    def _next_deadline(self) -> float:
        if self._burst is None:
            return self._ticker.deadline
        if self._burst.deadline > self._burst_end:
            self._burst = None
            return self._ticker.deadline
        return min(self._ticker.deadline, self._burst.deadline)

    def _serve_requests(self) -> None:
        marks, wants_burst = self._requests.take()
        self._sink.check()
        if marks:
            self._write(b"".join(marks))
        if wants_burst and self._options.burst:
            now = self._clock.monotonic()
            self._burst = Ticker(now, self._options.burst)
            self._burst_end = now + self._options.burst_length

    def _sample(self) -> bytes:
        now = max(self._clock.monotonic(), self._next_deadline())
        late = self._ticker.take(now) if self._ticker.deadline <= now else False
        if self._burst is not None and self._burst.deadline <= now:
            late = self._burst.take(now) or late
        lines = self._sampler.take()
        failures = {} if self._sampler.is_well else self._sampler.failures()
        if late or failures or self._sampler.is_slow:
            lines += self._sampler.self_line({**self._tally(), "late_tick": late, **failures, **self._sink.facts()})
            self._tell(failures)
        elapsed = now - self._started
        if elapsed >= self._progress.due:
            self._progress.update(elapsed, self._sampler.samples, self._sink.written, self._ticker.max_lateness)
        return lines

    def _tell(self, failures: dict[str, Any]) -> None:
        for subsystem, why in failures.get("failed", {}).items():
            self._progress.say(f"{subsystem} gives nothing at the moment: {why}; recording goes on without it.")

    def _tally(self) -> dict[str, Any]:
        ticker = self._ticker
        return {
            "written_bytes": self._sink.written,
            "late": ticker.late,
            "missed": ticker.missed,
            "lateness_ms": round(ticker.lateness * 1000, 3),
            "max_lateness_ms": round(ticker.max_lateness * 1000, 3),
        }

    # Lines of the run itself

    def _wall(self) -> tuple[int, int]:
        return divmod(self._clock.wall_ns(), 1_000_000_000)

    def _session_line(self) -> bytes:
        options = self._options
        promise = {
            "pid": os.getpid(),
            "started": round(self._started, 6),
            "part": self._part,
            "mode": options.mode,
            "frequency": options.frequency,
            "duration": options.duration,
            "subsystems": self._sampler.promised,
            "slower": {"statfs[*]": SLOW, SELF: SLOW},
            "containers": options.containers,
            "services": options.services,
            "processes": options.processes,
        }
        self._part += 1
        value = session(self._facts, promise, options.proc, options.sys)
        return encode_json(*self._wall(), self._clock.monotonic(), SESSION, value)

    def _end_line(self, why: dict[str, Any]) -> bytes:
        ticker = self._ticker
        value = {**why, "samples": self._written, "missed": ticker.missed, "late": ticker.late}
        return encode_json(*self._wall(), self._clock.monotonic(), END, value)

    def _try_to_end(self, detail: str) -> None:
        try:
            self._write(self._end_line({"reason": "error", "detail": detail}))
            self._sink.close()
        except PerfkitError:
            pass

    def _rotate_if_due(self) -> None:
        following = self._sink.next_file()
        if following:
            self._write(self._end_line({"reason": "rotated", "next": following}))
            self._sink.rotate()
            self._sampler.begin_again()
            self._write(self._session_line() + self._sampler.cpuinfo(*self._wall()))
