"""The dashboard: a Datasette with perfkit's pages in front of it. Reads the database, writes nothing to it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


def _load_less() -> None:
    """Keep Datasette from loading what takes two thirds of its start and is never used here.

    Its registry of physical units serves columns that metadata gives a unit, and there are none; httpx does without its command line.
    """
    units: Any = ModuleType("datasette.vendored.pint")
    units.UnitRegistry = lambda: None
    loaded: dict[str, Any] = sys.modules
    loaded.setdefault("datasette.vendored.pint", units)
    loaded.setdefault("httpx._main", None)


_load_less()
