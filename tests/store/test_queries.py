"""Questions to the database: the portal's, a chart's, a percentile's; each against an answer found another way."""

from __future__ import annotations

import math
import shutil
import statistics
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from datasette.app import Datasette

from perfkit.catalog import table
from perfkit.store import columnar, open_database, series
from perfkit.store.importing import import_input
from perfkit.store.percentiles import of_window, windows
from support.at_once import run_apart
from support.database import copy_database, judge_only, write_folder, write_table
from support.seed import DEVICES, START, fill

PORTAL = (
    "SELECT id, machinename, sitename FROM collectors_collector;",
    "SELECT collector_id, MIN(timestamp), MAX(timestamp), COUNT(*) FROM dashboard_performancemetric GROUP BY collector_id;",
    "SELECT timestamp, cpu_user, mem_used FROM dashboard_performancemetric WHERE collector_id = 1 ORDER BY timestamp LIMIT 10;",
)
ANSWERS = (
    "1|vm-a|default\n",
    "1|2026-01-01T00:00:00.000Z|2026-01-01T00:00:29.000Z|30\n",
)


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Not to be changed."""
    folder = tmp_path_factory.mktemp("portal")
    import_input(folder / "perfkit.db", write_table(folder / "host.csv", "host", seconds=30), collector_name="vm-a")
    return folder / "perfkit.db"


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="the sqlite3 shell is not installed")
def test_the_portals_queries_work_word_for_word_in_sqlite3(portal: Path) -> None:
    for sql, answer in zip(PORTAL, (*ANSWERS, None)):
        run = subprocess.run(["sqlite3", portal, sql], capture_output=True, text=True, check=True)
        assert answer in (None, run.stdout)
    assert run.stdout.startswith("2026-01-01T00:00:00.000Z|")
    assert len(run.stdout.splitlines()) == 10


async def _ask(portal: Path, sql: str) -> list:
    datasette = Datasette([portal])
    response = await datasette.client.get(f"/{portal.stem}.json", params={"sql": sql, "_shape": "arrays"})
    assert response.status_code == 200, response.text
    return response.json()["rows"]


@pytest.mark.parametrize("sql", PORTAL, ids=["collectors", "ranges", "rows"])
@pytest.mark.filterwarnings("ignore")
def test_the_portals_queries_work_on_datasettes_sql_page(portal: Path, sql: str) -> None:
    rows = run_apart(_ask(portal, sql))
    with closing(open_database(portal, read_only=True)) as con:
        assert [tuple(row) for row in rows] == con.execute(sql).fetchall()
        assert rows


def test_the_portals_ordering_and_counting_read_the_index_alone(portal: Path) -> None:
    with closing(open_database(portal, read_only=True)) as con:
        for sql in PORTAL[1:]:
            plan = " ".join(row[3] for row in con.execute(f"EXPLAIN QUERY PLAN {sql}"))
            assert "host_metrics_iso" in plan
            assert "TEMP B-TREE" not in plan


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seeded") / "x.db"
    fill(path, seconds=1500, gap=(700, 760))
    return path


@pytest.mark.parametrize("points", [1, 20, 75, 700, 5000])
@pytest.mark.parametrize(("table", "column"), [("host", "cpu_user"), ("disk", "util_percent"), ("memory", "used_kb")])
def test_a_series_keeps_smallest_and_largest_at_any_width(seeded: Path, table: str, column: str, points: int) -> None:
    start, end = (START + 3) * 1000, (START + 1404) * 1000
    with closing(open_database(seeded, read_only=True)) as con:
        found = series(con, table, 1, [column], start, end, points)
        aligned = start - start % (found.bucket_ms or 1)
        device = {"disk": "device"}.get(table, "NULL")
        sql = f"SELECT {device}, timestamp, {column} FROM {table}_metrics WHERE timestamp >= ? AND timestamp < ?"
        raw = con.execute(sql, (aligned, end + -end % (found.bucket_ms or 1))).fetchall()
    for name in {row[1] for row in found.rows}:
        mine = [row for row in found.rows if row[1] == name]
        samples = [value for device, _, value in raw if device == name]
        assert len(mine) <= max(2 * points + 1, 2)
        assert sum(row[2] for row in mine) == len(samples)
        assert min(row[4] for row in mine) == min(samples)
        assert max(row[5] for row in mine) == max(samples)
        assert sum(row[2] * row[3] for row in mine) == pytest.approx(sum(samples))
        assert [row[0] for row in mine] == sorted({row[0] for row in mine})


def test_a_series_goes_on_in_the_same_buckets(seeded: Path) -> None:
    with closing(open_database(seeded, read_only=True)) as con:
        whole = series(con, "host", 1, ["cpu_user"], START * 1000, (START + 1500) * 1000, 50)
        part = series(con, "host", 1, ["cpu_user"], (START + 900) * 1000, (START + 1500) * 1000, bucket_ms=whole.bucket_ms)
    assert part.bucket_ms == whole.bucket_ms
    assert part.rows == whole.rows[-len(part.rows) :]


def test_a_column_that_the_catalog_does_not_have_is_refused(seeded: Path) -> None:
    with closing(open_database(seeded, read_only=True)) as con, pytest.raises(KeyError):
        series(con, "host", 1, ["cpu_user FROM host_metrics; --"], 0, 1)


def interpolated(values: list[float], q: float) -> float:
    """Linear interpolation between neighbours: type 7 of Hyndman and Fan."""
    place = q * (len(values) - 1)
    low = math.floor(place)
    return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two inputs of five minutes with a gap between; not to be changed."""
    folder = tmp_path_factory.mktemp("twice")
    with pytest.MonkeyPatch.context() as patch:
        judge_only(patch)
        for name, start in (("a", START), ("b", START + 400)):
            import_input(folder / "perfkit.db", write_folder(folder / name, start=start, seconds=300, seed=start), collector_name="vm-a")
    return folder / "perfkit.db"


