"""What a chart shows, read from its pixels, from what it writes, and from the library's data."""

from __future__ import annotations

import csv
import io
import sqlite3
from datetime import datetime

import pytest

from perfkit.store import runs
from support.seed import START, fill

FIRST = START * 1000
# Every text that a canvas is given, with where it lies: [{text, left, right, bottom, width, panel}].
WRITTEN = """
    window.written = [];
    const fillText = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y, ...rest) {
        const wide = this.measureText(text).width;
        const left = x - { left: 0, start: 0, center: wide / 2, right: wide, end: wide }[this.textAlign];
        window.written.push({ text, left, right: left + wide, y, canvas: this.canvas });
        return fillText.call(this, text, x, y, ...rest);
    };
"""
TEXTS = """() => window.written.filter(({ canvas }) => canvas.isConnected)
    .map(({ canvas, ...one }) => ({ ...one, width: canvas.width, panel: canvas.closest(".panel").id }))"""
# The colours down one column of a panel's plot, at an instant of its time axis.
COLUMN = """async ([name, t]) => {
    const { chart } = (await window.perfkit).panels.find((p) => p.name === name);
    const { top, height } = chart.bbox;
    const x = Math.round(chart.valToPos(t, "x", true));
    const pixels = chart.ctx.getImageData(x, top, 1, height).data;
    return Array.from({ length: height }, (_, i) => Array.from(pixels.slice(4 * i, 4 * i + 3)));
}"""
SHARES = """() => [...document.querySelectorAll(".panel:has(.u-over):not([hidden])")].map((panel) => ({
    name: panel.id,
    share: panel.querySelector(".u-over").clientHeight / panel.clientHeight,
    lines: Math.round(panel.querySelector(".legend").clientHeight / 18),
}))"""
NARROW = "[...document.querySelectorAll('.panel:not([hidden]) canvas')].every((one) => one.width <= 400 * devicePixelRatio)"
SERIES = """async (name) => {
    const { chart, shown, view } = (await window.perfkit).panels.find((p) => p.name === name);
    return {
        labels: chart.series.slice(1).map((s) => s.label),
        data: chart.data.map((d) => Array.from(d)),
        names: shown.series.map((s) => s.label),
        bands: view.bands, gaps: view.gaps, pauses: view.pauses,
        distr: chart.scales.y.distr,
    };
}"""
WARN, MARK = (179, 107, 0), (122, 92, 0)


def near(pixel, colour, by: int = 30) -> bool:
    return all(abs(a - b) <= by for a, b in zip(pixel, colour, strict=True))


COLUMNS = {"overview": {1440: 3, 1280: 2, 2560: 3, 400: 1}, "host": {1440: 2, 2560: 3}, "compare": {}}


@pytest.mark.parametrize(
    ("name", "path"), [("overview", "/collectors/1"), ("host", "/collectors/1/host"), ("compare", "/compare?c=1&c=2")], ids=COLUMNS
)
def test_plots_take_most_of_their_panel_and_wide_screens_have_three_columns(site, open_page, name, path):
    """At least 60 %, over a legend of a line or two. Two columns on a laptop but for the overview, one on a phone; nothing is left empty at
    the side."""
    page = open_page(site.url + path, viewport={"width": 1440, "height": 900})
    page.wait_for_selector("body[data-stats]")
    shares = page.evaluate(SHARES)
    alone = [one for one in shares if "cores" not in one["name"]]
    assert len(alone) >= 8
    assert [one for one in alone if one["share"] < 0.6 or one["lines"] > 2] == []
    for width, columns in COLUMNS[name].items():
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"innerWidth === {width}")
        panels = page.locator(".panels > .panel:not([hidden]):has(.plot)")
        places = panels.evaluate_all("(all) => all.map((p) => p.getBoundingClientRect())")
        assert len({round(place["x"]) for place in places}) == columns, width
        assert width - max(place["x"] + place["width"] for place in places) <= 32, width


