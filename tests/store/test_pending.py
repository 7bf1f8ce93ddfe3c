"""What the live import knows of a line without SQL is what the SQL of a file says of it."""

from __future__ import annotations

import json
from importlib import resources
from itertools import pairwise

import _duckdb as duckdb
import pytest

from perfkit.collection import SELF, SESSION
from perfkit.collection.subsystems import SLOW
from perfkit.store.pending import RawLine, identity, is_of_slow_sample

SQL = resources.files("perfkit.process.sql")


@pytest.fixture
def engine() -> duckdb.DuckDBPyConnection:
    """A connection that knows the macros, and an empty table of raw lines."""
    con = duckdb.connect()
    for file in ("reading/schema.sql", "components/macros.sql"):
        con.execute(SQL.joinpath(file).read_text("utf-8"))
    return con


def test_a_slow_sample_is_the_same_to_both(engine: duckdb.DuckDBPyConnection) -> None:
    told = [f'{{"samples": {number}}}' for number in range(3 * SLOW)]
    told += ['{"samples": 1e3}', '{"samples": "11"}', '{"samples": -9}', '{"samples":11}', '{"cpu": 1, "samples": 21}', "{", ""]
    lines = [*((SELF, text) for text in told), ("statfs[*]", "/ 1 2 3"), ("/proc/stat", told[1])]
    python = [is_of_slow_sample(RawLine(0, 0.0, *line)) for line in lines]
    sql = [engine.execute("SELECT is_of_slow_sample(?, ?)", line).fetchone() for line in lines]
    assert [(one,) for one in python] == sql
    assert [number for number in range(3 * SLOW) if python[number]] == [1, SLOW + 1, 2 * SLOW + 1]


def test_a_recording_has_the_same_name_for_both(engine: duckdb.DuckDBPyConnection) -> None:
    told = {"boot_id": "b1", "pid": 7, "started": 12.5, "devices": ["sda"]}
    changes: list[dict[str, object]] = [{}, {"devices": ["sda", "sdb"]}, {"boot_id": "b2"}, {"pid": 8}, {"started": 12.75}, {"pid": None}]
    texts = [json.dumps(told | one) for one in changes] + [json.dumps({"boot_id": "b1", "started": 0.0}), "{}"]
    engine.executemany("INSERT INTO raw VALUES (1, 0, ?, 0, 20, ?, ?)", [(number, SESSION, text) for number, text in enumerate(texts)])
    names = engine.execute(f"SELECT identity FROM ({SQL.joinpath('timeline/sessions.sql').read_text('utf-8')}) ORDER BY place").fetchall()
    assert [(identity(RawLine(0, 20.0, SESSION, text)),) for text in texts] == names
    assert [one == other for one, other in pairwise(names)] == [True, False, False, False, False, False, False]
