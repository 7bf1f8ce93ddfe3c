"""What load tools wrote becomes rows on the host's time axis; the outputs are the tools' own, or as their documentation has them."""

from __future__ import annotations

import bz2
import gzip
import http.server
import json
import lzma
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfkit.cli import main
from perfkit.errors import BadInput
from perfkit.loadtools import COLUMNS, Timeline, read_runs
from support import invent, loads, recorded
from support.database import made_once
from support.invent import START

OUTPUTS = Path(__file__).with_name("outputs")
MS = START * 1000
QUANTILES = statistics.quantiles(loads.TOOK, n=100, method="inclusive")  # an oracle that shares nothing with DuckDB


def write(folder: Path, content: str | bytes, name: str = "out") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_one(path: Path, start: float | None = START) -> Timeline:
    (found,) = read_runs(path, start)
    return found


def column(timeline: Timeline, name: str) -> list[float | None]:
    return [getattr(row, name) for row in timeline.rows]


# ---- the invented ten seconds, in the form of each tool --------------------------------------------------------------

ALL = frozenset({"errors", "p50", "p99", "max", "users"})
FORMS: dict[str, tuple[str, str, frozenset[str]]] = {  # tool, output, and what of the figures it has
    "jmeter": ("jmeter", loads.jtl(), ALL),
    "jmeter-semicolon": ("jmeter", loads.jtl(delimiter=";"), ALL),
    "jmeter-for-excel": ("jmeter", "sep=;\n" + loads.jtl(delimiter=";"), ALL),
    "jmeter-tab": ("jmeter", loads.jtl(delimiter="\t"), ALL),
    "jmeter-colon": ("jmeter", loads.jtl(delimiter=":"), ALL),
    "jmeter-caret": ("jmeter", loads.jtl(delimiter="^"), ALL),
    "jmeter-no-header": ("jmeter", loads.jtl(header=False), ALL),
    "jmeter-no-header-semicolon": ("jmeter", loads.jtl(header=False, delimiter=";"), ALL),
    "jmeter-seconds": ("jmeter", loads.jtl(written=lambda ms: str(ms // 1000)), ALL),
    "jmeter-dates": (
        "jmeter",
        loads.jtl(written=lambda ms: time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03}"),
        ALL,
    ),
    "jmeter-dates-with-zone": (
        "jmeter",
        loads.jtl(written=lambda ms: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000 + 7200)) + f".{ms % 1000:03}+0200"),
        ALL,
    ),
    "jmeter-quoted-comma": ("jmeter", loads.jtl(message='"said ""no"", twice"'), ALL),
    "jmeter-lines-in-a-cell": ("jmeter", loads.jtl(message='"one\ntwo, ""three""\nfour"'), ALL),
    "jmeter-stray-quotes": ("jmeter", loads.jtl(message='say "hi" now'), ALL),
    "jmeter-one-stray-quote": ("jmeter", loads.jtl(message='5" wide'), ALL),
    "jmeter-transactions": ("jmeter", loads.jtl(transactions=True), ALL),
    "jmeter-hash-header": ("jmeter", "#" + loads.jtl(), ALL),
    "jmeter-blanks-in-header": ("jmeter", loads.jtl().replace(",elapsed", ", elapsed", 1), ALL),
    "k6-json": ("k6", loads.k6_json(), ALL),
    "k6-json-zone": ("k6", loads.k6_json(zone=-7), ALL),
    "k6-json-among-console-text": ("k6", "\n     /\\      Grafana   /‾‾/\n  execution: local\n" + loads.k6_json(), ALL),
    "k6-csv": ("k6", loads.k6_csv(), ALL),
    "k6-csv-ms": ("k6", loads.k6_csv(lambda at: str(int(at * 1000))), ALL),
    "k6-csv-ns": ("k6", loads.k6_csv(lambda at: str(int(at * 1000) * 1_000_000)), ALL),
    "k6-csv-rfc3339": ("k6", loads.k6_csv(lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))), ALL),
    "k6-grpc": ("k6", loads.k6_json(protocol="grpc"), ALL),
    "k6-grpc-csv": ("k6", loads.k6_csv(protocol="grpc"), ALL),
    "k6-browser": ("k6", loads.k6_json(protocol="browser"), ALL),
    "k6-websocket": ("k6", loads.k6_json(protocol="ws"), frozenset({"users"})),
    "k6-own-protocol": ("k6", loads.k6_json(protocol="none"), frozenset({"p50", "p99", "max", "users"})),
    "gatling-2.0": ("gatling", loads.gatling("2.0"), ALL),
    "gatling-2.3": ("gatling", loads.gatling("2.3"), ALL),
    "gatling-3.3": ("gatling", loads.gatling("3.3"), ALL),
    "gatling-3.9": ("gatling", loads.gatling("3.9"), ALL),
    "vegeta-json": ("vegeta", loads.vegeta_json(), ALL - {"users"}),
    "vegeta-csv": ("vegeta", loads.vegeta_csv(), ALL - {"users"}),
    "vegeta-csv-older": ("vegeta", loads.vegeta_csv(columns=9), ALL - {"users"}),
    "hey": ("hey", loads.hey(), ALL - {"users"}),
    "oha": ("oha", loads.oha(), ALL - {"users"}),
    "ab": ("ab", loads.ab(), frozenset({"p50", "p99", "max"})),
    "h2load": ("h2load", loads.h2load(), ALL - {"users"}),
    "pgbench-log": ("pgbench", loads.pgbench_log(), frozenset({"errors"})),
}


@pytest.mark.parametrize(("tool", "text", "has"), FORMS.values(), ids=FORMS)
def test_single_reports_become_the_rates_and_percentiles_of_each_second(tmp_path: Path, tool: str, text: str, has: frozenset[str]) -> None:
    found = read_one(write(tmp_path, text))
    assert found.tool == tool
    assert column(found, "timestamp") == [MS + 1000 * second for second in range(loads.SECONDS)]
    assert set(column(found, "throughput")) == {4}
    assert set(column(found, "errors")) == ({1} if "errors" in has else {None})
    assert set(column(found, "users")) == ({loads.USERS} if "users" in has else {None})
    if "p50" in has:
        assert column(found, "latency_p50_ms") == pytest.approx([QUANTILES[49]] * loads.SECONDS)
        assert column(found, "latency_p99_ms") == pytest.approx([QUANTILES[98]] * loads.SECONDS)
    if "max" in has:
        assert column(found, "latency_max_ms") == pytest.approx([max(loads.TOOK)] * loads.SECONDS)
    summary = found.summary
    assert (summary.requests, summary.errors) == (40, 10 if "errors" in has else None)
    assert (summary.row_seconds, summary.unread, summary.untimed, summary.cut) == (1, 0, 0, False)


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-16-le"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r\n").encode("utf-16"),
        lambda text: text.encode("latin-1"),
        lambda text: gzip.compress(text.encode()),
        lambda text: gzip.compress(text.encode()[:1000]) + gzip.compress(text.encode()[1000:]),
        lambda text: b"".join(gzip.compress(line.encode()) for line in text.splitlines(keepends=True)),
        lambda text: bz2.compress(text.encode()),
        lambda text: lzma.compress(text.encode()),
    ],
    ids=[
        "bom",
        "utf-16",
        "utf-16-without-bom",
        "utf-16-be",
        "crlf",
        "crlf-utf-16",
        "latin-1",
        "gzip",
        "gzip-members",
        "gzip-member-per-line",
        "bzip2",
        "xz",
    ],
)
@pytest.mark.parametrize("form", ["jmeter", "k6-json", "k6-csv", "gatling-3.9"])
def test_an_output_may_be_encoded_and_packed_as_people_have_it(tmp_path: Path, form: str, encode: Callable[[str], bytes]) -> None:
    """The name does not matter: what packs it is found by the content."""
    text = FORMS[form][1].replace("GET /", "GET /über").replace('"scenario":"default"', '"scenario":"Läufer"')
    found = read_one(write(tmp_path, encode(text)))
    assert (found.summary.requests, found.summary.errors, found.summary.unread, len(found.rows)) == (40, 10, 0, 10)


def test_a_zip_of_one_file_is_unpacked_and_one_of_several_refused(tmp_path: Path) -> None:
    for names in (["a.jtl"], ["a.jtl", "b.jtl"]):
        with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
            for name in names:
                archive.writestr(name, loads.jtl())
        if len(names) == 1:
            assert read_one(tmp_path / "out.zip").summary.requests == 40
    with pytest.raises(BadInput, match="archive of 2 files"):
        read_runs(tmp_path / "out.zip")


# ---- outputs that break off or are damaged ---------------------------------------------------------------------------

JTL = loads.jtl()


