"""The file alone, in an empty folder, does the main job: record, prove, process, import, show; one command after the other, no flag."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import seed

HOST_HEADER = (
    "timestamp,cpu_user,cpu_system,cpu_iowait,cpu_idle,cpu_steal,mem_total,mem_used,mem_available,mem_buffers,mem_cached,"
    "disk_read_bytes,disk_write_bytes,disk_read_ops,disk_write_ops,net_rx_bytes,net_tx_bytes,net_rx_packets,net_tx_packets"
)
PATIENCE = 200  # seconds: a busy machine is no failure
CPU_SHARES = ("cpu_user", "cpu_system", "cpu_iowait", "cpu_idle", "cpu_steal")


class Alone:
    """The file in its folder, and a home of its own."""

    def __init__(self, pyz: Path, home: Path) -> None:
        self.folder, self.home = pyz.parent, home
        self.environment = os.environ | {"HOME": str(home), "XDG_DATA_HOME": "", "PERFKIT_DB": ""}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "perfkit.pyz", *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        output, complaint = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, f"{arguments}: {output}{complaint}"
        return output + complaint


@pytest.fixture
def alone(pyz: Path, tmp_path: Path) -> Alone:
    (tmp_path / "home").mkdir()
    return Alone(pyz, tmp_path / "home")


@pytest.fixture
def recorded(alone: Alone) -> Path:
    """A collection of this machine, made and proven by the file."""
    collector = alone.start("collect", "--frequency", "100ms", "--duration", "10m")
    while not list(alone.folder.glob("*.json")):
        assert collector.poll() is None
        time.sleep(0.01)
    proof = alone.run("preflight", "--wait", "30s")
    collector.send_signal(signal.SIGINT)
    collector.communicate(timeout=PATIENCE)
    (collection,) = alone.folder.glob("*.json")
    assert collector.returncode == 0
    assert collection.name in proof
    return collection


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_recording_becomes_tables_and_pages(alone: Alone, recorded: Path) -> None:
    assert recorded.name in alone.run("process")
    outdir = recorded.with_suffix("")
    host = rows(outdir / "host.csv")
    samples = sum('"subsystem":"/proc/stat"' in line for line in recorded.read_text().splitlines())
    assert ",".join(host[0]) == HOST_HEADER
    assert len(host) == samples - 1
    for row in host:
        shares = [float(row[name]) for name in CPU_SHARES if row[name]]
        assert not shares or abs(sum(shares) - 100) < 1e-6

    alone.run("import")
    database = alone.home / ".local/share/perfkit/perfkit.db"
    with sqlite3.connect(database) as con:
        (name,) = con.execute("SELECT machinename FROM collectors_collector").fetchone()
        (stored,) = con.execute("SELECT COUNT(*) FROM dashboard_performancemetric GROUP BY collector_id").fetchone()
    con.close()
    assert (name, stored) == (os.uname().nodename, len(host))

    server = alone.start("serve", "--listen", "127.0.0.1:0", "--no-receive")
    try:
        address = _address(server)
        assert name in _page(f"{address}/")
        assert "uplot" in _page(f"{address}/collectors/1").lower()
        (listed,) = json.loads(_page(f"{address}/api/v1/collectors"))["collectors"]
        assert name in json.dumps(listed)
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=PATIENCE)
    assert server.returncode == 0


BROWSER = "chromium-headless-shell"
INKED = """() => [...document.querySelectorAll("canvas")].map(canvas =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(value => value > 0))"""


@pytest.mark.skipif(
    not shutil.which(BROWSER),
    reason=f"{BROWSER} is not installed: the file's charts were not seen in a browser",
)
def test_a_browser_sees_the_charts_that_the_file_serves(alone: Alone) -> None:
    """Script, style and uPlot come out of the file; nothing is asked of another host and nothing is logged as wrong."""
    database = alone.home / ".local" / "share" / "perfkit" / "perfkit.db"
    database.parent.mkdir(parents=True)
    seed.fill(database)
    server = alone.start("serve", "--listen", "127.0.0.1:0", "--no-receive")
    try:
        address = _address(server)
        with ThreadPoolExecutor(1) as thread:  # in that of the tests another browser's Playwright may be at work still
            inked, asked, wrong = thread.submit(_seen, f"{address}/collectors/1").result()
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=PATIENCE)
    assert len(inked) >= 4
    assert all(inked)
    assert not wrong
    assert all(url.startswith(address) for url in asked)


def _seen(url: str) -> tuple[list[bool], list[str], list[str]]:
    """Of each canvas of the drawn page whether there is ink on it; what the page asked for, and what was logged as wrong."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(BROWSER), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(url)
        page.wait_for_selector("body[data-drawn]")
        inked = page.evaluate(INKED)
        browser.close()
    return inked, asked, wrong


def _address(server: subprocess.Popen[str]) -> str:
    """Where `serve` says that the dashboard is."""
    assert server.stdout is not None
    said = ""
    for line in server.stdout:
        said += line
        if found := [word.rstrip("/.,") for word in line.split() if word.startswith("http://")]:
            return found[0]
    raise AssertionError(f"serve said no address: {said}")


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    "arguments",
    [
        ("process", "--collection", "missing.json"),
        ("process", "--collection", "perfkit.pyz"),
        ("process", "--collection", "empty.json"),
        ("process", "--collection", "/etc/passwd"),
        ("process",),
        ("import", "--file", "missing.json"),
        ("import", "--file", "/etc/passwd"),
        ("collect", "--mode", "trickle"),
        ("collect", "--mode", "trickle", "--server", "http://127.0.0.1:9"),
        ("collect", "--collection", "/proc/none/run.json"),
        ("collect", "--duration", "ten"),
        ("preflight", "--collection", "missing.json"),
        ("serve", "--db", "/etc/passwd", "--listen", "127.0.0.1:0", "--no-receive"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_sentence_and_nothing_half_written(alone: Alone, arguments: tuple[str, ...]) -> None:
    (alone.folder / "empty.json").touch()
    process = alone.start(*arguments)
    output, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, output + complaint
    assert complaint.count("\n") == 1, complaint
    assert complaint.startswith("perfkit: ")
    assert "Traceback" not in output + complaint
    assert sorted(path.name for path in alone.folder.iterdir()) == ["empty.json", "perfkit.pyz"]
    assert not list(alone.home.rglob("*.db"))
