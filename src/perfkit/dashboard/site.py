"""Datasette with what perfkit's pages need. The views know this class; what registers the views stands above it, in app.py."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from datasette.app import Datasette
from datasette.utils import baseconv
from itsdangerous import BadSignature

from perfkit.catalog import TABLES
from perfkit.dashboard import assets
from perfkit.dashboard.access import SESSION_SECONDS, Access
from perfkit.dashboard.api import TookTooLong
from perfkit.dashboard.foreign_sql import DATABASE, ForeignSql
from perfkit.dashboard.logins import Logins
from perfkit.store.schema import LEVELS

SQL_MILLISECONDS = 5000
SQL_THREADS = 6
READ_SECONDS = 30.0
"""How long one of our own pages may read."""
_STEPS = 10_000
_BOOKKEEPING = ("judged", "levels", "live_lines", "live_positions", "segments")
_SIGNED = "actor"

Answer = TypeVar("Answer")


def _tables() -> Iterator[tuple[str, dict[str, Any]]]:
    """What Datasette is told of our tables: label and unit of each column; rollups and bookkeeping stand behind a link, hidden."""
    for table in TABLES:
        yield table.database_name, {"columns": {c.name: ", ".join(filter(None, (c.label, c.unit))) for c in table.values}}
        for level in LEVELS:
            yield f"{table.database_name}_{level}", {"hidden": True}
    for name in _BOOKKEEPING:
        yield name, {"hidden": True}


class Dashboard(Datasette):
    """Datasette with what perfkit's pages need: the rules of access, sessions, and reading in a thread."""

    def __init__(self, database: Path, access: Access) -> None:
        super().__init__(
            template_dir=str(assets.folder("templates")),
            settings={
                "num_sql_threads": SQL_THREADS,
                "sql_time_limit_ms": SQL_MILLISECONDS,
                "allow_download": False,
                "default_cache_ttl": 0,
                "max_csv_mb": 100,
                "suggest_facets": False,  # looking for some in millions of samples takes seconds; any column offers its own
                "base_url": f"{access.root_path}/",
            },
            metadata={"title": "perfkit", "databases": {DATABASE: {"title": "Database", "tables": dict(_tables())}}},
            secret=access.secret,
        )
        self.access = access
        # A page that is written into a file carries its scripts, styles and data; see report.py.
        self.self_contained = False
        self.extra_context: dict[str, Any] = {}
        self.logins = Logins(access.users)
        self.remove_database("_memory")
        # Whatever the file is called, its pages are at /perfkit, where no page of ours can be.
        self.add_database(ForeignSql(self, str(database)), name=DATABASE)

    def session(self, name: str) -> str:
        """The cookie that logs `name` in, in the form of Datasette's own."""
        until = baseconv.base62.encode(int(time.time()) + SESSION_SECONDS)
        return str(self.sign({"a": {"id": name, "stamp": self.access.stamp(name)}, "e": until}, _SIGNED))

    def actor(self, cookie: str) -> dict[str, str] | None:
        """{"id": name, "role": role} of a session cookie, None of one that is forged, old or ended."""
        try:
            said = self.unsign(cookie, _SIGNED)
            name, stamp, until = str(said["a"]["id"]), str(said["a"]["stamp"]), baseconv.base62.decode(said["e"])
        except (BadSignature, KeyError, TypeError, ValueError):
            return None
        return self.access.actor(name, stamp) if time.time() < until else None

    async def read(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What `question` answers from a read-only connection, asked in a thread so that other requests go on. Raises TookTooLong."""

        def ask(con: sqlite3.Connection) -> Answer:
            # Rows as tuples for us, as Datasette wants them afterwards; a connection belongs to one thread.
            factory, con.row_factory = con.row_factory, None
            end = time.monotonic() + READ_SECONDS
            con.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            try:
                return question(con)
            except sqlite3.OperationalError as error:
                if error.args == ("interrupted",):
                    raise TookTooLong(f"This took longer than {READ_SECONDS:.0f} s; ask for a shorter range.") from None
                raise
            finally:
                con.set_progress_handler(None, _STEPS)
                con.row_factory = factory

        answer: Answer = await self.get_database(DATABASE).execute_fn(ask)
        return answer
