"""`perfkit report`: one file that opens from disk, asks nobody, and says what the API says."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from perfkit.cli.report import app
from perfkit.errors import BadInput, Failed
from perfkit.store.importing import import_input
from support import asking, firefox, invent
from support.database import copy_database
from support.recorded import START, record, steady

MARKS = [(20, "load", "start"), (60, "steady", "start"), (160, "steady", "end"), (200, "load", "end")]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A database with one run, "load", of a machine whose name is hostile; CPUs are full in its phase."""
    folder = tmp_path_factory.mktemp("report")
    path = invent.write(folder / "vm.json", seconds=240, containers=1, spikes=[(60, 100, 0.99)], marks=MARKS)
    import_input(folder / "perfkit.db", path, collector_name="<img src=x onerror=alert(1)></script>")
    return folder / "perfkit.db"


def write(db: Path, out: Path, *arguments: str) -> None:
    with ThreadPoolExecutor(1) as apart:  # Playwright's loop runs in this thread
        done = apart.submit(CliRunner().invoke, app, [*arguments, "--out", str(out), "--db", str(db)]).result()
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output


@pytest.fixture
def opened(open_page, tmp_path: Path, recorded: Path):
    """The report in a browser that may reach nothing, and every request that it made."""
    write(recorded, tmp_path / "report.html", "1@load")
    page = open_page(f"file://{tmp_path / 'report.html'}", drawn=False)
    asked: list[str] = []
    page.context.set_offline(True)
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector("body[data-stats]")
    return page, asked


def test_the_file_draws_itself_and_asks_nobody(opened) -> None:
    page, asked = opened
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1
    assert page.locator("#panels .u-wrap canvas").count() >= 6
    assert page.inner_text("h1").startswith("<img src=x onerror=alert(1)></script>")


def test_it_says_what_the_api_says(opened, serve, recorded: Path) -> None:
    page, _ = opened
    site = serve(recorded)
    told = asking.get(f"{site.url}/api/v1/runs/1@1", timeout=60).json()
    assert page.inner_text("#verdict") + f" Recorded {told['recorded']}." == told["verdict"]["sentence"]
    assert page.locator("#found li").count() == len(told["findings"]) > 0
    frame = json.loads(page.evaluate("document.body.dataset.frame"))
    assert frame["run"]["figures"] == told["figures"]
    assert frame["run"]["phases"] == told["phases"]
    percentiles = asking.get(f"{site.url}/api/v1/collectors/1/percentiles?tables=host&run=1", timeout=60).json()["percentiles"]
    inside = page.evaluate("async () => (await (await import('perfkit/source.js')).ask('percentiles', { query: 'run=1' })).percentiles")
    assert [row for row in inside if row["metric"].startswith("host.")] == percentiles
    assert "SHA-256" in page.inner_text("#inputs")


def test_a_phase_and_a_zoom_are_within(opened) -> None:
    page, _ = opened
    page.click("#numbers a:has-text('steady')")
    page.wait_for_function("location.hash.includes('phase=steady')")
    spans = "async () => { const { answer } = await window.perfkit; return [answer.window.from, answer.window.to]; }"
    start = invent.START * 1000
    page.wait_for_function(f"window.perfkit.then(({{ answer }}) => answer.window.from - {start} > 59000)")
    first, last = page.evaluate(spans)
    assert (round((first - start) / 1000), round((last - start) / 1000)) == (60, 160)
    page.go_back()
    page.evaluate(f"location.hash = 'from={start + 70_000}&to={start + 90_000}'")
    page.wait_for_function(f"window.perfkit.then(({{ answer }}) => answer.window.from === {start + 70_000})")


def test_only_the_files_of_its_time_are_named(recorded: Path, tmp_path: Path) -> None:
    db = copy_database(recorded, tmp_path / "perfkit.db")
    with closing(sqlite3.connect(db)) as con, con:
        con.execute(
            "INSERT INTO collections (collector_id, digest, source, kind, imported_at, first_timestamp, last_timestamp)"
            " SELECT collector_id, 'other', 'later.json', kind, imported_at, last_timestamp + 1, last_timestamp + 9 FROM collections"
        )
    write(db, tmp_path / "r.html", "1@1")
    page = (tmp_path / "r.html").read_text()
    assert "vm.json · SHA-256" in page
    assert "later.json" not in page


