"""A real Dask cluster on loopback: a scheduler, and workers of one thread each."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.running import wait_for


@contextlib.contextmanager
def cluster(folder: Path, workers: int, environment: Mapping[str, str]) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """dask://host:port of its scheduler, and its workers; what they say is in `folder`/cluster.log."""
    told = Path(tempfile.mkdtemp(dir=folder), "scheduler.json")
    common = ["--no-dashboard", "--scheduler-file", str(told)]
    with contextlib.ExitStack() as stack, (folder / "cluster.log").open("ab") as log:

        def start(*words: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", *words, *common]
            started = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
            stack.callback(started.wait)
            stack.callback(started.kill)
            return started

        start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        wait_for(told.exists, 120)
        words = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", str(folder))
        started = [start("distributed.cli.dask_worker", *words) for _ in range(workers)]
        wait_for(lambda: told.read_bytes().endswith(b"}"))
        yield json.loads(told.read_bytes())["address"].replace("tcp://", "dask://"), started
