"""Which metrics stand together on which chart: pure data. Labels and units come from the catalog."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perfkit.catalog import table
from perfkit.dashboard.reading import query
from perfkit.dashboard.series import NAMED, users_sql


@dataclass(frozen=True)
class Panel:
    """One chart: `series` pairs a column of the catalog's `table` with the colour token it is drawn in.

    `devices` says what a table with several devices becomes: "one" fixed device (`device`), "each" one chart per device, "all" one chart
    with one line per device. `stack`: areas on top of one another. `heat`: one row per device, coloured by value. `top`: the axis' fixed
    end, None for as high as the data. `log`: its series are of different kinds, so that the axis is logarithmic where the largest of one
    is a thousand times that of another. `peak`: a column whose largest value in each bucket is drawn as the busiest sample, a line over the
    stack. `total`: a column drawn as the level that the others can reach. `missing` says what brings data where there is none.
    """

    id: str
    title: str
    table: str
    series: tuple[tuple[str, str], ...]
    devices: str = ""
    device: str = ""
    section: str = ""
    stack: bool = False
    heat: bool = False
    top: float | None = None
    log: bool = False
    peak: str = ""
    total: str = ""
    missing: str = ""

    @property
    def unit(self) -> str:
        """The unit of its series; they share one."""
        return table(self.table)[self.series[0][0]].unit

    @property
    def columns(self) -> list[str]:
        """Every column it needs."""
        return [name for name in (*(name for name, _ in self.series), self.peak, self.total) if name]

    def as_json(self) -> dict[str, object]:
        """What the page's script needs to draw it."""
        known = table(self.table)
        return {
            "id": self.id,
            "title": self.title,
            "table": self.table,
            "databaseTable": known.database_name,
            "key": NAMED.get(self.table) or (known.keys[0].name if known.keys else ""),
            "unit": self.unit,
            "devices": self.devices,
            "device": self.device,
            "section": self.section,
            "stack": self.stack,
            "heat": self.heat,
            "top": self.top,
            "log": self.log,
            "peak": self.peak,
            "total": self.total,
            "totalLabel": known[self.total].label if self.total else "",
            "missing": self.missing,
            "sparse": known.sparse,
            "sql": self.sql(),
            "series": [{"column": name, "label": known[name].label, "colour": colour} for name, colour in self.series],
        }

    def sql(self) -> str:
        """The query behind the chart, with the parameters collector, from, to and, where the table has devices, device."""
        known = table(self.table)
        if known.sparse:
            return users_sql("chart_users", self.table, self.columns)
        device = known.keys[0].name if known.keys else ""
        shown = [*([device] if device else []), *(name for name, _ in self.series)]
        condition = f" AND {device} LIKE :device" if device else ""
        return query("chart").format(columns=", ".join(shown), table=known.database_name, device=condition)


def metrics(panels: Iterable[Panel]) -> list[str]:
    """What the panels draw, as the API names it, each once."""
    return list(dict.fromkeys(f"{panel.table}.{column}" for panel in panels for column in panel.columns))


_NO_PRESSURE = "This kernel reported no pressure (PSI); it needs CONFIG_PSI and psi=1."
_NO_SPEED = "This interface's driver does not tell how fast its link is, as those of most virtual machines."
_NO_LIMIT = "This kernel or this machine's drivers do not tell it."
_CPU_SHARES = (("cpu_user", "user"), ("cpu_system", "system"), ("cpu_iowait", "iowait"), ("cpu_steal", "steal"))

