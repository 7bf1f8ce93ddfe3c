"""process, import and serve out of the one file: unpacked once by an isolated Python, or refused in a sentence that says what fits."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from perfkit import __version__
from perfkit.bootstrap import tier
from perfkit.commands import COMMANDS, DESK, TARGET, of_tier
from perfkit.errors import BadInput
from support import invent, pythons


def perfkit(pyz: Path, *arguments: str | Path, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [python, str(pyz), *map(str, arguments)]
    return subprocess.run(command, cwd=pyz.parent, env=os.environ | environment, capture_output=True, text=True, check=False)


@pytest.fixture
def collection(pyz: Path) -> Path:
    file = pyz.parent / "run.json"
    invent.write(file, seconds=5)
    return file


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own, not there yet."""
    monkeypatch.setenv("PERFKIT_CACHE", str(tmp_path / "fresh"))
    return tmp_path / "fresh"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("process", True),
        ("--debug process --collection x.json", True),
        ("serve --no-receive", True),
        ("process --help", False),
        ("process -h", False),
        ("collect --collection process", False),
        ("preflight -- process", False),
        ("preflight -- sh -c serve", False),
        ("--version", False),
        ("-V", False),
        ("help process", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_only_a_desk_command_that_is_to_run_asks_for_the_desk_tier(words: str, expected: bool) -> None:
    assert tier.wanted(words.split()) is expected


def test_every_command_belongs_to_one_tier_and_has_its_module() -> None:
    assert of_tier(TARGET) == {"collect", "preflight", "mark", "doctor", "help"}
    assert of_tier(TARGET) | of_tier(DESK) == set(COMMANDS)
    for _, module, summary in COMMANDS.values():
        assert importlib.import_module(module).app
        assert summary.endswith(".")


CARRIED: dict[str, Any] = {
    "tiers": {f"linux-x86_64/{python}": {"digest": python, "glibc": "2.27"} for python in ("3.12", "3.11")} | {"macos-arm64/3.12": {}}
}


def test_the_entry_for_this_platform_and_python_is_taken() -> None:
    assert tier.select(CARRIED, "linux-x86_64", "3.12")["digest"] == "3.12"


OTHER_PYTHON = "start it with one of those, as in `python3.12 perfkit.pyz`"
OTHER_MACHINE = "take the collection to such a machine"


@pytest.mark.parametrize(
    ("platform", "python", "cure"),
    [
        ("linux-x86_64", "3.10", OTHER_PYTHON),
        ("linux-x86_64", "3.13 (free-threaded)", OTHER_PYTHON),
        ("linux-x86_64", "3.11 (pypy)", OTHER_PYTHON),
        ("macos-arm64", "3.11", OTHER_PYTHON),
        ("linux-x86_64-musl", "3.12", OTHER_MACHINE),
        ("linux-x86_64-32bit", "3.12", OTHER_MACHINE),
        ("linux-aarch64", "3.12", f"{OTHER_MACHINE}, or build the file with `--platform linux-aarch64`"),
    ],
)
def test_what_the_file_does_not_carry_is_refused_with_what_it_does_and_what_to_do(platform: str, python: str, cure: str) -> None:
    with pytest.raises(BadInput) as refused:
        tier.select(CARRIED, platform, python)
    assert str(refused.value) == (
        "this perfkit.pyz carries this command's packages for linux-x86_64 (Python 3.11 or 3.12), macos-arm64 (Python 3.12); "
        f"here is {platform} with Python {python}: {cure}."
    )


def test_a_c_library_that_is_too_old_is_told_the_one_it_takes() -> None:
    with pytest.raises(BadInput, match=r"needs glibc 99\.1 or later; here is glibc"):
        tier.select({"tiers": {"linux-x86_64/3.12": {"glibc": "99.1"}}}, "linux-x86_64", "3.12")


@pytest.mark.parametrize("version", ["3.9", "3.10", "pypy 3.9", "musl 3.13"])
def test_a_python_without_packages_in_the_file_exits_with_2_and_unpacks_nothing(version: str, pyz: Path, fresh: Path) -> None:
    path = pythons.found().get(version)
    if path is None:
        pytest.skip(f"no Python {version} on this machine: its refusal was not seen")
    done = perfkit(pyz, "process", python=path)
    assert done.returncode == 2
    library, _, number = version.rpartition(" ")
    assert f"here is {tier.here()}{'-musl' * (library == 'musl')} with Python {number}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not fresh.exists()


def test_the_file_that_the_build_makes_runs_on_every_python_of_its_platform(whole: Path, tmp_path: Path, desk_cache: Path) -> None:
    """The same collection gives the same files, whichever runs it."""
    with zipfile.ZipFile(whole) as archive:
        carried = json.loads(archive.read(tier.MANIFEST))["tiers"]
    assert sorted(carried) == [f"{tier.here()}/{python}" for python in tier.PYTHONS]
    collection = invent.write(tmp_path / "run.json", seconds=20)
    made: dict[str, dict[str, bytes]] = {}
    for version, python in pythons.found().items():
        if version in tier.PYTHONS:
            command = [python, whole, "process", "--collection", collection, "--outdir", version]
            subprocess.run(
                command, cwd=tmp_path, env=os.environ | {"PERFKIT_CACHE": str(desk_cache)}, check=True, stdout=subprocess.DEVNULL
            )
            made[version] = {path.name: path.read_bytes() for path in (tmp_path / version).rglob("*.csv")}
    first = next(iter(made.values()))
    assert "host.csv" in first
    assert [version for version, files in made.items() if files != first] == []


def test_the_version_names_the_file_by_its_digest_and_what_it_carries(pyz: Path, fresh: Path) -> None:
    done = perfkit(pyz, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"perfkit {__version__}",
        f"sha256 {hashlib.sha256(pyz.read_bytes()).hexdigest()}",
        f"desk commands: {tier.here()} (Python {sys.version_info[0]}.{sys.version_info[1]})",
    ]
    assert not fresh.exists()


def test_a_file_of_the_target_tier_says_that_it_is_one(target_only: Path, fresh: Path) -> None:
    done = perfkit(target_only, "process")
    assert done.returncode == 2
    assert done.stderr == (
        "perfkit: this perfkit.pyz carries collect, preflight and mark alone (--target-only); take the whole file for this command.\n"
    )


RUNS = ("runs", "--db", "none.db")  # a desk command that is soon over
RAN = (2, "perfkit: there is no database none.db; make it with `perfkit import`, or name another with --db.\n")


@pytest.fixture(scope="module")
def first_run(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder in which one command has run; not to be changed."""
    cache = tmp_path_factory.mktemp("first") / "cache"
    done = perfkit(built, *RUNS, PERFKIT_CACHE=str(cache), PYTHONPATH="")
    assert (done.returncode, done.stderr) == RAN
    return cache


def test_the_first_run_unpacks_and_the_second_uses_it_with_its_bytecode(pyz: Path, first_run: Path) -> None:
    (folder,) = first_run.iterdir()
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*.py*")}
    assert list(folder.glob("perfkit/cli/__pycache__/runs.*.pyc"))
    second = perfkit(pyz, *RUNS, PERFKIT_CACHE=str(first_run))
    assert (second.returncode, second.stderr) == RAN
    assert [folder] == list(first_run.iterdir())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.py*")} == made


IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import perfkit
for module in pkgutil.walk_packages(perfkit.__path__, "perfkit."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
foreign = {name for name, m in sys.modules.items() if (getattr(m, "__file__", None) or "").find("site-packages") >= 0}
assert not foreign, foreign
"""


def test_every_module_finds_what_it_imports_in_the_file(first_run: Path) -> None:
    """Nothing is left to what happens to be installed where the tests run."""
    (folder,) = first_run.iterdir()
    done = subprocess.run([sys.executable, "-I", "-S", "-c", IMPORT_ALL, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_nothing_that_is_installed_or_in_the_current_folder_joins_in(pyz: Path, collection: Path, tmp_path: Path) -> None:
    """Neither PYTHONPATH, nor the user's site-packages, nor a start-up file of theirs, nor a module where the command runs."""
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in ("duckdb", "orjson", "datasette", "typer"):
        (hostile / f"{name}.py").write_text("raise SystemExit('taken from PYTHONPATH')\n")
    (hostile / "startup.py").write_text("raise SystemExit('start-up file was run')\n")
    (pyz.parent / "duckdb.py").write_text("raise SystemExit('taken from the current folder')\n")
    done = perfkit(
        pyz,
        "process",
        "--collection",
        collection,
        PYTHONPATH=str(hostile),
        PYTHONUSERBASE=str(hostile),
        PYTHONSTARTUP=str(hostile / "startup.py"),
    )
    assert done.returncode == 0, done.stderr


def test_unpacked_files_that_changed_on_the_disk_are_made_anew_by_a_run_that_fails_and_by_doctor(
    pyz: Path, first_run: Path, fresh: Path
) -> None:
    """Before a day is over, too; the next run is well."""
    shutil.copytree(first_run, fresh)
    (folder,) = fresh.iterdir()
    for name in ("perfkit/cli/runs.py", "perfkit/cli/__init__.py"):
        right = (folder / name).read_bytes()
        (folder / name).write_bytes(right.replace(b"import annotations", b"import annotationz", 1))
        done = perfkit(pyz, *RUNS)
        assert done.returncode == 1
        assert f"had changed on the disk and are made anew: {name}; check that disk. Run it again." in done.stderr
        assert "Traceback" not in done.stderr
        assert (folder / name).read_bytes() == right
        again = perfkit(pyz, *RUNS)
        assert (again.returncode, again.stderr) == RAN
    native = next(folder.glob("orjson/*.so"))
    right = native.read_bytes()
    native.write_bytes(right[:-100] + bytes([right[-100] ^ 1]) + right[-99:])
    told = {check["name"]: check for check in json.loads(perfkit(pyz, "doctor", "--json").stdout)["checks"]}
    assert told["cache"]["state"] == "warn"
    assert str(native.relative_to(folder)) in told["cache"]["advice"]
    assert told["desk"]["state"] == "ok"
    assert native.read_bytes() == right


def test_first_runs_at_the_same_time_all_succeed_and_leave_one_folder(pyz: Path, collection: Path, fresh: Path) -> None:
    """What was unpacked is whole: one of them works with all of it."""
    commands = (RUNS, RUNS, ("process", "--collection", collection, "--outdir", "out"))
    pipes = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
    runs = [subprocess.Popen([sys.executable, pyz, *words], cwd=pyz.parent, **pipes) for words in commands]
    said = [run.communicate()[1] for run in runs]
    assert [(run.returncode, told) for run, told in zip(runs[:2], said[:2], strict=True)] == [RAN, RAN]
    assert runs[2].returncode == 0, said[2]
    assert len(list(fresh.iterdir())) == 1


def test_a_first_run_that_is_killed_leaves_nothing_that_a_later_one_takes_for_whole(pyz: Path, fresh: Path) -> None:
    with zipfile.ZipFile(pyz) as archive:
        (carried,) = json.loads(archive.read(tier.MANIFEST))["tiers"].values()
    moments = random.Random(1)
    for begun in ("desk-*", *[".unpacking-*/*/*"] * 5):  # as soon as the folder has its name; at some time before
        with subprocess.Popen([sys.executable, pyz, "process"], stderr=subprocess.DEVNULL, start_new_session=True) as run:
            wait_for(lambda begun=begun: any(fresh.glob(begun)))
            time.sleep(0 if begun == "desk-*" else moments.uniform(0, 0.8))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
        for unpacked in fresh.glob("desk-*"):
            files = [
                path for path in unpacked.rglob("*") if path.is_file() and path.suffix != ".pyc" and path.name not in (".lock", ".checked")
            ]
            assert len(files) == carried["files"]
            shutil.rmtree(unpacked)
    done = perfkit(pyz, *RUNS)
    assert (done.returncode, done.stderr) == RAN
    assert [path.name[:5] for path in fresh.iterdir()] == ["desk-"]


def test_an_interrupted_first_run_clears_up_behind_itself(pyz: Path, fresh: Path) -> None:
    for _ in range(20):
        with subprocess.Popen([sys.executable, pyz, "process"], stderr=subprocess.PIPE, start_new_session=True) as run:
            wait_for(lambda: any(fresh.glob(".unpacking-*/*/*")))
            os.killpg(run.pid, signal.SIGINT)
            complaint = run.communicate()[1].decode()
        if not list(fresh.glob("desk-*")):
            break
        shutil.rmtree(fresh)  # on a busy machine it may be done with it before the signal comes
    assert (run.returncode, complaint) == (1, "perfkit: interrupted.\n")
    assert not list(fresh.iterdir())


WORDS = {
    "collect": "--collection x.json --duration 3s",
    "preflight": "run.json --wait 1s",
    "process": "--collection run.json",
    "import": "run.json --db new.db",
    "serve": "--listen 127.0.0.1:0 --receive 127.0.0.1:0 --db other.db",
}


@pytest.fixture(scope="module")
def start(built: Path) -> float:
    """How many seconds the file takes here until a command has begun."""
    began = time.monotonic()
    assert perfkit(built, "process", "--help", PYTHONPATH="").returncode == 0
    return time.monotonic() - began


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_at_any_moment_of_any_command_shows_no_traceback_of_ours(pyz: Path, collection: Path, start: float, command: str) -> None:
    """At two of six moments from its start on; what the interpreter says before our first line is its own."""
    place = list(COMMANDS).index(command) % 3
    for share in ((0.0, 0.3, 0.6)[place], (0.8, 1.2, 2.0)[place]):
        words = [sys.executable, pyz, command, *WORDS.get(command, "").split()]
        environment = os.environ | {"HOME": str(pyz.parent)}
        with subprocess.Popen(
            words,
            cwd=pyz.parent,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as run:
            time.sleep(share * start)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGINT)
            said = run.communicate()[1].decode()
        ours = [line for line in said.splitlines() if line.lstrip().startswith("File ") and "/perfkit/" in line]
        assert ours == [], said
        assert run.returncode in (-signal.SIGINT, 0, 1, 2)


ENTERED = """
import signal, sys, time
from perfkit import __main__ as entry
class Callback:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
def main(argv):
    {moment}
    time.sleep(60)
entry.main = main
entry.run()
"""
MOMENTS = {
    "a callback whose errors the interpreter prints and ignores": ("Callback()", ""),
    "a module that is being loaded": ("import loaded", "loaded\n"),  # a native one that is interrupted aborts the interpreter
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_waits_for_what_must_not_be_interrupted_and_is_not_lost(tmp_path: Path, moment: str) -> None:
    (tmp_path / "loaded.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\nprint('loaded', flush=True)\n")
    code, said = MOMENTS[moment]
    environment = {"PYTHONPATH": f"{Path(tier.__file__).parents[2]}:{tmp_path}"}
    command = [sys.executable, "-c", ENTERED.format(moment=code)]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (1, said, "perfkit: interrupted.\n")


REPLACED = """
import os, signal, sys
from perfkit.bootstrap import interrupt
interrupt.take()
import loaded
interrupt.hold_back([signal.SIGINT])
os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "import signal; print(*signal.sigpending())"])
"""


def test_ctrl_c_that_was_put_off_waits_for_the_program_that_takes_this_ones_place(tmp_path: Path) -> None:
    (tmp_path / "loaded.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    environment = {"PYTHONPATH": f"{Path(tier.__file__).parents[2]}:{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", REPLACED], check=False, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("2\n", "")


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"PERFKIT_CACHE": "/proc/none"}, "cannot be used to unpack perfkit's packages"),
        ({"PERFKIT_CACHE": "relative"}, "is not an absolute path"),
        ({"PERFKIT_CACHE": "/tmp"}, "/tmp"),
        ({"PERFKIT_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/proc/none"}, "/proc/none/.cache/perfkit cannot be used"),
    ],
    ids=["unwritable", "relative", "shared", "home"],
)
def test_a_cache_folder_that_will_not_do_is_one_sentence_with_the_cure(pyz: Path, environment: dict[str, str], sentence: str) -> None:
    done = perfkit(pyz, "process", **environment)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "PERFKIT_CACHE" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_damaged_on_its_way_is_one_sentence(pyz: Path, fresh: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pyz) as archive:
        wheel = next(info for info in archive.infolist() if "/duckdb-" in info.filename)
    damaged = Path(shutil.copy(pyz, tmp_path))
    with damaged.open("r+b") as file:
        file.seek(wheel.header_offset + wheel.file_size // 2)
        file.write(b"\0" * 64)
    done = perfkit(damaged, "process")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "perfkit.pyz is damaged" in done.stderr
    assert not list(fresh.iterdir())
