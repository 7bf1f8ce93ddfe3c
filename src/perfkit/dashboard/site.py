"""Datasette with what perfkit's pages need. The views know this class; what registers the views stands above it, in app.py."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from datasette.app import Datasette
from datasette.database import Database

from perfkit.dashboard import assets
from perfkit.dashboard.access import Access

DATABASE = "perfkit"
SQL_MILLISECONDS = 5000
SQL_THREADS = 6

Answer = TypeVar("Answer")


class Dashboard(Datasette):
    """Datasette with what perfkit's pages need: the rules of access, and reading in a thread."""

    def __init__(self, database: Path, access: Access) -> None:
        super().__init__(
            template_dir=str(assets.folder("templates")),
            settings={
                "num_sql_threads": SQL_THREADS,
                "sql_time_limit_ms": SQL_MILLISECONDS,
                "allow_download": False,
                "default_cache_ttl": 0,
                "max_csv_mb": 0,
                "suggest_facets": False,  # looking for some in millions of samples takes seconds; any column offers its own
                "base_url": f"{access.root_path}/",
            },
            metadata={"title": "perfkit"},
        )
        self.access = access
        self.remove_database("_memory")
        # Whatever the file is called, its pages are at /perfkit, where no page of ours can be.
        self.add_database(Database(self, str(database), is_mutable=True), name=DATABASE)

    async def read(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What `question` answers from a read-only connection, asked in a thread so that other requests go on."""

        def ask(con: sqlite3.Connection) -> Answer:
            # Rows as tuples for us, as Datasette wants them afterwards; a connection belongs to one thread.
            factory, con.row_factory = con.row_factory, None
            try:
                return question(con)
            finally:
                con.row_factory = factory

        answer: Answer = await self.get_database(DATABASE).execute_fn(ask)
        return answer
