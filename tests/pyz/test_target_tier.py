"""collect, preflight and mark out of the one file, as a bare target has it: any Python, no home, nothing written but what was asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from perfkit.commands import COMMANDS, DESK, of_desk
from support import pythons

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "pypy 3.9", "musl 3.13")
DESK_PACKAGES = {"duckdb", "orjson", "datasette", "jinja2", "markupsafe", "yaml", "starlette", "uvicorn", "httpx", "anyio"}


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter of each version that the target tier is for."""
    path = pythons.found().get(request.param)
    if path is None:
        pytest.skip(f"no Python {request.param} on this machine: collect, preflight and mark were not run on it")
    return path


def record(python: str, pyz: Path, name: str = "run.json", *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """`collect` into `name` beside the file, ten samples a second, until it is told to stop."""
    command = [python, str(pyz), "collect", "--collection", name, "--frequency", "100ms", "--duration", "10m", *arguments]
    return subprocess.Popen(
        command, cwd=pyz.parent, env=os.environ | environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )


def perfkit(python: str, pyz: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [python, str(pyz), *arguments]
    return subprocess.run(command, cwd=pyz.parent, env=os.environ | environment, capture_output=True, text=True, check=False)


def stop(collector: subprocess.Popen[str]) -> None:
    collector.send_signal(signal.SIGTERM)
    _, complaints = collector.communicate(timeout=200)
    assert collector.returncode == 0, complaints


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_recording_is_made_proven_and_marked_on_every_python(python: str, pyz: Path) -> None:
    collector = record(python, pyz)
    try:
        assert collector.stderr
        assert "Recording into run.json" in collector.stderr.readline()  # however long this Python takes to start on a busy machine
        proof = perfkit(python, pyz, "preflight", "--collection", "run.json", "--wait", "30s")
        marked = perfkit(python, pyz, "mark", "warm-up", "--collection", "run.json")
    finally:
        stop(collector)
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert marked.returncode == 0, marked.stderr
    subsystems = [line["subsystem"] for line in lines(pyz.parent / "run.json")]
    assert (subsystems[0], subsystems[-1]) == ("perfkit/session", "perfkit/end")
    assert subsystems.count("/proc/stat") >= 10
    assert "perfkit/mark" in subsystems


def test_help_of_a_desk_command_unpacks_nothing(pyz: Path, tmp_path: Path) -> None:
    done = perfkit(sys.executable, pyz, "process", "--help", PERFKIT_CACHE=str(tmp_path / "none"))
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("home", ["", "relative", "/proc", "/nonexistent"], ids=["empty", "relative", "read-only", "missing"])
def test_recording_needs_no_home_and_writes_the_collection_alone(pyz: Path, home: str) -> None:
    collector = record(sys.executable, pyz, "run.json", HOME=home, XDG_CACHE_HOME="", PERFKIT_CACHE="")
    try:
        proof = perfkit(sys.executable, pyz, "preflight", "--collection", "run.json", "--wait", "30s", HOME=home)
    finally:
        stop(collector)
    assert proof.returncode == 0, proof.stdout + proof.stderr
    assert sorted(path.name for path in pyz.parent.iterdir()) == ["perfkit.pyz", "run.json"]


def test_what_is_installed_for_python_does_not_join_in(pyz: Path, tmp_path: Path) -> None:
    """Another click or typer in the user's environment is neither needed nor taken."""
    for name in ("click", "typer", "rich"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken from PYTHONPATH')\n")
    done = perfkit(sys.executable, pyz, "collect", "--help", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("version", sorted(pythons.older_than_ours()) or ["below 3.9"])
def test_an_older_python_gets_one_sentence(version: str, pyz: Path) -> None:
    path = pythons.older_than_ours().get(version)
    if path is None:
        pytest.skip("no Python below 3.9 on this machine: its sentence was not seen")
    done = perfkit(path, pyz, "collect")
    assert done.returncode == 2
    assert done.stderr == f"perfkit: Python 3.9 or later is needed, and this is Python {version}; start it as `python3.x perfkit.pyz`.\n"


# --- the wall between the tiers ---------------------------------------------------------------------------------------------------

IMPORT_ALL = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
native = [m.__spec__.origin for m in list(sys.modules.values()) if str(getattr(getattr(m, "__spec__", None), "origin", "")).endswith(".so")]
print(json.dumps({"modules": sorted(sys.modules), "native": native}))
"""
HELP_OF_ALL = """
from perfkit.cli import COMMANDS, main
assert [main([command, "--help"]) for command in COMMANDS] == [0] * len(COMMANDS)
assert not {"duckdb", "datasette", "orjson"} & set(sys.modules)
"""


def target_modules(pyz: Path) -> list[str]:
    """Every module of the target tier in the file."""
    with zipfile.ZipFile(pyz) as archive:
        names = [name[:-3].replace("/", ".").removesuffix(".__init__") for name in archive.namelist() if name.endswith(".py")]
    desk_commands = {module for tier, module, _ in COMMANDS.values() if tier == DESK}
    ours = [name for name in names if name.partition(".")[0] == "perfkit" and not of_desk(name.replace(".", "/") + ".py")]
    return [name for name in ours if name not in desk_commands]


def imported(python: str, pyz: Path, modules: list[str], then: str = "") -> tuple[dict[str, list[str]], str]:
    """What Python has loaded once it has imported `modules`, and what the program `then` prints behind that."""
    done = subprocess.run([python, "-I", "-S", "-c", IMPORT_ALL + then, pyz, *modules], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told, _, rest = done.stdout.partition("\n")
    return dict(json.loads(told)), rest


def test_the_target_tier_imports_no_desk_package_and_helps_with_every_command_whatever_the_python(python: str, pyz: Path) -> None:
    """Out of the zip, and with nothing native of ours."""
    modules = target_modules(pyz)
    assert len(modules) > 20
    found, helped = imported(python, pyz, modules, HELP_OF_ALL)
    for command in COMMANDS:
        assert f"Usage: perfkit {command}" in helped
    assert not {name.partition(".")[0] for name in found["modules"]} & DESK_PACKAGES
    assert not [name for name in found["modules"] if of_desk(name.replace(".", "/") + ".py")]
    assert not [path for path in found["native"] if "lib-dynload" not in path and "pypy" not in path]


def test_below_the_commands_the_target_tier_is_the_standard_library_alone(pyz: Path) -> None:
    modules = [name for name in target_modules(pyz) if not name.startswith("perfkit.cli")]
    found, _ = imported(sys.executable, pyz, modules)
    foreign = {name.partition(".")[0] for name in found["modules"]} - sys.stdlib_module_names - {"perfkit", "__main__"}
    assert not foreign


def test_the_collecting_process_has_loaded_no_command_line_library(pyz: Path) -> None:
    """What stays in memory for the whole run: the audit hook of Python itself tells what a bare start imports."""
    found, _ = imported(sys.executable, pyz, ["perfkit.collect.__main__"])
    heavy = {"typer", "click", "rich", "dataclasses", "typing", "asyncio", "pathlib", "subprocess"}
    assert not {name.partition(".")[0] for name in found["modules"]} & heavy


def test_a_running_collector_maps_nothing_of_ours_into_memory(pyz: Path) -> None:
    """No shared object but Python's own: nothing native comes out of the file."""
    collector = record(sys.executable, pyz)
    try:
        perfkit(sys.executable, pyz, "preflight", "--collection", "run.json", "--wait", "30s")
        maps = Path(f"/proc/{collector.pid}/maps").read_text()
        command = Path(f"/proc/{collector.pid}/cmdline").read_text().split("\0")
    finally:
        stop(collector)
    mapped = {line.split()[-1] for line in maps.splitlines() if line.rstrip().endswith(".so")}
    assert all("lib-dynload" in path or path.startswith(("/lib", "/usr/lib")) for path in mapped)
    assert "-S" in command
