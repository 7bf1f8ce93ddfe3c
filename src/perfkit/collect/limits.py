"""Limits that hide: what slows a machine down and shows in no utilisation, in the kernel's own digits and without root.

The first and every tenth sample has, where the kernel keeps them, /proc/net/softnet_stat, the lines of the CPUs in /proc/schedstat, and one
line of the subsystem `limits`, in which each row is a file's path and its numbers:

    /proc/sys/fs/file-nr 2234 0 2466174
    /sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq 2600000
    ethtool/eth0/bw_in_allowance_exceeded 0

the last of which are not files but the counters that a cloud's network driver gives to `ethtool -S` (ETHTOOL_GSTATS), `adjtimex`,
how far the clock may be wrong (adjtimex(2): offset, maxerror, esterror, status), and `receiver`, how far the receiver's clock is ahead
and by how much that may be wrong (us; ReceiverClient.take_clock). Where the kernel's log may be read, the records that tell which
process was killed for lack of memory follow as they stand in /dev/kmsg.
"""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
import time

from perfkit.collect.sources import SHORTEST, Source, allow_many_files
from perfkit.collection import escape, line_template
from perfkit.collection.subsystems import KERNEL_LOG, LIMITS, SLOW, SLOWER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ioctl = Callable[[int, bytes], None]  # a request, and a struct ifreq; it raises OSError

_HOST = (
    "/proc/sys/fs/file-nr",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/kernel/threads-max",
    "/proc/sys/net/netfilter/nf_conntrack_count",
    "/proc/sys/net/netfilter/nf_conntrack_max",
)
_CPU = (
    "cpufreq/scaling_cur_freq",
    "cpufreq/base_frequency",
    "cpufreq/cpuinfo_max_freq",
    "thermal_throttle/core_throttle_count",
    "thermal_throttle/package_throttle_count",
)
_CPUS, _INTERFACES = "/devices/system/cpu", "/class/net"
_MOST_CPUS = 128  # whose files are read: each costs some microseconds
_KILLED = b"Killed process "  # mm/oom_kill.c
_MOST_RECORDS = 2000  # of the kernel's log that are looked at in one sample

# linux/sockios.h, linux/ethtool.h
_SIOCETHTOOL = 0x8946
_GSTRINGS, _GSTATS, _GSSET_INFO = 0x1B, 0x1D, 0x37
_STATS_SET, _STRING = 1, 32
_ALLOWANCE = b"_allowance_exceeded"  # as Amazon's ena names them


