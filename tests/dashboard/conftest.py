"""Real servers on loopback over seeded databases, and a real browser."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pytest
import uvicorn

from perfkit import catalog
from perfkit.dashboard.access import Access
from perfkit.dashboard.app import make_app
from perfkit.dashboard.users import Users
from perfkit.store import findings, open_database, runs, transaction
from perfkit.store.rollup import close_buckets
from support.database import made_once
from support.seed import START, fill

CHROMIUM = Path("/usr/bin/chromium-headless-shell")  # the same engine without a browser around it: a fifth less CPU time


@dataclass(frozen=True)
class Site:
    """A running dashboard."""

    url: str
    database: Path
    access: Access


@contextmanager
def serving(database: Path, *, login: bool = False, root_path: str = "") -> Iterator[Site]:
    """The dashboard over `database` on a free port, until the block ends."""
    access = Access(Users.beside(database), login=login, root_path=root_path)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `serve` does
    server = uvicorn.Server(uvicorn.Config(make_app(database, access), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", database, access)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="session")
def filled(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """`filled(name, fill)`: a copy of our own of the database that one worker process of this test run has filled for all."""

    def one(name: str, fill: Callable[[Path], None]) -> Path:
        return made_once(shared / f"filled-{name}", fill, tmp_path_factory.mktemp(name) / "perfkit.db")

    return one


def _fill_two(database: Path) -> None:
    fill(database, "vm-a", seconds=1500, gap=(600, 730))
    fill(database, "vm-b", seconds=1200, seed=1)


@pytest.fixture(scope="session")
def seeded(filled) -> Path:
    """Two collectors of 25 and 20 minutes at 1 s, the first with a gap of 130 s and a phase; not to be changed."""
    return filled("dashboard", _fill_two)


@pytest.fixture(scope="session")
def site(seeded: Path) -> Iterator[Site]:
    """The seeded database's dashboard, without a login."""
    with serving(seeded) as running:
        yield running


SPIKE = START * 1000 + 7 * 86_400_000 - 1_200_000


@pytest.fixture(scope="session")
def week(filled) -> Iterator[tuple[Site, int]]:
    """Seven days of a collector whose disk writes a megabyte a second, but a gigabyte in one, 20 minutes before the end; its instant.

    There is a sample every 10 s, and one every second of the last hour.
    """
    with serving(filled("week", _fill_week)) as running:
        yield running, SPIKE


def _fill_week(database: Path) -> None:
    fill(database, "vm-week", seconds=10)
    last = SPIKE + 1_200_000
    times = [*range(START * 1000, last - 3_600_000, 10_000), *range(last - 3_600_000, last + 1, 1000)]
    con = open_database(database)
    with transaction(con):
        for table in ("host_metrics", "levels", "segments", "percentiles", "marks"):
            con.execute(f"DELETE FROM {table}")
        con.executemany(
            "INSERT INTO host_metrics (collector_id, timestamp, cpu_busy, disk_read_bytes, disk_write_bytes) VALUES (1, ?, 50, 1e6, ?)",
            [(t, 1e9 if t == SPIKE else 1e6) for t in times],
        )
        con.execute("UPDATE collectors SET first_timestamp = ?, last_timestamp = ?, samples = ?", (times[0], last, len(times)))
        close_buckets(con, 1, last)
    con.close()


@pytest.fixture(scope="session")
def large(filled) -> Iterator[Site]:
    """Two machines of ten minutes each, as they are in practice; not to be changed.

    `large` has 64 CPUs, disks beside loop devices, 14 containers, no error, drop or swap traffic, and a gap of 3 s at 00:05:00.
    `paused` was recorded twice, with 200 s between.
    """
    with serving(filled("large", _fill_large)) as running:
        yield running


def _fill_large(database: Path) -> None:
    fill(database, "large", seconds=600, gap=(300, 303))
    fill(database, "paused", seconds=600)
    con = open_database(database)
    with transaction(con):
        for table, like, copies in (
            ("cpu", "0", [str(i) for i in range(4, 64)]),
            ("disk", "sdb", ["loop0", "loop1", "nvme0n1"]),
            ("containers", "8899aabbccdd", [f"c0ffee{i:06}" for i in range(12)]),
        ):
            _copy(con, catalog.table(table), like, copies)
        for column in ("rx_errors", "tx_errors", "rx_drops", "tx_drops"):
            con.execute(f"UPDATE network_metrics SET {column} = 0")
        con.execute("UPDATE system_metrics SET swap_in_pages = 0, swap_out_pages = 0, context_switches = context_switches * 1e4")
        between = (2, (START + 200) * 1000, (START + 399) * 1000)
        for table in catalog.TABLES:
            con.execute(f"DELETE FROM {table.database_name} WHERE collector_id = ? AND timestamp BETWEEN ? AND ?", between)
        con.execute("DELETE FROM percentiles")
    con.close()


