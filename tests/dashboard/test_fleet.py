"""The page /fleet: all machines side by side, from what the database has stored of their runs."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.catalog import FIGURES, HOST
from perfkit.dashboard import fleet as dashboard_fleet
from perfkit.dashboard.fleet import BY, METRIC, RANGE, TOP, FleetAsked
from perfkit.store import open_database, transaction
from support import asking
from support.database import copy_database
from support.running import SOURCE
from support.seed import START

from .conftest import Site, hindrances

FROM = START * 1000
MINUTES = 100
SLOW = 4
NAMES = [c.name for c in HOST.metrics]


def fleet(database: Path, machines: int = 6) -> None:
    """`machines` at site lab that ran the test "load" of 20 minutes with the phase "steady" at once, and one of another site.

    The fourth is busier, and its run took two minutes longer. Of the sixth nothing is stored yet but its minutes.
    """
    chance = random.Random(5)
    con = open_database(database)
    with transaction(con):
        for number in range(1, machines + 2):
            site, end = ("lab" if number <= machines else "elsewhere"), FROM + MINUTES * 60_000
            con.execute(
                "INSERT INTO collectors (machinename, sitename, period_ms, first_timestamp, last_timestamp) VALUES (?, ?, 1000, ?, ?)",
                (f"vm-{number}", site, FROM, end),
            )
            until = FROM + (23 if number == SLOW else 21) * 60_000 + number
            con.execute("INSERT INTO runs VALUES (?, 1, 'load', 1, ?, ?, 0, 1)", (number, FROM + 60_000, until))
            con.execute("INSERT INTO phases VALUES (?, 1, 'steady', 'steady', 1, ?, ?, 0)", (number, FROM + 120_000, until - 60_000))
            spans = {"run:1": (FROM + 60_000, until), "run:1:steady": (FROM + 120_000, until - 60_000)}
            values = {name: 40 * chance.lognormvariate(0, 0.03) * (1.8 if (number, name) == (SLOW, "cpu_busy") else 1) for name in NAMES}
            for window, span in spans.items() if number != machines else ():
                rows = [
                    (
                        number,
                        window,
                        f"host.{name}",
                        "",
                        *span,
                        1200,
                        value / 2,
                        value,
                        value * 1.4,
                        3,
                        *[value * f for f in (1, 1.1, 1.2, 1.3)],
                    )
                    for name, value in values.items()
                ]
                con.executemany(f"INSERT INTO percentiles VALUES ({', '.join('?' * (6 + len(FIGURES)))})", rows)
            names = ", ".join(["collector_id", "timestamp", "samples", *(f"{name}_avg" for name in NAMES)])
            for minute in range(MINUTES):
                con.execute(
                    f"INSERT INTO host_metrics_1m ({names}) VALUES ({', '.join('?' * (3 + len(NAMES)))})",
                    (number, FROM + minute * 60_000, 60, *(None if minute in (6, 7) else value for value in values.values())),
                )
    con.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, serve_while) -> Iterator[Site]:
    database = tmp_path_factory.mktemp("fleet") / "perfkit.db"
    fleet(database)
    with serve_while(database) as running:
        yield running


def told(site: Site, query: str = "") -> dict:
    answer = asking.get(f"{site.url}/api/v1/fleet?{query}", timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_straggler_of_a_test_comes_first_and_leads_to_its_run(served: Site) -> None:
    found = told(served)
    assert (found["machines"], found["runs"]["shown"], found["runs"]["without_figures"]) == (7, 7, 0)
    assert [(test["site"], test["label"], test["machines"], test["from"]) for test in found["tests"]] == [("lab", "load", 6, FROM + 60_000)]
    first, *others = found["tests"][0]["members"]
    assert (first["machine"], first["id"], first["place"], [one["place"] for one in others]) == ("vm-4", "4@1", 1, [2, 3, 4, 5, 6])
    assert first["metric"] in ("run_seconds", "host.cpu_busy") and abs(first["z"]) > 3.5
    assert [abs(one["z"]) for one in others] == sorted((abs(one["z"]) for one in others), reverse=True)
    assert "vm-6" in {one["machine"] for one in others}  # known by its minutes alone
    assert asking.get(f"{served.url}/runs/{first['id']}", timeout=60).status_code == 200


def test_machines_unlike_their_peers_are_told_by_phase(served: Site) -> None:
    found = [row for row in told(served)["unlike"] if row["metric"] == "host.cpu_busy"]
    assert {(row["machine"], row["label"], row["phase"]) for row in found} == {("vm-4", "load", ""), ("vm-4", "load", "steady")}
    assert {row["machines"] for row in found} == {5, 6}  # the minutes of a phase are not told apart from those of its run
    assert all(row["id"] == "4@1" and row["unit"] == "%" and row["metric_label"] == "CPU busy" for row in found)
    assert told(served, "site=elsewhere")["unlike"] == []


def test_the_worst_machines_are_sorted_by_the_figure_that_is_asked_for(served: Site) -> None:
    found = told(served, "top=3&by=avg")["top"]
    with sqlite3.connect(served.database) as con:
        sql = "SELECT collector_id FROM percentiles WHERE range = 'run:1' AND metric = ? ORDER BY avg {} LIMIT 3"
        busiest = [number for (number,) in con.execute(sql.format("DESC"), ["host.cpu_busy"])]
        scarcest = [number for (number,) in con.execute(sql.format("ASC"), ["host.mem_available"])]
    assert [row["collector"] for row in found] == busiest and busiest[0] == SLOW
    assert [row["collector"] for row in told(served, "top=3&by=avg&metric=host.mem_available")["top"]] == scarcest
    assert told(served, "metric=disk.await_ms")["top"] == []


def test_a_heat_map_has_a_row_for_each_machine_and_leaves_out_what_is_not_known(served: Site) -> None:
    found = told(served, "site=lab")["heatmap"]
    assert (found["from"], found["width_ms"], len(found["machines"])) == (FROM, 120_000, 6)
    cells = found["machines"][SLOW - 1]["values"]
    assert len(cells) == MINUTES // 2 + 1
    assert [place for place, value in enumerate(cells) if value is None] == [3, MINUTES // 2]
    assert cells[0] > 60
    assert told(served, "range=1h&site=nowhere")["heatmap"]["machines"] == []


def test_a_recording_too_short_for_a_whole_bucket_has_its_cell(served: Site, tmp_path: Path) -> None:
    """Of two minutes there is no ten, of a half there is no minute: what is finer stands for it."""
    con = sqlite3.connect(copy_database(served.database, tmp_path / "perfkit.db"))
    con.execute("DELETE FROM host_metrics_1m WHERE collector_id = 1")
    con.execute("INSERT INTO host_metrics_10s (collector_id, timestamp, samples, cpu_busy_avg) VALUES (1, ?, 10, 77)", [FROM + 130_000])
    found = {
        one["machine"]: one["values"] for one in dashboard_fleet.told(con, FleetAsked("lab", RANGE, METRIC, BY, TOP))["heatmap"]["machines"]
    }
    con.close()
    assert [(place, value) for place, value in enumerate(found["vm-1"]) if value is not None] == [(1, 77)]
    assert len(found) == 6


@pytest.mark.parametrize("query", ["range=2h", "metric=host.cpu", "metric=cpu.busy%22", "by=min", "top=x"])
def test_what_cannot_be_asked_is_a_sentence(served: Site, query: str) -> None:
    answer = asking.get(f"{served.url}/api/v1/fleet?{query}", timeout=60)
    assert answer.status_code == 400 and answer.json()["error"].endswith(".")


def test_every_room_calls_a_machine_unlike_from_the_same_distance_on() -> None:
    """The question over the lake, the page's words and its marks."""
    told = {
        "lake/sql/robust_z.sql": r"From (\S+) on a machine is unlike",
        "lake/sql/questions/unlike.sql": r"abs\(z\) >= (\S+)",
        "dashboard/static/fleet.js": r"const UNLIKE = (\S+);",
        "dashboard/templates/perfkit/fleet.html": r"robust z of (\S+) or more",
    }
    limits = {re.findall(pattern, (SOURCE / "perfkit" / name).read_text())[0] for name, pattern in told.items()}
    assert len(limits) == 1


