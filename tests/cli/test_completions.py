"""completions/: as the commands are now, and in shells that really complete."""

from __future__ import annotations

import os
import pty
import runpy
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from perfkit.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FILES = runpy.run_path(str(ROOT / "scripts" / "completions.py"))["FILES"]
BASH = shutil.which("bash")


@pytest.mark.parametrize("name", list(FILES))
def test_the_file_is_as_the_commands_have_it(name: str) -> None:
    assert (ROOT / "completions" / name).read_text() == FILES[name](), "run scripts/completions.py"


ASK = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_perfkit 2>/dev/null # compopt complains outside of a completion
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words: str, cwd: Path) -> list[str]:
    """What bash offers for the last of `words`."""
    assert BASH
    file = ROOT / "completions" / "perfkit.bash"
    done = subprocess.run([BASH, "-c", ASK, "bash", file, *words], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(not BASH, reason="bash is not installed: its completion was not run")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", list(COMMANDS)),
        ("pr", ["preflight", "process", "prune"]),
        ("--ver", ["--version"]),
        ("collect --mo", ["--mode"]),
        ("collect --mode ", ["local", "trickle"]),
        ("collect --mode = t", ["trickle"]),
        ("collect --mode =", ["local", "trickle"]),
        ("collect --duration ", []),
        ("collect --debug --mode tr", ["trickle"]),
        ("mark --kind ", ["start", "end", "point"]),
        ("compare --format j", ["json"]),
        ("keys ", ["add", "list", "revoke"]),
        ("keys add --si", ["--site-name", "--site"]),
        ("keys li", ["list"]),
        ("users add --role ", ["viewer", "admin"]),
        ("users remove --ro", []),
        ("help do", ["doctor"]),
        ("process r", ["run.json"]),
        ("process --collection r", ["run.json"]),
        ("preflight run.json --stop", ["--stop-on-loss"]),
        ("preflight -- r", None),
        ("preflight -- cat --collection r", ["run.json"]),
        ("runs r", []),
    ],
)
def test_bash_offers_what_fits_the_place(words: str, expected: list[str] | None, tmp_path: Path) -> None:
    (tmp_path / "run.json").touch()
    found = offered("perfkit", *words.split(" "), cwd=tmp_path)
    if expected is None:  # any program of this machine
        assert "rm" in found
    else:
        assert sorted(found) == sorted(expected)


# How a shell is started without anybody's settings, and what makes it complete.
SHELLS = {
    "bash": (["--norc", "--noprofile", "-i"], f"source {ROOT}/completions/perfkit.bash"),
    "zsh": (["-f", "-i"], f"fpath=({ROOT}/completions $fpath); autoload -U compinit; compinit -u -D"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_a_command_line_in_a_real_terminal(shell: str, tmp_path: Path) -> None:
    """The words that Tab made are those that the program gets."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed: its completion was not run")
    (tmp_path / "monday run.json").touch()
    words, setup = SHELLS[shell]
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        os.execve(program, [shell, *words], {"TERM": "dumb", "PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    try:
        os.write(terminal, f"{setup}; perfkit.pyz() {{ printf '[%s]' \"$@\"; echo ,; }}; echo rea''dy\n".encode())
        shown(terminal, "ready\r\n")
        os.write(terminal, b"perfkit.pyz coll\t--mo\ttr\t--no-con\tmon\t\n")
        said = shown(terminal, "],\r\n")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    assert "[collect][--mode][trickle][--no-containers][monday run.json]," in said


def shown(terminal: int, awaited: str) -> str:
    """What the terminal shows until `awaited` is there."""
    said, deadline = "", time.monotonic() + 120
    while awaited not in said:
        assert time.monotonic() < deadline, said
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 4096).decode(errors="replace")
    return said


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("perfkit.pyz pr", ["preflight", "process", "prune"]),
        ("perfkit collect --mode ", ["local", "trickle"]),
        ("perfkit process r", ["run.json"]),
    ],
)
@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed: its completion was not run")
def test_fish_offers_what_fits_the_place(line: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "run.json").touch()
    ask = f"source {ROOT}/completions/perfkit.fish; complete -C '{line}'"
    environment = os.environ | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(["fish", "-N", "-c", ask], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert sorted(found.split("\t")[0] for found in done.stdout.splitlines()) == expected
