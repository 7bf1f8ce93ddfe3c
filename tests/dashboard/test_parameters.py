"""Every parameter of every route takes anything, and answers with a sentence: never an internal error."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Awaitable, Callable, Iterator, Sequence
from copy import deepcopy
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, quote_from_bytes, urlsplit

import pytest
from datasette.app import Datasette
from datasette.database import Database

from perfkit.dashboard import site as site_module
from perfkit.dashboard.app import make_app
from perfkit.dashboard.plugin import ROUTES
from perfkit.errors import BadInput
from support import asking
from support.in_process import Answer, InProcess
from support.seed import fill

from .conftest import Site, serving

PATIENCE = 120
SOURCE = Path(__file__).parents[2] / "src" / "perfkit" / "dashboard"

# What each of our routes reads of its URL; `test_the_parameters_of_every_route_are_known` holds the list against the code.
WINDOW = ("range", "from", "to", "run", "phase")
PARAMETERS = {
    "runs": ("collector", "newest"),
    "series": (*WINDOW, "metrics", "device", "device.disk", "device.cpu", "points", "since", "bucket", "bands", "every", "load"),
    "percentiles": (*WINDOW, "tables"),
    "findings": (*WINDOW, "limits"),
    "steady": WINDOW,
    "fleet": ("site", "range", "metric", "by", "top"),
    "compare": ("c", "arm", "metrics", "figures", "at_least", "across_machines", "generator"),
    "host": (*WINDOW, "disks", "interfaces", "cpus"),
    "login": ("next", "used"),
    "once": ("token",),
}
DATASETTE = {
    "/perfkit.json": ("sql", "_size", "_timelimit", "_ttl", "_shape", "p"),
    "/perfkit": ("sql", "_hide_sql", "_show_hidden"),
    "/perfkit/host_metrics.json": (
        *("_size", "_next", "_sort", "_sort_desc", "_col", "_nocol", "_facet", "_facet_size", "_facet_date", "_facet_array", "_where"),
        *("_search", "_timelimit", "_ttl", "_shape", "_labels", "_label", "_nocount", "_extra", "_extras", "_through", "_trace", "_json"),
        *("timestamp__gt", "timestamp__in", "timestamp__date", "cpu_user__contains", "_filter_column", "_filter_op", "_filter_value"),
    ),
    "/perfkit/host_metrics": ("_sort", "_sort_by_desc", "_facet", "_next", "_size", "_where", "_filter_column_1", "_filter_op_1"),
    "/perfkit/host_metrics.csv": ("_stream", "_dl", "_header", "_size", "_labels"),
    "/perfkit/collectors/1.json": ("_extras", "_shape"),
    "/.json": ("_sort", "_ttl"),
}
FIXED = [
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "+1",
        "1.5",
        "1e9",
        "999",
        "10000",
        "10001",
        "604800001",
        "²",
        "١٢",
        "½",
        "Ⅷ",
        "0x10",
        "1_000",
        "NaN",
        "inf",
    ),
    *("9" * 9, "9" * 10, "9" * 13, "9" * 14, "9" * 20, "9" * 400, "9" * 5000, "-9223372036854775808", "9223372036854775807", str(2**63)),
    *("true", "null", "None", "undefined", "[]", "{}", "[[", '{"a":', "max", "all", "1h", "24h", "previous", "last", "on"),
    *("2026-01-01", "2026-01-01T00:00:00Z", "2026-13-45", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T24:00"),
    *("host.cpu_user", "host.", ".cpu", "host.cpu_user," * 300, "cpu.user,disk.await_ms", "sqlite_master.name", "host.timestamp", ","),
    *(
        "host.cpu_idle<10",
        "disk.await_ms>20",
        "a.b>1",
        "host.cpu_idle<" + "9" * 30,
        "host.cpu_idle<\u0661",
        "timestamp",
        "rowid",
        "collector_id",
    ),
    *(
        "'",
        '"',
        "'; DROP TABLE collectors; --",
        "%",
        "%25",
        "%00",
        "\x00",
        "\n",
        "\r\nX: y",
        "\x7f",
        "\u2028",
        "\ufeff",
        "\u202e",
        "💣" * 50,
    ),
    *("../../etc/passwd", "<script>alert(1)</script>", "{{7*7}}", "${7*7}", "javascript:alert(1)", "//evil.example", "/\\evil", "a" * 5000),
]
RAW = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"%", b"%zz", b"+", b"&=", b"=;"]


def odd_values(count: int) -> list[str]:
    """Percent-encoded: those above and random ones, the same every time."""
    chance = random.Random(23)
    letters = string.printable + "²½١Ⅷäß\u0000\u200f\U0001f4a3"
    values = [quote(value, safe="") for value in FIXED] + [quote_from_bytes(value, safe="%+&=;") for value in RAW]
    while len(values) < count:
        values.append(quote("".join(chance.choices(letters, k=chance.randint(1, 30))), safe=""))
    return values[:count]


# Beside the parameter that is tried, so that an answer that is given is a small one.
SPARING = {"percentiles": "tables=memory", "series": "metrics=host.cpu_user", "fleet": "site=nowhere"}


def ask_all(site: Site, urls: Sequence[str]) -> dict[str, Answer]:
    """The answers of a server, one after the other over one connection."""
    found = {}
    connection = HTTPConnection(urlsplit(site.url).netloc, timeout=PATIENCE)
    for url in urls:
        connection.request("GET", url)
        answer = connection.getresponse()
        found[url] = Answer(answer.status, answer.read().decode())
    connection.close()
    return found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "perfkit.db"
    fill(path, "vm-a", seconds=3)
    return path


def told_once(method: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
    """The method, which answers the same arguments once."""
    known: dict[str, object] = {}

    async def told(self: object, *arguments: object, **named: object) -> object:
        asked = repr((id(self), arguments, sorted(named.items())))
        if asked not in known:
            known[asked] = await method(self, *arguments, **named)
        return deepcopy(known[asked])

    return told


# What Datasette asks of each of our tables for a page that lists them, whatever the page's parameters are: half of the work of a request.
OF_A_TABLE = (
    *("foreign_keys_for_table", "fts_table", "get_all_foreign_keys", "get_table_definition", "hidden_table_names"),
    *("label_column_for_table", "primary_keys", "table_column_details", "table_columns", "table_counts", "view_names"),
)


@pytest.fixture(scope="module")
def app(database: Path) -> Iterator[InProcess]:
    """What Datasette asks of the tables, and what it allows of them, is asked here once per table; nothing goes to another thread."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site_module, "SQL_THREADS", 0)
        for name in ("check_visibility", "refresh_schemas"):
            patch.setattr(Datasette, name, told_once(getattr(Datasette, name)))
        for name in OF_A_TABLE:
            patch.setattr(Database, name, told_once(getattr(Database, name)))
        running = InProcess(make_app(database))
        yield running
        running.close()


