"""The HTML pages. Each is a frame with what is known at once; its script fetches the series and draws them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from datasette.utils import tilde_decode
from datasette.utils.asgi import NotFound, Response

from perfkit.catalog import RANGES, TABLES, table
from perfkit.dashboard import api, assets, panels, ranges, reading
from perfkit.units import format_bytes, format_duration

if TYPE_CHECKING:
    from perfkit.dashboard.app import Dashboard


# What should be equal in machines that are compared.
FINGERPRINT = ("cpu_model", "cpus", "memory_mb", "operating_system", "kernel", "architecture", "cloud_vendor", "instance_type", "period_ms")

TABS = (
    ("/collectors/{}", "Overview"),
    ("/collectors/{}/host", "Host"),
    ("/collectors/{}/tables", "Tables"),
    ("/collectors/{}/containers", "Containers"),
    ("/compare?c={}", "Compare"),
)


async def collectors(request: Any, datasette: Dashboard) -> Response:
    """Every machine that has data."""
    found = await datasette.read(reading.list_of_collectors)
    context = {"sites": sorted({row["sitename"] for row in found}), "empty": not found, "database": datasette.access.users.path.parent}
    rows = [{**row, "facts": list(facts(row))[:2]} for row in found]
    return await _page(request, datasette, "collectors", context, {"now": api.now(), "collectors": rows})


async def overview(request: Any, datasette: Dashboard) -> Response:
    """One machine's four summary charts."""
    return await _of_collector(request, datasette, "overview", "Overview", panels.OVERVIEW)


async def host(request: Any, datasette: Dashboard) -> Response:
    """Every device of one machine."""
    return await _of_collector(request, datasette, "host", "Host", panels.HOST)


async def tables(request: Any, datasette: Dashboard) -> Response:
    """Percentiles of every metric of one machine."""
    catalog = {
        t.name: {"title": t.title, "columns": {c.name: {"label": c.label, "unit": c.unit} for c in t.values if c.name != "in_total"}}
        for t in TABLES
    }
    return await _of_collector(request, datasette, "tables", "Tables", (), {"catalog": catalog})


async def containers(request: Any, datasette: Dashboard) -> Response:
    """All containers of one machine."""
    return await _of_collector(request, datasette, "containers", "Containers", panels.CONTAINERS)


async def container(request: Any, datasette: Dashboard) -> Response:
    """One container."""
    name = tilde_decode(request.url_vars["container"])
    return await _of_collector(request, datasette, "container", "Containers", panels.CONTAINER, {"container": name})


async def compare(request: Any, datasette: Dashboard) -> Response:
    """Two to six collectors or phases over one another."""
    found = await datasette.read(reading.collectors)
    by_id = {row["id"]: row for row in found}
    marks = {number: await datasette.read(lambda con, n=number: reading.marks(con, n)) for number in by_id}
    choices = [
        {
            "id": row["id"],
            "name": row["machinename"],
            "site": row["sitename"],
            "first": row["first_timestamp"],
            "last": row["last_timestamp"],
            "period_ms": row["period_ms"],
            "facts": {name: row[name] for name in FINGERPRINT},
            "phases": [asdict(phase) for phase in ranges.phases(marks[row["id"]])],
        }
        for row in found
    ]
    catalog = {c.name: {"label": c.label, "unit": c.unit, "table": "host"} for c in table("host").values}
    frame = {
        "now": api.now(),
        "collectors": choices,
        "panels": [panel.as_json() for panel in panels.COMPARE],
        "metrics": panels.metrics(panels.COMPARE),
        "catalog": catalog,
    }
    return await _page(request, datasette, "compare", {"title": "Compare"}, frame)


async def _of_collector(
    request: Any, datasette: Dashboard, name: str, title: str, shown: tuple[panels.Panel, ...], frame: dict[str, Any] | None = None
) -> Response:
    """One of the pages of a collector: they share head, tabs and range buttons."""
    collector = await _collector(request, datasette)
    number = collector["id"]
    marks, state, names = await datasette.read(
        lambda con: (reading.marks(con, number), reading.recorded(con, number), reading.container_names(con, number))
    )
    if frame and frame.get("container", "") not in {"", *names}:
        raise NotFound("There is no such container.")
    context = {
        "collector": collector,
        "title": title,
        "state": state,
        "tabs": [(path.format(collector["id"]), tab) for path, tab in TABS],
        "phases": ranges.phases(marks),
        "facts": list(facts(collector)),
        "recorded": recorded(state),
        "container": (frame or {}).get("container"),
        "container_name": names.get((frame or {}).get("container"), ""),
    }
    return await _page(request, datasette, name, context, {**_frame(collector, shown), "names": names, **(frame or {})})


def facts(collector: reading.Row) -> Iterator[str]:
    """What the machine is, in a few words: "4 x Xeon Platinum 8272CL", "16 GiB", ..."""
    if model := collector["cpu_model"]:
        short = re.sub(r"\((R|TM|r|tm)\)|CPU|Processor|Intel|AMD|@.*", "", model)
        yield f"{collector['cpus'] or '?'} × {' '.join(short.split())}"
    elif collector["cpus"]:
        yield f"{collector['cpus']} CPUs"
    if memory := collector["memory_mb"]:
        yield format_bytes(memory * 1024 * 1024)
    for name in ("operating_system", "kernel", "architecture", "instance_type"):
        if collector[name]:
            yield str(collector[name])


def recorded(state: reading.Row) -> str:
    """How complete the recording is, in a sentence: "recorded 500 of 630 samples (79.4 %), 1 gap of 2 m 10 s"."""
    samples, expected = state["samples"] or 0, state["expected"] or 0
    share = f" of {expected:,} samples ({100 * samples / expected:.4g} %)" if expected else " samples"
    if not state["gaps"]:
        return f"recorded {samples:,}{share}, no gap"
    count = "1 gap of" if state["gaps"] == 1 else f"{state['gaps']} gaps, longest"
    return f"recorded {samples:,}{share}, {count} {format_duration(state['longest_gap'] / 1000)}"


def _frame(collector: reading.Row, shown: tuple[panels.Panel, ...]) -> dict[str, Any]:
    """What the script of a collector's page needs before it asks for series."""
    return {
        "now": api.now(),
        "collector": collector["id"],
        "name": collector["machinename"],
        "first": collector["first_timestamp"],
        "last": collector["last_timestamp"],
        "period_ms": collector["period_ms"] or 1000,
        "panels": [panel.as_json() for panel in shown],
        "metrics": panels.metrics(shown),
    }


async def _collector(request: Any, datasette: Dashboard) -> reading.Row:
    number = int(request.url_vars["id"])
    found = await datasette.read(lambda con: reading.collector(con, number))
    if found is None:
        raise NotFound(f"There is no collector {number}.")
    return found


async def _page(request: Any, datasette: Dashboard, name: str, context: dict[str, Any], frame: dict[str, Any]) -> Response:
    context = {**context, "page": name, "frame": json.dumps(frame), "assets": f"/assets/{assets.version()}", "ranges": tuple(RANGES)}
    html = await datasette.render_template(f"perfkit/{name}.html", context, request=request)
    return Response.html(html, headers={"cache-control": "no-store"})