@pytest.mark.parametrize("path", ["/collectors/1", "/collectors/1/host", "/collectors/1/containers"])
def test_no_label_is_cut(large, open_page, path):
    """Labels of axes, phases and gaps lie on their canvas whole, whatever the unit: "400 pages/s" and "4.88 M/s" too; on a phone too."""
    page = open_page(large.url + path, before=WRITTEN, viewport={"width": 1440, "height": 900})
    for width in (1440, 400):
        if width == 400:
            page.evaluate("window.written.length = 0")
            page.set_viewport_size({"width": 400, "height": 900})
            page.wait_for_function("window.written.length && " + NARROW)
        texts = page.evaluate(TEXTS)
        assert {"100 %"} <= {one["text"] for one in texts}
        assert any("/s" in one["text"] for one in texts) or "containers" in path
        assert [one for one in texts if one["left"] < 0 or one["right"] > one["width"]] == []


def test_a_narrow_axis_has_two_labels(site, open_page):
    """On a phone too, whatever the range: also where the step that gives the labels most room would give one alone."""
    page = open_page(site.url, drawn=False, viewport={"width": 400, "height": 800})
    for start, seconds in ((0, 3), (0, 42), (1, 58), (0, 120), (30, 540), (30, 1164), (0, 1500)):
        page.goto(f"{site.url}/collectors/1?from={FIRST + start * 1000}&to={FIRST + (start + seconds) * 1000}")
        page.wait_for_selector("body[data-drawn]")
        labels = page.evaluate("async () => (await window.perfkit).panels.map(({ chart }) => chart.axes[0]._values)")
        assert all(len([text for text in one if text]) >= 2 for one in labels), (start, seconds, labels)


def test_the_legend_says_what_its_numbers_are(site, open_page):
    """Unit once and the names of its figures; under the cursor the time, which the flag below the plot has in UTC too."""
    page = open_page(f"{site.url}/collectors/1", timezone_id="Europe/Berlin")
    page.wait_for_selector("body[data-stats]")
    head = page.locator("#panel-disk .legend li").first
    assert head.inner_text() == "MiB/s: avg · P95 · max"
    over = page.locator("#panel-disk .u-over").bounding_box()
    page.mouse.move(over["x"] + over["width"] / 2, over["y"] + 60)
    page.wait_for_selector("#panel-disk .tip:visible")
    assert head.inner_text().startswith("MiB/s: at 01:")
    assert " UTC+1 · 00:" in page.inner_text("#panel-disk .tip")
    for name in ("cpu", "disk"):
        over, tip = page.locator(f"#panel-{name} .u-over").bounding_box(), page.locator(f"#panel-{name} .tip").bounding_box()
        assert tip["y"] >= over["y"] + over["height"], "nothing of the plot is hidden"
    page.mouse.move(5, 5)
    assert head.inner_text() == "MiB/s: avg · P95 · max"


def test_the_host_page_of_a_large_machine(large, open_page):
    """One instant stands in one place on all charts of a column, heat map included, because their value axes are equally wide; the phases
    have their names over the heat map and their edges on it; context switches by the million and forks by the hundred share no linear
    axis; and errors, drops and swapping, zero all through, have no chart, but a name that shows it, in the link too.
    """
    page = open_page(f"{large.url}/collectors/1/host", before=WRITTEN, viewport={"width": 1440, "height": 900})
    plots = page.evaluate("async () => (await window.perfkit).panels.filter((p) => p.chart).map(({ chart }) => chart.bbox)")
    assert len({(plot["left"], plot["width"]) for plot in plots}) == 1
    texts = page.evaluate(TEXTS)
    assert "load" in {one["text"] for one in texts if one["panel"] == "panel-cores"}
    edge = page.evaluate(COLUMN, ["cores", FIRST + 200_000])
    assert sum(near(pixel, MARK, 70) for pixel in edge) > len(edge) * 0.9

    assert page.evaluate(SERIES, "switches")["distr"] == 4
    assert page.locator("#panel-switches .legend li").first.inner_text().startswith("M/s, logarithmic: ")
    assert page.evaluate(SERIES, "load")["distr"] == 1
    assert {"1 M/s", "10 /s"} & {one["text"] for one in texts if one["panel"] == "panel-switches" and "/s" in one["text"]}

    assert page.inner_text("#section-interfaces .quiet") == "Drops (eth0), drops (lo), errors (eth0), errors (lo): none"
    assert page.inner_text("#section-memory .quiet") == "Swapping: none"
    assert not page.locator("[id='panel-drops.eth0']").is_visible()
    page.click("#section-interfaces .quiet button:has-text('Drops (eth0)')")
    assert page.locator("[id='panel-drops.eth0'] canvas").is_visible()
    assert page.locator("[id='panel-drops.eth0'] .legend").inner_text().split("\n")[0].startswith("drops/s")
    page.wait_for_url(lambda url: "show=drops.eth0" in url)


