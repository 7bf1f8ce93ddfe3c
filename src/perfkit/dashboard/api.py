"""The JSON behind the pages."""

from __future__ import annotations

import gzip
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Any

import orjson
from datasette.utils.asgi import Response

from perfkit.catalog import DENSE, TABLES
from perfkit.compare import judging
from perfkit.dashboard import fleet, limits, ranges, reading, words
from perfkit.dashboard.parameters import Parameters
from perfkit.dashboard.series import Wanted, metrics_by_table, read, read_load
from perfkit.errors import BadInput, NotThere
from perfkit.store import runs
from perfkit.store.schema import LEVELS

if TYPE_CHECKING:
    from perfkit.dashboard.site import Dashboard

POINTS = 700
MOST_POINTS = 5000
MOST_DEVICES = 64
_GZIP_FROM = 2048
_WIDEST = 604_800_000
MOST_COMPARED = 6
MOST_RUNS = 20  # of an arm
_SUBJECT = re.compile(r"(?P<collector>\d{1,9})(?:@(?P<run>[^:]{1,200}(?::\d\d[^:]{0,40})*))?(?::(?P<phase>.{1,200}))?")

View = Callable[[Any, Any], Awaitable[Any]]


class TookTooLong(Exception):
    """Reading took longer than a page may."""

    status = 503


class Unchanged(Exception):
    """Whoever asks has the newest answer already."""


def answers_json(view: View) -> View:
    """The view's dictionary as JSON, its "version" as ETag; Unchanged as 304; {"error": sentence} with 400 of BadInput, 404 of NotThere."""

    @wraps(view)
    async def wrapped(request: Any, datasette: Any) -> Response:
        started = time.perf_counter()
        headers = {"cache-control": "no-store", "vary": "accept-encoding"}
        try:
            body, status = await view(request, datasette), 200
        except Unchanged:
            return Response("", status=304, headers=headers)
        except NotThere as error:
            body, status = {"error": str(error)}, 404
        except BadInput as error:
            body, status = {"error": str(error)}, 400
        except TookTooLong as error:
            body, status = {"error": str(error)}, error.status
        content = orjson.dumps(body)
        if "version" in body:
            headers["etag"] = f'"{body["version"]}"'
        if len(content) > _GZIP_FROM and "gzip" in (request.headers.get("accept-encoding") or ""):
            content = gzip.compress(content, 1)
            headers["content-encoding"] = "gzip"
        headers["server-timing"] = f"app;dur={(time.perf_counter() - started) * 1000:.1f}"
        return Response(content, status=status, headers=headers, content_type="application/json; charset=utf-8")

    return wrapped


@answers_json
async def collectors(request: Any, datasette: Dashboard) -> Any:
    """Every collector: hardware, reach of its data, coverage."""
    return {"now": now(), "collectors": await datasette.read(reading.list_of_collectors)}


@answers_json
async def all_runs(request: Any, datasette: Dashboard) -> Any:
    """Every run of every machine, the newest first; `collector=ID` those of one; `newest=1` of each machine the one that began last."""
    args = Parameters(request)
    collector_id = args.whole("collector", 0, 1, 999_999_999) or None
    newest = args.whole("newest", 0, 0, 1)

    def listed(con: sqlite3.Connection) -> list[reading.Row]:
        if collector_id:
            find(con, collector_id)
        return reading.newest_runs(con, now(), collector_id) if newest else reading.runs_listed(con, now(), collector_id)

    return {"now": now(), "runs": await datasette.read(listed)}


@answers_json
async def all_machines(request: Any, datasette: Dashboard) -> Any:
    """All machines side by side: those of which a metric is worst, a heat map, those unlike their peers, and tests on several machines."""
    asked = fleet.FleetAsked.of(Parameters(request))
    return {"now": now(), **await datasette.read(lambda con: fleet.told(con, asked))}


@answers_json
async def one_run(request: Any, datasette: Dashboard) -> Any:
    """One run with its phases: certificate, verdict, and the numbers of each."""
    return await datasette.read(lambda con: run_told(con, int(request.url_vars["id"]), int(request.url_vars["run"])))


