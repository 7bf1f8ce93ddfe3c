"""Ctrl-C: an exception wherever it comes, but not while a module is being loaded; and never lost. Target tier."""

from __future__ import annotations

import _thread
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

_put_off: list[int] = []
"""Interrupts that are to be sent again."""


def take() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt, so that a command can clean up behind itself; where it is ignored it stays so."""
    sys.unraisablehook = _keep
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupted)


def hold_back(signals: Iterable[int]) -> None:
    """Block `signals` for the program that is about to take the place of this one: what came before, and was put off, waits for it too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    while _put_off:  # else it would end with this program's threads
        time.sleep(0.001)


def _interrupted(number: int, frame: FrameType | None) -> None:
    """KeyboardInterrupt, but only once no module is being loaded; a native one aborts the interpreter when its start fails."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return _send_again()
        frame = frame.f_back
    raise KeyboardInterrupt


def _keep(ignored: sys.UnraisableHookArgs) -> None:
    """Where Ctrl-C came within a callback of the interpreter's, which prints and ignores every error, send it again."""
    if ignored.exc_type is KeyboardInterrupt:
        _send_again()
    else:
        sys.__unraisablehook__(ignored)


def _send_again() -> None:
    """Send the calling thread the interrupt once more, in a hundredth of a second."""
    _put_off.append(1)
    _thread.start_new_thread(_interrupt_soon, (_thread.get_ident(),))


def _interrupt_soon(thread: int) -> None:
    time.sleep(0.01)
    signal.pthread_kill(thread, signal.SIGINT)
    _put_off.pop()
