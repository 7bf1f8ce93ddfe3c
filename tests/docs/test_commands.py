"""Every command line that a page shows is one that perfkit understands: its commands, options and the number of its arguments."""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from perfkit.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
_PROGRAM = re.compile(r"(?:^|(?<=[\s;&|(]))(?:perfkit|[\w./~-]*perfkit\.pyz)(?= )")
_STARTS = re.compile(r"python3 perfkit\.pyz [a-z]")
_OTHERS = ("scp ", "install ", "cp ", "unzip ", "sha256sum ", "Usage: ")  # commands whose file perfkit.pyz is; and the forms in cli.md


def shown(text: str) -> Iterator[str]:
    """What stands behind `perfkit` or `perfkit.pyz` in blocks and inline code: "collect --duration 30m"."""
    text = text.replace("\\\n", " ")
    code = [
        line.strip()
        for line in re.findall(r"^ {4}.*", text, re.M) + [b for a in re.findall(r"^```.*?^```", text, re.M | re.S) for b in a.splitlines()]
    ]
    code += re.findall(r"`([^`\n]+)`", text)
    for line in code:
        for found in _PROGRAM.split(line)[1:] if not line.startswith(_OTHERS) else ():
            command = re.split(r"\s[#&|<>;]|;|\s{2,}|\)$", found.strip())[0].strip()
            name, _, more = command.partition(" ")
            if (name in COMMANDS and more) or _STARTS.match(line):
                yield command


def complaint(words: list[str]) -> str:
    """What perfkit's command line has against `words`, "" for nothing. Nothing is run."""
    if words[0] not in COMMANDS:
        return f"no command {words[0]}"
    command = typer.main.get_command(importlib.import_module(COMMANDS[words[0]][1]).app)
    context, rest = click.Context(command), words[1:]
    try:
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            _, found, rest = command.resolve_command(context, rest)
            if found is None:
                return f"no command {rest}"
            command = found
        if not {"-h", "--help"} & set(rest):
            command.make_context(words[0], rest)
    except click.exceptions.Exit:
        return ""
    except click.UsageError as error:
        return error.format_message()
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_understood(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    wrong = []
    for line in shown(page.read_text()):
        words = shlex.split(line)
        if words and not words[0].startswith("-") and (said := complaint(words)):
            wrong.append(f"{line}: {said}")
    assert wrong == []


def test_a_command_that_is_not_understood_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = "    python3 perfkit.pyz collect --durations 30m  # so\n\nor `python3 perfkit.pyz serv --open`, `perfkit compare vm-a@1`\n"
    assert [bool(complaint(shlex.split(line))) for line in shown(text)] == [True, True, False]
    assert list(shown(text)) == ["collect --durations 30m", "serv --open", "compare vm-a@1"]
