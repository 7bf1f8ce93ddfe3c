"""What load tools wrote becomes rows on the host's time axis; the outputs are the tools' own, or as their documentation has them."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.cli import main
from perfkit.errors import BadInput
from perfkit.loadtools import COLUMNS, read_timeline
from support import invent

OUTPUTS = Path(__file__).with_name("outputs")
K6_POINT = '{{"metric":"{}","type":"Point","data":{{"time":"{}","value":{},"tags":{{"status":"200"}}}}}}\n'
JTL = "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,allThreads,Latency\n"


def test_sysbench_lines_are_a_row_a_second_from_the_start(tmp_path: Path) -> None:
    found = read_timeline(OUTPUTS / "sysbench_cpu.txt", 1_000_000.0)
    assert found.tool == "sysbench"
    assert [row["timestamp"] for row in found.rows] == [1_000_000_000, 1_000_001_000, 1_000_002_000, 1_000_003_000]
    assert [row["throughput"] for row in found.rows] == [706.82, 1748.87, 2660.48, 2686.49]
    assert [row["latency_p95_ms"] for row in found.rows] == [10.65, 4.41, 4.33, 4.41]
    assert {row["users"] for row in found.rows} == {2.0}
    assert found.summary == {"requests": 7799}
    assert set(found.rows[0]) == {"timestamp", *COLUMNS}


@pytest.mark.skipif(shutil.which("sysbench") is None, reason="sysbench is not installed")
@pytest.mark.parametrize("test", [["cpu"], ["memory", "--memory-total-size=1000T"], ["threads"]], ids=lambda words: words[0])
@pytest.mark.parametrize("reporting", [True, False], ids=["lines", "closing-figures"])
def test_the_sysbench_of_this_machine_is_understood(tmp_path: Path, test: list[str], reporting: bool) -> None:
    """Its timeline and its own total agree: the events of the rows are the events that it counted, but for the last second."""
    words = ["sysbench", *test, "--time=2", *(["--report-interval=1"] if reporting else []), "run"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (tmp_path / "out.txt").write_text(printed)
    found = read_timeline(tmp_path / "out.txt", 1000.0)
    rates = [row["throughput"] for row in found.rows]
    assert statistics.fmean(rates) == pytest.approx(found.summary["requests"] / 2, rel=0.7)
    assert min(rates) > 0


def test_sysbench_oltp_lines_have_transactions_and_errors(tmp_path: Path) -> None:
    line = "[ 10s ] thds: 4 tps: 123.50 qps: 2470.00 (r/w/o: 1729.00/494.00/247.00) lat (ms,99%): 36.24 err/s: 0.50 reconn/s: 0.00\n"
    (tmp_path / "oltp.txt").write_text(f"sysbench 1.0.20 (using LuaJIT)\n{line}")
    row = read_timeline(tmp_path / "oltp.txt", 0.0).rows[0]
    assert (row["throughput"], row["errors"], row["latency_p99_ms"], row["latency_p95_ms"]) == (123.5, 0.5, 36.24, None)


def test_wrk_is_a_level_from_its_start_to_its_end() -> None:
    found = read_timeline(OUTPUTS / "wrk.txt", 1000.0)
    first, last = found.rows
    assert (first["timestamp"], last["timestamp"]) == (1_000_000, 1_003_050)
    assert (first["throughput"], first["users"], first["latency_avg_ms"], first["latency_max_ms"]) == (206.23, 4, 27.99, 224.52)
    assert (first["latency_p50_ms"], first["latency_p90_ms"], first["latency_p99_ms"]) == (15.08, 70.21, 155.97)
    assert first["errors"] == pytest.approx(38 / 3.05)
    assert found.summary == {"requests": 629, "errors": 38}


def test_locust_rows_are_those_of_all_requests_together() -> None:
    found = read_timeline(OUTPUTS / "locust_stats_history.csv")
    assert found.tool == "locust"
    assert len({row["timestamp"] for row in found.rows}) == len(found.rows)
    assert found.rows[0]["latency_p50_ms"] is None
    row = found.rows[3]
    assert (row["users"], row["throughput"], row["errors"], row["latency_p95_ms"], row["latency_max_ms"]) == (4, 13.0, 1.0, 60, 91)


@pytest.mark.parametrize("name", ["k6.json", "k6.json.gz"])
def test_k6_points_become_seconds_and_a_stall_is_a_throughput_of_zero(tmp_path: Path, name: str) -> None:
    durations = [10.0, 20.0, 30.0, 40.0]
    text = '{"type":"Metric","data":{"name":"http_reqs","type":"counter"},"metric":"http_reqs"}\n'
    text += K6_POINT.format("vus", "2026-01-01T01:00:00.000000001+01:00", 5)
    for value in durations:
        text += K6_POINT.format("http_reqs", "2026-01-01T01:00:00.123456789+01:00", 1)
        text += K6_POINT.format("http_req_duration", "2026-01-01T01:00:00.123456789+01:00", value)
        text += K6_POINT.format("http_req_failed", "2026-01-01T01:00:00.123456789+01:00", int(value > 35))
    text += K6_POINT.format("http_reqs", "2026-01-01T00:00:02Z", 1) + K6_POINT.format("http_req_duration", "2026-01-01T00:00:02Z", 7)
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    found = read_timeline(tmp_path / name)
    assert [row["timestamp"] for row in found.rows] == [1767225600000, 1767225601000, 1767225602000]
    assert [row["throughput"] for row in found.rows] == [4, 0, 1]
    first = found.rows[0]
    assert (first["users"], first["errors"], first["latency_avg_ms"], first["latency_max_ms"]) == (5, 1, 25, 40)
    assert first["latency_p90_ms"] == pytest.approx(statistics.quantiles(durations, n=10, method="inclusive")[-1])
    assert found.rows[1]["latency_p50_ms"] is None
    assert found.summary == {"requests": 5, "errors": 1}


def test_jmeter_samples_count_in_the_second_in_which_they_ended(tmp_path: Path) -> None:
    lines = [
        "1767225600100,500,Home,200,OK,Users 1-1,text,true,,2674,2,515",
        '1767225600900,300,Home,500,"Internal, Server",Users 1-2,text,false,"two\nlines",2674,2,515',
        "1767225603000,10,Home,200,OK,Users 1-1,text,true,,2674,3,515",
        "1767225603",
    ]
    (tmp_path / "run.jtl").write_text(JTL + "\n".join(lines))
    found = read_timeline(tmp_path / "run.jtl")
    assert [row["throughput"] for row in found.rows] == [1, 1, 0, 1]
    assert [row["errors"] for row in found.rows] == [0, 1, 0, 0]
    assert [row["users"] for row in found.rows] == [2, 2, 2, 3]
    assert found.rows[0]["latency_max_ms"] == 500


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("hello\n", "of no load tool known here"),
        ("<?xml version='1.0'?><testResults/>", "output_format=csv"),
        ('{"metrics":{"http_reqs":{"count":1}}}', "--out json="),
        ("sysbench 1.0.20\nFATAL: cannot connect\n", "ended before it printed any"),
        ("Running 3s test @ http://x/\n", "was interrupted"),
        (JTL, "holds no request"),
        (JTL + "a,b,c\n", "holds no request"),
    ],
)
def test_what_is_no_timeline_is_refused_with_the_cure(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "out").write_text(text)
    with pytest.raises(BadInput, match=says):
        read_timeline(tmp_path / "out", 1000.0)


def test_without_a_start_the_cure_is_named() -> None:
    with pytest.raises(BadInput, match="--load-start"):
        read_timeline(OUTPUTS / "wrk.txt")


def test_the_mark_that_names_the_output_says_when_the_load_began(tmp_path: Path) -> None:
    shutil.copy(OUTPUTS / "wrk.txt", tmp_path / "vm.load-1.log")
    mark = json.dumps({"label": "load", "kind": "start", "output": "vm.load-1.log"})
    line = {"timestamp": 1767225660, "nanosecond": 500_000_000, "subsystem": "perfkit/mark", "measurement": mark}
    (tmp_path / "vm.json").write_text(json.dumps(line) + "\n")
    assert read_timeline(tmp_path / "vm.load-1.log").rows[0]["timestamp"] == 1767225660500


def test_import_puts_a_run_beside_the_collector_that_was_recorded_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The collector is found by time, the same file twice changes nothing, and two candidates are named instead of guessed."""
    db = tmp_path / "perfkit.db"
    for name in ("vm-a", "vm-b"):
        invent.write(tmp_path / f"{name}.json", hostname=name, seconds=60, start=1767225600 + (name == "vm-b") * 3600)
        assert main(["import", "--db", str(db), "--file", str(tmp_path / f"{name}.json")]) == 0
    words = ["import", "--db", str(db), "--load", str(OUTPUTS / "sysbench_cpu.txt"), "--load-start", "2026-01-01T00:00:10Z"]
    assert main(words) == 0
    assert "4 rows" in capsys.readouterr().out
    assert main(words) == 0
    assert "nothing to do" in capsys.readouterr().out
    with closing(sqlite3.connect(db)) as con:
        runs = con.execute("SELECT machinename, tool FROM load_runs JOIN collectors ON collectors.id = collector_id").fetchall()
        rows = con.execute("SELECT count(*) FROM load_metrics").fetchall()
    assert (runs, rows) == ([("vm-a", "sysbench")], [(4,)])
    assert main([*words[:-1], "2025-01-01"]) == 2
    assert "no collector was recorded" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_the_wrk_of_this_machine_is_understood(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split(b"port ")[1].split()[0].decode()
        printed = subprocess.run(
            ["wrk", "-t1", "-c2", "-d1s", "--latency", f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=True
        ).stdout
    finally:
        server.kill()
        server.communicate()
    (tmp_path / "out").write_text(printed)
    found = read_timeline(tmp_path / "out", 1000.0)
    seconds = (found.rows[1]["timestamp"] - found.rows[0]["timestamp"]) / 1000
    assert found.rows[0]["throughput"] == pytest.approx(found.summary["requests"] / seconds, rel=0.02)
    assert found.rows[0]["latency_p99_ms"] >= found.rows[0]["latency_p50_ms"] > 0