@pytest.fixture(scope="module")
def small(database: Path) -> Iterator[Site]:
    with serving(database) as site:
        yield site


def of_route(path: str) -> tuple[str, ...]:
    name = urlsplit(path).path.rsplit("/", 1)[-1]
    return PARAMETERS.get(name, () if name in ("", "collectors", "logout", "1@1") else WINDOW)


OURS = sorted(
    {(urlsplit(route.example).path, name) for route in ROUTES for name in of_route(route.example) if "/assets/" not in route.example}
)


@pytest.mark.parametrize("path", sorted({path for path, _ in OURS}))
def test_200_odd_values_of_each_parameter_get_an_answer_that_is_no_internal_error(app: InProcess, path: str) -> None:
    sparing = SPARING.get(path.rsplit("/", 1)[-1], "")
    for name in (name for each, name in OURS if each == path):
        beside = "" if sparing.startswith(f"{name}=") else f"{sparing}&"
        answers = app.ask([f"{path}?{beside}{name}={value}" for value in odd_values(200)])
        wrong = {url: answer.status_code for url, answer in answers.items() if answer.status_code >= 500}
        assert not wrong
        for url, answer in answers.items():
            if path.startswith("/api/") and answer.status_code >= 400:
                assert answer.json()["error"], url


OF_A_WINDOW = sorted({path for path, name in OURS if name == "phase"})
NOT_THERE = {
    "run=77": "there is no run '77' here; there are: 1 (load)",
    "run=nobody": "there is no run 'nobody' here",
    "run=previous": "there is no run 'previous' here",
    "run=2020-01-01T00:00:00Z": "there is no run '2020-01-01T00:00:00Z' here",
    "phase=nope": "there is no phase 'nope' here; there are: load",
    "run=1&phase=nope": "run 1 (load) has no phase 'nope'; its phases: none",
}


