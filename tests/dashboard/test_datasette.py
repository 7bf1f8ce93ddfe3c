"""Datasette's own pages in our dress: instants as text, numbers rounded, long texts folded, colours that can be read."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from html import unescape

import httpx
import pytest

from perfkit import catalog
from perfkit.dashboard.dress import _rounded, _text
from support import asking
from support.seed import fill

from .conftest import hindrances

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


def test_instants_stand_beside_their_milliseconds(site, open_page):
    """In tables, in rows and in what a query gives, min() and max() of them too; a number of bytes as large is none."""
    page = open_page(f"{site.url}/perfkit/host_metrics?collector_id=1", drawn=False)
    assert page.locator("td.col-timestamp").first.inner_text() == "1767225600000 2026-01-01 00:00:00 UTC"
    sql = "select max(timestamp), 1767225600001 as from_timestamp, 1767225600001 as size_bytes from host_metrics where collector_id = 1"
    page = open_page(f"{site.url}/perfkit?{httpx.QueryParams(sql=sql)}", drawn=False)
    assert page.locator("tbody td").all_inner_texts() == [
        "1767227099000 2026-01-01 00:24:59 UTC",
        "1767225600001 2026-01-01 00:00:00.001 UTC",
        "1767225600001",
    ]


def test_instants_are_in_the_zone_that_the_switch_says(site, open_page):
    """The reader's own, or UTC, which stays in the address and goes along to every other page, by links, forms and back."""
    page = open_page(f"{site.url}/perfkit/quality_events?_sort=collector_id", drawn=False, timezone_id="Europe/Berlin")
    cell = page.locator("td.col-from_timestamp").first
    milliseconds = cell.inner_text().split()[0]
    assert cell.inner_text() == f"{milliseconds} 2026-01-01 01:09:59 UTC+1"
    assert cell.locator("time").get_attribute("title") == "2026-01-01 00:09:59 UTC"
    page.keyboard.press("u")
    page.wait_for_url(lambda url: "_utc=1" in url)
    assert cell.inner_text() == f"{milliseconds} 2026-01-01 00:09:59 UTC"
    page.click("th.col-kind a")  # sorted by another column
    page.wait_for_url(lambda url: "_sort=kind" in url and "_utc=1" in url)
    with page.expect_navigation():
        page.click("form.filters input[type=submit]")
    page.wait_for_url(lambda url: "_filter" not in url and "_utc=1" in url)
    page.click("td a >> nth=0")  # one row
    page.wait_for_url(lambda url: "_utc=1" in url and "/quality_events/" in url)
    assert page.locator("td.col-from_timestamp").inner_text().endswith(" UTC")
    page.click(".crumbs a:text-is('Database')")
    page.wait_for_url(lambda url: url.startswith(f"{site.url}/perfkit?") and "_utc=1" in url)
    page.click("form.sql input[type=submit]")
    page.wait_for_url(lambda url: "sql=" in url and "_utc=1" in url)
    assert page.get_attribute("#utc", "aria-pressed") == "true"
    page.click(".places a:text-is('Runs')")
    page.wait_for_url(f"{site.url}/runs?utc=1")
    page.click(".places a:text-is('Database')")
    page.wait_for_url(f"{site.url}/perfkit?_utc=1")
    page.click("#utc")
    page.wait_for_url(f"{site.url}/perfkit")
    assert page.locator("a[href*='_utc']").count() == 0


def test_numbers_are_rounded_to_look_at_and_whole_to_take_away(site, open_page):
    """Four figures in the page, all of them on a hover and in the CSV."""
    page = open_page(f"{site.url}/perfkit/host_metrics?collector_id=1&_size=1", drawn=False)
    cell = page.locator("td.col-cpu_user .rounded")
    (exact,) = sqlite3.connect(site.database).execute("SELECT cpu_user FROM host_metrics WHERE collector_id = 1 LIMIT 1").fetchone()
    assert cell.inner_text() == _rounded(exact)
    assert cell.get_attribute("title") == str(exact)
    column = catalog.HOST["cpu_user"]
    assert page.locator("th.col-cpu_user").get_attribute("title") == f"{column.label}, {column.unit}", (
        "the head says what it is, with its unit"
    )
    assert page.locator("td.col-Link").inner_text() == "row", "not the whole of a long key"
    answer = asking.get(f"{site.url}/perfkit/host_metrics.csv?collector_id=1&_size=1").text
    assert str(exact) in answer
    assert "UTC" not in answer


