"""Runs: the list of them, the page of one, and their JSON."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.store import open_database, runs
from perfkit.units import format_duration
from support import asking
from support.recorded import record
from support.seed import START, fill

from .conftest import follow, hindrances

FIRST = START * 1000


def test_every_run_is_listed_the_newest_first(marked):
    answer = asking.get(f"{marked.url}/api/v1/runs", timeout=60).json()
    assert [(one["id"], one["machine"], one["label"], one["open"]) for one in answer["runs"]] == [
        ("1@1", "vm-a", "load", False),
        ("2@1", "vm-b", "load", False),
    ]
    vm_a, vm_b = answer["runs"]
    assert (vm_a["from"], vm_a["to"]) == (FIRST + 200_000, FIRST + 400_000)
    assert vm_a["certificate"]["samples"] == vm_a["certificate"]["samples_expected"] == 201
    assert vm_a["certificate"]["ended"] == "end mark"
    assert vm_a["verdict"]["trusted"] is True
    assert vm_a["verdict"]["from"] == "2026-01-01T00:03:20.000Z", "the instant in its sentence"
    assert f"from {vm_a['verdict']['from'][11:19]} UTC on" in vm_a["verdict"]["sentence"]
    assert vm_b["verdict"]["sentence"].startswith("Not to be trusted: ")
    assert vm_b["verdict"]["trusted"] is False
    assert asking.get(f"{marked.url}/api/v1/runs?collector=2", timeout=60).json()["runs"] == [vm_b]


def test_the_newest_run_of_each_machine_has_what_is_stored(tmp_path, serve):
    """The verdict that the list of runs says; null where nobody has judged it yet, and nothing is judged for a list of machines."""
    database = tmp_path / "perfkit.db"
    for machine in ("vm-a", "vm-b"):
        fill(database, machine, seconds=600)
    with closing(open_database(database)) as con:
        for at, kind in ((500, "start"), (580, "end")):
            con.execute("INSERT INTO marks (collector_id, timestamp, kind, label) VALUES (1, ?, ?, 'again')", (FIRST + at * 1000, kind))
        runs.refresh(con, 1)
    url = serve(database).url
    found = asking.get(f"{url}/api/v1/runs?newest=1", timeout=60).json()["runs"]
    assert [(one["id"], one["label"], one["verdict"], one["figures"]) for one in found[:1]] == [("1@2", "again", None, None)]
    (listed,) = asking.get(f"{url}/api/v1/runs?collector=2", timeout=60).json()["runs"]
    assert found[1:] == [{name: value for name, value in listed.items() if name not in ("certificate", "findings", "capacity")}]


def test_a_run_has_its_phases_and_their_numbers(marked):
    run = asking.get(f"{marked.url}/api/v1/runs/1@1", timeout=60).json()
    assert [(one["phase"], one["certificate"]["samples"]) for one in run["phases"]] == [("up", 41), ("steady", 121)]
    con = sqlite3.connect(marked.database)
    steady = "SELECT avg(cpu_busy), max(cpu_busy) FROM host_metrics WHERE collector_id = 1 AND timestamp BETWEEN ? AND ?"
    mean, most = con.execute(steady, (FIRST + 260_000, FIRST + 380_000)).fetchone()
    busy = run["phases"][1]["figures"]["cpu_busy"]
    assert (busy["avg"], busy["max"]) == (pytest.approx(mean), pytest.approx(most))


@pytest.mark.parametrize("path", ["/api/v1/runs/1@9", "/api/v1/runs/7@1", "/runs/1@9", "/runs/7@1"])
def test_a_run_that_is_not_there_is_not_found(marked, path):
    answer = asking.get(marked.url + path, timeout=60)
    assert answer.status_code == 404
    assert "there is no run" in answer.text.lower()


def test_the_page_of_all_runs(marked, open_page):
    """Each run leads to its page; two that are ticked go to compare; everyone can use it."""
    page = open_page(f"{marked.url}/runs")
    assert hindrances(page) == []
    assert page.locator("#rows tr").count() == 2
    assert page.inner_text("#count") == "2 runs"
    lengths = [*range(1, 1000, 83), 999.6, *(round(1000 * 1.37**n, 1) for n in range(48)), 59_500, 89_900, 3_599_600, 86_399_000]
    module = page.locator("script[type=module]").first.evaluate("(one) => new URL('format.js', one.src).href")
    spans = page.evaluate("async ([module, all]) => { const { span } = await import(module); return all.map(span); }", [module, lengths])
    assert spans == [format_duration(length / 1000) for length in lengths], "lengths are shown as the command line shows them"
    page.evaluate("document.documentElement.classList.add('printing')")
    assert page.locator(".cards").evaluate("(one) => getComputedStyle(one).breakInside") == "auto", "a long list begins on the first sheet"
    page.evaluate("document.documentElement.classList.remove('printing')")
    page.locator("#rows input").nth(0).check()
    page.locator("#rows input").nth(1).check()
    assert page.locator("#compare").get_attribute("href") == "/compare?c=1%401&c=2%401"
    follow(page, "#rows a:has-text('load')")
    assert page.url == f"{marked.url}/runs/1@1"


def test_the_page_of_a_run_shows_its_time_alone(marked, open_page):
    page = open_page(f"{marked.url}/runs/1@1")
    view = page.evaluate("async () => { const { answer } = await window.perfkit; return [answer.window.from, answer.window.to]; }")
    assert view == [FIRST + 200_000, FIRST + 400_000]
    assert page.inner_text("#verdict").startswith("CPU-bound: ")
    assert page.locator("#found li").count() > 3
    assert page.locator("#numbers tbody th").all_inner_texts() == ["whole run", "up", "steady"]
    assert page.inner_text(".trust") == "✓ recorded 201 of 201 samples, no gap, latest 0.4 ms late"
    assert page.locator("#unzoom").is_hidden()
    page.click("#numbers a:has-text('steady')")
    page.wait_for_function("document.querySelector('#recorded').textContent.startsWith('recorded 121 of 121')")
    # The server's text has blanks between the findings, the script's has none: which of both stands there is a matter of time.
    said = """(one) => ["#verdict", "#found li"].map((of) =>
        [...one.querySelectorAll(of)].map(({ textContent }) => textContent.replaceAll(/\\s+/g, " ").trim()))"""
    phase = page.locator("main").evaluate(said)
    assert phase[0][0].startswith("steady CPU-bound: "), "verdict and findings are those of what is shown"
    assert "for 2 m 1 s of 2 m 1 s" in phase[0][0]
    again = open_page(page.url)
    assert again.locator("main").evaluate(said) == phase, "the link says the same"
    served = asking.get(page.url, timeout=60).text
    assert '<span class="muted">steady</span> <b>CPU-bound</b>' in served, "before any script"


def test_every_page_of_a_machine_says_what_was_recorded_of_the_run(marked):
    """And the names on a run's page have no number of that run."""
    for page in ("", "/host", "/tables", "/containers"):
        answer = asking.get(f"{marked.url}/collectors/1{page}?run=1", timeout=60)
        assert 'id="recorded">recorded 201 of 201 samples' in answer.text, page
    assert '<option value="@1">load</option>' in asking.get(f"{marked.url}/runs/1@1", timeout=60).text


