"""Take pictures of every page of the dashboard: light and dark, three widths, and paper.

    build/venv/bin/python scripts/screenshots.py build/screenshots
    build/venv/bin/python scripts/screenshots.py build/screenshots --only host,compare --width 400 --scheme dark
    build/venv/bin/python scripts/screenshots.py build/screenshots --readme

Invented machines and a recording of this one under load are imported, a real collector streams this one as `live-1`, and `perfkit serve`
shows them. What was imported stays in the folder, so that a second run starts at once; delete invented.db there to have it made anew.
Paper is the page's PDF, a picture per sheet; that needs pdftoppm (poppler-utils). `--readme` makes the two pictures of the README anew, in
docs/pictures: the first screen of a run's page, and the certificate of a load of some seconds on this machine.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from support import invent  # noqa: E402 - from this checkout
from support.served import SOURCE, Served  # noqa: E402

CHROMIUM = "/usr/bin/chromium-headless-shell"  # what scripts/test.sh installs
WIDTHS = (1440, 400, 2560)
SCHEMES = ("light", "dark")
HEIGHT = 900
PHONE = 600
DPI = 70
ZONE = "Europe/Berlin"
UNTIL_LIVE = 45  # seconds of samples before the pictures
UNTIL_DRAWN = 90  # seconds, at most
# A page with charts has drawn them and their figures, one with lists has all of their cells; compare's page without a subject has none.
DRAWN = """(() => {
    const { frame, drawn, stats } = document.body.dataset;
    const words = (selector) => document.querySelector(selector)?.textContent ?? "";
    if (!frame || document.readyState !== "complete") return !frame && document.readyState === "complete";
    if (document.querySelector("#fleet")) return Boolean(drawn);
    if (words("#difference").startsWith("Choose")) return true;
    const waits = [words("#verdicts"), words("#findings")].some((one) => /^(Comparing|Loading)…$/.test(one));
    if (document.querySelector("#panels, #sections, #groups")) return Boolean(stats) && !waits;
    return ![...document.querySelectorAll("#rows td")].some((cell) => cell.textContent === "…");
})()"""
START = invent.START

# A page's name and its path; the ids are those of MACHINES, in the order of their import. What has no / at its start is a file.
PAGES = {
    "collectors": "/",
    "runs": "/runs",
    "fleet": "/fleet?site=lab&range=1h",
    "run": "/runs/1@3",
    "run-untrusted": "/runs/1@2",
    "report": "report.html",
    "overview": "/collectors/1",
    "zoomed": "/collectors/1?from=2026-01-01T00:08:00Z&to=2026-01-01T00:12:00Z",
    "host": "/collectors/1/host",
    "host-64": "/collectors/3/host",
    "tables": "/collectors/1/tables",
    "containers": "/collectors/1/containers",
    "container": "/collectors/1/containers/CONTAINER",
    "process": "/collectors/1/processes/nginx",
    "recorded": "/collectors/7",
    "compare": "/compare?c=1&c=2",
    "compare-runs": "/compare?c=1@1&c=2@1",
    "compare-arms": "/compare?arm=before=6@1,6@2,6@3&arm=after=6@4,6@5,6@6",
    "compare-empty": "/compare",
    "pause": "/collectors/4",
    "day": "/collectors/5",
    "live": "/collectors/LIVE",
    "nothing": "/collectors/1?from=2027-01-01T00:00:00Z&to=2027-01-01T01:00:00Z",
    "missing": "/collectors/99",
    "datasette-rows": "/perfkit/host_metrics?collector_id=1",
    "datasette-machines": "/perfkit/collectors",
    "datasette-sql": "/perfkit?QUERY",
    "datasette": "/perfkit",
    "first-visit": "/",
    "login": "/-/login",
}
PRINTED = ("collectors", "runs", "run", "report", "overview", "host", "tables", "compare", "compare-runs", "fleet")

_PHASES = [(60, "warm-up", "start"), (240, "warm-up", "end"), (300, "steady", "start"), (660, "deploy", "point")]
_STEADY = [*_PHASES, (900, "steady", "end"), (960, "cool-down", "start"), (1140, "cool-down", "end")]
_WAVES = [(300, 150, 0.62), (450, 150, 0.78), (600, 300, 0.93), (1000, 40, 0.99)]
MACHINES: tuple[dict[str, Any], ...] = (
    {
        "hostname": "web-1",
        "seconds": 1200,
        "loops": 2,
        "containers": 3,
        "users": True,
        "healthy": True,
        "spikes": _WAVES,
        "gaps": [(400, 3), (720, 130)],
        "marks": _STEADY,
    },
    {"hostname": "web-2", "seconds": 1200, "containers": 2, "healthy": True, "seed": 1, "spikes": _WAVES[:2], "marks": _STEADY},
    {
        "hostname": "big-1",
        "seconds": 600,
        "healthy": True,
        "cpus": 64,
        "disks": 6,
        "interfaces": 4,
        "containers": 14,
        "spikes": [(200, 200, 0.9)],
        "marks": [(200, "steady", "start"), (400, "steady", "end")],
    },
    {"hostname": "db-1", "seconds": 600, "marks": [(60, "steady", "start"), (400, "steady", "end")]},
    {"hostname": "db-1", "seconds": 600, "start": START + 4800, "seed": 2, "spikes": [(200, 100, 0.95)]},
    {"hostname": "idle-1", "seconds": 86_400, "frequency": 10.0, "gaps": [(30_000, 20)]},
    {
        "hostname": "bench-1",
        "seconds": 900,
        "healthy": True,
        "spikes": [(20 + 150 * n, 100, 0.5 if n < 3 else 0.68) for n in range(6)],
        "marks": [mark for n in range(6) for mark in ((20 + 150 * n, f"try-{n + 1}", "start"), (120 + 150 * n, f"try-{n + 1}", "end"))],
    },
)
# A test on many machines at once, at the site "lab"; one of them does less than its part, and its run takes longer.
_LAB = 8
_SLOW = 5
FLEET: tuple[dict[str, Any], ...] = tuple(
    {
        "hostname": f"node-{n}",
        "seconds": 900,
        "containers": 1,
        "healthy": True,
        "seed": n,
        "spikes": [(180, 420, 0.52 + n / 400 + (0.4 if n == _SLOW else 0))],
        "marks": [
            (120, "checkout", "start"),
            (180, "steady", "start"),
            (600, "steady", "end"),
            (760 if n == _SLOW else 660 + n, "checkout", "end"),
        ],
    }
    for n in range(1, _LAB + 1)
)
# This machine's own recording: seconds of it, and from where to where all of its CPUs compute.
RECORDED = 50
STRESSED = (10, 35)
PICTURES = ROOT / "docs" / "pictures"


def main() -> int:
    options = options_()
    options.folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(options.folder / "empty", ignore_errors=True)
    shutil.rmtree(options.folder / "spool", ignore_errors=True)
    served = prepare(options.folder)
    empty = Served(options.folder / "empty")
    try:
        with collecting(served, options.folder):
            time.sleep(UNTIL_LIVE)
            take(options, addresses(served, empty, options.folder))
        if options.readme:
            PICTURES.mkdir(exist_ok=True)
            shutil.copy(options.folder / f"run-first-{options.scheme[0]}.png", PICTURES / "run.png")
            (PICTURES / "certificate.svg").write_text(certificate(options.folder / "certified"))
    finally:
        served.stop()
        empty.stop()
    return 0


def prepare(folder: Path) -> Served:
    """A server over the invented machines, which are imported once, and nothing that was streamed before."""
    invented, data = folder / "invented.db", folder / "data"
    if not invented.exists():
        for number, machine in enumerate(MACHINES):
            path = invent.write(folder / f"{machine['hostname']}-{number}.json.gz", **machine)
            perfkit("import", path, "--db", invented)
        load = locust(folder / "checkout_stats_history.csv", START + 60, 1080)
        perfkit("import", "--load", load, "--collector-name", "web-1", "--db", invented)
        perfkit("import", recorded(folder / "recorded.json"), "--collector-name", "recorded-1", "--db", invented)
        for machine in FLEET:
            perfkit("import", invent.write(folder / f"{machine['hostname']}.json.gz", **machine), "--site", "lab", "--db", invented)
    perfkit("report", "web-1@1", "--db", invented, "--out", folder / "report.html")
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    shutil.copy(invented, data / "perfkit.db")
    return Served(data)


def perfkit(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """One command of this checkout."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE)} | options.pop("env", {})
    command = [sys.executable, "-m", "perfkit", *map(str, arguments)]
    return subprocess.run(command, env=environment, text=True, capture_output=True, check=True, **options)  # noqa: S603 - our own