def test_the_page_shows_them_and_an_empty_database_says_what_to_do(served: Site, serve, tmp_path: Path, open_page) -> None:
    page = open_page(f"{served.url}/fleet?site=lab", timezone_id="Europe/Berlin")
    assert hindrances(page) == []
    times = page.locator("#heatmap .times span").all_inner_texts()
    assert (times[0], len(times)) == ("01:00", 5)
    assert "times in UTC+1" in page.inner_text("#heatmap .legend")
    shares = page.locator("#top td.filled").evaluate_all("(all) => all.map((one) => parseFloat(one.style.getPropertyValue('--share')))")
    figures = [float(text.split()[0]) for text in page.locator("#top td.filled").all_inner_texts()]
    assert shares == pytest.approx(figures, abs=0.06), "as long as the figure is of 100 %"
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.click("#utc")
    page.wait_for_function("document.querySelector('#heatmap .times span').textContent === '00:00'")
    assert page.locator("#tests tbody th").first.inner_text() == "vm-4"
    assert page.locator("#tests tbody a").first.get_attribute("href").startswith("/runs/4@1")
    assert page.locator("#heatmap tbody tr").count() == 6
    page.select_option("#metric", "host.cpu_steal")
    page.wait_for_function("document.querySelector('#readout').textContent.startsWith('CPU steal')")
    page.wait_for_url(lambda url: "metric=host.cpu_steal" in url)
    empty = asking.get(f"{serve(tmp_path / 'perfkit.db').url}/fleet", timeout=60).text
    assert "No machine yet" in empty and "perfkit import" in empty
