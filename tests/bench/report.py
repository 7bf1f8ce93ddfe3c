"""What `perfkit report` costs of runs that last a day: time, largest memory, the file's size, and how long a browser takes to draw it.

    python tests/bench/report.py          # one run of 24 h at 1 s, and ten; about ten minutes and 10 GB in a temporary folder

The numbers are random, which compresses worst.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(Path(__file__).parent)]

from perfkit.store.importing import import_input  # noqa: E402
from store import DAY, START, line, make_folder  # noqa: E402

CHROMIUM = "/usr/bin/chromium-headless-shell"  # what scripts/test.sh installs
MIB = 1 << 20


def make(db: Path, days: int) -> None:
    """A database with a run of a day of each of so many machines."""
    for number in range(days):
        folder = make_folder(db.with_name(f"day{number}"), DAY, START + number * 2 * DAY)
        import_input(db, folder, collector_name=f"vm-{number}")
        shutil.rmtree(folder)


def report(db: Path, out: Path, runs: int) -> tuple[float, float]:
    """Seconds and largest resident MiB of a `perfkit report` of the first so many runs."""
    command = [sys.executable, "-m", "perfkit", "report", *(f"vm-{number}@1" for number in range(runs)), "--db", str(db), "--out", str(out)]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - began, used.ru_maxrss / 1024


def drawn(file: Path) -> float:
    """Seconds until the page has drawn its charts and their figures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        began = time.perf_counter()
        page.goto(f"file://{file}")
        page.wait_for_selector("body[data-stats]", timeout=120_000)
        took = time.perf_counter() - began
        browser.close()
    return took


def main(days: int = 10) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        db = place / "perfkit.db"
        making = multiprocessing.get_context("spawn").Process(target=make, args=(db, days))  # its memory would count as its children's
        making.start()
        making.join()
        assert making.exitcode == 0
        print(f"  ({days} runs of 24 h at 1 s imported: {db.stat().st_size / MIB:,.0f} MiB)")
        for runs, most in {1: 5, days: 10}.items():
            out = place / f"{runs}.html"
            seconds, memory = report(db, out, runs)
            size, draws = out.stat().st_size / MIB, drawn(out)
            said = f"report of {runs} run{'s' if runs > 1 else ''} of 24 h at 1 s"
            line(f"{said}: size", f"{size:.2f} MiB", f"<= {most} MB", size * MIB <= most * 1e6)
            line(f"{said}: drawn", f"{draws:.1f} s", "<= 2 s" if runs == 1 else "(no limit)", runs > 1 or draws <= 2)
            line(f"{said}: written", f"{seconds:.1f} s, {memory:,.0f} MiB", "(no limit)", True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
