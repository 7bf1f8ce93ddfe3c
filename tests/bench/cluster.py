"""How `process --on` grows: PYTHONPATH=src:tests python tests/bench/cluster.py [--collections 64] [--seconds 3600]

A real Dask scheduler and workers of one thread each on this machine (--packages names a folder that has dask[distributed], where it is not
installed). The same collections with one worker and with two, and half of them with two: seconds of the whole command. Not run by pytest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from support import invent
from support.cluster import cluster
from support.running import ENVIRONMENT


def took(folder: Path, workers: int, files: Sequence[Path], environment: dict[str, str]) -> float:
    """Seconds of `process --on` for `files`."""
    with cluster(folder, workers, environment) as (address, _):
        time.sleep(5)  # until all workers are there
        lake = folder / f"lake-{workers}-{len(files)}"
        words = [sys.executable, "-m", "perfkit", "process", *map(str, files), "--lake", str(lake), "--site", "lab", "--on", address]
        began = time.perf_counter()
        subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--collections", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--packages", default="")
    asked = parser.parse_args()
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([ENVIRONMENT["PYTHONPATH"], asked.packages])}
    environment["PERFKIT_DRIVERS"] = asked.packages
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [invent.write(folder / f"{n}.json", hostname=f"vm-{n}", seconds=asked.seconds) for n in range(asked.collections)]
        one, two = (took(folder, workers, files, environment) for workers in (1, 2))
        half = took(folder, 2, files[: len(files) // 2], environment)
    print(f"{asked.collections} collections of {asked.seconds} s: one worker {one:.1f} s, two {two:.1f} s: {one / two:.2f}x (bar 1.7)")
    print(f"two workers, half of the collections: {half:.1f} s; twice as many take {two / half:.2f}x (bar 1.8 to 2.2)")


if __name__ == "__main__":
    main()
