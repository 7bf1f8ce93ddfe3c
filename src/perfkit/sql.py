"""Reading the .sql files of perfkit's packages. Desk tier."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def read(package: str, name: str) -> str:
    """The text of the file `name` ("sql/components/cpu.sql") of `package` ("perfkit.process")."""
    return resources.files(package).joinpath(*name.split("/")).read_text("utf-8")
