"""What every file keeps to: the linters' rules, one format, strict types. Each tool's own output says what is wrong."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from perfkit.commands import of_desk

ROOT = Path(__file__).resolve().parents[1]


def check(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"NO_COLOR": "1"})
    assert done.returncode == 0, done.stdout + done.stderr


def test_python_follows_the_lint_rules() -> None:
    check(sys.executable, "-m", "ruff", "check", "--output-format", "concise", ".")


def test_python_is_formatted() -> None:
    check(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_types_are_complete_and_agree() -> None:
    check(sys.executable, "-m", "mypy")


def test_the_target_tier_is_written_for_python_3_9() -> None:
    """ruff knows the syntax of each version; the desk tier may use newer."""
    source = ROOT / "src" / "perfkit"
    tier = [path for path in source.rglob("*.py") if not of_desk(path.relative_to(source.parent).as_posix())]
    check(
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "E9,F821",
        "--target-version",
        "py39",
        *map(str, tier),
    )


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed: the shell scripts were not checked")
def test_shell_scripts_pass_shellcheck() -> None:
    check("shellcheck", *map(str, ROOT.glob("scripts/*.sh")), str(ROOT / "completions" / "perfkit.bash"), str(ROOT / ".ci" / "run"))


@cache
def modules() -> dict[Path, ast.Module]:
    """The product's, parsed."""
    return {path: ast.parse(path.read_text()) for path in ROOT.glob("src/**/*.py")}


def test_html_stands_in_templates() -> None:
    """Not in Python strings: those would be neither highlighted nor escaped nor found."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in ROOT.glob("src/**/*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"<(div|span|html|body|form|svg|td|tr)\b", line)
    ]
    assert not found


def test_statements_of_more_than_three_lines_stand_in_sql_files() -> None:
    """A look-up stays where it is used."""
    statement = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|COPY|FROM|ALTER|ATTACH|DROP)\b")
    found = []
    for path, module in modules().items():
        for node in ast.walk(module):
            if isinstance(node, (ast.Constant, ast.JoinedStr)) and node.end_lineno - node.lineno >= 3 and statement.match(_text_of(node)):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found


def _text_of(node: ast.expr) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in parts)


def test_nothing_is_left_for_later() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|pytest\.mark\.xfail")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("src", "tests", "scripts")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql", ".js", ".css", ".html", ".sh"} and path != Path(__file__)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if unfinished.search(line)
    ]
    assert not found


def test_every_benchmark_finds_what_it_imports() -> None:
    """No test runs them, so that nothing else would tell."""
    program = "import runpy, sys\nfor name in sys.argv[1:]:\n    runpy.run_path(name, run_name='benchmark')"
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"}
    subprocess.run([sys.executable, "-c", program, *map(str, sorted(ROOT.glob("tests/bench/*.py")))], env=environment, check=True)


def test_a_class_has_a_name_of_its_own() -> None:
    """What a reader searches for is one thing; a class that no other module sees (_Name) may be called as it likes."""
    names = Counter(
        node.name
        for module in modules().values()
        for node in module.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, times in names.items() if times > 1] == []
