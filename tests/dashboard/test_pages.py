"""Every page in a real browser: what it shows, what hostile names do to it, and whether everyone can use it."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perfkit.store import open_database, runs
from support import asking
from support.seed import START, fill

from .conftest import follow, hindrances

PAGES = {
    "collectors": "/",
    "overview": "/collectors/1",
    "host": "/collectors/1/host",
    "tables": "/collectors/1/tables?q=read",
    "containers": "/collectors/1/containers",
    "container": "/collectors/1/containers/4f5d3c2b1a09",
    "process": "/collectors/1/processes/nginx",
    "compare": "/compare?c=1&c=2",
    "phases": "/compare?c=1:load&c=2:load&align=clock",
}
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
PAPER = """async () => {
    const { chart } = (await window.perfkit).panels[0];
    return {
        ink: getComputedStyle(document.body).color,
        user: chart.series.find((s) => s.label === "User").stroke(chart),
        chart: chart.width,
        buttons: [...document.querySelectorAll(".controls button")].filter((b) => b.checkVisibility()).length,
    };
}"""
WINDOW = "async () => { const scale = (await window.perfkit).panels[0].chart.scales.x; return [scale.min, scale.max]; }"


def live(seconds: int) -> int:
    """The start of so many seconds of data that are live for as long as a busy machine takes: its clock is ten minutes ahead."""
    return int(time.time()) + 600 - seconds


def drawn(name: str) -> bool:
    """Whether the page has charts to wait for."""
    return name != "collectors"


PLACES = ["Collectors", "Runs", "Fleet", "Database"]


def leads_everywhere(page) -> bool:
    """Whether the head has links to collectors, runs, the fleet and the database."""
    links = page.locator(".bar .places a")
    there = [link.get_attribute("href").split("?")[0] for link in links.all()]
    return (links.all_inner_texts(), there) == (PLACES, ["/", "/runs", "/fleet", "/perfkit"])


def fits(page) -> bool:
    """Whether nothing sticks out sideways; wide tables scroll inside their panel."""
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible_fit_their_width_and_lead_to_every_place(site, open_page, name):
    """axe finds nothing serious or worse on any page: names, roles, order, contrast; of a machine there are tabs to all of its pages."""
    page = open_page(site.url + PAGES[name], drawn=drawn(name))
    if drawn(name):
        page.wait_for_selector("body[data-stats]")
        tabs = page.locator(".bar .tabs a:visible")
        assert tabs.all_inner_texts() == ["Overview", "Host", "Tables", "Containers", "Compare"]
    assert leads_everywhere(page)
    assert fits(page)
    assert hindrances(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_dark_pages_fit_a_phone_and_have_contrast(site, open_page, name):
    """In the dark colours alone differ: axe looks at them on the whole page."""
    page = open_page(site.url + PAGES[name], drawn=drawn(name), color_scheme="dark", viewport={"width": 400, "height": 800})
    if drawn(name):
        page.wait_for_selector("body[data-stats]")
    assert page.evaluate("innerWidth") == 400
    assert fits(page)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.wait_for_function("innerWidth === 1280")
    assert hindrances(page, runOnly=["color-contrast"]) == []


def test_other_pages_lead_to_every_place(site, open_page):
    """Those of Datasette, and of what is not there."""
    page = open_page(f"{site.url}/perfkit/host_metrics", drawn=False)
    assert leads_everywhere(page)
    for path in ("/perfkit?sql=select+1", "/perfkit"):
        page.goto(site.url + path)
        assert leads_everywhere(page), path
    assert open_page.problems == []
    page.goto(f"{site.url}/collectors/99")
    assert leads_everywhere(page)
    open_page.problems.clear()  # the browser logs the 404


def test_pages_without_data_are_accessible(tmp_path, serve, open_page):
    """The same of a first visit, a comparison of nothing, and the login."""
    empty, closed = serve(tmp_path / "perfkit.db"), serve(tmp_path / "other.db", login=True)
    for url in (empty.url, f"{empty.url}/compare", f"{closed.url}/-/login?used=1"):
        page = open_page(url, drawn=False, color_scheme="light")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(f"matchMedia('(prefers-color-scheme: {scheme})').matches")
            assert hindrances(page) == [], (url, scheme)


@pytest.fixture
def pair(filled) -> Path:
    """Two machines of a minute, vm-a and vm-b, in a database that the test may change."""

    def fill_two(database: Path) -> None:
        fill(database, seconds=60)
        fill(database, "vm-b", seconds=60)

    return filled("pair", fill_two)


def test_an_empty_database_shows_the_three_commands(tmp_path, serve, open_page):
    """A first visit says how to get data, and the page shows the first collector without a reload by hand."""
    database = tmp_path / "perfkit.db"
    page = open_page(serve(database).url, drawn=False)
    text = page.inner_text("main")
    assert all(f"perfkit {command}" in text for command in ("collect", "process", "import"))
    fill(database, seconds=60)
    page.wait_for_selector("#rows a:has-text('vm-a')")


def test_hostile_names_are_text(pair, serve, open_page):
    """Machine, site, container, mark and device names with markup are shown as they are, on every page, and run nothing."""
    con = sqlite3.connect(pair)
    con.execute("UPDATE marks SET label = ?", (HOSTILE,))
    for table, column in (("container_metrics", "container_name"), ("disk_metrics", "device"), ("network_metrics", "interface")):
        con.execute(f"UPDATE {table} SET {column} = ? WHERE {column} IN ('shop-db', 'sda', 'eth0')", (HOSTILE,))
    con.execute("UPDATE collectors SET cpu_model = ?, operating_system = ?, kernel = ?", (HOSTILE,) * 3)
    con.execute("UPDATE collectors SET machinename = ?, sitename = ? WHERE id = 1", (HOSTILE,) * 2)
    con.execute("DELETE FROM percentiles")
    con.commit()
    con.close()
    site = serve(pair)
    page = open_page(site.url, drawn=False)
    for name, path in PAGES.items():
        page.goto(site.url + path)
        if drawn(name):
            page.wait_for_selector("body[data-stats]")
        assert "<img src=x" in page.inner_text("body"), name
        assert page.query_selector("img") is None, name
        assert page.title() != "owned"


def test_names_of_any_length_fit(pair, serve, open_page):
    """A machine name of 200 letters makes no page wider than its window, and is whole in the page's title."""
    name = "W" * 200
    con = sqlite3.connect(pair)
    con.execute("UPDATE collectors SET machinename = ?, sitename = ? WHERE id = 1", (name, "site " * 30))
    con.commit()
    con.close()
    site = serve(pair)
    page = open_page(site.url, drawn=False)
    assert fits(page)
    for path in ("/compare?c=1&c=2", "/collectors/1"):
        page.goto(site.url + path)
        page.wait_for_selector("body[data-drawn]")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, path
    assert name in page.title()