class Limits:
    """The limits of the machine below `proc` and `sys_root`.

    `ioctl` asks network drivers, `clock` the kernel how it sets its clock, and `receiver` how far that of the receiver is ahead; None
    does not.
    """

    def __init__(  # noqa: PLR0913 (everything it touches is handed in)
        self,
        proc: str,
        sys_root: str,
        kernel_log: str = "/dev/kmsg",
        *,
        ioctl: Ioctl | None = None,
        clock: Callable[[], tuple[int, int, int, int] | None] | None = None,
        receiver: Callable[[], tuple[int, int] | None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proc, self._sys, self._ioctl, self._monotonic = proc, sys_root, ioctl, monotonic
        self._clock, self._receiver = clock, receiver
        self._sources = [Source(one.name, one.cut, proc) for one in SLOWER if one.name.startswith("/proc/")]
        self._line, self._log_line = line_template(LIMITS.name), line_template(KERNEL_LOG.name)
        self._reads = 0
        self._last = float("-inf")
        self._devices: list[list[str]] = []  # the CPUs and interfaces to which the next two belong
        self._files: list[tuple[bytes, int]] = []  # name, descriptor
        self._counters: list[_Counters] = []
        self._log = _open_log(kernel_log)
        self._room = allow_many_files() // 8  # descriptors; what does not fit is left out
        self._look()  # in the first sample it would take too long

    def read(self, head: bytes) -> list[bytes]:
        """The lines of the sample whose lines begin with `head`; none but in the first and every tenth."""
        now = self._monotonic()
        self._reads += 1
        if (self._reads - 1) % SLOW or now - self._last < SHORTEST:
            return []
        self._last = now
        lines = [source.line % (head, self._monotonic(), escape(text)) for source in self._sources if (text := source.read())]
        self._look()
        rows = [row for row in (_row(*file) for file in self._files) if row]
        for counters in self._counters:
            rows += counters.rows()
        if self._clock and (state := self._clock()):
            rows.append(b"adjtimex %d %d %d %d" % state)
        if self._receiver and (ahead := self._receiver()):
            rows.append(b"receiver %d %d" % ahead)
        if rows:
            lines.append(self._line % (head, now, escape(b"\n".join(rows))))
        killed = b"\n".join(self._killed())
        return [*lines, self._log_line % (head, now, escape(killed))] if killed else lines

    def _look(self) -> None:
        """Open what there is, if CPUs or interfaces have come or gone."""
        devices = [_entries(self._sys + _CPUS), _entries(self._sys + _INTERFACES)]
        if devices == self._devices:
            return
        self._close()
        self._devices = devices
        cpus = sorted((name for name in devices[0] if name.startswith("cpu") and name[3:].isdigit()), key=lambda name: int(name[3:]))[
            :_MOST_CPUS
        ]
        paths = [(path, self._proc + path[len("/proc") :]) for path in _HOST]
        paths += [(f"/sys{_CPUS}/{cpu}/{name}", f"{self._sys}{_CPUS}/{cpu}/{name}") for cpu in cpus for name in _CPU]
        for name, path in paths[: self._room]:
            try:
                self._files.append((name.encode(), os.open(path, os.O_RDONLY | os.O_CLOEXEC)))
            except OSError:
                continue
        if self._ioctl is not None:
            found = (_Counters(name, self._ioctl) for name in devices[1])
            self._counters = [counters for counters in found if counters.names]

    def _killed(self) -> Iterator[bytes]:
        """The records about killed processes since the last call, without what the kernel appends to them."""
        for _ in range(_MOST_RECORDS):
            if self._log < 0:
                return
            try:
                record = os.read(self._log, 8192)
            except OSError as error:
                if error.errno == errno.EPIPE:  # records were overwritten before they were read
                    continue
                return
            if not record:
                return
            if _KILLED in record:
                yield record.split(b"\n", 1)[0]

    def begin_again(self) -> None:
        """The next sample has them all."""
        self._reads = 0
        self._last = float("-inf")

    def _close(self) -> None:
        for _, descriptor in self._files:
            os.close(descriptor)
        self._files, self._counters = [], []

    def close(self) -> None:
        self._close()
        for source in self._sources:
            source.close()
        if self._log >= 0:
            os.close(self._log)
        self._log = -1


def _entries(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _row(name: bytes, descriptor: int) -> bytes:
    """The file's row; b"" where it holds no number now."""
    try:
        numbers = os.pread(descriptor, 256, 0).split()
    except OSError:
        return b""
    return b" ".join((name, *numbers)) if b"".join(numbers).isdigit() else b""


def _open_log(path: str) -> int:
    """The kernel's log behind its last record; -1 where it may not be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1
    try:
        os.lseek(descriptor, 0, os.SEEK_END)
    except OSError:
        os.close(descriptor)
        return -1
    return descriptor


class _Counters:
    """The allowance counters of one interface; `names` is empty where its driver has none."""

    def __init__(self, interface: str, ioctl: Ioctl) -> None:
        self._interface, self._ioctl = interface.encode(), ioctl
        self.names: list[tuple[int, bytes]] = []
        try:
            strings = self._strings()
        except OSError:
            return
        self._size = len(strings)
        self.names = [(place, name) for place, name in enumerate(strings) if name.endswith(_ALLOWANCE)]

    def rows(self) -> list[bytes]:
        try:
            answer = self._ask(struct.pack("=II", _GSTATS, self._size), 8 * self._size)
        except OSError:
            return []
        values = struct.unpack_from(f"={self._size}Q", answer, 8)
        return [b"ethtool/%b/%b %d" % (self._interface, name, values[place]) for place, name in self.names]

    def _strings(self) -> list[bytes]:
        info = self._ask(struct.pack("=IIQ", _GSSET_INFO, 0, 1 << _STATS_SET), 4)
        mask, size = struct.unpack_from("=QI", info, 8)
        if not mask or not 0 < size < 100_000:
            return []
        answer = self._ask(struct.pack("=III", _GSTRINGS, _STATS_SET, size), _STRING * size)
        return [answer[12 + _STRING * n : 12 + _STRING * (n + 1)].split(b"\0", 1)[0] for n in range(size)]

    def _ask(self, request: bytes, room: int) -> bytes:
        """The driver's answer to `request`, which may be `room` bytes longer. Raises OSError."""
        buffer = array.array("B", request + bytes(room))
        self._ioctl(_SIOCETHTOOL, struct.pack("16sP16x", self._interface[:15], buffer.buffer_info()[0]))
        return buffer.tobytes()


def ask_driver(request: int, ifreq: bytes) -> None:
    """The real ioctl. Raises OSError."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as any_socket:
        fcntl.ioctl(any_socket.fileno(), request, ifreq)
