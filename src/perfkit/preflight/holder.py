"""Who writes a file: the processes that hold it open for writing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Writer(NamedTuple):
    """A process that holds the file open for writing; `state` is the letter of /proc/PID/stat."""

    pid: int
    name: str
    state: str


def process(pid: int, proc: Path = Path("/proc")) -> Writer | None:
    """The live process `pid`; None if there is none or it is a zombie."""
    try:
        text = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    state = rest.split()[0]
    return None if state in "ZX" else Writer(pid, name, state)


def writers(descriptor: int, proc: Path = Path("/proc")) -> list[Writer]:
    """The processes, as far as this user may see them, that hold the file behind `descriptor` open for writing."""
    wanted = os.fstat(descriptor)
    pids = sorted(int(entry) for entry in os.listdir(proc) if entry.isdigit() and int(entry) != os.getpid())
    found = (process(pid, proc) for pid in pids if _writes(proc / str(pid), wanted))
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
