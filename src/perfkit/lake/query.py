"""Questions to a lake: SQL that can only read it, within limits of memory and time."""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import _duckdb as duckdb

from perfkit.catalog import DUCK_TYPES, HOST, LOWER_IS_WORSE, TABLES, Table, worse
from perfkit.errors import BadInput, Failed
from perfkit.lake.place import Lake
from perfkit.lake.reading import RUN_FIGURES, make_views, run_figures_sql
from perfkit.lake.tables import LAKE, RUNS, LakeFile, text
from perfkit.units import format_bytes, format_duration

Cells = tuple[Any, ...]
_WORD = re.compile(r"[a-z_]+")
_PARAMETER = re.compile(r"\$(\w+)")
# How a value of a type that Python or JSON does not have is told.
_INSTANT = "strftime({} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ')"
_LOCAL = "strftime({}, '%Y-%m-%dT%H:%M:%S.%g')"
_PLAIN = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")


@dataclass(frozen=True)
class QueryLimits:
    """What a question may take: bytes of memory, seconds."""

    memory: int = 2 << 30
    seconds: float = 60.0


@dataclass(frozen=True)
class Scope:
    """Which part of the lake a question is about; None and () bound nothing. Instants are in ms, both included."""

    site: str | None = None
    machines: Sequence[str] = ()
    start: int | None = None
    end: int | None = None

    def holds(self, file: LakeFile) -> bool:
        """Whether `file` may have rows of it. What is known besides the samples is kept whole: a run may have begun before `start`."""
        if (self.site is not None and file.site != self.site) or (self.machines and file.machine not in self.machines):
            return False
        if file.first is None or file.last is None or file.table not in _SAMPLED:
            return True
        return (self.start is None or file.last >= self.start) and (self.end is None or file.first <= self.end)


_SAMPLED = frozenset(table.name for table in TABLES)


@dataclass(frozen=True)
class QueryAnswer:
    """Names of the columns, and the rows; a value is a number, a text, a truth value or None."""

    names: list[str]
    rows: Iterator[Cells]


@dataclass(frozen=True)
class Question:
    """One of the questions that come with perfkit: sql/questions/<name>.sql."""

    name: str
    sql: str

    @property
    def told(self) -> str:
        """What it answers: the first sentence of the file."""
        comment = " ".join(line.removeprefix("--").strip() for line in self.sql.splitlines() if line.startswith("--"))
        return comment.partition(". ")[0].rstrip(".") + "."

    @property
    def parameters(self) -> frozenset[str]:
        return frozenset(_PARAMETER.findall(self.sql))


@cache
def questions() -> dict[str, Question]:
    """The questions that come with perfkit, by name."""
    found = (entry.name for entry in resources.files("perfkit.lake").joinpath("sql", "questions").iterdir())
    names = sorted(name.removesuffix(".sql") for name in found if name.endswith(".sql"))
    return {name: Question(name, text(f"questions/{name}")) for name in names}


@contextlib.contextmanager
def ask(
    lake: Lake, sql: str, limits: QueryLimits | None = None, values: Mapping[str, object] | None = None, scope: Scope | None = None
) -> Iterator[QueryAnswer]:
    """The answer to one SELECT over the lake's tables; it is read while the context is open.

    The SQL sees the views of perfkit.lake.reading and the lake's own files, changes nothing and reads nothing else. Raises BadInput for
    SQL that is not so, Failed where a limit is reached or the lake cannot be read.
    """
    limits = limits or QueryLimits()
    with tempfile.TemporaryDirectory(prefix="perfkit-") as spill, _opened(lake, sql, limits, spill, scope) as con, _sentences(limits):
        query = _single(con, sql)
        timer = threading.Timer(limits.seconds, con.interrupt)
        timer.daemon = True
        timer.start()
        try:
            known = con.execute(f"FROM (\n{query}\n) LIMIT 0", values).description or []
            names = [str(column[0]) for column in known]
            told = ", ".join(_told(f"c{place}", str(column[1])) for place, column in enumerate(known))
            places = ", ".join(f"c{place}" for place in range(len(known)))
            cursor = con.execute(f"SELECT {told} FROM (\n{query}\n) AS answer ({places})", values)  # noqa: S608 - the user's own, and locked in
            yield QueryAnswer(names, _rows(cursor, limits))
        finally:
            timer.cancel()


