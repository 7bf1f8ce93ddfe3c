"""Marks: where a phase of the test starts or ends, written by the collector on another process's request.

The collector holds the writing end of a pipe as descriptor NUMBER. Whoever may look into the collector's process (its user,
or root) opens the pipe through /proc/PID/fd and writes one line, at most PIPE_BUF bytes, which the kernel keeps whole. So a
mark lands between two samples of any sink, plain, gzip or spool, and wakes a collector that records in bursts.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import stat
import termios
import time

from perfkit.collection import MARK, MARK_KINDS, SESSION, decode, encode_json, lock
from perfkit.errors import BadInput, Failed, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from perfkit.collection import Line

NUMBER = 99  # high enough to be free when the collector starts
MAX_LABEL = 200  # characters
_LONGEST = 1 << 20  # bytes of a first line
_PATIENCE = 5.0  # seconds that a collector may take to fetch a mark


class MarkPipe:
    """The collector's end: `read_fd` can be waited for, others write to descriptor NUMBER of this process."""

    def __init__(self) -> None:
        self.read_fd, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.dup2(writing, NUMBER, inheritable=False)
        os.close(writing)

    def take(self) -> list[bytes]:
        """The mark lines that have arrived; what is none is dropped."""
        try:
            data = os.read(self.read_fd, select.PIPE_BUF * 16)
        except BlockingIOError:
            return []
        return [line + b"\n" for line in data.split(b"\n") if _is_mark(line)]

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(NUMBER)


def _is_mark(line: bytes) -> bool:
    try:
        return decode(line).subsystem == MARK
    except (ValueError, RecursionError):
        return False


def encode_mark(label: str, kind: str, details: dict[str, Any] | None = None) -> bytes:
    """A `perfkit/mark` line of now, with more keys from `details`; BadInput if label or kind is none, or all is too long."""
    if not label.strip() or len(label) > MAX_LABEL or not label.isprintable():
        raise BadInput(f"a mark's label is 1 to {MAX_LABEL} printable characters.")
    if kind not in MARK_KINDS:
        raise BadInput(f"{kind!r} is no kind of mark; choose {', '.join(MARK_KINDS)}.")
    seconds, nanosecond = divmod(time.time_ns(), 1_000_000_000)
    content = {**(details or {}), "label": label.strip(), "kind": kind}
    line = encode_json(seconds, nanosecond, time.monotonic(), MARK, content)
    if len(line) > select.PIPE_BUF:
        raise BadInput(f"the mark {label!r} is longer than {select.PIPE_BUF} bytes with all that it says; say less.")
    return line


def send_mark(path: str, label: str, kind: str = "point", details: dict[str, Any] | None = None) -> Line:
    """Write a mark into the collection `path` (or the spool folder of a trickling collector) that is being recorded now.

    Returns the mark once the collector has taken it. In an unfinished plain collection that another
    program writes, the line is appended.
    Raises BadInput where nothing is being recorded, Failed where the collector cannot be reached.
    """
    line = encode_mark(label, kind, details)
    held = os.path.join(path, "lock") if os.path.isdir(path) else path
    try:
        pid = lock.holder(held)
        if pid is None:
            _append(held, line)
    except OSError as error:
        raise BadInput(f"cannot mark {path}: {reason(error)}.") from None
    if pid is not None:
        _send(pid, line)
    return decode(line)


def _send(pid: int, line: bytes) -> None:
    try:
        pipe = os.open(f"/proc/{pid}/fd/{NUMBER}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Failed(f"cannot reach the collector (process {pid}): {reason(error)}; run mark as the user who runs it.") from None
    try:
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            raise Failed(f"process {pid} is no perfkit collector that takes marks.")
        os.write(pipe, line)
        _wait_until_taken(pipe, pid)
    except OSError as error:
        raise Failed(f"the collector (process {pid}) takes no mark: {reason(error)}; see whether it is stopped.") from None
    finally:
        os.close(pipe)


def _wait_until_taken(pipe: int, pid: int) -> None:
    unread, deadline = array.array("i", [1]), time.monotonic() + _PATIENCE
    while unread[0]:
        if time.monotonic() > deadline:
            raise Failed(f"the collector (process {pid}) has not taken the mark within {_PATIENCE:.0f} s; see whether it is stopped.")
        time.sleep(0.002)
        fcntl.ioctl(pipe, termios.FIONREAD, unread)


def _append(path: str, line: bytes) -> None:
    """Add the line to a plain collection that another program writes; BadInput if it is none."""
    if not _is_foreign(path):
        raise BadInput(f"nobody records into {path}, so a mark of now has no place there.")
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _is_foreign(path: str) -> bool:
    """Whether it is a collection that began without our session line and ends with a whole line."""
    with open(path, "rb") as file:
        first = file.readline(_LONGEST)
        file.seek(-1, os.SEEK_END)
        whole = file.read(1) == b"\n"
    try:
        return decode(first).subsystem != SESSION and whole
    except (ValueError, RecursionError):
        return False
