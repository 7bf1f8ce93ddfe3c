"""Older databases, brought up to date: <N>.sql leads from schema version N to N + 1."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources

from perfkit.catalog import TABLES
from perfkit.store import schema


def statements(version: int) -> str:
    """The script that leads from `version` to the next one."""
    return resources.files(__name__).joinpath(f"{version}.sql").read_text("utf-8")


def added_columns(con: sqlite3.Connection) -> Iterator[str]:
    """What adds the columns that the catalog has got since the database's metric tables were made."""
    for table in TABLES:
        wanted = {table.database_name: [f'"{c.name}" {c.type}' for c in table.values]}
        wanted |= {f"{table.database_name}_{level}": list(schema.rollup_columns(table)) for level in schema.LEVELS}
        for name, columns in wanted.items():
            there = {row[1] for row in con.execute(f"PRAGMA table_info({name})")}
            yield from (f"ALTER TABLE {name} ADD COLUMN {column}" for column in columns if column.split()[0].strip('"') not in there)