def run_told(con: sqlite3.Connection, collector_id: int, run: int) -> dict[str, Any]:
    """The run as JSON. Raises NotThere."""
    found = reading.runs_listed(con, now(), collector_id, run)
    if not found:
        raise NotThere(f"there is no run {collector_id}@{run}; /runs lists those there are.")
    return {"now": now(), **found[0], "phases": reading.phases_of(con, collector_id, run, now())}


@answers_json
async def series(request: Any, datasette: Dashboard) -> Any:
    """The metrics asked for in the window asked for; smallest and largest of each bucket for those in `bands`, without it for all.

    Who has the answer of this state of the collector's data (If-None-Match) gets 304 after one look-up, so that asking often is cheap.
    """
    collector_id = int(request.url_vars["id"])
    args = Parameters(request)
    metrics = metrics_by_table(args.names("metrics") or [f"host.{c.name}" for c in TABLES[0].values])
    devices = {table: args.texts(f"device.{table}") or args.texts("device") for table in metrics}
    wanted = {table: names[:MOST_DEVICES] for table, names in devices.items() if names}
    asked = SeriesAsked(collector_id, args, metrics, wanted, request.headers.get("if-none-match") or "")
    return await datasette.read(lambda con: _series(con, asked))


@dataclass(frozen=True)
class SeriesAsked:
    """A request for series: the collector, the URL's arguments, {table: [columns]}, {table: [devices]} where not all are wanted,
    and the ETag of the answer that the reader has.
    """

    collector: int
    args: Parameters
    metrics: dict[str, list[str]]
    devices: dict[str, list[str]] = field(default_factory=dict)
    known: str = ""


def _series(con: sqlite3.Connection, asked: SeriesAsked) -> Any:
    collector_id, args = asked.collector, asked.args
    version = reading.version(con, collector_id)
    if asked.known == f'"{version}"':
        raise Unchanged
    points = args.whole("points", POINTS, 2, MOST_POINTS)
    collector = find(con, collector_id)
    first, last = collector["first_timestamp"] or 0, collector["last_timestamp"] or 0
    window = reading.window(con, collector_id, args)
    start = max(window.start, args.instant("since") or 0)
    bucket = args.width("bucket", min(LEVELS.values()), _WIDEST)
    bands = frozenset(args.names("bands") or ()) if "bands" in args else None
    wanted = Wanted(collector_id, start, window.end, points, bucket, bands, asked.devices, frozenset(args.names("every") or ()))
    return {
        "now": now(),
        "version": version,
        "collector": collector_id,
        "window": _told(window),
        "data": {"from": first, "to": last, "period_ms": collector["period_ms"]},
        "recorded": f"recorded {reading.certificate(con, collector_id, window, now())}",
        "tables": {
            **{table: read(con, table, columns, wanted) for table, columns in asked.metrics.items()},
            **({"load": read_load(con, wanted)} if args.get("load") else {}),
        },
        "marks": [
            {"t": t, "kind": kind, "label": label} for t, kind, label in reading.marks(con, collector_id) if window.start <= t <= window.end
        ],
        "runs": stretches(con, collector_id),
        "events": reading.quality(con, collector_id, start, window.end),
    }


@answers_json
async def percentiles(request: Any, datasette: Dashboard) -> Any:
    """n, min, avg, max, standard deviation and percentiles of every metric of the `tables` asked for, in the window asked for."""
    collector_id = int(request.url_vars["id"])
    args = Parameters(request)
    wanted = args.names("tables") or tuple(t.name for t in DENSE)
    for name in wanted:
        if name not in {t.name for t in DENSE}:
            raise BadInput(f"there is no table {name[:40]!r}; there are {', '.join(t.name for t in DENSE)}.")
    return await datasette.read(lambda con: _percentiles(con, collector_id, args, wanted))


