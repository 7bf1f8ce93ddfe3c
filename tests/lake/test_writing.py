"""`process --lake`: the tables of `process` as Parquet, whole files, every row once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest

from perfkit.catalog import TABLES, table
from perfkit.errors import BadInput, Failed
from perfkit.lake.place import Lake, open_lake
from perfkit.lake.tables import LAKE, encoded, parsed
from perfkit.lake.writing import write_sql
from perfkit.process.engine import Engine
from support.running import ENVIRONMENT, perfkit

from .conftest import MARKS, MIDNIGHT, Rows, connected, files, put, rows

HOSTILE = ["null", "NULL", "__HIVE_DEFAULT_PARTITION__", "a b/../x", "123", "2026-01-01", "ü=%41", "*?[x]", ".", " ", "'; DROP", "x" * 200]


def test_the_lake_has_exactly_the_rows_that_processing_makes(lake: Path, collection: Path) -> None:
    with Engine() as engine:
        engine.load([(1, collection)])
        engine.derive()
        theirs = connected(lake)
        for one in TABLES:
            names = ", ".join(f'"{c.name}"' for c in one.columns)
            made = engine.con.execute(f"SELECT timestamp, {names} FROM {one.name} ORDER BY ALL").fetchall()
            kept = theirs.execute(f"SELECT epoch_ms(timestamp), {names} FROM {one.name} ORDER BY ALL").fetchall()
            assert kept == made, one.name
            assert bool(made) == (not one.sparse and not one.seldom), one.name


def test_runs_marks_and_recordings_stand_beside_the_samples(lake: Path) -> None:
    con = connected(lake)
    one = ("null", "vm a/../*=é")
    found = con.execute(
        "SELECT site, machine, label, phase, run, samples, coverage, ended, trusted FROM runs ORDER BY phase NULLS FIRST"
    ).fetchall()
    assert found == [(*one, "load", None, 1, 18, 100.0, "end mark", 1), (*one, "steady", "steady", 1, 13, 100.0, "end mark", 1)]
    assert con.execute("SELECT kind, label FROM marks ORDER BY timestamp").fetchall() == [(kind, label) for _, label, kind in MARKS]
    assert con.execute("SELECT samples, ended, epoch_ms(timestamp) // 1000 FROM recordings").fetchall() == [(30, "duration", MIDNIGHT - 15)]
    assert con.execute("SELECT cpus, hostname IS NULL FROM (SELECT *, NULL AS hostname FROM machines)").fetchall() == [(4, True)]


def test_a_file_is_sorted_by_time_in_row_groups_that_a_filter_can_skip(tmp_path: Path) -> None:
    cpu, file = table("cpu"), str(tmp_path / "cpu.parquet")
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE cpu ({cpu.duck_columns})")
        con.execute(
            "INSERT INTO cpu (machine, timestamp, cpu, busy) SELECT 1, 1000 * (r * 7919 % 30000), r % 4, r FROM range(30000) AS t(r)"
        )
        con.execute(write_sql(cpu, "cpu"), {"machine": 1, "start": 0, "until": 10**9, "collection": "ab", "file": file})
        groups = con.execute(
            "SELECT row_group_num_rows, epoch_ms(stats_min_value::TIMESTAMPTZ), epoch_ms(stats_max_value::TIMESTAMPTZ), compression"
            " FROM parquet_metadata(?) WHERE path_in_schema = 'timestamp' ORDER BY row_group_id",
            [file],
        ).fetchall()
        assert len(groups) == 2
        assert {codec for *_, codec in groups} == {"ZSTD"}
        assert groups[0][2] <= groups[1][1]
        instants = [at for (at,) in con.execute("SELECT epoch_ms(timestamp) FROM read_parquet(?)", [file]).fetchall()]
        assert instants == sorted(instants)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_comes_back_from_its_folder_as_it_was(name: str, tmp_path: Path) -> None:
    """By DuckDB's own reading of Hive folders, and by ours."""
    folder = tmp_path / "host" / f"site={encoded(name, 'site')}" / f"machine={encoded(name, 'machine')}" / "date=2026-01-01"
    folder.mkdir(parents=True)
    duckdb.execute("COPY (SELECT 1 AS a) TO ?", [str(folder / "1-2-aa.parquet")])
    assert [path.parent for path in tmp_path.rglob("*.parquet")] == [folder]
    read = "SELECT site, machine FROM read_parquet(?, hive_partitioning = true, hive_types = {'site': VARCHAR, 'machine': VARCHAR})"
    assert duckdb.execute(read, [str(tmp_path / "host" / "*" / "*" / "*" / "*.parquet")]).fetchall() == [(name, name)]
    [file] = open_lake(str(tmp_path)).files()
    assert (file.site, file.machine, file.first, file.last, file.writer) == (name, name, 1, 2, "aa")


@pytest.mark.parametrize(("name", "sentence"), [("", "needs a name"), ("ö" * 100, "too long")])
def test_a_name_that_no_folder_can_have_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        encoded(name, "site")


def test_only_what_looks_like_a_file_of_the_lake_is_one() -> None:
    assert parsed("host/site=a/machine=b/date=2026-01-01/1-2-ab.parquet", 5) is not None
    for path in (
        "x.parquet",
        "host/site=a/machine=b/date=2026-01-01/.1-2-ab.parquet",
        "host/a/b/c/1-2-ab.parquet",
        "a/b/site=x/y/1.parquet",
    ):
        assert parsed(path, 5) is None


