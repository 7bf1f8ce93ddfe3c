"""/api/v1/compare says what `perfkit compare` says, of the same runs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from perfkit.cli.compare import app
from support import asking
from support.recorded import START, record, steady

LATER = 10_000_000


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """vm-a with four runs, of which the third has a gap, vm-b of other hardware with one, and a load generator that is busy."""
    database = tmp_path_factory.mktemp("compared") / "perfkit.db"
    record(database, steady(50, 600, 1))
    record(database, steady(55, 600, 2), start=START + LATER)
    record(database, steady(55, 600, 3), machine="vm-b", facts={"cpus": 8, "kernel": None})
    record(database, [95.0] * 600, machine="gen")
    for number in (3, 4):
        gap = range(100, 110 if number == 3 else 100)
        record(database, steady(60, 200, number), start=START + number * LATER, missing=gap)
    return database


@pytest.fixture
def site(database, serve):
    return serve(database)


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("c=1@1&c=1@2", ["vm-a@1", "vm-a@2"]),
        (
            "c=1@1&c=1@2&metrics=host.cpu_busy&figures=avg,p50&at_least=5",
            ["vm-a@1", "vm-a@2", "--metric", "host.cpu_busy", "--figure", "avg", "--figure", "p50", "--at-least", "5%"],
        ),
        ("c=1@1&c=2@1", ["vm-a@1", "vm-b@1"]),
        ("c=1@1&c=2@1&across_machines=1", ["vm-a@1", "vm-b@1", "--across-machines"]),
        ("c=1@1&c=1@2&generator=3@1", ["vm-a@1", "vm-a@2", "--generator", "gen@1"]),
        ("arm=old=1@1,1@2&arm=new=1@3,1@4", ["--arm", "old=vm-a@1,vm-a@2", "--arm", "new=vm-a@3,vm-a@4"]),
    ],
    ids=["two runs", "narrowed", "other hardware", "across machines", "generator", "arms"],
)
def test_the_api_says_what_the_command_says(site, query: str, arguments: list[str]) -> None:
    answer = asking.get(f"{site.url}/api/v1/compare?{query}", timeout=60).json()
    said = json.loads(CliRunner().invoke(app, [*arguments, "--format", "json", "--db", str(site.database)]).output)
    names = {"1@1": "vm-a@1", "1@2": "vm-a@2", "1@3": "vm-a@3", "1@4": "vm-a@4", "2@1": "vm-b@1", "3@1": "gen@1"}
    told = json.dumps(answer)
    for number, name in names.items():
        told = told.replace(f'"{number}"', f'"{name}"').replace(f"{number}: ", f"{name}: ")
    assert json.loads(told) == said


@pytest.mark.parametrize(
    "query",
    [
        "",
        "c=1@1",
        "&".join(["c=1@1"] * 7),
        "c=1@1&c=1@2&figures=p42",
        "c=1@1&c=1@2&metrics=x",
        "c=1@1&c=one",
        "c=1@1&arm=1@2",
        "c=1@1&arm=a=",
    ],
)
def test_what_it_cannot_compare_it_refuses(site, query: str) -> None:
    answer = asking.get(f"{site.url}/api/v1/compare?{query}", timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_the_page_draws_what_differs(site, open_page) -> None:
    page = open_page(f"{site.url}/compare?c=1@1&c=1@2&at_least=5")
    row = page.locator("#verdicts tr.differs", has_text="CPU busy avg")
    row.wait_for()
    assert [row.locator(f".interval {part}").count() for part in "ibs"] == [1, 1, 2]  # interval, difference, the margin on both sides
    assert row.locator("td").nth(2).inner_text().startswith("+")
    assert row.locator("td").last.inner_text() == "differs"


def test_the_page_says_why_it_does_not_judge(site, open_page) -> None:
    page = open_page(f"{site.url}/compare?c=1@1&c=2@1")
    row = page.locator("#verdicts tr.not_judged", has_text="CPU busy avg")
    row.wait_for()
    assert row.locator("td").last.inner_text() == "not judged"
    reason = "the machines differ in their number of CPUs (4, 8)"  # said once, above
    assert reason in page.locator("#verdicts .guards .bad").all_inner_texts()[0]
    assert row.locator("td").last.get_attribute("title").startswith(reason)
    page.locator("#verdicts").get_by_text("Compare these machines all the same").click()
    page.locator("#verdicts tr.differs", has_text="CPU busy avg").wait_for()
    assert page.locator("#verdicts .guards .warn", has_text="number of CPUs").count() == 1
    assert page.locator("#chosen td", has_text="≠").all_inner_texts() == ["≠ 8"]  # the odd one alone, and not the kernel that nobody knows
    heads = page.locator("#chosen thead th").all_inner_texts()
    assert "CPUs" in heads
    assert "Period" not in heads
    assert "Period 1 s" in page.inner_text("#chosen .same"), "what is equal is said once"


def test_every_run_of_an_arm_is_a_thin_line_and_their_mean_a_bold_one(site, open_page) -> None:
    page = open_page(f"{site.url}/compare?arm=old=1@1,1@2&arm=new=1@3,1@4")
    row = page.locator("#verdicts tr.not_judged", has_text="CPU busy avg")
    row.wait_for()
    guards = page.locator("#verdicts .guards .bad").all_inner_texts()
    assert any("the recording has a gap" in guard and "@" not in guard for guard in guards), guards  # a run has its name
    assert not any(guard.endswith("..") for guard in guards)
    drawn = """async () => {
        const [plot] = (await window.perfkit).panels;
        const series = plot.shown.series.map(({ colour, faint, bold }) => [colour, faint ? "thin" : bold ? "bold" : ""]);
        const widths = plot.chart.series.slice(1).map(({ width }) => width);
        return { series, widths, gaps: plot.view.gaps.map(([from, to]) => Math.round((to - from) / 1000)) };
    }"""
    found = page.evaluate(drawn)
    assert found["series"] == [["c1", "thin"], ["c1", "thin"], ["c2", "thin"], ["c2", "thin"], ["c1", "bold"], ["c2", "bold"]]
    assert max(found["widths"][:4]) < min(found["widths"][4:])
    assert found["gaps"] == [11]  # it is hatched as on every page
    legend = page.locator("#panel-cpu .legend button").all_inner_texts()
    assert [text.strip() for text in legend] == ["old (2 runs)", "new (2 runs)"]