def recorded(path: Path) -> Path:
    """A recording of this machine, which computes for a while, with that as a run."""
    path.unlink(missing_ok=True)
    command = [sys.executable, "-m", "perfkit", "collect", "--duration", f"{RECORDED}s", "--collection", str(path)]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(SOURCE)}, stderr=subprocess.DEVNULL):  # noqa: S603 - our own
        time.sleep(STRESSED[0])
        perfkit("mark", "stress", path, "--kind", "start")
        busy = f"import time\nend = time.time() + {STRESSED[1] - STRESSED[0]}\nwhile time.time() < end: pass"
        stress = [subprocess.Popen([sys.executable, "-c", busy]) for _ in range(os.cpu_count() or 1)]  # noqa: S603 - our own
        for one in stress:
            one.wait()
        perfkit("mark", "stress", path, "--kind", "end")
    return path


def locust(path: Path, start: int, seconds: int) -> Path:
    """Invented output of Locust: throughput that grows with the users until the machine is full, and the latency that comes of it."""
    head = "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%,Total Request Count,"
    head += "Total Failure Count,Total Median Response Time,Total Average Response Time,Total Min Response Time,Total Max Response Time,"
    head += "Total Average Content Size"
    lines, requests, failures = [head], 0, 0
    for second in range(seconds):
        users = 20 + second // 60 * 10
        rate = 1800 * (1 - math.exp(-users / 80)) + 40 * math.sin(second / 7)
        wait = 8 + users**2 / 400 + 6 * abs(math.sin(second / 11))
        failed = 2 if second % 97 < 3 and users > 120 else 0
        requests, failures = requests + int(rate), failures + failed
        times = ",".join(str(round(wait * factor)) for factor in (1, 1.2, 1.4, 1.6, 2.1, 3.2, 5.5, 8, 14, 20, 24))
        lines.append(
            f"{start + second},{users},,Aggregated,{rate:.2f},{failed:.2f},{times},{requests},{failures},{wait:.0f},{wait:.0f},2,900,512"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def certificate(folder: Path) -> str:
    """What `preflight` prints around a load, as SVG."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    collector = [sys.executable, "-m", "perfkit", "collect", "--collection", "run.json"]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    load = f"import time\nend = time.time() + {STRESSED[0]}\nwhile time.time() < end: pass"
    with subprocess.Popen(collector, cwd=folder, env=environment, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - our own
        told = perfkit("preflight", "--collection", "run.json", "--wait", "60s", "--", sys.executable, "-c", load, cwd=folder)
        process.terminate()
    console = Console(record=True, width=110, file=io.StringIO())
    console.print(Text(f"$ python3 perfkit.pyz preflight -- ./load.sh\n{told.stdout.strip()}"))
    return re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="perfkit"), flags=re.S)  # fonts of another site


@contextmanager
def collecting(served: Served, folder: Path) -> Iterator[None]:
    """A collector that streams this machine as `live-1` while the block runs."""
    command = [sys.executable, "-m", "perfkit", "collect", "--mode", "trickle", "--server", served.url, "--identifier", "live-1"]
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "PCC_APIKEY": served.key}
    command += ["--spool", str(folder / "spool")]
    collector = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
    try:
        yield
    finally:
        collector.terminate()
        collector.wait()


def addresses(served: Served, empty: Served, folder: Path) -> dict[str, str]:
    """The full URL of every page of PAGES."""
    listed = httpx.get(f"{served.dashboard}/api/v1/collectors").json()["collectors"]
    live = next((one["id"] for one in listed if one["machinename"] == "live-1"), 1)
    containers = httpx.get(f"{served.dashboard}/api/v1/collectors/1/series?metrics=containers.cpu_percent").json()
    container = next(iter(containers["tables"]["containers"]["devices"]))
    query = urlencode({"sql": "select * from host_metrics where collector_id = :collector limit 50", "collector": 1})
    places = {"LIVE": str(live), "CONTAINER": container, "QUERY": query}

    def address(name: str, path: str) -> str:
        if not path.startswith("/"):
            return (folder.resolve() / path).as_uri()
        return (empty if name == "first-visit" else served).dashboard + reduce(
            lambda text, place: text.replace(*place), places.items(), path
        )

    return {name: address(name, path) for name, path in PAGES.items()}


def take(options: argparse.Namespace, urls: dict[str, str]) -> None:
    """Every page that was asked for, in every scheme and width, and on paper."""
    wanted = [name for name in PAGES if not options.only or name in options.only]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, scheme in ((width, scheme) for width in options.width for scheme in options.scheme):
            phone = width < PHONE
            context = browser.new_context(
                viewport={"width": width, "height": HEIGHT}, color_scheme=scheme, timezone_id=ZONE, has_touch=phone, is_mobile=phone
            )
            for name in wanted:
                page = opened(context, urls[name])
                page.screenshot(path=options.folder / f"{name}-{width}-{scheme}.png", full_page=True)
                if width == WIDTHS[0]:
                    page.screenshot(path=options.folder / f"{name}-first-{scheme}.png")
                page.close()
            context.close()
        if options.print and shutil.which("pdftoppm"):
            for name in (name for name in PRINTED if name in wanted):
                page = opened(browser.new_context(viewport={"width": WIDTHS[0], "height": HEIGHT}, timezone_id=ZONE), urls[name])
                sheet(page, options.folder / f"{name}-paper")
                page.context.close()
        elif options.print:
            print("pdftoppm is missing: nothing was printed; install poppler-utils.", file=sys.stderr)
        browser.close()


def opened(context: Any, url: str) -> Any:
    """The page at `url`, drawn."""
    page = context.new_page()
    page.on("pageerror", lambda error: print(f"{url}: {error}", file=sys.stderr))
    page.on("console", lambda message: print(f"{url}: {message.text}", file=sys.stderr) if message.type == "error" else None)
    page.goto(url)
    end = time.monotonic() + UNTIL_DRAWN
    while time.monotonic() < end and not page.evaluate(DRAWN):  # wait_for_function may not poll under the pages' CSP
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)
    return page


def sheet(page: Any, path: Path) -> None:
    """The page's PDF, and a picture of each of its sheets."""
    pdf = path.with_suffix(".pdf")
    page.pdf(path=pdf, format="A4", print_background=False)
    subprocess.run(["pdftoppm", "-r", str(DPI), "-png", str(pdf), str(path)], check=True)  # noqa: S603, S607 - from PATH, on our own file


def options_() -> argparse.Namespace:
    def words(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(description="Take pictures of every page.")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--only", type=words, default=[], metavar="PAGE,...", help=f"these alone: {', '.join(PAGES)}")
    parser.add_argument("--width", type=lambda text: [int(one) for one in words(text)], default=WIDTHS, metavar="PIXELS,...")
    parser.add_argument("--scheme", type=words, default=SCHEMES, metavar="light,dark")
    parser.add_argument("--no-print", dest="print", action="store_false", help="no paper")
    parser.add_argument("--readme", action="store_true", help="the pictures of the README alone")
    options = parser.parse_args()
    if options.readme:
        options.only, options.width, options.scheme, options.print = ["run"], WIDTHS[:1], SCHEMES[:1], False
    return options


if __name__ == "__main__":
    sys.exit(main())