def test_the_first_screen_of_a_run_answers(marked, open_page):
    """Verdict, whether to trust it, a row a phase, tiles, and whole charts of the load and of what it used first, on a laptop."""
    page = open_page(f"{marked.url}/runs/1@1", viewport={"width": 1440, "height": 900})
    page.wait_for_selector("body[data-stats]")
    bottom = "(all) => Object.fromEntries(all.map((one) => [one.id, one.getBoundingClientRect().bottom]))"
    assert hindrances(page) == []
    low = page.locator("#verdict, #recorded, #numbers, .tile, .panel:has(.u-over)").evaluate_all(bottom)
    first = ["verdict", "recorded", "numbers", "tile-cpu", "tile-network", "panel-load.throughput.k6", "panel-load.latency.k6", "panel-cpu"]
    assert {name: low[name] for name in first if low[name] > 900} == {}
    assert low["recorded"] < low["numbers"] < low["tile-cpu"] < low["panel-load.throughput.k6"] < low["panel-network"]
    found, waits = page.locator("#found").bounding_box(), page.locator("#panel-some").bounding_box()
    assert low["panel-network"] < found["y"] < waits["y"], "then what was found, then what waited"


def test_the_verdicts_instant_is_in_the_zone_of_the_page(marked, open_page):
    """And leads to the minutes around it."""
    page = open_page(f"{marked.url}/runs/1@1", timezone_id="Europe/Berlin")
    assert "from 01:03:20 UTC+1 on" in page.inner_text("#verdict")
    page.click("#utc")
    assert "from 00:03:20 UTC on" in page.inner_text("#verdict")
    page.click("#verdict a")
    page.wait_for_url(f"**from={FIRST + 200_000 - 120_000}&*")


