"""One script a page: its module and those that it imports, in one file, because a dozen small requests take longer than one.

The modules keep to three forms, of which this is all there is to know: `import { a, b as c } from "./name.js";`,
`import * as name from "./name.js";`, and `export` before a function, class or const.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from perfkit.errors import Failed

_IMPORT = re.compile(r'^import (?:\* as (?P<whole>[\w$]+)|\{ (?P<names>[^}]+) \}) from "\./(?P<module>\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (?P<name>[\w$]+))", re.MULTILINE)


def bundle(page: str, modules: Mapping[str, str]) -> str:
    """The script of `page` out of {module: text}: a function a module, after those that it imports. Raises Failed for another form."""
    return '"use strict";\n' + "".join(_function(name, modules[name]) for name in _in_order(page, modules))


def _in_order(name: str, modules: Mapping[str, str]) -> list[str]:
    """`name` and what it imports, each once, behind its imports."""
    found: dict[str, None] = {}
    for match in _IMPORT.finditer(modules[name]):
        found |= dict.fromkeys(_in_order(match["module"], modules))
    return [*found, name]


def _function(name: str, text: str) -> str:
    body = _EXPORT.sub("", _IMPORT.sub(_local, text))
    if strange := re.search(r"^(import|export)\b.*$", body, re.MULTILINE):
        raise Failed(f"{name}.js has {strange[0]!r}, which the bundle does not know.")
    exported = ", ".join(match["name"] for match in _EXPORT.finditer(text))
    return f"const {name}$ = (() => {{\n{body}return {{ {exported} }};\n}})();\n"


def _local(match: re.Match[str]) -> str:
    """An import as a constant of the module's own."""
    wanted = match["whole"] or "{ " + match["names"].replace(" as ", ": ") + " }"
    return f"const {wanted} = {match['module']}$;"
