"""What the overview says went beyond a limit, and what load tools reported beside it."""

from __future__ import annotations

import sqlite3

import pytest

from perfkit.dashboard.limits import LIMITS, advice, parse
from perfkit.errors import BadInput
from support import asking
from support.seed import fill

FIRST = 1767225600000
PATIENCE = 120  # seconds: a busy machine is no failure
LOAD = """async () => {
    const { panels } = await window.perfkit;
    return panels.filter(({ spec }) => spec.table === "load").map(({ title, shown }) =>
        [title, shown.t.length, shown.series.map((s) => [s.label, s.avg[0]])]);
}"""


@pytest.fixture
def quiet(tmp_path):
    """Ten minutes with nothing beyond a limit but the CPU, for three minutes from 00:02 on, and one dropped packet a second later."""
    database = tmp_path / "perfkit.db"
    fill(database, seconds=600)
    con = sqlite3.connect(database)
    for metric, rule in LIMITS.items():
        table, column = metric.split(".")
        name = {"host": "host_metrics", "containers": "container_metrics"}.get(table, f"{table}_metrics")
        con.execute(f"UPDATE {name} SET {column} = ?", (50 if rule.startswith("<") else 0,))
    con.execute("UPDATE host_metrics SET cpu_busy = 96 WHERE timestamp >= ? AND timestamp < ?", (FIRST + 120_000, FIRST + 300_000))
    con.execute("UPDATE host_metrics SET cpu_busy = 97.5 WHERE timestamp = ?", (FIRST + 200_000,))
    con.execute("UPDATE network_metrics SET rx_drops = 1 WHERE interface = 'eth0' AND timestamp = ?", (FIRST + 301_000,))
    con.commit()
    con.close()
    return database


def test_findings_are_what_was_beyond_its_limit(quiet, serve):
    """Each says what, on which device, for how much of the range, since when, and the worst."""
    found = asking.get(f"{serve(quiet).url}/api/v1/collectors/1/findings", timeout=PATIENCE).json()["findings"]
    assert [(f["metric"], f["device"], f["share"], f["first"], f["worst"]) for f in found] == [
        ("host.cpu_busy", "", 30.0, FIRST + 120_000, 97.5),
        ("network.rx_drops", "eth0", 0.17, FIRST + 301_000, 1.0),
    ]


def test_findings_keep_to_the_window_and_the_users_limits(quiet, serve):
    """A window without them has none; other limits find other things."""
    url = f"{serve(quiet).url}/api/v1/collectors/1/findings"
    assert asking.get(f"{url}?from={FIRST}&to={FIRST + 100_000}", timeout=PATIENCE).json()["findings"] == []
    own = asking.get(url, params={"limits": "host.cpu_busy>97"}, timeout=PATIENCE).json()["findings"]
    assert [(f["metric"], f["share"]) for f in own] == [("host.cpu_busy", 0.17)]
    assert asking.get(url, params={"limits": "host.cpu_busy>97;DROP"}, timeout=PATIENCE).status_code == 400


def test_findings_stand_on_the_overview(quiet, serve, open_page):
    """As a sentence with the time as a link, in the zone of the page."""
    page = open_page(f"{serve(quiet).url}/collectors/1?utc=1", timezone_id="Europe/Berlin")
    page.wait_for_selector("#findings li:has-text('CPU busy')")
    told, advice = page.locator("#findings li").first.inner_text(), page.locator("#findings li small").first.inner_text()
    assert told == f"CPU busy above 90 % for 30 % of this range, from 00:02:00, highest 97.5 % {advice}"
    assert advice.startswith("Give the machine more or faster CPUs"), "and what to do"
    assert "not 0 for 0.17 % of this range" in page.inner_text("#findings")
    page.click("#utc")
    page.wait_for_selector("#findings li:has-text('from 01:02:00, ')")


@pytest.mark.parametrize("metric", LIMITS)
def test_every_limit_has_its_advice(metric):
    """A broken limit says what to do, in the words of the rule that is about the same."""
    devices = ("memory", "io") if metric.startswith("pressure") else ("",)
    if not metric.startswith("cpu."):  # single cores are no finding
        assert all(advice(metric, device).endswith(".") for device in devices)


@pytest.mark.parametrize("text", ["host.cpu_idle", "host.cpu_idle=3", "x<1", "host.cpu_idle<1e9999", "a.b<" + "9" * 40])
def test_limits_that_are_none(text):
    """A limit is metric, sign, number."""
    with pytest.raises(BadInput):
        parse(text)


def test_load_tools_are_charted_beside_the_machine(tmp_path, serve, open_page):
    """Throughput, latency, users and errors of a run are on the overview, P50 and P99 from what the tool has; without a run no panel is."""
    database = tmp_path / "perfkit.db"
    fill(database, seconds=300)
    site = serve(database)
    assert open_page(f"{site.url}/collectors/1").query_selector("[id^='panel-load.']") is None
    con = sqlite3.connect(database)
    names = "collector_id, run, timestamp, users, throughput, errors, latency_avg_ms, latency_p95_ms, latency_max_ms"
    con.executemany(
        f"INSERT INTO load_metrics ({names}) VALUES (1, 'sysbench-1', ?, 8, ?, 0, 3.5, 9.0, 20)",
        [(FIRST + 1000 * s, 100.0 + s) for s in range(60, 240)],
    )
    con.commit()
    con.close()
    page = open_page(f"{site.url}/collectors/1")
    shown = page.evaluate(LOAD)
    assert shown == [
        ["Throughput: sysbench-1", 180, [["Operations", 160]]],
        ["Latency: sysbench-1", 180, [["Average", 3.5], ["P95", 9], ["Maximum", 20]]],
        ["Users: sysbench-1", 180, [["Users", 8]]],
        ["Errors: sysbench-1", 180, [["Errors", 0]]],
    ]
    shown = page.locator("#panels .panel:not([hidden]):has(.plot) h2").all_inner_texts()
    assert [title.partition(":")[0] for title in shown[:4]] == ["Throughput", "Latency", "Users", "CPU"], (
        "the load stands together, errors of 0 are none"
    )
