"""`perfkit query`: SQL that can only read the lake, and the questions that have names."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from perfkit.catalog import FLAG, HOST, SORTED_BY, TABLES
from perfkit.cli import app
from perfkit.cli.query import _cell
from perfkit.errors import BadInput, Failed, PerfkitError
from perfkit.lake.place import open_lake
from perfkit.lake.query import QueryLimits, Scope, answer_named, ask, questions
from perfkit.lake.tables import RECORDS, RUNS, text
from perfkit.lake.writing import LakeWriter
from perfkit.store.columnar import insert
from support import invent

from .conftest import MIDNIGHT

START = invent.START * 1000
Told = Callable[[int], dict[str, float]]


def fleet(folder: Path, machines: int, told: Callable[[int, int], dict[str, float]], seconds: Callable[[int], int] = lambda n: 30) -> Path:
    """A lake of `machines` at site lab, each with a run `load`; `told` gives the host's columns by the machine and the second."""
    with duckdb.connect() as con, LakeWriter(open_lake(str(folder)), "lab") as writer:
        con.execute(f"CREATE TABLE host ({HOST.duck_columns})")
        for one in TABLES:
            con.execute(f"CREATE TABLE IF NOT EXISTS {one.name} ({one.duck_columns})")
        for machine in range(machines):
            samples = [(machine, START + 1000 * second, told(machine, second)) for second in range(seconds(machine))]
            con.executemany(
                "INSERT INTO host (machine, timestamp, cpu_busy, net_rx_bytes) VALUES (?, ?, ?, ?)",
                [(number, at, cells["cpu_busy"], cells["net_rx_bytes"]) for number, at, cells in samples],
            )
            end = samples[-1][1]
            rows: dict[str, list[tuple[Any, ...]]] = {one.name: [] for one in RECORDS}
            run = {"recording": "boot", "label": "load", "run": 1, "to_timestamp": end, "open": 0}
            rows["runs"] = [(START, *(run.get(c.name) for c in RUNS.columns))]
            writer.take_rows(con, machine, f"vm-{machine:02}", f"{machine:016x}", rows)
        writer.publish()
    return folder


def answered(lake: Path, sql: str, limits: QueryLimits | None = None) -> list[tuple[Any, ...]]:
    with ask(open_lake(str(lake)), sql, limits) as answer:
        return list(answer.rows)


def named(lake: Path, question: str, scope: Scope | None = None, **given: object) -> list[dict[str, Any]]:
    with answer_named(open_lake(str(lake)), question, given, scope=scope) as answer:
        return [dict(zip(answer.names, row, strict=True)) for row in answer.rows]


def run(*words: object) -> tuple[int, str, str]:
    """Exit code, output and the sentence of the command, in this process."""
    done = CliRunner(mix_stderr=False).invoke(app, ["query", *map(str, words)])
    if isinstance(done.exception, PerfkitError):
        return done.exception.exit_code, done.stdout, str(done.exception)
    return done.exit_code, done.stdout, done.stderr


def test_an_answer_has_values_that_every_format_can_tell(lake: Path) -> None:
    found = answered(
        lake,
        "SELECT DISTINCT site, machine, date, min(timestamp) OVER (), 1.5, [1, 2], sum(1) OVER () FROM host ORDER BY date LIMIT 1; -- x;",
    )
    assert found == [("null", "vm a/../*=é", "2026-01-01", "2026-01-01T23:59:46.001Z", 1.5, "[1, 2]", 29)]
    assert answered(lake, "SELECT 1 AS a, 2 AS a") == [(1, 2)]
    assert answered(lake, "FROM processes") == []
    assert ("host",) in answered(lake, "SHOW TABLES")
    assert answered(lake, f"SELECT count(*) FROM host WHERE timestamp < make_timestamptz({MIDNIGHT * 1_000_000})") == [(14,)]


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("", "one SELECT"),
        ("SELECT 1; SELECT 2", "2 statements"),
        ("DROP VIEW host", "only reads"),
        ("COPY (SELECT 1) TO 'LAKE/x.csv'", "only reads"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'LAKE/x.csv'", "only reads"),
        ("SET threads = 1", "only reads"),
        ("ATTACH 'LAKE/x.db'", "only reads"),
        ("INSTALL httpfs", "only reads"),
        ("FROM query('COPY (SELECT 1) TO ''LAKE/x.csv''')", "not understood"),
        ("FROM read_text('/etc/hostname')", "outside of the lake"),
        ("FROM read_csv('LAKE/../secret.csv')", "outside of the lake"),
        ("FROM read_text('LAKE/link.csv')", "outside of the lake"),
        ("FROM glob('LAKE/../*')", "outside of the lake"),
        ("SELECT nothing FROM host", 'Referenced column "nothing" not found'),
        ("SELEC 1", "syntax error"),
        ("SELECT 'x'::INTEGER FROM host", "Could not convert string 'x'"),
    ],
)
def test_what_is_no_question_to_the_lake_is_refused_in_a_sentence(sql: str, sentence: str, lake: Path, tmp_path: Path) -> None:
    (tmp_path / "lake").symlink_to(lake)
    (tmp_path / "secret.csv").write_text("a\n1\n")
    (lake / "link.csv").unlink(missing_ok=True)
    (lake / "link.csv").symlink_to("/etc/hostname")
    before = sorted(path.name for path in lake.iterdir())
    with pytest.raises(BadInput, match="(?s)" + sentence) as refused:
        answered(tmp_path / "lake", sql.replace("LAKE", str(tmp_path / "lake")))
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in lake.iterdir()) == before
    (lake / "link.csv").unlink()


