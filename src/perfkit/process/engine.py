"""The engine: one DuckDB connection in which collections become the tables of `perfkit.catalog`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import duckdb

from perfkit.catalog import FLAG, RANGES, TABLES, Table
from perfkit.process.reading import read
from perfkit.process.statements import statement
from perfkit.process.together import together

# sql/<name>.sql, each one SELECT that becomes the table of its name: first these in their order,
_BEFORE = ("duplicates", "sessions", "boots", "samples", "holes", "listed", "devices")
# then these, one after the other, because each may need much memory,
_HEAVY = ("disk", "network", "cpu", "containers")
# these side by side,
_LIGHT = ("memory", "tcp", "system", "pressure", "filesystem", "marks")
# and then these in their order.
_AFTER = ("host", "phases")
_LAST = ("system_info", "gaps", "sources")

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
            "allocator_flush_threshold": "1MB",  # freed memory goes back at once: a tenth less at the peak, in the same time
            "allocator_bulk_deallocation_flush_threshold": "1MB",
        }
        if memory_limit:
            settings["memory_limit"] = f"{memory_limit}B"
        if threads:
            settings["threads"] = threads
        if temp_folder:
            settings["temp_directory"] = str(temp_folder)
        self.con = duckdb.connect(config=settings)
        self.con.execute(statement("raw"))
        self.con.execute(statement("macros"))

    def load(self, files: Sequence[tuple[int, Path]], progress: Progress | None = None) -> None:
        """Add each (source, file); several files may be parts of one source.

        What cannot be read within a file is counted in `inputs`. Raises BadInput where a file cannot be opened.
        """
        before = 0
        for source, file in files:
            done = read(self.con, source, file, None if progress is None else lambda n, start=before: progress(start + n))  # type: ignore[misc]
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
        for name in _BEFORE:
            self._make((name,), step, skip)
            if name == "duplicates":
                self._drop_duplicates()
        for name in _HEAVY:
            self._make((name,), step, skip)
        self._make(_LIGHT, step, skip)
        for name in _AFTER:
            self._make((name,), step, skip)
        if window:
            self._cut(window)
        for name in (*_LAST, *(("quality",) if quality else ())):
            self._make((name,), step, skip)
        if percentiles:
            self.con.execute(statement("release"))
            self._take_percentiles(step)

    def _make(self, names: Sequence[str], step: Step | None, skip: Collection[str] = ()) -> None:
        """Make the tables `names`, which do not need each other, but for those to `skip`."""

        def make(con: duckdb.DuckDBPyConnection, name: str) -> None:
            if step:
                step(name)
            con.execute(f"CREATE OR REPLACE TABLE {name} AS {statement(name)}")

        together(self.con, [partial(make, name=name) for name in names if name not in skip])

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

        def take(con: duckdb.DuckDBPyConnection, table: Table) -> None:
            if step:
                step(f"percentiles of {table.name}")
            metrics = [c.name for c in table.values if c.kind != FLAG]
            device = table.keys[0].name if table.keys else "source"
            con.execute(statement("percentiles"), {"table": table.name, "device": device, "metrics": metrics})

        together(self.con, [partial(take, table=table) for table in sorted(TABLES, key=lambda table: not table.keys)])

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
