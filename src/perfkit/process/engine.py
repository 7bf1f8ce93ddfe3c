"""The engine: one DuckDB connection in which collections become the tables of `perfkit.catalog`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import _duckdb as duckdb

from perfkit import sql
from perfkit.catalog import DENSE, RANGES, TABLES, Table, table
from perfkit.collection.subsystems import HOST, SLOWER
from perfkit.process import memory
from perfkit.process.reading import read
from perfkit.units import FOREVER

# The tables in the order in which they are made: sql/<folder>/<name>.sql is one SELECT that becomes the table of its name. The largest
# texts are taken apart one after the other, so that their memory is not needed at once.
TIMELINE = ("sessions", "samples", "recordings", "gaps", "marks", "runs")
COMPONENTS = (
    *("devices", "network", "disk", "cpu", "cores", "containers", "services", "process_names", "processes", "memory", "system", "tcp"),
    *("pressure", "filesystem"),
    *("cpu_limits", "interface_limits", "limits", "host", "system_info"),
)
SUMMARIES = ("machines", "quality")
# Tables that have no rows where no line's subsystem starts like this: planning their statements would cost 20 to 50 ms each.
NEEDS = {
    "containers": ("container/",),
    "services": ("service/",),
    "processes": ("processes",),
    "process_names": ("perfkit/process", "processes"),
    "pressure": ("/proc/pressure/",),
    "tcp": ("/proc/net/snmp", "/proc/net/netstat"),
    "filesystem": ("statfs",),
    "cpu_limits": ("limits", "/proc/schedstat", "/proc/net/softnet_stat"),
    "interface_limits": ("limits",),
    "limits": ("limits",),
}
MOST_DEVICES = 1000
"""Disks, and interfaces, of one machine that have rows."""
# Made before the tables that they stand in.
_MACROS = ("components/macros", "components/cgroups", "components/device_names")

Progress = Callable[[int], None]  # is told how many bytes were read so far, of all files
Step = Callable[[str], None]  # is told the name of the table that is made next


@dataclass(frozen=True)
class Cut:
    """What to keep: samples from `start` to `end` (ms since the epoch, both included) and of the `phase`; None does not bound."""

    start: int | None = None
    end: int | None = None
    phase: str | None = None


def statement(name: str) -> str:
    """The text of sql/<name>.sql: "components/cpu"."""
    return sql.read("perfkit.process", f"sql/{name}.sql")


def with_rows(con: duckdb.DuckDBPyConnection, tables: Mapping[str, str], machine: int | None = None) -> set[str]:
    """The names of the `tables` (SQL by name) that have rows, of `machine` where it is named: to plan a statement over one without costs
    10 to 30 ms, for nothing.
    """
    of = "true" if machine is None else f"machine = {machine:d}"
    one = statement("output/has_rows")
    return {name for (name,) in con.execute("UNION ALL".join(one.format(name=n, table=t, of=of) for n, t in tables.items())).fetchall()}


def take_percentiles(con: duckdb.DuckDBPyConnection, tables: Iterable[Table]) -> None:
    """Make the table `percentiles`: the metrics of each of `tables`, in each of `windows`."""
    for name in ("percentiles_table", "distinct_windows"):
        con.execute(statement(f"summaries/{name}"))
    for one in tables:
        metrics = [c.name for c in one.metrics]
        con.execute(statement("summaries/percentiles"), {"table": one.name, "device": one.device or "machine", "metrics": metrics})
    con.execute(statement("summaries/percentiles_named"))


class Engine:
    """Collections become tables: `load` them, `derive`, then read `con`.

    `con` then has host, cpu, memory, ... as `perfkit.catalog` lists them, each with `machine INTEGER` and `timestamp BIGINT`
    (milliseconds since the epoch, UTC) in front, and `machines`, `recordings`, `samples`, `marks`, `runs`, `gaps`, `percentiles` and
    `quality` (see sql/). What has no value is NULL. Every statement partitions by `machine`: one pass serves one file or a thousand live
    collectors.
    """

    def __init__(
        self,
        *,
        memory_limit: int | None = None,
        threads: int | None = None,
        temp_folder: Path | None = None,
        most_devices: int = MOST_DEVICES,
    ) -> None:
        """`memory_limit` is in bytes; what does not fit goes to files in `temp_folder`. `threads`: all CPUs, but for a small input one."""
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            **memory.SETTINGS,
        }
        if memory_limit:
            settings["memory_limit"] = f"{memory_limit}B"
        if threads:
            settings["threads"] = threads
        if temp_folder:
            settings["temp_directory"] = str(temp_folder)
        self.con = duckdb.connect(config=settings)
        self._memory_limit = memory_limit
        self._chooses_threads = threads is None
        # What a table's statement is told.
        self._values: dict[str, dict[str, Any]] = {
            "samples": {"subsystems": [s.name for s in (*HOST, *SLOWER)]},
            "devices": {"most": most_devices},
        }
        self._files = 0
        for name in ("reading/schema", *_MACROS):
            self.con.execute(statement(name))

    def load(self, files: Sequence[tuple[int, Path]], progress: Progress | None = None, names: Mapping[Path, str] | None = None) -> None:
        """Add each (machine, file); several files may be parts of one machine's recordings. `names` are what users know some of them by.

        What cannot be read within a file is counted in `inputs`. Raises BadInput where a file cannot be opened.
        """
        before = 0
        load = statement("reading/load")
        text = memory.text_of([file for _, file in files])
        if text < memory.FOR_ONE_THREAD:
            memory.keep_freed(self.con)
            if self._chooses_threads:
                self.con.execute("SET threads = 1")
        if self._memory_limit is not None and 2 * text > self._memory_limit:  # it will be moved to disk and back
            memory.keep_freed(self.con)  # the limit is what bounds the memory now
            load = memory.clustered(load)
        for machine, file in files:
            tell = None if progress is None else lambda n, start=before: progress(start + n)
            self._files += 1
            before += read(self.con, load, machine, self._files, file, (names or {}).get(file, str(file)), tell)

    def name_containers(self, names: Mapping[str, str]) -> None:
        """Names for container ids, which win over what the collections say; before `derive`."""
        for name in names.items():
            self.con.execute("INSERT INTO container_names VALUES (?, ?)", name)

    def derive(
        self,
        *,
        window: Cut | None = None,
        percentiles: bool = True,
        quality: bool = True,
        step: Step | None = None,
        skip: Collection[str] = (),
    ) -> None:
        """Make the tables of what was loaded; the two costly ones only where they are asked for.

        Computing percentiles drops the raw lines: call `load` again before another `derive`.

        Tables in `skip` are truncated instead of recomputed (live import only: planning a statement costs about 10 ms).

        With a `window`, samples outside of it are dropped; those inside keep the rates that they have in the whole.
        """
        for name in skip:
            self.con.execute(f"TRUNCATE {name}")
        tell = step or (lambda name: None)
        self._make("timeline", ("sessions",), tell, skip)
        if "duplicates" not in skip:
            self._take_machines_apart()
            self._tell_repeated_apart()
        self._make("timeline", TIMELINE[1:], tell, skip)
        without_lines = self._without_lines()
        for name in without_lines:
            if name not in skip:
                self._make_empty(table(name))
        self._make("components", COMPONENTS, tell, {*skip, *without_lines})
        if window:
            self._cut(window)
        self._make("summaries", SUMMARIES if quality else SUMMARIES[:1], tell, skip)
        if percentiles:
            memory.release(self.con)
            self._take_percentiles(tell)

    def _make(self, folder: str, names: Sequence[str], tell: Step, skip: Collection[str] = ()) -> None:
        for name in names:
            if name not in skip:
                tell(name)
                self.con.execute(f"CREATE OR REPLACE TABLE {name} AS {statement(f'{folder}/{name}')}", self._values.get(name))

    def _without_lines(self) -> list[str]:
        there = [name for (name,) in self.con.execute("SELECT DISTINCT subsystem FROM raw WHERE subsystem IS NOT NULL").fetchall()]
        return [name for name, starts in NEEDS.items() if not any(subsystem.startswith(starts) for subsystem in there)]

    def _make_empty(self, of: Table) -> None:
        self.con.execute(f"CREATE OR REPLACE TABLE {of.name} ({of.duck_columns}, why VARCHAR)")

    def _take_machines_apart(self) -> None:
        """Where one input mixes several machines, give each a number of its own: `apart` lists those that are new."""
        self.con.execute("TRUNCATE apart")
        if self.con.execute("SELECT 1 FROM sessions GROUP BY machine HAVING count(DISTINCT coalesce(boot_id, '')) > 1").fetchall():
            self.con.execute(statement("timeline/apart"))
            self._make("timeline", ("sessions",), lambda name: None)

    def _tell_repeated_apart(self) -> None:
        """Give every sample an instant of its own, and drop what stands twice; mostly there is nothing to do."""
        self.con.execute(f"CREATE OR REPLACE TABLE repeated AS {statement('reading/repeated')}")
        if self.con.execute("FROM repeated LIMIT 1").fetchall():
            self.con.execute(statement("reading/duplicates"))

    def _cut(self, window: Cut) -> None:
        values = {"start": window.start, "end": window.end, "phase": window.phase, "forever": FOREVER}
        self.con.execute(statement("timeline/cut"), values)
        for name in ("samples", *(one.name for one in TABLES)):
            self.con.execute(f"CREATE OR REPLACE TABLE {name} AS {statement('timeline/within')}", {"table": name})
        self.con.execute(statement("timeline/recordings_within"))

    def _take_percentiles(self, tell: Step) -> None:
        self.con.execute("CREATE OR REPLACE TABLE spans AS SELECT machine, first_timestamp, last_timestamp FROM machines")
        self.con.execute("CREATE OR REPLACE TABLE ranges (name VARCHAR, milliseconds BIGINT)")
        self.con.executemany("INSERT INTO ranges VALUES (?, ?)", [(name, ms) for name, ms in RANGES.items()])
        self._make("timeline", ("windows",), lambda name: None)
        there = with_rows(self.con, {one.name: one.name for one in DENSE})

        def told() -> Iterator[Table]:
            for one in (one for one in DENSE if one.name in there):
                tell(f"percentiles of {one.name}")
                yield one

        take_percentiles(self.con, told())

    def judge(self) -> None:
        """Make the table `quality` of what is derived, where `derive` was told to leave it out."""
        self._make("summaries", SUMMARIES[1:], lambda name: None)

    def clear(self) -> None:
        """Forget what was loaded; the derived tables stay until the next `derive`."""
        for name in ("raw", "inputs"):  # not TRUNCATE: in memory DuckDB keeps the rows that it deletes, and reads past them, for ever
            self.con.execute(f"CREATE OR REPLACE TABLE {name} AS FROM {name} LIMIT 0")

    def close(self) -> None:
        self.con.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
