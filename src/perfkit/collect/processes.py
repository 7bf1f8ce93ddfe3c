"""Processes: what each has used, in the kernel's own digits, without root and at a cost that does not grow with their number.

A sample has one line of the subsystem `processes`. Its text begins with `scan NUMBER COUNT ROWS` (how many processes are known, and how
many rows follow, so that one that is lost is noticed); then come

    gone PID START                                               for each that has ended since it was read last
    PID START AGE STATE MINFLT MAJFLT UTIME STIME CUTIME CSTIME PRIORITY NICE THREADS RSS BLKIO  RAN WAITED SLICES  READ WRITTEN

the latter for each whose numbers have changed since it was read last, AGE scans ago (+AGE: it was not there then; 0: nobody knows).
The numbers are those of /proc/PID/stat (proc(5): fields 22, 3, 10, 12, 14 to 20, 24, 42), of /proc/PID/schedstat (the main thread's
nanoseconds on a CPU and waiting for one) and `read_bytes` and `write_bytes` of /proc/PID/io; `-` where this user may not read them.

A line `perfkit/process` says who a process is, when it is seen first and when it takes another name.
"""

from __future__ import annotations

import operator
import os
import re
import time

from perfkit.collect.containers import unescape
from perfkit.collect.sources import SHORTEST, Source, allow_many_files
from perfkit.collection import PROCESS, escape, line_template, to_json
from perfkit.collection.subsystems import PROCESSES, SLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FEW = 100  # fewer processes are all read in every scan; of more the busy and the large ones, and all in every SLOW-th
_BUSY, _LARGE = 32, 8
_BUFFER = 1024
_NAME, _CMDLINE = 64, 200  # bytes that are kept
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD, linux/sched.h
# Where the wanted fields of /proc/PID/stat stand behind the name in brackets: fields 14, 20, 24, 42, 22, 9; and those that are told.
_TICKS, _THREADS, _RSS, _BLKIO, _START, _FLAGS = 11, 17, 21, 39, 19, 6
_TOLD = operator.itemgetter(0, 7, 9, *range(_TICKS, _THREADS + 1), _RSS, _BLKIO)
# Those that are computed with, and the parent: where one of them is no number, the text is not the kernel's.
_NUMBERS = operator.itemgetter(1, _FLAGS, _TICKS, _TICKS + 1, _START, _RSS)
_LAST_PID = "/proc/sys/kernel/ns_last_pid"  # the number that was given last in this pid namespace
_TRIED = 32  # so many numbers are tried at least, before all processes are listed
_SPARE = 128  # descriptors that are left to the rest of the collector


class _Process:
    """One process: its descriptors, and what it said last."""

    __slots__ = (
        *("about", "clock", "io", "line", "name", "pid", "ran", "rss", "scan", "schedstat", "start", "stat", "text", "ticks"),
        *("ticks_before", "turn"),
    )

    def __init__(self, pid: bytes, clock: int | None) -> None:
        self.pid, self.start, self.name, self.text, self.line = pid, b"", b"", b"", b""
        self.clock = clock  # what tells how long it has run; None where nothing does, and then `stat` is read each time
        self.ran: object = None  # what that has told: as long as it stays, the process has done nothing
        self.about: dict[str, Any] | None = None  # who it is, where that was read before the first scan
        self.stat = self.schedstat = self.io = -1
        self.scan = self.ticks = self.ticks_before = self.rss = 0
        self.turn = int(pid) % SLOW  # which of so many scans of all reads its `stat` though it has done nothing


