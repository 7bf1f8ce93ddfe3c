"""The JSON behind the pages: the design's URLs, against plain SQL over the same database."""

from __future__ import annotations

import json
import sqlite3
import statistics
from datetime import datetime, timezone
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from perfkit.dashboard.app import make_app
from perfkit.dashboard.plugin import ROUTES
from perfkit.process.engine import MOST_DEVICES
from support import asking
from support.in_process import InProcess
from support.seed import fill

FIRST = 1767225600000


def fetch(url: str) -> tuple[int, dict]:
    """(status, JSON) of `url`."""
    try:
        with urlopen(Request(url)) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_collectors_lists_hardware_reach_and_coverage(site):
    """GET /api/v1/collectors says what is recorded of whom."""
    _, answer = fetch(f"{site.url}/api/v1/collectors")
    by_name = {row["machinename"]: row for row in answer["collectors"]}
    assert set(by_name) == {"vm-a", "vm-b"}
    assert by_name["vm-a"]["gaps"] == 1
    assert by_name["vm-a"]["coverage"] == pytest.approx(100 * 1370 / 1500)
    assert by_name["vm-b"]["cpus"] == 4
    assert len(by_name["vm-b"]["spark"]) == 20


def test_series_of_samples_are_the_samples(site):
    """A short window gives every sample as it is stored, timestamps in ms, both ends included."""
    _, answer = fetch(f"{site.url}/api/v1/collectors/2/series?metrics=host.cpu_user&from={FIRST}&to={FIRST + 59_000}")
    host = answer["tables"]["host"]
    rows = (
        sqlite3.connect(site.database)
        .execute("SELECT timestamp, cpu_user FROM host_metrics WHERE collector_id = 2 ORDER BY 1 LIMIT 60")
        .fetchall()
    )
    assert host["bucket_ms"] == 0
    assert host["t"] == [t for t, _ in rows]
    assert host["devices"][""]["cpu_user"]["avg"] == pytest.approx([v for _, v in rows], abs=0.001)


def test_series_of_devices_share_their_times(site):
    """Every disk is there, and each of its lists is as long as t."""
    _, answer = fetch(f"{site.url}/api/v1/collectors/2/series?metrics=disk.read_bytes,disk.util_percent&points=100")
    disk = answer["tables"]["disk"]
    assert sorted(disk["devices"]) == ["sda", "sda1", "sdb"]
    lengths = {len(values) for columns in disk["devices"].values() for kinds in columns.values() for values in kinds.values()}
    assert lengths == {len(disk["t"])}


def test_one_device_is_whole_and_the_others_as_far_as_asked_for(site):
    """device.cpu=all with every=cpu.idle: all states of the whole, the idle share of each core, nothing else."""
    url = f"{site.url}/api/v1/collectors/2/series?metrics=cpu.user,cpu.idle&device.cpu=all&every=cpu.idle&bands=cpu.idle&points=100"
    devices = fetch(url)[1]["tables"]["cpu"]["devices"]
    assert {device: sorted(columns) for device, columns in devices.items()} == {
        "all": ["idle", "user"],
        **{core: ["idle"] for core in "0123"},
    }
    assert sorted(devices["all"]["user"]) == ["avg"]
    assert sorted(devices["3"]["idle"]) == ["avg", "max", "min"]


def test_percentiles_of_any_window_are_exact(site):
    """P95 and the mean of a window are those of its samples, sorted in Python."""
    start, end = FIRST + 100_000, FIRST + 400_000
    _, answer = fetch(f"{site.url}/api/v1/collectors/2/percentiles?tables=host&from={start}&to={end}")
    found = {row["metric"]: row for row in answer["percentiles"]}
    values = [
        v
        for (v,) in sqlite3.connect(site.database).execute(
            "SELECT disk_read_bytes FROM host_metrics WHERE collector_id = 2 AND timestamp BETWEEN ? AND ?", (start, end)
        )
    ]
    assert found["host.disk_read_bytes"]["samples"] == len(values) == 301
    assert found["host.disk_read_bytes"]["avg"] == pytest.approx(statistics.fmean(values))
    assert found["host.disk_read_bytes"]["p95"] == pytest.approx(statistics.quantiles(values, n=100, method="inclusive")[94])


def test_cpu_busy_is_a_column_like_any_other(site):
    """The first tile's P95 is that of the column cpu_busy, sample by sample."""
    _, answer = fetch(f"{site.url}/api/v1/collectors/2/percentiles?tables=host")
    busy = next(row for row in answer["percentiles"] if row["metric"] == "host.cpu_busy")
    values = [value for (value,) in sqlite3.connect(site.database).execute("SELECT cpu_busy FROM host_metrics WHERE collector_id = 2")]
    assert busy["p95"] == pytest.approx(statistics.quantiles(values, n=100, method="inclusive")[94])


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("1/series?range=yesterday", 400, "not a range"),
        ("1/series?from=nonsense", 400, "not a time"),
        ("1/series?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 400, "ends before"),
        ("1/series?metrics=host.nothing", 400, "no metric"),
        ("1/series?metrics=sqlite_master.name", 400, "no metric"),
        ("1/series?points=-1", 400, "not a number"),
        ("1/series?bucket=1%3BDROP", 400, "not a number"),
        ("1/series?phase=nobody", 404, "no phase"),
        ("1/percentiles?tables=sqlite_master", 400, "no table"),
        ("99/series", 404, "no collector"),
        ("99/percentiles", 404, "no collector"),
    ],
)
def test_wrong_requests_get_a_sentence(site, query, status, words):
    """Whatever is wrong is said in JSON, with the status that fits."""
    got, answer = fetch(f"{site.url}/api/v1/collectors/{query}")
    assert got == status
    assert words in answer["error"]


