"""Which way imports go: every room knows those before it in the list, and nothing behind it; no module imports itself through others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from perfkit.commands import DESK_MODULES

SOURCE = Path(__file__).parents[1] / "src"
# docs/architecture.md shows the same order. The first line is the target tier, where nothing of the desk tier may be known.
TARGET = ("errors", "units", "commands", "collection", "bootstrap", "apikey", "originals", "collect", "preflight")
DESK = (
    "catalog",
    "sql",
    "files",
    "drivers",
    "web",
    "process",
    "store",
    "lake",
    "compare",
    "loadtools",
    "receive",
    "dashboard",
    "mcp",
    "serve",
)
ROOMS = (*TARGET, *DESK, "cli", "__main__")


@cache
def modules() -> dict[str, Path]:
    found = {}
    for path in (SOURCE / "perfkit").rglob("*.py"):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(module: str, *, at_start: bool) -> Iterator[str]:
    """perfkit's modules that `module` imports; with `at_start` those alone that are imported when it is."""
    tree = ast.parse(modules()[module].read_text())
    nodes = ast.walk(tree) if not at_start else (node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                found = name if name in modules() else node.module
                if found in modules():
                    yield found


def room(module: str) -> str:
    return [*module.split("."), ""][1]


def test_every_room_has_its_place() -> None:
    assert {room(module) for module in modules()} - {""} == set(ROOMS)
    assert set(DESK) == set(DESK_MODULES)


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_knows_nothing_of_those_behind_it(name: str) -> None:
    known = set(ROOMS[: ROOMS.index(name) + 1]) | {""}
    upward = {
        f"{module} -> {other}"
        for module in modules()
        if room(module) == name
        for other in imports(module, at_start=False)
        if room(other) not in known
    }
    assert not upward


def test_no_module_imports_itself_through_others() -> None:
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above[above.index(module) :], module])
        if module not in done:
            for other in set(imports(module, at_start=True)) - {module}:
                visit(other, (*above, module))
            done.add(module)

    for module in modules():
        visit(module, ())
