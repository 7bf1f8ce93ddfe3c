"""The HTML pages. Each is a frame with what is known at once; its script fetches the series and draws them."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette.utils import tilde_decode
from datasette.utils.asgi import NotFound, Response
from datasette.views.base import DatasetteError

from perfkit.catalog import DENSE, RANGES, SORTED_BY, TABLES, table
from perfkit.compare import judging
from perfkit.dashboard import api, assets, fleet, limits, panels, ranges, reading, words
from perfkit.dashboard.foreign_sql import DATABASE
from perfkit.dashboard.parameters import Parameters
from perfkit.errors import BadInput, NotThere, PerfkitError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from perfkit.dashboard.site import Dashboard

_log = logging.getLogger(__name__)
# What Datasette's pages raise for a parameter that they did not foresee.
_OF_A_REQUEST = (DatasetteError, ValueError, LookupError, TypeError, AttributeError, AssertionError, OverflowError)

# How many points a chart gets on which screen: about one a pixel of it.
SCREENS = ({"media": "(max-width: 800px)", "points": 360}, {"media": "(min-width: 800.02px)", "points": 640})
# What the URL of a page says about the stretch of time that is shown.
WINDOW = tuple(name for kind in ranges.KINDS for name in kind)
# What lies over one another in a comparison.
ALIGNED = ("start", "clock")
# What should be equal in machines that are compared.
FINGERPRINT = ("cpu_model", "cpus", "memory_mb", "operating_system", "kernel", "architecture", "cloud_vendor", "instance_type", "period_ms")


@dataclass(frozen=True)
class Page:
    """What a page is made of: its script's name, the template's variables, what the script gets, and the template if its name differs."""

    script: str
    context: dict[str, Any] = field(default_factory=dict)
    frame: dict[str, Any] = field(default_factory=dict)
    template: str = ""


@dataclass(frozen=True)
class Tab:
    """One of a collector's pages: script, path behind /collectors/ID, title and charts."""

    script: str
    path: str
    title: str
    panels: tuple[panels.Panel, ...] = ()
    metrics: tuple[str, ...] = ()

    def series(self, collector_id: int | str, extra: Sequence[tuple[str, str]] = ()) -> str:
        """Where the API has what its charts draw of collector `collector_id`, without the window and how many points of it."""
        named = [("metrics", ",".join(self.metrics or panels.metrics(self.panels))), ("bands", ",".join(panels.bands(self.panels))), *extra]
        return f"/api/v1/collectors/{collector_id}/series?{urlencode(named, safe=',')}"


OVERVIEW = Tab("overview", "/collectors/{}", "Overview", panels.OVERVIEW)
HOST = Tab("host", "/collectors/{}/host", "Host", panels.HOST)
TABLES_ = Tab("tables", "/collectors/{}/tables", "Tables", metrics=("host.cpu_busy",))
CONTAINERS = Tab("containers", "/collectors/{}/containers", "Containers", panels.CONTAINERS)
CONTAINER = Tab("container", "/collectors/{}/containers", "Containers", panels.CONTAINER)
PROCESS = Tab("process", "/collectors/{}/processes", "Overview", panels.PROCESS)
COMPARE = Tab("compare", "/compare?c={}", "Compare", panels.COMPARE)
TABS = (OVERVIEW, HOST, TABLES_, CONTAINERS, COMPARE)


async def collectors(request: Any, datasette: Dashboard) -> Response:
    """Every machine that has data; how to get some where there is none."""
    found = await datasette.read(reading.list_of_collectors)
    context = {"sites": sorted({row["sitename"] for row in found}), "empty": not found}
    rows = [{**row, "facts": list(words.facts(row))[:2]} for row in found]
    return await respond(request, datasette, Page("collectors", context, {"now": api.now(), "collectors": rows}))


async def overview(request: Any, datasette: Dashboard) -> Response:
    """One machine's summary charts, and the verdict on its newest run."""
    collector_id = int(request.url_vars["id"])
    newest = await datasette.read(lambda con: reading.newest_runs(con, api.now(), collector_id))
    return await _of_collector(request, datasette, OVERVIEW, {"load": panels.LOAD, "newest": next(iter(newest), None)}, [("load", "1")])