def test_more_than_eight_series_are_eight_and_a_band(large, open_page):
    """The largest by name; the rest from the smallest to the largest of them, in a stack of ten their sum."""
    page = open_page(f"{large.url}/collectors/1/containers")
    con = sqlite3.connect(large.database)
    ranked = [
        row[0]
        for row in con.execute(
            "SELECT container_id FROM container_metrics WHERE collector_id = 1 GROUP BY 1 ORDER BY avg(cpu_limit_percent) DESC"
        )
    ]
    rest = "', '".join(ranked[8:])
    page.wait_for_selector("body[data-stats]")
    legend = page.locator("#panel-limit .legend")
    assert legend.bounding_box()["height"] <= 38, "a line or two; what needs a third is a click away"
    assert legend.locator("li:not(.head):not(.more):visible").count() < 9
    legend.locator(".more button").click()
    assert legend.locator("li:not(.head):not(.more):visible").count() == 9
    found = page.evaluate(SERIES, "limit")
    assert len(ranked) == 14
    assert found["names"][8:] == ["6 others, as a band"]
    t = found["data"][0].index(FIRST + 60_000)
    least, most, total = con.execute(
        f"SELECT min(cpu_limit_percent), max(cpu_limit_percent), sum(cpu_percent) FROM container_metrics"
        f" WHERE collector_id = 1 AND container_id IN ('{rest}') AND timestamp = {FIRST + 60_000}"
    ).fetchone()
    top = found["labels"].index("6 others, as a band max")
    assert [found["data"][top + 1][t], found["data"][top + 2][t]] == pytest.approx([most, least], abs=0.01)
    stack = page.evaluate(SERIES, "cpu")
    shown = page.evaluate("async () => (await window.perfkit).panels[0].shown.series.at(-1).avg[60]")
    assert stack["names"][10:] == ["4 others"]
    ranked = [
        row[0]
        for row in con.execute(
            "SELECT container_id FROM container_metrics WHERE collector_id = 1 GROUP BY 1 ORDER BY avg(cpu_percent) DESC"
        )
    ]
    rest = "', '".join(ranked[10:])
    (total,) = con.execute(
        f"SELECT sum(cpu_percent) FROM container_metrics WHERE collector_id = 1 AND container_id IN ('{rest}')"
        f" AND timestamp = {FIRST + 60_000}"
    ).fetchone()
    assert shown == pytest.approx(total, abs=0.01)


def test_a_gap_of_three_seconds_shows_in_a_day(tmp_path, serve, open_page):
    """A wedge at the top of the plot, in the colour of a warning; nothing of it elsewhere."""
    database = tmp_path / "perfkit.db"
    fill(database, seconds=60)
    con = sqlite3.connect(database)
    last = FIRST + 86_400_000
    con.execute("INSERT INTO host_metrics (collector_id, timestamp, cpu_busy) VALUES (1, ?, 50)", (last,))
    con.execute("UPDATE collectors SET last_timestamp = ?", (last,))
    con.execute(
        "INSERT INTO quality_events (collector_id, from_timestamp, to_timestamp, kind, subject, missed) VALUES (1, ?, ?, 'gap', '', 3)",
        (FIRST + 43_200_000, FIRST + 43_203_000),
    )
    con.commit()
    con.close()
    page = open_page(f"{serve(database).url}/collectors/1")
    at = page.evaluate(COLUMN, ["network", FIRST + 43_201_500])
    beside = page.evaluate(COLUMN, ["network", FIRST + 46_000_000])
    assert all(near(pixel, WARN) for pixel in at[:6])
    assert not any(near(pixel, WARN) for pixel in beside)
    assert page.evaluate(SERIES, "network")["pauses"] == [], "that the last sample came a day later is known from no recording"


