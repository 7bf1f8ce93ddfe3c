"""A run's page, or a comparison, as one HTML file that asks nobody: page, scripts, styles and answers of the dashboard, packed into it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from datasette.utils.asgi import Request

from perfkit import __version__
from perfkit.compare.judging import ComparedRun, Comparison
from perfkit.dashboard import api, pages
from perfkit.dashboard.access import Access
from perfkit.dashboard.app import register
from perfkit.dashboard.site import Dashboard
from perfkit.dashboard.users import Users
from perfkit.errors import Failed
from perfkit.units import iso

POINTS = 1300  # of each chart, with the smallest and the largest value of each: about two a pixel


def of_run(run: ComparedRun) -> bytes:
    """The page of one run with its phases."""
    return asyncio.run(_of_run(run)).encode()


def of_comparison(found: Comparison, margin: float) -> bytes:
    """The compare page of up to ten runs: charts, what differs, and each run's verdict."""
    return asyncio.run(_of_comparison(found, margin)).encode()


def told(run: ComparedRun) -> dict[str, Any]:
    """The run as `/api/v1/runs/ID` has it."""
    return api.run_told(run.con, run.collector_id, run.stretch.run)


def _dashboard(con: sqlite3.Connection) -> Dashboard:
    (file,) = (row[2] for row in con.execute("PRAGMA database_list") if row[1] == "main")
    register()
    dashboard = Dashboard(Path(file), Access(Users.beside(Path(file)), login=False))
    dashboard.self_contained = True
    return dashboard


async def _of_run(run: ComparedRun) -> str:
    dashboard = _dashboard(run.con)
    await dashboard.invoke_startup()
    collector_id, chosen = run.collector_id, run.stretch.run
    request = _request(f"/runs/{collector_id}@{chosen}", id=str(collector_id), run=str(chosen))
    dashboard.extra_context = {
        **_made(),
        "inputs": _inputs(run),
        "data_packed": _packed(await _answers(dashboard, run)),
    }
    response = await pages.run(request, dashboard)
    return str(response.body)


async def _of_comparison(found: Comparison, margin: float) -> str:
    """The compare page. Runs may be of several databases, so that collectors are numbered anew, in the order in which they come."""
    arms = (found.baseline, *found.others)
    runs = list(dict.fromkeys(run for arm in arms for run in arm.runs))
    dashboards = {id(run.con): _dashboard(run.con) for run in runs}
    for dashboard in dashboards.values():
        await dashboard.invoke_startup()
    machines = {
        machine: collector_id for collector_id, machine in enumerate(dict.fromkeys((id(run.con), run.collector_id) for run in runs), 1)
    }
    keys = {run: f"{machines[id(run.con), run.collector_id]}{run.stretch.reference}" for run in runs}
    known = {(place, row["id"]): row for place, one in dashboards.items() for row in await one.read(pages.choices)}
    frame = pages.comparing([{**known[machine], "id": collector_id} for machine, collector_id in machines.items()])
    several = any(len(arm.runs) > 1 for arm in arms)
    named = {
        "arm": [f"{arm.name.replace('=', ' ')}={','.join(keys[run] for run in arm.runs)}" for arm in arms] if several else [],
        "c": [] if several else [keys[run] for arm in arms for run in arm.runs],
    }
    answers = {
        "compare": {**found.as_json(), "at_least": margin},
        "parts": {keys[run]: await _of_part(dashboards[id(run.con)], run) for run in runs},
    }
    dashboard = dashboards[id(runs[0].con)]
    dashboard.extra_context = {**_made(), "data_packed": _packed(answers)}
    context = {
        "title": f"{_together(arm.name for arm in found.others)} against {found.baseline.name}",
        "runs": [{"reference": run.reference, "inputs": _inputs(run), **told(run)} for run in runs],
    }
    page = pages.Page("compare", context, {**frame, "pinned": named}, "comparison")
    return str((await pages.respond(_request("/compare"), dashboard, page)).body)


async def _of_part(dashboard: Dashboard, run: ComparedRun) -> dict[str, Any]:
    """What the compare page asks of one run or phase, as the API gives it."""
    window = [("from", str(run.stretch.start)), ("to", str(run.stretch.end))]
    percentiles = f"/api/v1/collectors/{run.collector_id}/percentiles?{urlencode([('tables', 'host'), *window])}"
    series = pages.COMPARE.series(run.collector_id, [("points", str(POINTS)), *window])
    return {"series": await _answer(dashboard, series), "percentiles": await _answer(dashboard, percentiles)}


def _inputs(run: ComparedRun) -> list[dict[str, str]]:
    """The files that the run's samples came from, with their digests."""
    rows = run.con.execute(
        "SELECT source, digest FROM collections"
        " WHERE collector_id = ? AND coalesce(first_timestamp <= ? AND last_timestamp >= ?, 1) ORDER BY imported_at",
        (run.collector_id, run.stretch.end, run.stretch.start),
    )
    return [{"source": Path(source).name, "digest": digest} for source, digest in rows]


def _together(names: Iterable[str]) -> str:
    """ "a, b and 3 more"."""
    first, second, *more = [*names, "", ""]
    rest = [name for name in (second, *more) if name]
    return f"{first}, {rest[0]} and {len(rest) - 1} more" if len(rest) > 1 else " and ".join([first, *rest])


def _made() -> dict[str, str]:
    return {"version": __version__, "made": iso(int(time.time()) * 1000).replace(".000Z", "Z")}


def _request(path: str, **variables: str) -> Any:
    request = Request.fake(path, url_vars=variables)
    request.scope["csrftoken"] = lambda: ""
    return request


def _packed(answers: dict[str, Any]) -> str:
    """`answers` as report.js unpacks them."""
    return base64.b64encode(gzip.compress(orjson.dumps(answers), 9, mtime=0)).decode()


async def _answers(dashboard: Dashboard, run: ComparedRun) -> dict[str, Any]:
    """Every answer that the page of a run asks for, as the API gives it."""
    place, chosen = f"/api/v1/collectors/{run.collector_id}", str(run.stretch.run)
    windows = {f"@{chosen}": {"run": chosen}}
    phases = [phase["phase"] for phase in told(run)["phases"]]
    windows |= {f"@{chosen}:{phase}": {"run": chosen, "phase": phase} for phase in phases}
    series = pages.OVERVIEW.series(run.collector_id, [("load", "1"), ("points", str(POINTS)), ("run", chosen)])
    answers: dict[str, Any] = {"run": f"@{chosen}", "series": await _answer(dashboard, series.replace("&bands=", "&bands_left_out="))}
    for what in ("percentiles", "findings", "steady", "who"):
        answers[what] = {name: await _answer(dashboard, f"{place}/{what}?{urlencode(asked)}") for name, asked in windows.items()}
    return answers


async def _answer(dashboard: Dashboard, path: str) -> Any:
    response = await dashboard.client.get(path)
    found = json.loads(response.text)
    if response.status_code != 200:
        raise Failed(f"the report could not be made: {found.get('error', response.status_code)}")
    return found
