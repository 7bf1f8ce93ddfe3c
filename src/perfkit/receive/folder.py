"""The data folder: who may write in it, and where its parts are."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from perfkit import files
from perfkit.errors import Failed, reason

_ORPHAN_SECONDS = 20.0
_LONGEST_PID = 9  # digits


def beside(database: Path) -> Path:
    """The data folder that belongs to `database`: `perfkit-received` next to perfkit.db."""
    return database.with_name(f"{database.stem}-received")


def lock(data: Path) -> int:
    """Make the folder `data` and hold it for this process and its children; the descriptor must stay open.

    Raises Failed if another server holds it. Children of a server that was killed get time to finish first.
    """
    try:
        files.make_folder(data)
        descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Failed(f"cannot use the data folder {data}: {reason(error)}; name another one with --data.") from error
    give_up = time.monotonic() + _ORPHAN_SECONDS
    while not _try(descriptor):
        holder = _holder(descriptor)
        if time.monotonic() > give_up or (holder and _lives(holder)):
            os.close(descriptor)
            raise Failed(f"another perfkit serve (process {holder or 'unknown'}) uses {data}; stop it, or give this one another --data.")
        time.sleep(0.05)
    with contextlib.suppress(OSError):  # a full disk: the lock holds all the same, only its holder's number is missing
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _try(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, _LONGEST_PID + 1, 0)
    return int(text) if text.isdigit() and len(text) <= _LONGEST_PID else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
