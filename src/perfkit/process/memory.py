"""What keeps the memory of a large input and the cost of a small one in bounds, each trick with its measured gain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import _duckdb as duckdb

from perfkit.process.reading import text_size

# Freed memory goes back to the system at once: a tenth less at the peak of a day (November 2026).
SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "allocator_flush_threshold": "1MB",
    "allocator_bulk_deallocation_flush_threshold": "1MB",
}
# Freed pages are used again, where there is room: once a day's texts are gone, 0.9 s less of the kernel's time; for up to FOR_ONE_THREAD of
# text from the beginning, a tenth less CPU for three samples and for ten minutes, and 5 MB more (November 2026).
_KEEP_FREED = ("RESET allocator_flush_threshold", "RESET allocator_bulk_deallocation_flush_threshold")

# Up to so many bytes of text a second thread is not worth its CPU: a tenth more for ten minutes (4 MB), a sixth for three samples, since
# each statement prepares for every thread; in time it saves 0.1 s at most (November 2026).
FOR_ONE_THREAD = 8_000_000


def text_of(files: Sequence[Path]) -> int:
    """About how many bytes of text `files` hold together."""
    return sum(text_size(file) for file in files)


def clustered(load: str) -> str:
    """The statement reading/load.sql, with each subsystem's texts together and the lines numbered.

    Where the texts will not all stay in memory a week in 2 GB takes half the time: a component reads its own part of the disk alone.
    """
    return load.replace("NULL AS line", "($file::BIGINT << 40) + row_number() OVER () AS line") + "ORDER BY subsystem"


def keep_freed(con: duckdb.DuckDBPyConnection) -> None:
    """Let freed memory wait for its next use from here on."""
    for statement in _KEEP_FREED:
        con.execute(statement)


def release(con: duckdb.DuckDBPyConnection) -> None:
    """Drop the kernel's texts once every number is taken from them: most of the memory. perfkit's own lines stay."""
    con.execute("CREATE OR REPLACE TABLE raw AS FROM raw WHERE starts_with(subsystem, 'perfkit/')")
    keep_freed(con)
