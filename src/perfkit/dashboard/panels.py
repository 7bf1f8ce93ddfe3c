"""Which metrics stand together on which chart: pure data. Labels and units come from the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from perfkit.catalog import table
from perfkit.dashboard.reading import query


@dataclass(frozen=True)
class Panel:
    """One chart: `series` pairs a column of the catalog's `table` with the colour token it is drawn in.

    `stack`: areas on top of one another. `top`: the axis' fixed end, None for as high as the data. `peak`: the idle share
    whose smallest value becomes a line over a stack. `total`: a column drawn as the level that the others can reach.
    """

    id: str
    title: str
    table: str
    series: tuple[tuple[str, str], ...]
    stack: bool = False
    top: float | None = None
    peak: str = ""
    total: str = ""

    @property
    def unit(self) -> str:
        """The unit of its series; they share one."""
        return table(self.table)[self.series[0][0]].unit

    def as_json(self) -> dict[str, object]:
        """What the page's script needs to draw it."""
        columns = table(self.table)
        return {
            "id": self.id,
            "title": self.title,
            "table": self.table,
            "databaseTable": columns.database_name,
            "unit": self.unit,
            "stack": self.stack,
            "top": self.top,
            "peak": self.peak,
            "total": self.total,
            "key": columns.keys[0].name if columns.keys else "",
            "sql": self.sql(),
            "series": [{"column": name, "label": columns[name].label, "colour": colour} for name, colour in self.series],
        }

    def sql(self) -> str:
        """The query behind the chart, with the parameters collector, from, to and, where the table has one, device."""
        columns = table(self.table)
        device = columns.keys[0].name if columns.keys else ""
        shown = [*([device] if device else []), *(name for name, _ in self.series)]
        condition = f" AND {device} LIKE :device" if device else ""
        return query("chart").format(columns=", ".join(shown), table=columns.database_name, device=condition)

    def metrics(self) -> Iterator[str]:
        """The names of what it draws, as the API has them."""
        wanted = [name for name, _ in self.series]
        for name in (*wanted, self.peak, self.total):
            if name:
                yield f"{self.table}.{name}"


OVERVIEW = (
    Panel(
        "cpu",
        "CPU",
        "host",
        (("cpu_user", "user"), ("cpu_system", "system"), ("cpu_iowait", "iowait"), ("cpu_steal", "steal")),
        stack=True,
        top=100,
        peak="cpu_idle",
    ),
    Panel("memory", "Memory", "host", (("mem_used", "user"), ("mem_cached", "cached"), ("mem_buffers", "irq")), total="mem_total"),
    Panel("disk", "Disk throughput", "host", (("disk_read_bytes", "read"), ("disk_write_bytes", "write"))),
    Panel("network", "Network throughput", "host", (("net_rx_bytes", "rx"), ("net_tx_bytes", "tx"))),
)
