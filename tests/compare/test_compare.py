"""`perfkit compare`: verdicts, what forbids them, exit codes and forms."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from perfkit.cli.compare import app
from perfkit.compare.judging import FORBID, OK, WARN, Arm, Comparison, Pair, judged
from perfkit.compare.report import summary
from perfkit.process.findings import rules, rules_file
from perfkit.store import comparable, findings, open_database, transaction
from perfkit.store.comparable import EVERY, PACKAGE, Figure, Known
from support import invent
from support.recorded import START, record, steady
from support.tables import same_figures

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SAMPLES = 600
LATER = 10_000_000


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "perfkit.db"


@pytest.fixture(scope="module", autouse=True)
def _each_run_is_read_once() -> Iterator[None]:
    """However often it is compared: a run does not change any more, and to read it is most of a comparison."""
    known: dict[tuple[object, ...], Known] = {}
    of_stretch = comparable.of_stretch

    def once(con: sqlite3.Connection, collector_id: int, one: comparable.Stretch, tables: Collection[str] = EVERY) -> Known:
        [(_, _, file)] = con.execute("PRAGMA database_list").fetchall()
        place = file, collector_id, one, tuple(tables)
        if place not in known:
            known[place] = of_stretch(con, collector_id, one, tables)
        return known[place]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparable, "of_stretch", once)
        yield


def run(db: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*arguments, "--db", str(db)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def compared(db: Path, *arguments: str) -> dict[str, Any]:
    code, output = run(db, *arguments, "--format", "json")
    assert code == 0, output
    found: dict[str, Any] = json.loads(output)
    return found


def busy(found: dict[str, Any], figure: str = "avg") -> dict[str, Any]:
    return next(one for one in found["metrics"] if one["metric"] == "host.cpu_busy" and one["figure"] == figure)


@pytest.fixture(scope="module")
def differing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 50 % CPU, one of 55, and one of 60 with a gap; not to be changed."""
    db = tmp_path_factory.mktemp("differing") / "perfkit.db"
    for number, level in enumerate((50, 55)):
        record(db, steady(level, SAMPLES, number + 1), start=START + number * LATER)
    record(db, steady(60, SAMPLES, 3), start=START + 2 * LATER, missing=range(100, 101))
    return db


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of 50 % CPU; not to be changed."""
    db = tmp_path_factory.mktemp("alike") / "perfkit.db"
    for number in range(2):
        record(db, steady(50, SAMPLES, number + 1), start=START + number * LATER)
    return db


OLD, NEW = "vm-a@1,vm-a@2,vm-a@3", {45: "vm-a@4,vm-a@5,vm-a@6", 50: "vm-a@7,vm-a@8,vm-a@9", 55: "vm-a@10,vm-a@11,vm-a@12"}


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of OLD, of 50 % CPU and 1000 requests a second, and by their CPU those of NEW, the first of which do 1100; a machine with
    more CPUs; and what an import stores of all of these. Not to be changed."""
    db = tmp_path_factory.mktemp("arms") / "perfkit.db"
    for number, level in enumerate((50, *NEW)):
        for seed in (range(0, 6, 2), range(1, 6, 2))[number > 0]:
            load = {"throughput": steady(1100 if level == 45 else 1000, 120, seed)}
            record(db, steady(level, 120, seed), start=START + (3 * number + seed // 2) * LATER, load=load)
    record(db, steady(50, 120, 4), machine="vm-b", facts={"cpus": 8})
    with closing(open_database(db)) as con, transaction(con):
        for collector_id in (1, 2):
            findings.refresh(con, collector_id)
    return db


def two(db: Path) -> dict[str, Any]:
    return compared(db, "vm-a@1", "vm-a@2", "--metric", "host")


def state(found: dict[str, Any], rule: str) -> str:
    states = [guard["state"] for guard in found["guards"] if guard["rule"] == rule]
    return FORBID if FORBID in states else WARN if WARN in states else OK


def of_run(found: dict[str, Any], reference: str) -> dict[str, Any]:
    """What a comparison with several runs says of one."""
    guards = [guard for guard in found["guards"] if guard["sentence"].startswith(f"{reference}: ")]
    return {"guards": guards, "metrics": [row for row in found["metrics"] if row["reference"] == reference]}


def test_two_recordings_that_differ(differing: Path) -> None:
    found = two(differing)
    assert (found["baseline"], found["others"], found["runs_per_arm"]) == ("vm-a@1", ["vm-a@2"], [1, 1])
    row = busy(found)
    assert row["verdict"] == "differs"
    assert row["difference"] == pytest.approx(5, abs=0.5)
    assert row["low"] < row["difference"] < row["high"]
    assert row["percent"] == pytest.approx(10, abs=1)
    assert row["baseline"]["n"] == SAMPLES
    assert 100 < row["baseline"]["n_effective"] < 300
    assert {guard["state"] for guard in found["guards"]} == {OK}


def test_two_recordings_that_do_not_differ(alike: Path) -> None:
    row = busy(two(alike))
    assert row["verdict"] == "no_difference"
    assert row["low"] < 0 < row["high"]
    assert 0 < row["detectable"] < 1


@pytest.mark.parametrize(("level", "verdict"), [(55, "worse"), (45, "better"), (50, "no_difference")])
def test_from_three_runs_an_arm_on_the_verdict_is_of_the_change(arms: Path, level: int, verdict: str) -> None:
    asked = ("--arm", f"old={OLD}", "--arm", f"new={NEW[level]}", "--metric", "host.cpu_busy", "--figure", "avg")
    found = compared(arms, *asked)
    assert (found["baseline"], found["others"], found["runs_per_arm"]) == ("old", ["new"], [3, 3])
    assert busy(found)["verdict"] == verdict
    assert run(arms, *asked, "--at-least", "5%", "--fail-on", "worse")[0] == (3 if verdict == "worse" else 0)
    assert run(arms, *asked, "--at-least", "20%", "--fail-on", "worse")[0] == 0


def test_two_runs_an_arm_can_only_differ(db: Path) -> None:
    for number, level in enumerate((50.0, 50.1, 90.0, 90.1)):
        record(db, steady(level, 120, number), start=START + number * LATER)
    found = compared(db, "--arm", "old=vm-a@1,vm-a@2", "--arm", "new=vm-a@3,vm-a@4", "--metric", "host.cpu_busy", "--figure", "avg")
    assert busy(found)["verdict"] == "differs"


def test_a_better_throughput_is_a_higher_one(arms: Path) -> None:
    found = compared(arms, "--arm", f"old={OLD}", "--arm", f"new={NEW[45]}", "--metric", "load.throughput")
    rows = {row["figure"]: row for row in found["metrics"]}
    assert rows["avg"]["verdict"] == "better"
    assert rows["avg"]["unit"] == "1/s"


MIB = 1 << 20
CONTAINER = {"container_id": "abc", "container_name": "web", "runtime": "docker"}
# What trips each rule in one of 600 samples' runs, what is just below, and what it does.
TRIPS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "coverage": ({"missing": range(100, 131)}, {"missing": range(100, 129)}, FORBID),
    "gap": ({"missing": range(100, 101)}, {}, FORBID),
    "clock_step": ({"events": [("clock_step", "", None)]}, {"events": [("hot_plug", "disk sda", None)]}, FORBID),
    "counter_reset": ({"events": [("reset", "disk sda", None)]}, {"events": [("unplug", "disk sda", None)]}, WARN),
    "late": (
        {"lateness_ms": lambda tick: 500.1 if tick < 6 else 0.4},
        {"lateness_ms": lambda tick: 500.1 if tick < 5 else 0.4},
        FORBID,
    ),
    "not_ended": ({"ended": "error: disk full"}, {"ended": "signal"}, WARN),
    "steal": (
        {"rows": {"host": lambda tick: {"cpu_busy": 50.0 + tick % 7, "cpu_steal": 5.1 if tick < 30 else 0.0}}},
        {"rows": {"host": lambda tick: {"cpu_busy": 50.0 + tick % 7, "cpu_steal": 5.1 if tick < 29 else 0.0}}},
        FORBID,
    ),
    "swapping": (
        {"rows": {"system": lambda tick: {"swap_in_pages": 10.1 if tick < 6 else 0.0, "swap_out_pages": 0.0}}},
        {"rows": {"system": lambda tick: {"swap_in_pages": 10.0, "swap_out_pages": 0.0}}},
        FORBID,
    ),
    "oom_kill": (
        {"rows": {"system": lambda tick: {"oom_kills": 1.0 if tick == 9 else 0.0}}},
        {"rows": {"system": lambda tick: {"oom_kills": 0.0}}},
        FORBID,
    ),
    "throttled": (
        {
            "rows": {
                "containers": lambda tick: {
                    "container_id": "abc",
                    "container_name": "web",
                    "runtime": "docker",
                    "cpu_throttled_percent": 10.1,
                }
            }
        },
        {
            "rows": {
                "containers": lambda tick: {
                    "container_id": "abc",
                    "container_name": "web",
                    "runtime": "docker",
                    "cpu_throttled_percent": 10.0,
                }
            }
        },
        FORBID,
    ),
    "reboot": ({"events": [("reboot", "", None)]}, {"events": [("overlap", "", None)]}, FORBID),
    "unusable_numbers": ({"events": [("unusable", "cpu 1", 3)]}, {"events": [("damaged", "vm-a.json", 3)]}, WARN),
    "filesystem_full": (
        {"rows": {"filesystem": lambda tick: {"mount": "/srv", "size_bytes": 1000 * MIB, "available_bytes": 0 if tick == 5 else 1}}},
        {"rows": {"filesystem": lambda tick: {"mount": "/srv", "size_bytes": 1000 * MIB, "available_bytes": 1}}},
        FORBID,
    ),
    "generator_dropped": (
        {"load": {"throughput": [10.0] * SAMPLES, "requests": 1000, "summary": '{"dropped": 11}'}},
        {"load": {"throughput": [10.0] * SAMPLES, "requests": 1000, "summary": '{"dropped": 10}'}},
        FORBID,
    ),
    "generator_starved": (
        {"load": {"throughput": [10.0] * SAMPLES, "summary": '{"starved": 1}'}},
        {"load": {"throughput": [10.0] * SAMPLES, "summary": '{"starved": 0}'}},
        FORBID,
    ),
}


# Of these, each sample has several rows: in % of one CPU, by tick. The machine has four.
USED: dict[str, tuple[dict[str, Callable[[int], float]], dict[str, Callable[[int], float]], str]] = {
    "collector_cost": ({"python3": lambda tick: 2.01}, {"python3": lambda tick: 1.99}, FORBID),
    "foreign_process": (
        {"unattended-upgr": lambda tick: 5.1 if tick < 30 else 0.0},
        {"unattended-upgr": lambda tick: 5.1 if tick < 29 else 0.0},
        FORBID,
    ),
    "only_there": ({"gzip": lambda tick: 20.1}, {"gzip": lambda tick: 19.9}, WARN),
}


ELSEWHERE = {"generator_busy", "same_run", "same_run_twice", "too_many"}  # tests of their own below


def test_every_rule_is_tried() -> None:
    of_arms = {rule["name"] for rule in rules_file(PACKAGE)["arm"]}
    assert {rule.name for rule in rules(PACKAGE)} | of_arms == {*TRIPS, *USED} | ELSEWHERE


@pytest.mark.parametrize("rule", USED)
def test_who_used_the_machine_forbids_or_warns(db: Path, rule: str) -> None:
    trips, below, expected = USED[rule]
    pids = {"(not attributed)": "0", "python3": "1234", "unattended-upgr": "40", "gzip": "41", "postgres": "42"}

    for number, used in enumerate(({}, trips, below)):
        told = {"(not attributed)": lambda tick: 1.0, "postgres": lambda tick: 150.0, **used}
        record(db, steady(55 if number else 50, SAMPLES, number), start=START + number * LATER, processes=told, pids=pids)
    both = compared(db, "vm-a@1", "vm-a@2", "vm-a@3", "--metric", "host")
    found = of_run(both, "vm-a@2")
    assert state(found, rule) == expected
    assert (busy(found)["verdict"] == "not_judged") == (expected == FORBID)
    assert state(of_run(both, "vm-a@3"), rule) == OK


def test_who_used_a_machine_of_which_nobody_recorded_it_is_not_asked(db: Path) -> None:
    record(db, steady(50, SAMPLES, 1))
    processes = {"(not attributed)": lambda tick: 1.0, "gzip": lambda tick: 200.0}
    record(db, steady(50, SAMPLES, 2), start=START + LATER, processes=processes, pids={"(not attributed)": "0", "gzip": "41"})
    assert state(compared(db, "vm-a@1", "vm-a@2", "--metric", "host"), "only_there") == OK


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """By rule: what is said of a run that trips it, and of one just below; all of them against one run in one comparison."""
    db = tmp_path_factory.mktemp("rules") / "perfkit.db"
    record(db, steady(50, SAMPLES, 1))
    changes = [one for trips, below, _ in TRIPS.values() for one in (trips, below)]
    for number, changed in enumerate(changes, 1):
        record(db, steady(55, SAMPLES, 2), start=START + number * LATER, **changed)
    names = [f"vm-a@{number}" for number in range(1, len(changes) + 2)]
    found = compared(db, *names, "--metric", "host.cpu_busy", "--figure", "avg")
    return {
        rule: (of_run(found, tripped), of_run(found, below)) for rule, tripped, below in zip(TRIPS, names[1::2], names[2::2], strict=True)
    }


@pytest.mark.parametrize("rule", TRIPS)
def test_a_rule_forbids_or_warns(tried: dict[str, tuple[dict[str, Any], dict[str, Any]]], rule: str) -> None:
    expected = TRIPS[rule][2]
    found, below = tried[rule]
    assert state(found, rule) == expected
    assert (busy(found)["verdict"] == "not_judged") == (FORBID in {guard["state"] for guard in found["guards"]})
    if expected == FORBID:
        assert busy(found)["reason"]
    assert state(below, rule) == OK


@pytest.mark.parametrize(("level", "expected"), [(90.1, FORBID), (90.0, OK)])
def test_a_load_generator_that_is_busy_forbids_a_verdict(db: Path, level: float, expected: str) -> None:
    record(db, steady(50, SAMPLES, 1))
    record(db, steady(50, SAMPLES, 2), start=START + LATER)
    record(db, [level] * SAMPLES, machine="gen")
    assert state(compared(db, "vm-a@1", "vm-a@2", "--generator", "gen@1"), "generator_busy") == expected


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with vm-a, to which each test adds a machine of its own."""
    db = tmp_path_factory.mktemp("machines") / "perfkit.db"
    record(db, steady(50, SAMPLES, 1))
    return db


@pytest.mark.parametrize(
    ("facts", "rule", "expected"),
    [
        ({"cpus": 8}, "hardware", FORBID),
        ({"cpu_model": "EPYC"}, "hardware", FORBID),
        ({"architecture": "aarch64"}, "hardware", FORBID),
        ({"cpu_model": None}, "hardware", OK),
        ({"kernel": "6.2"}, "machine", WARN),
        ({"operating_system": "Debian 13"}, "machine", OK),
        ({"memory_mb": 8192.0}, "machine", WARN),
        ({"period_ms": 1053.0}, "period", FORBID),
        ({"period_ms": 1052.0}, "period", OK),
    ],
)
def test_machines_must_have_in_common_what_decides(machines: Path, facts: dict[str, Any], rule: str, expected: str) -> None:
    [(name, value)] = facts.items()
    other = f"{name}-{value}@1"
    record(machines, steady(50, SAMPLES, 2), machine=f"{name}-{value}", facts=facts)
    assert state(compared(machines, "vm-a@1", other, "--metric", "host"), rule) == expected
    if rule == "hardware" and expected == FORBID:
        assert state(compared(machines, "vm-a@1", other, "--metric", "host", "--across-machines"), rule) == WARN


def test_processes_are_compared_by_their_command(db: Path) -> None:
    """postgres used twice as much; nginx ran in the second run alone; who used less than 1 % of a core in both is left out."""
    level = steady(50, SAMPLES, 1)
    for number, used in enumerate(({"postgres": 1.0, "cron": 0.01}, {"postgres": 2.0, "nginx": 0.5})):
        record(
            db,
            level,
            start=START + number * LATER,
            rows={"processes": lambda tick: {"pid": "0", "command": "(not attributed)", "service": "", "cpu_percent": 1.0}},
        )
        add = [(name, factor) for name, factor in used.items()]
        with closing(open_database(db)) as con, transaction(con):
            for pid, (name, factor) in enumerate(add, 1):
                con.executemany(
                    "INSERT INTO process_metrics (collector_id, timestamp, pid, command, service, cpu_percent) VALUES (1, ?, ?, ?, '', ?)",
                    ((START + number * LATER + 1000 * tick, str(pid), name, factor * level[tick]) for tick in range(SAMPLES)),
                )
    found = compared(db, "vm-a@1", "vm-a@2", "--metric", "processes", "--figure", "avg")
    told = {row["device"]: row for row in found["metrics"]}
    assert set(told) == {"postgres", "nginx"}
    assert (told["postgres"]["metric"], told["postgres"]["unit"], told["postgres"]["verdict"]) == (
        "processes.cpu_percent",
        "% of one core",
        "differs",
    )
    assert told["postgres"]["difference"] == pytest.approx(50, abs=2)
    assert told["nginx"]["baseline"]["value"] == 0


def test_few_samples_are_not_judged(db: Path) -> None:
    record(db, steady(50, 100, 1, phi=0.9))
    record(db, steady(90, 100, 2, phi=0.9), start=START + LATER)
    row = busy(compared(db, "vm-a@1", "vm-a@2"))
    assert row["verdict"] == "not_judged"
    assert "record longer" in row["reason"]
    assert run(db, "vm-a@1", "vm-a@2", "--metric", "host.cpu_busy", "--fail-on", "worse")[0] == 4


def test_a_quantile_near_the_end_of_the_data_is_not_judged(db: Path) -> None:
    record(db, steady(50, 300, 1, phi=0.0))
    record(db, steady(90, 300, 2, phi=0.0), start=START + LATER)
    found = compared(db, "vm-a@1", "vm-a@2")
    assert busy(found, "p50")["verdict"] == "differs"
    assert busy(found, "p99")["verdict"] == "not_judged"


@pytest.mark.parametrize(("n_effective", "verdict"), [(99.9, "not_judged"), (100.1, "no_difference")])
def test_a_quantile_needs_five_independent_samples_beyond_it(n_effective: float, verdict: str) -> None:
    side = Figure("host.cpu_busy", "", "p95", 1.0, 0.9, 1.1, 0.01, 600, n_effective, None, 1.0, 1.0)
    assert [row.verdict for row in judged([Pair("new", [side], [side], "")])] == [verdict]


@pytest.mark.parametrize(("reasons", "last"), [(3, "Not judged: reason 2."), (4, "1 more reason; --format csv has each figure's.")])
def test_the_text_says_how_many_reasons_it_leaves_out(reasons: int, last: str) -> None:
    side = Figure("host.cpu_busy", "", "avg", 1.0, 0.9, 1.1, 0.01, 600, 99.0, None, 1.0, 1.0)
    rows = tuple(judged([Pair("new", [side], [side], f"reason {number}") for number in range(reasons)]))
    assert summary(Comparison(Arm("old", ()), (Arm("new", ()),), rows, ()), [])[-1] == last


def test_one_run_against_several_is_not_judged(arms: Path) -> None:
    row = busy(compared(arms, "vm-a@1", "--arm", "new=vm-a@2,vm-a@3"))
    assert row["verdict"] == "not_judged"


def test_a_run_that_is_compared_with_itself_is_noted(arms: Path) -> None:
    itself = compared(arms, "vm-a@1", "vm-a@1", "--metric", "host.cpu_busy")
    assert (state(itself, "same_run"), busy(itself)["verdict"]) == (WARN, "no_difference")


LOAD_AND_STEADY = [(0, "start", "load"), (10, "start", "steady"), (110, "end", "steady"), (119, "end", "load")]


@pytest.fixture(scope="module")
def in_phases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs with a phase each; not to be changed."""
    db = tmp_path_factory.mktemp("phases") / "perfkit.db"
    for number in range(3):
        record(db, steady(50, 120, number), start=START + number * LATER, marks=LOAD_AND_STEADY)
    return db


@pytest.mark.parametrize("twice", ["vm-a@3", "vm-a@last", "vm-a@3:steady"])
def test_a_run_that_counts_twice_is_no_repetition(in_phases: Path, twice: str) -> None:
    arms = ("--arm", "old=vm-a@1,vm-a@2", "--arm", f"new=vm-a@3,{twice}", "--metric", "host.cpu_busy")
    found = compared(in_phases, *arms)
    assert state(found, "same_run_twice") == FORBID
    assert busy(found)["verdict"] == "not_judged"


def test_every_run_of_an_arm_must_be_of_like_machines(arms: Path) -> None:
    asked = ("--arm", "old=vm-a@1,vm-a@2", "--arm", "new=vm-a@3,vm-b@1")
    assert state(compared(arms, *asked), "hardware") == FORBID
    assert state(compared(arms, *asked, "--across-machines"), "hardware") == WARN


def test_what_is_wrong_with_one_arm_says_nothing_of_another(differing: Path) -> None:
    rows = {
        row["reference"]: row["verdict"]
        for row in compared(differing, "vm-a@1", "vm-a@2", "vm-a@3", "--metric", "host")["metrics"]
        if row["metric"] == "host.cpu_busy" and row["figure"] == "avg"
    }
    assert rows == {"vm-a@2": "differs", "vm-a@3": "not_judged"}


def test_runs_of_one_figure_do_not_tell_how_far_runs_differ(db: Path) -> None:
    for number in range(6):
        record(db, [2.0 + number % 2] * 120, start=START + number * LATER)
    found = compared(db, "--arm", "old=vm-a@1,vm-a@3,vm-a@5", "--arm", "new=vm-a@2,vm-a@4,vm-a@6", "--metric", "host.cpu_busy")
    assert busy(found)["verdict"] == "not_judged"
    assert "how far runs differ is not known" in busy(found)["reason"]


@pytest.mark.parametrize(("metric", "code"), [("host.cpu_busy", 0), ("load", 4), ("disk.await_ms", 4)])
def test_a_metric_that_is_named_and_missing_is_not_passed(alike: Path, metric: str, code: int) -> None:
    arguments = ("--metric", "host.cpu_busy", "--metric", metric, "--figure", "avg", "--fail-on", "worse")
    assert run(alike, "vm-a@1", "vm-a@2", *arguments)[0] == code


def test_the_json_is_as_its_schema_says(differing: Path) -> None:
    schema = json.loads((DOCS / "compare.schema.json").read_text())
    found = two(differing)
    assert set(found) == set(schema["properties"]) >= set(schema["required"])
    of_row = schema["properties"]["metrics"]["items"]
    kinds = {"array": list, "string": str, "number": (int, float), "integer": int, "boolean": bool, "null": type(None)}
    for row in found["metrics"]:
        assert set(row) == set(of_row["required"])
        for side in (row["baseline"], row["other"]):
            assert set(side) == set(schema["$defs"]["side"]["required"])
        for name, told in of_row["properties"].items():
            allowed = told.get("type", [])
            for kind in [allowed] if isinstance(allowed, str) else allowed:
                if isinstance(row[name], kinds[kind]):
                    break
            else:
                assert row[name] in told.get("enum", [row[name]] if "$ref" in told else [])


@pytest.mark.parametrize(("level", "code"), [(50, 0), (55, 3)])
@pytest.mark.parametrize("service", ["github", "gitlab"])
def test_the_snippets_for_a_pipeline_run(arms: Path, tmp_path: Path, service: str, level: int, code: int) -> None:
    """The shell part of docs/compare.md, with three runs an arm."""
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", (DOCS / "compare.md").read_text(), re.DOTALL)]
    script = blocks[0][0]["run"] if service == "github" else "\n".join(blocks[1]["compare"]["script"])
    (tmp_path / "perfkit.pyz").write_text(
        f"import runpy, sys\nsys.path.insert(0, {str(ROOT / 'src')!r})\nrunpy.run_module('perfkit', run_name='__main__')\n"
    )
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PERFKIT_DB": str(arms),
        "MAIN_RUNS": OLD,
        "THESE_RUNS": NEW[level],
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "HOME": str(tmp_path),
    }
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    told = (tmp_path / "summary.md").read_text() if service == "github" else done.stdout
    assert "**this (3 runs) against main (3 runs)**" in told