def test_a_question_has_limits_of_time_and_memory(lake: Path) -> None:
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = 7"
    with pytest.raises(Failed, match="took longer than 200 ms"):
        answered(lake, endless, QueryLimits(seconds=0.2))
    with pytest.raises(Failed, match=r"more than 20\.0 MiB of memory"):
        answered(lake, "SELECT list(range) FROM range(100000000)", QueryLimits(memory=20 << 20))


def test_the_command_prints_a_table_csv_and_json(lake: Path) -> None:
    sql = "SELECT '=1+1' AS a, 'x\x1b[2J' AS b, 1.23456789 AS c, NULL AS d, 'nan'::DOUBLE AS e"
    code, out, _ = run(sql, "--lake", lake)
    assert (code, out) == (0, "a     b            c  d    e\n=1+1  x?[2J  1.23457  -  nan\n")
    code, out, _ = run(sql, "--lake", lake, "--format", "csv")
    assert list(csv.reader(io.StringIO(out))) == [["a", "b", "c", "d", "e"], ["'=1+1", "x\x1b[2J", "1.23456789", "", "nan"]]
    code, out, _ = run(sql, "--lake", lake, "--format", "json")
    assert json.loads(out) == [{"a": "=1+1", "b": "x\x1b[2J", "c": 1.23456789, "d": None, "e": None}]
    code, out, _ = run("SELECT 1 WHERE false", "--lake", lake, "--format", "json")
    assert json.loads(out) == []
    code, out, _ = run("SELECT 1 AS a FROM range(1001)", "--lake", lake)
    assert out.count("\n") == 1002 and out.endswith("first 1,000 rows; --format csv prints all.\n")
    assert _cell("é\r") == "é?"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give one question"),
        (["SELECT 1", "--named", "top"], "give one question"),
        (["SELECT 1", "--top", "5"], "are for --named"),
        (["--named", "tpo"], "there is no question 'tpo'; there are: heatmap, percentiles, stragglers, top, unlike."),
        (["--named", "top", "--metric", "host.cpu_bussy"], "there is no metric 'host.cpu_bussy'"),
        (["--named", "top", "--bucket", "1m"], "does not know --bucket"),
        (["--named", "top", "--by", "median"], "'median' is no figure"),
        (["SELECT 1", "--format", "xml"], "'xml' is no format"),
        (["SELECT 1", "--timeout", "soon"], "'soon' is not a duration"),
        (["SELECT 1", "--lake", "nowhere"], "there is no lake at nowhere"),
    ],
)
def test_wrong_use_is_one_sentence(words: list[str], sentence: str, lake: Path) -> None:
    code, out, said = run(*words, *(() if "--lake" in words else ("--lake", lake)))
    assert (code, out) == (2, "")
    assert sentence in said


def test_every_question_tells_what_it_answers_and_what_it_takes(lake: Path) -> None:
    code, out, _ = run("--list")
    assert code == 0
    for name, one in questions().items():
        assert f"{name}\n    {one.told}\n" in out
        assert len(one.told) > 40
        assert named(lake, name) is not None


def test_percentiles_are_exact_over_all_samples_of_the_machines_asked_for(tmp_path: Path) -> None:
    chance = random.Random(1)
    values = {(m, s): chance.random() for m in range(3) for s in range(30)}
    lake = fleet(tmp_path / "lake", 3, lambda m, s: {"cpu_busy": values[m, s], "net_rx_bytes": 1.0})

    def expected(chosen: list[float], share: float) -> float:
        place = share * (len(chosen) - 1)
        low, high = chosen[int(place)], chosen[min(int(place) + 1, len(chosen) - 1)]
        return low + (high - low) * (place % 1)

    scopes = [
        (Scope(), lambda m, s: True, 3),
        (Scope("lab", ("vm-01", "vm-02")), lambda m, s: m > 0, 2),
        (Scope(start=START + 5000, end=START + 9000), lambda m, s: 5 <= s <= 9, 3),
        (Scope("elsewhere"), lambda m, s: False, 0),
    ]
    for scope, holds, machines in scopes:
        chosen = sorted(value for key, value in values.items() if holds(*key))
        found = named(lake, "percentiles", scope, metric="cpu_busy")
        assert len(found) == (machines > 0)
        for row in found:
            assert (row["machines"], row["samples"], row["min"], row["max"]) == (machines, len(chosen), chosen[0], chosen[-1])
            for name, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)):
                assert row[name] == pytest.approx(expected(chosen, share), abs=1e-12)