def test_a_page_asks_for_its_charts_once(site, open_page):
    """What the page's head has the browser fetch early is what its script takes: nothing is fetched twice."""
    page = open_page(f"{site.url}/collectors/1?range=6h")
    for path in (None, "/collectors/2/host?utc=1", "/compare?c=1&c=2", "/collectors/1/tables", "/collectors/1?phase=load"):
        if path:
            page.goto(site.url + path)
            page.wait_for_selector("body[data-drawn]")
        asked = page.evaluate(
            "performance.getEntriesByType('resource').map((r) => r.name).filter((n) => n.includes('/series?') && !n.includes('since='))"
        )
        assert len(asked) == len(set(asked)) == (2 if path and "compare" in path else 1), path


def test_paper_is_light_and_says_what_it_shows(site, open_page):
    """Printed from a dark page, charts are light and as wide as the sheet; no button is there, but address, range and zone."""
    page = open_page(f"{site.url}/collectors/1?range=1h", color_scheme="dark", timezone_id="Europe/Berlin")
    before = page.evaluate(PAPER)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    paper = page.evaluate(PAPER)
    assert before["ink"] == "rgb(230, 233, 238)"
    assert paper["ink"] == "rgb(27, 31, 36)"
    assert paper["user"] == "rgb(61, 104, 202)"
    assert paper["chart"] < 956 / 2 < before["chart"]
    assert paper["buttons"] == 0
    text = page.inner_text("#printed")
    assert page.url in text
    assert "1 Jan 2026 01:00:00" in text
    assert "times in Europe/Berlin" in text
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(PAPER) == before


def test_no_chart_is_cut_in_two_on_paper(site, open_page):
    """The overview is two sheets at most; the host page as many as it needs."""
    page = open_page(site.url, drawn=False)
    for path, least, most in (("/collectors/1", 1, 2), ("/collectors/1/host", 3, 12)):
        page.goto(site.url + path)
        page.wait_for_selector("body[data-stats]")
        assert least <= page.pdf(format="A4").count(b"/Type /Page\n") <= most, path
    inside = "(all) => all.map((one) => getComputedStyle(one).breakInside)"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert set(page.locator(".panel:has(.uplot)").evaluate_all(inside)) == {"avoid"}


