"""A page of another site, in a real browser on this machine: it may link to perfkit's pages, and gets nothing else to run."""

from __future__ import annotations

import http.server
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.dashboard.plugin import ROUTES
from support import asking
from support.seed import fill
from support.served import serving

from .conftest import Site

NAME = "evil.test"
PATIENCE = 120
SLOW = "with recursive n(i) as (select 1 union all select i + 1 from n limit 30000000) select count(*) from n"
# What a page of another site can make a browser send, as JavaScript that resolves when it has an answer or an error.
WAYS = {
    "no-cors fetch": "(url) => fetch(url, {mode: 'no-cors', credentials: 'include'})",
    "cors fetch": "(url) => fetch(url)",
    "image": "(url) => new Promise((done) => { const e = new Image(); e.onload = e.onerror = done; e.src = url; })",
    "script": "(url) => new Promise((done) => { const e = document.createElement('script'); e.onload = e.onerror = done; e.src = url; "
    "document.head.append(e); })",
    "frame": "(url) => new Promise((done) => { const e = document.createElement('iframe'); e.onload = done; e.src = url; "
    "document.body.append(e); })",
    "stylesheet": "(url) => new Promise((done) => { const e = document.createElement('link'); e.rel = 'stylesheet'; "
    "e.onload = e.onerror = done; e.href = url; document.head.append(e); })",
    "prefetch": "(url) => new Promise((done) => { const e = document.createElement('link'); e.rel = 'prefetch'; "
    "e.onload = e.onerror = done; e.href = url; document.head.append(e); })",
    "beacon": "(url) => navigator.sendBeacon(url, 'x')",
}


@pytest.fixture(scope="module")
def other_site() -> Iterator[int]:
    """A server of another site on this machine; its port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<!doctype html><title>evil</title><body></body>"
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def evil_browser(chromium, other_site: int) -> Iterator[object]:
    """A browser for which `evil.test` is this machine."""
    started = chromium(f"--host-resolver-rules=MAP {NAME} 127.0.0.1")
    yield started
    started.close()


class Watch:
    """What servers answer to a page, also where the browser then keeps it from the page."""

    def __init__(self, page) -> None:
        self._page = page
        self._urls: dict[str, str] = {}
        self._statuses: list[tuple[str, int]] = []  # by the request's id: its answer may be told before its URL
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", lambda event: self._urls.update({event["requestId"]: event["request"]["url"]}))
        session.on(
            "Network.responseReceivedExtraInfo",
            lambda event: self._statuses.append((event["requestId"], event["statusCode"])),
        )

    def statuses(self, prefix: str, requests: int) -> list[int]:
        """The statuses of all that was answered below `prefix`, once so many requests were.

        A later request to the page's own site ends the watch: what the browser got before it was told before it.
        """
        self._wait_for(prefix, requests)
        end = f"{self._page.url}end-of-watch"
        self._page.evaluate("(url) => fetch(url)", end)
        self._wait_for(end, 1)
        return self._answered(prefix)

    def _answered(self, prefix: str) -> list[int]:
        return [status for request, status in self._statuses if self._urls.get(request, "").startswith(prefix)]

    def _wait_for(self, prefix: str, requests: int) -> None:
        end = time.monotonic() + PATIENCE
        while len(self._answered(prefix)) < requests:
            assert time.monotonic() < end, (prefix, self._urls, self._statuses)
            self._page.wait_for_timeout(20)


@pytest.fixture
def evil(evil_browser, other_site: int) -> Iterator[object]:
    """A page of the other site; `evil.watch` sees all that it is answered."""
    context = evil_browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.watch = Watch(page)
    page.goto(f"http://{NAME}:{other_site}/")
    yield page
    context.close()


@pytest.mark.parametrize("way", WAYS)
def test_nothing_that_another_sites_page_fetches_is_run(site: Site, evil, way: str) -> None:
    """Neither a query nor the API nor a page, by whatever means, and by either of this machine's names."""
    port = site.url.rsplit(":", 1)[1]
    for host in ("127.0.0.1", "localhost"):
        for path in (f"/perfkit.json?sql={SLOW}", "/api/v1/collectors", "/collectors/1", "/perfkit/host_metrics.json"):
            url = f"http://{host}:{port}{path}"
            evil.evaluate(f"async (url) => {{ try {{ await ({WAYS[way]})(url); }} catch {{ }} }}", url)
        assert evil.watch.statuses(f"http://{host}:{port}/", 4) == [403] * 4


def test_another_port_of_this_machine_is_another_site(site: Site, evil_browser, other_site: int) -> None:
    """What else runs on localhost is not perfkit."""
    context = evil_browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    watch = Watch(page)
    page.goto(f"http://127.0.0.1:{other_site}/")
    page.evaluate("(url) => fetch(url, {mode: 'no-cors'}).catch(() => null)", f"{site.url}/api/v1/collectors")
    assert watch.statuses(f"{site.url}/api/v1/", 1) == [403]
    context.close()