def test_a_drift_is_said(db: Path) -> None:
    record(db, steady(50, SAMPLES, 1))
    record(db, [value + tick / 20 for tick, value in enumerate(steady(50, SAMPLES, 2))], start=START + LATER)
    row = busy(compared(db, "vm-a@1", "vm-a@2"))
    assert row["drifts"] is True
    [drift] = row["drift"]
    assert drift == {"first": pytest.approx(55, abs=0.5), "last": pytest.approx(75, abs=0.5)}
    said = f"(it drifts: {drift['first']:.4g} in the first third, {drift['last']:.4g} in the last)"
    assert said in run(db, "vm-a@1", "vm-a@2", "--metric", "host.cpu_busy")[1]


def test_a_series_that_stays_does_not_drift(differing: Path) -> None:
    row = busy(two(differing))
    assert (row["drifts"], row["drift"]) == (False, [])


def test_phases_are_compared(db: Path) -> None:
    marks = [(0, "start", "load"), (100, "start", "steady"), (500, "end", "steady"), (599, "end", "load")]
    for number in range(2):
        record(db, steady(50 + 10 * number, SAMPLES, number), start=START + number * LATER, marks=marks)
    found = compared(db, "vm-a@1", "vm-a@2", "--phase", "steady")
    assert busy(found)["baseline"]["n"] == 401
    assert same_figures(compared(db, "vm-a@1:steady", "vm-a@2:steady")["metrics"][0]["baseline"], found["metrics"][0]["baseline"])