def test_a_menu_closes_by_itself(site, open_page):
    """A click elsewhere and Escape close a panel's menu."""
    page = open_page(f"{site.url}/collectors/2")
    for close in (lambda: page.click("h1"), lambda: page.keyboard.press("Escape")):
        page.click("#panel-cpu .menu summary")
        assert page.locator("#panel-cpu .menu a").first.is_visible()
        close()
        assert not page.locator("#panel-cpu .menu a").first.is_visible()


def test_zoom_and_back(site, open_page):
    """A drag over one chart zooms all and stands in the URL; the link shows the same to another; a double click returns."""
    page = open_page(f"{site.url}/collectors/2")
    whole = page.evaluate(WINDOW)
    over = page.locator("#panel-disk .u-over").bounding_box()
    page.mouse.move(over["x"] + over["width"] * 0.25, over["y"] + 40)
    page.mouse.down()
    page.mouse.move(over["x"] + over["width"] * 0.5, over["y"] + 50, steps=5)
    page.mouse.up()
    page.wait_for_selector("body[data-drawn='2']")
    zoomed = page.evaluate(WINDOW)
    length = whole[1] - whole[0]
    assert zoomed == pytest.approx([whole[0] + length * 0.25, whole[0] + length * 0.5], abs=length * 0.01)
    assert set(page.evaluate("async () => (await window.perfkit).panels.map((p) => p.chart.scales.x.min)")) == {zoomed[0]}
    assert open_page(page.url).evaluate(WINDOW) == zoomed
    page.locator("#panel-disk .u-over").dblclick()
    page.wait_for_selector("body[data-drawn='3']")
    assert page.evaluate(WINDOW) == whole
    page.go_back()
    page.wait_for_selector("body[data-drawn='4']")
    assert page.evaluate(WINDOW) == zoomed


def test_the_keyboard_does_what_the_mouse_does(site, open_page):
    """Ranges by number, the window by arrows, zoom by + and -, and a list of it all."""
    page = open_page(f"{site.url}/collectors/2")
    whole = page.evaluate(WINDOW)
    page.keyboard.press("+")
    page.wait_for_selector("body[data-drawn='2']")
    closer = page.evaluate(WINDOW)
    assert closer[1] - closer[0] == pytest.approx((whole[1] - whole[0]) / 2, rel=0.01)
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("body[data-drawn='3']")
    assert page.evaluate(WINDOW)[0] < closer[0]
    page.keyboard.press("2")
    page.wait_for_selector("body[data-drawn='4']")
    page.wait_for_url(lambda url: "range=1h" in url)
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()


def test_a_hidden_series_stays_hidden_in_the_link(site, open_page):
    """A click in the legend hides a series, here and for whoever opens the URL."""
    page = open_page(f"{site.url}/collectors/2")
    page.click("#panel-network .legend button:has-text('Sent')")
    page.wait_for_url(lambda url: "hide=network.net_tx_bytes" in url)
    other = open_page(page.url)
    assert other.get_attribute("#panel-network .legend button:has-text('Sent')", "aria-pressed") == "false"
    assert other.evaluate("async () => (await window.perfkit).panels[3].chart.series.map((s) => s.label)").count("Sent") == 0


def test_one_cursor_reads_out_every_chart(site, open_page):
    """With the mouse on one chart the legends of all show that instant's values, and a flag under each plot the time."""
    page = open_page(f"{site.url}/collectors/2?from=2026-01-01T00:05:00Z&to=2026-01-01T00:06:00Z")
    over = page.locator("#panel-cpu .u-over").bounding_box()
    page.mouse.move(over["x"] + over["width"] / 2, over["y"] + 60)
    page.wait_for_selector("#panel-cpu .tip:visible")
    index = page.evaluate("async () => (await window.perfkit).panels[0].chart.cursor.idx")
    assert set(page.evaluate("async () => (await window.perfkit).panels.map((p) => p.chart.cursor.idx)")) == {index}
    shown = page.inner_text("#panel-cpu .tip")
    assert "00:05:3" in shown
    value = page.evaluate(f"async () => (await window.perfkit).panels[3].shown.series[0].avg[{index}]")
    head, first, *_ = page.locator("#panel-network .legend li").all_inner_texts()
    assert head == "MiB/s: at 00:05:30"
    assert float(first.split()[1]) == pytest.approx(value / 1024**2, rel=0.01)


def test_no_data_in_a_range_says_where_there_is_some(site, open_page):
    """An empty window names what ALL would show."""
    page = open_page(f"{site.url}/collectors/2?from=2027-01-01T00:00:00Z&to=2027-01-01T01:00:00Z")
    assert "No data in this range: ALL shows 1 Jan 2026 00:00:00" in page.inner_text("#problem")
    page.wait_for_selector("#findings li")
    assert "✓" not in page.inner_text("main"), "nothing is fine where nothing was recorded"
    assert page.locator(".nothing").all_inner_texts() == ["No data of this kind in this range."] * 4
    assert "not recorded in this range" in page.inner_text("#quiet")


