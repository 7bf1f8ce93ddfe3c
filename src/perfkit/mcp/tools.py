"""What an agent may ask of the database: the questions of the JSON API, and SQL within the limits of the dashboard's SQL page."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from datasette.database import QueryInterrupted
from datasette.utils import InvalidSql, validate_sql_select
from datasette.utils.asgi import Request

from perfkit.catalog import RANGES, TABLES
from perfkit.compare.judging import FIGURES, NO_DIFFERENCE, NOT_JUDGED
from perfkit.dashboard import api
from perfkit.dashboard.access import Access
from perfkit.dashboard.app import register
from perfkit.dashboard.foreign_sql import DATABASE, Busy
from perfkit.dashboard.series import charted
from perfkit.dashboard.site import SQL_MILLISECONDS, Dashboard
from perfkit.dashboard.users import Users
from perfkit.errors import BadInput
from perfkit.mcp.protocol import Tool
from perfkit.store.references import Reference, resolve
from perfkit.units import iso

INSTRUCTIONS = (
    "perfkit recorded Linux machines during load tests. Begin with list_runs. A run is named MACHINE@RUN or, as list_runs does, by the "
    "machine's number: 1@2; a phase of it 1@2:steady. Trust a verdict only where the certificate does: it says how much of the run was "
    "recorded. Unknown is null, never 0. Times are milliseconds since 1970, UTC, or ISO 8601."
)
POINTS = 60
_FEW = 20
_MANY = 1000

Answer = TypeVar("Answer")
Pairs = list[tuple[str, str]]


def text(description: str) -> dict[str, Any]:
    """The JSON schema of an argument that is a text."""
    return {"type": "string", "description": description}


def texts(description: str) -> dict[str, Any]:
    """The JSON schema of an argument that is a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "description": description}


RUN = text("A run or a phase, [SITE/]MACHINE@RUN[:PHASE], as in vm-a@2, vm-a@last or 1@2:steady; list_runs has them.")


