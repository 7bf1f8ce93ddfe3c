"""The generated pages say what the code says, and every file that the docs point to is there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


GENERATED = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["PAGES"]


@pytest.mark.parametrize("name", list(GENERATED))
def test_a_generated_page_is_as_the_code_has_it(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == GENERATED[name](), "run scripts/reference.py"


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_site_has_every_page() -> None:
    listed = re.findall(r": ([\w-]+\.md)$", (ROOT / "scripts" / "mkdocs.yml").read_text(), re.M)
    assert sorted(listed) == sorted(["index.md", "security.md", *(page.name for page in PAGES if page.name != "README.md")])
