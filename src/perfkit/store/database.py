"""Opening a perfkit database: one writer and many readers, and only files that are ours."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from perfkit import sql
from perfkit.errors import BadInput, Failed, reason
from perfkit.store import runs, schema

BUSY_MS = 10_000


def default_path() -> Path:
    """$PERFKIT_DB, else perfkit/perfkit.db in $XDG_DATA_HOME (~/.local/share)."""
    if named := os.environ.get("PERFKIT_DB"):
        return Path(named).expanduser()
    data = os.environ.get("XDG_DATA_HOME", "")
    home = Path(data) if Path(data).is_absolute() else Path("~/.local/share").expanduser()
    return home / "perfkit" / "perfkit.db"


def existing(path: Path) -> Path:
    """`path`, if a file is there; raises BadInput where a database would have to be made first."""
    if not path.is_file():
        raise BadInput(f"there is no database {path}; make it with `perfkit import`, or name another with --db.")
    return path


def open_database(path: Path, *, read_only: bool = False, busy_ms: int = BUSY_MS) -> sqlite3.Connection:
    """A connection to the database at `path`; one that is missing is made, with its folder, unless `read_only`.

    In autocommit mode: write inside `transaction`. Foreign keys are on. A statement waits `busy_ms` for another writer.
    Raises BadInput for a file that is no perfkit database or is newer than this perfkit, Failed where it cannot be opened or written.
    """
    with sentences(path):
        if read_only:
            con = _connect(f"{existing(path).absolute().as_uri()}?mode=ro", busy_ms)
        else:
            _make_folder(path)
            con = _connect(path.absolute().as_uri(), busy_ms)
        try:
            _check(con, path, read_only)
        except BaseException:
            con.close()
            raise
        return con


@contextmanager
def transaction(con: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All of the block or nothing of it; waits for another writer at the start, not at the end."""
    con.execute("BEGIN IMMEDIATE")
    try:
        yield con
    except BaseException:
        if con.in_transaction:
            con.execute("ROLLBACK")
        raise
    con.execute("COMMIT")


@contextmanager
def sentences(path: Path) -> Iterator[None]:
    """SQLite's errors of the block as one sentence each."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        for start, sentence in _SENTENCES.items():
            if code.startswith(start):
                raise Failed(sentence.format(path=path, error=error)) from error
        if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or "decode to UTF-8" in str(error):  # a text that we did not write
            raise BadInput(f"{path} is not a perfkit database, or it is damaged ({error}); name another with --db.") from error
        raise


_SENTENCES = {
    "SQLITE_BUSY": "{path} is locked by another writer; wait for it to finish, then run this again.",
    "SQLITE_LOCKED": "{path} is locked by another writer; wait for it to finish, then run this again.",
    "SQLITE_READONLY": "{path} cannot be written: the file or its folder is read-only; change its permissions or name another with --db.",
    "SQLITE_CANTOPEN": "{path} cannot be opened; check that its folder exists and that you may write there, or name another with --db.",
    "SQLITE_FULL": "no space is left for {path}; nothing was changed; free some space or name another place with --db.",
    "SQLITE_IOERR": "reading or writing {path} failed; nothing was changed; check the disk and its free space.",
    "SQLITE_ERROR": "{path} cannot be read or written as it is ({error}); another program may have changed it: name another with --db.",
    "SQLITE_PERM": "{path} cannot be opened: permission denied; change its permissions or name another with --db.",
}


def _connect(uri: str, busy_ms: int) -> sqlite3.Connection:
    con = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=busy_ms / 1000, check_same_thread=False)
    con.execute("PRAGMA foreign_keys = ON")
    con.execute("PRAGMA synchronous = NORMAL")
    con.execute("PRAGMA cache_size = -65536")
    return con


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Failed(f"the database {path} cannot be made: {reason(error)}; name another place with --db.") from error


def _check(con: sqlite3.Connection, path: Path, read_only: bool) -> None:
    (application,) = con.execute("PRAGMA application_id").fetchone()
    (version,) = con.execute("PRAGMA user_version").fetchone()
    empty = application == 0 and version == 0 and not con.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    if not empty and application != schema.APPLICATION_ID:
        raise BadInput(f"{path} is a database, but not one of perfkit's; name another with --db.")
    if version > schema.VERSION:
        raise BadInput(f"{path} has schema version {version}, newer than this perfkit knows ({schema.VERSION}); use a newer perfkit.")
    if empty:
        _create(con)
    elif version < schema.VERSION or not _has_all(con):
        if read_only:
            raise BadInput(
                f"{path} has the older schema version {version}; any command that writes, such as `perfkit import`, brings it up to date."
            )
        _bring_up_to_date(con)


def _create(con: sqlite3.Connection) -> None:
    con.execute("PRAGMA page_size = 8192")
    con.execute("PRAGMA auto_vacuum = INCREMENTAL")
    con.execute("PRAGMA journal_mode = WAL")
    with transaction(con):
        if con.execute("PRAGMA user_version").fetchone() == (0,):  # else another process was faster
            _run_script(con, schema.ddl())
            con.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            con.execute(f"PRAGMA user_version = {schema.VERSION}")


def _has_all(con: sqlite3.Connection) -> bool:
    """Whether the database has every table and column that this perfkit's catalog has; it may have more, of a newer one."""
    return not any(part.kind in ("table", "column") for part in _lacking(con))