def test_a_pause_between_recordings_is_named(large, open_page):
    """It is no gap: not hatched, no wedge, and called what it is."""
    page = open_page(f"{large.url}/collectors/2", before=WRITTEN, viewport={"width": 1300, "height": 900})
    assert page.evaluate(SERIES, "disk")["pauses"] == [[FIRST + 199_000, FIRST + 400_000]]
    assert {"between recordings 3 m 21 s"} <= {one["text"] for one in page.evaluate(TEXTS)}
    column = page.evaluate(COLUMN, ["disk", FIRST + 300_000])
    assert not any(near(pixel, WARN) for pixel in column)
    assert len({tuple(pixel) for pixel in column[:40]}) <= 3, "plain, not hatched"


def test_phases_are_seen_behind_areas(site, open_page):
    """A stack has another shade within the phase, and its edges are drawn over the areas."""
    page = open_page(f"{site.url}/collectors/2", viewport={"width": 1440, "height": 900})
    start, end = FIRST + 400_000, FIRST + 800_000
    assert page.evaluate(SERIES, "cpu")["bands"] == [
        {"label": "load", "short": "load", "level": 0, "from": start, "to": end, "reference": "@1"}
    ]
    bottom = {t: page.evaluate(COLUMN, ["cpu", t])[-4] for t in (start - 60_000, start + 60_000, start)}
    assert bottom[start - 60_000] != bottom[start + 60_000]
    edge = page.evaluate(COLUMN, ["cpu", start])
    assert sum(near(pixel, MARK, 70) for pixel in edge) > len(edge) * 0.9
    page.goto(f"{site.url}/collectors/2?from={start + 60_000}&to={end - 60_000}")
    page.wait_for_selector("body[data-drawn]")
    alone = page.evaluate(COLUMN, ["cpu", start + 120_000])[-4]
    assert near(alone, bottom[start - 60_000], 6), "a phase that is all that is seen leaves the colours of the legend as they are"


def test_a_zoom_cuts_a_phase_and_keeps_its_name(site, open_page):
    """The band reaches to the edge of what is seen, and its one name stands where it is first seen: its end, its start, or both are cut."""
    page = open_page(site.url, drawn=False, before=WRITTEN, viewport={"width": 1440, "height": 900})
    for start, end in ((300, 500), (700, 900), (500, 600)):
        page.goto(f"{site.url}/collectors/2?from={FIRST + start * 1000}&to={FIRST + end * 1000}")
        page.wait_for_selector("body[data-drawn]")
        found = page.evaluate(SERIES, "disk")
        assert [(band["label"], band["from"], band["to"]) for band in found["bands"]] == [("load", FIRST + 400_000, FIRST + 800_000)]
        names = [one for one in page.evaluate(TEXTS) if one["panel"] == "panel-disk" and "load" in one["text"]]
        assert {one["text"] for one in names} == {"load"}, start
        plot = page.evaluate("async () => (await window.perfkit).panels[2].chart.bbox")
        seen = max(start, 400)
        expected = plot["left"] + plot["width"] * (seen - start) / (end - start)
        assert names[-1]["left"] == pytest.approx(expected, abs=2), start


def test_a_phase_without_a_start_is_not_called_one(tmp_path, serve, open_page):
    """An end whose start was never marked makes none; a start without an end reaches to the end of the data."""
    database = tmp_path / "perfkit.db"
    fill(database, seconds=60)
    con = sqlite3.connect(database)
    con.execute("DELETE FROM marks")
    marks = [(FIRST + 10_000, "end", "warm-up"), (FIRST + 30_000, "start", "steady")]
    con.executemany("INSERT INTO marks (collector_id, timestamp, kind, label) VALUES (1, ?, ?, ?)", marks)
    runs.refresh(con, 1)
    con.commit()
    con.close()
    found = open_page(f"{serve(database).url}/collectors/1").evaluate(SERIES, "cpu")["bands"]
    assert found == [
        {"label": "steady", "short": "steady", "level": 0, "from": FIRST + 30_000, "to": FIRST + 59_000, "reference": "@2"},
    ]


