"""What reaches the loop from outside: signals to stop or to record a burst, and marks."""

from __future__ import annotations

import os
import signal

from perfkit.collect.marks import MarkPipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class Requests:
    """Requests of other processes. `wakers` are the descriptors to wait for; `stop` names the signal that ended the run."""

    def __init__(self) -> None:
        self.stop = ""
        self._burst = False
        self._marks = MarkPipe()
        self._woken, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.wakers = (self._woken, self._marks.read_fd)

    def listen(self) -> None:
        """Take over the process's signals; one that was ignored at the start (nohup) stays so."""
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_burst)

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
