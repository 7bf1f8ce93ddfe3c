"""Real servers on loopback over seeded databases, and a real browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from perfkit.dashboard.access import Access
from perfkit.dashboard.app import make_app
from perfkit.dashboard.users import Users
from perfkit.store import open_database, transaction
from perfkit.store.rollup import close_buckets
from support.seed import START, fill

CHROMIUM = Path("/usr/bin/chromium")


@dataclass(frozen=True)
class Site:
    """A running dashboard."""

    url: str
    database: Path
    access: Access


@contextmanager
def serving(database: Path, *, login: bool = False) -> Iterator[Site]:
    """The dashboard over `database` on a free port, until the block ends."""
    access = Access(Users.beside(database), login=login)
    listener = socket.create_server(("127.0.0.1", 0))
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
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two collectors of 25 and 20 minutes at 1 s, the first with a gap of 130 s and a phase; not to be changed."""
    database = tmp_path_factory.mktemp("dashboard") / "perfkit.db"
    fill(database, "vm-a", seconds=1500, gap=(600, 730))
    fill(database, "vm-b", seconds=1200, seed=1)
    return database


@pytest.fixture(scope="session")
def site(seeded: Path) -> Iterator[Site]:
    """The seeded database's dashboard, without a login."""
    with serving(seeded) as running:
        yield running


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, int]]:
    """Seven days of a collector whose disk writes a megabyte a second, but a gigabyte in one, 20 minutes before the end; its instant.

    There is a sample every 10 s, and one every second of the last hour.
    """
    database = tmp_path_factory.mktemp("week") / "perfkit.db"
    fill(database, "vm-week", seconds=10)
    last = START * 1000 + 7 * 86_400_000
    spike = last - 1_200_000
    times = [*range(START * 1000, last - 3_600_000, 10_000), *range(last - 3_600_000, last + 1, 1000)]
    con = open_database(database)
    with transaction(con):
        for table in ("host_metrics", "levels", "segments", "percentiles", "marks"):
            con.execute(f"DELETE FROM {table}")
        con.executemany(
            "INSERT INTO host_metrics (collector_id, timestamp, cpu_idle, disk_read_bytes, disk_write_bytes) VALUES (1, ?, 50, 1e6, ?)",
            [(t, 1e9 if t == spike else 1e6) for t in times],
        )
        con.execute("UPDATE collectors SET first_timestamp = ?, last_timestamp = ?, samples = ?", (times[0], last, len(times)))
        close_buckets(con, 1, last)
    con.close()
    with serving(database) as running:
        yield running, spike


@pytest.fixture
def serve() -> Iterator[Callable[..., Site]]:
    """`serve(database, login=False)`: a dashboard that lives as long as the test."""
    with ExitStack() as stack:
        yield lambda database, **options: stack.enter_context(serving(database, **options))


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """The system's Chromium."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed: what the browser draws was not checked")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield chromium
        chromium.close()


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
            page.add_init_script(before)
            page.goto(url)
            if drawn:
                page.wait_for_selector("body[data-drawn]")
            return page

        open_one.problems = logged
        yield open_one
    assert not logged
