"""What mkdocs does not know of our pages: README.md is the first one, and links to files of the repository have no target on the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Any, config: Any) -> Any:
    """README.md as index.md, its links seen from docs/."""
    text = (ROOT / "README.md").read_text().replace("](docs/", "](")
    files.append(File.generated(config, "index.md", content=re.sub(r"\[([^\]]+)\]\([A-Z]+\.md\)", r"\1", text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A link out of docs/ becomes its text."""
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", markdown)
