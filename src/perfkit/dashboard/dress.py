"""How Datasette's own pages show a value: instants as text, numbers rounded, long texts folded. A plugin next to plugin.py's.

looks.js shows the instants in the zone of the page.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from datasette import hookimpl

from perfkit.units import iso

if TYPE_CHECKING:
    from perfkit.dashboard.site import Dashboard

# Columns of milliseconds since the epoch, also behind min() or max(); and the instants that can be meant, 2000 to 2100.
_INSTANT = re.compile(r"(^|[_(])(timestamp|minute|bucket|since|until)\)?$|_at\)?$")
_INSTANTS = range(946_684_800_000, 4_102_444_800_000)
_DIGITS = 4
_LONG = 120


@hookimpl
def render_cell(value: Any, column: str, datasette: Dashboard) -> Any:
    """Markup for what is easier to read another way, None for the rest. What is rounded is whole on a hover, what is folded on a click."""
    if isinstance(value, int) and value in _INSTANTS and _INSTANT.search(column):
        return _cells(datasette.jinja_env).instant(value, iso(value), _text(value))
    if isinstance(value, (int, float)):
        return _cells(datasette.jinja_env).number(value, _rounded(value) if isinstance(value, float) else value)
    if isinstance(value, str) and len(value) > _LONG:
        return _cells(datasette.jinja_env).long(value[:_LONG], _indented(value))
    return None


@cache
def _cells(environment: Any) -> Any:
    """The macros of templates/perfkit/cells.html. Datasette's environment is asynchronous, a cell is not."""
    return environment.overlay(enable_async=False).get_template("perfkit/cells.html").module


def _text(milliseconds: int) -> str:
    """ "2026-01-01 00:00:01.001 UTC"; without the fraction where there is none."""
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S}{f'.{milliseconds % 1000:03}' if milliseconds % 1000 else ''} UTC"


def _rounded(value: float) -> str:
    """Four significant figures, all digits before the point, no exponent: "18.04", "5060", "0.001234"."""
    if not isfinite(value):
        return str(value)
    if abs(value) >= 10 ** (_DIGITS - 1):
        return f"{value:.0f}"
    text = f"{float(f'{value:.{_DIGITS}g}'):.12f}"
    return text.rstrip("0").rstrip(".")


def _indented(value: str) -> str:
    """JSON with a key per line, any other text as it is."""
    try:
        return json.dumps(json.loads(value), indent=1, ensure_ascii=False)
    except ValueError:
        return value
