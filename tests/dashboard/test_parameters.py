"""Every parameter of every route takes anything, and answers with a sentence: never an internal error."""

from __future__ import annotations

import asyncio
import json
import random
import re
import string
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, quote_from_bytes, unquote, urlsplit

import pytest

from perfkit.dashboard.access import App
from perfkit.dashboard.app import make_app
from perfkit.dashboard.plugin import ROUTES
from perfkit.errors import BadInput
from support import asking
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


class Answer(NamedTuple):
    """What was said."""

    status_code: int
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


async def ask(app: App, url: str) -> Answer:
    """The application's answer, without a server between: with thousands of requests that would be most of the work."""
    path, _, query = url.partition("?")
    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "root_path": ""},
        **{"path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "headers": [(b"host", b"127.0.0.1:8000")]},
        **{"client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 8000)},
    }
    said: list[dict[str, Any]] = []
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await asyncio.Event().wait()  # the client stays until it is answered
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    return Answer(said[0]["status"], b"".join(message.get("body", b"") for message in said).decode())


class InProcess:
    """An application in an event loop of its own, which its helper processes belong to."""

    def __init__(self, app: App) -> None:
        self._app, self._runner, self._thread = app, asyncio.Runner(), ThreadPoolExecutor(1)

    def ask(self, urls: Sequence[str]) -> dict[str, Answer]:
        """The answers, one after the other."""

        async def all_of_them() -> dict[str, Answer]:
            return {url: await ask(self._app, url) for url in urls}

        return self._thread.submit(self._runner.run, all_of_them()).result()

    def close(self) -> None:
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()


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
    fill(path, "vm-a", seconds=30)
    return path


@pytest.fixture(scope="module")
def app(database: Path) -> Iterator[InProcess]:
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
    assert read <= known | {"c"}
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