@pytest.mark.parametrize(("path", "verdict"), [("/runs", "td[data-head='Verdict']"), ("/", "td[data-head='Verdict']")])
def test_lists_say_verdicts_in_the_zone_of_the_page(marked, open_page, path, verdict):
    """In the cell and on a hover, and again when the zone is switched."""
    page = open_page(marked.url + path, drawn=False, timezone_id="Europe/Berlin")
    cell = page.locator(f"#rows tr:has-text('vm-a') {verdict}[title]")
    assert "from 01:03:20 UTC+1 on" in cell.get_attribute("title")
    assert ("from 01:03:20 UTC+1 on" in cell.inner_text()) is (path == "/runs")
    page.click("#utc")
    cell = page.locator(f"#rows tr:has-text('vm-a') {verdict}[title*='from 00:03:20 UTC on']")
    assert ("from 00:03:20 UTC on" in cell.inner_text()) is (path == "/runs")


def test_the_overview_says_the_verdict_of_the_newest_run(marked, open_page):
    """With the way to it; a machine whose run goes on has none yet."""
    page = open_page(f"{marked.url}/collectors/1", timezone_id="Europe/Berlin")
    assert page.inner_text("#verdict").startswith("Newest run, load run 1: CPU-bound: ")
    assert "from 01:03:20 UTC+1 on" in page.inner_text("#verdict")
    page.click("#verdict a:text-is('load')")
    page.wait_for_url("**/runs/1@1")


def test_a_runs_page_is_a_page_of_paper(marked, open_page, tmp_path):
    """The verdict on the first sheet, two charts a row that fill their panels, though three stand beside one another on the screen."""
    page = open_page(f"{marked.url}/runs/1@1", viewport={"width": 1440, "height": 900})
    page.wait_for_selector("body[data-stats]")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    panels = "[...document.querySelectorAll('#panels .panel')].filter((one) => one.querySelector('.u-over'))"
    # Once all are laid out anew. The rest of a panel is the axis: as wide as the widest of the page.
    page.wait_for_function(f"{panels}.every((one) => one.querySelector('.u-over').clientWidth / one.clientWidth > 0.7)")
    page.wait_for_function(f"new Set({panels}.map((one) => one.getBoundingClientRect().x)).size === 2")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    if not shutil.which("pdftotext"):
        pytest.skip("pdftotext (poppler-utils) is not installed: what stands on paper was not read")
    page.pdf(path=tmp_path / "run.pdf", format="A4")
    first = subprocess.run(["pdftotext", "-l", "1", tmp_path / "run.pdf", "-"], capture_output=True, text=True, check=True).stdout
    assert "CPU-bound: " in first
    assert "recorded 201 of 201 samples" in first


def test_a_run_that_is_not_to_be_trusted_says_so_twice(marked, open_page):
    """Where the verdict would be, and beside how much was recorded."""
    page = open_page(f"{marked.url}/runs/2@1")
    assert page.inner_text("#verdict").startswith("Not to be trusted: ")
    assert page.inner_text(".trust").startswith("✗ not to be trusted: recorded ")


def test_without_a_run_the_page_says_how_to_make_one(tmp_path: Path, serve, open_page):
    open_database(tmp_path / "perfkit.db").close()
    page = open_page(f"{serve(tmp_path / 'perfkit.db').url}/runs")
    assert "perfkit preflight -- COMMAND" in page.inner_text("main")


def test_the_page_of_a_run_says_knee_and_cost_where_a_load_tool_was_at_work(tmp_path: Path, serve, open_page):
    throughput = [100.0 * min(1 + place // 60, 4) + place % 7 for place in range(480)]
    users = [10.0 * (1 + place // 60) for place in range(480)]
    record(tmp_path / "perfkit.db", [5 + 0.2 * one for one in throughput], load={"throughput": throughput, "users": users})
    site = serve(tmp_path / "perfkit.db")
    told = asking.get(f"{site.url}/api/v1/runs/1@1", timeout=60).json()["capacity"]
    page = open_page(f"{site.url}/runs/1@1")
    assert page.inner_text("#capacity") == f"{told['knee']['sentence']} {told['cost']['sentence']}"
    assert told["knee"]["at"] == pytest.approx(40, abs=1)
    assert told["cost"]["disk_bytes"] is None
