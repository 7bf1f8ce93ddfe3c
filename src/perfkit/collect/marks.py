"""What other processes ask of a running collector: to stop, to record a burst (both by signals), and to write a mark.

A mark says where a phase of the test starts or ends. The collector holds the writing end of a pipe as descriptor NUMBER. Whoever may look
into the collector's process (its user, or root) opens the pipe through /proc/PID/fd and writes one line, at most PIPE_BUF bytes, which
the kernel keeps whole. So a mark lands between two samples of any sink, plain, gzip or spool, and wakes a collector that records in bursts.
A collection that another program writes is left alone: its marks are in a file next to it.
"""

from __future__ import annotations

import array
import fcntl
import os
import select
import signal
import stat
import termios
import time

from perfkit.collection import MARK, MARK_KINDS, SESSION, decode, encode_json, lock
from perfkit.collection.choose import marks_beside
from perfkit.errors import BadInput, Failed, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from perfkit.collection import Line

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what ends a run
NUMBER = 99  # high enough to be free when the collector starts
MAX_LABEL = 200  # characters
_LONGEST = 1 << 20  # bytes of a first line
_PATIENCE = 5.0  # seconds that a collector may take to fetch a mark
_SILENCE = 3600.0  # seconds without a write after which nobody records any more; more than any pcc leaves between two samples


class Requests:
    """Requests of other processes. `wakers` are the descriptors to wait for; `stop` names the signal that ended the run."""

    def __init__(self) -> None:
        self.stop = ""
        self._burst = False
        self._marks = MarkPipe()
        self._woken, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.wakers = (self._woken, self._marks.read_fd)

    def listen(self) -> None:
        """Take over the process's signals, those included that `launch.start` has held back; one that was ignored (nohup) stays so."""
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_burst)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def wake(self) -> None:
        """Let the loop look at once, from any thread."""
        try:
            os.write(self._waker, b"!")
        except BlockingIOError:
            pass  # it is awake

    def _on_stop(self, number: int, _: FrameType | None) -> None:
        self.stop = signal.Signals(number).name

    def _on_burst(self, _: int, __: FrameType | None) -> None:
        self._burst = True

    def take(self) -> tuple[list[bytes], bool]:
        """The marks that have come since the last call, and whether a burst is wanted (by a mark too)."""
        try:
            os.read(self._woken, 4096)
        except BlockingIOError:
            pass
        marks = self._marks.take()
        burst, self._burst = self._burst or bool(marks), False
        return marks, burst


class MarkPipe:
    """The collector's end: `read_fd` can be waited for, others write to descriptor NUMBER of this process."""

    def __init__(self) -> None:
        self.read_fd, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.dup2(writing, NUMBER, inheritable=False)
        os.close(writing)

    def take(self) -> list[bytes]:
        """The mark lines that have arrived; any other line is dropped."""
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
    """A `perfkit/mark` line of now, with more keys from `details`; BadInput for a label or kind that cannot be, or too much of all."""
    check_mark(label, kind)
    seconds, nanosecond = divmod(time.time_ns(), 1_000_000_000)
    content = {**(details or {}), "label": label.strip(), "kind": kind}
    line = encode_json(seconds, nanosecond, time.monotonic(), MARK, content)
    if len(line) > select.PIPE_BUF:
        raise BadInput(f"the mark {label!r} is longer than {select.PIPE_BUF} bytes with all that it says; say less.")
    return line


def check_mark(label: str, kind: str) -> None:
    """Raises BadInput for a label or kind that cannot be."""
    if not label.strip() or len(label) > MAX_LABEL or not label.isprintable():
        raise BadInput(f"a mark's label is 1 to {MAX_LABEL} printable characters.")
    if kind not in MARK_KINDS:
        raise BadInput(f"{kind!r} is not a kind of mark; choose {', '.join(MARK_KINDS)}.")


def send_mark(path: str, label: str, kind: str = "point", details: dict[str, Any] | None = None) -> Line:
    """Write a mark into the collection `path` (or the spool folder of a streaming collector) that is being recorded now.

    Returns the mark once the collector has taken it. For a collection that another program writes, the mark goes into the file of marks
    next to it (`choose.marks_beside`). Raises BadInput where nothing is being recorded, Failed where the collector cannot be reached.
    """
    line = encode_mark(label, kind, details)
    held = os.path.join(path, "lock") if os.path.isdir(path) else path
    try:
        pid = lock.holder(held)
        if pid is None:
            _check_foreign(held)
    except OSError as error:
        raise BadInput(f"cannot mark {path}: {reason(error)}.") from None
    if pid is None:
        append_marks(marks_beside(path), line)
    else:
        _send(pid, line)
    return decode(line)


def append_marks(path: str, lines: bytes) -> None:
    """Add `perfkit/mark` lines to a file of marks, which is created if it is missing. Raises Failed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, lines)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Failed(f"cannot write the mark into {path}: {reason(error)}.") from None


def _send(pid: int, line: bytes) -> None:
    try:
        pipe = os.open(f"/proc/{pid}/fd/{NUMBER}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Failed(f"cannot reach the collector (process {pid}): {reason(error)}; run mark as the user who runs it.") from None
    try:
        if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
            raise Failed(f"process {pid} is not a perfkit collector that takes marks.")
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


def _check_foreign(path: str) -> None:
    """BadInput unless it is a collection of another program that has been written to lately."""
    with open(path, "rb") as file:
        first = file.readline(_LONGEST)
        silence = time.time() - os.fstat(file.fileno()).st_mtime
    try:
        foreign = decode(first).subsystem != SESSION
    except (ValueError, RecursionError):
        foreign = False
    if not foreign or silence > _SILENCE:
        raise BadInput(f"nobody records into {path}, so a mark of now has no place there.")
