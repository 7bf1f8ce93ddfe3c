"""How long perfkit.pyz takes to start, beside the bare interpreter and the same commands of other tools' kind; by hand.

    python tests/bench/start.py [PYZ] [RUNS]

Each figure is the median of RUNS starts (default 15), taken in turn, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support import invent, pythons

PROBE = "import time; time.sleep(0)"


def main() -> None:
    pyz = Path(sys.argv[1] if sys.argv[1:] else "dist/perfkit.pyz").resolve()
    runs = int(sys.argv[2]) if sys.argv[2:] else 15
    with tempfile.TemporaryDirectory() as folder:
        collection = Path(folder, "run.json")
        invent.write(collection, seconds=600)
        figures = {name: [] for name in ("bare", *(label for label, _ in cases(pyz, collection)))}
        first_samples = []
        for number in range(runs):
            figures["bare"].append(timed([sys.executable, "-c", PROBE], folder))
            for label, command in cases(pyz, collection):
                figures[label].append(timed(command, folder, number))
            first_samples.append(first_sample(pyz, Path(folder, f"first{number}.json")))
    figures["collect: start to first sample (limit 250 ms)"] = first_samples
    for label, seconds in figures.items():
        print(f"{label:58} median {statistics.median(seconds) * 1000:6.0f} ms   least {min(seconds) * 1000:6.0f} ms")


def cases(pyz: Path, collection: Path) -> list[tuple[str, list[str]]]:
    """(label, command); `{n}` in a command is the run's number."""
    found = [
        ("--version (limit 120 ms)", [sys.executable, str(pyz), "--version"]),
        ("collect --help (limit 120 ms)", [sys.executable, str(pyz), "collect", "--help"]),
        (
            "process of 10 min at 1 s, warm cache",
            [sys.executable, str(pyz), "process", "--collection", str(collection), "--outdir", "out{n}"],
        ),
    ]
    others = {name: path for name, path in pythons.found().items() if name in {"3.9", "3.12", "3.13"} and path != sys.executable}
    return found + [(f"collect --help, Python {name}", [path, str(pyz), "collect", "--help"]) for name, path in others.items()]


def timed(command: list[str], folder: str, number: int = 0) -> float:
    start = time.monotonic()
    done = subprocess.run([word.replace("{n}", str(number)) for word in command], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    return time.monotonic() - start


def first_sample(pyz: Path, collection: Path) -> float:
    """Seconds from the start of `collect` to the reading of its first sample, by the same monotonic clock."""
    start = time.monotonic()
    subprocess.run(
        [sys.executable, pyz, "collect", "--collection", collection, "--duration", "100ms", "--frequency", "100ms"],
        capture_output=True,
        check=True,
    )
    line = next(line for line in collection.read_text().splitlines() if '"/proc/stat"' in line)
    return float(json.loads(line)["monotonic"]) - start


if __name__ == "__main__":
    main()