def test_files_stand_for_machines(tmp_path: Path, db: Path) -> None:
    for number in range(2):
        invent.write(tmp_path / f"{number}.json", seconds=40, seed=number, start=invent.START + number * 1000)
    found = compared(db, str(tmp_path / "0.json"), str(tmp_path / "1.json"))
    assert found["metrics"]
    assert not db.exists()


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a minute; not to be changed."""
    db = tmp_path_factory.mktemp("short") / "perfkit.db"
    for number in range(2):
        record(db, steady(50, 60, number + 1), start=START + number * LATER)
    return db


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vm-a@1"], "name at least two runs"),
        (["vm-a@1", "vm-a@9"], "there is no run '9'"),
        (["vm-a@1", "x" * 5000], "there is no collector"),
        (["vm-a@1", "vm-z@1"], "there is no collector 'vm-z'"),
        (["vm-a", "vm-a@1"], "has 2 runs; say which: @1 (recording), @2 (recording)"),
        (["vm-a@1", "vm-a@2", "--metric", "host.cpu"], "there is no metric 'host.cpu'; there are host.cpu_user"),
        (["vm-a@1", "vm-a@2", "--metric", "x"], "there is no metric 'x'; there are host, cpu"),
        (["vm-a@1", "vm-a@2", "--figure", "p42"], "there is no figure 'p42'"),
        (["vm-a@1", "vm-a@2", "--at-least", "much"], "is not a percentage"),
        (["vm-a@1", "vm-a@2", "--fail-on", "better"], "--fail-on knows one thing"),
        (["vm-a@1", "vm-a@2", "--format", "xml"], "there is no format"),
        (["--arm", "vm-a@1", "--arm", "b=vm-a@2"], "is no arm"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(short: Path, arguments: list[str], words: str) -> None:
    from perfkit.errors import BadInput

    with pytest.raises(BadInput) as refused:
        run(short, *arguments)
    assert words in str(refused.value)


def test_a_table_of_very_many_devices_is_left_out_and_named_unless_it_is_asked_for(db: Path) -> None:
    rows = {"disk": lambda tick: {"device": "sda", "in_total": 1, "util_percent": 50.0 + tick % 7}}
    for number in range(2):
        record(db, steady(50, 120, number), start=START + number * LATER, rows=rows)
    assert "disk.util_percent" in {row["metric"] for row in compared(db, "vm-a@1", "vm-a@2")["metrics"]}
    with closing(open_database(db)) as con, transaction(con):
        con.execute("DELETE FROM percentiles WHERE metric LIKE 'disk.%'")
        add = (
            "INSERT INTO percentiles (collector_id, range, metric, device, from_timestamp, to_timestamp, samples)"
            " VALUES (1, 'all', 'disk.util_percent', ?, 0, 1, 9)"
        )
        con.executemany(add, [(f"sd{number}",) for number in range(201)])
    whole = compared(db, "vm-a@1", "vm-a@2")
    assert {row["metric"].partition(".")[0] for row in whole["metrics"]} == {"host"}
    told = "not compared, because there are so many: disk (201 devices); name one metric, such as disk.read_ops"
    assert {"rule": "too_many", "state": WARN, "sentence": told} in whole["guards"]
    assert f"Note: {told}." in run(db, "vm-a@1", "vm-a@2")[1]
    for named in ("disk.util_percent", "disk"):
        found = compared(db, "vm-a@1", "vm-a@2", "--metric", named, "--figure", "avg")
        assert [row["metric"] for row in found["metrics"]] == ["disk.util_percent"]
        assert state(found, "too_many") == OK


def test_the_forms_say_the_same(differing: Path) -> None:
    row = busy(two(differing))
    asked = ("vm-a@1", "vm-a@2", "--metric", "host")
    cells = next(one for one in csv.DictReader(io.StringIO(run(differing, *asked, "--format", "csv")[1])) if one["figure"] == "avg")
    assert (cells["metric"], float(cells["difference"]), cells["verdict"]) == ("host.cpu_busy", row["difference"], "differs")
    text = run(differing, *asked)[1]
    assert f"+{row['difference']:.4g} (+{row['percent']:.1f} %)" in text
    markdown = run(differing, *asked, "--format", "md")[1]
    assert markdown.startswith("**vm-a\\@2 against vm-a\\@1**")
    assert "| differs |" in markdown