@pytest.fixture(scope="session")
def marked(filled) -> Iterator[Site]:
    """Two machines; the run "load" of the first has the phases "up" and "steady" and a load tool's timeline, that of the second a gap.

    Not to be changed.
    """
    with serving(filled("marked", _fill_marked)) as running:
        yield running


def _fill_marked(database: Path) -> None:
    fill(database, "vm-a", seconds=600)
    fill(database, "vm-b", seconds=300, gap=(100, 200))
    first = START * 1000
    marks = ((210, "start", "up"), (250, "end", "up"), (260, "start", "steady"), (380, "end", "steady"))
    load = [(first + 1000 * second, 2000.0, 0, 9.0) for second in range(200, 400)]
    names = "collector_id, run, timestamp, throughput, errors, latency_p95_ms"
    con = open_database(database)
    with transaction(con):
        for at, kind, label in marks:
            con.execute("INSERT INTO marks (collector_id, timestamp, kind, label) VALUES (1, ?, ?, ?)", (first + at * 1000, kind, label))
        con.executemany(f"INSERT INTO load_metrics ({names}) VALUES (1, 'k6', ?, ?, ?, ?)", load)
        runs.refresh(con, 1)
        findings.refresh(con, 1)  # as an import does: else every page would look for them
    con.close()


def _copy(con: sqlite3.Connection, table: catalog.Table, like: str, devices: list[str]) -> None:
    """Further devices of collector 1, each with the values of the device `like`, times a factor of its own."""
    key, *names = (column.name for column in table.keys)
    columns = ", ".join(f"{c.name} * (1 + :n / 100.0)" if "%" in c.unit else c.name for c in table.values)
    for n, device in enumerate(devices):
        named = "".join(f", {name}" for name in names)
        con.execute(
            f"INSERT INTO {table.database_name} SELECT collector_id, :device{named}, timestamp, {columns} FROM {table.database_name}"
            f" WHERE collector_id = 1 AND {key} = :like",
            {"device": device, "like": like, "n": -n},
        )


@pytest.fixture(scope="session")
def serve_while() -> Callable[..., AbstractContextManager[Site]]:
    """`with serve_while(database) as site`: a dashboard that lives as long as the block, for fixtures of any scope."""
    return serving


@pytest.fixture
def serve() -> Iterator[Callable[..., Site]]:
    """`serve(database, login=False)`: a dashboard that lives as long as the test."""
    with ExitStack() as stack:
        yield lambda database, **options: stack.enter_context(serving(database, **options))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Callable]:
    """`chromium(*arguments)` starts the system's Chromium. One Playwright serves all: a second one in the same thread refuses to start."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed: what a browser draws and sends was not checked")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield lambda *arguments: playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", *arguments])


@pytest.fixture(scope="session")
def browser(chromium) -> Iterator[object]:
    """A Chromium for the session."""
    started = chromium()
    yield started
    started.close()


AXE = "async (rules) => (await axe.run(rules)).violations.map((v) => [v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.html)])"


def hindrances(page, **rules) -> list:
    """What axe finds on the page that keeps some people from using it."""
    page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = page.evaluate(AXE, {"resultTypes": ["violations"], **rules})
    return [one for one in found if one[0] in ("serious", "critical")]


def wait_until(page, expression: str) -> None:
    """Until the JavaScript expression is true on the page."""
    from playwright.sync_api import Error

    end = time.monotonic() + 120
    while True:
        with suppress(Error):  # the page is on its way to another
            if page.evaluate(expression):
                return
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)


def follow(page, selector: str) -> None:
    """Click a link, until the page that it leads to is drawn: the one that it stands on may be drawn too."""
    link = page.locator(selector).first
    place = link.evaluate("(one) => one.href").partition("?")[0]
    link.click()
    page.wait_for_url(lambda url: url.partition("?")[0] == place)
    page.wait_for_selector("body[data-drawn]")


@pytest.fixture
def open_page(browser) -> Iterator[Callable]:
    """`open_page(url, drawn=True, **options)`: a page in a fresh context; the test fails if it logged an error, unless `problems` is false.

    `before` is a script that runs before the page's own.
    """
    logged: list[str] = []
    with ExitStack() as stack:

        def open_one(url: str, *, drawn: bool = True, before: str = "", problems: bool = True, **options):
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, "timezone_id": "UTC", **options})
            stack.callback(context.close)
            context.set_default_timeout(120_000)  # a busy machine is no failure
            page = context.new_page()
            if problems:
                page.on("console", lambda message: logged.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: logged.append(str(error)))
            page.wait_for_function = lambda expression: wait_until(page, expression)  # Playwright's own may not poll under our CSP
            page.add_init_script(before)
            page.goto(url)
            if drawn:
                page.wait_for_selector("body[data-drawn]")
            return page

        open_one.problems = logged
        yield open_one
    assert not logged