async def runs(request: Any, datasette: Dashboard) -> Response:
    """Every run of every machine."""
    found = await datasette.read(lambda con: reading.runs_listed(con, api.now()))
    context = {"empty": not found, "sites": sorted({row["site"] for row in found})}
    return await respond(request, datasette, Page("runs", context, {"now": api.now(), "runs": found}))


async def all_machines(request: Any, datasette: Dashboard) -> Response:
    """All machines side by side."""
    asked = fleet.FleetAsked.of(Parameters(request))
    sites, machines = await datasette.read(lambda con: (fleet.sites(con), reading.collectors(con)))
    if asked.site and machines and asked.site not in sites:
        raise NotThere(f"no machine of a site {asked.site[:60]!r} has data; there are: {', '.join(sites)}.")
    choices = [{"name": name, "label": words.metric(*of)} for name, of in fleet.metrics().items()]
    shown = {"range": fleet.RANGE, "by": fleet.BY, "metric": fleet.METRIC, "top": fleet.TOP}
    context = {"sites": sites, "metrics": choices, "figures": SORTED_BY, "empty": not machines, **shown}
    return await respond(request, datasette, Page("fleet", context, {"now": api.now(), "shown": shown}))


async def run(request: Any, datasette: Dashboard) -> Response:
    """One run: its verdict, its numbers by phase, and the overview of its time."""
    collector_id, chosen = int(request.url_vars["id"]), int(request.url_vars["run"])
    told = await datasette.read(lambda con: api.run_told(con, collector_id, chosen))
    asked = Parameters(request)
    if asked.get("range") or asked.get("run", str(chosen)) not in ("", str(chosen)):
        raise BadInput(f"{request.path} shows its own run alone; other parts of the machine's data are at /collectors/{collector_id}.")
    frame = {"load": panels.LOAD, "run": told, "pinned": {"run": str(chosen)}}
    return await _of_collector(request, datasette, OVERVIEW, frame, [("load", "1")])


async def host(request: Any, datasette: Dashboard) -> Response:
    """Every device of one machine."""
    collector_id = int(request.url_vars["id"])
    args = Parameters(request)
    asked = {panel.table: args.texts(panel.section.lower()) for panel in panels.HOST if panel.devices == "each"}
    devices, shown = await datasette.read(lambda con: reading.devices_to_show(con, collector_id, asked))
    cells = ",".join(f"{panel.table}.{panel.series[0][0]}" for panel in panels.HOST if panel.heat)
    extra = [("every", cells), *((f"device.{name}", device) for name, some in shown.items() for device in some)]
    return await _of_collector(request, datasette, HOST, {"devices": devices, "picked": shown}, extra)


async def tables(request: Any, datasette: Dashboard) -> Response:
    """Percentiles of every metric of one machine."""
    catalog = {
        t.name: {"title": t.title, "columns": {c.name: {"label": words.label(c), "unit": c.unit} for c in t.values if c.name != "in_total"}}
        for t in DENSE
    }
    return await _of_collector(request, datasette, TABLES_, {"catalog": catalog, "limits": limits.LIMITS})


async def containers(request: Any, datasette: Dashboard) -> Response:
    """All containers of one machine."""
    return await _of_collector(request, datasette, CONTAINERS)


async def container(request: Any, datasette: Dashboard) -> Response:
    """One container."""
    name = tilde_decode(request.url_vars["container"])
    return await _of_collector(request, datasette, CONTAINER, {"container": name}, [("device", name)])


async def process(request: Any, datasette: Dashboard) -> Response:
    """The processes of one command of one machine."""
    name = tilde_decode(request.url_vars["command"])
    return await _of_collector(request, datasette, PROCESS, {"process": name}, [("device", name)])


async def compare(request: Any, datasette: Dashboard) -> Response:
    """Several collectors, runs or phases over one another."""
    args = Parameters(request)
    collectors, named = await datasette.read(lambda con: (choices(con), api.references(con, args)))
    _check_comparison(args, {int(re.split("[@:]", one)[0]) for one in named}, collectors)
    frame = {**comparing(collectors, datasette.access.root_path), "named": named}
    return await respond(request, datasette, Page("compare", {}, frame))