def test_a_collection_processed_again_takes_the_place_of_its_files(lake: Path, lake_rows: Rows, collection: Path, tmp_path: Path) -> None:
    shutil.copytree(lake, tmp_path / "lake")
    before = files(lake)
    again = Path(shutil.copy(collection, tmp_path / "under another name.json"))
    stale = tmp_path / "lake" / next(iter(before))
    stale = stale.rename(stale.with_name(f"1-2-{stale.stem.rpartition('-')[2]}.parquet"))  # of the same collection, from another time
    put(tmp_path / "lake", again, site="null")
    assert files(tmp_path / "lake").keys() == before.keys()
    assert rows(tmp_path / "lake") == lake_rows


def test_recordings_that_overlap_count_each_row_once(lake: Path, lake_rows: Rows, collection: Path, tmp_path: Path) -> None:
    """A collection that was processed while it grew, and again when it had ended; the whole has what the half lacked."""
    lines = collection.read_bytes().splitlines(keepends=True)
    half = tmp_path / "half.json"
    half.write_bytes(b"".join(lines[: len(lines) * 2 // 3]))
    late = tmp_path / "late.json"
    late.write_bytes(b"".join([lines[0], *lines[len(lines) // 2 :]]))
    shutil.copytree(lake, tmp_path / "lake")
    for file in (half, late):
        put(tmp_path / "lake", file, site="null")
    assert len(files(tmp_path / "lake")) > 2 * len(files(lake))
    found, whole = rows(tmp_path / "lake"), lake_rows
    for name in (one.name for one in TABLES):
        assert [row[:-1] for row in found[name]] == [row[:-1] for row in whole[name]], name


def test_a_new_column_of_the_catalog_is_empty_in_old_files(lake: Path, tmp_path: Path) -> None:
    shutil.copytree(lake, tmp_path / "lake")
    old, *rest = sorted((tmp_path / "lake" / "host").rglob("*.parquet"))
    for file in (old, *rest) if not rest else (old,):
        duckdb.execute(f"COPY (SELECT * EXCLUDE (cpu_busy), 7 AS gone FROM read_parquet('{_escaped(file)}')) TO '{tmp_path}/x.parquet'")
        (tmp_path / "x.parquet").replace(file)
    con = connected(tmp_path / "lake")
    assert con.execute("SELECT count(*), count(cpu_busy), count(cpu_user) FROM host").fetchall() == [(29, 15, 29)]
    assert "gone" not in [name for name, *_ in con.execute("DESCRIBE host").fetchall()]


def _escaped(file: Path) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(file)).replace("'", "''")


def test_a_writer_that_fails_on_its_way_leaves_whole_files_alone_and_can_go_on(
    lake: Path, lake_rows: Rows, collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = Lake.publish, [7]

    def publish(self: Lake, made: Path, path: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Failed("the disk is full.")
        real(self, made, path)

    monkeypatch.setattr(Lake, "publish", publish)
    with pytest.raises(Failed):
        put(tmp_path / "lake", collection, site="null")
    assert len(files(tmp_path / "lake")) == 7
    assert files(tmp_path / "lake").items() <= files(lake).items()
    assert not [path for path in (tmp_path / "lake").iterdir() if path.name.startswith(".writing")]
    assert not (tmp_path / "lake" / "runs").exists()  # a run is there when its samples are
    monkeypatch.undo()
    put(tmp_path / "lake", collection, site="null")
    assert rows(tmp_path / "lake") == lake_rows


def test_every_table_of_the_lake_can_be_told_apart() -> None:
    assert len({one.name for one in LAKE}) == len(LAKE)
    for one in LAKE:
        assert len({"site", "machine", "timestamp", "date", "collection", *(c.name for c in one.columns)}) == 5 + len(one.columns)


def test_the_command_writes_the_lake_alone_or_a_folder_too(lake: Path, lake_rows: Rows, collection: Path, tmp_path: Path) -> None:
    """In whatever time zone it runs, instants are those of UTC."""
    environment = ENVIRONMENT | {"TZ": "America/New_York"}
    alone = perfkit("process", collection, "--lake", "lake", "--site", "null", cwd=tmp_path, env=environment)
    assert (alone.returncode, alone.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["lake"]
    assert f"In the lake {tmp_path}/lake: {len(files(lake))} files." in alone.stdout
    assert rows(tmp_path / "lake") == lake_rows
    url = (tmp_path / "la ke").as_uri()
    both = perfkit("process", collection, "--lake", url, "--outdir", "out", "--parquet", cwd=tmp_path, env=environment)
    assert (both.returncode, both.stderr) == (0, "")
    assert (tmp_path / "out" / "host.csv").is_file()
    assert rows(tmp_path / "la ke")["host"] != []
    [parquet] = (tmp_path / "out" / "parquet" / "host").rglob("date=2026-01-01/*.parquet")
    assert duckdb.execute("SELECT epoch_ms(min(timestamp)) FROM read_parquet(?)", [str(parquet)]).fetchall() == [
        ((MIDNIGHT - 14) * 1000 + 1,)
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        pytest.param(["--lake", "lake", "--between", "load"], "a lake takes whole recordings", id="a window"),
        pytest.param(["--lake", "here.txt"], "here.txt is a file", id="a file in the way"),
        pytest.param(["--lake", "nowhere://x/y"], "fsspec", id="unknown kind"),
        pytest.param(["--lake", "s3:///"], "no place for a lake", id="no bucket"),
        pytest.param(["--lake", "lake", "--site", ""], "needs a name", id="empty site"),
    ],
)
def test_wrong_use_is_one_sentence_and_makes_no_lake(words: list[str], sentence: str, collection: Path, tmp_path: Path) -> None:
    (tmp_path / "here.txt").touch()
    done = perfkit("process", collection, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("perfkit: ") and sentence in done.stderr and done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["here.txt"]