OVERVIEW = (
    Panel("cpu", "CPU", "host", _CPU_SHARES, stack=True, top=100, peak="cpu_busy"),
    Panel("memory", "Memory", "host", (("mem_used", "user"), ("mem_cached", "cached"), ("mem_buffers", "irq")), total="mem_total"),
    Panel("disk", "Disk throughput", "host", (("disk_read_bytes", "read"), ("disk_write_bytes", "write"))),
    Panel("network", "Network throughput", "host", (("net_rx_bytes", "rx"), ("net_tx_bytes", "tx"))),
    Panel("who", "Who used the CPU", "processes", (("cpu_percent", "user"),), devices="all", stack=True),
    Panel("await", "Disk await", "disk", (("await_ms", "user"),), devices="all"),
    Panel("util", "Disk utilisation", "disk", (("util_percent", "user"),), devices="all", top=100),
    Panel("some", "Pressure: some tasks stalled", "pressure", (("some_percent", "user"),), devices="all", top=100, missing=_NO_PRESSURE),
    Panel("tasks", "Tasks", "system", (("running", "user"), ("blocked", "iowait"))),
)

_STATES = (
    ("user", "user"),
    ("nice", "nice"),
    ("system", "system"),
    ("iowait", "iowait"),
    ("irq", "irq"),
    ("softirq", "softirq"),
    ("steal", "steal"),
)

HOST = (
    Panel("cores", "Cores over time: busy", "cpu", (("busy", "user"),), section="CPU", devices="all", heat=True, top=100),
    Panel("states", "CPU states", "cpu", _STATES, section="CPU", devices="each", stack=True, top=100, peak="busy"),
    Panel("guest", "Guests", "cpu", (("guest", "c5"), ("guest_nice", "c6")), section="CPU", devices="each", top=100),
    Panel("load", "Load", "system", (("load1", "user"), ("load5", "system"), ("load15", "irq")), section="CPU"),
    Panel("tasks", "Tasks", "system", (("running", "user"), ("blocked", "iowait")), section="CPU"),
    Panel(
        "switches",
        "Context switches and interrupts",
        "system",
        (("context_switches", "user"), ("interrupts", "system"), ("forks", "steal")),
        section="CPU",
        log=True,
    ),
    Panel(
        "used",
        "Memory",
        "memory",
        (("used_kb", "user"), ("cached_kb", "cached"), ("buffers_kb", "irq")),
        section="Memory",
        total="total_kb",
    ),
    Panel(
        "breakdown",
        "What it is used for",
        "memory",
        (("anon_kb", "user"), ("slab_kb", "steal"), ("shmem_kb", "system"), ("dirty_kb", "iowait"), ("committed_kb", "irq")),
        section="Memory",
        log=True,
    ),
    Panel("swap", "Swap space free", "memory", (("swap_free_kb", "user"),), section="Memory", total="swap_total_kb"),
    Panel("swapping", "Swapping", "system", (("swap_in_pages", "read"), ("swap_out_pages", "write")), section="Memory"),
    Panel("paging", "Paging", "system", (("page_in_kb", "read"), ("page_out_kb", "write")), section="Memory"),
    Panel("faults", "Major faults", "system", (("major_faults", "iowait"),), section="Memory"),
    Panel(
        "bytes",
        "Throughput",
        "disk",
        (("read_bytes", "read"), ("write_bytes", "write"), ("discard_bytes", "irq")),
        section="Disks",
        devices="each",
    ),
    Panel(
        "ops", "Operations", "disk", (("read_ops", "read"), ("write_ops", "write"), ("discard_ops", "irq")), section="Disks", devices="each"
    ),
    Panel("await", "Await", "disk", (("read_await_ms", "read"), ("write_await_ms", "write")), section="Disks", devices="each"),
    Panel("queue", "Queue length", "disk", (("queue_length", "user"),), section="Disks", devices="each"),
    Panel("util", "Utilisation", "disk", (("util_percent", "user"),), section="Disks", devices="each", top=100),
    Panel("net", "Throughput", "network", (("rx_bytes", "rx"), ("tx_bytes", "tx")), section="Interfaces", devices="each"),
    Panel("packets", "Packets", "network", (("rx_packets", "rx"), ("tx_packets", "tx")), section="Interfaces", devices="each"),
    Panel("drops", "Drops", "network", (("rx_drops", "rx"), ("tx_drops", "tx")), section="Interfaces", devices="each"),
    Panel("errors", "Errors", "network", (("rx_errors", "rx"), ("tx_errors", "tx")), section="Interfaces", devices="each"),
    Panel(
        "link", "Used of the link", "network", (("util_percent", "user"),), section="Interfaces", devices="each", top=100, missing=_NO_SPEED
    ),
    Panel("filesystems", "Used", "filesystem", (("used_percent", "user"),), section="Filesystems", devices="all", top=100),
    Panel(
        "some",
        "Some tasks stalled",
        "pressure",
        (("some_percent", "user"),),
        section="Pressure",
        devices="all",
        top=100,
        missing=_NO_PRESSURE,
    ),
    Panel(
        "full",
        "All tasks stalled",
        "pressure",
        (("full_percent", "user"),),
        section="Pressure",
        devices="all",
        top=100,
        missing=_NO_PRESSURE,
    ),
    Panel("segments", "Segments", "tcp", (("in_segments", "rx"), ("out_segments", "tx")), section="TCP"),
    Panel("retransmits", "Retransmits", "tcp", (("retransmits", "iowait"),), section="TCP"),
    Panel("opens", "Connections opened", "tcp", (("active_opens", "tx"), ("passive_opens", "rx")), section="TCP"),
    Panel("overflows", "Listen overflows", "tcp", (("listen_overflows", "iowait"),), section="TCP"),
    Panel("established", "Connections", "tcp", (("established", "user"),), section="TCP"),
    *(
        Panel(name, title, "cpu_limits", ((name, "user"),), section="Limits", devices="all", missing=_NO_LIMIT)
        for name, title in (
            ("frequency_mhz", "Frequency"),
            ("thermal_throttles", "Slowed down by heat"),
            ("run_wait_percent", "Tasks waiting for a CPU"),
            ("softnet_drops", "Packets dropped by a CPU"),
            ("softnet_squeezes", "Packets put off by a CPU"),
        )
    ),
    Panel(
        "allowances",
        "Packets beyond the cloud's bandwidth",
        "interface_limits",
        (("bw_in_exceeded", "rx"),),
        section="Limits",
        devices="all",
        missing=_NO_LIMIT,
    ),
    Panel(
        "pps",
        "Packets beyond the cloud's packets per second",
        "interface_limits",
        (("pps_exceeded", "user"),),
        section="Limits",
        devices="all",
        missing=_NO_LIMIT,
    ),
    Panel("numa", "NUMA", "system", (("numa_hits", "user"), ("numa_misses", "iowait")), section="Limits", log=True),
    Panel(
        "allowed",
        "Used of what the kernel allows",
        "limits",
        (("open_files_percent", "user"), ("tasks_percent", "system"), ("connections_percent", "iowait")),
        section="Limits",
        top=100,
        missing=_NO_LIMIT,
    ),
)