def _check_comparison(args: Parameters, compared: set[int], collectors: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what the page's script could only leave out, so that it never shows something else than was asked for."""
    if (name := args.get("range") or "all") not in RANGES:
        raise BadInput(f"{name[:40]!r} is not a range; use {', '.join(RANGES)}.")
    if (align := args.get("align") or "start") not in ALIGNED:
        raise BadInput(f"runs are aligned by {' or '.join(ALIGNED)}, not by {align[:40]!r}.")
    args.whole("at_least", 0, 0, 1000)
    ends = [args.get(one) for one in ("from", "to")]
    if any(ends) and (not all(re.fullmatch(r"-?[0-9]{1,13}", one or "") for one in ends) or int(ends[0] or 0) > int(ends[1] or 0)):
        raise BadInput("a zoom of a comparison is from=N&to=N, milliseconds since each start, or since 1970 with align=clock.")
    mark = args.get("mark", "")
    for one in collectors if mark else ():
        known = [run["name"] for run in one["runs"] if run["marked"]]
        if one["id"] in compared and mark not in known:
            raise NotThere(
                f"not all of these have a mark {mark[:60]!r} to start at; the first without it has: {', '.join(known) or 'none'}."
            )


def comparing(collectors: Sequence[Mapping[str, Any]], root_path: str = "") -> dict[str, Any]:
    """What the script of the compare page needs to know, with the `collectors` (see `choices`) that there are to choose from."""
    return {
        "now": api.now(),
        "collectors": collectors,
        "catalog": {c.name: {"label": words.label(c), "unit": c.unit} for c in table("host").values},
        "labels": {f"{t.name}.{c.name}": words.metric(t, c) for t in TABLES for c in t.values},
        "panels": [panel.as_json() for panel in COMPARE.panels],
        "order": judging.ORDER,
        "words": judging.WORDS,
        "series": root_path + COMPARE.series("ID"),
    }


async def problem(request: Any, datasette: Dashboard, exception: Exception) -> Response:
    """What went wrong, as a page, or as JSON where JSON was asked for."""
    status = 404 if isinstance(exception, NotThere) else 400 if isinstance(exception, PerfkitError) else getattr(exception, "status", 500)
    if status == 500 and request.path.startswith(f"{datasette.access.root_path}/{DATABASE}") and isinstance(exception, _OF_A_REQUEST):
        status = 400  # Datasette does not check all that a URL may ask of its pages
    sentence = str(exception.args[0]) if status < 500 and exception.args else "The server could not answer; its log has the reason."
    if sentence.startswith("Database not found"):  # Datasette's word for any first part of a path that it does not know
        sentence = f"Nothing is at {request.path}."
    if status >= 500:
        _log.error("%s %s failed", request.method, request.path, exc_info=exception)
    if request.path.endswith(".json") or request.path.startswith("/api/"):
        return Response.json({"ok": False, "error": sentence}, status=status)
    sentence = sentence[:1].upper() + sentence[1:]
    heading = {404: "There is no such page", 403: "This is not allowed", 400: "This cannot be shown"}.get(status, "Something went wrong")
    response = await respond(request, datasette, Page("plain", {"heading": heading, "sentence": sentence}, template="error"))
    response.status = status
    return response


async def respond(request: Any, datasette: Dashboard, page: Page) -> Response:
    """`page` with what every page needs."""
    base = datasette.access.root_path
    shared = {
        "page": page.script,
        "base": base,
        "frame": json.dumps({"base": base, "most_compared": api.MOST_COMPARED, "ranges": RANGES, **page.frame}),
        "assets": f"{base}/assets/{assets.version()}",
        "scripts": assets.scripts(page.script),
        "data": _data(request, page.frame),
        "ranges": tuple(RANGES),
        "login": datasette.access.login,
        "inline": assets.inline(page.script) if datasette.self_contained else None,
        **datasette.extra_context,
    }
    html = await datasette.render_template(f"perfkit/{page.template or page.script}.html", {**shared, **page.context}, request=request)
    return Response.html(html, headers={"cache-control": "no-store"})


def _data(request: Any, frame: dict[str, Any]) -> list[dict[str, str]]:
    """The URL that the page's script will fetch its charts from, by screen: the browser starts before it has the script."""
    if "screens" not in frame:
        return []
    args = _window_args(request, frame)
    window = urlencode([(name, args[name]) for name in WINDOW if name in args])
    return [{"media": one["media"], "url": f"{frame['series']}&points={one['points']}&{window}"} for one in frame["screens"]]


async def _of_collector(
    request: Any, datasette: Dashboard, tab: Tab, frame: dict[str, Any] | None = None, extra: Sequence[tuple[str, str]] = ()
) -> Response:
    """One of the pages of a collector: they share head, tabs and range buttons. `extra` goes into the URL of its series."""
    collector_id = int(request.url_vars["id"])
    args = _window_args(request, frame or {})
    collector, stretches, recorded, has_containers, names = await datasette.read(
        lambda con: (
            api.find(con, collector_id),
            api.stretches(con, collector_id),
            _recorded(con, collector_id, args),
            reading.has_containers(con, collector_id),
            reading.container_names(con, collector_id),
        )
    )
    shown_run = (frame or {}).get("run")
    if shown_run:
        # The page is about this run: its number need not stand behind the name of each phase.
        stretches = [{**one, "name": one["phase"] or one["label"]} for one in stretches if one["run"] == shown_run["run"]]
    shown = (frame or {}).get("container", "")
    if shown and shown not in names:
        raise NotFound(f"{collector['machinename']} has no container {shown[:64]}.")
    command = (frame or {}).get("process", "")
    if command and not await datasette.read(lambda con: reading.has_process(con, collector_id, command)):
        raise NotFound(f"No process {command[:64]} was seen on {collector['machinename']}.")
    context = {
        "collector": collector,
        "process": command,
        "title": tab.title,
        "has_containers": has_containers,
        "tabs": [(datasette.access.root_path + one.path.format(collector_id), one.title) for one in TABS],
        "stretches": stretches,
        "facts": list(words.facts(collector)),
        "recorded": recorded,
        "container": shown,
        "container_name": names.get(shown, ""),
        "newest": (frame or {}).get("newest"),
    }
    known = {
        "now": api.now(),
        "collector": collector_id,
        "first": collector["first_timestamp"],
        "last": collector["last_timestamp"],
        "period_ms": collector["period_ms"] or 1000,
        "names": names,
        "panels": [panel.as_json() for panel in tab.panels],
        "series": datasette.access.root_path + tab.series(collector_id, extra),
        "screens": SCREENS,
    }
    template = ("report" if datasette.self_contained else "run") if shown_run else ""
    return await respond(
        request,
        datasette,
        Page(tab.script, {**context, **_judged(shown_run, args)}, {**known, **(frame or {})}, template),
    )


def _judged(run: dict[str, Any] | None, args: Mapping[str, str]) -> dict[str, Any]:
    """The run of a page, and the part of it that verdict and findings are about: the phase that is shown, else all of it."""
    if run is None:
        return {"run": None}
    phase = next((one for one in run["phases"] if one["phase"] == args.get("phase")), None)
    zoomed = "from" in args or "to" in args
    return {"run": run, "part": phase or run, "part_name": phase["phase"] if phase else "whole run" if zoomed else ""}


def _window_args(request: Any, frame: Mapping[str, Any]) -> Mapping[str, str]:
    """What the URL says of the window, and where it says nothing, the run that the page is about; a phase is one of this run."""
    args = Parameters(request)
    asked = {name: args[name] for name in WINDOW if args.get(name)}
    pinned: dict[str, str] = frame.get("pinned", {})
    return {**pinned, **asked} if set(asked) <= {"phase"} else asked


def _recorded(con: sqlite3.Connection, collector_id: int, args: Mapping[str, str]) -> str:
    """What was recorded of the window that the URL asks for. Raises BadInput, and NotThere for a run or phase that does not exist."""
    return f"recorded {reading.certificate(con, collector_id, reading.window(con, collector_id, args), api.now())}"


def choices(con: sqlite3.Connection) -> list[dict[str, Any]]:
    """What can be compared: each collector with its phases and what tells its machine from others."""
    return [
        {
            "id": row["id"],
            "name": row["machinename"],
            "site": row["sitename"],
            "first": row["first_timestamp"],
            "last": row["last_timestamp"],
            "facts": {name: row[name] for name in FINGERPRINT},
            "runs": api.stretches(con, row["id"]),
            "clock": reading.clock(con, row["id"]),
        }
        for row in reading.collectors(con)
    ]