def test_new_samples_appear_without_fetching_the_range_again(tmp_path, serve, open_page):
    """A sample comes onto the chart by itself, and the requests that bring it ask for what is newer than the newest bucket."""
    database = tmp_path / "perfkit.db"
    fill(database, seconds=120, start=live(120))
    page = open_page(f"{serve(database).url}/collectors/1")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/series" in request.url else None)
    assert "LIVE" in page.inner_text("#live")
    newest = page.evaluate("async () => (await window.perfkit).answer.data.to")
    con = open_database(database)
    con.execute("INSERT INTO host_metrics (collector_id, timestamp, cpu_busy, net_rx_bytes) VALUES (1, ?, 58, 123456)", (newest + 1000,))
    con.execute("UPDATE collectors SET last_timestamp = ?, samples = samples + 1", (newest + 1000,))
    con.close()
    page.wait_for_selector("body[data-extended]")
    times = page.evaluate("async () => Array.from((await window.perfkit).panels[3].chart.data[0])")
    values = page.evaluate("async () => Array.from((await window.perfkit).panels[3].chart.data[1])")
    assert times[-1] == newest + 1000
    assert values[-1] == 123456
    assert len(times) > 100, "the older samples stay"
    assert requests
    assert all("since=" in url for url in requests), "only what is new is asked for"
    asked = [newest, newest + 1000]
    with page.expect_response(lambda answer: f"since={asked[1]}" in answer.url) as quiet:
        pass
    assert quiet.value.status == 304, "and nothing is sent while nothing is new"
    assert quiet.value.headers.get("content-length", "0") == "0"
    more = page.request.get(next(url for url in requests if f"since={asked[0]}" in url)).json()
    assert more["tables"]["host"]["t"] == asked, "the newest sample again, whose bucket may have been half full, and the new one"


def test_tables_sort_filter_and_mark(site, open_page):
    """Rows sort by a click, filter by words, and figures beyond a threshold that the user sets are marked in sign and colour."""
    page = open_page(f"{site.url}/collectors/2/tables?q=disk+read&limits=host.disk_read_bytes>1")
    page.wait_for_selector("#table-host")
    first = page.locator("#table-host tbody tr").first
    assert "Disk read" in first.inner_text()
    assert first.locator("td.broken").count() >= 5
    assert first.locator("td.broken").first.inner_text().startswith("!")
    page.click("#table-host thead button:has-text('P95')")
    page.wait_for_url(lambda url: "sort=p95" in url)
    assert page.get_attribute("#table-host thead th[aria-sort]", "aria-sort") == "descending"


@pytest.mark.parametrize(
    ("kind", "start"), [("csv", "metric,device,unit,samples"), ("markdown", "| metric | device | unit |"), ("json", "[\n {")]
)
def test_tables_are_copied(site, open_page, kind, start):
    """The rows shown go to the clipboard in the form asked for."""
    page = open_page(f"{site.url}/collectors/2/tables?q=await", permissions=["clipboard-read", "clipboard-write"])
    page.wait_for_selector("#table-disk")
    page.click(f"[data-copy='{kind}']")
    page.wait_for_selector(f"[data-copy='{kind}']:has-text('copied')")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith(start)
    assert text.count("disk.await_ms") == 3


def test_host_picker_chooses_devices(site, open_page):
    """Another disk's charts come with a click, and are in the URL."""
    page = open_page(f"{site.url}/collectors/1/host?disks=sdb")
    assert page.locator("[id='panel-util.sdb'] canvas").count() == 1
    assert page.locator("[id='panel-util.sda']").count() == 0
    page.check("#section-disks .picker input[value='sda']")
    page.wait_for_selector("[id='panel-util.sda'] canvas")
    page.wait_for_url(lambda url: "disks=sda" in url)
    page.wait_for_url(lambda url: "disks=sdb" in url)


def test_the_heatmap_has_a_row_a_core(site, open_page):
    """Four cores, each cell that core's busy share."""
    page = open_page(f"{site.url}/collectors/2/host")
    cells = page.evaluate("async () => (await window.perfkit).panels[0].cells.map((row) => row.slice(0, 50))")
    con = sqlite3.connect(site.database)
    for core, row in enumerate(cells):
        busy = con.execute(
            "SELECT busy FROM cpu_metrics WHERE collector_id = 2 AND cpu = ? ORDER BY timestamp LIMIT 50", (str(core),)
        ).fetchall()
        assert row == pytest.approx([value for (value,) in busy], abs=0.01)