@pytest.mark.parametrize("path", OF_A_WINDOW)
def test_a_run_or_phase_that_does_not_exist_is_refused_with_those_that_do(app: InProcess, path: str) -> None:
    """On every page and in every answer that shows one; never is another part of the data shown instead."""
    beside = "command=nginx&" if path.endswith("process") else ""
    of_a_run = path.endswith("1@1")
    asked = {query: said for query, said in NOT_THERE.items() if not (of_a_run and query.startswith("run=") and "phase" not in query)}
    if of_a_run:
        asked["phase=nope"] = NOT_THERE["run=1&phase=nope"]
    missing = path.replace("collectors/1", "collectors/99").replace("1@1", "99@1")
    urls = {f"{path}?{beside}{query}": said for query, said in asked.items()}
    urls[f"{missing}?{beside}"] = "there is no run 99@1; /runs lists" if of_a_run else "there is no collector 99; / lists those there are"
    answers = app.ask([*urls, f"{path}?{beside}run=1"])
    assert answers.pop(f"{path}?{beside}run=1").status_code == 200
    for url, answer in answers.items():
        refused(answer, 404, urls[url], url)


@pytest.mark.parametrize("path", ["/compare", "/api/v1/compare"])
def test_a_run_that_does_not_exist_is_not_compared(app: InProcess, path: str) -> None:
    asked = {
        "c=1@77": NOT_THERE["run=77"],
        "c=1@1:nope": NOT_THERE["run=1&phase=nope"],
        "c=1:nope": NOT_THERE["phase=nope"],
        "c=99@1": "there is no collector 99",
        "arm=new=1@1,1@77": NOT_THERE["run=77"],
    }
    if path.startswith("/api"):
        asked["c=1@1&generator=1@77"] = NOT_THERE["run=77"]
    urls = {f"{path}?c=1@1&{query}": said for query, said in asked.items()}
    for url, answer in app.ask(list(urls)).items():
        refused(answer, 404, urls[url], url)
    seven = f"{path}?{'&'.join(['c=1@1'] * 7)}"
    refused(app.ask([seven])[seven], 400, "name two to 6 runs", seven)


def test_other_addresses_of_runs_that_do_not_exist(app: InProcess) -> None:
    asked = {
        "/runs/1@77": (404, "there is no run 1@77; /runs lists those there are"),
        "/api/v1/runs/1@77": (404, "there is no run 1@77; /runs lists those there are"),
        "/runs/99": (404, "nothing is at /runs/99"),
        "/api/v1/runs?collector=99": (404, "there is no collector 99"),
        "/runs/1@1?run=77": (400, "/runs/1@1 shows its own run alone"),
        "/runs/1@1?range=1h": (400, "/runs/1@1 shows its own run alone"),
    }
    for url, answer in app.ask(list(asked)).items():
        refused(answer, *asked[url], url)


@pytest.mark.parametrize("path", ["/collectors/1", "/collectors/1/host", "/api/v1/collectors/1/series", "/api/v1/collectors/1/percentiles"])
def test_two_answers_to_which_part_are_refused(app: InProcess, path: str) -> None:
    """Either of them would be another than what was asked for."""
    both = "name different parts of the data; keep one of them"
    asked = {
        "run=1&from=0&to=1": f"from and to / run {both}",
        "range=1h&from=0": f"range / from {both}",
        "range=all&phase=load": f"range / phase {both}",
        "run=1&run=load": "run is given 2 times, with different values; give it once",
    }
    answers = app.ask([f"{path}?{query}" for query in (*asked, "run=1&run=1", "range=1h&run=&from=")])
    for query, said in asked.items():
        refused(answers.pop(f"{path}?{query}"), 400, said, f"{path}?{query}")
    assert {answer.status_code for answer in answers.values()} == {200}


