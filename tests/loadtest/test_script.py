"""scripts/run_loadtest.sh: alone with perfkit.pyz in a folder it records a load; everything that is wrong ends it with a sentence."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import pythons
from support.running import wait_for

SCRIPT = Path(__file__).parents[2] / "scripts" / "run_loadtest.sh"
# What the script calls besides perfkit and the load.
TOOLS = "awk basename bash cat dd date df dirname env gzip head id mkdir mktemp nproc rm sed sh sleep tail tar tee timeout touch uname"


class Target:
    """A folder with nothing but the script and the pyz in it, and a home of its own."""

    def __init__(self, folder: Path, pyz: Path) -> None:
        self.folder = folder
        self.script = Path(shutil.copy(SCRIPT, folder))
        if pyz.parent != folder:
            shutil.copy(pyz, folder)
        self.home = folder / "home"
        self.results = self.home / "results" / "r"
        self.home.mkdir()
        self.environment = {**os.environ, "HOME": str(self.home), "RESULTS": str(self.results), "PYTHON": sys.executable}
        self.environment["PERFKIT_DB"] = str(self.home / "perfkit.db")

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        command = [str(self.script), *words]
        return subprocess.Popen(command, env={**self.environment, **environment}, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload, no-any-return]

    def run(self, *words: str, **environment: str) -> tuple[int, str]:
        process = self.start(*words, **environment)
        output, _ = process.communicate(timeout=400)
        return process.returncode, output

    def processes(self) -> list[str]:
        """The command lines of this machine in which this target's folder occurs."""
        lines = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                lines.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
        return [line for line in lines if str(self.folder) in line]


DOCKER = """#!/bin/sh
case $1 in
ps) [ "$2" = -q ] && echo abc || echo "0123456789abcdef shop-db-1" ;;
exec) sleep 2; echo "load in $2" ;;
logs) echo "log of the container" ;;
esac
"""


@pytest.fixture
def target(pyz: Path) -> Iterator[Target]:
    made = Target(pyz.parent, pyz)
    yield made
    deadline = time.monotonic() + 120
    while made.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert made.processes() == [], "the script left processes behind"


def path_without(folder: Path, *left_out: str, **replaced: str) -> str:
    """A PATH with the script's tools but those left out, and with these scripts instead of programs."""
    folder.mkdir()
    for name in TOOLS.split():
        found = shutil.which(name)
        if found and name not in left_out:
            (folder / name).symlink_to(found)
    for name, text in replaced.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return str(folder)


def test_a_built_in_load_is_proven_marked_evaluated_and_packed(target: Target, tmp_path: Path) -> None:
    """On the machine and inside its containers, whose logs and names are collected."""
    path = path_without(tmp_path / "bin", docker=DOCKER)
    code, output = target.run("5s", PATH=path, SKIP_CONTAINERS="false", PCC_BINARY="/opt/pcc/pcc-linux", SYSBENCH_THREADS="1")
    assert code == 0, output
    assert "PCC_BINARY is not used" in output
    order = ["ready", ": recording", "phase warmup", "phase cpu", "phase memory", "phase disk", "phase containers", "phase cooldown"]
    places = [output.find(words) for words in [*order, "the load was recorded"]]
    assert -1 not in places
    assert places == sorted(places)
    ranges = {line.split(",")[0].strip('"') for line in (target.results / "processed" / "percentiles.csv").read_text().splitlines()}
    assert {"all", "run:1", "run:1:warmup", "run:1:cpu", "run:1:memory", "run:1:disk", "run:1:cooldown"} <= ranges
    assert json.loads((target.results / "processed" / "system_info.json").read_text())
    rows = [line.split() for line in output.splitlines() if " / " in line][1:]
    assert [row[0] for row in rows] == ["run", "warmup", "cpu", "memory", "disk", "containers", "cooldown"]
    assert all(float(cell) >= 0 for row in rows for cell in row[-5:] if re.fullmatch(r"-?[0-9.]+", cell)), rows
    assert (target.home / "perfkit.db").exists()
    with tarfile.open(f"{target.results}.tar.gz") as packed:
        names = packed.getnames()
    assert {"r/report.html", "r/processed/host.csv", "r/logs/collect.log", "r/logs/cpu.log", "r/system.txt"} <= set(names)
    assert not [name for name in names if "disk." in name and "processed" not in name and "logs" not in name]
    assert (target.results / "logs" / "load-shop-db-1.log").read_text() == "load in shop-db-1\n"
    assert (target.results / "logs" / "container-shop-db-1.log").read_text() == "log of the container\n"
    assert json.loads((target.results / "container_names.json").read_text()) == {"0123456789abcdef": "shop-db-1"}


