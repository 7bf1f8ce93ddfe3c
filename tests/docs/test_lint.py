"""What is not Python keeps to its rules: SQL is parsed by its engine, JavaScript and CSS pass biome, templates are whole."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest
from jinja2 import Environment, TemplateSyntaxError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "perfkit"
TEMPLATES = sorted((SOURCE / "dashboard" / "templates").rglob("*.html"))
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


def filled(text: str) -> str:
    """The text with a name for each {placeholder} that perfkit fills in."""
    text = re.sub(r"\{\{\{\w+\}\}\}", "{{'filled': 'VARCHAR'}}", text)
    return re.sub(r"\{\w*\}", "filled", text).replace("{{", "{").replace("}}", "}")


def duckdb_complaint(text: str) -> str:
    try:
        return "" if duckdb.extract_statements(filled(text)) else "no statement"
    except duckdb.ParserException as error:
        return str(error)


def sqlite_statements(text: str) -> Iterator[str]:
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if re.sub(r"--.*", "", statement).strip():
        yield statement


def sqlite_complaint(text: str) -> str:
    """SQLite resolves names after it has parsed the whole statement: a missing table says that the syntax is right."""
    with sqlite3.connect(":memory:") as con:
        for statement in sqlite_statements(filled(text)):
            try:
                con.execute("EXPLAIN " + re.sub(r"^(\s|--.*\n)+", "", statement))
            except sqlite3.ProgrammingError:
                pass  # its parameters have no values
            except sqlite3.OperationalError as error:
                if re.search(r"syntax error|incomplete input|unrecognized token", str(error)):
                    return str(error)
    return ""


NOT_HERE = {
    "store/postgresql": "run by tests/store/test_postgres.py, on its engine",
    "process/sql/summaries/found_in.sql": "pieces of SQL fill its places; run by tests/process/test_findings.py",
    "dashboard/queries/finding.sql": "pieces of SQL fill its places; run by tests/dashboard/test_findings.py",
}
# Whose SQL a file or a folder has; the first that fits.
ENGINES = dict.fromkeys(("compare/sql", "lake/sql/days.sql"), sqlite_complaint)
ENGINES |= dict.fromkeys(("dashboard/queries/fleet_table.sql", "lake/sql", "process/sql"), duckdb_complaint)
ENGINES |= dict.fromkeys(("loadtools/sql/duckdb", "store/duckdb"), duckdb_complaint)
ENGINES |= dict.fromkeys(("dashboard/queries", "loadtools/sql/sqlite", "store/sqlite", "store/migrations"), sqlite_complaint)


def test_every_sql_file_is_parsed_by_its_engine() -> None:
    found = {}
    for path in sorted(SOURCE.rglob("*.sql")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(tuple(NOT_HERE)):
            complaint = next(engine for place, engine in ENGINES.items() if name.startswith(place))
            found[name] = complaint(path.read_text())
    assert {name: said for name, said in found.items() if said} == {}


@pytest.mark.parametrize("complaint", [duckdb_complaint, sqlite_complaint])
def test_sql_that_is_wrong_is_seen(complaint: object) -> None:
    assert callable(complaint)
    assert complaint("SELECT x FROM {table} WHERE a = 1;\n-- so\nSELECT 2;\n") == ""
    assert complaint("SELECT x FROM y;\nSELECT x FORM {table} WHERE;\n")


def test_javascript_and_css_pass_biome() -> None:
    if subprocess.run(["scripts/biome.sh", "--fetch"], cwd=ROOT, capture_output=True, check=False).returncode == 3:
        pytest.skip("biome is not here and cannot be fetched (npm, Linux on x86_64): JavaScript and CSS were not checked")
    done = subprocess.run(["scripts/biome.sh"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Tags(HTMLParser):
    """Which elements of a template are not closed where they should be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.wrong += [f"line {self.getpos()[0]}: <{tag}> has {name} twice" for name in set(names) if names.count(name) > 1]
        self.wrong += [f"line {self.getpos()[0]}: <{tag}> has a handler of its own, {name}" for name in names if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"line {self.getpos()[0]}: </{tag}> closes nothing")


def first_branches(text: str) -> str:
    """The template without its statements, and without what stands behind an `else` or `elif`."""
    kept, left = [], [False]
    for piece in re.split(r"(\{%.*?%\})", text, flags=re.S):
        word = re.match(r"\{%-?\s*(\w+)", piece)
        if not word:
            kept += [] if any(left) else [piece]
        elif word[1] in ("if", "for"):
            left.append(False)
        elif word[1] in ("else", "elif"):
            left[-1] = True
        elif word[1] in ("endif", "endfor"):
            left.pop()
    return "".join(kept)


def template_complaints(text: str) -> list[str]:
    try:
        Environment(autoescape=True).parse(text)
    except TemplateSyntaxError as error:
        return [f"line {error.lineno}: {error.message}"]
    tags = Tags()
    tags.feed(re.sub(r"\{\{.*?\}\}", "", first_branches(re.sub(r"\{#.*?#\}", "", text, flags=re.S)), flags=re.S))
    return [*tags.wrong, *(f"<{tag}> is not closed" for tag in tags.open)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_is_whole(path: Path) -> None:
    assert template_complaints(path.read_text()) == []


@pytest.mark.parametrize("text", ["<p>{% if x %}</p>", "<p><b></p>", "<p id=a id=b></p>", "<p onclick=x></p>", "{{ x", "<p>"])
def test_a_template_that_is_wrong_is_seen(text: str) -> None:
    assert template_complaints(text)
