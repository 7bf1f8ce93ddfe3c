"""The subsystems of a collection, the one list: what is recorded, how its text is cut, and what kind of numbers it holds.

Target tier: standard library, Python 3.9, and light to import, because the sampling loop itself imports it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Cut = Callable[[bytes], bytes]


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


class Subsystem:
    """One source of lines.

    name      as it stands in a line's `subsystem`; a family such as "container/" is named by how its names begin
    cut       what is left out of the kernel's text before it is written; None: nothing
    needed    a host's sample without it is incomplete, for pcc's files too
    counters  its numbers count since boot, so a sample needs the one before; else they are levels
    records   the kernel hands the file out record by record, as seq_file does
    sampled   it is in every sample; else it comes now and then
    """

    __slots__ = ("counters", "cut", "name", "needed", "records", "sampled")

    def __init__(self, name: str, cut: Cut | None = None, **facts: bool) -> None:
        self.name, self.cut = name, cut
        self.needed = facts.pop("needed", False)
        self.counters = facts.pop("counters", True)
        self.records = facts.pop("records", False)
        self.sampled = facts.pop("sampled", True)
        if facts:
            raise TypeError(f"no such facts of a subsystem: {', '.join(facts)}")


SLOW = 10  # every so many samples, what changes slowly is read, and those processes that do little

# What each sample of a host reads from /proc, in this order: what a column of perfkit is computed from, and little more.
HOST = (
    Subsystem("/proc/stat", cut_stat, needed=True),
    Subsystem("/proc/meminfo", needed=True, counters=False),
    Subsystem("/proc/diskstats", needed=True, records=True),
    Subsystem("/proc/net/dev", needed=True, records=True),
    Subsystem("/proc/loadavg", counters=False),
    Subsystem(
        "/proc/vmstat",
        lines_named("numa_hit", "numa_miss", "pgpgin", "pgpgout", "pswpin", "pswpout", "pgfault", "pgmajfault", "oom_kill"),
        records=True,
    ),
    Subsystem("/proc/net/snmp", block(b"Tcp:")),
    Subsystem("/proc/net/netstat", block(b"TcpExt:")),
    Subsystem("/proc/pressure/cpu"),
    Subsystem("/proc/pressure/memory"),
    Subsystem("/proc/pressure/io"),
)
# What the Go collector pcc reads for each sample, in its order, and writes whole.
PCC = (
    Subsystem("/proc/stat", needed=True),
    Subsystem("/proc/meminfo", needed=True, counters=False),
    Subsystem("/proc/net/dev", needed=True, records=True),
    Subsystem("/proc/diskstats", needed=True, records=True),
)
STATFS = Subsystem("statfs[*]", counters=False, sampled=False)
# Limits that hide, and what the kernel's log says of processes that were killed for lack of memory.
LIMITS = Subsystem("limits", sampled=False)
KERNEL_LOG = Subsystem("/dev/kmsg", counters=False, sampled=False)
# Read in every SLOW-th sample.
SLOWER = (STATFS, Subsystem("/proc/net/softnet_stat", sampled=False), Subsystem("/proc/schedstat", block(b"cpu"), sampled=False), LIMITS)
CONTAINERS = Subsystem("container/")
SERVICES = Subsystem("service/")
PROCESSES = Subsystem("processes")
ALL = (*HOST, *SLOWER, KERNEL_LOG, CONTAINERS, SERVICES, PROCESSES)

NEEDED = tuple(subsystem.name for subsystem in HOST if subsystem.needed)
WANTED = tuple(subsystem.name for subsystem in HOST if not subsystem.needed)
# How the names of lines begin that a sample does not promise: perfkit's own lines, and what is written now and then.
OCCASIONAL = ("perfkit/", "/proc/cpuinfo", KERNEL_LOG.name, *(subsystem.name for subsystem in SLOWER))
