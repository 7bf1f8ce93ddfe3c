"""What mkdocs does not know of our pages: README.md is the first, SECURITY.md one too; links to other files lead nowhere on the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Any, config: Any) -> Any:
    """README.md as index.md and SECURITY.md as security.md, their links seen from docs/."""
    for source, name in (("README.md", "index.md"), ("SECURITY.md", "security.md")):
        text = (ROOT / source).read_text().replace("](docs/", "](").replace("](SECURITY.md)", "](security.md)")
        files.append(File.generated(config, name, content=re.sub(r"\[([^\]]+)\]\([A-Z]+\.md\)", r"\1", text)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A link out of docs/ becomes its text."""
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", markdown)
