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
    const user = [0x42, 0x69, 0xd0];
    let found = 0;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 120 && user.every((v, k) => Math.abs(pixels[i + k] - v) < 40)) found++;
    return found;
}"""


def charts(page) -> dict[str, list[list[float | None]]]:
    """What the page's charts hold: {panel: [times, series, ...]}."""
    return {chart["name"]: chart["data"] for chart in page.evaluate(CHARTS)}


def test_overview_draws_cpu_memory_disk_and_network(site, open_page):
    """The four charts are drawn with the database's values: the mean over the chart is the mean of the samples."""
    page = open_page(f"{site.url}/collectors/2?range=all")
    drawn = charts(page)
    assert list(drawn) == ["cpu", "memory", "disk", "network"]
    con = sqlite3.connect(site.database)
    (mean,) = con.execute("SELECT avg(disk_read_bytes) FROM host_metrics WHERE collector_id = 2").fetchone()
    read = [value for value in drawn["disk"][-2] if value is not None]
    assert sum(read) / len(read) == pytest.approx(mean, rel=0.01)


def test_lines_are_painted(site, open_page):
    """The canvas holds pixels of the colour of user time."""
    page = open_page(f"{site.url}/collectors/1")
    painted = page.evaluate(PAINTED)
    assert painted > 500


@pytest.mark.parametrize("name", ["all", "1h", "6h", "24h", "7d"])
def test_range_buttons_count_back_from_the_datas_end(site, open_page, name):
    """Every button shows the stretch that ends with the last sample, and puts itself into the URL."""
    page = open_page(f"{site.url}/collectors/2?range=6h")
    before = int(page.evaluate("document.body.dataset.drawn"))
    page.click(f"[data-range='{name}']")
    if name != "6h":
        page.wait_for_selector(f"body[data-drawn='{before + 1}']")
    assert f"range={name}" in page.url
    first, last = sqlite3.connect(site.database).execute("SELECT first_timestamp, last_timestamp FROM collectors WHERE id = 2").fetchone()
    scale = page.evaluate("async () => { const s = (await window.perfkit).panels[0].chart.scales.x; return [s.min, s.max] }")
    assert scale == [first, last]


def test_a_gap_is_a_gap(site, open_page):
    """No line crosses the 130 s without samples: the chart has an empty value there."""
    page = open_page(f"{site.url}/collectors/1?from=2026-01-01T00:05:00Z&to=2026-01-01T00:15:00Z")
    times, *series = charts(page)["disk"]
    hole = next(i for i, (a, b) in enumerate(pairwise(times)) if b - a > 30_000)
    assert all(values[hole] is None or values[hole + 1] is None for values in series)
