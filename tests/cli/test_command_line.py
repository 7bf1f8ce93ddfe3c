"""What holds for the whole command line: help, examples, spelling mistakes, choices, names of options."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from perfkit.cli import main
from perfkit.collection import MARK_KINDS
from perfkit.commands import COMMANDS
from perfkit.compare import judging
from perfkit.compare import report as comparison
from perfkit.dashboard import users
from perfkit.process import memory
from support import invent
from support.running import SOURCE, in_process


def perfkit(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return in_process(*words, cwd=cwd, env=environment(cwd))


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PCC_", "PCR_", "PERFKIT_"))}
    return kept | {"PYTHONPATH": str(SOURCE), "HOME": str(home)}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by the words that call it: "collect", "keys", "keys add"."""
    for name, (_, module, _) in COMMANDS.items():
        command = typer.main.get_command(importlib.import_module(module).app)
        yield name, command
        for below, one in getattr(command, "commands", {}).items():
            yield f"{name} {below}", one


ALL = dict(commands())


def options(words: str) -> dict[str, click.Parameter]:
    return {option: parameter for parameter in ALL[words].params for option in parameter.opts}


@pytest.mark.parametrize("words", ALL)
def test_every_help_ends_with_examples_that_are_commands_of_perfkit(words: str) -> None:
    lines = (ALL[words].epilog or "").splitlines()
    assert lines[1] == "Examples:"
    for line in lines[2:]:
        program, *typed = shlex.split(line)
        assert (program, " ".join(typed).startswith(words)) == ("perfkit", True)
        name = max((one for one in ALL if (" ".join(typed) + " ").startswith(f"{one} ")), key=len)
        ALL[name].make_context(name, typed[len(name.split()) :]).close()  # raises where it is no command line of ours


