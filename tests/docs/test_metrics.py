"""The generated pages say what the code says, and every file that the docs point to is there."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib

from perfkit.catalog import TABLES
from support.running import ENVIRONMENT, PATIENT, line_with, perfkit

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


DEFINED = tomllib.loads((ROOT / "scripts" / "pages" / "definitions.toml").read_text())
GENERATED = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["PAGES"]


@pytest.mark.parametrize("name", list(GENERATED))
def test_a_generated_page_is_as_the_code_has_it(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == GENERATED[name](), "run scripts/reference.py"


def test_every_column_is_defined_and_not_by_its_label_again() -> None:
    columns = {(table.name, column.name): column for table in TABLES for column in table.columns}
    defined = {(table, name): text for table, texts in DEFINED.items() for name, text in texts.items()}
    inherited = {key for key in columns if key[0] == "services" and ("containers", key[1]) in defined}
    assert set(columns) - inherited == set(defined)
    assert [key for key, text in defined.items() if text.lower() == columns[key].label.lower()] == []


def test_the_tutorial_shows_what_collect_and_preflight_print(tmp_path: Path) -> None:
    """What is measured is the machine's own: digits count as one, and of a check its state and name."""
    told, proof, certificate, *_ = re.findall(r"```text\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(), re.DOTALL)
    command = [sys.executable, "-m", "perfkit", "collect", "before.json.gz", "--duration", "30m"]
    with subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        try:
            said = line_with(process.stderr, "Recording into")
            done = perfkit("preflight", "before.json.gz", *PATIENT, "--", "sleep", "1", cwd=tmp_path)
        finally:
            process.terminate()
            process.communicate()
    assert re.sub(r"\d+", "0", said) == re.sub(r"\d+", "0", told)
    ours, shown = ([head_of(line) for line in text.splitlines()] for text in (done.stdout, proof + certificate))
    assert ours == shown, done.stderr


def head_of(line: str) -> str:
    """The name of a check, whatever its state here; of another line its first words."""
    return re.sub(r"^(ok|warn|fail) +|\d.*", "", line)[:10]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_site_has_every_page() -> None:
    listed = re.findall(r": ([\w-]+\.md)$", (ROOT / "scripts" / "mkdocs.yml").read_text(), re.M)
    assert sorted(listed) == sorted(["index.md", "security.md", *(page.name for page in PAGES if page.name != "README.md")])
