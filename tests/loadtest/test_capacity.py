"""The knee of a load and the cost of a request, on simulated loads whose knee and cost are known."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb
import orjson
import pytest
from typer.testing import CliRunner

from perfkit.cli import import_, report
from perfkit.dashboard.reading import runs_listed
from perfkit.loadtools import capacity
from perfkit.loadtools.capacity import Capacity, of_tables
from perfkit.process.findings import Span
from perfkit.store import columnar, findings, open_database
from support import invent
from support.loads import locust
from support.recorded import record
from support.tables import same_figures

CPUS = 8
COST = 0.002  # CPU-seconds of a request
BYTES = 2000  # that a request brings and takes over the network
LOADS = 100
AT = 1_700_000_000_000


class Second(NamedTuple):
    """What tool and machine tell of a second."""

    users: float | None
    throughput: float
    latency_ms: float | None
    cpu_seconds: float


@dataclass
class Load:
    """Steps of load, each held for some time: `per_step` requests/s more with each, up to the limit after step `knee` (None: no limit)."""

    knee: int | None
    per_step: float
    seconds: list[Second]


def stepped(
    rng: random.Random,
    *,
    limited: bool,
    users: bool = True,
    latency: bool = True,
    memory: float = 0.6,
    noise: float = 0.1,
    effect: bool = True,
) -> Load:
    """Six to twelve steps, Poisson noise in the throughput, and in CPU use noise of which neighbours resemble each other (`memory`)."""
    steps, hold, per_step = rng.randint(6, 12), rng.choice([20, 30, 60]), rng.choice([20.0, 50.0, 200.0])
    knee = rng.randint(2, steps - 1) if limited else None
    limit = math.inf if knee is None else knee * per_step
    base, drift, seconds = rng.uniform(5, 50), 0.0, []
    for second in range(steps * hold):
        step = second // hold + 1
        wanted = per_step * (step if effect else 5)
        throughput = poisson(rng, min(wanted, limit))
        waiting = 0.0 if wanted <= limit else 1000 * (wanted - limit) / limit
        took = (base + waiting) * math.exp(rng.gauss(0, 0.1))
        drift = memory * drift + math.sqrt(1 - memory * memory) * rng.gauss(0, 1)
        used = 0.3 + COST * throughput + noise * drift
        seconds.append(Second(10 * step if users else None, throughput, took if latency else None, used))
    return Load(knee, per_step, seconds)


def poisson(rng: random.Random, mean: float) -> float:
    """Events of a second (for these means, close to a normal distribution)."""
    return float(max(0, round(rng.gauss(mean, math.sqrt(mean)))))


def judged(loads: Sequence[Load]) -> list[Capacity]:
    """What is found in each of the loads: one query for all of them, each in a window of its own."""
    spans, timeline, host, at = [], [], [], AT
    for number, load in enumerate(loads):
        spans.append(Span(f"run:{number}", at, at + 1000 * len(load.seconds)))
        for second in load.seconds:
            timeline.append(("k6", at, second.users, second.throughput, second.latency_ms))
            at += 1000  # a sample tells of the second before it
            host.append((1, at, 100 * second.cpu_seconds / CPUS, BYTES * second.throughput))
        at += 3_600_000
    with duckdb.connect() as con:
        con.execute("CREATE TABLE timeline (run VARCHAR, timestamp BIGINT, users DOUBLE, throughput DOUBLE, latency_ms DOUBLE)")
        columnar.insert(con, "timeline", ["VARCHAR", "BIGINT", "DOUBLE", "DOUBLE", "DOUBLE"], timeline)
        con.execute("CREATE TABLE measured (machine INTEGER, timestamp BIGINT, cpu_busy DOUBLE, net_rx_bytes DOUBLE)")
        columnar.insert(con, "measured", ["INTEGER", "BIGINT", "DOUBLE", "DOUBLE"], host)
        unknown = "NULL::DOUBLE AS disk_read_bytes, NULL::DOUBLE AS disk_write_bytes, 0.0 AS net_tx_bytes"
        con.execute(f"CREATE VIEW host AS SELECT *, {unknown} FROM measured")
        found = of_tables(con, 1, spans, CPUS, 1000)
    return [found[span.name] for span in spans]


@pytest.mark.parametrize("users", [True, False], ids=["against users", "against requests in flight"])
def test_the_knee_is_found_within_a_step(users: bool) -> None:
    rng = random.Random(17)
    loads = [stepped(rng, limited=True, users=users) for _ in range(LOADS)]
    within = [
        one.knee.throughput is not None and abs(one.knee.throughput - (load.knee or 0) * load.per_step) <= load.per_step
        for load, one in zip(loads, judged(loads), strict=True)
    ]
    assert sum(within) >= 0.95 * LOADS


@pytest.mark.parametrize("users", [True, False], ids=["against users", "against requests in flight"])
def test_a_load_without_a_knee_has_none(users: bool) -> None:
    rng = random.Random(18)
    found = judged([stepped(rng, limited=False, users=users) for _ in range(LOADS)])
    assert sum(one.knee.reason == "the throughput grew with the load to its end" for one in found) >= 0.95 * LOADS


@pytest.mark.parametrize("memory", [0.0, 0.6, 0.8])
def test_the_interval_of_the_cost_covers_the_true_one(memory: float) -> None:
    rng = random.Random(19)
    found = judged([stepped(rng, limited=number % 2 == 0, memory=memory) for number in range(3 * LOADS)])
    costs = [one.cost["cpu_seconds"] for one in found]
    assert sum(cost.low <= COST <= cost.high for cost in costs) >= 0.93 * len(costs)
    assert sum(cost.high - cost.low for cost in costs) / len(costs) < COST  # and is of use


def test_a_knee_and_a_cost_in_words_and_as_json() -> None:
    [found] = judged([stepped(random.Random(3), limited=True, noise=0.01)])
    knee = found.knee
    assert knee.load == "users"
    assert knee.sentence == (
        f"Knee: the throughput grew with the load up to {knee.at:,.0f} users, at {knee.throughput:,.0f} requests/s;"
        f" beyond, one more brought {max(0, 100 * knee.after / knee.before):.0f} % of one before."
    )
    assert found.cost["network_bytes"].value == pytest.approx(BYTES, rel=0.01)
    assert "disk_bytes" not in found.cost  # of which nothing is known
    assert re.search(
        r"^A request cost [12]\.?\d* ms CPU \(1\.9\d ms to 2\.0\d ms\), 1\.9\d KiB network \(1\.9\d KiB to 1\.9\d KiB\)\.$",
        found.cost_sentence,
    )
    told = orjson.loads(orjson.dumps(found.as_json()))
    assert told["knee"]["at"] == knee.at
    assert told["cost"]["disk_bytes"] is None
    assert set(told["cost"]["cpu_seconds"]) == {"value", "low", "high"}


def test_nothing_is_said_of_a_load_that_never_varied() -> None:
    rng = random.Random(4)
    steady = Load(None, 0, [Second(50, poisson(rng, 500), 20.0, 1.3 + rng.gauss(0, 0.1)) for _ in range(300)])
    [found] = judged([steady])
    assert found.knee.sentence == "No knee: the load never varied."
    assert found.cost_sentence == "No cost of a request: the throughput never varied."
    assert found.as_json()["knee"]["at"] is None
    assert found.as_json()["cost"]["cpu_seconds"] is None


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        ({"users": False, "latency": False}, "throughput alone does not tell a load that is held from one that is limited"),
        ({"effect": False}, "the throughput did not grow with the load"),
    ],
    ids=["throughput alone", "users without effect"],
)
def test_why_there_is_no_knee(load: dict[str, bool], reason: str) -> None:
    [found] = judged([stepped(random.Random(5), limited=False, **load)])
    assert found.knee.reason == reason


def test_a_short_or_a_lone_level_is_not_judged() -> None:
    level = Second(10, 100.0, 5.0, 0.5)
    short, lone = judged([Load(None, 0, [level._replace(throughput=100.0 * n) for n in range(12)]), Load(None, 0, [level] * 2)])
    assert short.knee.reason == short.reason == "the load was told of 10 stretches of time, 24 are needed"
    assert lone.knee.reason == "the load was told of 0 stretches of time, 24 are needed"


def test_two_tools_at_the_same_time_add_up() -> None:
    """Each with its own rows, at its own instants."""
    load = stepped(random.Random(6), limited=True)
    with duckdb.connect() as con:
        con.execute("CREATE TABLE timeline (run VARCHAR, timestamp BIGINT, users DOUBLE, throughput DOUBLE, latency_ms DOUBLE)")
        half = [(second.users or 0) / 2 for second in load.seconds]
        rows = [
            (tool, AT + shift + 1000 * place, users, second.throughput / 2, second.latency_ms)
            for tool, shift in (("a", 0), ("b", 300))
            for place, (second, users) in enumerate(zip(load.seconds, half, strict=True))
        ]
        columnar.insert(con, "timeline", ["VARCHAR", "BIGINT", "DOUBLE", "DOUBLE", "DOUBLE"], rows)
        names = ("cpu_busy", "disk_read_bytes", "disk_write_bytes", "net_rx_bytes", "net_tx_bytes")
        con.execute(f"CREATE TABLE host (machine INTEGER, timestamp BIGINT, {', '.join(f'{name} DOUBLE' for name in names)})")
        found = of_tables(con, 1, [Span("run:1", AT, AT + 1000 * len(load.seconds))], None, None)["run:1"]
    assert found.knee.throughput == pytest.approx((load.knee or 0) * load.per_step, rel=0.1)
    assert found.reason == "nothing is known of the machine then"


@pytest.fixture
def stepped_run(tmp_path: Path) -> Path:
    """A database with a run whose CPUs are full from the fifth of eight steps on."""
    rng = random.Random(7)
    throughput = [poisson(rng, 100 * min(1 + place // 60, 4)) for place in range(480)]
    users = [10.0 * (1 + place // 60) for place in range(480)]
    busy = [min(100, 5 + 0.22 * one + rng.gauss(0, 0.3)) for one in throughput[:1] + throughput[:-1]]  # a sample tells of the second before
    record(tmp_path / "perfkit.db", busy, load={"throughput": throughput, "users": users})
    return tmp_path / "perfkit.db"


def test_the_verdict_says_from_which_load_on(stepped_run: Path) -> None:
    with closing(open_database(stepped_run)) as con:
        [run] = runs_listed(con, 0)
    knee = run["capacity"]["knee"]
    assert knee["throughput"] == pytest.approx(400, rel=0.03)
    assert knee["at"] == pytest.approx(40, abs=1)
    assert run["from"] <= knee["from"] <= run["to"]
    assert f" UTC on, from {knee['throughput']:,.0f} requests/s on" in run["verdict"]["sentence"]
    cost = run["capacity"]["cost"]["cpu_seconds"]
    assert cost["value"] == pytest.approx(4 * 0.0022, rel=0.02)  # of four CPUs, 0.22 % for each request
    assert run["capacity"]["cost"]["disk_bytes"] is None


def test_what_is_kept_is_what_is_found_until_samples_or_loads_change(stepped_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(open_database(stepped_run)) as con:
        [found] = runs_listed(con, 0)
        capacity.keep(con, 1)
        with monkeypatch.context() as patch:
            patch.setattr(capacity, "of_tables", None)  # nobody looks again
            assert same_figures(runs_listed(con, 0), [found])
        con.execute("UPDATE load_metrics SET throughput = throughput / 2")
        findings.refresh(con, 1, (0, found["from"] - 1))  # samples of another time
        assert same_figures(runs_listed(con, 0)[0]["capacity"], found["capacity"])
        findings.refresh(con, 1, (found["to"], found["to"]))
        assert runs_listed(con, 0)[0]["capacity"]["knee"]["throughput"] == pytest.approx(
            found["capacity"]["knee"]["throughput"] / 2, rel=0.01
        )


def test_a_run_without_a_load_tool_has_neither(tmp_path: Path) -> None:
    record(tmp_path / "perfkit.db", [50.0] * 60)
    with closing(open_database(tmp_path / "perfkit.db")) as con:
        [run] = runs_listed(con, 0)
    assert run["capacity"] is None


def test_import_and_the_markdown_report_say_it(tmp_path: Path) -> None:
    collection = invent.write(tmp_path / "vm-a.json", seconds=300)
    (tmp_path / "load.csv").write_text(
        locust(seconds=300, level=lambda second: (10 * (1 + second // 50), 100.0 * min(1 + second // 50, 3)))
    )
    db = str(tmp_path / "perfkit.db")
    done = CliRunner().invoke(import_.app, [str(collection), "--load", str(tmp_path / "load.csv"), "--db", db])
    assert done.exit_code == 0, done.output
    assert done.output.count("run 1 recording: ") == 1
    with closing(open_database(tmp_path / "perfkit.db")) as con:
        assert [window for (window,) in con.execute("SELECT range FROM capacities")] == ["run:1"]
    assert "Knee: the throughput grew with the load up to 30 users, at 300 requests/s" in done.output
    out = tmp_path / "r.md"
    assert CliRunner().invoke(report.app, ["vm-a@1", "--format", "md", "--out", str(out), "--db", db]).exit_code == 0
    assert "Knee: the throughput grew with the load up to 30 users" in out.read_text()