def test_help_of_a_command_is_what_its_option_prints(tmp_path: Path) -> None:
    assert perfkit("help", cwd=tmp_path).stdout == perfkit("--help", cwd=tmp_path).stdout
    asked, option = perfkit("help", "keys", "add", cwd=tmp_path), perfkit("keys", "add", "--help", cwd=tmp_path)
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, option.stdout, "")
    assert "Usage: perfkit keys add" in asked.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("colect", "No such command 'colect'; did you mean collect? See perfkit --help."),
        ("reprot vm-a", "No such command 'reprot'; did you mean report or export? See perfkit --help."),
        ("keys ad x", "No such command 'ad'; did you mean add? See perfkit keys --help."),
        ("help colect", "No such command 'colect'; did you mean collect? See perfkit --help."),
        ("zzz", "No such command 'zzz'; see perfkit --help."),
        ("collect --durration 1m", "No such option: --durration; did you mean --duration? See perfkit collect --help."),
        ("compare --at-last 5", "No such option: --at-last; did you mean --at-least? See perfkit compare --help."),
        ("process a.json --outdir", "Option '--outdir' requires an argument; see perfkit process --help."),
        ("--verson", "No such option: --verson; did you mean --version? See perfkit --help."),
        ("mark", "Missing argument 'LABEL'; see perfkit mark --help."),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(words: str, sentence: str, tmp_path: Path) -> None:
    done = perfkit(*words.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"perfkit: {sentence}\n")


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_a_checkout_says_its_version_alone(option: str, tmp_path: Path) -> None:
    from perfkit import __version__

    done = perfkit(option, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"perfkit {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "option", "choices"),
    [
        ("collect", "--mode", ("local", "trickle")),
        ("collect", "--format", ("perfkit", "pcc")),
        ("mark", "--kind", MARK_KINDS),
        ("compare", "--figure", judging.FIGURES),
        ("compare", "--format", tuple(comparison.FORMATS)),
        ("report", "--format", ("html", "md", "json")),
        ("users add", "--role", users.ROLES),
    ],
)
def test_help_shows_the_choices_and_another_is_answered_with_them(
    words: str, option: str, choices: tuple[str, ...], tmp_path: Path
) -> None:
    assert options(words)[option].metavar == "|".join(choices)
    (tmp_path / "run.json").touch()
    required = {"mark": ["label", "run.json"], "compare": ["a@1", "a@2"], "report": ["a@1"], "users add": ["ann", "--password-stdin"]}
    db = [] if words in ("collect", "mark") else ["--db", tmp_path / "none.db"]
    done = perfkit(*words.split(), *required.get(words, []), option, "other", *db, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    if words != "compare" or option != "--figure":  # judged after the runs are found
        assert all(choice in done.stderr for choice in choices), done.stderr


def test_help_names_the_size_below_which_one_cpu_is_used() -> None:
    assert f"1 below {memory.FOR_ONE_THREAD // 1_000_000} MB" in str(options("process")["--threads"].help)  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", ["import", "export", "process", "serve", "keys add"])
def test_a_site_is_named_by_either_of_two_options_everywhere(words: str) -> None:
    assert options(words)["--site"] is options(words)["--site-name"]


def test_no_option_for_a_site_stands_alone() -> None:
    for words in ALL:
        assert ("--site" in options(words)) == ("--site-name" in options(words)), words


def test_a_collection_is_named_by_its_place_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "perfkit", "collect", "run.json", "--duration", "200ms", "--frequency", "100ms", "--no-containers"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    proof = perfkit("preflight", "run.json", cwd=tmp_path)
    assert proof.returncode == 1
    assert "run.json: NOT recording" in proof.stdout
    marked = perfkit("mark", "late", "run.json", cwd=tmp_path)
    assert (marked.returncode, marked.stderr[:37]) == (2, "perfkit: nobody records into run.json")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("preflight a.json --collection b.json", "a.json and --collection b.json are two files; name one."),
        ("collect a.json --collection b.json", "a.json and --collection b.json are two files; name one."),
        ("preflight sh -c true", "No such option: -c; see perfkit preflight --help."),
        ("preflight sh run.sh", "sh run.sh is not one collection; a load stands behind two dashes: perfkit preflight -- sh run.sh."),
        ("preflight true", "true is not one collection; a load stands behind two dashes: perfkit preflight -- true."),
    ],
)
def test_two_files_or_a_load_in_a_files_place_are_refused(words: str, sentence: str, tmp_path: Path) -> None:
    done = perfkit(*words.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"perfkit: {sentence}\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["process", "import", "doctor", "runs", "compare a b"])
def test_ctrl_c_within_any_command_is_a_sentence(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """typer would make an exit code of 130 of it, and say nothing."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("typer.core.TyperCommand.invoke", interrupted)
    assert main(command.split()) == 1
    assert capsys.readouterr().err == "perfkit: interrupted.\n"


@pytest.mark.parametrize(
    ("version", "sentence"),
    [
        ((3, 9, 18), "this command needs Python 3.11 or later, and here is 3.9; collect, preflight and mark run on it."),
        (
            (3, 12, 1),
            "this command needs the package duckdb, which is not installed; pip and pipx install it with perfkit's wheel.",
        ),
    ],
)
def test_a_package_that_is_not_installed_is_a_sentence(
    version: tuple[int, ...], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without(*_: object) -> None:
        raise ModuleNotFoundError("No module named '_duckdb'", name="_duckdb")

    monkeypatch.setattr("typer.core.TyperCommand.invoke", without)
    monkeypatch.setattr(sys, "version_info", version)
    assert main(["runs"]) == 2
    assert capsys.readouterr().err == f"perfkit: {sentence}\n"


def test_a_library_that_the_system_lacks_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def without(*_: object) -> None:
        raise ImportError("libstdc++.so.6: cannot open shared object file: No such file or directory")

    monkeypatch.setattr("typer.core.TyperCommand.invoke", without)
    assert main(["runs"]) == 2
    assert capsys.readouterr().err.startswith("perfkit: libstdc++.so.6 is not on this system, and this command needs it; install it")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_person_is_told_the_next_step_and_a_file_is_not(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    monkeypatch.chdir(tmp_path)
    assert main(["tokens", "add", "nightly", "--db", "perfkit.db"]) == 0
    said = capsys.readouterr()
    assert (len(said.out.splitlines()), said.err.startswith("Next: curl -H ")) == (1, terminal)
    assert main(["preflight", "--machine"]) == 0
    assert capsys.readouterr().err.endswith("Next: perfkit collect\n") is terminal
    invent.write(tmp_path / "vm-a.json", seconds=20)
    for words, following in (("process vm-a.json", "perfkit import vm-a"), ("import vm-a --db perfkit.db", "perfkit serve --open")):
        assert main(words.split()) == 0
        said = capsys.readouterr()
        assert said.err.endswith(f"Next: {following}\n") is terminal
        assert said.out and "Next" not in said.out


@pytest.mark.parametrize("words", ["export", "export vm-a --collector vm-b"])
def test_export_asks_for_one_machine(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert "name one machine: perfkit export MACHINE" in capsys.readouterr().err