@answers_json
async def who(request: Any, datasette: Dashboard) -> Any:
    """Who used the machine in the window asked for: commands by CPU, with memory, I/O and the time they waited."""

    def answer(con: sqlite3.Connection, collector_id: int, window: ranges.Window) -> Any:
        return {"collector": collector_id, "window": _told(window), "who": reading.who(con, collector_id, window)}

    return await _in_window(request, datasette, answer)


@answers_json
async def process(request: Any, datasette: Dashboard) -> Any:
    """The processes of one `command` in the window asked for: who each is, and what it used."""
    command = Parameters(request).get("command", "")

    def answer(con: sqlite3.Connection, collector_id: int, window: ranges.Window) -> Any:
        found = reading.processes(con, collector_id, window, command)
        return {"collector": collector_id, "window": _told(window), "command": command, "processes": found}

    return await _in_window(request, datasette, answer)


def _percentiles(con: sqlite3.Connection, collector_id: int, args: Parameters, wanted: tuple[str, ...]) -> Any:
    window = _window(con, collector_id, args)
    return {
        "collector": collector_id,
        "window": _told(window),
        "percentiles": reading.percentiles(con, collector_id, window, wanted),
        "worst_minutes": reading.worst_minutes(con, collector_id, window) if "host" in wanted else [],
    }


@answers_json
async def findings(request: Any, datasette: Dashboard) -> Any:
    """Where metrics were beyond their limits in the window asked for; `limits=disk.await_ms>20,...` instead of ours."""
    collector_id = int(request.url_vars["id"])
    args = Parameters(request)
    rules = limits.parse(args.get("limits", ""))
    return await datasette.read(lambda con: {"findings": limits.findings(con, collector_id, _window(con, collector_id, args), rules)})


@answers_json
async def comparison(request: Any, datasette: Dashboard) -> Any:
    """Runs or phases against the first of them: `c` is COLLECTOR@RUN or COLLECTOR@RUN:PHASE, `arm` NAME=REF,REF,REF for several runs of
    the same thing; two to six of both together. `generator` is a run of the load generator's machine.

    A table with very many devices is compared where `metrics` names one of its columns; else it is left out, and a guard says so.
    """
    args = Parameters(request)
    figures = args.names("figures") or judging.FIGURES
    across = bool(args.whole("across_machines", 0, 0, 1))
    wanted = judging.ComparisonAsked(args.names("metrics") or (), figures, float(args.whole("at_least", 0, 0, 1000)), across)
    named, names, generators = args.texts("arm"), args.texts("c"), args.texts("generator")
    if not 2 <= len(named) + len(names) <= MOST_COMPARED or len(generators) > MOST_COMPARED:
        raise _not_so_many()

    def compared(con: sqlite3.Connection) -> Any:
        arms = [*(_arm(con, text) for text in named), *(judging.Arm(name, (subject(con, name),)) for name in names)]
        found = judging.compare(arms[0], arms[1:], wanted, [subject(con, name) for name in generators])
        return {**found.as_json(), "at_least": wanted.margin}

    return await datasette.read(compared)


def _arm(con: sqlite3.Connection, text: str) -> judging.Arm:
    """The runs of NAME=REF,REF,REF. Raises BadInput."""
    name, references = _runs_of_arm(text)
    return judging.Arm(name, tuple(subject(con, one) for one in references))


def _runs_of_arm(text: str) -> tuple[str, list[str]]:
    name, _, references = text.partition("=")
    runs_of = [one for one in references.split(",") if one]
    if not name or not 1 <= len(runs_of) <= MOST_RUNS:
        raise BadInput(f"{text[:60]!r} is no arm; write NAME=COLLECTOR@RUN,COLLECTOR@RUN,... with up to {MOST_RUNS} runs.")
    return name, runs_of


def subject(con: sqlite3.Connection, name: str) -> judging.ComparedRun:
    """The run or phase that is called so in the address of the compare page. Raises BadInput, and NotThere where it does not exist."""
    collector_id, stretch = _named(con, name)
    if stretch is None:
        raise _no_run(name)
    return judging.ComparedRun(name, con, collector_id, stretch)