def test_an_extension_fetches_only_what_is_new(site):
    """With since and bucket the answer starts at that bucket and continues it."""
    whole = fetch(f"{site.url}/api/v1/collectors/2/series?metrics=host.cpu_user&points=100")[1]["tables"]["host"]
    since, bucket = whole["t"][-3], whole["bucket_ms"]
    part = fetch(f"{site.url}/api/v1/collectors/2/series?metrics=host.cpu_user&since={since}&bucket={bucket}")[1]["tables"]["host"]
    assert part["t"] == whole["t"][-3:]
    assert part["devices"][""]["cpu_user"] == {kind: values[-3:] for kind, values in whole["devices"][""]["cpu_user"].items()}


def test_who_has_the_newest_answer_gets_no_other(tmp_path, serve):
    """With the answer's ETag nothing is sent again until a sample, a mark or an event has come."""
    fill(tmp_path / "perfkit.db", seconds=60)
    url = f"{serve(tmp_path / 'perfkit.db').url}/api/v1/collectors/1/series?metrics=host.cpu_user"
    con = sqlite3.connect(tmp_path / "perfkit.db")
    for change in (
        "UPDATE collectors SET last_timestamp = last_timestamp + 1000, samples = samples + 1",
        "INSERT INTO marks VALUES (1, 1767225610000, 'point', 'deployed', 1, 0, NULL)",
        "INSERT INTO quality_events VALUES (1, 1767225610000, 1767225611000, 'reset', 'sda', NULL, '', NULL)",
    ):
        known = {"if-none-match": asking.get(url).headers["etag"]}
        assert asking.get(url, headers=known).status_code == 304
        assert asking.get(url, headers=known).content == b""
        con.execute(change)
        con.commit()
        assert asking.get(url, headers=known).status_code == 200, change
    con.close()