class Database:
    """The tools over the database at `path`, which is opened to read alone."""

    def __init__(self, path: Path) -> None:
        register()
        self._dashboard = Dashboard(path, Access(Users.beside(path), login=False))
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._dashboard.invoke_startup())

    def tools(self) -> dict[str, Tool]:
        """Every tool by its name."""
        return {
            "list_runs": Tool(
                "Every recorded run, the newest first: what names it, when it was, how completely it was recorded, and its verdict.",
                {
                    "machine": text("Only the runs of this machine, [SITE/]MACHINE."),
                    "limit": {"type": "integer", "description": f"How many runs at most; {_FEW} if it is left out."},
                },
                (),
                self._list_runs,
            ),
            "verdict": Tool(
                "What limited a run or a phase, in a sentence, with its certificate, its figures, and the same of each of its phases.",
                {"run": RUN},
                ("run",),
                self._verdict,
            ),
            "findings": Tool(
                "Every rule that holds in a run or a phase: what was seen, since when, what to do, and the SQL that lists the samples.",
                {"run": RUN},
                ("run",),
                self._findings,
            ),
            "compare": Tool(
                "What differs between runs or phases, with a 95 % interval each, or why that cannot be said. The baseline is the first.",
                {
                    "runs": texts(f"Two to {api.MOST_COMPARED} runs or phases, each as in vm-a@2:steady."),
                    "metrics": texts("Only these metrics (host.cpu_busy) or tables (disk)."),
                    "figures": texts(f"Only these of {', '.join(FIGURES)}."),
                    "at_least": {"type": "integer", "description": "The smallest difference that matters, in percent."},
                    "all": {"type": "boolean", "description": "Also what does not differ and what could not be judged."},
                },
                ("runs",),
                self._compare,
            ),
            "metrics": Tool("The name, unit and meaning of every metric that series takes.", {}, (), self._metrics),
            "series": Tool(
                f"Metrics over time in a run, a phase or a part of a machine's data: averages in about {POINTS} points.",
                {
                    "of": text("A run, a phase or a machine: [SITE/]MACHINE[@RUN][:PHASE]."),
                    "metrics": texts(
                        "Which, as in host.cpu_busy and disk.await_ms; the tool metrics has them. All of the host if left out."
                    ),
                    "devices": texts("Only these devices of tables that have some, as in sda."),
                    "points": {"type": "integer", "description": f"About how many points; {POINTS} if it is left out, {_MANY} at most."},
                    "from": text("Where to begin: ISO 8601 or milliseconds; of a machine alone."),
                    "to": text("Where to end: ISO 8601 or milliseconds; of a machine alone."),
                    "range": text(f"One of {', '.join(RANGES)}, counted back from the data's end; of a machine alone."),
                },
                ("of",),
                self._series,
            ),
            "sql": Tool(
                f"One SELECT in SQLite over the database, ended after {SQL_MILLISECONDS // 1000} s; the first 1,000 rows. Metrics stand in "
                f"{', '.join(table.database_name for table in TABLES)} by collector_id and timestamp (ms); machines in collectors, runs in "
                "runs; sqlite_master has the definition of each.",
                {"query": text("The statement.")},
                ("query",),
                self._sql,
            ),
        }

    def close(self) -> None:
        """End the processes that ran SQL."""
        self._wait(self._dashboard.get_database(DATABASE).end())
        self._loop.close()

    def _list_runs(self, arguments: dict[str, Any]) -> str:
        query: Pairs = []
        if arguments.get("machine"):
            one = self._named(arguments["machine"])
            if one.stretch:
                raise BadInput(f"{one.text} is a run; name a machine alone, or ask for its verdict.")
            query = [("collector", str(one.collector_id))]
        found = self._asked(api.all_runs, query)["runs"]
        runs = [_told(one) for one in found[: max(1, arguments.get("limit", _FEW))]]
        return _json({"runs": runs, "of": len(found)})

    def _verdict(self, arguments: dict[str, Any]) -> str:
        one = self._part(arguments["run"])
        phases = [{**_told(phase), "figures": phase["figures"]} for phase in one.get("phases", ())]
        return _json({**_told(one), "figures": one["figures"], "phases": phases})

    def _findings(self, arguments: dict[str, Any]) -> str:
        one = self._part(arguments["run"])
        return _json({"verdict": one["verdict"], "recorded": one["recorded"], "findings": one["findings"]})

    def _compare(self, arguments: dict[str, Any]) -> str:
        query = [("c", _address(self._run(one))) for one in arguments["runs"]]
        query += [(name, ",".join(arguments[name])) for name in ("metrics", "figures") if arguments.get(name)]
        query += [("at_least", str(arguments["at_least"]))] if "at_least" in arguments else []
        found = self._asked(api.comparison, query)
        rows = found["metrics"]
        if not arguments.get("all"):
            found["metrics"] = [row for row in rows if row["verdict"] not in (NO_DIFFERENCE, NOT_JUDGED)]
        verdicts = [row["verdict"] for row in rows]
        return _json({**found, "counted": {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}})

    def _metrics(self, _arguments: dict[str, Any]) -> str:
        columns = [(table, column) for table in TABLES for column in charted(table)]
        return _json({f"{table.name}.{c.name}": {"unit": c.unit, "kind": c.kind, "label": c.label} for table, c in columns})

    def _series(self, arguments: dict[str, Any]) -> str:
        one = self._named(arguments["of"])
        points = min(arguments.get("points", POINTS), _MANY)
        query = [("points", str(points)), ("bands", "")]
        query += [(f"device.{table.name}", device) for table in TABLES if table.keys for device in arguments.get("devices", ())]
        query += [("metrics", ",".join(arguments["metrics"]))] if arguments.get("metrics") else []
        query += [(name, arguments[name]) for name in ("from", "to", "range") if arguments.get(name)]
        if one.stretch:
            if {"from", "to", "range"} & set(arguments):
                raise BadInput("from, to and range are of a machine; name one without its run, or leave them out.")
            query += [("run", str(one.stretch.run)), *([("phase", one.stretch.phase)] if one.stretch.phase else [])]
        found = self._asked(api.series, query, id=one.collector_id)
        return _json({name: found[name] for name in ("window", "recorded", "tables", "marks", "events")})

    def _sql(self, arguments: dict[str, Any]) -> str:
        query = arguments["query"]
        database = self._dashboard.get_database(DATABASE)
        try:
            validate_sql_select(query)
            found = self._wait(database.execute(query.rstrip("; \n"), truncate=True))
        except QueryInterrupted as error:
            raise BadInput(str(error.e)) from None
        except (InvalidSql, sqlite3.Error, Busy) as error:
            raise BadInput(str(error)) from None
        columns = [column[0] for column in found.description]
        return _json({"columns": columns, "rows": [list(row) for row in found.rows], "truncated": found.truncated})

    def _part(self, name: str) -> dict[str, Any]:
        """The run or phase as `/api/v1/runs/ID` has it."""
        one = self._run(name)
        assert one.stretch  # noqa: S101 - of every run
        found = self._asked(api.one_run, id=one.collector_id, run=one.stretch.run)
        if one.stretch.phase:
            found = next(phase for phase in found["phases"] if phase["phase"] == one.stretch.phase)
        return dict(found)

    def _run(self, name: str) -> Reference:
        one = self._named(name)
        if one.stretch is None:
            raise BadInput(f"{name} is a machine; name one of its runs, as in {name}@last.")
        return one

    def _named(self, name: str) -> Reference:
        try:
            return self._wait(self._dashboard.read(lambda con: resolve(con, name)))
        except api.TookTooLong as error:
            raise BadInput(str(error)) from None

    def _asked(self, view: Callable[[Any, Any], Awaitable[Any]], query: Iterable[tuple[str, str]] = (), **variables: object) -> Any:
        """The answer of the JSON API; what it refuses is a BadInput."""
        request = Request.fake(f"/?{urlencode(list(query))}", url_vars={name: str(value) for name, value in variables.items()})

        async def asked() -> Any:
            return await view(request, self._dashboard)

        response = self._wait(asked())
        body = orjson.loads(response.body)
        if response.status != 200:
            raise BadInput(body["error"])
        return body

    def _wait(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        return self._loop.run_until_complete(question)


def _json(answer: Any) -> str:
    """`answer` as text; bytes as sql_child.py has them, and null for what is no number."""
    return orjson.dumps(answer, default=lambda value: {"base64": base64.b64encode(value).decode()}).decode()


def _told(one: dict[str, Any]) -> dict[str, Any]:
    """A run or a phase in short."""
    names = ("id", "machine", "site", "run", "phase", "label", "open", "recorded", "certificate", "verdict")
    short = {name: one[name] for name in names if name in one}
    return {**short, "from": iso(one["from"]), "to": iso(one["to"])}


def _address(one: Reference) -> str:
    """The run or phase as the compare page's address has it."""
    assert one.stretch  # noqa: S101 - of every run
    return f"{one.collector_id}{one.stretch.reference}"
