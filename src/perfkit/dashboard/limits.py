"""Default thresholds, one per metric. The tables mark figures beyond them; the findings of the overview are made from them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

from perfkit.catalog import DENSE, Column, Table
from perfkit.dashboard.ranges import Window
from perfkit.dashboard.reading import query
from perfkit.dashboard.words import metric as metric_label
from perfkit.errors import BadInput
from perfkit.process.findings import rules

# "<10" is broken by 9, ">5" by 6; in the metric's own unit. A user's own stand in the page's address.
LIMITS = {
    "host.cpu_busy": ">90",
    "host.cpu_iowait": ">20",
    "host.cpu_steal": ">5",
    "cpu.busy": ">95",
    "cpu.steal": ">5",
    "memory.used_percent": ">90",
    "system.swap_out_pages": ">0",
    "disk.await_ms": ">20",
    "disk.util_percent": ">90",
    "network.rx_drops": ">0",
    "network.tx_drops": ">0",
    "network.rx_errors": ">0",
    "network.tx_errors": ">0",
    "filesystem.used_percent": ">90",
    "pressure.some_percent": ">20",
    "pressure.full_percent": ">5",
    "tcp.retransmits": ">10",
    "tcp.listen_overflows": ">0",
    "containers.cpu_throttled_percent": ">5",
    "containers.memory_percent": ">90",
}

# The rule of perfkit.process whose advice helps where a limit is broken; of pressure the one of its resource.
_RULES = {
    "host.cpu_busy": "cpu_busy",
    "host.cpu_iowait": "io_wait",
    "host.cpu_steal": "steal",
    "memory.used_percent": "memory_used",
    "system.swap_out_pages": "swapping_out",
    "disk.await_ms": "disk_await",
    "disk.util_percent": "disk_busy",
    "network.rx_drops": "receive_drops",
    "network.tx_drops": "send_drops",
    "network.rx_errors": "receive_errors",
    "network.tx_errors": "send_errors",
    "filesystem.used_percent": "filesystem_used",
    "pressure.some_percent": "{device}_pressure",
    "pressure.full_percent": "{device}_stalls",
    "tcp.retransmits": "retransmits",
    "tcp.listen_overflows": "listen_overflows",
    "containers.cpu_throttled_percent": "container_throttled",
    "containers.memory_percent": "container_memory",
}

# Minutes instead of samples from this length on: a week has 600,000 of these.
_MINUTES_FROM = 2 * 3_600_000
_RULE = re.compile(r"([a-z]+)\.([a-z0-9_]+)([<>])(-?\d{1,15}(?:\.\d{1,6})?)")
_MOST = 100


def parse(text: str) -> dict[str, str]:
    """{"disk.await_ms": ">20"} of "disk.await_ms>20,..."; ours where there is no text. Raises BadInput for what is no limit."""
    if not text:
        return LIMITS
    rules = [_RULE.fullmatch(rule) for rule in text.split(",")[:_MOST] if rule]
    if not all(rules):
        raise BadInput("a limit is written metric, < or >, number, as in disk.await_ms>20; several with commas.")
    return {f"{rule[1]}.{rule[2]}": rule[3] + rule[4] for rule in rules if rule}


def findings(con: sqlite3.Connection, collector: int, window: Window, limits: dict[str, str]) -> list[dict[str, Any]]:
    """Where a metric was beyond its limit in the window: how long, from when, the worst value, what to do; most of the time first.

    Long windows are judged by their minutes' means. Single cores are left out: the host's CPU stands for them.
    """
    wanted = [
        (table, column, limits.get(f"{table.name}.{column.name}")) for table in DENSE if table.name != "cpu" for column in table.values
    ]
    found = [finding for table, column, rule in wanted if rule for finding in _beyond(con, (collector, window), (table, column), rule)]
    return sorted(found, key=lambda finding: -finding["share"])


def advice(metric: str, device: str) -> str:
    """What to do, in a sentence; "" where no rule tells."""
    wanted = _RULES.get(metric, "").format(device=device)
    return next((rule.advice for rule in rules() if rule.name == wanted), "")


def _beyond(con: sqlite3.Connection, of: tuple[int, Window], metric: tuple[Table, Column], rule: str) -> Iterator[dict[str, Any]]:
    (collector, window), (table, column) = of, metric
    name = column.name
    minutes = window.milliseconds >= _MINUTES_FROM
    sql = query("finding").format(
        device=table.keys[0].name if table.keys else "''",
        column=f"{name}_avg" if minutes else name,
        table=f"{table.database_name}_1m" if minutes else table.database_name,
        sign=rule[0],
        worst="min" if rule[0] == "<" else "max",
    )
    values = {"collector": collector, "start": window.start, "end": window.end, "limit": float(rule[1:])}
    for device, samples, beyond, first, worst in con.execute(sql, values):
        yield {
            "metric": f"{table.name}.{name}",
            "label": metric_label(table, column),
            "device": device,
            "unit": column.unit,
            "rule": rule,
            "share": round(100 * beyond / samples, 2),
            "first": first,
            "worst": worst,
            "advice": advice(f"{table.name}.{name}", device),
        }
