"""What every area's tests may use: the built file, and the Pythons of this machine."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples on every run, however long a busy machine takes over one; what one worker process finds is not kept for another.
settings.register_profile("suite", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# Where the tests run in the background of a shell, Ctrl-C is ignored, and with nohup the end of a terminal; what they start would
# inherit that.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: Python need not look through them again whenever it looks for garbage, and that less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # DuckDB tells of whatever is left of it when the interpreter ends


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all worker processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session", autouse=True)
def _seeds(shared: Path) -> None:
    """A database that several tests fill alike is filled once per test run."""
    from support import seed

    seed.kept_in = shared / "seeds"
    seed.kept_in.mkdir(exist_ok=True)


@pytest.fixture(scope="session")
def built(shared: Path) -> Path:
    """perfkit.pyz made from this checkout for this Python, once per test run; not to be changed."""
    return _build(shared / "built", "--python", f"{sys.version_info[0]}.{sys.version_info[1]}")


@pytest.fixture(scope="session")
def whole(shared: Path) -> Path:
    """perfkit.pyz as `python3 build_zipapp.py` makes it, for every Python; once per test run, not to be changed."""
    return _build(shared / "whole")


@pytest.fixture(scope="session")
def target_only(shared: Path) -> Path:
    """perfkit.pyz of the target tier alone; once per test run, not to be changed."""
    return _build(shared / "target-only", "--target-only")


def _build(folder: Path, *options: str) -> Path:
    from support.running import made_once

    def build(building: Path) -> None:
        command = [sys.executable, ROOT / "build_zipapp.py", *options, "--output", building / "perfkit.pyz"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return made_once(folder, build) / "perfkit.pyz"


@pytest.fixture(scope="session")
def desk_cache(shared: Path) -> Path:
    """A cache folder for tests in which the unpacking itself is not the matter."""
    folder = shared / "cache"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@pytest.fixture
def pyz(built: Path, desk_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file alone in an empty folder, `tmp_path / "alone"`; its cache is shared by all tests, and no PYTHON* is set.

    It is the one that `built` is: who writes to it makes a copy.
    """
    monkeypatch.setenv("PERFKIT_CACHE", str(desk_cache))
    for name in [name for name in os.environ if name.startswith(("PYTHON", "PERFKIT_DB", "PCC_", "PCR_"))]:
        monkeypatch.delenv(name)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / built.name).hardlink_to(built)
    return alone / built.name
