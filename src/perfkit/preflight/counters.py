"""This machine's own counters, read by us to compare with what the collection says, and the nudge that moves them."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_SOURCES = ("/proc/stat", "/proc/net/dev", "/proc/diskstats")
_PACKETS = 20
_STEP = 0.05  # seconds
_FAR = 5  # times what two reads of the CPU counters may disagree by: as far as the nudge moves them


class Counters(NamedTuple):
    """Four totals since boot that only grow; None where the source does not have it."""

    cpu_ticks: int | None
    switches: int | None
    packets: int | None
    writes: int | None


LABELS = {"cpu_ticks": "CPU time", "switches": "context switches", "packets": "loopback packets", "writes": "disk writes"}
SOURCES = {"cpu_ticks": "/proc/stat", "switches": "/proc/stat", "packets": "/proc/net/dev", "writes": "/proc/diskstats"}


def counters(texts: dict[str, str]) -> Counters:
    """The totals in the text of /proc/stat, /proc/net/dev and /proc/diskstats (keys are these paths)."""
    stat, net, disks = (texts.get(name, "") for name in _SOURCES)
    return Counters(_cpu(stat), _field(stat, "ctxt"), _loopback(net), _disk_writes(disks))


def read_counters(root: Path = Path("/")) -> Counters:
    """The totals of this machine now."""
    texts = {}
    for name in _SOURCES:
        with contextlib.suppress(OSError):
            texts[name] = (root / name[1:]).read_text(errors="replace")
    return counters(texts)


def _cpu(stat: str) -> int | None:
    fields = stat.split("\n", 1)[0].split()
    with contextlib.suppress(ValueError):
        if fields[:1] == ["cpu"]:
            return sum(int(field) for field in fields[1:4])
    return None


def _field(stat: str, name: str) -> int | None:
    for line in stat.splitlines():
        words = line.split()
        if words[:1] == [name] and len(words) > 1 and words[1].isdigit():
            return int(words[1])
    return None


def _loopback(net: str) -> int | None:
    for line in net.splitlines():
        name, _, rest = line.partition(":")
        fields = rest.split()
        if name.strip() == "lo" and len(fields) > 1 and fields[1].isdigit():
            return int(fields[1])
    return None


def _disk_writes(disks: str) -> int | None:
    rows = [line.split() for line in disks.splitlines()]
    counts = [int(row[7]) for row in rows if len(row) > 7 and row[7].isdigit()]
    return sum(counts) if counts else None


def tick_slack() -> int:
    """Clock ticks by which two reads of the same CPU counters may disagree: per-CPU sums are not taken at one instant."""
    return 2 + (os.cpu_count() or 1)


class Nudge:
    """Moves every counter of `Counters` within `seconds`, in small steps: sends loopback packets, forces a file to disk, and computes.

    It computes until the machine's CPU counters have moved well beyond `tick_slack`, and sleeps for the rest: the disk may need it.
    Nothing is written: the packets go to a socket of our own, and the file behind `descriptor()` (the collection, open for reading) is
    only synchronised, which brings the collector's own lines to the disk. A disk that takes long for that is not waited for.
    """

    def __init__(self, descriptor: Callable[[], int], seconds: float) -> None:
        self._descriptor = descriptor
        self._steps = self._play(seconds)
        self.done = False

    def step(self) -> None:
        """About 50 ms of work or sleep; of sleep once the nudge is over."""
        if self.done:
            time.sleep(_STEP)
        self.done = next(self._steps, None) is None

    def _play(self, seconds: float) -> Iterator[bool]:
        end, began, moved = time.monotonic() + seconds, read_counters().cpu_ticks, False
        _send_packets()
        threading.Thread(target=_synchronise, args=(os.dup(self._descriptor()),), daemon=True).start()
        while (now := time.monotonic()) < end:
            stop = min(now + _STEP, end)
            while not moved and time.monotonic() < stop:
                sum(range(1000))
            time.sleep(max(0.0, stop - time.monotonic()))
            moved = moved or _are_far_apart(began, read_counters().cpu_ticks)
            yield True


def _are_far_apart(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after - before >= _FAR * tick_slack()


def _synchronise(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.fsync(descriptor)
    os.close(descriptor)


def _send_packets() -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(_PACKETS):
                sender.sendto(b"perfkit", receiver.getsockname())
