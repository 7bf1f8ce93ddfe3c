"""Every page on a phone: 400 pixels wide, and no mouse."""

from __future__ import annotations

import pytest

PHONE = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}
# Cells of a panel's table that are seen in part: [text, left, right] and the frame's edges.
CUT = """(frame) => {
    const { left, right } = frame.getBoundingClientRect();
    const first = frame.querySelector("tbody :is(th, td)").getBoundingClientRect();
    return [...frame.querySelectorAll("td")].map((cell) => [cell.textContent, cell.getBoundingClientRect()])
        .filter(([text, box]) => box.width && box.left < right - 1 && box.right > first.right + 1)
        .filter(([text, box]) => box.right > right + 1 || box.left < first.right - 1).map(([text, box]) => [text, box.left, box.right]);
}"""
CLIPPED = """(frame) => [...frame.querySelectorAll("tbody td")].filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
    .map((cell) => cell.textContent)"""


def test_collectors_are_cards(site, open_page):
    """Each says what its figures are, the box to compare it is large, and nothing has to be scrolled sideways."""
    page = open_page(site.url, drawn=False, **PHONE)
    cards = page.locator("#rows tr")
    assert cards.count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    labels = page.evaluate("[...document.querySelectorAll('#rows tr:first-child td[data-head]')].map((cell) => cell.dataset.head)")
    assert {"Hardware", "Newest run", "Verdict", "CPU", "Coverage", "Last data"} <= set(labels)
    card, name = cards.first.bounding_box(), cards.first.locator("th a").bounding_box()
    box = cards.first.locator("input").bounding_box()
    assert box["width"] >= 20
    assert box["x"] > name["x"] + name["width"], "and beside the name"
    assert card["width"] > 360


def test_runs_are_cards(site, open_page):
    """Nothing has to be scrolled sideways, no label stands over nothing, and the verdict is read whole."""
    page = open_page(f"{site.url}/runs", **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    cells = page.locator("#rows tr:first-child td[data-head]")
    assert (
        cells.evaluate_all("(all) => all.filter((one) => one.checkVisibility() && !one.textContent).map((one) => one.dataset.head)") == []
    )
    assert "Site" not in cells.evaluate_all("(all) => all.map((one) => one.dataset.head)"), "there is one alone"
    verdict = page.locator("#rows td.verdict").last
    assert verdict.inner_text().startswith("CPU-bound")
    assert "Recorded" not in verdict.inner_text()
    assert verdict.evaluate("(one) => one.scrollWidth <= one.clientWidth")


def see_all_tabs(page) -> None:
    """None is cut off at the side."""
    tabs = page.locator(".tabs a")
    assert tabs.all_inner_texts() == ["Overview", "Host", "Tables", "Containers", "Compare"]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 400 for box in (tab.bounding_box() for tab in tabs.all()))


def see_whole_numbers(page) -> None:
    """Two columns of figures fit into half a phone: no number of a tile is cut."""
    beyond = """(all) => all.filter((one) => one.getBoundingClientRect().right > one.closest(".tile").getBoundingClientRect().right)
        .map((one) => one.textContent)"""
    assert page.locator(".tile td").evaluate_all(beyond) == []


@pytest.mark.parametrize(
    ("path", "frames"),
    [
        ("/collectors/1/tables", ["#table-disk .scroll", "#table-host .scroll"]),
        ("/compare?c=1&c=2", ["#difference .scroll"]),
    ],
    ids=["tables", "compare"],
)
def test_tables_keep_their_first_column_and_cut_no_number(site, open_page, path, frames):
    """With devices and without. Before and after a swipe sideways, what is seen is seen whole; and all tabs are."""
    page = open_page(site.url + path, **PHONE)
    see_all_tabs(page)
    for frame in frames:
        page.wait_for_selector(f"{frame} tbody th")
        place = page.locator(frame)
        first = place.locator("tbody th").first
        before = first.bounding_box()
        assert place.evaluate(CUT) == [], frame
        assert place.evaluate(CLIPPED) == [], frame
        place.evaluate("(one) => one.scrollBy({ left: 130, behavior: 'instant' })")
        one = f"document.querySelector({frame!r})"
        page.wait_for_function(f"{one}.scrollLeft > 50 && ({CUT})({one}).length === 0")  # the browser snaps to a column
        assert first.bounding_box()["x"] == pytest.approx(before["x"], abs=1), frame


def test_a_device_is_named_with_its_metric(site, open_page):
    """There is no room for a column of devices."""
    page = open_page(f"{site.url}/collectors/1/tables?q=await", **PHONE)
    page.wait_for_selector("#table-disk tbody th")
    assert page.locator("#table-disk tbody th").first.inner_text().split("\n")[1] == "sda"


def test_a_zoom_is_left_by_a_tap(site, open_page):
    """Where nothing can be double-clicked and there is no key."""
    page = open_page(f"{site.url}/collectors/1?phase=load", **PHONE)
    page.tap("#unzoom")
    page.wait_for_selector("body[data-drawn='2']")
    page.wait_for_url(lambda url: "phase" not in url)
    assert not page.locator("#unzoom").is_visible()


def test_all_tabs_of_a_host_are_seen(site, open_page):
    see_all_tabs(open_page(f"{site.url}/collectors/1/host", **PHONE))


def test_tables_of_the_database_are_tables(site, open_page):
    """Their first column stays while they are scrolled sideways, and the page is no wider than the phone."""
    page = open_page(f"{site.url}/perfkit/host_metrics?_size=5", drawn=False, **PHONE)
    first = page.locator("table.rows-and-columns tbody td").first
    before = first.bounding_box()
    assert page.locator("table.rows-and-columns thead th").first.is_visible()
    page.evaluate("document.querySelector('.table-wrapper').scrollLeft = 300")
    assert page.evaluate("document.querySelector('.table-wrapper').scrollLeft") == 300
    assert first.bounding_box() == before
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator("header .bar").first.bounding_box()["height"] < 50, "the head is one line"


def test_no_number_of_a_runs_tile_is_cut(site, open_page):
    page = open_page(f"{site.url}/runs/1@1", **PHONE)
    page.wait_for_selector("body[data-stats]")
    see_whole_numbers(page)


def test_an_overview_is_seen_whole_and_its_legends_stay_short(site, open_page):
    """Its tabs, the numbers of its tiles, and two lines at most under a chart, with one figure a series."""
    page = open_page(f"{site.url}/collectors/1", **PHONE)
    page.wait_for_selector("body[data-stats]")
    see_all_tabs(page)
    see_whole_numbers(page)
    tall = page.locator("#panels .legend").evaluate_all("(all) => all.map((one) => [one.textContent, one.clientHeight])")
    assert [one for one in tall if one[1] > 2 * 18 + 2] == []
