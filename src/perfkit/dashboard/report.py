"""A run's page, or a comparison, as one HTML file that asks nobody: page, scripts, styles and answers of the dashboard, packed into it."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
from datasette.utils.asgi import Request

from perfkit import __version__
from perfkit.compare.judging import OK, Comparison, Run
from perfkit.compare.report import cells_of, headline, summary
from perfkit.dashboard import api, assets, pages
from perfkit.dashboard.access import Access
from perfkit.dashboard.app import register
from perfkit.dashboard.site import Dashboard
from perfkit.dashboard.users import Users
from perfkit.errors import Failed
from perfkit.units import iso

POINTS = 1300  # of each chart, with the smallest and the largest value of each: about two a pixel


def of_run(run: Run) -> bytes:
    """The page of one run with its phases."""
    return asyncio.run(_of_run(run)).encode()


def of_comparison(found: Comparison, margin: float) -> bytes:
    """A table of what differs, with the verdicts of the runs."""
    return asyncio.run(_of_comparison(found, margin)).encode()


def told(run: Run) -> dict[str, Any]:
    """The run as `/api/v1/runs/ID` has it."""
    return api.run_told(run.con, run.collector_id, run.stretch.run)


def _dashboard(con: sqlite3.Connection) -> Dashboard:
    (file,) = (row[2] for row in con.execute("PRAGMA database_list") if row[1] == "main")
    register()
    dashboard = Dashboard(Path(file), Access(Users.beside(Path(file)), login=False))
    dashboard.self_contained = True
    return dashboard


async def _of_run(run: Run) -> str:
    dashboard = _dashboard(run.con)
    await dashboard.invoke_startup()
    number, chosen = run.collector_id, run.stretch.run
    request = _request(f"/runs/{number}@{chosen}", id=str(number), run=str(chosen))
    inputs = run.con.execute("SELECT source, digest FROM collections WHERE collector_id = ? ORDER BY imported_at", (number,)).fetchall()
    dashboard.extra_context = {
        **_made(),
        "inputs": [{"source": Path(source).name, "digest": digest} for source, digest in inputs],
        "data_packed": await _packed(dashboard, run),
    }
    response = await pages.run(request, dashboard)
    return str(response.body)


async def _of_comparison(found: Comparison, margin: float) -> str:
    first = found.baseline.runs[0]
    dashboard = _dashboard(first.con)
    await dashboard.invoke_startup()
    shown = headline(found)
    context = {
        **_made(),
        "title": " against ".join([", ".join(arm.name for arm in found.others), found.baseline.name]),
        "runs": [{"reference": run.reference, **told(run)} for arm in (found.baseline, *found.others) for run in arm.runs],
        "guards": [guard for guard in found.guards if guard.state != OK],
        "rows": [{"verdict": row.verdict, "cells": cells_of(row, margin)} for row in shown],
        "rest": summary(found, shown),
        "inline": assets.inline("compare"),
    }
    return str(await dashboard.render_template("perfkit/comparison.html", context, request=_request("/compare")))


def _made() -> dict[str, str]:
    return {"version": __version__, "made": iso(int(time.time()) * 1000).replace(".000Z", "Z")}


def _request(path: str, **variables: str) -> Any:
    request = Request.fake(path, url_vars=variables)
    request.scope["csrftoken"] = lambda: ""
    return request


async def _packed(dashboard: Dashboard, run: Run) -> str:
    """Every answer that the page asks for, as the API gives it."""
    place, chosen = f"/api/v1/collectors/{run.collector_id}", str(run.stretch.run)
    windows = {f"@{chosen}": {"run": chosen}}
    phases = [phase["phase"] for phase in told(run)["phases"]]
    windows |= {f"@{chosen}:{phase}": {"run": chosen, "phase": phase} for phase in phases}
    series = pages.OVERVIEW.series(run.collector_id, [("load", "1"), ("points", str(POINTS)), ("run", chosen)])
    answers: dict[str, Any] = {"run": f"@{chosen}", "series": await _answer(dashboard, series.replace("&bands=", "&bands_left_out="))}
    for what in ("percentiles", "findings", "steady", "who"):
        answers[what] = {name: await _answer(dashboard, f"{place}/{what}?{urlencode(asked)}") for name, asked in windows.items()}
    return base64.b64encode(gzip.compress(orjson.dumps(answers), 9, mtime=0)).decode()


async def _answer(dashboard: Dashboard, path: str) -> Any:
    response = await dashboard.client.get(path)
    found = json.loads(response.text)
    if response.status_code != 200:
        raise Failed(f"the report could not be made: {found.get('error', response.status_code)}")
    return found