def test_a_comparison_aligns_by_start(site, open_page):
    """Both begin at 0; by the clock they stand where they were."""
    page = open_page(f"{site.url}/compare?c=1&c=1:load")
    times, *_, whole, phase = page.evaluate("async () => (await window.perfkit).panels[0].chart.data.map((d) => Array.from(d))")
    assert times[0] == 0
    assert whole[0] is not None
    assert phase[0] is not None
    assert phase[-1] is None, "the phase is shorter"
    page.wait_for_selector("#difference td:has-text('%')")
    page.goto(f"{site.url}/compare?c=1&c=1:load&align=clock")
    page.wait_for_selector("body[data-drawn]")
    clock = page
    assert clock.evaluate("async () => (await window.perfkit).panels[0].chart.data[0][0]") == 1767225600000
    assert clock.locator("#clocks").is_hidden(), "one machine has one clock"
    clock.goto(f"{site.url}/compare?c=1&c=2&align=clock")
    clock.wait_for_selector("body[data-drawn]")
    sentence = clock.locator("#clocks").inner_text()
    told = re.fullmatch(r"The clock of (\S+) is (\S+) ms ahead of that of (\S+), give or take (\S+) ms: by the receiver .*", sentence)
    assert told, sentence
    newest = """SELECT machinename, receiver_ahead_ms, receiver_within_ms, max(timestamp)
        FROM limit_metrics JOIN collectors ON id = collector_id GROUP BY id"""
    known = {name: (ahead, within) for name, ahead, within, _ in sqlite3.connect(site.database).execute(newest)}
    assert float(told[2]) == pytest.approx(known[told[3]][0] - known[told[1]][0], rel=0.01), "who is ahead has less to be ahead of"
    assert float(told[4]) == pytest.approx(known[told[3]][1] + known[told[1]][1], rel=0.01)

    def as_if_recorded(route) -> None:
        """The page, where the machines did not stream."""
        answer = route.fetch()
        route.fulfill(response=answer, body=re.sub(r"(ahead(&#34;|&quot;): ?)[^,}]+", r"\1null", answer.text()))

    clock.route(lambda url: "/compare?" in url, as_if_recorded)
    clock.reload()
    assert clock.locator("#clocks").inner_text().startswith("These clocks may be up to ")


def test_charts_lead_to_their_rows_and_query(site, open_page):
    """The menu's links open Datasette's table and SQL pages with this chart's rows."""
    page = open_page(f"{site.url}/collectors/2?from=2026-01-01T00:05:00Z&to=2026-01-01T00:06:00Z")
    links = page.locator("#panel-cpu .menu a").evaluate_all("(all) => all.map((a) => a.href)")
    page.goto(links[0])
    assert "61 rows" in page.inner_text("body")
    page.goto(links[1])
    assert page.locator("table.rows-and-columns tbody tr").count() == 61
    assert page.locator(".CodeMirror").count() == 1, "Datasette's editor runs under the policy"


def test_links_behind_a_proxy_keep_its_path(tmp_path, serve, open_page):
    """The head's links and the files of a page start with the path under which a proxy serves us."""
    fill(tmp_path / "perfkit.db", seconds=60)
    site = serve(tmp_path / "perfkit.db", root_path="/perf")
    page = open_page(f"{site.url}/perf/collectors/1?utc=1")
    hrefs = [link.get_attribute("href") for link in page.locator(".bar a").all()]
    assert all(href.startswith("/perf/") for href in hrefs), hrefs
    page.goto(f"{site.url}/perf/perfkit/host_metrics")
    assert [link.get_attribute("href") for link in page.locator(".bar .places a").all()] == [
        f"/perf/{one}" for one in ("", "runs", "fleet", "perfkit")
    ]


def test_utc_goes_along(site, open_page):
    """Chosen on one page, it is in the links of all others, and ranges say in which zone they are."""
    page = open_page(site.url, drawn=False, timezone_id="Europe/Berlin")
    assert "UTC+1" in page.inner_text("#rows")
    page.click("#utc")
    page.wait_for_url(lambda url: "utc=1" in url)
    assert "01:24 UTC+1" not in page.inner_text("#rows")
    assert "00:24 UTC" in page.inner_text("#rows")
    follow(page, "#open-1")
    assert page.inner_text("#stretch") == "1 Jan 2026 00:00:00 – 00:24:59 UTC (24 m 59 s)"
    for tab in ("Host", "Tables", "Containers", "Compare", "Overview"):
        follow(page, f".tabs a:has-text('{tab}')")
        page.wait_for_url(lambda url: "utc=1" in url)
        assert page.get_attribute("#utc", "aria-pressed") == "true", tab
    page.click("#utc")
    page.wait_for_selector("#stretch:has-text('UTC+1')")
    page.click(".places a:has-text('Collectors')")
    page.wait_for_selector("#rows a")
    page.wait_for_url(lambda url: "utc" not in url)


