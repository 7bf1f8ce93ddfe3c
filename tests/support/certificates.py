"""The table of certificate cases: collections, and the certificate that every door of perfkit must give them.

    for case in CASES: case.write(tmp_path / "vm-a.json"); expected = case.expected

Each case is the text of a collection of an invented machine at one sample a second (pcc's: one in ten), and the certificate as
`Certificate.as_dict()` has it. Doors that do not look at counters leave `resets` out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from support.invent import START, Machine

UPTIME = 5000.0  # of the machine when its collector starts, on the monotonic clock
DELAY = 0.001  # from a tick to the first read of its sample
START_MS = START * 1000


class Case(NamedTuple):
    """One collection and its certificate.

    content   the file's bytes
    expected  the certificate, for `window` (ms, both ends included) if there is one, else for the whole file
    held      a live process holds the file's lock
    earlier   how many bytes of it were there when a door looked at it (or imported it) first; 0: the door looks once
    """

    name: str
    content: bytes
    expected: dict[str, Any]
    window: tuple[int, int] | None = None
    held: bool = False
    earlier: int = 0

    def write(self, path: Path) -> Path:
        """The collection as a file; returns `path`."""
        path.write_bytes(self.content)
        return path


# What was read when is all that a certificate needs: more would cost every door its tables.
READ = ("/proc/stat", "/proc/meminfo")


class Recorder:
    """Writes what one collector of an invented machine writes; the clock is set by the caller.

    A second collector of the same machine is given the first one's `machine`, so that its counters go on.
    """

    def __init__(
        self,
        machine: Machine | None = None,
        *,
        frequency: float = 1.0,
        started: float = UPTIME,
        pid: int = 1234,
        boot: int = 1,
        pcc: bool = False,
    ) -> None:
        self.machine = machine or Machine("vm-a", cpus=2, disks=1)
        self.frequency, self.started, self.pid, self.boot, self.pcc = frequency, started, pid, boot, pcc
        self.clock_set = 0.0  # seconds that the wall clock was set forward since the start
        self._number = 0

    def record(self, ticks: Iterable[float], late: dict[float, float] | None = None) -> bytes:
        """A sample for each of `ticks` (periods since `started`), read DELAY after it was due, or as much later as `late` says."""
        return b"".join(self._sample(tick, (late or {}).get(tick, DELAY)) for tick in ticks)

    def _sample(self, tick: float, late: float) -> bytes:
        self.machine.advance(tick, self.frequency, None)
        texts = list(self.machine.sample(self._number))
        self._number += 1
        at = tick * self.frequency + late
        return b"".join(self.line(at + 2e-5 * n, name, text, stamp=at) for n, (name, text) in enumerate(texts) if name in READ)

    def session(self, part: int = 0, at: float = 0.0) -> bytes:
        """The session line, told `at` seconds after `started`."""
        facts = self.machine.session(self.frequency, 3600) | {"pid": self.pid, "started": self.started, "part": part}
        facts["boot_id"] = f"{self.boot:08d}-0000-4000-8000-000000000000"
        return self.line(at, "perfkit/session", json.dumps(facts))

    def end(self, at: float, reason: str, **details: object) -> bytes:
        """The end line, `at` seconds after `started`."""
        return self.line(at, "perfkit/end", json.dumps({"reason": reason, "samples": self._number, "missed": 0, "late": 0, **details}))

    def mark(self, at: float, label: str, kind: str = "point") -> bytes:
        """A mark, `at` seconds after `started`."""
        return self.line(at, "perfkit/mark", json.dumps({"label": label, "kind": kind}))

    def line(self, at: float, subsystem: str, text: str, stamp: float | None = None) -> bytes:
        """One line of what was read `at` seconds after `started`; its sample's own time is `stamp`."""
        since_start = self.started - UPTIME + (at if stamp is None else stamp) + self.clock_set
        second, nanosecond = divmod(START * 1_000_000_000 + round(since_start * 1e9), 1_000_000_000)
        found: dict[str, object] = {"timestamp": second}
        if not self.pcc:
            found |= {"nanosecond": nanosecond, "monotonic": round(self.started + at, 6)}
        found |= {"subsystem": subsystem, "measurement": text}
        return json.dumps(found, separators=(",", ":")).encode() + b"\n"


def _expected(samples: int, missed: int = 0, **facts: Any) -> dict[str, Any]:
    """The certificate of `samples` where `missed` are missing; by default of one without a gap that ended as planned."""
    due = samples + missed
    found = {"samples": samples, "samples_expected": due, "coverage": 100 * samples / due, "gaps": 0, "longest_gap_ms": 0}
    return found | {"largest_lateness_ms": 1.0, "clock_steps": 0, "resets": 0, "ended": "duration"} | facts


