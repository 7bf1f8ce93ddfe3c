"""What /proc/PID tells: who writes a file, which collectors run, and what one of them costs."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")

# As its own Makefile and its users name the Go collector: pcc, pcc-linux, pcc-linux-amd64, pcc_1.2, pcc.arm64.
_PCC = re.compile(r"pcc([-_.](linux|amd64|x86_64|x64|386|arm|arm64|armv\d|aarch64|static|v?\d+))*", re.IGNORECASE)


def _pids(proc: Path) -> Iterator[int]:
    """The processes of this machine but this one, lowest number first."""
    return iter(sorted(int(entry) for entry in os.listdir(proc) if entry.isdigit() and int(entry) != os.getpid()))


def _stat(pid: int, proc: Path) -> tuple[str, list[str]] | None:
    """(name, the fields of /proc/PID/stat from the third on) of a live process; None if there is none or it is a zombie."""
    try:
        text = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return (name, fields) if fields and fields[0] not in "ZX" else None


class Process(NamedTuple):
    """A live process; `state` is its letter in /proc/PID/stat."""

    pid: int
    name: str
    state: str

    @property
    def is_stopped(self) -> bool:
        return self.state in "Tt"


def process(pid: int, proc: Path = PROC) -> Process | None:
    """The live process `pid`; None if there is none or it is a zombie."""
    found = _stat(pid, proc)
    return found and Process(pid, found[0], found[1][0])


def writers(descriptor: int, proc: Path = PROC) -> list[Process]:
    """The processes, as far as this user may see them, that hold the file behind `descriptor` open for writing."""
    wanted = os.fstat(descriptor)
    found = (process(pid, proc) for pid in _pids(proc) if _writes(proc / str(pid), wanted))
    return [writer for writer in found if writer is not None]


def _writes(folder: Path, wanted: os.stat_result) -> bool:
    try:
        for name in os.listdir(folder / "fd"):
            held = os.stat(folder / "fd" / name)
            if (held.st_dev, held.st_ino) == (wanted.st_dev, wanted.st_ino) and _for_writing(folder / "fdinfo" / name):
                return True
    except OSError:
        return False
    return False


def _for_writing(info: Path) -> bool:
    for line in info.read_text().splitlines():
        if line.startswith("flags:"):
            return int(line.split()[1], 8) & (os.O_WRONLY | os.O_RDWR) != os.O_RDONLY
    return False


class RunningCollector(NamedTuple):
    """A running collector, perfkit's or pcc, as its command line and its PCC_ variables describe it.

    `collection` is the file that it was told to write, "" in trickle mode or where it was not told; `server` its receiver in trickle mode.
    """

    pid: int
    mode: str
    collection: str
    server: str

    def __str__(self) -> str:
        """ "pid 4711 (local into vm.json)", "pid 4711 (trickle to http://receiver:8080)"."""
        target = f" into {self.collection}" if self.collection else f" to {self.server}" if self.server else ""
        return f"pid {self.pid} ({self.mode}{target})"


def collectors(proc: Path = PROC) -> list[RunningCollector]:
    """The collectors that this user may see, lowest pid first."""
    found = (collector(pid, proc) for pid in _pids(proc))
    return [one for one in found if one is not None]


def collector(pid: int, proc: Path = PROC) -> RunningCollector | None:
    """The collector `pid`; None if that process is not one, or cannot be seen."""
    folder = proc / str(pid)
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return None
    ours = _is_perfkit(words)
    if not ours and not _is_pcc(folder, words):
        return None
    variables = _variables(folder)
    mode = _option(words, "mode") or variables.get("PCC_MODE") or ("local" if ours else "trickle")
    if mode == "trickle":
        return RunningCollector(pid, mode, "", _option(words, "server") or variables.get("PCC_SERVER", ""))
    return RunningCollector(pid, mode, _option(words, "collection") or variables.get("PCC_COLLECTION", ""), "")


def _is_perfkit(words: list[str]) -> bool:
    """A Python that runs `... perfkit... collect`; the collecting process itself has an option that names perfkit, whatever its file is."""
    return "collect" in words[1:] and any("perfkit" in word for word in words[: words.index("collect", 1)])


def _is_pcc(folder: Path, words: list[str]) -> bool:
    """By its name as it was called, or by that of its program, which only its user and root may see."""
    names = [os.path.basename(word) for word in words[:1]]  # noqa: PTH119 - a name, no path of ours
    with contextlib.suppress(OSError):
        names.append(os.path.basename(os.readlink(folder / "exe")).replace(" (deleted)", ""))  # noqa: PTH115, PTH119
    return any(_PCC.fullmatch(name) for name in names)


def _option(words: list[str], name: str) -> str:
    for word, following in zip(words, [*words[1:], ""]):
        flag, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and flag == name:
            return value if equals else following
    return ""


def _variables(folder: Path) -> dict[str, str]:
    try:
        pairs = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return {}
    return dict(pair.split("=", 1) for pair in pairs if pair.startswith("PCC_") and "=" in pair)


class Reading(NamedTuple):
    """CPU seconds that a process has used at an instant (monotonic, s), and its resident memory in bytes."""

    instant: float
    cpu_seconds: float
    rss_bytes: int


class Cost:
    """A process's CPU time and memory between the first and the latest `read`; a process that has gone keeps its latest."""

    def __init__(self, pid: int | None, proc: Path = PROC) -> None:
        self._pid, self._proc = pid, proc
        self.first = self.latest = self._reading()

    def read(self) -> None:
        """Look again."""
        self.latest = self._reading() or self.latest

    @property
    def core_percent(self) -> float | None:
        """CPU time as a percentage of one core; None below a second of watching, or where the process could not be seen."""
        if self.first is None or self.latest is None or self.latest.instant - self.first.instant < 1:
            return None
        return 100 * (self.latest.cpu_seconds - self.first.cpu_seconds) / (self.latest.instant - self.first.instant)

    def _reading(self) -> Reading | None:
        found = None if self._pid is None else _stat(self._pid, self._proc)
        if found is None:
            return None
        fields = found[1]
        ticks, pages = int(fields[11]) + int(fields[12]), int(fields[21])
        return Reading(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))
