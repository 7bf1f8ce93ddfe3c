"""Which collection a command means when its user names none: one rule for every command.

Target tier: standard library, Python 3.9, and light to import, because the collecting process itself imports it.
"""

from __future__ import annotations

import os
import time

from perfkit.collection import lock
from perfkit.collection.format import SESSION, Reader
from perfkit.errors import BadInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from perfkit.collection.lock import Pathish

_ENDINGS = (".json", ".json.gz")
_MARKS = ".marks.json"
_LOCK = "lock"  # the file in a spool folder that a streaming collector holds
_FRESH = 30.0  # seconds: a collection of pcc, which takes no lock, counts as being written if its last write is younger
_LOOK = 0.1  # seconds between two looks while waiting for a collector


def marks_beside(collection: Pathish) -> str:
    """The file next to a collection of another collector that holds its marks: `run.json` has `run.json.marks.json`."""
    return os.fspath(collection) + _MARKS


def is_marks_file(path: Pathish) -> bool:
    """Whether the name is one that `marks_beside` gives."""
    return os.fspath(path).endswith(_MARKS)


def newest(folder: Pathish = ".") -> str | None:
    """Path of the collection in `folder` (not below it) that was written to last; None if there is none."""
    return next((path for path in _by_age(folder) if _origin(path)), None)


def meant(folder: Pathish = ".", option: str = "--collection") -> str | None:
    """Path of the collection in `folder` that is meant, recorded or not; None if there is none.

    Raises BadInput where several are being recorded: the user is to name one with `option`.
    """
    return _one_file(being_recorded(folder), folder, option)


def choose(folder: Pathish = ".", *, spools: bool = False, wait: float = 0.0) -> str:
    """The collection in `folder` that is meant: the one that is being recorded, else the one that was written to last.

    With `spools`, the spool folder of a streaming collector may be meant too. While nothing is being recorded, a collector is waited
    for up to `wait` seconds. Raises BadInput where several are being recorded, and names them; and where there is none.
    """
    deadline = time.monotonic() + wait
    while True:
        recorded = being_recorded(folder)
        if recorded or time.monotonic() >= deadline:
            break
        time.sleep(_LOOK)
    found = next(iter(recorded), None) if spools and len(recorded) == 1 else _one_file(recorded, folder, "--collection")
    if found is None:
        raise BadInput(f"there is no collection in {os.path.abspath(folder)}; start perfkit collect there, or name one with --collection.")
    return found


def _one_file(recorded: dict[str, str], folder: Pathish, option: str) -> str | None:
    if len(recorded) > 1:
        listed = ", ".join(f"{os.path.basename(path)} ({who})" for path, who in recorded.items())
        raise BadInput(f"{len(recorded)} collectors record in {os.path.abspath(folder)}: {listed}; name the one you mean with {option}.")
    return next((path for path in recorded if not os.path.isdir(path)), None) or newest(folder)


def being_recorded(folder: Pathish = ".") -> dict[str, str]:
    """What is being recorded in `folder`, and by whom ("process 12"): collections, and spool folders of streaming collectors.

    A collector of perfkit is known by its lock. pcc has none: its collection counts as long as its last write is recent.
    """
    found = {}
    for path in _by_age(folder):
        holder = _holder(path)
        if holder is not None:
            found[path] = _process(holder)
        elif time.time() - os.stat(path).st_mtime < _FRESH and _origin(path) == "other":
            found[path] = "written just now, no lock"
    for spool in _spools(folder):
        holder = _holder(os.path.join(spool, _LOCK))
        if holder is not None:
            found[spool] = f"{_process(holder)}, streaming"
    return dict(sorted(found.items()))


def _process(pid: int) -> str:
    return f"process {pid}" if pid else "a process elsewhere"


def _holder(path: str) -> int | None:
    try:
        return lock.holder(path)
    except OSError:
        return None


def _origin(path: str) -> str:
    """ "perfkit" or "other" for a collection of another collector; "" where the file's first line is no measurement."""
    try:
        first = next(iter(Reader(path)), None)
    except OSError:
        return ""
    return "" if first is None else "perfkit" if first.subsystem == SESSION else "other"


def _by_age(folder: Pathish) -> list[str]:
    """The files that are named like collections, the one that was written to last first."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_ENDINGS) and not is_marks_file(entry.name):
                try:
                    if entry.is_file():
                        found.append((entry.stat().st_mtime_ns, entry.name, entry.path))
                except OSError:  # it is gone again
                    continue
    return [path for _, _, path in sorted(found, reverse=True)]


def _spools(folder: Pathish) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.path for entry in entries if entry.is_dir() and _is_spool(entry.path)]


def _is_spool(folder: str) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return _LOCK in names and all(name == _LOCK or name.endswith((".ndjson", ".rejected", ".acknowledged")) for name in names)
