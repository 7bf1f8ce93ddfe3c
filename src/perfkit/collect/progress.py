"""What the collector says while it runs: one line that moves on a terminal, plain log lines otherwise."""

from __future__ import annotations

import os
import select
import time

from perfkit.units import format_bytes, format_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LOG_EVERY = 600.0  # seconds between two plain lines
_DRAW_EVERY = 0.5
_STDERR = 2
_CLEAR = "\r\x1b[K"


class Progress:
    """Tells of a run through `write`; on a terminal in one line that is drawn anew."""

    def __init__(self, write: Callable[[str], None], duration: float | None, *, terminal: bool = False) -> None:
        self._write, self._duration, self._terminal = write, duration, terminal
        self.due = 0.0  # seconds of the run from which on the next `update` is worth calling

    def say(self, sentence: str) -> None:
        """A line that stays."""
        stamp = "" if self._terminal else time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime())
        self._write(f"{_CLEAR if self._terminal else ''}{stamp}{sentence}\n")

    def update(self, elapsed: float, samples: int, size: int, lateness: float, extra: str = "") -> None:
        """How the run goes after `elapsed` seconds."""
        self.due = elapsed + (_DRAW_EVERY if self._terminal else _LOG_EVERY)
        of = f" of {format_duration(self._duration)}" if self._duration else ""
        line = f"{format_duration(max(elapsed, 1))}{of} · {samples} samples · {format_bytes(size)} · {lateness * 1000:.1f} ms late{extra}"
        if self._terminal:
            self._write(f"{_CLEAR}\x1b[36m●\x1b[0m {line}")
        elif elapsed >= 1:
            self.say(line)


def _write_to_stderr(text: str) -> None:
    """Write if that is possible at once: a reader that is slow or gone is no reason to stop sampling."""
    try:
        if select.select((), (_STDERR,), (), 0)[1]:
            os.write(_STDERR, text.encode("utf-8", "replace")[: select.PIPE_BUF])
    except (OSError, ValueError):
        pass


def on_stderr(duration: float | None) -> Progress:
    """The progress of a command."""
    return Progress(_write_to_stderr, duration, terminal=os.isatty(_STDERR))
