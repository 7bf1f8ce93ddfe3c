"""Where an import goes: a SQLite file or a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from perfkit.store.database import default_path
from perfkit.store.importing import Imported, import_input

POSTGRES = ("postgresql://", "postgres://")


def resolve(db: str | None) -> Path | str:
    """The path of a SQLite file, or a PostgreSQL URL as it is; the default database for None."""
    if not db:
        return default_path()
    return db if db.startswith(POSTGRES) else Path(db).expanduser()


def import_into(
    target: Path | str,
    path: Path,
    *,
    collector_name: str | None = None,
    site_name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """`importing.import_input`, into either kind of database."""
    if isinstance(target, Path):
        return import_input(target, path, collector_name=collector_name, site_name=site_name, progress=progress)
    from perfkit.store import postgres

    return postgres.import_input(target, path, collector_name=collector_name, site_name=site_name, progress=progress)