def test_load_charts_are_of_their_runs(tmp_path, serve, open_page):
    """Series by what they are, the run in the title, figures, no empty series; runs that overlap apart, those that follow together."""
    database = tmp_path / "perfkit.db"
    fill(database, seconds=60, gap=(42, 48))
    con = sqlite3.connect(database)
    names = "collector_id, run, timestamp, throughput, errors, latency_p50_ms, latency_p95_ms"
    runs = {"first": range(2, 20), "second": range(22, 40), "other": range(10, 30)}
    for run, seconds in runs.items():
        rows = [(run, FIRST + 1000 * s, 2000.0 + s, 0, 2.0, 9000.0) for s in seconds]
        con.executemany(f"INSERT INTO load_metrics ({names}) VALUES (1, ?, ?, ?, ?, ?, ?)", rows)
    con.commit()
    con.close()
    page = open_page(f"{serve(database).url}/collectors/1")
    page.wait_for_selector("body[data-stats]")
    assert page.locator("#panels .panel:not([hidden]) h2").all_inner_texts()[:4] == [
        "Throughput: 2 runs from first on",
        "Latency: 2 runs from first on",
        "Throughput: other",
        "Latency: other",
    ]
    assert page.locator("#panels .panel h2 small").first.inner_text().strip() == ": 2 runs from first on", "what it shows is read first"
    found = page.evaluate(SERIES, "load.latency.first")
    assert found["names"] == ["P50", "P95"], "P99, which the tool did not report, is left out"
    assert found["distr"] == 4
    legend = page.locator("[id='panel-load.latency.first'] .legend").inner_text()
    assert "avg · max" in legend
    assert "9 s" in legend or "9000" in legend or "9 · 9" in legend
    assert page.inner_text("#quiet").startswith("Errors (2 runs from first on)")
    assert "Errors (other)" in page.inner_text("#quiet") or "errors (other)" in page.inner_text("#quiet")
    assert page.evaluate(SERIES, "load.throughput.first")["gaps"] == [], "a gap of the collector is none of the load tool"
    assert len(page.evaluate(SERIES, "disk")["gaps"]) == 1


def test_the_csv_has_every_sample_with_one_timestamp(site, open_page):
    """ISO 8601 in UTC, the unit in the head, the values of the database, not the points that are drawn."""
    page = open_page(f"{site.url}/collectors/1")
    page.click("#panel-disk .menu summary")
    with page.expect_download() as download:
        page.click("#panel-disk .menu button:has-text('CSV')")
    with download.value.path().open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["timestamp", "disk_read_bytes (B/s)", "disk_write_bytes (B/s)"]
    query = "SELECT timestamp, disk_read_bytes, disk_write_bytes FROM host_metrics WHERE collector_id = 1 ORDER BY timestamp"
    expected = sqlite3.connect(site.database).execute(query).fetchall()
    assert rows[0][0] == "2026-01-01T00:00:00.000Z"
    assert [datetime.fromisoformat(row[0]).timestamp() * 1000 for row in rows] == [row[0] for row in expected]
    assert [float(row[1]) for row in rows] == pytest.approx([row[1] for row in expected], abs=0.001)


def test_the_csv_of_many_devices_names_each(large, open_page):
    """A column a device; text that a spreadsheet would take for a formula is not one."""
    page = open_page(f"{large.url}/collectors/1")
    page.click("#panel-util .menu summary")
    with page.expect_download() as download:
        page.click("#panel-util .menu button:has-text('CSV')")
    head = next(csv.reader(io.StringIO(download.value.path().read_text())))
    assert head == ["timestamp", "nvme0n1: util_percent (%)", "sda: util_percent (%)", "sdb: util_percent (%)"]


def test_the_png_is_understood_alone(site, open_page):
    """Title, machine, span with its zone and the legend, at two pixels per CSS pixel."""
    page = open_page(f"{site.url}/collectors/1", before=WRITTEN, timezone_id="Europe/Berlin")
    page.wait_for_selector("body[data-stats]")
    page.evaluate("window.written.length = 0")
    page.click("#panel-network .menu summary")
    with page.expect_download() as download:
        page.click("#panel-network .menu button:has-text('PNG')")
    image = download.value.path().read_bytes()
    assert image.startswith(b"\x89PNG")
    assert int.from_bytes(image[16:20]) == 2 * page.evaluate("async () => (await window.perfkit).panels[3].width")
    texts = " | ".join(page.evaluate("() => window.written.map((one) => one.text)"))
    assert "Network throughput | vm-a · 1 Jan 2026 01:00:00 – 01:24:59 UTC+1 (24 m 59 s)" in texts
    assert "MiB/s: avg · P95 · max | Received" in texts
    assert "load" in texts, "the phases too"
