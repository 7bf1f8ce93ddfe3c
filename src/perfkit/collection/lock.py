"""The advisory lock that says: a live process records into this collection.

Protocol: the collector holds a POSIX record lock (`fcntl` F_SETLK, exclusive, the whole file) on its collection, plain or
gzip, from before the first line until it exits; the kernel drops it however the process ends. A trickling collector holds the
same lock on the file `lock` in its spool. Who holds it is asked with F_GETLK, which takes nothing and names the process.
A POSIX lock falls when its process closes *any* descriptor of the file, so the collector opens its file once.

Target tier: standard library, Python 3.9.
"""

from __future__ import annotations

import fcntl
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Pathish = Union[str, "os.PathLike[str]"]

_FLOCK = "hhqqi4x"  # struct flock of every 64-bit Linux: type, whence, start, length, pid


def acquire(descriptor: int) -> bool:
    """Take the lock without waiting; False if another process has it. OSError where the file system has no locks."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def holder_of(descriptor: int) -> int | None:
    """Pid of the process that holds the lock on an open file; None if nobody else does.

    0 stands for a holder that this process cannot see (another PID namespace, another machine on a network file system).
    """
    found = fcntl.fcntl(descriptor, fcntl.F_GETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    kind, _, _, _, pid = struct.unpack(_FLOCK, found)
    return None if kind == fcntl.F_UNLCK else max(pid, 0)


def holder(path: Pathish) -> int | None:
    """As `holder_of`, for a file by name; OSError if it cannot be opened for reading."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return holder_of(descriptor)
    finally:
        os.close(descriptor)
