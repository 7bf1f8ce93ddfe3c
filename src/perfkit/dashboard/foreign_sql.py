"""SQL that is not ours: what people type into Datasette's pages, run in processes of their own that are killed at the limit.

A long function within SQLite asks nobody whether it may go on, so that a time limit within our process would not end it; and what a
statement takes of memory would be ours. perfkit's own pages are read by `Dashboard.read`, and wait for none of this.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sqlite3
import struct
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from datasette.database import Database, QueryInterrupted, Results

DATABASE = "perfkit"
"""Its name in URLs."""
AT_ONCE = 4
"""Statements that run at the same time; one asker may have half of them."""
MOST_WAITING = 32
MOST_ROWS = 10_000
"""Of a statement that Datasette wants whole."""
MOST_CSV_ROWS = 100_000
"""Of a query's CSV: it has all rows, or there is none."""
_GRACE_SECONDS = 0.5
_LENGTH = struct.Struct(">I")
_CHILD = Path(__file__).with_name("sql_child.py")

asker: ContextVar[str] = ContextVar("asker", default="")
"""Who asks: an address, or a login."""
for_csv: ContextVar[bool] = ContextVar("for_csv", default=False)
"""Whether a query is asked for as CSV, which Datasette cuts after as many rows as its page shows without a word."""


class Wrong(sqlite3.OperationalError):
    """A statement that SQLite refuses, or that ended at a limit of size."""

    status = 400


class NoCsv(Exception):
    """The same where CSV is asked for: of a statement that SQLite refuses, Datasette makes an empty file."""

    status = 400


class Interrupted(QueryInterrupted):
    """A statement that ended at the limit of time."""

    status = 400


class Busy(Exception):
    """Too many statements wait already."""

    status = 503


class ForeignSql(Database):
    """Datasette's database, whose `execute` runs in a child process.

    What Datasette asks of the schema (`execute_fn`) stays in its threads: it is short, and no part of it comes from a request.
    """

    def __init__(self, datasette: Any, path: str) -> None:
        super().__init__(datasette, path, is_mutable=True)
        self._idle: list[asyncio.subprocess.Process] = []
        self._waiting = 0
        self._slots: asyncio.Semaphore | None = None
        self._shares: dict[str, tuple[asyncio.Semaphore, int]] = {}

    async def execute(  # noqa: PLR0913, PLR0917 - Datasette's own signature
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        truncate: bool = False,
        custom_time_limit: int | None = None,
        page_size: int | None = None,
        log_sql_errors: bool = True,
    ) -> Results:
        """As Database.execute. Raises QueryInterrupted at the time limit, sqlite3's errors, and Busy."""
        limit_ms = min(self.ds.sql_time_limit_ms, custom_time_limit or self.ds.sql_time_limit_ms)
        shown = self.ds.max_returned_rows + (self.ds.max_returned_rows == (page_size or self.ds.page_size))
        whole = for_csv.get() or not truncate
        rows = (MOST_CSV_ROWS if for_csv.get() else MOST_ROWS) if whole else shown
        request = {"sql": sql, "params": _params(params), "rows": rows, "ms": max(1, limit_ms)}
        async with self._turn():
            found = await self._ask(request)
        if found is None or found.get("error") == "interrupted":
            raise Interrupted(Wrong(f"The query took longer than {limit_ms} ms and was ended."), sql, params)
        refused = NoCsv if for_csv.get() else Wrong
        if "error" in found:
            raise refused(found["error"])
        if found["more"] and whole:
            raise refused(f"The answer has more than {rows:,} rows: ask for it in parts, with ORDER BY, LIMIT and OFFSET.")
        description = [(name, *(None,) * 6) for name in found["columns"]]
        return Results(list(_rows(found["columns"], found["rows"])), found["more"], description)

    async def end(self) -> None:
        """End the processes that wait for the next statement."""
        while self._idle:
            child = self._idle.pop()
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One's turn, after those who came before; nobody has more than half of the turns."""
        if self._waiting >= MOST_WAITING:
            raise Busy("Too many queries are waiting; try again in some seconds.")
        who = asker.get()
        self._slots = self._slots or asyncio.Semaphore(AT_ONCE)
        share, users = self._shares.get(who, (asyncio.Semaphore(AT_ONCE // 2), 0))
        self._shares[who] = share, users + 1
        self._waiting += 1
        try:
            async with share, self._slots:
                yield
        finally:
            self._waiting -= 1
            users = self._shares[who][1] - 1
            self._shares[who] = share, users
            if not users:
                del self._shares[who]

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The child's answer; None if it took too long, and was killed."""
        while self._idle:
            try:
                return await self._ask_child(self._idle.pop(), request)
            except (asyncio.IncompleteReadError, OSError):
                continue  # it had ended while it was idle
        try:
            return await self._ask_child(await self._start(), request)
        except (asyncio.IncompleteReadError, OSError):
            return {"error": "the query ended the process that ran it"}

    async def _ask_child(self, child: asyncio.subprocess.Process, request: dict[str, Any]) -> dict[str, Any] | None:
        kept = False
        try:
            content = json.dumps(request).encode()
            assert child.stdin is not None  # noqa: S101 - both are pipes
            child.stdin.write(_LENGTH.pack(len(content)) + content)
            answer = await asyncio.wait_for(_read(child), request["ms"] / 1000 + _GRACE_SECONDS)
            kept = True
        except TimeoutError:
            return None
        finally:
            # Also where the client has gone: no query runs on without a reader.
            if kept:
                self._idle.append(child)
            else:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(_CHILD), str(self.path), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
        )


async def _read(child: asyncio.subprocess.Process) -> dict[str, Any]:
    assert child.stdout is not None  # noqa: S101 - a pipe
    (length,) = _LENGTH.unpack(await child.stdout.readexactly(_LENGTH.size))
    found: dict[str, Any] = json.loads(await child.stdout.readexactly(length))
    return found


def _params(params: Sequence[Any] | Mapping[str, Any] | None) -> list[Any] | dict[str, Any]:
    if isinstance(params, Mapping):
        return {name: _packed(value) for name, value in params.items()}
    return [_packed(value) for value in params or ()]


def _packed(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[sqlite3.Row]:
    """The rows as Datasette wants them, by number and by name."""
    if not columns:
        return
    names = ", ".join('NULL AS "{}"'.format(name.replace('"', '""')) for name in columns)
    with contextlib.closing(sqlite3.connect(":memory:")) as con:
        cursor = con.execute(f"SELECT {names}")
        for row in rows:
            values = (base64.b64decode(value["base64"]) if isinstance(value, dict) else value for value in row)
            yield sqlite3.Row(cursor, tuple(values))
