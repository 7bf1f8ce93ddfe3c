"""Every table that processing makes and every column in it: the one list.

CSV headers, the database's tables, the charts' labels and units and the reference in docs/ are all read from here. How a
column is computed stands in `process/sql/<table>.sql`; `source` names the kernel text that it comes from.
Desk tier; pure data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

DEFAULT_SITE = "default"  # of a machine of which nobody says to which site it belongs

TEXT, INTEGER, REAL = "TEXT", "INTEGER", "REAL"
DUCK_TYPES = {TEXT: "VARCHAR", INTEGER: "BIGINT", REAL: "DOUBLE"}

# Kinds: what may be done with a column.
KEY = "key"  # names the row: a device, a mount, a container
GAUGE = "gauge"  # a level at the instant of the sample
RATE = "rate"  # a counter's difference over the monotonic time between two reads, per second
SHARE = "share"  # a percentage
COUNTER = "counter"  # the kernel's own running total
FLAG = "flag"  # 1 or 0; no figure to average


@dataclass(frozen=True)
class Column:
    """One column: its name everywhere, its SQL type, what it measures and where that comes from."""

    name: str
    type: str
    kind: str
    unit: str
    label: str
    source: str


@dataclass(frozen=True)
class Table:
    """One output table: `<name>.csv`, and the database table `database_name`.

    Every table starts with `timestamp` (not listed in `columns`). `keys` name the row within a sample, `values` are the rest. The CSV has
    the first `written` columns alone: host.csv keeps its 19 for ever. A `sparse` table has a row only where something was used: it has no
    rollups and no percentiles, which would be of those rows alone. A `seldom` one has a row in every tenth sample only, and is compared
    only where it is asked for.
    """

    name: str
    title: str
    database_name: str
    columns: tuple[Column, ...]
    written: int | None = None
    sparse: bool = False
    seldom: bool = False

    @property
    def keys(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.kind == KEY)

    @property
    def values(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.kind != KEY)

    @property
    def metrics(self) -> tuple[Column, ...]:
        """What rollups, percentiles and comparisons are made of: the values but for flags."""
        return tuple(c for c in self.values if c.kind != FLAG)

    @property
    def device(self) -> str | None:
        """The column that tells one series from another within a machine; None where a sample is one row, or series are sums."""
        return self.keys[0].name if self.keys and not self.sparse else None

    @property
    def header(self) -> tuple[str, ...]:
        """The CSV's columns in order."""
        return ("timestamp", *(c.name for c in self.columns[: self.written]))

    @property
    def duck_columns(self) -> str:
        """What a CREATE TABLE of DuckDB's says of it: the machine, the instant, its columns."""
        return ", ".join(("machine INTEGER, timestamp BIGINT", *(f'"{c.name}" {DUCK_TYPES[c.type]}' for c in self.columns)))

    def __getitem__(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


def _columns(source: str, kind: str, unit: str, type_: str = REAL, /, **labels: str) -> Iterator[Column]:
    for name, label in labels.items():
        yield Column(name, type_, kind, unit, label, source)


def _key(name: str, label: str, source: str) -> Column:
    return Column(name, TEXT, KEY, "", label, source)


HOST = Table(
    "host",
    "Host",
    "host_metrics",
    (
        *_columns(
            "/proc/stat", SHARE, "%", cpu_user="User", cpu_system="System", cpu_iowait="I/O wait", cpu_idle="Idle", cpu_steal="Steal"
        ),
        *_columns(
            "/proc/meminfo",
            GAUGE,
            "MiB",
            mem_total="Total",
            mem_used="Used",
            mem_available="Available",
            mem_buffers="Buffers",
            mem_cached="Cached",
        ),
        *_columns("/proc/diskstats", RATE, "B/s", disk_read_bytes="Read", disk_write_bytes="Write"),
        *_columns("/proc/diskstats", RATE, "ops/s", disk_read_ops="Reads", disk_write_ops="Writes"),
        *_columns("/proc/net/dev", RATE, "B/s", net_rx_bytes="Received", net_tx_bytes="Sent"),
        *_columns("/proc/net/dev", RATE, "packets/s", net_rx_packets="Packets received", net_tx_packets="Packets sent"),
        *_columns("/proc/stat", SHARE, "%", cpu_busy="Busy"),
    ),
    written=18,
)

CPU = Table(
    "cpu",
    "CPU",
    "cpu_metrics",
    (
        _key("cpu", "CPU", "/proc/stat"),
        *_columns(
            "/proc/stat",
            SHARE,
            "%",
            user="User",
            nice="Nice",
            system="System",
            iowait="I/O wait",
            irq="IRQ",
            softirq="Soft IRQ",
            steal="Steal",
            idle="Idle",
            guest="Guest",
            guest_nice="Guest nice",
            busy="Busy",
        ),
    ),
)

MEMORY = Table(
    "memory",
    "Memory",
    "memory_metrics",
    (
        *_columns("/proc/meminfo", GAUGE, "KiB", INTEGER, total_kb="Total", free_kb="Free", available_kb="Available", used_kb="Used"),
        *_columns("/proc/meminfo", SHARE, "%", used_percent="Used"),
        *_columns(
            "/proc/meminfo",
            GAUGE,
            "KiB",
            INTEGER,
            buffers_kb="Buffers",
            cached_kb="Cached",
            slab_kb="Slab",
            sreclaimable_kb="Reclaimable slab",
            shmem_kb="Shared",
            anon_kb="Anonymous",
            dirty_kb="Dirty",
            active_kb="Active",
            inactive_kb="Inactive",
            committed_kb="Committed",
            swap_total_kb="Swap total",
            swap_free_kb="Swap free",
            sysstat_used_kb="Used, as sysstat counts it",
        ),
    ),
)

DISK = Table(
    "disk",
    "Disk",
    "disk_metrics",
    (
        _key("device", "Device", "/proc/diskstats"),
        *_columns("/proc/diskstats", RATE, "ops/s", read_ops="Reads", write_ops="Writes", discard_ops="Discards"),
        *_columns("/proc/diskstats", RATE, "B/s", read_bytes="Read", write_bytes="Written", discard_bytes="Discarded"),
        *_columns("/proc/diskstats", GAUGE, "ms", read_await_ms="Read await", write_await_ms="Write await", await_ms="Await"),
        *_columns("/proc/diskstats", GAUGE, "requests", queue_length="Queue length"),
        *_columns("/proc/diskstats", SHARE, "%", util_percent="Utilisation"),
        *_columns("perfkit/session", FLAG, "", INTEGER, in_total="Counted in the host total"),
    ),
)

NETWORK = Table(
    "network",
    "Network",
    "network_metrics",
    (
        _key("interface", "Interface", "/proc/net/dev"),
        *_columns("/proc/net/dev", RATE, "B/s", rx_bytes="Received", tx_bytes="Sent"),
        *_columns("/proc/net/dev", RATE, "packets/s", rx_packets="Packets received", tx_packets="Packets sent"),
        *_columns("/proc/net/dev", RATE, "errors/s", rx_errors="Receive errors", tx_errors="Send errors"),
        *_columns("/proc/net/dev", RATE, "drops/s", rx_drops="Receive drops", tx_drops="Send drops"),
        *_columns("perfkit/session", FLAG, "", INTEGER, in_total="Counted in the host total"),
        *_columns("perfkit/session", GAUGE, "Mbit/s", INTEGER, speed_mbit="Speed of the link"),
        *_columns("/proc/net/dev", SHARE, "%", util_percent="Used of the link, in the busier direction"),
    ),
)

FILESYSTEM = Table(
    "filesystem",
    "Filesystems",
    "filesystem_metrics",
    (
        _key("mount", "Mount point", "statfs[*]"),
        *_columns("statfs[*]", GAUGE, "B", INTEGER, size_bytes="Size", free_bytes="Free", available_bytes="Available"),
        *_columns("statfs[*]", SHARE, "%", used_percent="Used"),
    ),
)

PRESSURE = Table(
    "pressure",
    "Pressure",
    "pressure_metrics",
    (
        _key("resource", "Resource", "/proc/pressure"),
        *_columns(
            "/proc/pressure",
            SHARE,
            "%",
            some_percent="Some stalled",
            full_percent="All stalled",
            some_avg10="Some stalled, kernel's 10 s average",
            full_avg10="All stalled, kernel's 10 s average",
        ),
    ),
)

SYSTEM = Table(
    "system",
    "System",
    "system_metrics",
    (
        *_columns("/proc/loadavg", GAUGE, "tasks", load1="Load, 1 min", load5="Load, 5 min", load15="Load, 15 min"),
        *_columns("/proc/stat", GAUGE, "tasks", INTEGER, running="Running", blocked="Blocked"),
        *_columns("/proc/stat", RATE, "1/s", context_switches="Context switches", interrupts="Interrupts", forks="Forks"),
        *_columns("/proc/vmstat", RATE, "KiB/s", page_in_kb="Paged in", page_out_kb="Paged out"),
        *_columns("/proc/vmstat", RATE, "pages/s", swap_in_pages="Swapped in", swap_out_pages="Swapped out"),
        *_columns("/proc/vmstat", RATE, "1/s", major_faults="Major faults", oom_kills="Processes killed for lack of memory"),
        *_columns("/proc/vmstat", RATE, "pages/s", numa_hits="Pages from the wanted NUMA node", numa_misses="Pages from another NUMA node"),
    ),
)

TCP = Table(
    "tcp",
    "TCP",
    "tcp_metrics",
    (
        *_columns("/proc/net/snmp", RATE, "1/s", active_opens="Active opens", passive_opens="Passive opens"),
        *_columns("/proc/net/snmp", RATE, "segments/s", in_segments="Segments in", out_segments="Segments out", retransmits="Retransmits"),
        *_columns("/proc/net/snmp", GAUGE, "connections", INTEGER, established="Established"),
        *_columns("/proc/net/netstat", RATE, "1/s", listen_overflows="Listen overflows"),
    ),
)


CPU_LIMITS = Table(
    "cpu_limits",
    "What holds CPUs back",
    "cpu_limit_metrics",
    (
        _key("cpu", "CPU", "limits"),
        *_columns("limits", GAUGE, "MHz", frequency_mhz="Frequency"),
        *_columns("limits", SHARE, "%", frequency_percent="Frequency of the nominal one"),
        *_columns("limits", RATE, "1/s", thermal_throttles="Slowed down by heat, core and package"),
        *_columns("/proc/schedstat", SHARE, "%", run_wait_percent="Tasks waiting for this CPU; 100 is one task all the time"),
        *_columns("/proc/net/softnet_stat", RATE, "packets/s", softnet_drops="Packets dropped before the network stack"),
        *_columns("/proc/net/softnet_stat", RATE, "1/s", softnet_squeezes="Network work put off, its time was up"),
    ),
    seldom=True,
)

INTERFACE_LIMITS = Table(
    "interface_limits",
    "Allowances of the cloud",
    "interface_limit_metrics",
    (
        _key("interface", "Interface", "limits"),
        *_columns(
            "limits",
            RATE,
            "packets/s",
            bw_in_exceeded="Beyond the bandwidth in",
            bw_out_exceeded="Beyond the bandwidth out",
            pps_exceeded="Beyond the packets per second",
            conntrack_exceeded="Beyond the tracked connections",
            linklocal_exceeded="Beyond the packets to local services",
        ),
    ),
    seldom=True,
)

LIMITS = Table(
    "limits",
    "Limits of the kernel",
    "limit_metrics",
    (
        *_columns("limits", GAUGE, "files", INTEGER, open_files="Open files", open_files_max="Open files allowed"),
        *_columns("limits", SHARE, "%", open_files_percent="Open files of those allowed"),
        *_columns("/proc/loadavg", GAUGE, "tasks", INTEGER, tasks="Tasks"),
        *_columns("limits", GAUGE, "tasks", INTEGER, tasks_max="Tasks allowed"),
        *_columns("limits", SHARE, "%", tasks_percent="Tasks of those allowed"),
        *_columns(
            "limits", GAUGE, "connections", INTEGER, connections="Tracked connections", connections_max="Tracked connections allowed"
        ),
        *_columns("limits", SHARE, "%", connections_percent="Tracked connections of those allowed"),
        *_columns("limits", GAUGE, "ms", clock_error_ms="Clock, wrong by at most", clock_offset_ms="Clock, being corrected by"),
        *_columns(
            "limits",
            GAUGE,
            "ms",
            receiver_ahead_ms="Clock of the receiver, ahead by",
            receiver_within_ms="Clock of the receiver, known to within",
        ),
    ),
    seldom=True,
)


def _of_cgroup(source: str) -> tuple[Column, ...]:
    """What is known of a control group."""
    return (
        *_columns(source, SHARE, "% of one core", cpu_percent="CPU", cpu_user_percent="CPU user", cpu_system_percent="CPU system"),
        *_columns(source, GAUGE, "B", INTEGER, memory_current_bytes="Memory", memory_max_bytes="Memory limit"),
        *_columns(source, SHARE, "%", memory_percent="Memory of limit"),
        *_columns(source, COUNTER, "B", INTEGER, io_read_bytes="Read, total", io_write_bytes="Written, total"),
        *_columns(source, COUNTER, "ops", INTEGER, io_read_ops="Reads, total", io_write_ops="Writes, total"),
        *_columns(source, GAUGE, "processes", INTEGER, pids_current="Processes"),
        *_columns(source, RATE, "B/s", io_read_bytes_per_s="Read", io_write_bytes_per_s="Written"),
        *_columns(source, SHARE, "%", cpu_limit_percent="CPU of limit", cpu_throttled_percent="Periods throttled"),
        *_columns(source, GAUGE, "B", INTEGER, memory_working_set_bytes="Working set"),
        *_columns(source, COUNTER, "processes", INTEGER, oom_kills="Killed for lack of memory, total"),
    )


CONTAINERS = Table(
    "containers",
    "Containers",
    "container_metrics",
    (
        _key("container_id", "Container", "container"),
        _key("container_name", "Name", "container"),
        _key("runtime", "Runtime", "container"),
        *_of_cgroup("container"),
    ),
)

SERVICES = Table("services", "Services", "service_metrics", (_key("service", "Service", "service"), *_of_cgroup("service")), sparse=True)

PROCESSES = Table(
    "processes",
    "Processes",
    "process_metrics",
    (
        _key("pid", "Process", "processes"),
        _key("command", "Command", "perfkit/process"),
        _key("service", "Service", "perfkit/process"),
        *_columns("processes", SHARE, "% of one core", cpu_percent="CPU", user_percent="CPU user", system_percent="CPU system"),
        *_columns("processes", SHARE, "%", wait_percent="Waiting for a CPU"),
        *_columns("processes", GAUGE, "B", INTEGER, rss_bytes="Resident memory"),
        *_columns("processes", GAUGE, "threads", INTEGER, threads="Threads"),
        *_columns("processes", RATE, "1/s", minor_faults="Minor faults", major_faults="Major faults"),
        *_columns("processes", RATE, "B/s", read_bytes="Read", write_bytes="Written"),
    ),
    sparse=True,
)

PROCESS_NAMES = Table(
    "process_names",
    "Who the processes are",
    "process_names",
    (
        _key("pid", "Process", "perfkit/process"),
        _key("command", "Command", "perfkit/process"),
        _key("service", "Service", "perfkit/process"),
        _key("executable", "Executable", "perfkit/process"),
        _key("cmdline", "Command line, secrets masked", "perfkit/process"),
        *_columns("perfkit/process", GAUGE, "", INTEGER, parent="Parent's process id", uid="User id"),
    ),
    sparse=True,
)

_SELDOM = (CPU_LIMITS, INTERFACE_LIMITS, LIMITS, PROCESS_NAMES)  # not in every sample
TABLES = (HOST, CPU, MEMORY, DISK, NETWORK, FILESYSTEM, PRESSURE, SYSTEM, TCP, CONTAINERS, SERVICES, PROCESSES, *_SELDOM)
DENSE = tuple(table for table in TABLES if not table.sparse)  # those with rollups and percentiles

# In which direction a difference of a metric (<table>.<column>) is worse; of the others neither is.
HIGHER_IS_WORSE, LOWER_IS_WORSE, NEITHER = "higher", "lower", "neither"
_WORSE = {
    HIGHER_IS_WORSE: (
        *("host.cpu_busy", "host.cpu_iowait", "host.cpu_steal", "host.mem_used", "cpu.busy", "cpu.iowait", "cpu.steal", "cpu.softirq"),
        *("memory.used_kb", "memory.used_percent", "memory.dirty_kb", "disk.read_await_ms", "disk.write_await_ms", "disk.await_ms"),
        *("disk.queue_length", "disk.util_percent", "network.rx_errors", "network.tx_errors", "network.rx_drops", "network.tx_drops"),
        *("network.util_percent", "system.numa_misses", "cpu_limits.thermal_throttles", "cpu_limits.run_wait_percent"),
        *("cpu_limits.softnet_drops", "cpu_limits.softnet_squeezes", "interface_limits.bw_in_exceeded", "interface_limits.bw_out_exceeded"),
        *("interface_limits.pps_exceeded", "interface_limits.conntrack_exceeded", "interface_limits.linklocal_exceeded"),
        *("limits.open_files_percent", "limits.tasks_percent", "limits.connections_percent"),
        *("filesystem.used_percent", "pressure.some_percent", "pressure.full_percent", "system.load1", "system.running", "system.blocked"),
        *("system.swap_in_pages", "system.swap_out_pages", "system.major_faults", "system.oom_kills", "tcp.retransmits"),
        *("tcp.listen_overflows", "containers.cpu_percent", "containers.memory_current_bytes", "containers.memory_percent"),
        *(
            "processes.cpu_percent",
            "containers.memory_working_set_bytes",
            "containers.cpu_limit_percent",
            "containers.cpu_throttled_percent",
        ),
        *("load.errors", "load.latency_avg_ms", "load.latency_p50_ms", "load.latency_p90_ms", "load.latency_p95_ms"),
        *("load.latency_p99_ms", "load.latency_max_ms"),
    ),
    LOWER_IS_WORSE: (
        "load.throughput",
        "host.cpu_idle",
        "cpu.idle",
        "host.mem_available",
        "memory.available_kb",
        "filesystem.available_bytes",
    ),
}


def worse(metric: str) -> str:
    """In which direction a difference of `metric` is worse."""
    return next((direction for direction, metrics in _WORSE.items() if metric in metrics), NEITHER)


# What is known of a machine besides its samples: columns of the table `collectors`, and keys of quality.json.
MACHINE = (
    *_columns(
        "perfkit/session",
        KEY,
        "",
        TEXT,
        machine_id="Machine id",
        operating_system="Operating system",
        kernel="Kernel",
        architecture="Architecture",
    ),
    *_columns("/proc/cpuinfo", KEY, "", TEXT, cpu_model="CPU model"),
    *_columns("/proc/cpuinfo", GAUGE, "", INTEGER, cpus="CPUs"),
    *_columns("/proc/meminfo", GAUGE, "MiB", REAL, memory_mb="Memory"),
    *_columns("perfkit/session", KEY, "", TEXT, cloud_vendor="Cloud", instance_type="Instance type", time_zone="Time zone"),
    *_columns("/sys/class/net, /sys/block", KEY, "", TEXT, totals="Disks and interfaces in the totals are known, or told by name"),
)

# The figures of a distribution, in the order in which every table of percentiles has them: `samples` is a count, the rest are of the
# metric's unit.
FIGURES = ("samples", "min", "avg", "max", "stddev", "p50", "p90", "p95", "p99")

# The figures by which machines are sorted.
SORTED_BY = ("avg", "p50", "p95", "p99", "max")

# The five ranges that pages and percentiles know, in milliseconds back from the data's last sample (process/sql/timeline/windows.sql).
RANGES: dict[str, int | None] = {"all": None, "1h": 3_600_000, "6h": 21_600_000, "24h": 86_400_000, "7d": 604_800_000}


def table(name: str) -> Table:
    """The table called `name`; KeyError if there is none."""
    return {t.name: t for t in TABLES}[name]
