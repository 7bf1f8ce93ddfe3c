"""The overview as a browser draws it, read from the chart library's own data."""

from __future__ import annotations

import sqlite3
from itertools import pairwise

import pytest

CHARTS = """async () => {
    const page = await window.perfkit;
    return page.panels.map((p) => ({ name: p.name, data: p.chart.data.map((d) => Array.from(d)) }));
}"""
PAINTED = """() => {
    const canvas = document.querySelector("#panel-cpu canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const user = [0x3d, 0x68, 0xca];
    let found = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 120 && user.every((v, k) => Math.abs(pixels[i + k] - v) < 40)) found++;
    return found;
}"""

# The spike in the disk's chart: the largest value near it that the library holds; where that value is on the canvas, the topmost
# pixel in the colour of writes there, and the topmost a tenth of the chart's width to its left.
SPIKE = """async (spike) => {
    const { chart } = (await window.perfkit).panels.find((p) => p.name === "disk");
    const [times, ...series] = chart.data;
    const near = times.map((t, i) => [Math.abs(t - spike), i]).sort((a, b) => a[0] - b[0]).slice(0, 3).map(([, i]) => i);
    const most = Math.max(...series.flatMap((values) => near.map((i) => values[i] ?? 0)));
    const at = near.find((i) => series.some((values) => values[i] === most));
    const x = Math.round(chart.valToPos(times[at], "x", true));
    const { top, height, width } = chart.bbox;
    const topmost = (from, to) => {
        const pixels = chart.ctx.getImageData(from, 0, to - from, Math.round(top + height)).data;
        for (let i = 0; i < pixels.length; i += 4)
            if (pixels[i + 3] > 90 && pixels[i] > pixels[i + 2] + 60) return Math.floor(i / 4 / (to - from));
        return Infinity;
    };
    return {
        most,
        expected: Math.round(chart.valToPos(most, "y", true)),
        painted: topmost(x - 1, x + 2),
        beside: topmost(x - Math.round(width / 10) - 1, x - Math.round(width / 10) + 2),
    };
}"""


def charts(page) -> dict[str, list[list[float | None]]]:
    """What the page's charts hold: {panel: [times, series, ...]}."""
    return {chart["name"]: chart["data"] for chart in page.evaluate(CHARTS)}


def test_overview_draws_use_and_saturation(site, open_page):
    """The charts of what is used and what waits are drawn with the database's values: the chart's mean is that of the samples."""
    page = open_page(f"{site.url}/collectors/2?range=all")
    drawn = charts(page)
    assert list(drawn) == ["cpu", "memory", "disk", "network", "who", "await", "util", "some", "tasks"]
    con = sqlite3.connect(site.database)
    (mean,) = con.execute("SELECT avg(disk_read_bytes) FROM host_metrics WHERE collector_id = 2").fetchone()
    read = [value for value in drawn["disk"][-2] if value is not None]
    assert sum(read) / len(read) == pytest.approx(mean, rel=0.01)


def test_the_first_screen_says_what_when_and_whether_to_trust(marked, open_page):
    """At 1440x900: verdict, trust, load, tiles, charts of the load and of CPU and memory, in this order; the load has its peak's time."""
    page = open_page(f"{marked.url}/collectors/1", viewport={"width": 1440, "height": 900})
    page.wait_for_selector("body[data-stats]")
    order = ["#verdict", "#recorded", "#tile-load", "#tile-cpu", "#panels .panel:has-text('Throughput')", "#panel-cpu", "#panel-memory"]
    places = [page.locator(one).first.bounding_box() for one in order]
    spots = [(place["y"], place["x"]) for place in places]
    assert spots == sorted(spots)
    assert places[-1]["y"] + 150 < 900
    load = page.locator("#tile-load")
    assert load.locator("thead th").all_inner_texts() == ["throughput", "latency P95"]
    rows = [row.split() for row in load.locator("tbody tr").all_inner_texts()]
    assert rows[:2] == [["avg", "2000", "ops/s", "9", "ms"], ["peak", "2000", "ops/s", "9", "ms"]]
    assert rows[2][0] == "at"
    assert load.locator(".worst").inner_text() == "no errors"
    assert page.evaluate("innerWidth >= document.documentElement.scrollWidth")


def test_lines_are_painted(site, open_page):
    """The canvas holds pixels of the colour of user time."""
    page = open_page(f"{site.url}/collectors/1")
    painted = page.evaluate(PAINTED)
    assert painted > 500


def test_a_one_second_spike_in_a_week_is_drawn_to_its_height(week, open_page):
    """At every range, and after a drag around it, the chart holds the spike's value and its pixel column is coloured up to there."""
    site, spike = week
    page = open_page(site.url, drawn=False)
    for name in ("all", "7d", "24h", "6h", "1h", "drag"):
        if name == "drag":
            over = page.locator("#panel-disk .u-over").bounding_box()
            for fraction, act in ((0.6, page.mouse.down), (0.75, page.mouse.up)):  # the spike is 40 of 60 minutes in
                page.mouse.move(over["x"] + over["width"] * fraction, over["y"] + 40, steps=5)
                act()
            page.wait_for_selector("body[data-drawn='2']")
        else:
            page.goto(f"{site.url}/collectors/1?range={name}&p95=0")
            page.wait_for_selector("body[data-drawn]")
        drawn = page.evaluate(SPIKE, spike)
        assert drawn["most"] == 1e9, name
        assert drawn["painted"] == pytest.approx(drawn["expected"], abs=3), name
        assert drawn["beside"] > drawn["expected"] + 60, f"what is no spike lies low: {name}"


def test_range_buttons_count_back_from_the_datas_end(site, open_page):
    """Every button shows the stretch that ends with the last sample, and puts itself into the URL."""
    page = open_page(f"{site.url}/collectors/2?range=6h")
    first, last = sqlite3.connect(site.database).execute("SELECT first_timestamp, last_timestamp FROM collectors WHERE id = 2").fetchone()
    chosen = "6h"
    for name in ("6h", "all", "1h", "24h", "7d"):
        before = int(page.evaluate("document.body.dataset.drawn"))
        page.click(f"[data-range='{name}']")
        if name != chosen:
            page.wait_for_selector(f"body[data-drawn='{before + 1}']")
        chosen = name
        page.wait_for_url(lambda url, name=name: f"range={name}" in url)
        scale = page.evaluate("async () => { const s = (await window.perfkit).panels[0].chart.scales.x; return [s.min, s.max] }")
        assert scale == [first, last], name


def test_a_gap_is_a_gap(site, open_page):
    """No line crosses the 130 s without samples: the chart has an empty value there."""
    page = open_page(f"{site.url}/collectors/1?from=2026-01-01T00:05:00Z&to=2026-01-01T00:15:00Z")
    times, *series = charts(page)["disk"]
    hole = next(i for i, (a, b) in enumerate(pairwise(times)) if b - a > 30_000)
    assert all(values[hole] is None or values[hole + 1] is None for values in series)
