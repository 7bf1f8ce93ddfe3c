"""The kernel's files that a sample reads: which, how they are cut, and how they are read at almost no cost."""

from __future__ import annotations

import os

from perfkit.collection import line_template
from perfkit.errors import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Cut = Callable[[bytes], bytes]

_BUFFER = 1 << 14
# Of a file of many records seq_file hands out at most a page at a time, and ends a read early only when the next record does not fit.
# A read that leaves half a page free was therefore the last, because no record of these files is longer than that.
_RECORDS = frozenset({"/proc/diskstats", "/proc/net/dev", "/proc/vmstat"})
_SURELY_WHOLE = 2048
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


def cut_stat(text: bytes) -> bytes:
    """/proc/stat with the per-interrupt tails of `intr` and `softirq` cut off: the totals stay."""
    for name in (b"\nintr ", b"\nsoftirq "):
        at = text.find(name)
        if at >= 0:
            tail = text.find(b" ", at + len(name))
            end = text.find(b"\n", at + 1)
            if 0 <= tail < end:
                text = text[:tail] + text[end:]
    return text


def lines_named(*names: str) -> Cut:
    """A cut that keeps one line for each of `names`, which stand in the text in this order, and not in its first line.

    It looks first where a line was the last time, which is nearly always right and saves most of the search.
    """
    wanted = [b"\n" + name.encode() + b" " for name in names]
    places = [0] * len(wanted)

    def cut(text: bytes) -> bytes:
        kept, end = [], 0
        for number, name in enumerate(wanted):
            at = places[number]
            if not text.startswith(name, at):
                at = places[number] = text.find(name, end)
            if at >= 0:
                end = text.find(b"\n", at + 1)
                if end < 0:
                    end = len(text)
                kept.append(text[at + 1 : end + 1])
        return b"".join(kept)

    return cut


def block(prefix: bytes) -> Cut:
    """A cut that keeps the lines that begin with `prefix`, which stand together."""

    def cut(text: bytes) -> bytes:
        start = 0 if text.startswith(prefix) else text.find(b"\n" + prefix) + 1
        end = start
        while text.startswith(prefix, end):
            end = text.find(b"\n", end) + 1 or len(text)
        return text[start:end]

    return cut


# subsystem, how its text is cut. What a column of perfkit is computed from, and little more.
HOST: tuple[tuple[str, Cut | None], ...] = (
    ("/proc/stat", cut_stat),
    ("/proc/meminfo", None),
    ("/proc/diskstats", None),
    ("/proc/net/dev", None),
    ("/proc/loadavg", None),
    ("/proc/vmstat", lines_named("pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault", "oom_kill")),
    ("/proc/net/snmp", block(b"Tcp:")),
    ("/proc/net/netstat", block(b"TcpExt:")),
    ("/proc/pressure/cpu", None),
    ("/proc/pressure/memory", None),
    ("/proc/pressure/io", None),
)


class Source:
    """One kernel file, held open between samples. `failure` is why it gives nothing now, or ""."""

    __slots__ = ("_cut", "_descriptor", "_path", "_surely_whole", "failure", "line", "subsystem")

    def __init__(self, subsystem: str, cut: Cut | None, proc: str) -> None:
        self.subsystem = subsystem
        self.line = line_template(subsystem)
        self.failure = ""
        self._cut = cut
        self._path = proc + subsystem[len("/proc") :]
        self._descriptor = -1
        self._surely_whole = _SURELY_WHOLE if subsystem in _RECORDS else _BUFFER

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


def open_sources(proc: str) -> tuple[list[Source], dict[str, str]]:
    """The host's sources that can be read, and why the others cannot."""
    sources, unavailable = [], {}
    for subsystem, cut in HOST:
        source = Source(subsystem, cut, proc)
        if source.read():
            sources.append(source)
        else:
            unavailable[subsystem] = source.failure
    return sources, unavailable
