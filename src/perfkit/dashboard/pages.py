"""The HTML pages. Each is a frame with what is known at once; its script fetches the series and draws them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from datasette.utils.asgi import NotFound, Response

from perfkit.catalog import RANGES
from perfkit.dashboard import api, assets, panels, ranges, reading
from perfkit.units import format_bytes

if TYPE_CHECKING:
    from perfkit.dashboard.app import Dashboard


TABS = (
    ("/collectors/{}", "Overview"),
    ("/collectors/{}/host", "Host"),
    ("/collectors/{}/tables", "Tables"),
    ("/collectors/{}/containers", "Containers"),
    ("/compare?c={}", "Compare"),
)


async def collectors(request: Any, datasette: Dashboard) -> Response:
    """Every machine that has data."""
    found = await datasette.read(reading.collectors)
    return await _page(request, datasette, "collectors", {"collectors": found}, {"now": api.now()})


async def overview(request: Any, datasette: Dashboard) -> Response:
    """One machine's four summary charts."""
    return await _of_collector(request, datasette, "overview", "Overview", panels.OVERVIEW)


async def _of_collector(request: Any, datasette: Dashboard, name: str, title: str, shown: tuple[panels.Panel, ...]) -> Response:
    """One of the pages of a collector: they share head, tabs and range buttons."""
    collector = await _collector(request, datasette)
    marks = await datasette.read(lambda con: reading.marks(con, collector["id"]))
    context = {
        "collector": collector,
        "title": title,
        "tabs": [(path.format(collector["id"]), tab) for path, tab in TABS],
        "phases": ranges.phases(marks),
        "facts": list(facts(collector)),
    }
    return await _page(request, datasette, name, context, _frame(collector, shown))


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
