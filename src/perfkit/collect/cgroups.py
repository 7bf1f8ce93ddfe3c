"""The accounting of one control group, v2 or v1, as pcc's fields.

Files that change are held open between samples; limits are read again only now and then. Every value is the kernel's own digits,
except where v1 counts in other units than v2 (nanoseconds, clock ticks): those become v2's.
"""

from __future__ import annotations

import os
import re

from perfkit.collect.sources import read_text, read_whole
from perfkit.collect.topology import disks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Parse = Callable[[bytes], list[bytes]]  # a file's text to key, value, key, value, ...

_BUFFER = 4096  # more than these files have, but for io.stat of a machine with many disks
_INACTIVE = "memory_inactive_file"
_V1 = frozenset({"cpu", "cpuacct", "memory", "blkio", "pids"})
_UNLIMITED = 1 << 62  # v1 writes "no limit" as a number near 2**63


class Hierarchy:
    """Where cgroups are mounted. `folders` maps a controller to its v1 root; `unified` is the v2 root or "".

    `on_v2` are the controllers of the v2 root. `ignored_devices` are the `major:minor` of block devices made of others, whose bytes are
    counted below them already.
    """

    def __init__(self, sys_root: str) -> None:
        base = sys_root + "/fs/cgroup"
        self.unified = next((path for path in (base, base + "/unified") if os.path.exists(path + "/cgroup.controllers")), "")
        self.folders = {} if self.unified == base else _v1_folders(base)
        self.on_v2 = frozenset(read_text(self.unified + "/cgroup.controllers").split()) if self.unified else frozenset()
        self.ignored_devices = _made_of_others(sys_root)

    @property
    def root(self) -> str:
        """The tree in which containers are looked for; "" if there are no cgroups."""
        for controller in ("memory", "cpuacct", "pids", "blkio", "cpu"):
            if controller in self.folders:
                return self.folders[controller]
        return self.unified


def _v1_folders(base: str) -> dict[str, str]:
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return {}
    found = ((controller, f"{base}/{name}") for name in names for controller in name.split(","))
    return {controller: path for controller, path in found if controller in _V1 and os.path.isdir(path)}


def _made_of_others(sys_root: str) -> frozenset[bytes]:
    found = disks(sys_root)
    return frozenset(
        read_text(f"{sys_root}/block/{name.replace('/', '!')}/dev").encode()
        for name, facts in found.items()
        if facts["kind"] in ("stacked", "loop", "memory")
    )


def _key(field: str) -> bytes:
    """A field's name as it stands in a measurement: JSON within a JSON string."""
    return b',\\"' + field.encode() + b'\\":'


def pick(**fields: str) -> Parse:
    """A parser of `name value` lines: the value of each name becomes the field."""
    wanted = [(b"\n" + name.encode() + b" ", len(name) + 2, _key(field)) for name, field in fields.items()]

    def parse(text: bytes) -> list[bytes]:
        text = b"\n%b\n" % text
        found: list[bytes] = []
        for name, length, key in wanted:
            at = text.find(name)
            if at >= 0:
                found += (key, text[at + length : text.find(b"\n", at + length)])
        return found if b"".join(found[1::2]).isdigit() else _digits_alone(found)

    return parse


def _digits_alone(found: list[bytes]) -> list[bytes]:
    """Without the keys whose values are no numbers."""
    return [part for key, value in zip(found[::2], found[1::2]) if value.isdigit() for part in (key, value)]