def missing_parts(con: sqlite3.Connection) -> list[str]:
    """Tables, columns, views and indexes of a new database that this one does not have: "table runs", "column host_metrics.cpu_user"."""
    return [f"{part.kind} {part.name}" for part in _lacking(con)]


class _Part(NamedTuple):
    """A table, index or view of a new database, or a column ("runs.label"), and the statement that makes it."""

    kind: str
    name: str
    statement: str


def _lacking(con: sqlite3.Connection) -> list[_Part]:
    """What this database lacks of a new one, in an order in which it can be made."""
    there = {name for (name,) in con.execute("SELECT name FROM sqlite_master")}
    parts, columns = _parts_of_new()
    found = [part for part in parts if part.name not in there]
    for table in there & set(columns):
        known = _columns_of(con, table)
        found += [
            _Part("column", f"{table}.{name}", f"ALTER TABLE {table} ADD COLUMN {declared}")
            for name, declared in columns[table].items()
            if name not in known
        ]
    return sorted(found, key=lambda part: (part.kind == "view", part.kind == "index", part.kind, part.name))


@cache
def _parts_of_new() -> tuple[list[_Part], dict[str, dict[str, str]]]:
    """Tables, indexes and views of a new database; and each table's columns with what declares them in an ALTER TABLE."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as con:
        con.executescript(schema.ddl())
        parts = [_Part(*row) for row in con.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")]
        return parts, {part.name: _columns_of(con, part.name) for part in parts if part.kind == "table"}


def _columns_of(con: sqlite3.Connection, table: str) -> dict[str, str]:
    """The table's columns with their declarations; empty where there is no such table."""
    declared = con.execute('SELECT name, type, "notnull", dflt_value FROM pragma_table_info(?)', (table,)).fetchall()
    return {
        name: f'"{name}" {type_}{" NOT NULL" if not_null else ""}{"" if default is None else f" DEFAULT {default}"}'
        for name, type_, not_null, default in declared
    }


def _bring_up_to_date(con: sqlite3.Connection) -> None:
    """Add what the catalog has and the database lacks, then run the scripts from its version on, all in one transaction."""
    with transaction(con):
        (version,) = con.execute("PRAGMA user_version").fetchone()  # another process may have been faster
        grown = _grow(con)
        for step in range(version, schema.VERSION):
            _run_script(con, sql.read("perfkit.store", f"migrations/{step}.sql"))
            if step == 2:
                for (collector_id,) in con.execute("SELECT id FROM collectors").fetchall():
                    runs.refresh(con, collector_id)
        for table in grown:  # the copies by column lack the new ones
            con.execute("DELETE FROM segments WHERE table_name || '_metrics' = ?", (table,))
        con.execute(f"PRAGMA user_version = {schema.VERSION}")


def _grow(con: sqlite3.Connection) -> list[str]:
    """Make what is missing, and views as they are now; the tables that got a column."""
    for part in _parts_of_new()[0]:
        if part.kind == "view":
            con.execute(f"DROP VIEW IF EXISTS {part.name}")
    missing = _lacking(con)
    for part in missing:
        con.execute(part.statement)
    return sorted({part.name.partition(".")[0] for part in missing if part.kind == "column"})


def _run_script(con: sqlite3.Connection, script: str) -> None:
    """Run the statements of `script` within the open transaction, which sqlite3's own executescript would commit."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            con.execute(statement)
            statement = ""