@pytest.mark.parametrize(
    ("text", "requests", "unread"),
    [
        (JTL + "17700000", 40, 1),
        (JTL + f"{MS + 9000},100,GET /,50", 40, 1),
        (JTL + f'{MS + 9000},100,GET /,500,"Number of', 40, 1),
        (JTL + f"{MS + 9500},10,GET /,200,OK,Users 1-1,text,true,,5", 41, 0),
        (JTL + f'{MS + 9500},100,GET /,500,"it broke here\n' + loads.jtl(header=False), 80, 1),
        (JTL.replace(",20,GET", ",??,GET", 1), 39, 1),
        (JTL.replace("true", "tr", 1), 39, 1),
        (loads.k6_json() + '{"metric":"http_reqs","type":"Point","data":{"ti', 40, 1),
        (loads.k6_json() + "\0" * 500, 40, 0),
        (loads.k6_csv() + "http_reqs,17672256", 40, 1),
        (loads.gatling() + "REQUEST\t\thome page\t1767225", 40, 1),
        (loads.vegeta_json() + '{"attack":"","seq":40,"code":2', 40, 1),
        (loads.pgbench_log() + "0 41 12", 40, 1),
        (loads.k6_json() + loads.k6_json().splitlines()[-1].replace('"value":', '"value":-', 1) + "\n", 40, 1),
        (loads.k6_csv() + "http_reqs,1767225600,-3.0,,,,,,,,,,,,,,,\n", 40, 1),
        (loads.vegeta_json() + re.sub(r'("latency": ?)', r"\1-", loads.vegeta_json().splitlines()[-1]) + "\n", 40, 1),
        (loads.vegeta_json() + re.sub(r'("latency": ?)\d+', r"\g<1>1e400", loads.vegeta_json().splitlines()[-1]) + "\n", 40, 1),
    ],
    ids=[
        "jmeter-in-time",
        "jmeter-before-success",
        "jmeter-in-quotes",
        "jmeter-behind-success",
        "jmeter-open-quote-in-the-middle",
        "jmeter-bad-number",
        "jmeter-bad-success",
        "k6-json",
        "k6-zero-bytes",
        "k6-csv",
        "gatling",
        "vegeta",
        "pgbench",
        "k6-negative",
        "k6-csv-negative",
        "vegeta-negative",
        "vegeta-infinite",
    ],
)
def test_a_damaged_row_costs_a_row(tmp_path: Path, text: str, requests: int, unread: int) -> None:
    found = read_one(write(tmp_path, text))
    assert (found.summary.requests, found.summary.unread) == (requests, unread)


def test_a_cut_gzip_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    packed = gzip.compress(loads.k6_json().encode())
    found = read_one(write(tmp_path, packed[:-400]))
    assert found.summary.cut
    assert 0 < (found.summary.requests or 0) < 40


CUT = {
    **{name: text for name, (_, text, _) in FORMS.items()},
    "locust": loads.locust(),
    "artillery": loads.artillery(),
    "sysbench": loads.sysbench(),
    "wrk": loads.wrk(),
    **{path.name: path.read_text() for path in OUTPUTS.iterdir()},
}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_output_cut_anywhere_is_read_or_refused_with_a_sentence(data: st.DataObject) -> None:
    """Never a traceback, never more rows than the data, never more requests than the whole output has."""
    name = data.draw(st.sampled_from(sorted(CUT)))
    content = CUT[name].encode()
    at = data.draw(st.integers(0, len(content)))
    rubbish = data.draw(st.sampled_from([b"", b"\0" * 20, b'"', b"\xff\xfe", b"\n9" * 20, b"{" * 30]))
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), content[:at] + rubbish + data.draw(st.sampled_from([b"", content[at:]])), name)
        try:
            found = read_runs(path, START)
        except BadInput:
            return
        lines = path.read_bytes().count(b"\n") + 1
        assert sum(len(timeline.rows) for timeline in found) <= max(2 * lines, 4)
        for timeline in found:
            stamps = [row.timestamp for row in timeline.rows]
            assert stamps == sorted(set(stamps))
            json.dumps(timeline.summary.to_json(), allow_nan=False)


# ---- JMeter ----------------------------------------------------------------------------------------------------------


def test_jmeter_samples_count_in_the_second_in_which_they_ended(tmp_path: Path) -> None:
    lines = [
        "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,allThreads,Latency",
        "1767225600100,500,Home,200,OK,Users 1-1,text,true,,2674,2,515",
        '1767225600900,300,Home,500,"Internal, Server",Users 1-2,text,false,"two\nlines",2674,2,515',
        "1767225603000,10,Home,200,OK,Users 1-1,text,true,,2674,3,515",
        "1767225603",
    ]
    found = read_one(write(tmp_path, "\n".join(lines)))
    assert column(found, "throughput") == [1, 1, 0, 1]
    assert column(found, "errors") == [0, 1, 0, 0]
    assert column(found, "users") == [2, 2, 2, 3]
    assert found.rows[0].latency_max_ms == 500
    assert found.summary.cut


def test_jmeter_transactions_count_where_there_is_nothing_else(tmp_path: Path) -> None:
    text = "\n".join(line for line in loads.jtl(transactions=True).split("\n") if "Buy" in line or "elapsed" in line)
    found = read_one(write(tmp_path, text + "\n"))
    assert (found.summary.requests, found.summary.operation) == (10, "transaction")
    assert set(column(found, "latency_p50_ms")) == {340}


def test_a_row_of_several_samples_has_a_mean_and_no_percentile(tmp_path: Path) -> None:
    """JMeter's statistical mode adds up the times of its samples and stamps the row with the end of the last."""
    head = "timeStamp,elapsed,label,responseCode,success,SampleCount,ErrorCount,allThreads\n"
    text = head + f"{MS + 500},600,a,200,true,6,0,3\n{MS + 1500},200,a,500,false,4,2,3\n{MS + 1600},90,a,200,true,1,0,3\n"
    found = read_one(write(tmp_path, text))
    assert column(found, "throughput") == [6, 5]
    assert column(found, "errors") == [0, 2]
    assert column(found, "latency_avg_ms") == pytest.approx([100, (200 + 90) / 5])
    assert column(found, "latency_p95_ms") == [None, None]
    assert column(found, "latency_max_ms") == [None, None]
    assert (found.summary.requests, found.summary.errors) == (11, 2)


@pytest.mark.parametrize("stamp", ["0", "1", "17672256", "99999999999999999999", "-5"], ids=str)
def test_a_time_that_cannot_be_is_an_error_without_a_time(tmp_path: Path, stamp: str) -> None:
    """JMeter before 5.5 stamps a sampler that throws with 0; no series gets longer for it."""
    row = f"{stamp},0,GET /,Non HTTP response code: java.net.URISyntaxException,Illegal,Users 1-1,text,false,,0,0,5,5,null,0,0,0\n"
    found = read_one(write(tmp_path, JTL + row))
    assert len(found.rows) == 10
    if stamp != "-5":
        assert (found.summary.requests, found.summary.errors, found.summary.untimed) == (41, 11, 1)


def test_a_clock_that_was_set_during_the_run_makes_no_series_of_years(tmp_path: Path) -> None:
    found = read_one(write(tmp_path, JTL + loads.jtl(header=False, seconds=1, start=START - 900 * 86400)))
    assert len(found.rows) == 10
    assert found.summary.untimed == 4


