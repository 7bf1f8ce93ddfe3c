"""Where the pages' scripts, styles and templates lie, and the digest that names their version in URLs."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from pathlib import Path

from perfkit.errors import Failed

CHART_LIBRARY = ("uplot.iife.min.js", "uplot.min.css")

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def folder(name: str) -> Path:
    """The package's folder `name`. Datasette opens files by path, so that the package must lie unpacked on disk."""
    return Path(str(resources.files("perfkit.dashboard").joinpath(name)))


def chart_library() -> Path:
    """The folder with uPlot: in the package where it was built, in the build folder of a checkout. Raises Failed without one."""
    package = folder("static/vendor")
    checkout = folder("static").parents[3] / "build" / "static" / "uplot"
    for place in (package, checkout):
        if all((place / name).is_file() for name in CHART_LIBRARY):
            return place
    raise Failed("the dashboard's chart library is missing; run `python3 build_zipapp.py` once in this checkout.")


@cache
def version() -> str:
    """Ten hexadecimal digits that change with any file under static/ or the chart library."""
    digest = hashlib.sha256()
    for place in (folder("static"), chart_library()):
        for path in sorted(p for p in place.rglob("*") if p.is_file()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:10]


def mounts() -> list[tuple[str, str]]:
    """Datasette's static mounts, the more specific first."""
    return [(f"assets/{version()}/vendor", str(chart_library())), (f"assets/{version()}", str(folder("static")))]


@cache
def datasette_script_hashes() -> tuple[str, ...]:
    """CSP sources of the inline scripts in Datasette's own pages, so that these alone may run there."""
    templates = Path(str(resources.files("datasette").joinpath("templates")))
    scripts = [
        script
        for name in ("_close_open_menus.html", "_codemirror_foot.html", "table.html")
        for script in _INLINE_SCRIPT.findall((templates / name).read_text("utf-8"))
    ]
    # The one script with a variable; facets are allowed, so this is what it becomes.
    rendered = (script.replace("{{ datasette_allow_facet }}", "true") for script in scripts)
    return tuple(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in rendered)
