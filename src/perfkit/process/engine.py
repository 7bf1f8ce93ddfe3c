"""The engine: one DuckDB connection in which collections become the tables of `perfkit.catalog`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType

import duckdb

from perfkit import catalog
from perfkit.catalog import FLAG, RANGES, TABLES
from perfkit.process.reading import read, text_size
from perfkit.process.statements import statement
from perfkit.process.together import together

# sql/<name>.sql, each one SELECT that becomes the table of its name, and the tables that it needs beside `raw`.
# network, disk, cpu and containers are the most to take apart: each waits for the one before, so that their memory is not needed at once,
# and the small ones wait for disk, the largest.
_TABLES = {
    "sessions": (),
    "boots": ("sessions",),
    "samples": ("boots",),
    "holes": ("samples",),
    "places": (),
    "devices": ("places", "sessions"),
    "network": ("devices", "holes"),
    "disk": ("devices", "holes", "network"),
    "cpu": ("holes", "disk"),
    "containers": ("samples", "cpu"),
    "memory": ("disk",),
    "system": ("holes", "disk"),
    "tcp": ("holes", "disk"),
    "pressure": ("holes", "disk"),
    "filesystem": (),
    "host": ("samples", "cpu", "memory", "disk", "network"),
    "marks": (),
    "phases": ("marks", "samples"),
}
# The same of a cut to what the user wants to keep.
_OF_THE_WINDOW = {
    "system_info": (),
    "gaps": ("samples", "sessions"),
    "sources": ("samples", "sessions", "memory", "gaps", "system_info"),
    "quality": ("samples", "boots", "cpu", "disk", "network", "gaps"),
}

# A row per sample and device comes before a row per sample.
LARGEST_FIRST = sorted(TABLES, key=lambda table: not table.keys)

Progress = Callable[[int], None]  # is told how many bytes were read so far, of all files
Step = Callable[[str], None]  # is told the name of the table that is made next


@dataclass(frozen=True)
class Window:
    """What to keep: samples from `since` to `until` (ms since the epoch, inclusive) and of the `phase`; None does not bound."""

    since: int | None = None
    until: int | None = None
    phase: str | None = None


class Engine:
    """Collections become tables: `load` them, `derive`, then read `con`.

    `con` then has host, cpu, memory, ... as `perfkit.catalog` lists them, each with `source INTEGER` and `timestamp BIGINT`
    (milliseconds since the epoch, UTC) in front, and `sources`, `marks`, `phases`, `percentiles` and `quality` (see sql/). What has no
    value is NULL. Every statement partitions by `source`: one pass serves one file or a thousand live collectors.
    """

    def __init__(self, *, memory_limit: int | None = None, threads: int | None = None, temp_folder: Path | None = None) -> None:
        """`memory_limit` is in bytes; what does not fit goes to files in `temp_folder`."""
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": False,  # what has an order says so
            "allocator_flush_threshold": "1MB",  # freed memory goes back at once: a tenth less at the peak, and after weeks of live import
            "allocator_bulk_deallocation_flush_threshold": "1MB",
        }
        if memory_limit:
            settings["memory_limit"] = f"{memory_limit}B"
        if threads:
            settings["threads"] = threads
        if temp_folder:
            settings["temp_directory"] = str(temp_folder)
        self.con = duckdb.connect(config=settings)
        self._memory_limit = memory_limit
        self.con.execute(statement("raw"))
        self.con.execute(statement("macros"))

    def load(self, files: Sequence[tuple[int, Path]], progress: Progress | None = None) -> None:
        """Add each (source, file); several files may be parts of one source.

        What cannot be read within a file is counted in `inputs`. Raises BadInput where a file cannot be opened.
        """
        before = 0
        clustered = self._memory_limit is not None and 2 * sum(text_size(file) for _, file in files) > self._memory_limit
        if clustered:  # the limit is what bounds the memory now
            self.con.execute(statement("keep_freed"))
        for source, file in files:
            tell = None if progress is None else lambda n, start=before: progress(start + n)
            done = read(self.con, source, file, tell, clustered=clustered)
            before += done.size
            self.con.execute("INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(done))

    def name_containers(self, names: Mapping[str, str]) -> None:
        """Names for container ids, which win over what the collections say; before `derive`."""
        for name in names.items():
            self.con.execute("INSERT INTO container_names VALUES (?, ?)", name)

    def derive(
        self,
        *,
        window: Window | None = None,
        percentiles: bool = True,
        quality: bool = True,
        step: Step | None = None,
        skip: Collection[str] = (),
    ) -> None:
        """Make the tables of what was loaded; the two costly ones only where they are asked for.

        Where `percentiles` are taken, the lines are let go of before: to derive again, load again.

        Tables named in `skip` are emptied if they are there: planning a statement costs 10 ms, too much for a live second without its
        lines.

        With a `window`, samples outside of it are dropped; those inside keep the rates that they have in the whole.
        """
        for name in skip:
            self.con.execute(f"TRUNCATE {name}")
        if "duplicates" not in skip:
            self._make({"duplicates": ()}, skip, step)
            self._drop_duplicates()
        self._make(_TABLES, skip, step)
        if window:
            self._cut(window)
        self._make(_OF_THE_WINDOW, skip if quality else (*skip, "quality"), step)
        if percentiles:
            self.con.execute(statement("release"))
            self.con.execute(statement("keep_freed"))
            self._take_percentiles(step)

    def _make(self, tables: Mapping[str, Collection[str]], skip: Collection[str], step: Step | None) -> None:
        def make(con: duckdb.DuckDBPyConnection, name: str) -> None:
            if step:
                step(name)
            con.execute(f"CREATE OR REPLACE TABLE {name} AS {statement(name)}")

        together(self.con, {name: needs for name, needs in tables.items() if name not in skip}, make)

    def _drop_duplicates(self) -> None:
        if self.con.execute("FROM duplicates WHERE lines > 0").fetchall():
            self.con.execute(statement("drop_duplicates"))

    def _cut(self, window: Window) -> None:
        self.con.execute(statement("cut"), {"since": window.since, "until": window.until, "phase": window.phase})
        for name in ("samples", *(table.name for table in TABLES)):
            self.con.execute(f"CREATE OR REPLACE TABLE {name} AS {statement('within')}", {"table": name})

    def _take_percentiles(self, step: Step | None = None) -> None:
        self.con.execute(statement("windows"), {"ranges": list(RANGES), "seconds": list(RANGES.values())})
        self.con.execute(statement("percentiles_table"))

        def take(con: duckdb.DuckDBPyConnection, name: str) -> None:
            if step:
                step(f"percentiles of {name}")
            table = catalog.table(name)
            metrics = [c.name for c in table.values if c.kind != FLAG]
            device = table.keys[0].name if table.keys else "source"
            con.execute(statement("percentiles"), {"table": name, "device": device, "metrics": metrics})

        together(self.con, {table.name: () for table in LARGEST_FIRST}, take)

    def clear(self) -> None:
        """Forget what was loaded; the derived tables stay until the next `derive`."""
        self.con.execute("TRUNCATE raw")
        self.con.execute("TRUNCATE inputs")

    def close(self) -> None:
        self.con.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
