"""`perfkit lake compact`: one file a day and table, the same rows, whenever it is killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from perfkit.lake.compaction import compact
from perfkit.lake.place import open_lake
from perfkit.lake.tables import file_name
from support.running import ENVIRONMENT, perfkit

from .conftest import files, rows

# Compacts, and is killed in the place of its Nth change to the lake.
KILLED = """
import os, signal, sys
from perfkit.lake.compaction import compact
from perfkit.lake.place import Lake, open_lake

left = int(sys.argv[2])
def counting(real):
    def change(*words):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*words)
    return change
Lake.publish, Lake.remove = counting(Lake.publish), counting(Lake.remove)
compact(open_lake(sys.argv[1]))
"""


@pytest.fixture
def parts(lake: Path, tmp_path: Path) -> Path:
    """A lake of which the table host is in four files a day: three parts, and one that repeats the second and has a column more."""
    shutil.copytree(lake / "host", tmp_path / "lake" / "host")
    for whole in list((tmp_path / "lake").rglob("*.parquet")):
        con = duckdb.connect()
        con.execute(f"CREATE TABLE t AS SELECT * FROM read_parquet('{_literal(whole)}', hive_partitioning = false)")
        for place, writer, more in ((0, "aa", ""), (5, "bb", ""), (10, "cc", ""), (5, "dd", ", 7 AS newer")):
            con.execute(f"CREATE OR REPLACE TABLE part AS SELECT * REPLACE ('{writer}' AS collection){more} FROM t LIMIT 5 OFFSET {place}")
            [(first, last)] = con.execute("SELECT epoch_ms(min(timestamp)), epoch_ms(max(timestamp)) FROM part").fetchall()
            con.execute("COPY part TO $file (FORMAT parquet)", {"file": str(whole.with_name(file_name(first, last, writer)))})
        whole.unlink()
    return tmp_path / "lake"


def _literal(path: Path) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


def test_compaction_keeps_every_row_and_leaves_one_file_a_day(parts: Path) -> None:
    before = rows(parts)
    assert len(before["host"]) == 29
    found = compact(open_lake(str(parts)))
    assert (found.partitions, found.files, found.files_now) == (2, 8, 2)
    assert rows(parts) == before
    assert len(files(parts)) == 2
    newer = [value for path in parts.rglob("*.parquet") for (value,) in duckdb.execute(f"SELECT newer FROM '{_literal(path)}'").fetchall()]
    assert newer.count(7) == 10  # a column that this perfkit does not know stays
    assert compact(open_lake(str(parts))).partitions == 0


@pytest.mark.parametrize("change", range(1, 10, 2))
def test_a_compaction_that_is_killed_loses_and_doubles_no_row(change: int, parts: Path) -> None:
    before = rows(parts)
    done = subprocess.run([sys.executable, "-c", KILLED, str(parts), str(change)], env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    assert 2 < len(files(parts)) < 10
    assert rows(parts) == before
    compact(open_lake(str(parts)))
    assert (len(files(parts)), rows(parts)) == (2, before)


def test_the_command_says_what_it_did(parts: Path, tmp_path: Path) -> None:
    (parts / ".writing-left").mkdir()
    done = perfkit("lake", "compact", "lake", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Put together 2 days of tables: 8 files are 2, ")
    again = perfkit("lake", "compact", "lake", cwd=tmp_path)
    assert again.stdout.startswith("Nothing to do")
    missing = perfkit("lake", "compact", "nowhere", cwd=tmp_path)
    assert (missing.returncode, missing.stderr[:36]) == (2, "perfkit: there is no lake at nowhere")