def test_the_csv_of_a_query_has_all_rows_or_says_that_it_has_not(site):
    """The page shows 1,000 rows; its CSV has as many as there are, and none where they are too many for one answer."""
    sql = "SELECT timestamp, cpu_user FROM host_metrics ORDER BY collector_id, timestamp"
    (rows,) = sqlite3.connect(site.database).execute("SELECT count(*) FROM host_metrics").fetchone()
    assert rows > 2000
    page = asking.get(f"{site.url}/perfkit", params={"sql": sql})
    assert "more than 1,000 rows" in page.text
    link = re.search(r'href="([^"]*\.csv[^"]*)"', page.text)
    answer = asking.get(site.url + unescape(link.group(1)), timeout=60)
    assert len(answer.text.splitlines()) == 1 + rows
    answer = asking.get(f"{site.url}/perfkit.csv", params={"sql": "SELECT nowhere"})
    assert answer.status_code == 400
    assert "No such column: nowhere" in answer.text
    many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001) SELECT i FROM n"
    until = time.monotonic() + 120
    while True:  # a busy machine may end the query at its limit of time, before it has so many rows
        answer = asking.get(f"{site.url}/perfkit.csv", params={"sql": many}, timeout=60)
        if "and was ended" not in answer.text or time.monotonic() > until:
            break
    assert answer.status_code == 400
    assert "more than 100,000 rows" in answer.text


def test_long_json_is_folded(tmp_path, serve, open_page):
    """Its beginning, and a click shows it with a key per line; markup in it is text."""
    database = tmp_path / "perfkit.db"
    fill(database, seconds=60)
    con = sqlite3.connect(database)
    con.execute("UPDATE collectors SET system_info = ?", (json.dumps({"cpus": list(range(40)), "name": HOSTILE * 3}),))
    con.commit()
    con.close()
    page = open_page(f"{serve(database).url}/perfkit/collectors", drawn=False)
    cell = page.locator("td.col-system_info")
    assert cell.bounding_box()["height"] < 60
    assert cell.locator("summary").inner_text().startswith('{"cpus": [0, 1, 2')
    cell.locator("summary").click()
    assert '\n "name": "<img' in cell.locator("pre").inner_text()
    assert page.query_selector("img") is None
    assert page.title() != "owned"


def test_the_list_of_tables_is_of_samples_not_of_their_rollups(site):
    """These are a click away; nothing is out of reach."""
    page = asking.get(f"{site.url}/perfkit").text
    tables = re.findall(r'<h3><a href="/perfkit/(\w+)">', page)
    assert "host_metrics" in tables
    assert not [name for name in tables if name.endswith(("_10s", "_1m", "_10m"))]
    assert re.search(r'href="/perfkit\?_show_hidden=1">\d+ hidden tables</a>', page)
    assert asking.get(f"{site.url}/perfkit/host_metrics_1m").status_code == 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/perfkit", "/perfkit/host_metrics?collector_id=1&_size=5", "/perfkit?sql=select+1+as+one", "/perfkit/collectors/1"]
)
def test_everyone_can_use_them(site, open_page, path, scheme):
    """Enough contrast in both schemes, and names for fields and languages where Datasette has none."""
    page = open_page(site.url + path, drawn=False, color_scheme=scheme)
    assert hindrances(page, **({"runOnly": ["color-contrast"]} if scheme == "dark" else {})) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (18.041137113402, "18.04"),
        (5060.4453125, "5060"),
        (15944.5, "15944"),
        (0.00123456, "0.001235"),
        (1e-9, "0.000000001"),
        (0.0, "0"),
        (-2.5, "-2.5"),
        (1e18, "1000000000000000000"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_rounding_has_four_figures_and_no_exponent(value, text):
    assert _rounded(value) == text


def test_an_instant_is_utc_to_the_millisecond():
    assert _text(1767225600001) == "2026-01-01 00:00:00.001 UTC"
