#!/usr/bin/env python3
"""Write completions/ for bash, zsh and fish: `PYTHONPATH=src python3 scripts/completions.py`. A test checks that it was done.

The commands, their options and choices are read from perfkit.commands and from the commands themselves, so that pressing Tab starts no
Python. They complete the words `perfkit` and `perfkit.pyz`.
"""

from __future__ import annotations

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import typer

from perfkit.cli import app
from perfkit.commands import COMMANDS

FOLDER = Path(__file__).resolve().parents[1] / "completions"
_OTHERS = tuple(name for name in COMMANDS if name != "help")  # what help takes
PROGRAMS = ("perfkit", "perfkit.pyz")
_MADE = "# Completion of perfkit for {kind}. Written by scripts/completions.py; do not edit."


class Option(NamedTuple):
    """An option: its names, what it does, whether a value follows, and which: some words, or a file."""

    names: tuple[str, ...]
    summary: str
    takes_value: bool
    choices: tuple[str, ...]
    takes_file: bool


class Command(NamedTuple):
    """A command by its words ("keys add"), what it does, its options, the commands below it, and whether files are its arguments."""

    words: str
    summary: str
    options: tuple[Option, ...]
    below: tuple[str, ...]
    takes_files: bool


def commands() -> Iterator[Command]:
    """Every command, perfkit itself first, with its words empty."""
    yield _described("", "", typer.main.get_command(app), tuple(COMMANDS))
    for name, (_, module, summary) in COMMANDS.items():
        command = typer.main.get_command(importlib.import_module(module).app)
        below = getattr(command, "commands", {})
        yield _described(name, summary, command, _OTHERS if name == "help" else tuple(below))
        for word, one in below.items():
            yield _described(f"{name} {word}", (one.help or "").splitlines()[0], one, ())


def _described(words: str, summary: str, command: click.Command, below: tuple[str, ...]) -> Command:
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    options = [_option(one) for one in shown if isinstance(one, click.Option)]
    options.append(Option(("-h", "--help"), "Show this message and exit.", False, (), False))
    arguments = [one for one in shown if isinstance(one, click.Argument)]
    files = any(isinstance(one.type, click.Path) or "REF" in (one.metavar or "").split("@")[0] for one in arguments)
    return Command(words, summary, tuple(options), below, files)


def _option(one: click.Option) -> Option:
    choices = tuple(one.metavar.split("|")) if one.metavar and re.fullmatch(r"[a-z0-9|]+", one.metavar) else ()
    summary = (one.help or "").partition("  [")[0]
    return Option((*one.opts, *one.secondary_opts), summary, not one.is_flag, choices, isinstance(one.type, click.Path))


BASH = """
_perfkit() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command="" load="" place
    if [[ $current == "=" ]]; then # --mode=local is three words here
        current=""
    elif [[ $before == "=" ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    for ((place = 1; place < COMP_CWORD; place++)); do
        case "$command ${{COMP_WORDS[place]}}" in
        {commands}) command="${{command:+$command }}${{COMP_WORDS[place]}}" ;;
        "preflight --") load=yes && break ;;
        esac
    done
    COMPREPLY=()
    if [[ $load ]]; then
        if ((place == COMP_CWORD - 1)); then _perfkit_words -c; else _perfkit_words -f; fi
        return
    fi
    case "$command $before" in
{values}
    esac
    case "$command" in
{words}
    esac
}}

_perfkit_words() {{ # the words that compgen's arguments make of the current one; names of files as such
    [[ $1 == -f ]] && compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$@" -- "$current")
}}

complete -F _perfkit {programs}
"""


