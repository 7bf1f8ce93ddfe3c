"""What pages say about a machine and its recording, in a few words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from perfkit.catalog import Column, Table, table
from perfkit.units import format_bytes

Row = dict[str, Any]
_COMPONENTS = {"cpu": "CPU", "mem": "Memory", "disk": "Disk", "net": "Network"}
_TURNING = {"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI", "FSI"}
_NOISE = re.compile(r"\((?:R|TM)\)|\bCPU\b|\bProcessor\b|\bIntel\b|\bAMD\b|@.*", re.IGNORECASE)


def facts(collector: Row) -> Iterator[str]:
    """What the machine is: "4 x Xeon Platinum 8272CL", "16 GiB", operating system, kernel, architecture, instance."""
    if model := collector["cpu_model"]:
        yield f"{collector['cpus'] or '?'} x {' '.join(_NOISE.sub(' ', model).split())}"
    elif collector["cpus"]:
        yield f"{collector['cpus']} CPUs"
    if memory := collector["memory_mb"]:
        yield format_bytes(memory * 1024 * 1024)
    yield from (str(collector[name]) for name in ("operating_system", "kernel", "architecture", "instance_type") if collector[name])


def isolated(name: str) -> str:
    """A name from outside within a sentence, so that one that is written from right to left does not turn what follows it."""
    return f"\u2068{name}\u2069" if any(unicodedata.bidirectional(one) in _TURNING for one in name) else name


def label(column: Column) -> str:
    """The column's label where no heading says what it belongs to: "Memory used", "Disk reads"."""
    component = _COMPONENTS.get(column.name.split("_")[0])
    if component is None or column not in table("host").columns:
        return column.label
    own = column.label if column.label.startswith(("I/O", component)) else column.label[0].lower() + column.label[1:]
    return f"{component} {own}"


def metric(of: Table, column: Column) -> str:
    """What a metric is called among those of other tables: "CPU busy", "Disk: utilisation"."""
    return label(column) if of.name == "host" else f"{of.title}: {column.label[0].lower()}{column.label[1:]}"