@pytest.mark.parametrize("columns", ["by column", "without the files", "half of it by column"])
def test_percentiles_of_any_window_are_exact(twice: Path, db: Path, columns: str) -> None:
    with closing(open_database(copy_database(twice, db))) as con:
        assert columnar.segments(con, 1, table("disk"), START * 1000, (START + 700) * 1000)
        if columns == "without the files":
            shutil.rmtree(columnar.folder(con))
        if columns == "half of it by column":
            con.execute("DELETE FROM segments WHERE from_timestamp >= ?", ((START + 400) * 1000,))
        start, end = (START + 57) * 1000, (START + 533) * 1000
        found = {row[:2]: row[2:] for row in of_window(con, 1, start, end, ["host", "disk", "containers"])}
        for metric, device, sql in (
            ("host.cpu_user", "", "SELECT cpu_user FROM host_metrics WHERE timestamp BETWEEN ? AND ?"),
            ("disk.await_ms", "sdb", "SELECT await_ms FROM disk_metrics WHERE device = 'sdb' AND timestamp BETWEEN ? AND ?"),
            ("containers.pids_current", "0123456789ab", "SELECT pids_current FROM container_metrics WHERE timestamp BETWEEN ? AND ?"),
        ):
            values = sorted(value for (value,) in con.execute(sql, (start, end)))
            expected = (min(values), statistics.fmean(values), max(values), statistics.stdev(values))
            cuts = tuple(interpolated(values, q) for q in (0.5, 0.9, 0.95, 0.99))
            assert found[metric, device] == pytest.approx((len(values), *expected, *cuts)), metric


def test_windows_are_the_five_ranges_back_from_the_end_and_the_runs(tmp_path: Path) -> None:
    fill(tmp_path / "x.db", seconds=3900, devices=dict.fromkeys(DEVICES, ()))
    with closing(open_database(tmp_path / "x.db")) as con:
        found = {window.name: (window.start, window.end) for window in windows(con, 1)}
        [(samples,)] = con.execute("SELECT samples FROM percentiles WHERE range = '1h' AND metric = 'host.cpu_busy'")
    last = (START + 3899) * 1000
    assert found["all"] == found["7d"] == (START * 1000, last)
    assert found["1h"] == (last - 3_600_000 + 1, last)
    assert samples == 3600
    assert found["run:1"] == ((START + 1300) * 1000, (START + 2600) * 1000)
    assert set(found) == {"all", "1h", "6h", "24h", "7d", "run:1"}


def test_stored_percentiles_are_those_that_would_be_computed(twice: Path, db: Path) -> None:
    with closing(open_database(copy_database(twice, db))) as con:
        start, end = START * 1000, (START + 699) * 1000
        stored = of_window(con, 1, start, end)
        assert con.execute("SELECT count(*) FROM percentiles WHERE from_timestamp = ? AND to_timestamp = ?", (start, end)).fetchone()[0] > 0
        con.execute("DELETE FROM percentiles")
        computed = of_window(con, 1, start, end)
    assert [row[:2] for row in stored] == [row[:2] for row in computed]
    for mine, theirs in zip(stored, computed):
        assert mine[2:] == pytest.approx(theirs[2:])


def test_orphaned_column_files_are_swept(twice: Path, db: Path) -> None:
    with closing(open_database(copy_database(twice, db))) as con:
        orphan = columnar.folder(con) / "left.parquet"
        orphan.write_bytes(b"PAR1")
        known = len(list(orphan.parent.iterdir())) - 1
        assert known > 10
        columnar.sweep(con)
        assert orphan.exists()  # it may belong to an import under way
        columnar.sweep(con, -1)
        assert not orphan.exists()
        assert len(list(orphan.parent.iterdir())) == known
