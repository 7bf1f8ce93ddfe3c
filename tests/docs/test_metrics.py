"""The reference of the columns says what the catalog says, and every file that the docs point to is there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_reference_of_columns_is_the_catalogs() -> None:
    document = runpy.run_path(str(ROOT / "scripts" / "metrics_doc.py"))["document"]
    assert (ROOT / "docs" / "metrics.md").read_text() == document(), "run scripts/metrics_doc.py"


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
