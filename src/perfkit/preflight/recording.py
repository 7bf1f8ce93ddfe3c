"""Is this collection being recorded? The checks, in order, on one look at the file."""

from __future__ import annotations

import time
from pathlib import Path

from perfkit.collection import lock, newest
from perfkit.errors import BadInput, reason
from perfkit.preflight.checks import RECORDING
from perfkit.preflight.collectors import running
from perfkit.preflight.observe import DEFAULT_WAIT, Observation, Window
from perfkit.preflight.verdict import FAIL, OK, Check, Report
from perfkit.units import format_bytes


def check_recording(path: Path, wait: float | None = None) -> Report:
    """Watch `path` for up to `wait` seconds (None: five, or two and a half periods) and prove that it is being recorded.

    A file that is not there yet, or still empty, is waited for; from one that was rotated it goes on to the next. Never raises
    for anything about the file.
    """
    missing = _await(path, DEFAULT_WAIT if wait is None else wait)
    if missing:
        return Report(str(path), (missing,), usage=True)
    try:
        seen = Window(path, wait).watch()
    except OSError as error:
        why = reason(error)
        return _unusable(path, f"cannot be read ({why})", f"{path} cannot be read: {why}; run preflight as the collector's user.")
    return _judge(seen.path, seen)


def _judge(path: Path, seen: Observation) -> Report:
    if not seen.story.lines or seen.story.unreadable == seen.story.lines:
        return _unusable(
            path, "no line of it is a measurement", f"{path} is not a collection; name the file that collect writes with --collection."
        )
    return Report(str(path), (_file(seen), *(check(seen) for check in RECORDING)))


def find(folder: Path, wait: float = DEFAULT_WAIT) -> Path:
    """The collection in `folder` that a collector holds, waited for up to `wait` seconds; else the newest one.

    Raises BadInput where there is none.
    """
    deadline = time.monotonic() + wait
    while True:
        found = newest(folder)
        if found and lock.holder(found) is not None:
            return Path(found)
        if time.monotonic() >= deadline:
            break
        time.sleep(0.1)
    if found is None:
        raise BadInput(f"there is no collection in {folder.absolute()}; start perfkit collect there, or name its file with --collection.")
    return Path(found)


def _await(path: Path, wait: float) -> Check | None:
    """The check that failed, or None as soon as there is something in the file."""
    deadline = time.monotonic() + wait
    while not (path.is_file() and path.stat().st_size):
        if path.exists() and not path.is_file():
            return Check("file", FAIL, "not a regular file", f"{path} is not a file; name the file that collect writes with --collection.")
        if time.monotonic() >= deadline:
            return _empty(path, wait) if path.exists() else _absent(path)
        time.sleep(0.05)
    return None


def _absent(path: Path) -> Check:
    streaming = [one for one in running() if one.mode == "trickle"]
    if streaming:
        pid = streaming[0].pid
        cause = (
            f"{path} does not exist; the collector here (pid {pid}) is in trickle mode: no file; "
            "use --mode local, or check its server: preflight --server."
        )
        return Check("file", FAIL, f"no such file; a collector in trickle mode runs (pid {pid})", cause)
    others = [one for one in running() if one.collection]
    hint = f"; a collector (pid {others[0].pid}) writes {others[0].collection}" if others else "; no collector runs here"
    return Check(
        "file",
        FAIL,
        f"no such file{hint}",
        f"{path} does not exist; start perfkit collect --collection {path} first, or name the right file.",
    )


def _empty(path: Path, wait: float) -> Check:
    cause = f"{path} is empty, so nothing is recorded; start perfkit collect --collection {path}, and read its messages if it does run."
    return Check("file", FAIL, f"empty for {wait:g} s", cause)


def _unusable(path: Path, evidence: str, cause: str) -> Report:
    return Report(str(path), (Check("file", FAIL, evidence, cause),), usage=True)


def _file(seen: Observation) -> Check:
    made_by = f"perfkit on {seen.story.session.get('hostname', 'unknown')}" if seen.story.ours else "pcc"
    return Check("file", OK, f"{format_bytes(seen.size)}, by {made_by}")