@pytest.mark.parametrize(("zone", "words"), [("Asia/Tehran", "UTC+3:30"), ("America/St_Johns", "UTC−3:30"), ("UTC", "UTC")])
def test_a_range_names_its_zone(site, open_page, zone, words):
    """By its offset then, and by its name on a hover."""
    page = open_page(f"{site.url}/collectors/1", timezone_id=zone)
    assert f" {words} (24 m 59 s)" in page.inner_text("#stretch")
    assert zone in page.get_attribute("#stretch", "title")


def test_tabs_keep_the_window(site, open_page):
    """A phase goes along to every page of the machine, to the comparison as what is compared."""
    page = open_page(f"{site.url}/collectors/1?phase=load&q=read&hide=cpu.cpu_user")
    hrefs = dict(page.locator(".tabs a").evaluate_all("(all) => all.map((a) => [a.textContent, a.getAttribute('href')])"))
    assert hrefs["Host"] == "/collectors/1/host?phase=load"
    assert hrefs["Compare"] == "/compare?c=1:load"
    follow(page, ".tabs a:has-text('Compare')")
    assert page.locator("#chosen tbody th").all_inner_texts() == ["vm-a · load"]
    assert page.locator(".tabs a:has-text('Overview')").get_attribute("href") == "/collectors/1?run=1"


@pytest.mark.parametrize("system", ["light", "dark"])
def test_colours_are_switched_and_stay(site, open_page, system):
    """Against the system's, on every page of ours and of Datasette's, before it is painted; once more and the system's are back."""
    light, dark = "rgb(255, 255, 255)", "rgb(15, 18, 22)"
    own, other = (light, dark) if system == "light" else (dark, light)
    ground = """() => [document.documentElement, document.body].map((one) => getComputedStyle(one).backgroundColor)
        .find((colour) => colour !== 'rgba(0, 0, 0, 0)')"""
    stroke = "async () => { const { chart } = (await window.perfkit).panels[2]; return chart.series.at(-1).stroke(chart); }"
    page = open_page(f"{site.url}/collectors/2", color_scheme=system)
    assert page.evaluate(ground) == own
    before = page.evaluate(stroke)
    page.click("#scheme")
    assert page.evaluate(ground) == other
    assert page.evaluate(stroke) != before, "the charts too"
    for path in ("/collectors/2/tables", "/", "/perfkit/host_metrics", "/collectors/99"):
        page.goto(site.url + path)
        assert page.evaluate(ground) == other, path
    page.goto(f"{site.url}/collectors/2")
    page.wait_for_selector("body[data-drawn]")
    page.click("#scheme")
    assert page.evaluate(ground) == own
    assert page.evaluate("localStorage.length") == 0
    open_page.problems.clear()  # the browser logs the 404


def test_boxes_that_load_say_so(site, open_page):
    """An empty box reads as "none": until the answer is there it says that it loads, of a new window too; a failure says that it is one."""
    page = open_page(f"{site.url}/collectors/1")
    page.wait_for_selector("#findings b")
    held = []

    def hold(route):
        held.append(route)

    page.route("**/percentiles?*", hold)
    page.click("[data-range='1h']")
    page.wait_for_selector("body[data-drawn='2']")
    assert page.inner_text("#findings") == "Loading…"
    assert page.inner_text("#tile-cpu tr.now td") == "…"
    assert "…" in page.inner_text("#panel-disk .legend")
    page.route("**/findings?*", lambda route: route.fulfill(status=400, json={"error": "the server is tired."}))
    held[0].continue_()
    page.wait_for_selector("#findings .bad")
    assert page.inner_text("#findings") == "The findings could not be read: the server is tired."
    open_page.problems.clear()  # the browser logs the 400


def test_before_a_script_has_run_a_box_says_that_it_loads(site):
    """The server's own HTML has no empty box."""
    text = asking.get(f"{site.url}/collectors/1").text
    for name in ("findings", "phases", "quality"):
        assert f'id="{name}"><li class="muted">Loading…</li>' in text