def test_a_name_that_another_site_gives_this_machine_reads_nothing(site: Site, evil) -> None:
    """DNS rebinding: the page's own origin becomes our address."""
    port = site.url.rsplit(":", 1)[1]
    assert evil.goto(f"http://{NAME}:{port}/").status == 421
    assert evil.goto(f"http://{NAME}:{port}/api/v1/collectors").status == 421


def test_a_link_of_another_site_opens_a_page_and_neither_a_query_nor_data(site: Site, evil, other_site: int) -> None:
    """Whoever follows it sees the page, with its charts' data, which the page itself fetches."""

    def follow(path: str) -> int:
        page = evil.context.new_page()
        page.goto(f"http://{NAME}:{other_site}/")
        page.evaluate("(url) => { document.body.innerHTML = `<a>x</a>`; document.querySelector(`a`).href = url; }", site.url + path)
        with page.expect_response(lambda answer: answer.url.startswith(site.url)) as answer:
            page.click("a", force=True, no_wait_after=True)
        status = int(answer.value.status)
        page.close()
        return status

    assert follow("/collectors/1?range=1h") == 200
    assert follow("/") == 200
    for path in (
        "/perfkit?sql=select+1",
        "/perfkit.json?sql=select+1",
        "/perfkit/host_metrics?_where=1",
        "/api/v1/collectors",
        "/-/metadata",
    ):
        assert follow(path) == 403, path


def test_a_form_of_another_site_is_refused(site: Site, evil) -> None:
    with evil.expect_response(lambda answer: answer.url.startswith(site.url)) as answer:
        evil.evaluate(
            "(url) => { const form = document.createElement('form'); Object.assign(form, {method: 'post', action: url});"
            " document.body.append(form); form.submit(); }",
            f"{site.url}/-/logout",
        )
    assert answer.value.status == 403


def test_perfkits_own_pages_and_programs_get_what_they_ask_for(site: Site, evil_browser) -> None:
    """A typed address, the page's scripts and data, a query that is typed, and a program that is no browser."""
    context = evil_browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    statuses: list[int] = []
    context.on("response", lambda answer: statuses.append(answer.status))
    page.goto(f"{site.url}/collectors/1")
    page.wait_for_selector("body[data-drawn]")
    page.goto(f"{site.url}/perfkit?sql=select+1")
    assert set(statuses) <= {200, 304}
    assert any(status == 200 for status in statuses)
    context.close()
    assert asking.get(f"{site.url}/perfkit.json?sql=select+1", timeout=PATIENCE).status_code == 200


SIGNS = [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"origin": "http://evil.test"}, {"origin": "null"}]


@pytest.mark.parametrize("sign", SIGNS, ids=str)
def test_every_route_is_refused_to_another_site(site: Site, sign: dict[str, str]) -> None:
    """Before anything runs; a page also where the browser says that a frame or a script wants it."""
    for path in (*(route.example for route in ROUTES), "/perfkit", "/perfkit.json?sql=select+1", "/perfkit/collectors", "/-/metadata.json"):
        for more in ({}, {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}, {"sec-fetch-mode": "no-cors"}):
            assert asking.get(site.url + path, headers=sign | more, timeout=PATIENCE).status_code == 403, path


def test_the_receiver_answers_no_page_of_another_site(tmp_path: Path, evil) -> None:
    """Neither what needs no key, nor a batch of one who knows a key; and by no other name."""
    fill(tmp_path / "perfkit.db", seconds=10)
    with serving(tmp_path, dashboard=False) as served:
        batch = {"identifier": "evil", "measurements": [{"timestamp": 1_700_000_000, "subsystem": "/proc/stat", "measurement": "cpu 1"}]}
        for way in WAYS.values():
            for path in ("/v1/ping", "/metrics", "/-/healthz"):
                evil.evaluate(f"async (url) => {{ try {{ await ({way})(url); }} catch {{ }} }}", served.url + path)
        post = f"(url) => fetch(url, {{method: 'POST', mode: 'no-cors', body: {json.dumps(json.dumps(batch))}}})"
        evil.evaluate(f"async (url) => {{ try {{ await ({post})(url); }} catch {{ }} }}", served.url + "/v1/trickle")
        assert evil.watch.statuses(served.url, 3 * len(WAYS) + 1) == [403] * (3 * len(WAYS) + 1)
        assert evil.goto(f"http://{NAME}:{served.port}/metrics").status == 421
        for sign in SIGNS:
            headers = {"apikey": served.key, **sign}
            assert asking.post(served.url + "/v1/trickle", json=batch, headers=headers).status_code == 403
        assert not list((served.data / "collections").iterdir())
        assert asking.post(served.url + "/v1/trickle", json=batch, headers={"apikey": served.key}).status_code == 200


def test_the_seeded_database_was_not_touched(site: Site) -> None:
    assert sqlite3.connect(site.database).execute("SELECT count(*) FROM collectors").fetchone() == (2,)