def test_dates_without_a_zone_are_moved_by_the_start_that_is_given(tmp_path: Path) -> None:
    text = loads.jtl(written=lambda ms: time.strftime("%Y/%m/%d %H:%M:%S", time.gmtime(ms // 1000 + 5 * 3600)))
    assert read_one(write(tmp_path, text)).rows[0].timestamp == MS
    found = read_one(write(tmp_path, text), None)
    assert found.rows[0].timestamp == MS + 5 * 3600_000
    assert "taken as UTC" in found.summary.notes[0]


def test_few_samples_of_a_long_time_make_wider_rows_with_the_same_average(tmp_path: Path) -> None:
    """A request every ten seconds is 0.1 per second; a row per second would be a series longer than the data."""
    rows = [f"{MS + 10_000 * number},5,a,200,OK,u,text,true,,1,1,1,1,x,1,1,1\n" for number in range(60)]
    found = read_one(write(tmp_path, loads.JTL + "\n" + "".join(rows)))
    assert len(found.rows) <= 120
    assert found.summary.row_seconds == 5
    assert statistics.fmean(row.throughput or 0 for row in found.rows) == pytest.approx(0.1, rel=0.02)


def test_errors_of_the_generator_itself_are_told_apart(tmp_path: Path) -> None:
    message = "Non HTTP response message: Cannot assign requested address (connect failed)"
    found = read_one(write(tmp_path, loads.jtl(message=message)))
    assert (found.summary.errors, found.summary.starved) == (10, 10)
    assert found.summary.starved_spans == [(MS, MS + 9999, 10)]
    error = "dial tcp 10.0.0.1:80: socket: too many open files"
    assert read_one(write(tmp_path, loads.vegeta_json(error))).summary.starved == 10


# ---- k6 --------------------------------------------------------------------------------------------------------------


def test_a_stall_is_a_throughput_of_zero(tmp_path: Path) -> None:
    text = loads.k6_json(seconds=2) + loads.k6_json(seconds=2, start=START + 5)
    found = read_one(write(tmp_path, "\n".join(line for line in text.split("\n") if '"Metric"' not in line)))
    assert column(found, "throughput") == [4, 4, 0, 0, 0, 4, 4]
    assert column(found, "errors") == [1, 1, 0, 0, 0, 1, 1]
    assert column(found, "latency_p50_ms")[2:5] == [None] * 3


def test_dropped_iterations_are_kept_with_their_spans(tmp_path: Path) -> None:
    def dropped(second: int, count: int) -> str:
        told = {"time": f"2026-01-01T00:00:0{second}.5Z", "value": count, "tags": {}}
        return json.dumps({"metric": "dropped_iterations", "type": "Point", "data": told}) + "\n"

    found = read_one(write(tmp_path, loads.k6_json() + dropped(3, 7) + dropped(4, 2) + dropped(8, 1)))
    assert found.summary.dropped == 10
    assert found.summary.dropped_spans == [(MS + 3000, MS + 4999, 9), (MS + 8000, MS + 8999, 1)]
    assert read_one(write(tmp_path, loads.k6_json())).summary.dropped == 0
    assert read_one(write(tmp_path, JTL)).summary.dropped is None


def test_what_a_k6_script_of_websockets_counts_is_its_messages(tmp_path: Path) -> None:
    found = read_one(write(tmp_path, loads.k6_json(protocol="ws")))
    assert (found.summary.operation, found.rows[0].throughput, found.rows[0].latency_p50_ms) == ("message", 4, None)


# ---- several runs in one file ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "one",
    [
        lambda start: loads.jtl(start=start),
        lambda start: loads.k6_json(start=start),
        lambda start: loads.k6_csv(start=start),
        lambda start: loads.locust(start=start),
    ],
    ids=["jmeter", "k6-json", "k6-csv", "locust"],
)
def test_outputs_that_were_appended_are_runs_one_after_the_other(tmp_path: Path, one: Callable[[int], str]) -> None:
    found = read_runs(write(tmp_path, one(START) + one(START + 3600)))
    assert [(run.rows[0].timestamp, len(run.rows)) for run in found] == [(MS, 10), (MS + 3600_000, 10)]
    assert [row.throughput for run in found for row in run.rows] == [4] * 20


def test_outputs_of_injectors_that_ran_together_add_up(tmp_path: Path) -> None:
    found = read_one(write(tmp_path, loads.jtl() + loads.jtl(start=START + 5)))
    assert (found.summary.requests, len(found.rows)) == (80, 15)
    assert [row.throughput for row in found.rows] == [4] * 5 + [8] * 5 + [4] * 5


SWEEP = loads.sysbench(1, 100) + loads.sysbench(2, 180) + loads.sysbench(8, 400)
SEVERAL = {
    "sysbench": SWEEP,
    "sysbench-without-lines": SWEEP.replace("[ ", "< "),
    "sysbench-without-banners": "".join(line + "\n" for line in SWEEP.split("\n") if line.startswith("[ ")),
    "wrk": loads.wrk(5) + loads.wrk(5, latency=20) + loads.wrk(5, latency=300),
    "pgbench-progress": "pgbench (16.1)\nprogress: 1.0 s, 90.0 tps, lat 1.0 ms stddev 0.1, 0 failed\n" * 3,
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several_runs_without_times_are_refused_even_with_a_start(tmp_path: Path, name: str) -> None:
    for start in (None, float(START)):
        with pytest.raises(BadInput, match="holds 3 runs of"):
            read_runs(write(tmp_path, SEVERAL[name]), start)


def mark(at: float, label: str, kind: str, **more: str) -> dict[str, Any]:
    return {"at": at, "label": label, "kind": kind, **more}


def collection(path: Path, marks: list[dict[str, Any]], *, packed: bool = False) -> None:
    lines = [{"timestamp": START, "subsystem": "/proc/stat", "measurement": "cpu 1 2 3"}]
    for one in marks:
        seconds, rest = divmod(one["at"], 1)
        content = json.dumps({name: value for name, value in one.items() if name != "at"})
        lines.append({"timestamp": int(seconds), "nanosecond": round(rest * 1e9), "subsystem": "perfkit/mark", "measurement": content})
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if packed else text)


OUTER = [mark(START, "load", "start", output="out"), mark(START + 100, "load", "end", output="out")]


def phases(*spans: tuple[str, float, float]) -> list[dict[str, Any]]:
    return [
        OUTER[0],
        *(m for label, first, last in spans for m in (mark(START + first, label, "start"), mark(START + last, label, "end"))),
        OUTER[1],
    ]


@pytest.mark.parametrize("place", ["collection", "gzip", "above", "beside-pcc", "processed"])
@pytest.mark.parametrize("name", ["sysbench", "sysbench-without-lines", "wrk", "pgbench-progress"])
def test_several_runs_lie_at_the_phases_that_were_marked_meanwhile(tmp_path: Path, name: str, place: str) -> None:
    marks = phases(("t1", 5, 11), ("t2", 20, 26), ("t8", 40, 46))
    folder = tmp_path / "logs"
    folder.mkdir()
    if place == "processed":
        (folder / "vm-a").mkdir()
        told = [{**one, "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.pop("at")))} for one in map(dict, marks)]
        write(folder / "vm-a", json.dumps({"format": 1, "marks": told}), "quality.json")
    else:
        names = {"collection": "logs/vm.json", "gzip": "logs/vm.json.gz", "above": "vm.json", "beside-pcc": "logs/vm.json.marks.json"}
        collection(tmp_path / names[place], marks, packed=place == "gzip")
    found = read_runs(write(folder, SEVERAL[name]))
    assert [run.label for run in found] == ["t1", "t2", "t8"]
    assert [run.rows[0].timestamp for run in found] == [MS + 5000, MS + 20_000, MS + 40_000]
    assert len({run.rows[0].throughput for run in found}) == (1 if name in ("pgbench-progress", "wrk") else 3)


def test_phases_without_a_run_are_left_out_if_the_runs_fit_in_one_way_alone(tmp_path: Path) -> None:
    collection(tmp_path / "vm.json", phases(("warmup", 0, 3), ("t1", 5, 11), ("t2", 20, 26), ("t8", 40, 46), ("cooldown", 50, 53)))
    assert [run.label for run in read_runs(write(tmp_path, SWEEP))] == ["t1", "t2", "t8"]
    collection(tmp_path / "vm.json", phases(("warmup", 0, 30), ("t1", 35, 41), ("t2", 50, 56), ("t8", 60, 66)))
    with pytest.raises(BadInput, match="cannot be told from the 4 phases"):
        read_runs(write(tmp_path, SWEEP))


def test_the_innermost_phases_count_and_what_was_prepared_came_first(tmp_path: Path) -> None:
    collection(tmp_path / "vm.json", phases(("all", 1, 60), ("disk", 5, 31), ("cpu", 40, 46)))
    found = read_runs(write(tmp_path, loads.SYSBENCH_PREPARE + loads.sysbench() + loads.sysbench(2, 50)))
    assert [(run.label, run.rows[0].timestamp) for run in found] == [("disk", MS + 26_000), ("cpu", MS + 40_000)]


def test_one_run_begins_with_the_mark_that_names_its_output(tmp_path: Path) -> None:
    collection(tmp_path / "vm.json", [mark(START + 60.5, "load", "start", output="out")])
    assert read_one(write(tmp_path, loads.wrk()), None).rows[0].timestamp == MS + 60_500
    with pytest.raises(BadInput, match="prepared the test"):
        read_runs(write(tmp_path, loads.SYSBENCH_PREPARE + loads.sysbench()))
    with pytest.raises(BadInput, match="--load-start"):
        read_runs(write(tmp_path, loads.wrk(), "another"))


def test_the_start_that_run_loadtest_notes_beside_its_log_counts(tmp_path: Path) -> None:
    write(tmp_path, "2026-01-01T00:00:09Z\n", "cpu.start")
    assert read_one(write(tmp_path, loads.sysbench(), "cpu.log"), None).rows[0].timestamp == MS + 9000


# ---- tools that print or write their own intervals and figures -------------------------------------------------------


def test_sysbench_lines_are_a_row_a_second_from_the_start() -> None:
    found = read_one(OUTPUTS / "sysbench_cpu.txt", 1_000_000.0)
    assert found.tool == "sysbench"
    assert column(found, "timestamp") == [1_000_000_000, 1_000_001_000, 1_000_002_000, 1_000_003_000]
    assert column(found, "throughput") == [706.82, 1748.87, 2660.48, 2686.49]
    assert column(found, "latency_p95_ms") == [10.65, 4.41, 4.33, 4.41]
    assert set(column(found, "users")) == {2.0}
    assert found.summary.requests == 7799
    assert found.rows[0]._fields == ("timestamp", *COLUMNS)


def test_sysbench_says_what_is_known_of_a_run(tmp_path: Path) -> None:
    whole = read_one(write(tmp_path, loads.sysbench()))
    assert (whole.summary.requests, whole.summary.errors, whole.summary.cut) == (500, 3, False)
    ended = read_one(write(tmp_path, loads.sysbench(ended=False)))
    assert (len(ended.rows), ended.summary.requests, ended.summary.errors, ended.summary.cut) == (5, None, None, True)
    level = read_one(write(tmp_path, loads.sysbench(lines=False)))
    assert [(row.throughput, row.latency_avg_ms, row.latency_p95_ms, row.latency_max_ms) for row in level.rows] == [
        (99.99000099990002, 5, 9.5, 20)
    ] * 2
    newer = loads.sysbench(lines=False).replace("total time: ", "time elapsed: ")  # 1.1
    older = loads.sysbench(lines=False).replace("95th percentile: ", "approx.  95 percentile: ")  # 0.4 and 0.5
    for text in (newer, older):
        assert read_one(write(tmp_path, text)).rows == level.rows


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        (
            "[ 10s ] thds: 4 tps: 123.50 qps: 2470.00 (r/w/o: 1/1/1) lat (ms,99%): 36.24 err/s: 0.50 reconn/s: 0.00",
            (123.5, 0.5, None, 36.24),
        ),
        (
            "[  10s] threads: 4, tps: 123.50, reads: 1.00, writes: 1.00, response time: 36.24ms (95%), errors: 0.50",
            (123.5, 0.5, 36.24, None),
        ),
    ],
    ids=["1.0", "0.5"],
)
def test_sysbench_oltp_lines_have_transactions_and_errors(tmp_path: Path, line: str, wanted: tuple[float | None, ...]) -> None:
    row = read_one(write(tmp_path, f"sysbench 1.0.20 (using LuaJIT)\n{line}\n")).rows[0]
    assert (row.throughput, row.errors, row.latency_p95_ms, row.latency_p99_ms) == wanted


def test_wrk_is_a_level_from_its_start_to_its_end() -> None:
    found = read_one(OUTPUTS / "wrk.txt", 1000.0)
    first, last = found.rows
    assert (first.timestamp, last.timestamp) == (1_000_000, 1_003_050)
    assert (first.throughput, first.users, first.latency_avg_ms, first.latency_max_ms) == (206.23, 4, 27.99, 224.52)
    assert (first.latency_p50_ms, first.latency_p90_ms, first.latency_p99_ms) == (15.08, 70.21, 155.97)
    assert first.errors == pytest.approx(38 / 3.05)
    assert (found.summary.requests, found.summary.errors) == (629, 38)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_of_wrk2_the_latency_that_it_recorded_counts(tmp_path: Path, end: str) -> None:
    row = read_one(write(tmp_path, loads.WRK2.replace("\n", end))).rows[0]
    assert (row.latency_p50_ms, row.latency_p90_ms, row.latency_p99_ms, row.latency_max_ms) == (2000, 3600, 4000, 4100)
    uncorrected = (
        loads.WRK2.split("  Latency Distribution (HdrHistogram - Recorded")[0] + "  Latency Distribution (HdrHistogram - Uncorrected"
    )
    only = read_one(write(tmp_path, uncorrected + loads.WRK2.split("HdrHistogram - Uncorrected")[1])).rows[0]
    assert (only.latency_p50_ms, only.latency_p99_ms, only.latency_max_ms) == (None, None, 4100)


def test_a_run_of_wrk_that_was_interrupted_keeps_its_place(tmp_path: Path) -> None:
    collection(tmp_path / "vm.json", phases(("a", 5, 11), ("b", 20, 26)))
    text = loads.wrk(5).split("  2 threads")[0] + "  2 threads and 64 connections\n" + loads.wrk(5)
    found = read_one(write(tmp_path, text), None)
    assert (found.label, found.rows[0].timestamp) == ("b", MS + 20_000)
    assert "interrupted" in found.summary.notes[0]


def test_locust_rows_are_those_of_all_requests_together() -> None:
    found = read_one(OUTPUTS / "locust_stats_history.csv")
    assert found.tool == "locust"
    assert found.rows[0].latency_p50_ms is None
    row = found.rows[3]
    assert (row.users, row.throughput, row.errors, row.latency_p95_ms, row.latency_max_ms) == (4, 13.0, 1.0, 60, 91)
    assert found.summary.users_max == 4
    assert found.summary.requests and found.summary.requests > 100


@pytest.mark.parametrize(
    "text",
    [
        loads.locust(),
        loads.locust(unknown="nan"),
        loads.locust(unknown=""),
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in loads.locust().strip().split("\n")) + "\n",
        "\n".join(
            ";".join(cell.replace(".", ",") if cell[:1].isdigit() and "%" not in cell else cell for cell in line.split(","))
            for line in loads.locust().strip().split("\n")
        )
        + "\n",
        "".join(f"{line}\n" for line in loads.locust().strip().split("\n") if "GET" not in line),
    ],
    ids=["n-a", "nan", "empty", "quoted", "excel", "without-full-history"],
)
def test_locust_history_as_people_have_it(tmp_path: Path, text: str) -> None:
    found = read_one(write(tmp_path, text))
    assert len(found.rows) == 10
    assert set(column(found, "throughput")) == {4}
    assert column(found, "latency_p95_ms") == [None] + [38] * 9
    assert (found.summary.requests, found.summary.errors, found.summary.users_max) == (36, 9, 5)
    assert (found.summary.users_max_from, found.summary.users_max_until) == (MS, MS + 9000)


def test_locust_counts_that_begin_again_add_up(tmp_path: Path) -> None:
    """--reset-stats sets them to 0 once all users are there."""
    again = loads.locust(start=START + 20).split("\n", 1)[1]
    found = read_one(write(tmp_path, loads.locust() + again))
    assert (len(found.rows), found.summary.requests) == (20, 72)


FAILURES = """Method,Name,Error,Occurrences
GET,/,"ConnectionError(MaxRetryError(""Failed to establish a new connection: [Errno 24] Too many open files""))",7
GET,/,"OSError(99, 'Cannot assign requested address')",2
GET,/,HTTPError('503 Server Error'),40
"""


@pytest.mark.parametrize(
    ("failures", "starved"),
    [
        (FAILURES, 9),
        (FAILURES.replace("\n", "\r\n"), 9),
        ("Method,Name,Error,Occurrences\n", 0),
        ("", None),
        ("\0" * 100, None),
        (None, None),
    ],
    ids=["some", "crlf", "without-a-failure", "empty", "nul", "missing"],
)
def test_locust_failures_beside_the_history_say_whether_locust_was_at_its_limit(
    tmp_path: Path, failures: str | None, starved: int | None
) -> None:
    if failures is not None:
        (tmp_path / "x_failures.csv").write_text(failures, newline="")
    history = tmp_path / "x_stats_history.csv"
    history.write_text(loads.locust())
    assert read_one(history).summary.starved == starved


def test_locust_failures_are_of_no_run_where_the_history_holds_several(tmp_path: Path) -> None:
    (tmp_path / "x_failures.csv").write_text(FAILURES)
    history = tmp_path / "x_stats_history.csv"
    history.write_text(loads.locust() + loads.locust(start=START + 60))
    assert [run.summary.starved for run in read_runs(history, None)] == [None, None]


def test_pgbench_progress_with_and_without_timestamps() -> None:
    found = read_one(OUTPUTS / "pgbench_progress.txt", None)
    assert [row.timestamp for row in found.rows] == [1795582921937, 1795582922937, 1795582923937]
    assert column(found, "throughput") == [199, 196, 185]
    assert column(found, "latency_avg_ms") == [1.407, 1.195, 2.818]
    assert set(column(found, "latency_p95_ms")) == {None}
    assert (found.summary.requests, found.summary.errors, found.summary.dropped) == (581, 0, 1)
    relative = read_one(OUTPUTS / "pgbench_progress_relative.txt")
    assert column(relative, "timestamp") == [MS, MS + 1000, MS + 2000]
    assert set(column(relative, "users")) == {4}


def test_pgbench_logs_of_transactions_and_of_intervals() -> None:
    log = read_one(OUTPUTS / "pgbench_log")
    assert log.summary.requests == 80
    assert log.summary.dropped == 0
    rate = read_one(OUTPUTS / "pgbench_log_rate")
    assert (rate.summary.requests, rate.summary.dropped) == (59, 1)
    found = read_one(OUTPUTS / "pgbench_log_intervals")
    assert column(found, "throughput") == [95, 100, 83, 96]
    assert column(found, "latency_avg_ms") == pytest.approx([241685 / 95e3, 219186 / 100e3, 129128 / 83e3, 162090 / 96e3])
    assert column(found, "latency_max_ms") == [12.57, 5.961, 2.568, 5.442]
    assert (found.summary.requests, found.summary.dropped) == (374, 2)


def test_fio_json_is_a_level_whose_bins_give_percentiles_of_reads_and_writes_together() -> None:
    job = json.loads((OUTPUTS / "fio_jsonplus.json").read_text())["jobs"][0]
    took = sorted(float(ns) for way in ("read", "write") for ns, many in job[way]["clat_ns"]["bins"].items() for _ in range(many))
    found = read_one(OUTPUTS / "fio_jsonplus.json", None)
    first, last = found.rows
    done = job["read"]["total_ios"] + job["write"]["total_ios"]
    assert (found.summary.requests, found.summary.operation, last.timestamp) == (done, "I/O", 1795582696066)
    assert last.timestamp - first.timestamp == job["job_runtime"]
    assert first.throughput == pytest.approx(done / job["job_runtime"] * 1000)
    for share in (50, 90, 95, 99):
        assert getattr(first, f"latency_p{share}_ms") == pytest.approx(took[-(-len(took) * share // 100) - 1] / 1e6)


def test_fio_snapshots_are_rows_of_what_was_done_between_them() -> None:
    found = read_one(OUTPUTS / "fio_status.json", None)
    assert found.summary.requests == 73287
    ends = [*column(found, "timestamp")[1:], 1795582699753]
    done = sum((row.throughput or 0) * ((end or 0) - row.timestamp) / 1000 for row, end in zip(found.rows, ends, strict=True))
    assert done == pytest.approx(73287)
    assert found.rows[0].latency_p95_ms is not None  # of all that had been done
    assert set(column(found, "latency_p95_ms")[1:]) == {None}  # not of the interval


def fio_json(*groups: dict[str, float], elapsed: int, jobs: str = "jobs", clat: str = "clat_ns", unit: float = 1e6) -> str:
    """fio's closing JSON: a job in each group, which did 1000 reads in ten seconds."""
    idle = {"total_ios": 0, "runtime": 0}
    took = {"min": unit, "max": 5 * unit, "mean": unit, "percentile": {"50.000000": 0.9 * unit}}
    done = {"total_ios": 1000, "runtime": 10_000, clat: took}
    told = [
        {"jobname": f"job{n}", "groupid": n, "elapsed": elapsed, "read": done, "write": idle, "trim": idle, **group}
        for n, group in enumerate(groups)
    ]
    return json.dumps({"fio version": "fio-3.33", "timestamp": START + elapsed, jobs: told})


def test_fio_groups_that_ran_one_after_the_other_are_runs_and_never_add_up(tmp_path: Path) -> None:
    """`stonewall`: rates of jobs that did not run together are no rate of the disk. Together they add up, on one machine as on several."""
    in_turn = [{"job_start": MS}, {"job_start": MS + 10_000}]
    found = read_runs(write(tmp_path, fio_json(*in_turn, elapsed=20)), None)
    assert [(one.label, one.rows[0].timestamp - MS, one.rows[-1].timestamp - MS, one.rows[0].throughput) for one in found] == [
        ("job0", 0, 10_000, 100),
        ("job1", 10_000, 20_000, 100),
    ]
    with pytest.raises(BadInput, match="holds 2 runs of fio"):
        read_runs(write(tmp_path, fio_json({}, {}, elapsed=20)), None)
    for text in (
        fio_json({}, {}, elapsed=10),
        fio_json({"job_start": MS}, {"job_start": MS + 5}, elapsed=10),
        fio_json({}, {}, {"jobname": "All clients"}, elapsed=10, jobs="client_stats"),
    ):
        together = read_one(write(tmp_path, text), None)
        assert (together.summary.requests, together.rows[0].throughput) == (2000, pytest.approx(200, rel=1e-3))


def test_fio_2_says_microseconds_and_no_count(tmp_path: Path) -> None:
    row = read_one(write(tmp_path, fio_json({}, elapsed=10, clat="clat", unit=1e3)), None).rows[0]
    assert (row.latency_avg_ms, row.latency_p50_ms, row.latency_max_ms) == (1, 0.9, 5)


@pytest.mark.parametrize("written", ["nan", "-nan", "-nan(ind)", "NaN", "inf", "-Infinity", "1.#QNAN0", "-1.#IND00"])
def test_a_figure_that_is_no_number_costs_itself(tmp_path: Path, written: str) -> None:
    """fio's deviations of one value, iperf3's lost share of no packet; what stands in a text stays."""
    jsonplus = re.sub(r'("(?:stddev|iops_stddev|bw_dev|bw_agg)" : )[\d.]+', rf"\g<1>{written}", (OUTPUTS / "fio_jsonplus.json").read_text())
    assert jsonplus.count(written) > 5
    jsonplus = jsonplus.replace('"jobname" : "', f'"jobname" : "a \\" : {written}, ', 1)
    assert read_one(write(tmp_path, jsonplus), None).rows == read_one(OUTPUTS / "fio_jsonplus.json", None).rows
    udp = (OUTPUTS / "iperf_udp.json").read_text()
    lossy = re.sub(r'("(?:lost_percent|jitter_ms)":\t)[\d.]+', rf"\g<1>{written}", udp)
    assert written in lossy
    assert read_one(write(tmp_path, lossy), None).rows == read_one(OUTPUTS / "iperf_udp.json", None).rows
    before, sums, after = udp.partition('"sum":')
    found = read_one(write(tmp_path, before + sums + re.sub(r'("packets":\t)\d+', rf"\g<1>{written}", after, count=1)), None)
    assert (found.rows, found.summary.unread) == (read_one(OUTPUTS / "iperf_udp.json", None).rows[1:], 1)


def test_fio_that_is_not_understood_is_refused_with_the_reason(tmp_path: Path) -> None:
    text = fio_json({"read": {"total_ios": "?", "runtime": 10_000}}, elapsed=10)
    with pytest.raises(BadInput, match=r"is not as fio writes it \(ValueError: '\?' is no number that can be\)"):
        read_runs(write(tmp_path, text), None)
    both = text + "\n" + fio_json({}, elapsed=10)
    found = read_one(write(tmp_path, both), None)
    assert (found.summary.requests, found.summary.unread) == (1000, 1)


def test_fio_logs_of_averages_and_of_single_ios(tmp_path: Path) -> None:
    found = read_one(OUTPUTS / "job_iops.1.log")
    assert column(found, "timestamp")[:2] == [MS, MS + 500]
    assert column(found, "throughput")[:2] == [16380 + 16496, 18408 + 18280]
    assert found.summary.row_seconds == 0.5
    single = read_one(OUTPUTS / "single_clat.1.log", None)
    assert (single.summary.requests, single.rows[0].latency_max_ms) == (60, 0.231274)
    reads = "".join(line + "\n" for line in (OUTPUTS / "job_clat.1.log").read_text().split("\n") if ", 0, 0, 0" in line)
    assert read_one(write(tmp_path, reads, "x_clat.1.log")).rows[0].latency_avg_ms == pytest.approx(0.042083)


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ((OUTPUTS / "job_iops.1.log").read_text(), "job.log", "does not say of what"),
        ((OUTPUTS / "job_iops.1.log").read_text(), "job_bw.1.log", "_iops log"),
        ((OUTPUTS / "job_iops.1.log").read_text(), "job_slat.1.log", "submission"),
        ((OUTPUTS / "job_clat.1.log").read_text(), "job_clat.1.log", "per direction"),
    ],
    ids=["unnamed", "bw", "slat", "two-directions"],
)
def test_fio_logs_that_say_too_little_are_refused(tmp_path: Path, text: str, name: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_runs(write(tmp_path, text, name), START)


def test_iperf3_counts_blocks_and_datagrams(tmp_path: Path) -> None:
    tcp = read_one(OUTPUTS / "iperf_tcp.json", None)
    assert column(tcp, "timestamp") == [1795582685000, 1795582686000, 1795582687000]
    assert (tcp.summary.requests, tcp.summary.operation) == (18874368 // 131072, "block of 131072 bytes")
    udp = read_one(OUTPUTS / "iperf_udp.json", None)
    assert (udp.summary.requests, udp.summary.operation) == (229, "datagram")
    whole = json.loads((OUTPUTS / "iperf_tcp.json").read_text())
    events = [{"event": "start", "data": whole["start"]}, *({"event": "interval", "data": one} for one in whole["intervals"])]
    stream = read_one(write(tmp_path, "".join(json.dumps(event) + "\n" for event in events)), None)
    assert stream.rows == tcp.rows
    later = json.dumps(events[0]).replace(str(whole["start"]["timestamp"]["timesecs"]), "1795589999")
    twice = [*map(json.dumps, events), later, *map(json.dumps, events[1:])]
    assert [one.summary.requests for one in read_runs(write(tmp_path, "\n".join(twice)))] == [tcp.summary.requests] * 2
    lost = [*whole["intervals"], {"streams": []}]
    found = read_one(write(tmp_path, json.dumps({**whole, "intervals": lost})), None)
    assert (found.rows, found.summary.unread) == (tcp.rows, 1)
    whole["start"]["test_start"]["omit"] = 2
    assert read_one(write(tmp_path, json.dumps(whole)), None).rows[0].timestamp == 1795582687000


def test_artillery_periods_and_the_users_it_skipped(tmp_path: Path) -> None:
    found = read_one(write(tmp_path, loads.artillery()), None)
    assert [(row.timestamp, row.throughput, row.errors, row.latency_p95_ms) for row in found.rows] == [
        (MS, 4, 1, 38),
        (MS + 10_000, 4, 1, 38),
    ]
    assert (found.summary.requests, found.summary.errors, found.summary.dropped) == (80, 20, 3)
    assert found.summary.dropped_spans == [(MS + 10_000, MS + 19_999, 3)]


def test_autocannon_is_a_level_between_the_instants_that_it_says(tmp_path: Path) -> None:
    found = read_one(OUTPUTS / "autocannon.json", None)
    pretty = json.dumps(json.loads((OUTPUTS / "autocannon.json").read_text()), indent=2)
    assert read_one(write(tmp_path, pretty), None).rows == found.rows
    first, last = found.rows
    assert (first.timestamp, last.timestamp) == (1795582682380, 1795582685391)
    assert (first.throughput, first.users, first.latency_p95_ms) == (pytest.approx(272 / 3.011), 4, None)
    assert (found.summary.requests, found.summary.errors) == (272, 21)


@pytest.mark.parametrize("name", ["hey.csv", "ab.tsv", "h2load.log"])
def test_the_output_of_the_tool_itself_is_read_to_the_last_line(name: str) -> None:
    lines = (OUTPUTS / name).read_text().strip().count("\n") + (name == "h2load.log")
    found = read_one(OUTPUTS / name)
    assert (found.summary.requests, found.summary.unread) == (lines, 0)


def test_a_million_results_of_hey_are_all_that_it_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfkit.loadtools.logs._HEY_KEEPS", 40)
    found = read_one(write(tmp_path, loads.hey()))
    assert found.summary.requests is None
    assert "a million" in found.summary.notes[0]


NOTHING_ANSWERED = {
    "wrk": "Running 30s test @ http://sut/\n  1 threads and 10 connections\n    Latency     0.00us    0.00us   0.00us    -nan%\n"
    "  0 requests in 30.00s, 0.00B read\n  Socket errors: connect 10, read 0, write 0, timeout 0\nRequests/sec:      0.00\n",
    "sysbench": "sysbench 1.0.20\nThreads started!\n"
    "[ 1s ] thds: 4 tps: 0.00 qps: 0.00 (r/w/o: 0.00/0.00/0.00) lat (ms,95%): 0.00 err/s: 0.00\n",
    "pgbench": "progress: 1.0 s, 0.0 tps, lat 0.000 ms stddev 0.000, 0 failed\n",
}


@pytest.mark.parametrize("text", NOTHING_ANSWERED.values(), ids=NOTHING_ANSWERED)
def test_where_nothing_was_answered_there_is_no_latency(tmp_path: Path, text: str) -> None:
    """The tools print 0 there, as if every answer had come at once."""
    row = read_one(write(tmp_path, text)).rows[0]
    assert row.throughput == 0
    assert {getattr(row, name) for name in COLUMNS if name.startswith("latency_")} == {None}


# ---- what is refused -------------------------------------------------------------------------------------------------

REFUSED = {
    "empty": ("", "is empty"),
    "blank": ("\0\0\n \n", "is empty"),
    "unknown": ("hello\n", "not the output of a load tool"),
    "jmeter-xml": ("<?xml version='1.0'?><testResults/>", "XML.*output_format=csv"),
    "jmeter-header-alone": (loads.JTL + "\n", "holds no request"),
    "jmeter-times-of-day": (loads.jtl(written=lambda ms: time.strftime("%H:%M:%S", time.gmtime(ms // 1000))), "timestamp_format=ms"),
    "jmeter-american-dates": (
        loads.jtl(written=lambda ms: time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime(ms // 1000))),
        "timestamp_format=ms",
    ),
    "jmeter-mutilated": (loads.JTL + "\n" + "x,y,z\n" * 3, "no request that can be read, and 3 lines"),
    "jmeter-at-1970": (loads.jtl(start=5000), "with a time that perfkit can read"),
    "iperf2": ("------\nClient connecting to a, TCP port 5001\n[  3]  0.0- 1.0 sec  112 MBytes  941 Mbits/sec\n", "iperf 2.*iperf3 --json"),
    "locust-0": ('"Timestamp","Type","Name","# requests"\n1583933567,,Aggregated,10\n', "Locust before 1.0"),
    "jmeter-summary": (
        "summary +    100 in 00:00:10 =   10.0/s Avg:    25 Min:    10 Max:    40 Err:     0 (0.00%)\n",
        "JMeter's summary.*jtl",
    ),
    "jmeter-aggregate": ("Label,# Samples,Average,Median\nGET /,40,25,20\n", "JMeter's summary"),
    "k6-summary-export": ('{"metrics":{"http_reqs":{"type":"counter","values":{"count":40}}}}', "k6's summary.*--out json="),
    "k6-console": ("     iteration_duration.............: avg=1s\n     http_reqs......................: 40 4/s\n", "k6's summary"),
    "k6-metrics-alone": (loads.k6_json(seconds=0) + '{"type":"Metric","data":{},"metric":"vus"}\n', "holds no request"),
    "locust-stats": ("Type,Name,Request Count,Failure Count\n,Aggregated,100,0\n", "Locust.*_stats_history.csv"),
    "locust-failures": ("Method,Name,Error,Occurrences\n", "Locust.*_stats_history.csv"),
    "locust-console": ("[2026-01-01 00:00:00,000] vm/INFO/locust.main: Starting Locust 2.40.0\n", "what Locust prints"),
    "gatling-binary": (b"\x00\x00\x00\x00\x063.13.1\x00\x00\x00\x1fexample.Basic\x00\x00\x01\x9b\x74", "binary log.*3.12 or older"),
    "gatling-stats": ('{"type": "GROUP", "stats": {"name": "All Requests", "numberOfRequests": {"total": 1}}}', "Gatling's statistics"),
    "vegeta-report": ("Requests      [total, rate, throughput]  500, 100.20, 100.18\nDuration      [total, attack]\n", "vegeta encode"),
    "vegeta-report-json": ('{"latencies":{"total":1,"mean":1},"bytes_in":{"total":1}}', "vegeta encode"),
    "vegeta-binary": (
        b"\x7f\xff\x81\x03\x01\x01\x06Result\x01\xff\x82\x00\x01\x0a\x01\x06Attack\x01\x0c\x00\x01\x07Latency\x01\x04\x00BytesOut",
        "vegeta encode",
    ),
    "hey": ("\nSummary:\n  Total:\t1.0178 secs\n  Slowest:\t0.0480 secs\n", "hey.*-o csv"),
    "hey-without-offset": ("response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read\n0.1,0,0,0,0,0\n", "0.1.3"),
    "oha": ("Summary:\n  Success rate:\t100.00%\n  Total:\t1.0 secs\n", "oha.*--output-format csv"),
    "oha-json": ('{\n  "summary": {\n    "successRate": 1.0,\n    "total": 1.0\n  }\n}', "oha.*--output-format csv"),
    "ab": ("This is ApacheBench, Version 2.3 <$Revision: 1913912 $>\n", "ab -g"),
    "ab-percentiles": ("Percentage served,Time in ms\n0,0.624\n1,0.991\n", "ab -g"),
    "h2load": ("starting benchmark...\nspawning thread #0: 2 total client(s).\n", "--log-file"),
    "fio": ("job: (g=0): rw=randread, bs=(R) 4096B-4096B\nfio-3.33\nStarting 1 process\n", "json\\+"),
    "pgbench": ("transaction type: <builtin: TPC-B (sort of)>\nscaling factor: 1\nnumber of clients: 4\n", "--progress-timestamp"),
    "iperf3": ("Connecting to host 127.0.0.1, port 5201\n[ ID] Interval           Transfer     Bitrate\n", "--json"),
    "iperf3-error": ('{"start":{"connected":[]},"intervals":[],"end":{},"error":"unable to connect to server"}', "unable to connect"),
    "bombardier": ("Bombarding http://sut/ for 10s using 125 connection(s)\n", "bombardier.*k6"),
    "vegeta-report-jq": ('{\n  "latencies": {\n    "total": 1\n  }\n}', "vegeta encode"),
    "bombardier-jq": ('{\n  "spec": {\n    "numberOfConnections": 125\n  }\n}', "bombardier"),
    "bombardier-json": ('{"spec":{"numberOfConnections":125,"testType":"timed"},"result":{}}', "bombardier"),
    "drill": ("Concurrency 4\nIterations 10\n\nTime taken for tests      0.1 seconds\nTotal requests            10\n", "drill"),
    "siege": ('{\t"transactions":\t\t\t        2945,\n\t"availability":\t\t\t       90.45,\n}\n', "siege"),
    "siege-text": ("Transactions:\t\t        2945 hits\nAvailability:\t\t       90.45 %\n", "siege"),
    "autocannon": ("Running 10s test @ http://localhost:3000\n10 connections\n\n┌─────────┬──────┐\n", "autocannon.*--json"),
    "artillery": ("Metrics for period to: 14:09:30(+0100) (width: 9.011s)\n", "--output FILE"),
    "artillery-1": ('{"aggregate":{"timestamp":"2019-01-01T00:00:00.000Z","scenariosCreated":1}}', "Artillery 2"),
    "sysbench": ("sysbench 1.0.20\nFATAL: cannot connect\n", "ended before it printed any"),
    "wrk": ("Running 3s test @ http://x/\n  2 threads and 10 connections\n", "was interrupted"),
    "fio-terse": ("3;fio-3.33;job;0;0;4096;409;102;10000;0;0\n", "json\\+"),
    "fio-terse-2": ("2;job;0;0;4096;409;102;10000;0;0;0.0;0.0;4;28\n", "json\\+"),
    "vegeta-hdrplot": ("Value(ms)  Percentile  TotalCount  1/(1-Percentile)\n0.07  0.000000  0  1.000000\n", "vegeta encode"),
    "ab-quiet": ("\nConcurrency Level:      10\nTime taken for tests:   1.0 seconds\n", "ab -g"),
    "iperf3-server": ("-------\nServer listening on 5201 (test #1)\n-------\n", "--json"),
    "fortio": ('{\n  "RunType": "HTTP",\n  "StartTime": "2026-01-01T00:00:00Z",\n  "DurationHistogram": {}\n}', "of fortio"),
    "ghz": ('{"count":10,"total":1,"average":1,"fastest":1,"slowest":1,"rps":10,"details":[]}', "of ghz"),
    "ghz-pretty": ('{\n  "count": 10,\n  "average": 1,\n  "fastest": 1,\n  "slowest": 1,\n  "rps": 10\n}', "of ghz"),
    "ghz-text": ("\nSummary:\n  Count:\t200\n  Total:\t181.57 ms\n", "of ghz"),
    "nighthawk": ('{\n "options": {\n  "requests_per_second": 5\n },\n "results": []\n}', "of nighthawk"),
    "cassandra-stress": ("type,      total ops,    op/s,    pk/s,   row/s,    mean\ntotal, 1000, 1000\n", "of cassandra-stress"),
    "dd": ("1048576+0 records in\n1048576+0 records out\n", "of dd"),
    "hammerdb": ("Vuser 1:TEST RESULT : System achieved 12345 NOPM from 28000 PostgreSQL TPM\n", "of HammerDB"),
    "httperf": ("httperf --client=0/1 --server=sut --port=80\n", "of httperf"),
    "mysqlslap": ("Benchmark\n\tAverage number of seconds to run all queries: 0.5 seconds\n", "of mysqlslap"),
    "rados-bench": ("  sec Cur ops   started  finished  avg MB/s  cur MB/s last lat(s)  avg lat(s)\n", "of rados bench"),
    "stress-ng": ("stress-ng: info:  [123] dispatching hogs: 4 cpu\n", "of stress-ng"),
    "weighttp": ("weighttp 0.4 - a lightweight and simple webserver benchmarking tool\n", "of weighttp"),
    "memtier": ('{\n"configuration":{},\n"ALL STATS":{}\n}', "of memtier"),
    "redis-benchmark": ("====== SET ======\n  100000 requests completed in 1.00 seconds\n", "of redis-benchmark"),
    "ycsb": ("[OVERALL], RunTime(ms), 1000\n", "of YCSB"),
    "tsung": ("# stats: dump at 1767225600\nstats: users 1 1\n", "of tsung"),
    "netperf": ("MIGRATED TCP STREAM TEST from 0.0.0.0 (0.0.0.0) port 0 AF_INET to sut\n", "of netperf"),
    "plow": ("Benchmarking http://sut with 10000 request(s) using 10 connection(s).\n", "of plow"),
    "rewrk": ("Beginning round 1...\nBenchmarking 256 connections @ http://sut for 15 second(s)\n", "of rewrk"),
    "html": ("<!DOCTYPE html>\n<html><head><title>k6 report</title>", "a web page"),
    "a-collection": ('{"timestamp":1767225600,"subsystem":"/proc/stat","measurement":"cpu 1 2"}\n', "a collection.*without --load"),
    "hey-twice": (loads.hey() + loads.hey(), "several runs of hey"),
    "tar": (b"a.jtl" + b"\0" * 252 + b"ustar\x0000" + b"\0" * 300, "is an archive"),
    "zstandard": (b"\x28\xb5\x2f\xfd\x24\x00", "Zstandard"),
}


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_timeline_is_refused_by_name_with_the_cure(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read_runs(write(tmp_path, content), START)


@pytest.mark.parametrize("form", ["wrk", "sysbench", "hey", "oha"])
def test_without_a_start_the_cure_is_named(tmp_path: Path, form: str) -> None:
    with pytest.raises(BadInput, match="--load-start"):
        read_runs(write(tmp_path, CUT[form]))


def test_a_file_that_is_not_there_or_a_folder_is_a_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(BadInput, match="cannot be read"):
            read_runs(path)


def test_a_line_longer_than_the_limit_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfkit.loadtools.output._LONGEST_LINE", 1 << 20)
    found = read_one(write(tmp_path, JTL + "1" * (5 << 20) + "\n" + loads.jtl(header=False)))
    assert (found.summary.requests, found.summary.unread) == (80, 1)


def test_a_packed_bomb_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfkit.loadtools.output.MOST_TEXT", 50 << 20)
    bomb = loads.JTL.encode() + b"\n" + b"1" * (60 << 20)
    with pytest.raises(BadInput, match="holds more than"):
        read_runs(write(tmp_path, gzip.compress(bomb)))


def test_more_points_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfkit.loadtools.requests.MOST_REPORTS", 39)
    with pytest.raises(BadInput, match="holds more than 39 points"):
        read_runs(write(tmp_path, JTL))


# ---- the database ----------------------------------------------------------------------------------------------------


class Desk:
    """A database with a minute of vm-a from START on, into which load files are imported."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.db = folder, folder / "perfkit.db"

    def load(self, *paths: Path, more: tuple[str, ...] = ()) -> int:
        return main(["import", "--db", str(self.db), *(word for path in paths for word in ("--load", str(path))), *more])

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.db)) as con:
            return con.execute(sql).fetchall()

    def runs(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT run, requests FROM load_runs ORDER BY id")


@pytest.fixture
def desk(shared: Path, tmp_path: Path) -> Desk:
    found = Desk(tmp_path)
    invent.write(tmp_path / "vm-a.json", hostname="vm-a", seconds=60)
    made_once(shared / "loadtools.db", lambda path: main(["import", "--db", str(path), "--quiet", str(tmp_path / "vm-a.json")]), found.db)
    assert found.query("SELECT machinename FROM collectors") == [("vm-a",)]
    return found


def test_import_puts_a_run_beside_the_collector_that_was_recorded_then(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """The collector is found by time, the same file twice changes nothing, and another start moves the run."""
    invent.write(desk.folder / "vm-b.json", hostname="vm-b", seconds=60, start=START + 3600)
    assert main(["import", "--db", str(desk.db), "--file", str(desk.folder / "vm-b.json")]) == 0
    output, start = OUTPUTS / "sysbench_cpu.txt", ("--load-start", "2026-01-01T00:00:10Z")
    assert desk.load(output, more=start) == 0
    assert "4 rows" in capsys.readouterr().out
    assert desk.load(output, more=start) == 0
    assert "nothing to do" in capsys.readouterr().out
    machines = "SELECT machinename, tool, r.first_timestamp - 1767225600000 FROM load_runs AS r JOIN collectors AS c ON c.id = collector_id"
    assert desk.query(machines) == [("vm-a", "sysbench", 10_000)]
    assert desk.load(output, more=("--load-start", "2026-01-01T00:00:20Z")) == 0
    assert desk.query(machines) == [("vm-a", "sysbench", 20_000)]
    assert desk.query("SELECT count(*) FROM load_metrics") == [(4,)]
    assert desk.load(output, more=("--load-start", "2025-01-01")) == 2
    assert "no collector was recorded" in capsys.readouterr().err


def test_an_archive_of_results_brings_its_load_logs(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """As run_loadtest.sh packs them: the log beside the instant at which it began. What is no load tool's output is named."""
    folder = desk.folder / "results"
    (folder / "logs").mkdir(parents=True)
    shutil.move(desk.folder / "vm-a.json", folder / "vm-a.json")
    shutil.copy(OUTPUTS / "sysbench_cpu.txt", folder / "logs" / "cpu.log")
    (folder / "logs" / "disk.log").write_text("sum of everything\n")
    for name in ("cpu", "disk"):
        (folder / "logs" / f"{name}.start").write_text("2026-01-01T00:00:10Z\n")
    with tarfile.open(desk.folder / "results.tar.gz", "w:gz") as archive:
        archive.add(folder, "results")
    archived = str(desk.folder / "results.tar.gz")
    assert main(["process", archived, "--outdir", str(desk.folder / "out")]) == 0
    assert "damaged" not in capsys.readouterr().out
    assert not json.loads((desk.folder / "out" / "quality.json").read_text())["events"], "logs are no damaged lines of the collection"
    assert main(["import", "--db", str(desk.db), archived]) == 0
    said = capsys.readouterr().out
    assert "load      cpu 2026-01-01T00:00:10Z (sysbench): 4 rows" in said
    assert f"note      {archived}/results/logs/disk.log" in said
    assert desk.query("SELECT run, first_timestamp - 1767225600000, source FROM load_runs") == [
        ("cpu 2026-01-01T00:00:10Z", 10_000, f"{archived}/results/logs/cpu.log")
    ]
    assert main(["import", "--db", str(desk.db), archived]) == 0
    assert "(sysbench): imported before" in capsys.readouterr().out


def test_two_injectors_whose_files_have_one_name_and_start_are_two_runs(desk: Desk) -> None:
    paths = []
    for number in (1, 2, 3):
        folder = desk.folder / f"injector-{number}"
        folder.mkdir()
        paths.append(write(folder, loads.jtl(message=f"from {number}"), "results.jtl"))
    assert desk.load(*paths[:2]) == 0
    assert desk.runs() == [("results 2026-01-01T00:00:00Z", 40), ("injector-2/results 2026-01-01T00:00:00Z", 40)]
    together = "SELECT DISTINCT sum(throughput) OVER (PARTITION BY timestamp) FROM load_metrics"
    assert desk.query(together) == [(8,)]
    shutil.copy(paths[2], paths[1])  # the third one's file, fetched to where the second one's was
    assert desk.load(paths[1]) == 0
    assert len(desk.runs()) == 3
    assert desk.query(together) == [(12,)]


def test_a_file_that_has_grown_replaces_what_it_was(desk: Desk) -> None:
    path = write(desk.folder, loads.jtl(seconds=4), "run.jtl")
    assert desk.load(path) == 0
    write(desk.folder, JTL, "run.jtl")
    assert desk.load(path) == 0
    assert desk.runs() == [("run 2026-01-01T00:00:00Z", 40)]
    assert desk.query("SELECT count(*) FROM load_metrics") == [(10,)]


def test_what_an_older_perfkit_read_is_read_again(desk: Desk) -> None:
    path = write(desk.folder, JTL, "run.jtl")
    assert desk.load(path) == 0
    with closing(sqlite3.connect(desk.db)) as con:
        con.execute("UPDATE load_runs SET digest = substr(digest, 1, 64) || '@1767225600000', requests = 80, summary = NULL")
        con.commit()
    assert desk.load(path) == 0
    assert desk.runs() == [("run 2026-01-01T00:00:00Z", 40)]


def test_runs_of_one_file_are_written_all_or_none_with_their_labels(desk: Desk) -> None:
    collection(desk.folder / "marks.json", phases(("t1", 5, 11), ("t2", 20, 26), ("t8", 40, 46)))
    path = write(desk.folder, SWEEP)
    assert desk.load(path) == 0
    assert desk.runs() == [(f"out t{n} 2026-01-01T00:00:{s}Z", 5 * tps) for n, s, tps in ((1, "05", 100), (2, 20, 180), (8, 40, 400))]
    assert desk.load(path) == 0
    assert len(desk.runs()) == 3


def test_what_the_summary_says_is_kept_and_told(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    told = {"time": "2026-01-01T00:00:03.5Z", "value": 7, "tags": {}}
    line = json.dumps({"metric": "dropped_iterations", "type": "Point", "data": told})
    path = write(desk.folder, loads.k6_json() + line + '\n{"metric":"http_reqs","type":"Po', "k6.json")
    assert desk.load(path) == 0
    said = capsys.readouterr().out
    assert "did not start 7 of the requests" in said
    assert "breaks off" in said
    (text,) = desk.query("SELECT summary FROM load_runs")[0]
    assert json.loads(text) == {
        "requests": 40,
        "errors": 10,
        "operation": "request",
        "row_seconds": 1,
        "unread": 1,
        "cut": True,
        "dropped": 7,
        "dropped_spans": [[MS + 3000, MS + 3999, 7]],
        "starved": 0,
        "users_max": 5,
        "users_max_from": MS,
        "users_max_until": MS + 9000,
        "bytes": path.stat().st_size,
    }


# ---- the tools of this machine ---------------------------------------------------------------------------------------


class _Counting(http.server.BaseHTTPRequestHandler):
    """Answers every tenth request with 500, and counts: the oracle of what a tool has asked for."""

    protocol_version = "HTTP/1.1"
    asked = 0
    failed = 0
    lock = threading.Lock()

    def do_GET(self) -> None:
        with self.lock:
            _Counting.asked += 1
            bad = self.asked % 10 == 0
            _Counting.failed += bad
        self.send_response(500 if bad else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@contextmanager
def server() -> Iterator[str]:
    _Counting.asked = _Counting.failed = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Counting) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_address[1]}/"
        found.shutdown()


COMMANDS = {
    "hey": ["hey", "-n", "300", "-c", "2", "-o", "csv"],
    "ab": ["ab", "-n", "300", "-c", "2", "-q", "-g", "log"],
    "h2load": ["h2load", "--h1", "-n", "300", "-c", "2", "--log-file=log"],
}


@pytest.mark.parametrize("tool", COMMANDS)
def test_what_a_tool_of_this_machine_wrote_is_what_the_server_answered(tmp_path: Path, tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    with server() as url:
        done = subprocess.run([*COMMANDS[tool], url], cwd=tmp_path, capture_output=True, text=True, check=True)
    path = tmp_path / "log" if tool != "hey" else write(tmp_path, done.stdout, "log")
    found = read_one(path, time.time())
    assert found.tool == tool
    assert found.summary.requests == _Counting.asked == 300
    assert found.summary.errors == (None if tool == "ab" else _Counting.failed)
    assert sum((row.throughput or 0) * (found.summary.row_seconds or 1) for row in found.rows) == pytest.approx(300)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_the_wrk_of_this_machine_is_understood(tmp_path: Path) -> None:
    with server() as url:
        printed = subprocess.run(["wrk", "-t1", "-c2", "-d1s", "--latency", url], capture_output=True, text=True, check=True).stdout
    found = read_one(write(tmp_path, printed))
    first, last = found.rows
    assert first.throughput == pytest.approx((found.summary.requests or 0) / (last.timestamp - first.timestamp) * 1000, rel=0.02)
    assert (first.latency_p99_ms or 0) >= (first.latency_p50_ms or 0) > 0


@pytest.mark.skipif(shutil.which("sysbench") is None, reason="sysbench is not installed")
@pytest.mark.parametrize("test", [["cpu"], ["memory", "--memory-total-size=1000T"], ["threads"]], ids=lambda words: words[0])
@pytest.mark.parametrize("reporting", [True, False], ids=["lines", "closing-figures"])
def test_the_sysbench_of_this_machine_is_understood(tmp_path: Path, test: list[str], reporting: bool) -> None:
    """Its timeline and its own total agree: the events of the rows are the events that it counted, but for the last second."""
    seconds = 2 if reporting else 1
    words = ["sysbench", *test, f"--time={seconds}", *(["--report-interval=1"] if reporting else []), "run"]
    printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = read_one(write(tmp_path, printed))
    rates = [row.throughput for row in found.rows]
    assert statistics.fmean(rates) == pytest.approx((found.summary.requests or 0) / seconds, rel=0.7)
    assert max(rates) > 0  # within a second of a busy machine there may be none


@pytest.mark.skipif(shutil.which("fio") is None, reason="fio is not installed")
def test_the_fio_of_this_machine_is_understood(tmp_path: Path) -> None:
    words = [
        "fio",
        "--name=job",
        "--rw=randrw",
        "--size=4M",
        "--bs=4k",
        "--ioengine=psync",
        "--time_based",
        "--runtime=2",
        "--output=f.json",
    ]
    words += ["--output-format=json+", "--status-interval=1", "--write_iops_log=job", "--log_avg_msec=500"]
    subprocess.run(words, cwd=tmp_path, capture_output=True, check=True)
    found = read_one(tmp_path / "f.json", None)
    assert len(found.rows) >= 2
    assert all(row.latency_p50_ms and row.latency_p50_ms <= (row.latency_p99_ms or 0) for row in found.rows)
    log = read_one(tmp_path / "job_iops.1.log", time.time())
    assert sum((row.throughput or 0) / 2 for row in log.rows) == pytest.approx(found.summary.requests, rel=0.5)


def test_a_generator_whose_clock_is_off_is_noticed_and_moved_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its machine's packets follow the load, but its file says 7 s too late. Packets that do not follow it say nothing."""
    chance = random.Random(1)
    counts = [chance.randrange(1, 9) for _ in range(120)]
    lines = [loads.JTL]
    for second, count in enumerate(counts):
        begin = (START + 20 + second) * 1000
        lines += [f"{begin + 50 * n},10,GET /,200,OK,Users 1-1,text,true,,512,120,5,5,http://sut/,9,0,1" for n in range(count)]
    output = write(tmp_path, "\n".join(lines) + "\n", "late.jtl")
    follows = {tick: 40.0 * count for tick, count in enumerate(counts, 20 - 7 + 1)}
    apart = {tick: 40.0 * chance.randrange(1, 9) for tick in range(200)}
    for machine, packets in (("vm-a", follows), ("vm-b", apart)):
        cells = {
            "host": lambda tick, of=packets: {"cpu_busy": 50.0, "net_rx_packets": of.get(tick, 0.0), "net_tx_packets": of.get(tick, 0.0)}
        }
        recorded.record(tmp_path / "x.db", [50.0] * 200, machine=machine, rows=cells)
    told = []
    for more in (["vm-b"], ["vm-a"], ["vm-a", "--load-shift", "-7"]):
        assert main(["import", "--db", str(tmp_path / "x.db"), "--load", str(output), "--collector-name", *more]) == 0
        told.append(capsys.readouterr().out)
    assert ["note:" in text for text in told] == [False, True, False]
    assert "this load ran 7 s earlier than its file says" in told[1]
    assert "--load-shift -7 moves it" in told[1]
    with closing(sqlite3.connect(tmp_path / "x.db")) as con:
        sql = "SELECT first_timestamp / 1000 FROM load_runs ORDER BY collector_id"
        assert [second - START for (second,) in con.execute(sql)] == [13, 20]


def test_a_load_that_was_moved_is_forgotten_where_it_was(tmp_path: Path) -> None:
    """What is kept for comparisons of the run that it lay in knows no load any more."""
    lines = [
        loads.JTL,
        *(f"{(START + 20 + n) * 1000},10,GET /,200,OK,Users 1-1,text,true,,512,120,5,5,http://sut/,9,0,1" for n in range(580)),
    ]
    output = write(tmp_path, "\n".join(lines) + "\n", "moved.jtl")
    recorded.record(tmp_path / "x.db", [50.0] * 1300, marks=[(10, "start", "load"), (640, "end", "load")])
    known = []
    for shift in ("0", "650"):
        moved = ["--collector-name", "vm-a", "--load-shift", shift]
        assert main(["import", "--db", str(tmp_path / "x.db"), "--load", str(output), *moved]) == 0
        with closing(sqlite3.connect(tmp_path / "x.db")) as con:
            known.append(con.execute("SELECT count(*) FROM estimates WHERE range = 'run:1' AND metric LIKE 'load.%'").fetchone()[0])
    assert known[0] > 0
    assert known[1] == 0
