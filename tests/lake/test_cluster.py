"""`process --on dask://...`: a real scheduler and two workers that have no perfkit, one of which is killed half-way."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import cluster as dask
from support import invent
from support.running import ENVIRONMENT, perfkit, wait_for

from .conftest import put, rows

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="dask[distributed] is not installed: no cluster was tried"
)


def bare(desk_cache: Path) -> dict[str, str]:
    """An environment in which nobody finds the checkout's perfkit, and the pyz the installed packages besides its own."""
    kept = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONPATH"}
    return kept | {"PERFKIT_CACHE": str(desk_cache), "PERFKIT_DRIVERS": sysconfig.get_path("purelib")}


@pytest.fixture
def cluster(tmp_path: Path, desk_cache: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """dask://host:port of a scheduler, and its two workers."""
    with dask.cluster(tmp_path, 2, bare(desk_cache)) as found:
        yield found


@needs_dask
def test_a_cluster_that_loses_a_worker_makes_the_same_lake(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], built: Path, desk_cache: Path, tmp_path: Path
) -> None:
    """The pyz goes to the workers by itself."""
    address, workers = cluster
    collections = [invent.write(tmp_path / f"{n}.json", hostname=f"vm-{n}", seconds=5, start=invent.START + 60 * n) for n in range(4)]
    broken = tmp_path / "broken.json"
    broken.write_text("nothing\n")
    words = ["process", broken, *collections, "--lake", tmp_path / "lake", "--site", "lab", "--on", address]
    running = subprocess.Popen(
        [sys.executable, str(built), *map(str, words)], env=bare(desk_cache), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: (tmp_path / "lake" / "runs").exists() or running.poll() is not None, 300)
    workers[0].kill()
    out, err = running.communicate(timeout=400)
    assert running.returncode == 1
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "perfkit: 1 of 5 collections could not be processed (broken.json); the reasons stand above."
    assert f"Not processed: {broken} is not a collection: none of its lines can be read." in out
    assert f"In the lake {tmp_path}/lake: 4 of 5 collections." in out
    assert all(f"vm-{n}: " in out for n in range(4))
    put(tmp_path / "alone", *collections)
    assert [row[:-1] for row in rows(tmp_path / "lake")["host"]] == [row[:-1] for row in rows(tmp_path / "alone")["host"]]
    assert rows(tmp_path / "lake") == rows(tmp_path / "alone")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        pytest.param(["--on", "dask://127.0.0.1:1"], 2, "--on goes with --lake alone", id="no lake"),
        pytest.param(["--on", "127.0.0.1:8786", "--lake", "lake"], 2, "is no cluster; write dask://HOST:PORT", id="no scheme"),
        pytest.param(
            ["--on", "dask://127.0.0.1:1", "--lake", "lake"], 1, "no Dask scheduler answers at 127.0.0.1:1", id="nobody", marks=needs_dask
        ),
    ],
)
def test_wrong_use_of_a_cluster_is_one_sentence(words: list[str], code: int, sentence: str, collection: Path, tmp_path: Path) -> None:
    done = perfkit("process", collection, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_without_dask_the_sentence_names_it(collection: Path, tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError\n")
    environment = ENVIRONMENT | {"PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}"}
    done = perfkit("process", collection, "--on", "dask://127.0.0.1:1", "--lake", "lake", cwd=tmp_path, env=environment)
    assert done.returncode == 2
    assert "pip install --target FOLDER 'dask[distributed]' and set PERFKIT_DRIVERS=FOLDER." in done.stderr