def references(con: sqlite3.Connection, args: Parameters) -> dict[str, str]:
    """What each `c` and each run of an `arm` in the address of the compare page names: "@2" or "@2:steady", "" a whole machine.

    Raises BadInput, and NotThere where one does not exist.
    """
    arms, names = args.texts("arm"), args.texts("c")
    if len(arms) + len(names) > MOST_COMPARED:
        raise _not_so_many()
    named = {one: _named(con, one)[1] for one in (*names, *(one for arm in arms for one in _runs_of_arm(arm)[1]))}
    return {one: stretch.reference if stretch else "" for one, stretch in named.items()}


def _named(con: sqlite3.Connection, name: str) -> tuple[int, runs.Stretch | None]:
    parts = _SUBJECT.fullmatch(name)
    if parts is None:
        raise _no_run(name)
    collector_id = int(parts["collector"])
    find(con, collector_id)
    if not parts["run"] and not parts["phase"]:
        return collector_id, None
    return collector_id, runs.pick(runs.stretches(con, collector_id), parts["run"], parts["phase"])


def _no_run(name: str) -> BadInput:
    return BadInput(f"{name[:60]!r} is no run; write COLLECTOR@RUN or COLLECTOR@RUN:PHASE, as in 1@2:steady.")


def _not_so_many() -> BadInput:
    return BadInput(f"name two to {MOST_COMPARED} runs with c=COLLECTOR@RUN, the baseline first; /runs lists them.")


@answers_json
async def steady(request: Any, datasette: Dashboard) -> Any:
    """The part of the window asked for in which the CPU load is steady (MSER-5), or null; a proposal, applied by nobody."""

    def proposed(con: sqlite3.Connection, collector_id: int, window: ranges.Window) -> Any:
        found = runs.steady(con, collector_id, window.start, window.end, window.name or "all")
        return {"steady": found._asdict() if found else None}

    return await _in_window(request, datasette, proposed)


def _told(window: ranges.Window) -> dict[str, Any]:
    """The window as JSON; `reference` is that of the run or phase that was asked for."""
    return {"from": window.start, "to": window.end, "name": window.name, "reference": window.stretch.reference if window.stretch else None}


async def _in_window(request: Any, datasette: Dashboard, answer: Callable[[sqlite3.Connection, int, ranges.Window], Any]) -> Any:
    """What `answer` says of a collector and the window that the request asks for."""
    collector_id, args = int(request.url_vars["id"]), Parameters(request)
    return await datasette.read(lambda con: answer(con, collector_id, _window(con, collector_id, args)))


def _window(con: sqlite3.Connection, collector_id: int, args: Parameters) -> ranges.Window:
    find(con, collector_id)
    return reading.window(con, collector_id, args)


def stretches(con: sqlite3.Connection, collector_id: int) -> list[dict[str, Any]]:
    """The collector's runs by number, behind each its phases, as JSON: both ends are included (ms).

    `reference` is what names one behind its machine; `name` is its label, with the run's number where another has the same.
    """
    found = runs.stretches(con, collector_id)
    names = Counter(one.phase or one.label for one in found)
    return [
        {
            "run": one.run,
            "phase": one.phase,
            "label": one.label,
            "name": f"{words.isolated(one.phase or one.label)} (run {one.run})"
            if names[one.phase or one.label] > 1
            else one.phase or one.label,
            "from": one.start,
            "to": one.end,
            "open": one.open,
            "marked": one.marked,
            "reference": one.reference,
        }
        for one in found
    ]


def find(con: sqlite3.Connection, collector_id: int) -> reading.Row:
    """The collector. Raises NotThere."""
    found = reading.collector(con, collector_id)
    if found is None:
        raise NotThere(f"there is no collector {collector_id}; / lists those there are.")
    return found


def now() -> int:
    """The server's clock in milliseconds since the epoch: ages are told by it, the reader's may be wrong."""
    return int(time.time() * 1000)