_NONE_RUN = "No container was seen; collect reads docker's, podman's and containerd's cgroups unless --no-containers was given."

CONTAINERS = (
    Panel("cpu", "CPU of all containers", "containers", (("cpu_percent", "user"),), devices="all", stack=True, missing=_NONE_RUN),
    Panel(
        "memory",
        "Memory of all containers",
        "containers",
        (("memory_current_bytes", "user"),),
        devices="all",
        stack=True,
        missing=_NONE_RUN,
    ),
    Panel("throttled", "Periods throttled", "containers", (("cpu_throttled_percent", "user"),), devices="all", top=100, missing=_NONE_RUN),
    Panel("limit", "CPU of its limit", "containers", (("cpu_limit_percent", "user"),), devices="all", missing=_NONE_RUN),
    Panel("share", "Memory of its limit", "containers", (("memory_percent", "user"),), devices="all", top=100, missing=_NONE_RUN),
    Panel("pids", "Processes", "containers", (("pids_current", "user"),), devices="all", missing=_NONE_RUN),
)

CONTAINER = (
    Panel("cpu", "CPU", "containers", (("cpu_user_percent", "user"), ("cpu_system_percent", "system")), devices="one", stack=True),
    Panel(
        "memory",
        "Memory",
        "containers",
        (("memory_current_bytes", "user"), ("memory_working_set_bytes", "system")),
        devices="one",
        total="memory_max_bytes",
    ),
    Panel("io", "Disk throughput", "containers", (("io_read_bytes_per_s", "read"), ("io_write_bytes_per_s", "write")), devices="one"),
    Panel("throttled", "Limits", "containers", (("cpu_limit_percent", "user"), ("cpu_throttled_percent", "iowait")), devices="one"),
    Panel("pids", "Processes", "containers", (("pids_current", "user"),), devices="one"),
)

