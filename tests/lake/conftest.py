"""Lakes that the tests read, and what they are compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from perfkit.lake.place import open_lake
from perfkit.lake.reading import make_views
from perfkit.lake.tables import INSTANT, LAKE
from perfkit.lake.writing import LakeWriter
from perfkit.process.pipeline import ProcessOptions, process
from support import invent

Rows = dict[str, list[tuple[Any, ...]]]
MIDNIGHT = invent.START + 86_400
MARKS = [(5, "load", "start"), (8, "steady", "start"), (20, "steady", "end"), (22, "load", "end"), (25, "calm", "point")]


def put(lake: Path | str, *files: Path, site: str = "lab") -> None:
    """Process `files` into `lake`."""
    with LakeWriter(open_lake(str(lake)), site) as writer:
        process(files, None, ProcessOptions(site=site), sink=writer)


def connected(lake: Path | str) -> duckdb.DuckDBPyConnection:
    """A DuckDB that has the lake's tables as views."""
    con, place = duckdb.connect(), open_lake(str(lake))
    con.execute("SET TimeZone = 'UTC'")
    place.attach(con)
    make_views(con, place)
    return con


def rows(lake: Path | str) -> Rows:
    """Every row of every table, sorted; instants as ms."""
    con, found = connected(lake), {}
    for table in LAKE:
        instants = ["timestamp", *(c.name for c in table.columns if c.type == INSTANT)]
        read = ", ".join(f"epoch_ms({name}) AS {name}" for name in instants)
        found[table.name] = con.execute(f"SELECT * REPLACE ({read}) FROM {table.name} ORDER BY ALL").fetchall()
    return found


def files(lake: Path) -> dict[str, int]:
    """The lake's files, each with its size."""
    return {file.path: file.size for file in open_lake(str(lake)).files()}


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of a machine with a name that is no folder's, over midnight."""
    folder = tmp_path_factory.mktemp("lake")
    return invent.write(folder / "a.json", hostname="vm a/../*=é", seconds=30, containers=1, start=MIDNIGHT - 15, marks=MARKS)


@pytest.fixture(scope="session")
def lake(collection: Path) -> Path:
    """A lake with `collection` alone; not to be changed."""
    put(collection.parent / "lake", collection, site="null")
    return collection.parent / "lake"


@pytest.fixture(scope="session")
def lake_rows(lake: Path) -> Rows:
    """Every row of `lake`."""
    return rows(lake)