def test_all_is_never_told_to_show_all(tmp_path, serve, open_page):
    """A machine without a sample, and a page of which nothing was recorded, each say what is so."""
    database = tmp_path / "perfkit.db"
    fill(database, seconds=60)
    con = sqlite3.connect(database)
    con.execute("INSERT INTO collectors (machinename, sitename) VALUES ('new', 'default')")
    con.execute("DELETE FROM host_metrics")
    con.execute("DELETE FROM container_metrics")
    con.commit()
    con.close()
    site = serve(database)
    page = open_page(f"{site.url}/collectors/2")
    assert page.inner_text("#problem") == "This machine has sent no sample yet; the page shows them as they come."
    page.goto(f"{site.url}/collectors/1/containers?range=all")
    page.wait_for_selector("body[data-drawn]")
    assert page.inner_text("#problem") == "Nothing of what this page shows was recorded on this machine."
    page.goto(f"{site.url}/collectors/1/containers?range=1h")
    page.wait_for_selector("body[data-drawn]")
    assert "ALL shows" in page.inner_text("#problem")


def test_a_comparison_of_nothing_says_what_to_do(site, tmp_path, serve, open_page):
    """What is chosen where, with some that are likely meant; without data where to begin."""
    page = open_page(f"{site.url}/compare", drawn=False)
    assert "Choose 2 to 6 machines, runs or phases in the list above" in page.inner_text("#difference")
    assert not page.locator("#panels").is_visible()
    page.click("#difference .suggested a")
    page.wait_for_selector("body[data-stats]")
    assert page.locator("#chosen tbody th").count() == 2
    empty = open_page(f"{serve(tmp_path / 'perfkit.db').url}/compare", drawn=False)
    assert "There is no machine with data yet." in empty.inner_text("#difference")


def test_what_the_empty_database_names_is_there(tmp_path, serve, open_page):
    """Every command and option of it is one, and no key stands on a command line."""
    page = open_page(serve(tmp_path / "perfkit.db").url, drawn=False)
    commands = [text.split() for text in page.locator("main code").all_inner_texts() if text.startswith("perfkit ")]
    assert len(commands) >= 5
    for _, name, *rest in commands:
        words = [*([name, rest[0]] if name == "keys" else [name]), "--help"]
        run = subprocess.run(
            [sys.executable, "-m", "perfkit", *words], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": "src"}
        )
        assert all(option in run.stdout for option in rest if option.startswith("--")), (name, rest)
    assert "--apikey " not in page.inner_text("main")
    assert "--apikey-file" in page.inner_text("main")


def test_tiles_of_a_finished_run_say_average_and_peak(site, open_page):
    """With the peak's time, which leads to the minutes around it; nothing is called now."""
    page = open_page(f"{site.url}/collectors/2")
    page.wait_for_selector("body[data-stats]")
    assert page.locator("#tile-disk tbody th").all_inner_texts() == ["avg", "P95", "peak", "at"]
    con = sqlite3.connect(site.database)
    at, most = con.execute("SELECT timestamp, max(disk_read_bytes) FROM host_metrics WHERE collector_id = 2").fetchone()
    assert float(page.inner_text("#tile-disk tbody tr:nth-child(3) td").split()[0]) == pytest.approx(most / 1024**2, rel=0.01)
    link = page.locator("#tile-disk tbody tr:nth-child(4) a").first
    shown = page.evaluate("async () => { const { t } = (await window.perfkit).answer.tables.host; return t[1] - t[0]; }")
    start = int(link.get_attribute("href").split("from=")[1].split("&")[0]) + 120_000
    assert 0 <= at - start < shown, "to the width of a point"
    assert page.locator("#tile-cpu tbody th").all_inner_texts() == ["avg", "P95", "peak"]
    assert " at 00:" in page.inner_text("#tile-cpu tbody tr:nth-child(3)")


def test_a_span_of_less_than_two_minutes_has_its_largest_value_and_no_worst_minute(site, open_page):
    start = 1000 * START + 200_000
    page = open_page(site.url, drawn=False)
    for seconds, minutes in ((119, 0), (121, 1)):
        page.goto(f"{site.url}/collectors/2?from={start}&to={start + 1000 * seconds}")
        page.wait_for_selector("body[data-stats]")
        assert page.locator("#tile-cpu .worst a").count() == minutes
        con = sqlite3.connect(site.database)
        within = "SELECT max(cpu_busy) FROM host_metrics WHERE collector_id = 2 AND timestamp BETWEEN ? AND ?"
        [(most,)] = con.execute(within, (start, start + 1000 * seconds)).fetchall()
        assert float(page.inner_text("#tile-cpu tbody tr:nth-child(3) td").split()[0]) == pytest.approx(most, abs=0.1)


