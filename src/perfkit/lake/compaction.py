"""Compaction: the small files of each partition become one, and no reader sees a row more or less, whenever it is killed.

The new file is published before those that it is made of are removed. In between both are there: readers see that their spans meet and
count each row once, and the next compaction puts them together again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import _duckdb as duckdb

from perfkit.lake.place import Lake
from perfkit.lake.reading import rows_sql, sharing
from perfkit.lake.tables import COMPACTED, DIGEST_DIGITS, LAKE, LakeFile, file_name, text

WHOLE = 64 << 20
"""Bytes: a file of that size is not written again unless another one may have a row of it."""

Progress = Callable[[int, int], None]  # gets partitions done, of how many


class Compacted(NamedTuple):
    """What a compaction did: partitions that it changed, files and bytes before and after."""

    partitions: int
    files: int
    files_now: int
    size: int
    size_now: int


def compact(lake: Lake, *, memory: int | None = None, progress: Progress | None = None) -> Compacted:
    """Put the files of every partition of the lake together, one partition after the other. Raises Failed where that cannot be done."""
    lake.sweep()
    before = lake.files()
    todo = [(table, found) for table in LAKE for found in _partitions([file for file in before if file.table == table.name])]
    with lake.writing() as folder, _connected(lake, folder, memory) as con:
        for done, (table, files) in enumerate(todo):
            with lake.locked():
                _put_together(lake, con, folder, files, rows_sql(table, lake.base, files))
            if progress:
                progress(done + 1, len(todo))
    after = lake.files() if todo else before
    return Compacted(len(todo), len(before), len(after), sum(file.size for file in before), sum(file.size for file in after))


def _partitions(files: Sequence[LakeFile]) -> Iterator[list[LakeFile]]:
    """The files to put together, partition by partition."""
    partitions: dict[str, list[LakeFile]] = {}
    shared = sharing(files)
    for file in files:
        if file.size < WHOLE or file in shared:
            partitions.setdefault(file.partition, []).append(file)
    yield from (together for together in partitions.values() if len(together) > 1)


def _put_together(lake: Lake, con: duckdb.DuckDBPyConnection, folder: Path, files: Sequence[LakeFile], rows: str) -> None:
    made = folder / "compacted.parquet"
    with lake.errors():
        con.execute(text("compact").format(rows=rows), {"file": str(made)})
        [(first, last)] = con.execute(text("span"), {"file": str(made)}).fetchall()
    names = "\n".join(sorted(file.path for file in files))
    digest = hashlib.sha256(names.encode()).hexdigest()[:DIGEST_DIGITS]
    path = f"{files[0].partition}/{file_name(first, last, COMPACTED + digest)}"
    lake.publish(made, path)
    for file in files:
        if file.path != path:
            lake.remove(file.path)


@contextlib.contextmanager
def _connected(lake: Lake, folder: Path, memory: int | None) -> Iterator[duckdb.DuckDBPyConnection]:
    settings: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}
    settings["temp_directory"] = str(folder / "spill")
    if memory:
        settings["memory_limit"] = f"{memory}B"
    con = duckdb.connect(config=settings)
    try:
        con.execute("SET TimeZone = 'UTC'")
        lake.attach(con)
        yield con
    finally:
        con.close()
