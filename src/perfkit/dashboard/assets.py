"""Where the pages' scripts, styles and templates lie, and the digest that names their version in URLs."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from datasette.utils.asgi import NotFound, Response

from perfkit.errors import Failed

CHART_LIBRARY = ("uplot.iife.min.js", "uplot.min.css")

_TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
# What every page runs before it is painted and after that, and the module that needs the chart library.
_EARLY, _EVERYWHERE, _DRAWS = "scheme.js", "looks.js", "chart.js"
_IMPORT = re.compile(r'^(?:import|}).* from "\./([\w.]+)";$', re.MULTILINE)
_BETWEEN = re.compile(r'((?:from|import\() ?")\./([\w.]+")')
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


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    type: str
    content: bytes
    packed: bytes


@cache
def files() -> dict[str, Asset]:
    """Every file under /assets/VERSION/ by its path there: the modules, the chart library, styles, the icon."""
    static, library = folder("static"), chart_library()
    contents = {path.name: path.read_bytes() for path in static.iterdir() if path.is_file()}
    dress = contents.pop("dress.css")
    contents["perfkit.css"] = (library / "uplot.min.css").read_bytes() + dress + contents["perfkit.css"]
    contents["datasette.css"] = dress + contents["datasette.css"]
    contents["uplot.js"] = (library / "uplot.iife.min.js").read_bytes()
    return {name: Asset(_TYPES[name.rpartition(".")[2]], content, gzip.compress(content, 9)) for name, content in contents.items()}


@dataclass(frozen=True)
class Scripts:
    """What a page runs, by its path under /assets/VERSION/.

    `early` is run before the page is painted, then `library` ("" without charts), then the modules in `run`; `preload` are all modules
    that these import, so that the browser fetches them at once instead of one import after the other.
    """

    early: str
    library: str
    run: tuple[str, ...]
    preload: tuple[str, ...]


@cache
def scripts(page: str) -> Scripts:
    """The scripts of `page`; a page without a module of its name has what every page has."""
    run = (_EVERYWHERE, *([f"{page}.js"] if f"{page}.js" in files() else []))
    preload = with_imports(run)
    return Scripts(_EARLY, "uplot.js" if _DRAWS in preload else "", run, preload)


def with_imports(modules: tuple[str, ...]) -> tuple[str, ...]:
    """`modules` and what they import, directly or through others, each once."""
    found = dict.fromkeys(modules)
    waiting = list(modules)
    while waiting:
        text = files()[waiting.pop()].content.decode()
        new = [one for one in _IMPORT.findall(text) if one not in found]
        found |= dict.fromkeys(new)
        waiting += new
    return tuple(found)


@dataclass(frozen=True)
class Inline:
    """A page's scripts and styles for a file of its own: `imports` is an import map with every module that report.js runs."""

    style: str
    early: str
    library: str
    imports: str


@cache
def inline(page: str) -> Inline:
    """What `page` runs, as text that stands in the page. The modules call one another by the names of the import map."""
    found = {name: one.content.decode() for name, one in files().items() if name.endswith((".js", ".css"))}
    names = with_imports(("report.js", _EVERYWHERE, f"{page}.js"))
    modules = {f"perfkit/{name}": _as_data(_BETWEEN.sub(r"\1perfkit/\2", found[name])) for name in names}
    return Inline(found["perfkit.css"], found[_EARLY], found["uplot.js"], json.dumps({"imports": modules}))


def _as_data(module: str) -> str:
    return f"data:text/javascript;charset=utf-8;base64,{base64.b64encode(module.encode()).decode()}"


async def asset(request: Any) -> Response:
    """A file of this version; another version's URL is not found, so that no cache mixes two."""
    found = files().get(request.url_vars["path"]) if request.url_vars["version"] == version() else None
    if found is None:
        raise NotFound("There is no such file.")
    packed = "gzip" in (request.headers.get("accept-encoding") or "")
    headers = {
        "cache-control": "max-age=31536000, immutable",
        "vary": "accept-encoding",
        **({"content-encoding": "gzip"} if packed else {}),
    }
    return Response(found.packed if packed else found.content, headers=headers, content_type=found.type)


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