@pytest.mark.parametrize("query", ["run=1", "run=load", "run=last", "phase=load", "run=START"])
def test_a_run_is_a_window(site, query):
    """The window lies between the run's marks, and its certificate counts the samples in it."""
    con = sqlite3.connect(site.database)
    marks = [t for (t,) in con.execute("SELECT timestamp FROM marks WHERE collector_id = 1 ORDER BY 1")]
    query = query.replace("START", datetime.fromtimestamp(marks[0] / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _, answer = fetch(f"{site.url}/api/v1/collectors/1/series?{query}&metrics=host.cpu_user")
    assert [answer["window"]["from"], answer["window"]["to"]] == marks
    [(samples,)] = con.execute("SELECT count(*) FROM samples WHERE collector_id = 1 AND timestamp BETWEEN ? AND ?", marks)
    assert answer["recorded"].startswith(f"recorded {samples} of ")
    assert [(one["reference"], one["name"], one["open"]) for one in answer["runs"]] == [("@1", "load", False)]


def test_a_one_second_spike_in_a_week_is_in_every_answer(week):
    """One sample of a gigabyte a second in seven days is the maximum at every width, from all of it to a minute."""
    site, spike = week
    for half in (302_400_000, 43_200_000, 10_800_000, 1_800_000, 300_000, 30_000):
        _, answer = fetch(
            f"{site.url}/api/v1/collectors/1/series?metrics=host.disk_write_bytes&from={spike - half}&to={spike + half}&points=600"
        )
        values = answer["tables"]["host"]["devices"][""]["disk_write_bytes"]
        most = [v for v in values.get("max", values["avg"]) if v is not None]
        assert max(most) == 1e9, f"lost within {2 * half} ms"
        assert len(most) <= 1300


def test_a_process_has_its_series_and_its_command_line(site):
    """Shares are averages over all samples, a gauge is what was read; its page is there, that of a process nobody saw is not."""
    window = f"from={FIRST}&to={FIRST + 59_000}"
    metrics = "metrics=processes.user_percent,processes.rss_bytes&device=nginx"
    used = fetch(f"{site.url}/api/v1/collectors/2/series?{metrics}&{window}")[1]["tables"]["processes"]
    within = (2, FIRST, FIRST + 59_000)
    sql = """SELECT user_percent, rss_bytes FROM process_metrics WHERE collector_id = ? AND timestamp BETWEEN ? AND ? AND command = 'nginx'
    ORDER BY timestamp"""
    rows = sqlite3.connect(site.database).execute(sql, within).fetchall()
    assert list(used["devices"]) == ["nginx"]
    assert used["devices"]["nginx"]["user_percent"]["avg"] == pytest.approx([user for user, _ in rows], abs=0.001)
    assert used["devices"]["nginx"]["rss_bytes"]["avg"] == pytest.approx([rss for _, rss in rows], abs=0.001)
    (one,) = fetch(f"{site.url}/api/v1/collectors/2/process?command=nginx&{window}")[1]["processes"]
    assert (one["pid"], one["service"], one["cmdline"], one["memory"]) == (
        "101",
        "nginx.service",
        "nginx: worker <b>process</b>",
        max(rss for _, rss in rows),
    )
    assert fetch(f"{site.url}/api/v1/collectors/2/process?command=nobody&{window}")[1]["processes"] == []
    page = asking.get(f"{site.url}/collectors/2/processes/nginx", timeout=60)
    assert page.status_code == 200
    assert 'id="recorded">recorded ' in page.text, "the trust line of every page"
    missing = asking.get(f"{site.url}/collectors/2/processes/nobody", timeout=60)
    assert (missing.status_code, "No process nobody was seen on vm-b." in missing.text) == (404, True)


@pytest.mark.parametrize(("start", "end"), [(0, 1500), (330, 589), (733, 1200)])
def test_the_worst_minute_is_the_highest_mean_of_any_sixty_seconds(site, start, end):
    """Of those that begin with a ten of seconds and lie in the window without a hole; so it is never below the window's average."""
    first, last = FIRST + start * 1000, FIRST + end * 1000
    window = f"from={first}&to={last}"
    told = asking.get(f"{site.url}/api/v1/collectors/1/percentiles?tables=host&{window}").json()
    con = sqlite3.connect(site.database)
    within = "SELECT timestamp, cpu_busy FROM host_metrics WHERE collector_id = 1 AND timestamp BETWEEN ? AND ?"
    values = dict(con.execute(within, (first, last)))
    tens = {at: [busy for t, busy in values.items() if at <= t < at + 10_000] for at in range(FIRST, FIRST + 1_500_000, 10_000)}
    means = {}
    for at in tens:
        minute = [tens.get(at + 10_000 * n, []) for n in range(6)]
        if all(minute) and at >= first and at + 59_999 <= last:
            means[at] = statistics.mean(value for ten in minute for value in ten)
    worst = {one["tile"]: one for one in told["worst_minutes"]}["cpu"]
    assert worst["value"] == pytest.approx(max(means.values()))
    assert means[worst["minute"]] == pytest.approx(worst["value"])
    (busy,) = (one for one in told["percentiles"] if one["metric"] == "host.cpu_busy")
    assert worst["value"] >= busy["avg"]


def test_a_span_shorter_than_a_minute_has_no_worst_minute(site):
    window = f"from={FIRST + 100_000}&to={FIRST + 150_000}"
    assert asking.get(f"{site.url}/api/v1/collectors/1/percentiles?tables=host&{window}").json()["worst_minutes"] == []


def test_with_as_many_devices_as_have_rows_every_page_and_answer_comes_and_none_is_huge(tmp_path: Path) -> None:
    """What they take is measured by tests/bench/dashboard.py."""
    devices = {table: [f"{table}{number}" for number in range(MOST_DEVICES)] for table in ("disk", "network")}
    fill(tmp_path / "perfkit.db", "vm-a", seconds=6, devices=devices)
    app = InProcess(make_app(tmp_path / "perfkit.db"))
    try:
        pages = [route.example for route in ROUTES if not route.example.startswith(("/-/", "/assets/"))]
        every = "disk.util_percent,disk.await_ms,network.rx_bytes,network.tx_bytes"
        pages += [
            f"/api/v1/collectors/1/series?metrics={every}&points=600",
            "/collectors/1/host?disks=disk0&interfaces=network999",
            "/perfkit/disk_metrics",
        ]
        pages += ["/compare?c=1@1&c=1@1", "/api/v1/compare?c=1@1&c=1@1&metrics=disk.util_percent&figures=avg"]
        answers = app.ask(pages)
        disk = app.ask(["/api/v1/compare?c=1@1&c=1@1&metrics=disk"]).popitem()[1]
    finally:
        app.close()
    assert {url: answer.status_code for url, answer in answers.items() if answer.status_code != 200} == {}
    assert {url: len(answer.text) for url, answer in answers.items() if len(answer.text) > (6 << 20 if "/api/" in url else 1 << 20)} == {}
    compared = answers["/api/v1/compare?c=1@1&c=1@1"].json()
    assert {one["metric"].partition(".")[0] for one in compared["metrics"]}.isdisjoint({"disk", "network"})
    [told] = [one["sentence"] for one in compared["guards"] if one["rule"] == "too_many"]
    assert told.startswith("not compared, because there are so many: disk (1,000 devices), network (1,000 devices); name one metric")
    assert len(answers["/api/v1/compare?c=1@1&c=1@1&metrics=disk.util_percent&figures=avg"].json()["metrics"]) == MOST_DEVICES
    assert (disk.status_code, disk.json()["error"].partition(";")[0]) == (
        400,
        "not compared, because there are so many: disk (1,000 devices)",
    )
