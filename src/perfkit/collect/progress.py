"""What the collector says while it runs: one line that moves on a terminal, plain log lines otherwise."""

from __future__ import annotations

import sys
import time

from perfkit.units import format_bytes, format_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_LOG_EVERY = 600.0  # seconds between two plain lines
_DRAW_EVERY = 0.5
_CLEAR = "\r\x1b[K"


class Progress:
    """Tells of a run on `stream` (stderr); a stream that is gone is no reason to stop."""

    def __init__(self, stream: TextIO | None, duration: float | None) -> None:
        self._stream = stream
        self._duration = duration
        self._terminal = bool(stream and stream.isatty())
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

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


def on_stderr(duration: float | None) -> Progress:
    """The progress of a command."""
    return Progress(sys.stderr, duration)