def answer_named(
    lake: Lake, name: str, given: Mapping[str, object], limits: QueryLimits | None = None, scope: Scope | None = None
) -> contextlib.AbstractContextManager[QueryAnswer]:
    """The answer to one of `questions`, for what is `given` by the names of its parameters (metric, by, top, bucket, label).

    Raises BadInput for a name that there is not, and for a metric that the catalog does not have.
    """
    found = questions().get(name)
    if found is None:
        raise BadInput(f"there is no question {name!r}; there are: {', '.join(questions())}.")
    scope = scope or Scope()
    table, column = metric_of(str(given.get("metric") or "host.cpu_busy"))
    known = {
        "table": table.name,
        "column": column,
        "device": table.keys[0].name if table.keys else "machine",
        "by": "p95",
        "lowest": worse(f"{table.name}.{column}") == LOWER_IS_WORSE,
        "top": 10,
        "bucket": 60_000,
        "label": None,
        "start": scope.start,
        "end": scope.end,
        **{key: value for key, value in given.items() if value is not None},
    }
    if unknown := [key for key, value in given.items() if value is not None and key not in found.parameters and not _of_metric(key, found)]:
        raise BadInput(f"the question {name} does not know --{unknown[0]}; see perfkit query --list.")
    return ask(lake, found.sql, limits, {key: known[key] for key in found.parameters}, scope)


def _of_metric(key: str, found: Question) -> bool:
    return key == "metric" and "column" in found.parameters


def metric_of(metric: str) -> tuple[Table, str]:
    """The table and the column of the metric "host.cpu_busy", or "cpu_busy" alone. Raises BadInput if there is no such metric."""
    name, _, column = metric.rpartition(".")
    for table in (one for one in TABLES if one.name == (name or HOST.name)):
        if column in {c.name for c in table.values}:
            return table, column
    raise BadInput(f"there is no metric {metric!r}; write TABLE.COLUMN as in docs/metrics.md, such as host.cpu_busy or disk.await_ms.")


@contextlib.contextmanager
def _opened(lake: Lake, sql: str, limits: QueryLimits, spill: str, scope: Scope | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that has the tables which `sql` names, and can reach nothing but the lake's files and `spill`."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": f"{limits.memory}B",
        "temp_directory": spill,
    }
    words = set(_WORD.findall(sql.lower()))
    con = duckdb.connect(config=settings)
    try:
        con.execute("SET TimeZone = 'UTC'")
        lake.attach(con)
        derived = RUN_FIGURES in words
        tables = [table for table in LAKE if table.name in words or "$table" in sql or (derived and table in (HOST, RUNS))]
        files = [file for file in lake.files() if scope is None or scope.holds(file)] if scope or not tables else None
        make_views(con, lake, tables or LAKE, files)
        con.execute(text("robust_z"))
        if derived or not tables:
            con.execute(run_figures_sql())
        con.execute("SET allowed_directories = [$base]", {"base": lake.base})
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        yield con
    finally:
        con.close()


def _single(con: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one SELECT that `sql` is, without what may follow it. Raises BadInput for anything else."""
    with _sentences(QueryLimits()):
        statements = con.extract_statements(sql)
    if len(statements) != 1:
        raise BadInput(f"a question is one SELECT; these are {len(statements)} statements." if statements else "a question is one SELECT.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise BadInput("a question only reads: write a SELECT (or FROM, WITH, DESCRIBE); nothing in a lake is changed by a query.")
    query = statements[0].query.encode()
    tokens = duckdb.tokenize(statements[0].query)
    ends = [offset for offset, kind in tokens if kind == duckdb.token_type.operator and query[offset : offset + 1] == b";"]
    return query[: ends[0] if ends else None].decode()


def _told(column: str, type_: str) -> str:
    if type_ == "TIMESTAMP WITH TIME ZONE":
        return _INSTANT.format(column)
    if type_.startswith("TIMESTAMP"):
        return _LOCAL.format(column)
    if type_.startswith("DECIMAL") or type_ in ("FLOAT", "DOUBLE"):
        return f"{column}::{DUCK_TYPES['REAL']}"
    return column if type_ in _PLAIN else f"{column}::VARCHAR"


def _rows(cursor: duckdb.DuckDBPyConnection, limits: QueryLimits) -> Iterator[Cells]:
    with _sentences(limits):
        while rows := cursor.fetchmany(10_000):
            yield from rows


@contextlib.contextmanager
def _sentences(limits: QueryLimits) -> Iterator[None]:
    """DuckDB's errors as sentences."""
    try:
        yield
    except duckdb.InterruptException:
        raise Failed(f"the question took longer than {format_duration(limits.seconds)}; ask for less, or raise --timeout.") from None
    except duckdb.OutOfMemoryException:
        raise Failed(
            f"the question needs more than {format_bytes(limits.memory)} of memory; ask for less, or raise --memory-limit."
        ) from None
    except duckdb.PermissionException:
        raise BadInput("the question reads something outside of the lake; a query sees the lake's tables alone.") from None
    except duckdb.IOException as error:
        raise Failed(f"a file of the lake cannot be read ({_first(error)}); ask again, it may have been compacted just now.") from None
    except duckdb.Error as error:
        raise BadInput(f"the question is not understood ({_first(error)}).") from None


def _first(error: duckdb.Error) -> str:
    """The first lines of DuckDB's message, up to the one that shows the statement, as one."""
    lines = [line.strip() for line in str(error).partition("\nLINE ")[0].splitlines()]
    return " ".join(line for line in lines if line).rstrip(".")
