"""Every shell block of the README and docs runs as it stands there, in a folder with what it speaks of; or is marked, and says why not.

A mark is a comment before the block: `<!-- not run: it needs a cloud -->`. What no test can run wherever it stands is in NOT_HERE.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from perfkit.cli import main
from perfkit.store.importing import import_input
from support import invent
from support.running import in_process, made_once, wait_for

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
SHELL = re.compile(
    r"(\w+=\S+ )*(python3?|perfkit|perfkit\.pyz|scripts/\S+|\./\S+|scp|ssh|git|install|pip|export|curl|useradd|systemctl|sudo|source"
    r"|openssl|kubectl|docker) "
)
MARK = re.compile(r"<!-- not run: (.+?) -->")

# Lines that no test runs, on whatever page: the first that fits says why.
NOT_HERE = (
    (r"perfkit(\.pyz)? serve\b", "it runs until it is stopped, at addresses that others may have; tests/dashboard/test_serve.py starts it"),
    (r"--server https?://|^curl ", "it needs a receiver at that address; tests/receive and tests/preflight have one"),
    (r"^(scp|ssh) ", "it needs another machine"),
    (r"^git clone ", "it fetches this repository"),
    (r"^(useradd|systemctl|sudo) |/usr/local/", "it changes the machine"),
    (r"dask://|s3://|postgresql://", "it needs a server; tests/lake and tests/store have one"),
    (r"/(shared|srv)/", "it needs the folders of that site"),
    (r"--spool ", "it needs a collector that streams; tests/preflight/test_stream.py has one"),
    (r"perfkit(\.pyz)? mcp\b", "tests/mcp/test_mcp.py asks it, out of the file too"),
    (r"perfkit(\.pyz)? doctor\b", "tests/cli/test_doctor.py has it, of the file too"),
    (r"report vm-a\.json|--across-machines", "two seconds of CPU and more; tests/dashboard/test_report.py and tests/compare have it"),
    (r"process --collection vm-a\.json\.gz", "README.md has it without the file's name"),
    (r"preflight --watch", "it watches until the collection ends; tests/preflight/test_recording.py does"),
)
# Exit codes that say no more than that the machine, or the data, is as it is.
ANSWERS = ((r" preflight --machine", (0, 1)), (r"--fail-on", (0, 3, 4)))
# What must run before a page's blocks.
BEFORE = {"collect.md": "perfkit collect run.json --duration 5m &", "preflight.md": "perfkit collect vm.json --duration 5m &"}


@dataclass(frozen=True)
class Block:
    """A shell block: where it stands, its command lines, and why it is not run ("" if it is)."""

    page: Path
    line: int
    commands: tuple[str, ...]
    reason: str


def blocks(page: Path) -> Iterator[Block]:
    """The shell blocks of a page: fenced ones of that language, and indented ones that begin with a program's name."""
    lines, reason, number = page.read_text().splitlines(), "", 0
    while number < len(lines):
        line, start = lines[number], number + 1
        if marked := MARK.match(line):
            reason = marked[1]
        fence = re.match(r"```(\w*)", line)
        block: list[str] = []
        if fence:
            number += 1
            while not lines[number].startswith("```"):
                block.append(lines[number])
                number += 1
        elif re.match(r" {4}\S", line) and not lines[number - 1].strip():
            while number < len(lines) and (not lines[number].strip() or lines[number].startswith("    ")):
                block.append(lines[number][4:])
                number += 1
            number -= 1
        shell = fence[1] in ("sh", "bash", "console") if fence else bool(block and SHELL.match(block[0]))
        if shell:
            text = "\n".join(block).replace("\\\n", " ")
            yield Block(page, start, tuple(filter(None, (re.split(r"(?:^|\s+)#\s", one)[0].strip() for one in text.splitlines()))), reason)
        if line.strip() and not marked:
            reason = ""
        number += 1


def told(command: str) -> str:
    """The command, however its page calls perfkit."""
    return re.sub(r"^(python3 )?perfkit(\.pyz)? ", "perfkit ", command)


ALL = [block for page in PAGES for block in blocks(page)]
# Who runs a command that several pages show: the first of them.
FIRST = {told(command): block for block in reversed(ALL) for command in reversed(block.commands)}


def why_not(block: Block, command: str) -> str:
    """Why this command of the block is not run; "" if it is."""
    first = FIRST.get(told(command), block)
    again = "" if first is block or first.reason else f"{first.page.name} has it too"
    return block.reason or next((why for pattern, why in NOT_HERE if re.search(pattern, command)), again)


# What the shell has nothing to do with, of a command that neither waits nor starts another: such a line may run in this process.
PLAIN = re.compile(r"(?:python3 )?perfkit(?:\.pyz)? (?!collect|preflight|serve|mcp|mark|users add)(?P<name>\w+)[^|&;<>$`~\\]*")
# Each command runs out of the file where the pages show it first.
OUT_OF_THE_FILE = {
    found["name"]: command
    for block in reversed(ALL)
    for command in reversed(block.commands)
    if not why_not(block, command) and (found := PLAIN.fullmatch(command))
}


@pytest.fixture(scope="session")
def stage(shared: Path) -> Path:
    """A folder with the machines, runs and files that the pages name, and a database of them; once per test run, not to be changed."""
    return made_once(shared / "stage", furnish)


