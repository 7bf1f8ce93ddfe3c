"""What the dashboard costs: server time and bytes of a page's data, first paint, zoom, live samples, and the list of 100 collectors.

    python tests/bench/dashboard.py          # makes its databases in a temporary folder; about five minutes

Each figure stands beside its limit. The peer is Datasette's own JSON of the same rows, which stops at 1,000 of them.
"""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import uvicorn

sys.path[:0] = [str(Path(__file__).parents[2] / "src"), str(Path(__file__).parents[1])]

from perfkit import catalog  # noqa: E402
from perfkit.dashboard import pages  # noqa: E402
from perfkit.dashboard.app import make_app  # noqa: E402
from perfkit.dashboard.plugin import ROUTES  # noqa: E402
from perfkit.process.engine import MOST_DEVICES  # noqa: E402
from perfkit.serve.address import Address  # noqa: E402
from perfkit.store import open_database, percentiles  # noqa: E402
from perfkit.store.rollup import close_buckets  # noqa: E402
from support.seed import fill  # noqa: E402

DAY = 86400
FIRST = 1767225600000
REPEAT = 7
CHROMIUM = "/usr/bin/chromium-headless-shell"  # what scripts/test.sh installs


def week(database: Path, seconds: int) -> None:
    """One collector with `seconds` samples at 1 s of host and four CPUs, in SQL: random, and one second of 1 GB/s in the middle."""
    fill(database, "vm-week", seconds=10)
    con = open_database(database)
    con.execute("PRAGMA synchronous = OFF")
    for table in ("host_metrics", "cpu_metrics", "segments", "levels"):
        con.execute(f"DELETE FROM {table}")
    clock = f"WITH RECURSIVE clock (t) AS (SELECT {FIRST} UNION ALL SELECT t + 1000 FROM clock WHERE t < {FIRST + (seconds - 1) * 1000})"
    share, rate = "abs(random()) % 2500 / 100.0", "abs(random()) % 9000000 * 1.0"
    levels = {"mem_total": "16384", "mem_used": f"{rate} / 1000", "mem_available": "8000", "mem_buffers": "300", "mem_cached": "4000"}
    host = {c.name: levels.get(c.name, share if c.unit == "%" else rate if c.unit == "B/s" else "10") for c in catalog.table("host").values}
    cpu = {c.name: share for c in catalog.table("cpu").values}
    con.execute("BEGIN")
    con.execute(
        f"{clock} INSERT INTO host_metrics (collector_id, timestamp, {', '.join(host)}) SELECT 1, t, {', '.join(host.values())} FROM clock"
    )
    into = f"INSERT INTO cpu_metrics (collector_id, cpu, timestamp, {', '.join(cpu)})"
    for name in ("all", "0", "1", "2", "3"):
        con.execute(f"{clock} {into} SELECT 1, '{name}', t, {', '.join(cpu.values())} FROM clock")
    con.execute("UPDATE host_metrics SET disk_write_bytes = 1e9 WHERE timestamp = ?", (FIRST + seconds // 2 * 1000,))
    con.execute("UPDATE collectors SET first_timestamp = ?, last_timestamp = ?", (FIRST, FIRST + (seconds - 1) * 1000))
    close_buckets(con, 1, FIRST + seconds * 1000)
    con.execute("DELETE FROM percentiles")
    percentiles.refresh(con, 1)
    con.execute("COMMIT")
    con.close()


def hundred(database: Path) -> None:
    """100 collectors with an hour each at 1 s, copied from one."""
    fill(database, "vm-000", seconds=3600)
    con = sqlite3.connect(database)
    names = [row[1] for row in con.execute("PRAGMA table_info(collectors)") if row[1] not in ("id", "machinename")]
    for i in range(2, 101):
        copied = ", ".join(names)
        con.execute(f"INSERT INTO collectors (id, machinename, {copied}) SELECT {i}, 'vm-{i:03d}', {copied} FROM collectors WHERE id = 1")
        for table in ("host_metrics", "host_metrics_10s", "host_metrics_1m", "host_metrics_10m", "levels"):
            rest = [f'"{row[1]}"' for row in con.execute(f"PRAGMA table_info({table})") if row[1] != "collector_id"]
            columns = ", ".join(rest)
            con.execute(f"INSERT INTO {table} (collector_id, {columns}) SELECT {i}, {columns} FROM {table} WHERE collector_id = 1")
    con.commit()
    con.close()


def crowded(database: Path) -> None:
    """One collector with as many disks and interfaces as have rows, for a minute."""
    devices = {table: [f"{table}{number}" for number in range(MOST_DEVICES)] for table in ("disk", "network")}
    fill(database, "vm-crowded", seconds=60, devices=devices)


@contextmanager
def serving(database: Path) -> Iterator[str]:
    """The dashboard over `database`; its URL."""
    listener = Address("127.0.0.1", 0).bind("--listen")
    server = uvicorn.Server(uvicorn.Config(make_app(database), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@dataclass(frozen=True)
class Asked:
    """What a request took: the median of the wall clock and of the CPU, client and server together, in ms; bytes sent; the body."""

    wall: float
    cpu: float
    sent: int
    body: bytes


def ask(url: str) -> Asked:
    """`url` with gzip, several times after one request to warm up."""
    took, cpu, sent, body = [], [], 0, b""
    for _ in range(REPEAT + 1):
        started, before = time.perf_counter(), time.process_time()
        with urlopen(Request(url, headers={"accept-encoding": "gzip"})) as answer:
            body = answer.read()
        took.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - before) * 1000)
        sent = len(body)
    content = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    return Asked(statistics.median(took[1:]), statistics.median(cpu[1:]), sent, content)


def timing(what: str, asked: Asked, limit: float | None = None) -> None:
    """A request's wall clock beside its limit, and its CPU, which other work on the machine disturbs less."""
    row(f"{what} ({asked.cpu:.0f} ms of CPU)", asked.wall, "ms", limit)


def row(what: str, value: float, unit: str, limit: float | None = None) -> None:
    """One line of the table."""
    verdict = "" if limit is None else f"<= {limit:g} {unit:3} {'ok' if value <= limit else 'MISSED'}"
    print(f"{what:62} {value:9.1f} {unit:3} {verdict}", flush=True)


def page_data(url: str, days: int, limit: float) -> None:
    """The series of overview and host page, the percentiles and the extension of a live page."""
    api = f"{url}/api/v1/collectors/1"
    cores = [("device.cpu", "all"), ("every", "cpu.busy")]  # as pages.host asks for them
    for name, series in (("overview", pages.OVERVIEW.series(1, [("load", "1")])), ("host page", pages.HOST.series(1, cores))):
        asked = ask(f"{url}{series}&range=all&points=640")
        timing(f"{days} d: {name}", asked, limit)
        row(f"{days} d: {name}, sent", asked.sent / 1000, "kB", 300)
        if name == "overview":
            host = json.loads(asked.body)["tables"]["host"]["devices"][""]["disk_write_bytes"]
            assert max(v for v in host["max"] if v is not None) == 1e9, "the spike is lost"
    last = FIRST + days * DAY * 1000 - 1000
    bucket = 600000 if days > 1 else 60000
    timing(f"{days} d: live extension", ask(f"{url}{pages.OVERVIEW.series(1)}&since={last}&bucket={bucket}"))
    timing(f"{days} d: percentiles, after the charts", ask(f"{api}/percentiles?tables=host"))
    timing(f"{days} d: findings, after the charts", ask(f"{api}/findings"))
    timing("    peer: Datasette's JSON, 1,000 rows", ask(f"{url}/perfkit/host_metrics.json?_shape=array&_size=1000"))


def in_browser(url: str, days: int) -> None:
    """First chart, by a browser that has nothing of us yet; zoom with what is there, zoom with what is finer."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        paints, redraws, finer = [], [], []
        for _ in range(5):
            page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.goto(f"{url}/collectors/1")
            page.wait_for_selector("body[data-stats]")  # else the server still computes when the next one comes
            paints.append(page.evaluate("performance.getEntriesByName('perfkit:painted')[0].startTime"))
            redraws.append(page.evaluate(REDRAW))
            finer.append(page.evaluate(FINER))
            page.context.close()
        browser.close()
    row(f"{days} d: first chart painted after navigation", statistics.median(paints), "ms", 1000)
    row(f"{days} d: zoom, four charts redrawn", statistics.median(redraws), "ms", 100)
    row(f"{days} d: zoom, finer data fetched and drawn", statistics.median(finer), "ms")


def live(database: Path) -> None:
    """From a sample committed to the database to the same sample in the chart of an open page."""
    from playwright.sync_api import sync_playwright

    fill(database, seconds=600, start=int(time.time()) - 600)
    con = open_database(database)
    (newest,) = con.execute("SELECT last_timestamp FROM collectors").fetchone()
    waits = []
    with serving(database) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{url}/collectors/1")
        page.wait_for_selector("body[data-stats]")
        for i in range(1, 11):
            time.sleep(0.9 + i / 20)  # at any time of the page's own clock
            con.execute("INSERT INTO host_metrics (collector_id, timestamp, cpu_idle) VALUES (1, ?, 42)", (newest + i * 1000,))
            con.execute("UPDATE collectors SET last_timestamp = ?, samples = samples + 1", (newest + i * 1000,))
            committed = time.time() * 1000
            waits.append(page.evaluate(ARRIVED, newest + i * 1000) - committed)
        browser.close()
    con.close()
    row("live: sample committed to sample in the chart, median", statistics.median(waits), "ms", 1000)
    row("live: the longest of ten", max(waits), "ms", 1500)


def chain(folder: Path) -> None:
    """From a sample that a collector takes and streams, through receiver and import, to the same sample in the chart of an open page."""
    from playwright.sync_api import sync_playwright

    from support.served import Served

    served = Served(folder)
    command = [sys.executable, "-m", "perfkit", "collect", "--mode", "trickle", "--server", served.url, "--spool", str(folder / "spool")]
    environment = os.environ | {"PYTHONPATH": sys.path[0], "PCC_APIKEY": served.key}
    collector = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        while sqlite3.connect(served.db).execute("SELECT max(samples) FROM collectors").fetchone()[0] is None:
            time.sleep(0.2)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(f"{served.dashboard}/collectors/1")
            page.wait_for_selector("body[data-stats]")
            waits = page.evaluate(AGES, 30)[1:]
            browser.close()
    finally:
        collector.kill()
        collector.wait()
        served.process.terminate()
        served.process.wait()
    row("live: sample taken on the machine to the chart, median", statistics.median(waits), "ms", 3000)
    row("live: the longest of thirty", max(waits), "ms", 3000)


AGES = """async (count) => {
    const { panels } = await window.perfkit;
    const ages = [];
    for (let last = 0; ages.length <= count; await new Promise((done) => setTimeout(done, 2))) {
        const newest = panels[0].chart.data[0].at(-1);
        if (newest !== last) ages.push(Date.now() - newest);
        last = newest;
    }
    return ages;
}"""
ARRIVED = """async (t) => {
    const { panels } = await window.perfkit;
    while (panels[0].chart.data[0].at(-1) < t) await new Promise((done) => setTimeout(done, 2));
    return Date.now();
}"""
REDRAW = """async () => {
    const { panels } = await window.perfkit;
    const { min, max } = panels[0].chart.scales.x;
    const started = performance.now();
    for (const { chart } of panels) chart.setScale("x", { min: min + (max - min) / 4, max: min + (max - min) / 2 });
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    return performance.now() - started;
}"""
FINER = """async () => {
    const started = performance.now();
    const before = document.body.dataset.drawn;
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "+", bubbles: true }));
    while (document.body.dataset.drawn === before) await new Promise((done) => setTimeout(done, 1));
    return performance.now() - started;
}"""


def timed(what: str, call: Callable[[], None]) -> None:
    """Say how long the preparation took."""
    started = time.perf_counter()
    call()
    print(f"({what}: {time.perf_counter() - started:.0f} s)", flush=True)


def main() -> None:
    """All figures."""
    with tempfile.TemporaryDirectory() as folder:
        for days, limit in ((1, 100), (7, 200)):
            database = Path(folder) / f"{days}d.db"
            timed(f"{days} d at 1 s written", lambda database=database, days=days: week(database, days * DAY))
            with serving(database) as url:
                page_data(url, days, limit)
                if Path(CHROMIUM).exists():
                    in_browser(url, days)
        if Path(CHROMIUM).exists():
            live(Path(folder) / "live.db")
            chain(Path(folder) / "chain")
        database = Path(folder) / "hundred.db"
        timed("100 collectors written", lambda: hundred(database))
        with serving(database) as url:
            timing("100 collectors: the list's data", ask(f"{url}/api/v1/collectors"), 150)
            timing("100 collectors: the page", ask(f"{url}/"), 150)
        database = Path(folder) / "crowded.db"
        timed("1,000 disks and interfaces written", lambda: crowded(database))
        with serving(database) as url:
            for route in ROUTES:
                if not route.example.startswith(("/-/", "/assets/")):
                    asked = ask(f"{url}{route.example}{'&metrics=host' if '/api/v1/compare' in route.example else ''}")
                    timing(f"crowded: {route.example}, {asked.sent / 1000:.0f} kB", asked)


if __name__ == "__main__":
    main()