@pytest.mark.skipif("3.9" not in pythons.found(), reason="no Python 3.9 here: the target-only use was not tested on it")
def test_a_target_with_an_old_python_records_and_says_where_to_evaluate(target: Target) -> None:
    code, output = target.run("5s", PYTHON=pythons.found()["3.9"], LOAD="echo from the load", SKIP_CONTAINERS="1")
    assert code == 0, output
    assert "from the load" in output
    assert "to evaluate it elsewhere" in output
    assert not (target.results / "processed").exists()
    assert Path(f"{target.results}.tar.gz").exists()


def test_an_own_load_passes_its_exit_code_on_and_another_collector_is_left_alone(target: Target, pyz: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(pyz), "collect", "--collection", str(tmp_path / "other.json"), "--no-containers"]
    other = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_for((tmp_path / "other.json").exists)
        code, output = target.run("5s", LOAD="echo from the load; exit 7", SKIP_CONTAINERS="1")
        assert other.poll() is None
    finally:
        other.terminate()
        other.wait()
    assert code == 7
    assert f"pid {other.pid}" in output
    assert (target.results / "logs" / "load.log").read_text() == "from the load\n"
    assert "Recording into" in output.split("logs/collect.log", 1)[1], "the collector's log is not shown"


def test_no_load_starts_where_the_collector_fails_and_its_log_says_why(target: Target) -> None:
    code, output = target.run("5s", FREQUENCY="often", LOAD=f"touch {target.home}/started")
    assert code == 2
    assert "'often' is not a duration" in output
    assert not (target.home / "started").exists()


def test_recording_lost_during_the_load_ends_with_1_and_is_told_at_once(target: Target) -> None:
    kill = """kill -9 $(grep -o 'pid..:[0-9]*' "$COLLECTION" | head -1 | tr -dc 0-9); sleep 2; echo the end"""
    code, output = target.run("5s", LOAD=kill, SKIP_CONTAINERS="1")
    assert code == 1
    assert output.index("recording lost: the collector has gone") < output.index("the end")
    assert "NOT recorded" in output


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_ends_its_collector_and_its_load(target: Target, number: int, code: int) -> None:
    process = target.start("5s", LOAD=f"touch {target.home}/started; sleep 300", SKIP_CONTAINERS="1")
    wait_for((target.home / "started").exists, 200)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == code
    last = (target.results / f"{os.uname().nodename}.json").read_text().splitlines()[-1]
    assert "perfkit/end" in last, output


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (["soon"], {}, "soon is not a duration"),
        (["1s"], {}, "too short"),
        (["--fast"], {}, "there is no option --fast"),
        ([], {"PYTHON": "python-of-nowhere"}, "there is no python-of-nowhere"),
        ([], {"PERFKIT_PYZ": "/nowhere/perfkit.pyz"}, "there is no /nowhere/perfkit.pyz"),
        ([], {"SYSBENCH_THREADS": "many"}, "no number of threads"),
        ([], {"RESULTS": "/proc/nowhere"}, "cannot be written"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_ends_with_2_and_a_sentence(target: Target, words: list[str], environment: dict[str, str], says: str) -> None:
    code, output = target.run(*words, **environment)
    assert code == 2
    assert says in output


@pytest.mark.skipif(not pythons.older_than_ours(), reason="no Python below 3.9 here")
def test_a_python_that_is_too_old_is_named(target: Target) -> None:
    code, output = target.run(PYTHON=next(iter(pythons.older_than_ours().values())))
    assert code == 2
    assert "Python >= 3.9 is needed" in output


def test_without_the_pyz_it_says_where_to_put_it(target: Target) -> None:
    (target.folder / "perfkit.pyz").unlink()
    code, output = target.run()
    assert code == 2
    assert "no perfkit.pyz beside" in output


def test_an_earlier_result_is_never_overwritten(target: Target) -> None:
    target.results.mkdir(parents=True)
    earlier = target.results / f"{os.uname().nodename}.json"
    earlier.write_text("precious")
    code, output = target.run("5s")
    assert code == 2
    assert "is there already" in output
    assert earlier.read_text() == "precious"


def test_help_tells_the_variables(target: Target) -> None:
    code, output = target.run("--help")
    assert code == 0
    assert all(name in output for name in ("LOAD=", "SYSBENCH_THREADS=", "SKIP_CONTAINERS=", "RESULTS=", "--open"))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_is_clean() -> None:
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