def test_top_heatmap_and_unlike_name_the_machine_that_differs(tmp_path: Path) -> None:
    chance = random.Random(2)
    lake = fleet(
        tmp_path / "lake",
        8,
        lambda m, s: {"cpu_busy": chance.gauss(30 + 2 * m, 1), "net_rx_bytes": chance.gauss(1e6, 1e4) * (3 if m == 2 else 1)},
    )
    top = named(lake, "top", metric="host.cpu_busy", top=2, by="avg")
    assert [row["machine"] for row in top] == ["vm-07", "vm-06"]
    assert top[0]["run"] == "lab/vm-07@2026-01-01T00:00:00.000Z"
    lowest = named(lake, "top", metric="cpu_idle", top=1)
    assert lowest == []  # a metric that no sample has
    cells = named(lake, "heatmap", Scope(machines=("vm-03",)), bucket=10_000)
    assert [(cell["machine"], cell["bucket"][17:19], cell["samples"]) for cell in cells] == [("vm-03", s, 10) for s in ("00", "10", "20")]
    unlike = named(lake, "unlike")
    assert [(row["machine"], row["metric"]) for row in unlike] == [("vm-02", "host.net_rx_bytes")]
    assert unlike[0]["z"] > 3.5
    assert (unlike[0]["run"], unlike[0]["phase"], unlike[0]["machines"]) == ("lab/vm-02@2026-01-01T00:00:00.000Z", "", 8)
    assert named(lake, "unlike", label="other") == []


def test_stragglers_of_a_test_come_first(tmp_path: Path) -> None:
    chance = random.Random(3)
    even: Callable[[int, int], dict[str, float]] = lambda m, s: {"cpu_busy": chance.gauss(50, 4), "net_rx_bytes": chance.gauss(1e6, 1e5)}  # noqa: E731
    lake = fleet(tmp_path / "lake", 6, even, seconds=lambda m: 60 if m == 4 else 40 + m % 2)
    found = named(lake, "stragglers", label="load")
    assert [row["place"] for row in found] == [1, 2, 3, 4, 5, 6]
    first = found[0]
    assert (first["machine"], first["says"], first["seconds"], first["machines"]) == ("vm-04", "run_seconds", 59.0, 6)
    assert first["run"] == "lab/vm-04@2026-01-01T00:00:00.000Z"
    assert named(lake, "stragglers", Scope(machines=("vm-01", "vm-02")))[0]["z"] is None  # of two machines neither is unlike


def test_a_throttled_machine_among_twenty_is_named_first_in_95_of_100_simulated_fleets() -> None:
    """Each fleet is a site whose machines ran one test of ten minutes. Machines differ by 4 % in every figure; the throttled one answers a
    fifth less, and is a quarter busier while it does. Its place is taken by chance, and so is the order.
    """
    chance = random.Random(19)
    rows, throttled = [], {}
    for fleet_ in range(100):
        site, slow = f"site-{fleet_}", chance.randrange(20)
        throttled[site] = f"vm-{slow:02}"
        for machine in range(20):
            ended = START + 600_000 + chance.randrange(2000)
            for metric in (c.name for c in HOST.values if c.kind != FLAG):
                slowed = (
                    {"cpu_busy": 1.25, "cpu_user": 1.25, "net_tx_bytes": 0.8, "net_rx_bytes": 0.8}.get(metric, 1) if machine == slow else 1
                )
                value = 40 * slowed * chance.lognormvariate(0, 0.04)
                rows.append((site, f"vm-{machine:02}", START, ended, f"host.{metric}", value))
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.execute(text("robust_z"))
        con.execute("CREATE TABLE told (site VARCHAR, machine VARCHAR, began BIGINT, ended BIGINT, metric VARCHAR, avg DOUBLE)")
        insert(con, "told", ["VARCHAR", "VARCHAR", "BIGINT", "BIGINT", "VARCHAR", "DOUBLE"], rows)
        con.execute(
            "CREATE VIEW run_figures AS SELECT 'load' AS label, '' AS phase, machine AS run, 600 AS samples,"
            " * REPLACE (make_timestamptz(began * 1000) AS began, make_timestamptz(ended * 1000) AS ended) FROM told"
        )
        question = questions()["stragglers"]
        values = {"label": None, "start": None, "end": None, "top": 10_000}
        first = con.execute(f"SELECT site, machine, machines FROM ({question.sql}) WHERE place = 1", values).fetchall()
    assert len(first) == 100 and {machines for _, _, machines in first} == {20}
    assert sum(throttled[site] == machine for site, machine, _ in first) >= 95


def test_the_help_names_the_figures_that_there_are() -> None:
    """The target tier shows it, without the catalog."""
    assert "|".join(SORTED_BY) in CliRunner().invoke(app, ["query", "--help"]).output