class Processes:
    """All processes below `proc`, as they come and go. `cmdline` says whether their command lines are recorded.

    `cpu_clock` tells a process's nanoseconds on a CPU by the name of its clock, and raises OSError where there is none.
    """

    def __init__(
        self,
        proc: str,
        *,
        cmdline: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[int], int] = time.clock_gettime_ns,
    ) -> None:
        self._proc, self._cmdline, self._monotonic, self._cpu_clock = proc, cmdline, monotonic, cpu_clock
        self._known: dict[bytes, _Process] = {}
        self._hot: list[_Process] = []
        self._changed: set[_Process] = set()  # since it was last chosen who is hot
        self._scan = self._listed = 0  # numbers of the last scan, and of the last that has seen all
        self._last = float("-inf")  # when, by the monotonic clock
        self._rows: list[bytes] = []  # of the scan that is being made
        self._whole = True  # the next scan writes every process
        self._descriptors = allow_many_files() - _SPARE
        self._line, self._who = line_template(PROCESSES.name), line_template(PROCESS)
        # A process's clock of CPU time covers all its threads, needs no descriptor and is read in half the time of `schedstat`. It is asked
        # for by the pid, so that it serves where `proc` is of the pid namespace in which this process lives.
        self._has_clocks = _is_own(proc) and self._is_there(os.getpid())
        self._ran: Callable[[int], object] = cpu_clock if self._has_clocks else _text
        self._given = Source(_LAST_PID, None, proc)
        self._givens = [0, 0]  # the number that the kernel had given last, at the last two looks for those that have come
        self._looks = 0
        self._prepare()

    def _prepare(self) -> None:
        """Open and read everything once: the first sample would take a third of a millisecond longer for each process, and be late."""
        self._list()
        for process in list(self._known.values()):
            try:
                process.name, fields = _taken_apart(self._read(process))
                process.start = fields[_START]
                process.about = self._about(process, fields)
                self._waited(process)
                self._moved(process)
            except (OSError, IndexError):
                self._forget(process)
            process.start = b""

    def begin_again(self) -> None:
        """Write every process into the next sample: a new file has begun."""
        self._whole = True

    def read(self, head: bytes) -> list[bytes]:
        """The lines of the sample whose lines begin with `head`."""
        now = self._monotonic()
        if now - self._last < SHORTEST:
            return []
        self._last = now
        self._scan += 1
        every = self._whole or len(self._known) < FEW or self._scan % SLOW == 0
        rows = self._rows = [b""]
        lines: list[bytes] = []
        pread, ran = os.pread, self._ran  # local names: this loop is most of what a sample costs
        # Reading `stat` takes five times as long as the clock. Memory may shrink though the process does nothing: each scan of all reads a
        # tenth of those too.
        turn = -1 if self._scan % SLOW else self._scan // SLOW % SLOW
        trusts = not self._whole
        if every:
            self._list()
        for process in list(self._known.values()) if every else self._hot:
            try:
                if process.clock is not None:
                    before, process.ran = process.ran, ran(process.clock)
                    if before == process.ran and trusts and process.turn != turn:
                        process.scan = self._scan
                        continue
                text = pread(process.stat, _BUFFER, 0) if process.stat >= 0 else self._read(process)
            except OSError:
                self._forget(process)
                if process.start:
                    rows.append(b"gone %b %b" % (process.pid, process.start))
                continue
            if text != process.text or self._whole:
                about = self._tell(process, text)
                if about:
                    lines.append(self._who % (head, now, escape(to_json(about))))
            process.scan = self._scan
        if every:
            self._listed = self._scan
            self._choose()
        self._whole = False
        rows[0] = b"scan %d %d %d" % (self._scan, len(self._known), len(rows) - 1)
        return [*lines, self._line % (head, now, escape(b"\n".join(rows)))]

    def _tell(self, process: _Process, text: bytes) -> dict[str, Any] | None:
        """Add the process's row, if numbers that count have changed; who it is, if that has."""
        name, fields = _taken_apart(text)
        process.text = text
        if not fields:
            process.ran = None  # it is read again with the next sample
            return None
        begun, start = process.start, fields[_START]
        if begun and begun != start:  # without a descriptor a pid may have come to be another process
            self._rows.append(b"gone %b %b" % (process.pid, begun))
            process.scan, begun, process.line = 0, b"", b""
        process.start = start
        about = None
        if not begun or self._whole or (name != process.name and not _is_kernel(fields)):
            prepared, process.about = process.about, None
            is_known = prepared is not None and name == process.name and prepared["start"] == int(start)
            process.name = name
            about = prepared if is_known else self._about(process, fields)
        line = b" ".join(_TOLD(fields))
        if line == process.line and not self._whole:
            return about
        age = b"%d" % (self._scan - process.scan) if process.scan else b"+%d" % (self._scan - self._listed) if self._listed else b"0"
        process.line = line
        process.ticks, process.rss = int(fields[_TICKS]) + int(fields[_TICKS + 1]), int(fields[_RSS])
        waited = self._waited(process)
        self._rows.append(b" ".join((process.pid, start, age, line, waited, self._moved(process))))
        self._changed.add(process)
        process.clock = self._clock(process, fields[_THREADS], waited)
        return about

    def _clock(self, process: _Process, threads: bytes, waited: bytes) -> int | None:
        if self._has_clocks:  # of 100 threads it takes as long as `stat`
            return clock_of(int(process.pid)) if len(threads) < 3 else None
        # `schedstat` serves for one thread; where the kernel does not count, it writes zeros.
        return process.schedstat if threads == b"1" and process.schedstat >= 0 and not waited.startswith(b"0 ") else None

    def _read(self, process: _Process) -> bytes:
        """The text of its `stat`, which is opened. Raises OSError where it has ended."""
        process.stat = self._open(process, "stat")
        if process.stat >= 0:
            return os.pread(process.stat, _BUFFER, 0)
        with open(f"{self._proc}/{process.pid.decode()}/stat", "rb", buffering=0) as file:
            return file.read(_BUFFER) or b""

    def _open(self, process: _Process, name: str) -> int:
        """A descriptor that is held; -1 where there are too few. Raises OSError."""
        if self._descriptors <= 0:
            return -1
        descriptor = os.open(f"{self._proc}/{process.pid.decode()}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        self._descriptors -= 1
        return descriptor

    def _extra(self, process: _Process, name: str) -> bytes:
        """The text of a file that need not be readable; b"" where it is not, and then it is not tried again."""
        descriptor = getattr(process, name)
        if descriptor == -1:
            try:
                descriptor = self._open(process, name)
            except OSError:
                descriptor = -2
            setattr(process, name, descriptor)
        try:
            return os.pread(descriptor, _BUFFER, 0) if descriptor >= 0 else b""
        except OSError:
            return b""

    def _waited(self, process: _Process) -> bytes:
        fields = self._extra(process, "schedstat").split()
        return b" ".join(fields) if len(fields) == 3 else b"- - -"

    def _moved(self, process: _Process) -> bytes:
        words = self._extra(process, "io").split()
        found = dict(zip(words[::2], words[1::2]))
        return b"%b %b" % (found.get(b"read_bytes:", b"-"), found.get(b"write_bytes:", b"-"))

    def _about(self, process: _Process, fields: list[bytes]) -> dict[str, Any]:
        folder = f"{self._proc}/{process.pid.decode()}"
        found: dict[str, Any] = {
            "pid": int(process.pid),
            "start": int(process.start),
            "parent": int(fields[1]),
            "name": process.name[:_NAME].decode("utf-8", "replace"),
        }
        if _is_kernel(fields):
            return {**found, "kernel": True}
        try:
            found["uid"] = os.stat(folder).st_uid
            found["executable"] = os.readlink(folder + "/exe")
        except OSError:
            pass
        found["cgroup"] = _cgroup(_first(folder + "/cgroup", 4096).decode("utf-8", "replace"))
        if self._cmdline:
            found["cmdline"] = masked(_first(folder + "/cmdline", 2048))
        return found

    def _list(self) -> None:
        """Notice those that have come."""
        for name in self._names():
            if name not in self._known and name.isdigit():
                self._known[name] = _Process(name, clock_of(int(name)) if self._has_clocks else None)

    def _names(self) -> list[bytes]:
        """The names in /proc among which those are that have come: all, or those of the numbers that the kernel has given since.

        Listing takes 2 us for each process there is. The kernel gives numbers in order, so that trying a few takes less; from the look
        before the last one on, because a process that is being made has its number before it can be found. All are listed where the numbers
        began again, and now and then: a process that was hidden may have become this user's, or was restored with a number of its own.
        """
        self._looks += 1
        told = self._given.read().strip() if self._has_clocks else b""
        first, last = self._givens[0], int(told) if told.isdigit() else 0
        self._givens = [self._givens[1], last]
        if first and 0 <= last - first <= max(_TRIED, len(self._known) // 2) and self._looks % SLOW:
            return [b"%d" % pid for pid in range(first + 1, last + 1) if self._is_there(pid)]
        try:
            return os.listdir(os.fsencode(self._proc))
        except OSError:
            return []

    def _is_there(self, pid: int) -> bool:
        """Whether there is such a process; a thread is none."""
        try:
            return self._cpu_clock(clock_of(pid)) >= 0
        except OSError:
            return False

    def _choose(self) -> None:
        """Who is read in every sample: those that used most CPU since the last choice, and those with most memory."""
        everybody = list(self._known.values())
        changed, self._changed = self._changed, set()
        busy = sorted(changed, key=lambda process: process.ticks_before - process.ticks)[:_BUSY]
        for process in changed:
            process.ticks_before = process.ticks
        if len(everybody) >= FEW:
            chosen = {*busy, *sorted(everybody, key=operator.attrgetter("rss"))[-_LARGE:]}
            self._hot = [process for process in everybody if process in chosen]  # in one order, which compresses better

    def _forget(self, process: _Process) -> None:
        self._known.pop(process.pid, None)
        self._changed.discard(process)
        if process in self._hot:
            self._hot = [one for one in self._hot if one is not process]
        for descriptor in (process.stat, process.schedstat, process.io):
            if descriptor >= 0:
                os.close(descriptor)
                self._descriptors += 1

    def close(self) -> None:
        for process in list(self._known.values()):
            self._forget(process)
        self._given.close()


def clock_of(pid: int) -> int:
    """The name of a process's clock of CPU time: clock_getcpuclockid(3), which Python does not have."""
    return ~pid << 3 | 2


def _is_own(proc: str) -> bool:
    """Whether the numbers of processes in `proc` are those by which the kernel knows them here."""
    own = re.search(rb"(?m)^NSpid:\s*(\d+)$", _first(proc + "/self/status", 4096))  # two numbers: in `proc`, and in a namespace below it
    return own is not None and int(own[1]) == os.getpid()


def _text(descriptor: int) -> bytes:
    return os.pread(descriptor, _BUFFER, 0)


def _taken_apart(text: bytes) -> tuple[bytes, list[bytes]]:
    """The name in /proc/PID/stat, which may hold anything, and the fields behind it, from field 3 on; none where it is cut or damaged."""
    end = text.rfind(b")")
    fields = text[end + 2 :].split(b" ", _BLKIO + 1)
    is_whole = len(fields) > _BLKIO + 1 and b"".join(_NUMBERS(fields)).isdigit()
    return text[text.find(b"(") + 1 : end], fields if is_whole else []


def _is_kernel(fields: list[bytes]) -> bool:
    return bool(int(fields[_FLAGS]) & _KERNEL_THREAD)


def _first(path: str, size: int) -> bytes:
    """The beginning of a file; b"" where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(size) or b""
    except OSError:
        return b""


def _cgroup(text: str) -> str:
    """The path in /proc/PID/cgroup without systemd's escapes: v2's, else that of systemd's own tree of v1, else any."""
    rows = [row.split(":", 2) for row in text.splitlines() if row.count(":") >= 2]
    paths = {controllers: path for _, controllers, path in reversed(rows) if path != "/"}
    return unescape(paths.get("") or paths.get("name=systemd") or next(iter(paths.values()), ""))


# Command lines may hold secrets.

# Words are told apart by \0, so that a script in one argument and words of their own are looked through alike. No pattern may look at a
# text of some thousand letters again for each of them: none begins with a repetition, and those in the middle are bounded.
_WORD = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|tokens?|api[-_]?keys?|(?:access|private|account)[-_]?keys?|key|credentials?"
    r"|authorization|bearer|cookies?|signature|sig|jwt|[-_]pat)"
)
# One of these is in each text that _NAMED finds something in; looking for them first more than halves the time (November 2026).
_HINTS = ("pass", "pwd", "secret", "token", "key", "credential", "auth", "bearer", "cookie", "sig", "jwt", "-pat", "_pat")
_BEGIN = r"(?:^|(?<=[\s\0\"'(=]))"  # of a word, also within a script
# Each finds what stays, as its group, and the secret behind it.
_NAMED = [
    # NAME=VALUE, "NAME": VALUE, NAME: VALUE in the next word.
    re.compile(rf"(?i)((?:{_WORD}|auth)[\\\"']*\s*[=:][\s\0]*)(?:(?:bearer|basic|digest)\0)?[^\0]+"),
    # --NAME VALUE, and names that are no other word.
    re.compile(rf"(?i)({_BEGIN}--?[\w.-]{{0,60}}?{_WORD}[\\\"']*[\s\0]+)[^\0]+"),
    re.compile(r"(?i)((?<=[\s\0\"'])(?:password|passwd|passphrase|pwd|bearer)[\s\0]+)[^\0]+"),
]
_SHAPED = [
    # USER:PASSWORD@HOST, with or without a scheme; a long user alone is a token.
    re.compile(rf"((?:://|{_BEGIN})[^\s\0/:@=]*:)[^\s\0/]+(?=@)(?!@sha256:)"),
    re.compile(r"(://[^\s\0/:@=]+:)(?!\d{1,5}/)[^\s\0]{1,200}(?=@)"),  # a password with a /; not behind a port
    re.compile(r"(://)[^\s\0/:@]{16,}(?=@)"),
    # USER:PASSWORD of curl and others, USER%PASSWORD of smbclient, USER/PASSWORD of Oracle's tools.
    re.compile(rf"({_BEGIN}(?:-[uU]|--(?:proxy-)?user|--auth)[\s\0=]*[^\s\0:%/]{{1,100}}[:%])(?!//)[^\s\0]+"),
    re.compile(r"((?:\bsqlplus\b[^/;|&]{0,100}?[\s\0]|jdbc:oracle:\w{1,9}:)[\w$.]{1,100}/)[^\s\0@]+"),
    # Options of one letter, where the program is known.
    re.compile(r"(\b(?:(?:mysql|mariadb|mycli|sshpass|mongo|7z)[\w-]{0,20}|login)\b[^;|&]{0,200}?[\s\0]-p[\s\0]*)[^\s\0]+"),
    re.compile(r"(\bab\b[^;|&]{0,200}?[\s\0]-[AP][\s\0]*[^\s\0:]{1,100}:)[^\s\0]+"),
    re.compile(r"(\bredis-cli\b[^;|&]{0,200}?[\s\0]-a[\s\0]*)[^\s\0]+"),
    re.compile(r"(\bldap\w{1,20}\b[^;|&]{0,200}?[\s\0]-w[\s\0]*)[^\s\0]+"),
    re.compile(r"(\bcurl\b[^;|&]{0,200}?[\s\0]-b[\s\0]*)[^\0]+"),
    re.compile(r"(\b(?:sqlcmd|bcp|(?:un)?zip)\b[^;|&]{0,200}?[\s\0]-P[\s\0]*)[^\s\0]+"),
]


def masked(text: bytes, most: int = _CMDLINE) -> str:
    """A command line as the kernel tells it, its words apart by blanks, at most so many bytes; what may be a secret is `***`."""
    told = text.rstrip(b"\0").decode("utf-8", "replace")
    lower = told.lower()
    for pattern in [*_SHAPED, *_NAMED] if any(hint in lower for hint in _HINTS) else _SHAPED:
        told = pattern.sub(_mask, told)
    return told.replace("\0", " ").encode()[:most].decode("utf-8", "ignore")


def _mask(found: re.Match[str]) -> str:
    return found[1] + "***"