def test_tiles_of_a_live_machine_say_now(tmp_path, serve, open_page):
    """The newest sample while samples come, and the legends with it; of a run that has not ended, where to read what limits it."""
    fill(tmp_path / "perfkit.db", seconds=120, start=live(120))
    con = sqlite3.connect(tmp_path / "perfkit.db")
    for table in ("marks", "findings", "judged"):
        con.execute(f"DELETE FROM {table}")
    con.execute("INSERT INTO marks (collector_id, timestamp, kind, label) VALUES (1, ?, 'start', 'load')", (1000 * int(time.time() - 90),))
    runs.refresh(con, 1)
    con.commit()
    con.close()
    page = open_page(f"{serve(tmp_path / 'perfkit.db').url}/collectors/1")
    page.wait_for_selector("body[data-stats]")
    assert page.locator("#tile-disk tbody th").all_inner_texts() == ["now", "avg", "P95"]
    assert page.inner_text("#verdict").startswith("Newest run, load run 2: still recording.")
    assert page.locator("#verdict a").get_attribute("href").endswith("/runs/1@2")
    assert page.locator("#panel-disk .legend .head").inner_text() == "MiB/s: now · avg · P95 · max"


def test_the_list_says_now_of_what_is_live_alone(tmp_path, serve, open_page):
    """A machine whose test ended says its newest run, the verdict and the peak of it, and no last value as if it were now."""
    database = tmp_path / "perfkit.db"
    fill(database, "old", seconds=600)
    fill(database, "new", seconds=120, start=live(120))
    page = open_page(serve(database).url, drawn=False)
    page.wait_for_selector("#rows td[data-head='Newest run'] a")
    told = "(all) => Object.fromEntries(all.map((cell) => [cell.dataset.head, cell.textContent]))"
    new, old = (page.locator(f"#rows tr:has(th a:text-is('{name}')) td[data-head]").evaluate_all(told) for name in ("new", "old"))
    present = ("CPU", "Memory", "Disk", "Network")
    assert [new[name].split()[0] for name in present] == ["now"] * 4
    assert [old[name].split()[0] for name in present] == ["peak", "peak", "avg", "avg"]
    fits = "document.querySelector('.list').getBoundingClientRect().right <= document.querySelector('.cards').getBoundingClientRect().right"
    assert page.evaluate(fits)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(fits), "on paper too, where nothing can be scrolled"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    query = "SELECT max(cpu_busy) FROM host_metrics WHERE collector_id = 1 AND timestamp BETWEEN ? AND ?"
    (most,) = sqlite3.connect(database).execute(query, ((START + 200) * 1000, (START + 400) * 1000)).fetchone()
    assert old["CPU"] == f"peak {most:.1f} %"
    assert (old["Newest run"], old["Verdict"]) == ("load run 1", "CPU-bound")
    assert page.locator("#rows td[data-head='Verdict']").last.get_attribute("title").startswith("CPU-bound: ")
    page.click("#rows a:text-is('load') >> nth=-1")
    page.wait_for_url("**/runs/1@1")


def test_heads_are_on_every_sheet_with_their_words(site, open_page, tmp_path):
    """A head that is repeated on paper has words of its own: the buttons in it are on the first sheet alone."""
    page = open_page(f"{site.url}/collectors/1/tables")
    page.wait_for_selector("body[data-stats]")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    heads = page.locator("#table-disk thead th")
    assert [" ".join(words.split()) for words in heads.all_inner_texts()] == [
        *("Metric", "Device", "n", "min", "avg", "max", "stddev", "P50", "P90", "P95", "P99")
    ]
    assert page.locator("#table-disk thead button:visible").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext (poppler-utils) is not installed: what stands on paper was not read")
    page.pdf(path=tmp_path / "tables.pdf", format="A4")
    text = subprocess.run(["pdftotext", "-layout", tmp_path / "tables.pdf", "-"], capture_output=True, text=True, check=True).stdout
    sheets = text.rstrip("\f\n").split("\f")
    assert len(sheets) > 2
    assert all("P99" in sheet and "stddev" in sheet for sheet in sheets)


def test_legends_are_whole_on_paper(site, open_page):
    """Every series' name and figures, cut off nowhere."""
    page = open_page(f"{site.url}/collectors/1/host")
    page.wait_for_selector("body[data-stats]")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    cut = "one.checkVisibility() && one.scrollWidth > one.clientWidth + 1"
    page.wait_for_function(f"![...document.querySelectorAll('.legend li, .legend button')].some((one) => {cut})")
    assert set(page.locator(".panel:has(.uplot)").evaluate_all("(all) => all.map((one) => getComputedStyle(one).breakInside)")) == {"avoid"}
