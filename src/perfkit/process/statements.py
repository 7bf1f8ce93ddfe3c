"""The SQL of this package, by name."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def statement(name: str) -> str:
    """The text of sql/<name>.sql."""
    return resources.files("perfkit.process").joinpath("sql", f"{name}.sql").read_text("utf-8")