def test_markdown_and_json(recorded: Path, tmp_path: Path) -> None:
    write(recorded, tmp_path / "r.md", "1@1", "--format", "md")
    text = (tmp_path / "r.md").read_text()
    assert text.startswith("## &lt;img src=x onerror=alert(1)&gt;&lt;/script&gt;, run 1 (load)")
    assert "CPU busy above 90 %" in text
    write(recorded, tmp_path / "r.json", "1@1", "--format", "json")
    assert json.loads((tmp_path / "r.json").read_text())["verdict"]["trusted"] is True


def test_a_comparison_draws_its_runs_and_asks_nobody(open_page, tmp_path: Path) -> None:
    """Ten runs, of two databases: those of a collection file are numbered anew. A zoom shows the lines, and no figures of the whole."""
    db = tmp_path / "perfkit.db"
    for number in range(9):
        record(db, steady(50 + 3 * number, 120, number), start=START + number * 10_000_000)
    apart = invent.write(tmp_path / "vm-b.json", hostname="vm-b", seconds=120)
    write(db, tmp_path / "c.html", *(f"vm-a@{number}" for number in range(1, 10)), str(apart))
    page = open_page(f"file://{tmp_path / 'c.html'}", drawn=False)
    asked: list[str] = []
    page.context.set_offline(True)
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    page.wait_for_selector("body[data-stats]")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.inner_text("h1") == "vm-a@2, vm-a@3 and 7 more against vm-a@1"
    assert page.locator("#chosen tbody tr").count() == 10
    assert page.locator("select[aria-label^=Add], #chosen button, #at_least").count() == 0
    assert "differs" in page.inner_text("#verdicts")
    shown = """async () => (await perfkit).panels[0].shown.series
        .map((one) => [one.label, one.avg.filter((v) => v !== null).length, one.stats?.avg])"""
    lines = page.evaluate(shown)
    assert len({label for label, _, _ in lines}) == 10
    assert all(points > 50 and average > 0 for _, points, average in lines)
    page.evaluate("location.hash = 'from=10000&to=40000'; dispatchEvent(new Event('perfkit:url'))")
    page.wait_for_function("async () => (await perfkit).panels[0].shown.series[0].avg.length < 60")
    assert all(points > 10 and average is None for _, points, average in page.evaluate(shown))


@pytest.mark.skipif(not firefox.PROGRAM, reason="Firefox is not installed: the report was opened in Chromium alone")
def test_firefox_draws_and_prints_a_run_and_a_comparison(recorded: Path, tmp_path: Path) -> None:
    """In both colours, with nothing that it could reach, and the charts on paper too."""
    write(recorded, tmp_path / "run.html", "1@load")
    write(recorded, tmp_path / "two.html", "1@load:steady", "1@load")
    (tmp_path / "profile").mkdir()
    with firefox.running(tmp_path / "profile") as browser:
        for name, charts in (("run", 6), ("two", 6)):
            browser.open(f"file://{tmp_path / name}.html")
            browser.wait("document.body.dataset.stats")
            colours = []
            for _ in range(2):
                inked = "[...document.querySelectorAll('.u-wrap canvas')].filter((one) => one.toDataURL().length > 4000).length"
                assert browser.ask(inked) >= charts
                colours.append(browser.ask("getComputedStyle(document.querySelector('.panel')).backgroundColor"))
                browser.ask("document.querySelector('#scheme').click()")
            assert set(colours) == {"rgb(247, 248, 250)", "rgb(23, 27, 33)"}
            assert browser.ask("performance.getEntriesByType('resource').filter((one) => !/^(data|blob):/.test(one.name)).length") == 0
            assert browser.paper().count(b"/Subtype /Image") >= charts


def test_what_cannot_be_written_is_said_and_leaves_nothing(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"cannot be written.*name another file with --out"):
        write(recorded, tmp_path / "none" / "r.html", "1@1")
    with pytest.raises(BadInput, match="10 runs at most"):
        write(recorded, tmp_path / "r.html", *["1@1"] * 11)
    with pytest.raises(BadInput, match="there is no format"):
        write(recorded, tmp_path / "r.html", "1@1", "--format", "pdf")
    assert list(tmp_path.iterdir()) == []
