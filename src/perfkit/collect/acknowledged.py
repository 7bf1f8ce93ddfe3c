"""What the receiver has acknowledged, kept next to the batches that wait: the proof that preflight reads.

Files `000001.acknowledged`, ... in the spool, each a collection as `collect` writes into a file, and locked as one: the batches that
were acknowledged, in their order. The newest two are kept, each of at most MAX_SIZE and a batch; none outlives its collector, unless that
is killed.
"""

from __future__ import annotations

import os
import time

from perfkit.collect.file_sink import CollectionFile
from perfkit.collection import END, SESSION, decode, encode_json
from perfkit.errors import PerfkitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MAX_SIZE = 4 << 20  # bytes
_SUFFIX = ".acknowledged"
_HEAD = 200  # bytes of a line within which its subsystem stands
_IS_SESSION = b'"subsystem":"' + SESSION.encode() + b'"'


class Acknowledged:
    """The record of one run in the spool `folder`; that of earlier runs is removed. `say` is told once if it cannot be written."""

    def __init__(self, folder: str, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._number = 0
        self._file: CollectionFile | None = None
        self._session: dict[str, Any] = {}
        self._told = False
        self._remove_all()

    def add(self, lines: list[bytes]) -> None:
        """Keep the lines of a batch (without newlines). What goes wrong here never stops the sending."""
        try:
            if self._file is None:
                self._file = self._next()
            elif self._file.size >= MAX_SIZE:
                self._rotate(self._file)
            self._file.write(b"".join(line + b"\n" for line in lines))
            for line in lines:
                if _IS_SESSION in line[:_HEAD]:
                    self._session = decode(line).json()
        except (OSError, ValueError, PerfkitError):
            if not self._told:
                self._told = True
                self._say(
                    f"What is acknowledged cannot be noted in {self._folder}: samples are sent all the same, but preflight cannot see it."
                )

    def _rotate(self, full: CollectionFile) -> None:
        self._file = self._next()
        full.write(_line(END, {"reason": "rotated", "next": os.path.basename(self._file.path)}))
        if self._session:
            self._session["part"] = self._session.get("part", 0) + 1
            self._file.write(_line(SESSION, self._session))
        full.close()
        for path in acknowledged_in(self._folder)[:-2]:
            os.unlink(path)

    def _next(self) -> CollectionFile:
        self._number += 1
        return CollectionFile(os.path.join(self._folder, f"{self._number:06d}{_SUFFIX}"))

    def close(self) -> None:
        """The run is over: what has it open can read it to its end."""
        if self._file is None:
            return
        try:
            self._remove_all()
            self._file.close()
        except (OSError, PerfkitError):
            pass
        self._file = None

    def _remove_all(self) -> None:
        for path in acknowledged_in(self._folder):
            os.unlink(path)


def acknowledged_in(folder: str) -> list[str]:
    """The files of acknowledged samples in a spool, the oldest first. Raises OSError."""
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(_SUFFIX)]


def _line(subsystem: str, value: dict[str, Any]) -> bytes:
    seconds, nanosecond = divmod(time.time_ns(), 1_000_000_000)
    return encode_json(seconds, nanosecond, time.monotonic(), subsystem, value)