PROCESS = (
    Panel("cpu", "CPU", "processes", (("user_percent", "user"), ("system_percent", "system")), devices="one", stack=True),
    Panel("memory", "Resident memory of all", "processes", (("rss_bytes", "user"),), devices="one"),
    Panel("io", "Disk throughput", "processes", (("read_bytes", "read"), ("write_bytes", "write")), devices="one"),
    Panel("wait", "Waiting for a CPU", "processes", (("wait_percent", "iowait"),), devices="one"),
    Panel("faults", "Page faults", "processes", (("minor_faults", "user"), ("major_faults", "iowait")), devices="one", log=True),
    Panel("threads", "Threads of all", "processes", (("threads", "user"),), devices="one"),
)

COMPARE = (
    Panel("cpu", "CPU busy", "host", (("cpu_busy", "user"),), top=100),
    Panel("user", "CPU user", "host", (("cpu_user", "user"),)),
    Panel("system", "CPU system", "host", (("cpu_system", "user"),)),
    Panel("iowait", "CPU I/O wait", "host", (("cpu_iowait", "user"),)),
    Panel("memory", "Memory used", "host", (("mem_used", "user"),)),
    Panel("read", "Disk read", "host", (("disk_read_bytes", "user"),)),
    Panel("write", "Disk written", "host", (("disk_write_bytes", "user"),)),
    Panel("rx", "Network received", "host", (("net_rx_bytes", "user"),)),
    Panel("tx", "Network sent", "host", (("net_tx_bytes", "user"),)),
)


def bands(panels: Iterable[Panel]) -> list[str]:
    """Those of `metrics` whose smallest and largest values are drawn: lines, and the share that a peak is made of."""
    drawn = [(panel, [panel.peak] if panel.stack or panel.heat else [name for name, _ in panel.series]) for panel in panels]
    return list(dict.fromkeys(f"{panel.table}.{column}" for panel, columns in drawn for column in columns if column))


def _load(name: str, title: str, unit: str, series: tuple[tuple[str, str, str], ...], *, log: bool = False) -> dict[str, object]:
    """A chart of what load tools reported, as `Panel.as_json` would say it; load_metrics is no table of the catalog."""
    columns = ", ".join(["run", *(column for column, _, _ in series)])
    return {
        "id": name,
        "title": title,
        "table": "load",
        "databaseTable": "load_metrics",
        "key": "run",
        "unit": unit,
        "devices": "all",
        "log": log,
        "sql": query("chart").format(columns=columns, table="load_metrics", device=" AND run LIKE :device"),
        "series": [{"column": column, "label": label, "colour": colour} for column, label, colour in series],
    }


# What the test is about comes first; throughput and errors differ by thousands, and share no axis.
LOAD = (
    _load("throughput", "Throughput", "ops/s", (("throughput", "Operations", "user"),)),
    _load(
        "latency",
        "Latency",
        "ms",
        (
            ("latency_avg_ms", "Average", "c1"),
            ("latency_p50_ms", "P50", "c2"),
            ("latency_p90_ms", "P90", "c3"),
            ("latency_p95_ms", "P95", "c4"),
            ("latency_p99_ms", "P99", "c5"),
            ("latency_max_ms", "Maximum", "c6"),
        ),
        log=True,
    ),
    _load("users", "Users", "users", (("users", "Users", "user"),)),
    _load("errors", "Errors", "1/s", (("errors", "Errors", "iowait"),)),
)