def test_a_page_refuses_what_its_script_could_only_leave_out(app: InProcess) -> None:
    asked = {
        "/compare?c=1@1&range=9h": (400, "'9h' is not a range; use all"),
        "/compare?c=1@1&align=end": (400, "runs are aligned by start or clock, not by 'end'"),
        "/compare?c=1@1&at_least=2.5": (400, "at_least '2.5' is not a number"),
        "/compare?c=1@1&from=5": (400, "a zoom of a comparison is from=N&to=N"),
        "/compare?c=1@1&from=5&to=-5": (400, "a zoom of a comparison is from=N&to=N"),
        "/compare?c=1@1&from=now&to=later": (400, "a zoom of a comparison is from=N&to=N"),
        "/compare?c=1@1&mark=nope": (404, "not all of these have a mark 'nope' to start at; the first without it has: load"),
        "/compare?arm=new=1@1,1@1&mark=nope": (404, "not all of these have a mark 'nope'"),
        "/collectors/1/host?disks=sda&disks=nope": (
            404,
            "there are no figures of 'nope' in the table disk of this machine; there are those of sda",
        ),
        "/fleet?range=9h": (400, "there is no range '9h'"),
        "/fleet?site=nowhere": (404, "no machine of a site 'nowhere' has data; there are: "),
    }
    taken = "/compare?c=1@1&range=1h&align=clock&mark=load&at_least=5&from=-5&to=5"
    answers = app.ask([*asked, taken, "/fleet?site="])
    assert [answers.pop(url).status_code for url in (taken, "/fleet?site=")] == [200, 200]
    for url, answer in answers.items():
        refused(answer, *asked[url], url)


def refused(answer: Answer, status: int, said: str, url: str) -> None:
    """The status, a sentence, and nothing of the data."""
    assert answer.status_code == status, url
    if url.startswith("/api/"):
        assert set(answer.json()) == {"error"}
        assert said in answer.json()["error"], url
        return
    assert said.lower() in unescape(answer.text).lower(), url
    assert "vm-a" not in answer.text


# Datasette leaves coroutines behind where a query fails; "error" makes that a failure of the test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", DATASETTE)
def test_odd_values_of_datasettes_parameters_get_an_answer_that_is_no_internal_error(app: InProcess, path: str) -> None:
    every = 16 if path in ("/.json", "/perfkit.json", "/perfkit") else 4  # these tell of every table
    for name in DATASETTE[path]:
        answers = app.ask([f"{path}?{name}={value}" for value in odd_values(200)[::every]])
        wrong = {url: answer.status_code for url, answer in answers.items() if answer.status_code >= 500}
        assert not wrong


@pytest.mark.parametrize(
    "pattern", ["/collectors/{}", "/collectors/1/containers/{}", "/api/v1/collectors/{}/series", "/{}", "/perfkit/{}", "/-/{}"]
)
def test_odd_parts_of_a_path_get_an_answer_that_is_no_internal_error(small: Site, pattern: str) -> None:
    answers = ask_all(small, [pattern.format(value) for value in odd_values(200)])
    assert not {url: answer.status_code for url, answer in answers.items() if answer.status_code >= 500}


def test_the_parameters_of_every_route_are_known() -> None:
    """What the views read by name is in the lists above, so that a new one is tried too."""
    read = set()
    for file in ("api.py", "pages.py", "ranges.py", "login.py"):
        text = (SOURCE / file).read_text()
        read |= set(re.findall(r'args(?:\.get|\.whole|\.width|\.instant|\.names|\.texts)?[\[(]"([a-z_.]+)"', text))
    known = {name for names in PARAMETERS.values() for name in names}
    assert read <= known | {"c", "align", "mark"}  # the last two: test_a_page_refuses_what_its_script_could_only_leave_out
    assert 'texts(f"device.{table}")' in (SOURCE / "api.py").read_text()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("bucket=999", "bucket 999 is not a bucket's width"),
        ("bucket=604810000", "is not a bucket's width"),
        ("points=²", "points '²' is not a number from 2 to"),
        ("points=1.5", "is not a number"),
        ("since=99999999999999", "is not a time"),
        ("range=" + "x" * 5000, "longer than"),
        ("phase=a%00b", "control character"),
        ("&".join(["device=sda"] * 300), "at most 200 times"),
    ],
)
def test_an_odd_value_is_answered_in_a_sentence(small: Site, query: str, words: str) -> None:
    answer = asking.get(f"{small.url}/api/v1/collectors/1/series?metrics=disk.await_ms&{query}", timeout=PATIENCE)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_values_at_their_edges_are_taken(small: Site) -> None:
    for query in ("bucket=0", "bucket=10000", "bucket=604800000", "points=0", "points=999999999", "from=0", "to=7258118400001", "since="):
        assert asking.get(f"{small.url}/api/v1/collectors/1/series?{query}", timeout=PATIENCE).status_code == 200, query


def test_a_parser_of_one_value_raises_nothing_but_bad_input() -> None:
    from perfkit.dashboard.parameters import instant

    for value in FIXED:
        try:
            assert 0 <= instant(value) <= 7_258_118_400_000
        except BadInput as error:
            assert str(error).endswith(".")