def number(field: str, divisor: int = 1) -> Parse:
    """A parser of a file that is one number; "max" and its like are no value."""
    key = _key(field)

    def parse(text: bytes) -> list[bytes]:
        value = text.strip()
        if not value.isdigit() or int(value) >= _UNLIMITED:
            return []
        return [key, value if divisor == 1 else b"%d" % (int(value) // divisor)]

    return parse


def scaled(multiplier: int, divisor: int, **fields: str) -> Parse:
    """As `pick`, the values multiplied and divided."""
    picked = pick(**fields)

    def parse(text: bytes) -> list[bytes]:
        found = picked(text)
        found[1::2] = [b"%d" % (int(value) * multiplier // divisor) for value in found[1::2]]
        return found

    return parse


def both(first: Parse, second: Parse) -> Parse:
    """Two parsers of one file."""
    return lambda text: first(text) + second(text)


def cpu_max(text: bytes) -> list[bytes]:
    """v2's `quota period`; "max" is no quota."""
    quota, _, period = text.strip().partition(b" ")
    found = [_key("cpu_quota"), quota] if quota.isdigit() else []
    return found + ([_key("cpu_period"), period] if period.isdigit() else [])


def _sums(totals: dict[bytes, int]) -> list[bytes]:
    return [part for key, total in totals.items() for part in (key, b"%d" % total)]


# Some kernels print devices without numbers in front of one that has them, on its line.
_IO_STAT = re.compile(rb"^(?:\S+ +)*?(\S+) rbytes=(\d+) wbytes=(\d+) rios=(\d+) wios=(\d+)(?!\S)", re.MULTILINE)
_IO_FIELDS = [_key(field) for field in ("io_read_bytes", "io_write_bytes", "io_read_ops", "io_write_ops")]


def io_stat(ignored: frozenset[bytes]) -> Parse:
    """v2's `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...` lines, summed over the devices that are not `ignored`; none if one is cut."""

    def parse(text: bytes) -> list[bytes]:
        told = _IO_STAT.findall(text)
        if len(told) != text.count(b"rbytes="):
            return []
        rows = [row[1:] for row in told if row[0] not in ignored]
        totals = rows[0] if len(rows) == 1 else [b"%d" % sum(map(int, column)) for column in zip(*rows)] or [b"0"] * 4
        return [part for pair in zip(_IO_FIELDS, totals) for part in pair]

    return parse


def blkio(ignored: frozenset[bytes], unit: str) -> Parse:
    """v1's `8:0 Read 1` lines, summed over the devices that are not `ignored`, none if one is cut; `unit` is bytes or ops."""
    keys = {b"Read": _key(f"io_read_{unit}"), b"Write": _key(f"io_write_{unit}")}

    def parse(text: bytes) -> list[bytes]:
        totals = dict.fromkeys(keys.values(), 0)
        for row in map(bytes.split, text.splitlines()):
            if len(row) < 2 or not row[-1].isdigit():
                return []
            if len(row) == 3 and row[1] in keys and row[0] not in ignored:
                totals[keys[row[1]]] += int(row[2])
        return _sums(totals)

    return parse


_THROTTLING = pick(nr_periods="cpu_periods", nr_throttled="cpu_throttled")


def live_files(tree: Hierarchy, below: str) -> list[tuple[str, Parse]]:
    """(path, parser) of what changes in the cgroup `below` its root, such as "/docker/0123"."""
    if not tree.folders:
        return [(f"{tree.unified}{below}/{name}", parse) for _, name, parse in _v2_files(tree)]
    memory = pick(total_rss="memory_anon", total_cache="memory_file", total_inactive_file=_INACTIVE)
    ticks = scaled(1_000_000, os.sysconf("SC_CLK_TCK"), user="cpu_user_usec", system="cpu_system_usec")
    files = (
        ("cpuacct", "cpuacct.usage", number("cpu_usage_usec", 1000)),
        ("cpuacct", "cpuacct.stat", ticks),
        ("cpu", "cpu.stat", both(_THROTTLING, scaled(1, 1000, throttled_time="cpu_throttled_usec"))),
        ("memory", "memory.usage_in_bytes", number("memory_current")),
        ("memory", "memory.stat", memory),
        ("memory", "memory.kmem.usage_in_bytes", number("memory_kernel")),
        ("blkio", "blkio.throttle.io_service_bytes_recursive", blkio(tree.ignored_devices, "bytes")),
        ("blkio", "blkio.throttle.io_serviced_recursive", blkio(tree.ignored_devices, "ops")),
        ("pids", "pids.current", number("pids_current")),
    )
    found = [(f"{tree.folders[controller]}{below}/{name}", parse) for controller, name, parse in files if controller in tree.folders]
    return found + [(f"{tree.unified}{below}/{name}", parse) for controller, name, parse in _v2_files(tree) if controller in tree.on_v2]


def _v2_files(tree: Hierarchy) -> list[tuple[str, str, Parse]]:
    """(controller, name, parser) of what changes in a cgroup of v2."""
    stat = pick(
        usage_usec="cpu_usage_usec",
        user_usec="cpu_user_usec",
        system_usec="cpu_system_usec",
        nr_periods="cpu_periods",
        nr_throttled="cpu_throttled",
        throttled_usec="cpu_throttled_usec",
    )
    memory = pick(anon="memory_anon", file="memory_file", kernel="memory_kernel", slab="memory_slab", inactive_file=_INACTIVE)
    return [
        ("cpu", "cpu.stat", stat),
        ("memory", "memory.current", number("memory_current")),
        ("memory", "memory.stat", memory),
        ("io", "io.stat", io_stat(tree.ignored_devices)),
        ("pids", "pids.current", number("pids_current")),
    ]


def limit_files(tree: Hierarchy, below: str) -> list[tuple[str, Parse]]:
    """(path, parser) of its limits, and of how often they have killed."""
    killed = pick(oom_kill="memory_oom_kills")
    on_v2 = (
        ("cpu", "cpu.max", cpu_max),
        ("memory", "memory.max", number("memory_max")),
        ("memory", "memory.events", killed),
        ("pids", "pids.max", number("pids_max")),
    )
    if not tree.folders:
        return [(f"{tree.unified}{below}/{name}", parse) for _, name, parse in on_v2]
    files = (
        ("cpu", "cpu.cfs_quota_us", number("cpu_quota")),
        ("cpu", "cpu.cfs_period_us", number("cpu_period")),
        ("memory", "memory.limit_in_bytes", number("memory_max")),
        ("memory", "memory.oom_control", killed),
        ("pids", "pids.max", number("pids_max")),
    )
    found = [(f"{tree.folders[controller]}{below}/{name}", parse) for controller, name, parse in files if controller in tree.folders]
    return found + [(f"{tree.unified}{below}/{name}", parse) for controller, name, parse in on_v2 if controller in tree.on_v2]


class Gone(Exception):
    """The cgroup is no more."""


class _File:
    """One account, held open, with what its last text meant: an idle container's need not be parsed again."""

    __slots__ = ("descriptor", "found", "parse", "text")

    def __init__(self, descriptor: int, parse: Parse) -> None:
        self.descriptor, self.parse = descriptor, parse
        self.text, self.found = b"", parse(b"")


class Cgroup:
    """One control group, `below` the hierarchy's root; its `inode` tells it from a later one of the same name.

    Raises Gone where there is none.
    """

    __slots__ = ("_files", "_limit_text", "_limits", "inode")

    def __init__(self, tree: Hierarchy, below: str) -> None:
        try:
            self.inode = os.stat(tree.root + below).st_ino
        except OSError:
            raise Gone from None
        opened = [(_open(path), parse) for path, parse in live_files(tree, below)]
        self._files = [_File(descriptor, parse) for descriptor, parse in opened if descriptor >= 0]
        self._limits = limit_files(tree, below)
        self._limit_text: list[bytes] = []
        self.read_limits()

    def has_run(self) -> bool:
        """Whether it has used the CPU since the last `read`, or may have. Raises Gone."""
        if not self._files:
            return True
        try:
            return os.pread(self._files[0].descriptor, _BUFFER, 0) != self._files[0].text
        except OSError:
            raise Gone from None

    def read(self) -> list[bytes]:
        """`,\\"name\\":` and value in turn, the limits last. Raises Gone."""
        found: list[bytes] = []
        try:
            for file in self._files:
                text = os.pread(file.descriptor, _BUFFER, 0)
                if text != file.text:
                    if len(text) == _BUFFER:
                        text = read_whole(file.descriptor)
                    file.text, file.found = text, file.parse(text)
                found += file.found
        except OSError:
            raise Gone from None
        if not found:
            raise Gone
        return found + self._limit_text

    def read_limits(self) -> None:
        """Look at the limits again."""
        self._limit_text = []
        for path, parse in self._limits:
            try:
                with open(path, "rb", buffering=0) as file:
                    self._limit_text += parse(file.read(256) or b"")
            except OSError:
                continue

    def close(self) -> None:
        for file in self._files:
            os.close(file.descriptor)
        self._files = []


def _open(path: str) -> int:
    """A descriptor, or -1 for an account that this kernel does not keep."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