def furnish(folder: Path) -> None:
    """What `stage` holds."""
    noon = invent.START + 12 * 3600
    runs = [(10 * n + at, f"run {n}", kind) for n in range(6) for at, kind in ((1, "start"), (9, "end"))]
    import_input(folder / "perfkit.db", invent.write(folder / "noon.json", seconds=61, start=noon, marks=runs))
    shutil.copy(folder / "perfkit.db", folder / "lab.db")
    for number, name in enumerate(("vm-a.json", "vm-a-002.json", "vm-a.json.gz", "before.json", "after.json")):
        invent.write(folder / name, seconds=10, start=invent.START + 60 * number)
    invent.write(folder / "vm-b.json", hostname="vm-b", seconds=10)
    assert main(["process", "--collection", str(folder / "vm-b.json"), "--outdir", str(folder / "results")]) == 0
    shutil.copy(folder / "results" / "host.csv", folder)
    locust = (ROOT / "tests" / "loadtest" / "outputs" / "locust_stats_history.csv").read_text().splitlines()
    later = noon + 10 - int(locust[1].partition(",")[0])
    moved = [f"{int(at) + later},{more}" for at, _, more in (line.partition(",") for line in locust[1:])]
    (folder / "FILE").write_text("\n".join([locust[0], *moved, ""]))
    tools = folder / "bin"
    tools.mkdir()
    for load in (tools / "k6", tools / "COMMAND", folder / "my-load.sh"):
        load.write_text("#!/bin/sh\nsleep 1\n")
        load.chmod(0o755)


class Shell:
    """Runs command lines in a folder, with perfkit under each of its names; what was started with & is stopped at the end."""

    def __init__(self, folder: Path, pyz: Path) -> None:
        self.folder = folder
        tools = folder / "bin"
        (folder / "perfkit.pyz").hardlink_to(pyz)
        for name in ("perfkit", "perfkit.pyz"):
            (tools / name).symlink_to(folder / "perfkit.pyz")
        (tools / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')  # a link would leave the virtual environment
        (tools / "python3").chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("PCC_", "PCR_", "PERFKIT_DB"))}
        home = folder / "home"
        home.mkdir()
        self.environment |= {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_DATA_HOME": "",
            "PERFKIT_DB": str(folder / "perfkit.db"),
        }
        self.started: list[subprocess.Popen[bytes]] = []

    def run(self, command: str) -> str:
        """What is wrong with the command, "" if nothing."""
        if command.endswith("&") or re.search(r"perfkit(\.pyz)? collect\b", command):  # in a window of its own
            log = self.folder / f"window-{len(self.started)}.txt"
            with log.open("wb") as output:
                process = self._start(f"exec {command.rstrip('& ')}", stdout=output, stderr=output)
            self.started.append(process)
            wait_for(lambda: "Recording into" in log.read_text() or process.poll() is not None)
            return "" if process.poll() is None else log.read_text()
        allowed = next((codes for pattern, codes in ANSWERS if re.search(pattern, command)), (0,))
        if (plain := PLAIN.fullmatch(command)) and command != OUT_OF_THE_FILE.get(plain["name"], command):
            words = shlex.split(told(command))[1:]
            named = [str(one) for word in words for one in (sorted(self.folder.glob(word)) if "*" in word else [word])]
            done = in_process(*named, cwd=self.folder, env=self.environment)
            return "" if done.returncode in allowed else f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        if re.search(r"perfkit(\.pyz)? users add", command):
            command += " --password-stdin <<<'what is typed'"
        process = self._start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.communicate(timeout=200)[0].decode()
        return "" if process.returncode in allowed else f"exit code {process.returncode}: {output}"

    def _start(self, command: str, **where: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["bash", "-c", command], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, **where)

    def stop(self) -> None:
        """End what runs in other windows."""
        for process in self.started:
            process.send_signal(signal.SIGINT)
        for process in self.started:
            process.wait(60)


@contextmanager
def shell(folder: Path, pyz: Path) -> Iterator[Shell]:
    here = Shell(folder, pyz)
    try:
        yield here
    finally:
        here.stop()


@pytest.mark.parametrize(
    "page", sorted({block.page for block in ALL if not all(why_not(block, one) for one in block.commands)}), ids=lambda page: page.name
)
def test_the_blocks_of_a_page_run_as_they_stand_there(page: Path, stage: Path, pyz: Path, tmp_path: Path) -> None:
    wrong = []
    for block in (block for block in ALL if block.page == page):
        todo = [one for one in block.commands if not why_not(block, one)]
        if not todo:
            continue
        with shell(Path(shutil.copytree(stage, tmp_path / str(block.line))), pyz) as here:
            if page.name in BEFORE:
                assert here.run(BEFORE[page.name]) == ""
            said = [f"{page.name}:{block.line}: {command}: {here.run(command)}" for command in todo]
        wrong += [one for one in said if not one.endswith(": ")]
    assert not wrong, "\n".join(wrong)


def test_a_block_that_does_not_run_is_seen_and_a_marked_one_is_left(tmp_path: Path, stage: Path, pyz: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n\n    perfkit nothing  # so\n\n<!-- not run: no wish -->\n\n    perfkit x\n\n"
        "Text\n\n    any output\n\n```sh\nperfkit -V\nscp a b:\n```\n"
    )
    found = list(blocks(page))
    assert [(block.line, block.commands, block.reason) for block in found] == [
        (3, ("perfkit nothing",), ""),
        (7, ("perfkit x",), "no wish"),
        (13, ("perfkit -V", "scp a b:"), ""),
    ]
    assert why_not(found[2], "scp a b:") == "it needs another machine"
    with shell(Path(shutil.copytree(stage, tmp_path / "folder")), pyz) as here:
        assert "No such command 'nothing'" in here.run("perfkit nothing")
        assert here.run("perfkit -V") == ""