def bash() -> str:
    """completions/perfkit.bash: of its own, it needs no bash-completion."""
    found = list(commands())
    paths = [f'"{one.words.rpartition(" ")[0]} {one.words.rpartition(" ")[2]}"' for one in found if one.words]
    values, words = [], []
    for one in found:
        for option in one.options:
            if option.takes_value:
                names = " | ".join(f'"{one.words} {name}"' for name in option.names)
                action = f"-W {shlex.quote(' '.join(option.choices))}" if option.choices else "-f" if option.takes_file else ""
                values.append(f"    {names}) {f'_perfkit_words {action} && ' if action else ''}return ;;")
        options = " ".join(name for option in one.options for name in option.names)
        plain = f"_perfkit_words -W '{' '.join(one.below)}'" if one.below else "_perfkit_words -f" if one.takes_files else "return"
        words.append(f"    \"{one.words}\") if [[ $current == -* ]]; then _perfkit_words -W '{options}'; else {plain}; fi ;;")
    text = BASH.format(commands=" | ".join(paths), values="\n".join(values), words="\n".join(words), programs=" ".join(PROGRAMS))
    return _MADE.format(kind="bash") + "\n# shellcheck shell=bash\n" + text


def zsh() -> str:
    """completions/_perfkit, for a folder of $fpath."""
    lines = [f"#compdef {' '.join(PROGRAMS)}", _MADE.format(kind="zsh"), ""]
    for one in reversed(list(commands())):
        name = "_".join(["_perfkit", *one.words.split()]) + ("_" if not one.words else "")
        lines.append(f"{name}() {{")
        specs = [spec for option in one.options for spec in _zsh_option(option)]
        if one.below and one.words != "help":
            entries = [other for other in commands() if other.words and other.words.rpartition(" ")[0] == one.words]
            described = " ".join(_quoted(f"{other.words.rpartition(' ')[2]}:{other.summary}") for other in entries)
            below = "_".join(["_perfkit", *one.words.split()])
            lines += ["    local state line", f"    _arguments -C {' '.join(specs)} '1:command:->command' '*::argument:->argument'"]
            lines += ["    case $state in", f"    command) local -a found=({described}); _describe command found ;;"]
            lines += [f'    argument) (( $+functions[{below}_$words[1]] )) && "{below}_$words[1]" ;;', "    esac"]
        else:
            rest = f"'*:command:({' '.join(one.below)})'" if one.below else "'*:file:_files'" if one.takes_files else ""
            lines.append(f"    _arguments {' '.join([*specs, rest]).strip()}")
        lines += ["}", ""]
    return "\n".join([*lines, '_perfkit_ "$@"', ""])


def _zsh_option(option: Option) -> Iterator[str]:
    """One description for each of its names; zsh reads brackets and colons in it as its own."""
    action = ""
    if option.takes_value:
        action = f":value:({' '.join(option.choices)})" if option.choices else ":file:_files" if option.takes_file else ":value:"
    summary = re.sub(r"([][:\\])", r"\\\1", option.summary)
    for name in option.names:
        yield _quoted(f"{'*' * option.takes_value}{name}[{summary}]{action}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish() -> str:
    """completions/perfkit.fish."""
    lines = [_MADE.format(kind="fish"), f"for program in {' '.join(PROGRAMS)}", "    complete -c $program -f"]
    for one in commands():
        words = one.words.split()
        seen = [f"__fish_seen_subcommand_from {word}" for word in words]
        here = "; and ".join(seen) or "__fish_use_subcommand"
        siblings = "; and ".join([*seen, f"not __fish_seen_subcommand_from {' '.join(one.below)}"]) if words else here
        for below in one.below:
            summary = next((other.summary for other in commands() if other.words == f"{one.words} {below}".strip()), "")
            lines.append(f"    complete -c $program -n {_quoted(siblings)} -a {below} -d {_quoted(summary)}")
        if one.takes_files:
            lines.append(f"    complete -c $program -n {_quoted(here)} -F")
        for option in one.options:
            names = " ".join(f"-s {name[1:]}" if len(name) == 2 else f"-l {name[2:]}" for name in option.names)
            value = f"-x -a {_quoted(' '.join(option.choices))}" if option.choices else "-r -F" if option.takes_file else "-x"
            lines.append(
                f"    complete -c $program -n {_quoted(here)} {names}{f' {value}' * option.takes_value} -d {_quoted(option.summary)}"
            )
    return "\n".join([*lines, "end", ""])


FILES = {"perfkit.bash": bash, "_perfkit": zsh, "perfkit.fish": fish}

if __name__ == "__main__":
    for name, made in FILES.items():
        (FOLDER / name).write_text(made())
