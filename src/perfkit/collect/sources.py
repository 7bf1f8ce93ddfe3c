"""The kernel's files that a sample reads, and how they are read at almost no cost (perfkit.collection.subsystems lists them)."""

from __future__ import annotations

import os
import resource

from perfkit.collection import line_template
from perfkit.collection.subsystems import HOST
from perfkit.errors import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from perfkit.collection.subsystems import Cut, Subsystem

_BUFFER = 1 << 14
# Of a file of many records seq_file hands out at most a page at a time, and ends a read early only when the next record does not fit.
# A read that leaves half a page free was therefore the last, because no record of these files is longer than that.
_SURELY_WHOLE = 2048
# Seconds between two readings of a process or service, however often samples are taken: their CPU time is counted in hundredths of one.
SHORTEST = 0.75
MAX_TEXT = 4 << 20  # bytes that are kept of one file; a larger one is garbage


def read_whole(descriptor: int, begun: bytes = b"") -> bytes:
    """The file's whole text, without moving its position; at most MAX_TEXT bytes. Raises OSError.

    `begun` is what a read from the beginning has given already.
    """
    parts, size = [begun], len(begun)
    while size < MAX_TEXT and (data := os.pread(descriptor, _BUFFER, size)):
        parts.append(data)
        size += len(data)
    return b"".join(parts)


def read_text(path: str) -> str:
    """A file of /proc or /sys, stripped; "" where it is missing or unreadable."""
    try:
        with open(path, "rb", buffering=0) as file:
            # In small buffers: /proc/sys answers "cannot allocate memory" to one read of megabytes.
            return read_whole(file.fileno()).decode("utf-8", "replace").strip("\0\n ")
    except OSError:
        return ""


def allow_many_files() -> int:
    """Let this process hold as many files open as it may; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft
    return hard


class Source:
    """One kernel file, held open between samples. `failure` is why it gives nothing now, or ""."""

    __slots__ = ("_cut", "_descriptor", "_path", "_surely_whole", "failure", "line", "subsystem")

    def __init__(self, subsystem: str, cut: Cut | None, proc: str, records: bool = False) -> None:
        self.subsystem = subsystem
        self.line = line_template(subsystem)
        self.failure = ""
        self._cut = cut
        self._path = proc + subsystem[len("/proc") :]
        self._descriptor = -1
        self._surely_whole = _SURELY_WHOLE if records else _BUFFER

    def read(self) -> bytes:
        """The source's text now; b"" where it cannot be read, and then `failure` says why."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            text = os.pread(self._descriptor, _BUFFER, 0)
            if len(text) >= self._surely_whole:
                text = read_whole(self._descriptor, text)
        except OSError as error:
            self._fail(reason(error))
            return b""
        if self._cut is not None:
            text = self._cut(text)
        if not text:
            self._fail("it is empty")
        elif self.failure:
            self.failure = ""
        return text

    def _fail(self, why: str) -> None:
        self.close()
        self.failure = why

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def open_sources(proc: str, subsystems: tuple[Subsystem, ...] = HOST) -> tuple[list[Source], dict[str, str]]:
    """The sources that can be read, and why the others cannot."""
    sources, unavailable = [], {}
    for subsystem in subsystems:
        source = Source(subsystem.name, subsystem.cut, proc, subsystem.records)
        if source.read():
            sources.append(source)
        else:
            unavailable[subsystem.name] = source.failure
    return sources, unavailable
