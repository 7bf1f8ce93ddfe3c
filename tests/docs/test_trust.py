"""What strangers look at first is there, and says the same as the program."""

from __future__ import annotations

import re
from pathlib import Path

from perfkit import __version__
from perfkit.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


def test_the_changelog_keeps_its_form_and_its_newest_release_is_this_one() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    titles = re.findall(r"^## (.+)$", text, re.M)
    assert titles[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", title) for title in titles[1:])
    assert titles[1].startswith(f"[{__version__}] ")
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= kinds


def test_the_changelog_names_every_command() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert [name for name in COMMANDS if not re.search(rf"`(perfkit )?{name}\b", text)] == []


def test_templates_ask_for_what_the_program_prints() -> None:
    bug = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.md").read_text()
    assert set(re.findall(r"perfkit\.pyz (--)?(\w+)", bug)) == {("--", "version"), ("", "doctor")}
    for template in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"):
        assert re.match(r"---\nname: .+\nabout: .+\nlabels: \w+\n---\n", template.read_text()), template.name


def test_files_that_other_files_name_are_there() -> None:
    """Links of the pages at the top, and the papers that pull requests and reports are about."""
    for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", ".github/pull_request_template.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())
        assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == [], page
    assert "SECURITY.md" in (ROOT / "CONTRIBUTING.md").read_text()
