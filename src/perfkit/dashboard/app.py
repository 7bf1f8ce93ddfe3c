"""The dashboard as an ASGI application: Datasette over one database, our plugin in it, the guard in front."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from datasette.app import Datasette
from datasette.database import Database
from datasette.plugins import pm

from perfkit.dashboard import assets, plugin
from perfkit.dashboard.access import Access, App, Guard
from perfkit.dashboard.users import Users
from perfkit.store import open_database

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


def make_app(database: Path, access: Access | None = None) -> App:
    """The dashboard over `database`, which is made if it is missing; without `access` nobody needs to log in.

    Raises BadInput for a file that is not perfkit's, Failed where it cannot be opened.
    """
    open_database(database).close()
    _register()
    assets.files()  # bundled and packed before the first visit instead of during it
    access = access or Access(Users.beside(database), login=False)
    return Guard(Dashboard(database, access).app(), access)


def _register() -> None:
    """Our plugin and Datasette's own, and none that happens to be installed beside them.

    Datasette's own error pages print tracebacks with the values of all variables, secrets among them; ours stand for them.
    """
    for other, _ in pm.list_plugin_distinfo():
        if pm.is_registered(other):
            pm.unregister(other)
    for name in ("datasette.handle_exception", "datasette.forbidden"):
        if pm.has_plugin(name):
            pm.unregister(name=name)
    if not pm.is_registered(plugin):
        pm.register(plugin, "perfkit")
