"""One sample: every source read once, as the lines of a collection."""

from __future__ import annotations

import os
import time

from perfkit.collect import filesystems
from perfkit.collect.sources import Source, read_text
from perfkit.collection import SELF, encode, encode_json, escape, line_head
from perfkit.collection.subsystems import SLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    class Clock(Protocol):
        def wall_ns(self) -> int: ...
        def monotonic(self) -> float: ...
        def wait(self, deadline: float) -> bool: ...

    class Group(Protocol):
        """Many small sources that come and go, such as containers. What was the same before is told again after `begin_again`."""

        def read(self, head: bytes) -> list[bytes]: ...
        def begin_again(self) -> None: ...
        def close(self) -> None: ...


CPUINFO = "/proc/cpuinfo"

# Texts whose rows are the CPUs, disks and interfaces that there are.
_STAT, _DISKS = "/proc/stat", "/proc/diskstats"
_ROWS = (_STAT, _DISKS, "/proc/net/dev")


def _names(subsystem: str, text: bytes) -> frozenset[bytes]:
    """The CPUs, disks or interfaces that `text` is about."""
    rows = text.splitlines()
    if subsystem == _STAT:
        return frozenset(row.split(None, 1)[0] for row in rows if row.startswith(b"cpu"))
    if subsystem == _DISKS:
        return frozenset(fields[2] for fields in (row.split(None, 3) for row in rows) if len(fields) > 3)
    return frozenset(row.partition(b":")[0] for row in rows if b":" in row)


class Sampler:
    """Takes samples.

    promised         the sources that each sample should hold
    samples          how many have been taken
    read_at          when the last one was read first: ms since the epoch, and seconds on the monotonic clock
    is_slow          whether the last one was one of every `slow`, with what changes slowly
    cpus_changed     whether the set of CPUs differs from that of the slow sample before; the caller resets it
    devices_changed  the same of disks and interfaces
    """

    def __init__(self, sources: list[Source], clock: Clock, proc: str, groups: Sequence[Group] = (), slow: int = SLOW) -> None:
        self._sources, self._clock, self._proc, self._groups = sources, clock, proc, groups
        self._slow = slow
        self._memory = Source("/proc/self/statm", None, "/proc")  # of this very process, whatever the /proc it samples
        self._template = b"".join(source.line for source in sources)  # of a sample to which every source gives something
        self._members: dict[str, frozenset[bytes]] = {}
        self._failed: dict[str, str] = {}
        self._now = 0, 0
        self.read_at = 0, 0.0
        self._whole = True
        self.promised = [source.subsystem for source in sources]
        self.samples = 0
        self.is_slow = True
        self.cpus_changed = self.devices_changed = False

    def take(self) -> bytes:
        """The lines of the sample of now."""
        self._now = divmod(self._clock.wall_ns(), 1_000_000_000)
        head = line_head(*self._now)
        monotonic = self._clock.monotonic
        self.is_slow = slow = self.samples % self._slow == 0
        self.samples += 1
        values: list[object] = []
        for source in self._sources:
            if source.failure and not slow:
                continue
            now = monotonic()
            text = source.read()
            if text:
                values += (head, now, escape(text))
                if slow:
                    self._watch(source.subsystem, text)
        first = values[1] if values else monotonic()
        self.read_at = self._now[0] * 1000 + self._now[1] // 1_000_000, first  # type: ignore[assignment]
        self._whole = len(values) == 3 * len(self._sources)
        lines = self._fill(values)
        for group in self._groups:
            lines += b"".join(group.read(head))
        return lines + self._filesystems() if slow else lines

    def _fill(self, values: list[object]) -> bytes:
        """The sources' lines; where one gives nothing its line is left out."""
        if self._whole:
            return self._template % tuple(values)
        return b"".join(source.line for source in self._sources if not source.failure) % tuple(values)

    def _filesystems(self) -> bytes:
        now = self._clock.monotonic()
        text = filesystems.statfs(self._proc)
        return encode(*self._now, now, filesystems.SUBSYSTEM, text) if text else b""

    def _watch(self, subsystem: str, text: bytes) -> None:
        if subsystem not in _ROWS:
            return
        members = _names(subsystem, text)
        if self._members.setdefault(subsystem, members) != members:
            self.cpus_changed |= subsystem == _STAT
            self.devices_changed |= subsystem != _STAT
            self._members[subsystem] = members

    @property
    def is_well(self) -> bool:
        """True if no source has failed or recovered since the last call of `failures`."""
        return self._whole and not self._failed

    def failures(self) -> dict[str, Any]:
        """`failed` and `recovered` sources since the last call; empty if nothing changed."""
        failed = {source.subsystem: source.failure for source in self._sources if source.failure}
        if failed == self._failed:
            return {}
        recovered = sorted(set(self._failed) - set(failed))
        self._failed = failed
        return {"failed": failed, "recovered": recovered}

    def cpuinfo(self, seconds: int, nanosecond: int) -> bytes:
        """The `/proc/cpuinfo` line; b"" where the file cannot be read."""
        now = self._clock.monotonic()
        text = read_text(self._proc + "/cpuinfo")
        return encode(seconds, nanosecond, now, CPUINFO, text.encode() + b"\n") if text else b""

    def self_line(self, facts: dict[str, Any]) -> bytes:
        """A `perfkit/self` line of the sample just taken: what the collector itself has cost, and `facts`."""
        own = {
            "samples": self.samples,
            "cpu_seconds": round(time.process_time(), 6),
            "rss_bytes": int((self._memory.read() or b"0 0").split()[1]) * os.sysconf("SC_PAGESIZE"),
        }
        return encode_json(*self._now, self._clock.monotonic(), SELF, {**own, **facts})

    def begin_again(self) -> None:
        """The next sample begins a file, which should be understood alone."""
        for group in self._groups:
            group.begin_again()

    def close(self) -> None:
        for source in (*self._sources, self._memory):
            source.close()
        for group in self._groups:
            group.close()