def _beginnings_and_ends() -> Iterator[Case]:
    one = Recorder()
    whole = one.session() + one.record(range(60)) + one.end(59.5, "duration")
    yield Case("whole", whole, _expected(60))

    half = whole[: whole.index(b'{"timestamp":%d' % (START + 30))]
    yield Case("a growing file", whole, _expected(60), earlier=len(half))
    yield Case("still recorded", half, _expected(30, ended="still recording"), held=True)
    yield Case("cut off", half, _expected(30, ended="cut off"))
    yield Case("cut off within a line", half + whole[len(half) : len(half) + 100], _expected(30, ended="cut off"))
    yield Case("written twice over", whole + whole, _expected(60))

    one = Recorder()
    detail = "vm-a.json takes no more (no space left on device)"
    failed = one.session() + one.record(range(30)) + one.end(29.1, "error", detail=detail)
    yield Case("ended early by an error", failed, _expected(30, ended=f"error: {detail}"))


def _several() -> Iterator[Case]:
    one = Recorder()
    first = one.session() + one.record(range(20)) + one.end(19.5, "signal", detail="SIGTERM")
    other = Recorder(one.machine, started=UPTIME + 120, pid=1300)
    second = other.session() + other.record(range(30)) + other.end(29.5, "duration")
    yield Case("two recordings with a pause", first + second, _expected(50))

    other = Recorder(started=60.0, pid=800, boot=2)
    other.clock_set = UPTIME + 120 - 60.0
    second = other.session() + other.record(range(30)) + other.end(29.5, "duration")
    yield Case("two recordings with a reboot between them", first + second, _expected(50))


def _gaps() -> Iterator[Case]:
    one = Recorder()
    gap = one.session() + one.record([*range(10), *range(20, 30)]) + one.end(29.5, "duration")
    yield Case("a gap", gap, _expected(20, 10, gaps=1, longest_gap_ms=11_000))
    inside = (START_MS + 5000, START_MS + 15_000)
    yield Case("a window that ends in a gap", gap, _expected(5, 5, gaps=1, longest_gap_ms=11_000, ended=""), window=inside)
    inside = (START_MS + 15_000, START_MS + 24_500)
    yield Case("a window that begins in a gap", gap, _expected(5, 5, gaps=1, longest_gap_ms=11_000, ended=""), window=inside)
    inside = (START_MS + 20_000, START_MS + 24_500)
    yield Case("a window after the gap", gap, _expected(5, ended=""), window=inside)

    one = Recorder()
    stalled = one.session() + one.record(range(10)) + one.end(20.501, "signal", detail="SIGTERM")
    yield Case("a gap before the end", stalled, _expected(10, 11, gaps=1, longest_gap_ms=11_500, ended="signal"))

    one = Recorder()
    killed = one.session() + one.record(range(10)) + one.mark(20.501, "stop")
    yield Case("a gap before the last mark", killed, _expected(10, 11, gaps=1, longest_gap_ms=11_500, ended="cut off"))

    one = Recorder()
    slow = one.session() + one.record(range(3, 20)) + one.end(19.5, "duration")
    yield Case("a gap after the session line", slow, _expected(17, 3, gaps=1, longest_gap_ms=3001))


def _ticks_and_clocks() -> Iterator[Case]:
    one = Recorder()
    rotated = one.session(part=3, at=99.5) + one.record(range(100, 120)) + one.end(119.5, "duration")
    yield Case("a later part alone", rotated, _expected(20))

    one = Recorder()
    late = one.session() + one.record(range(30), late={5: 0.4, 8: 0.85}) + one.end(29.5, "duration")
    yield Case("late samples are not missing", late, _expected(30, largest_lateness_ms=850.0))

    one = Recorder()
    burst = one.session() + one.record([*range(10), 9.25, 9.5, 9.75, *range(10, 20)]) + one.end(19.5, "duration")
    yield Case("a tick read more than once", burst, _expected(20))

    one = Recorder()
    again = one.session() + one.record(range(10)) + one.session(part=1, at=10.0) + one.record(range(10, 20)) + one.end(19.5, "duration")
    yield Case("a session line told again", again, _expected(20))

    for name, step in (("forward", 3600.0), ("back", -30.5)):
        one = Recorder()
        before = one.session() + one.record(range(10))
        one.clock_set = step
        after = one.record(range(10, 20)) + one.end(19.5, "duration")
        yield Case(f"the clock set {name}", before + after, _expected(20, clock_steps=1))

    one = Recorder()
    before = one.session() + one.record(range(10))
    one.clock_set = 3600.0
    after = one.record(range(14, 24)) + one.end(23.5, "duration")
    yield Case("the clock set in a gap", before + after, _expected(20, 4, gaps=1, longest_gap_ms=5000, clock_steps=1))


def _of_pcc() -> Iterator[Case]:
    one = Recorder(frequency=10.0, pcc=True)
    pcc = one.record(range(30)) + one.record(range(33, 60))
    yield Case("pcc with a gap", pcc, _expected(57, 3, gaps=1, longest_gap_ms=40_000, largest_lateness_ms=None, ended=""))

    one = Recorder(frequency=0.2, pcc=True)
    quick = one.record(range(50)) + one.record(range(65, 100))
    gap = _expected(85, 15, gaps=1, longest_gap_ms=3200, largest_lateness_ms=None, ended="")  # from 9.8 s to 13 s
    yield Case("pcc at five samples a second", quick, gap)


CASES = (*_beginnings_and_ends(), *_several(), *_gaps(), *_ticks_and_clocks(), *_of_pcc())
