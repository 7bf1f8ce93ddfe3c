"""The engine: one DuckDB connection in which collections become the tables of `perfkit.catalog`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path

import duckdb

from perfkit.catalog import FLAG, RANGES, TABLES

# The order in which sql/<name>.sql are run; each is one SELECT that becomes the table (or view) of its name.
_TABLES = (
    *("sessions", "boots", "samples", "devices"),
    *("cpu", "memory", "disk", "network", "filesystem", "pressure", "system", "tcp", "containers", "host"),
    *("system_info", "gaps", "sources", "marks", "phases"),
)

Row = tuple[int, int, int, float | None, str, str]
Progress = Callable[[float], None]


class Engine:
    """Collections become tables: `load` them, `derive`, then read `con`.

    `con` then has host, cpu, memory, ... as `perfkit.catalog` lists them, each with `source INTEGER` and `timestamp BIGINT`
    (milliseconds since the epoch, UTC) in front, and `sources`, `percentiles`, `marks` and `quality`. Whatever has no value is NULL.
    Every statement partitions by `source`: one pass serves one file or a thousand live collectors.
    """

    def __init__(self, *, memory_limit: int | None = None, threads: int | None = None, temp_folder: Path | None = None) -> None:
        """`memory_limit` in bytes; what does not fit goes to `temp_folder`."""
        settings: dict[str, str | int | bool] = {"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        if memory_limit:
            settings["memory_limit"] = f"{memory_limit}B"
        if threads:
            settings["threads"] = threads
        if temp_folder:
            settings["temp_directory"] = str(temp_folder)
        self.con = duckdb.connect(config=settings)
        self.con.execute("SET preserve_insertion_order = true")
        self.con.execute(_sql("raw"))
        self.con.execute(_sql("macros"))

    def load(self, files: Sequence[tuple[int, Path]], progress: Progress | None = None) -> None:
        """Add each (source, file); several files may be parts of one source."""
        for source, file in files:
            compression = "gzip" if file.suffix == ".gz" else "none"
            self.con.execute(_sql("load"), {"source": source, "file": str(file), "compression": compression})

    def load_lines(self, rows: Iterable[Row]) -> None:
        """Add rows in memory: (source, timestamp s, nanosecond, monotonic, subsystem, measurement)."""
        self.con.executemany(
            "INSERT INTO raw VALUES (?, ?, ?, ?, ?)",
            [(source, second * 1000 + (nano or 0) // 1_000_000, clock, subsystem, text) for source, second, nano, clock, subsystem, text in rows],
        )

    def derive(self, *, percentiles: bool = True, quality: bool = True) -> None:
        """Make the tables of what was loaded; the two costly ones only where they are asked for."""
        for name in (*_TABLES, *(("quality",) if quality else ())):
            self.con.execute(f"CREATE OR REPLACE TABLE {name} AS {_sql(name)}")
        if percentiles:
            self._take_percentiles()

    def _take_percentiles(self) -> None:
        self.con.execute(_sql("windows"), {"ranges": list(RANGES), "seconds": list(RANGES.values())})
        self.con.execute(_sql("percentiles_table"))
        for table in TABLES:
            metrics = [c.name for c in table.values if c.kind != FLAG]
            device = table.keys[0].name if table.keys else "source"
            self.con.execute(_sql("percentiles"), {"table": table.name, "device": device, "metrics": metrics})

    def clear(self) -> None:
        """Forget what was loaded; the derived tables stay until the next derive()."""
        self.con.execute("TRUNCATE raw")

    def close(self) -> None:
        self.con.close()


def _sql(name: str) -> str:
    return resources.files("perfkit.process").joinpath("sql", f"{name}.sql").read_text("utf-8")
