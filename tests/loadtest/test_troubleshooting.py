"""Walks docs/troubleshooting.md: every trouble of the table is made to happen, and answered with the words that stand there."""

from __future__ import annotations

import csv
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from support import invent, seed
from support.running import ENVIRONMENT, FAULTY, collect, in_process, perfkit, wait_for
from support.server import running
from support.unkind_server import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
KEY = "0123456789abcdef"


def rows() -> list[tuple[str, str]]:
    """(what the user sees, what perfkit says or does) of every row."""
    found = [line.strip("| ").split(" | ") for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    return [(cells[0], cells[2]) for cells in found if cells[0] != "you see" and not cells[0].startswith("---")]


class Desk:
    """A folder, and perfkit run in it; what it printed is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed = ""
        self.started: list[subprocess.Popen[Any]] = []
        self.environment = {**ENVIRONMENT, "HOME": str(folder), "PERFKIT_DB": str(folder / "perfkit.db")}

    def run(self, *words: object, code: int | None = None, **environment: str) -> None:
        another = "--" in words or words[0] == "collect"  # program starts, or takes this one's place
        done = (perfkit if another else in_process)(*words, cwd=self.folder, env={**self.environment, **environment})
        self.printed += done.stdout + done.stderr
        assert "Traceback" not in self.printed
        assert code is None or done.returncode == code, self.printed

    def start(self, *words: object, **environment: str) -> subprocess.Popen[Any]:
        command, environment = [sys.executable, "-m", "perfkit", *map(str, words)], {**self.environment, **environment}
        if words[0] == "collect":
            process = collect(*words[1:], cwd=self.folder, env=environment)
        else:
            process = subprocess.Popen(command, cwd=self.folder, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.started.append(process)
        return process

    def collect(self, *words: str) -> subprocess.Popen[Any]:
        process = self.start("collect", "--no-containers", "--collection", "vm.json", "--frequency", "200ms", *words)
        wait_for(lambda: (self.folder / "vm.json").exists() and b"/proc/stat" in (self.folder / "vm.json").read_bytes())
        return process

    def faulty(self, *words: str) -> None:
        self.started.append(subprocess.Popen([sys.executable, str(FAULTY), str(self.folder / "vm.json"), *words]))
        wait_for((self.folder / "vm.json").exists)

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()


@contextmanager
def portal() -> Iterator[str]:
    """A server that sends everyone to a login page."""

    class Redirect(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(302)
            self.send_header("Location", "/login/")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Silence."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def receiver(desk: Desk) -> str:
    """The address of a real receiver that was started for this."""
    process = desk.start("serve", "--no-dashboard", "--receive", "127.0.0.1:0")
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    return found[0]


def new_key(desk: Desk) -> str:
    """A key that the receiver will know."""
    desk.run("keys", "add", "vm", code=0)
    return next(word for word in desk.printed.split() if len(word) >= 32)


def no_key(desk: Desk) -> None:
    desk.run("collect", "--mode", "trickle", "--server", "http://127.0.0.1:1", code=2)
    desk.run("collect", "--duration", "300ms", "--frequency", "100ms", code=0)


def wrong_mode(desk: Desk) -> None:
    desk.start("collect", "--mode", "trickle", "--server", "http://127.0.0.1:1", PCC_APIKEY=KEY)
    wait_for(lambda: list(desk.folder.glob("*.spool")))
    desk.run("preflight", "--collection", "vm.json", "--wait", "200ms", code=2)


def empty_file(desk: Desk) -> None:
    (desk.folder / "vm.json").touch()
    desk.run("preflight", "--collection", "vm.json", "--wait", "200ms", code=2)


def killed(desk: Desk) -> None:
    process = desk.collect()
    desk.run("preflight", "--collection", "vm.json", "--", "sh", "-c", f"kill -9 {process.pid}; sleep 1", code=1)
    desk.run("preflight", "--collection", "vm.json", "--wait", "300ms", code=1)


def suspended(desk: Desk) -> None:
    os.kill(desk.collect().pid, 19)
    desk.run("preflight", "--collection", "vm.json", "--wait", "300ms", code=1)


def too_late(desk: Desk) -> None:
    desk.run("preflight", "--collection", "vm.json", "--wait", "200ms", "--", "touch", "started", code=2)
    assert not (desk.folder / "started").exists()


def too_short(desk: Desk) -> None:
    desk.collect("--duration", "8s")
    until_it_ends = "while ! grep -q '\"perfkit/end\"' vm.json; do sleep 0.1; done; sleep 1"
    desk.run("preflight", "--collection", "vm.json", "--", "sh", "-c", until_it_ends, code=1)


def second_collector(desk: Desk) -> None:
    desk.collect()
    desk.run("collect", "--collection", "vm.json", code=2)


def full_disk(desk: Desk) -> None:
    desk.faulty("--duration", "1e12")
    desk.run("preflight", "--collection", "vm.json", code=1)


def gap(desk: Desk) -> None:
    pid = desk.collect().pid
    desk.run("preflight", "--collection", "vm.json", "--", "sh", "-c", f"kill -STOP {pid}; sleep 1; kill -CONT {pid}; sleep 1", code=1)


def clock(desk: Desk) -> None:
    desk.faulty("--fault", "unsynchronised")
    desk.run("preflight", "--collection", "vm.json", code=0)


def unknown_certificate(desk: Desk) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    names = desk.folder / "cert.pem", desk.folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-out", names[0], "-keyout", names[1]]
    subprocess.run(words, check=True, capture_output=True)
    with serving(tls=names) as server:
        desk.run("preflight", "--server", server.url, "--apikey", KEY, code=1)


def login_page(desk: Desk) -> None:
    with portal() as address:
        desk.run("preflight", "--server", address, "--apikey", KEY, code=1)


def upload_without_key(desk: Desk) -> None:
    request = Request(f"{receiver(desk)}/api/v1/performance/upload", data=b"x", method="POST")
    with pytest.raises(HTTPError) as refused:
        urlopen(request, timeout=120)
    with refused.value:
        assert refused.value.code == 401
        desk.printed += refused.value.read().decode()


def wrong_key(desk: Desk) -> None:
    address = receiver(desk)
    desk.run("preflight", "--server", address, "--apikey", "wrong-key-1", code=1)


def stream(desk: Desk, address: str, key: str, *words: str) -> None:
    """A collector that streams from the folder `spool`."""
    desk.start("collect", "--mode", "trickle", "--server", address, "--spool", "spool", "--frequency", "200ms", *words, PCC_APIKEY=key)
    wait_for((desk.folder / "spool" / "lock").exists)


def full_spool(desk: Desk) -> None:
    stream(desk, "http://127.0.0.1:1", KEY)
    desk.run("preflight", "--spool", "spool", "--wait", "300ms", code=1)


def cut_off_receiver(desk: Desk) -> None:
    with running(desk.folder / "data") as one:
        stream(desk, one.url, one.key, "--frequency", "500ms")
        words = ("preflight", "--spool", "spool", "--", "sh", "-c", "touch started; while ! [ -e end ]; do sleep 0.1; done")
        run = subprocess.Popen(
            [sys.executable, "-m", "perfkit", *words], cwd=desk.folder, env=desk.environment, text=True, stdout=-1, stderr=-1
        )
        assert run.stderr is not None
        wait_for((desk.folder / "started").exists)
        one.kill()
        desk.printed += run.stderr.readline()
        one.start()
        desk.printed += run.stderr.readline()
        (desk.folder / "end").touch()
        desk.printed += "".join(run.communicate(timeout=200))
        assert run.returncode == 0, desk.printed


def another_receiver(desk: Desk) -> None:
    key = new_key(desk)
    stream(desk, "http://127.0.0.1:1", key)
    desk.run("preflight", "--server", receiver(desk), "--spool", "spool", "--wait", "300ms", code=1, PCC_APIKEY=key)


def several_collectors(desk: Desk) -> None:
    desk.collect()
    stream(desk, "http://127.0.0.1:1", KEY)
    desk.run("preflight", code=2)
    desk.run("mark", "here", code=2)


def short_wait(desk: Desk) -> None:
    desk.collect("--frequency", "2s")
    desk.run("preflight", "--collection", "vm.json", "--wait", "1s", code=1)


def no_collection(desk: Desk) -> None:
    (desk.folder / "vm.json").write_text("hello\n")
    desk.run("process", "--collection", "vm.json", code=2)


def old_test(desk: Desk) -> None:
    """A test of last winter: its last hour is the hour before its end."""
    invent.write(desk.folder / "vm.json", seconds=5400, frequency=10)
    desk.run("process", code=0)
    with (desk.folder / "vm" / "percentiles.csv").open() as file:
        samples = {row["range"]: row["samples"] for row in csv.DictReader(file) if row["metric"] == "host.cpu_user"}
    assert 0 < int(samples["1h"]) < int(samples["all"])
    desk.printed += " ".join(samples)


def unknown_time(desk: Desk) -> None:
    seed.fill(desk.folder / "perfkit.db")
    output = Path(__file__).with_name("outputs") / "wrk.txt"
    desk.run("import", "--load", output, "--load-start", "2020-01-01", code=2)


SCENARIOS: dict[str, Callable[[Desk], None]] = {
    '"must set api key"': no_key,
    '"must set server"': lambda desk: desk.run("collect", "--mode", "trickle", code=2),
    "no file appears": wrong_mode,
    "no file appears, and no collector runs": lambda desk: desk.run("preflight", "--collection", "vm.json", "--wait", "200ms", code=2),
    "an empty file": empty_file,
    "the file does not grow": killed,
    "the file does not grow, the process is there": suspended,
    "the collector was started after the load": too_late,
    "the recording ended before the load": too_short,
    "two collectors on one file": second_collector,
    "a full disk in the middle of the test": full_disk,
    "the wrong collection was taken": several_collectors,
    "preflight fails although samples come": short_wait,
    "gaps": gap,
    "times do not match other machines'": clock,
    "a number without a unit": lambda desk: desk.run("collect", "--frequency", "1", code=2),
    '"connection refused"': lambda desk: desk.run("preflight", "--server", "127.0.0.1:9", "--apikey", KEY, code=1),
    '"certificate verify failed"': unknown_certificate,
    "302": login_page,
    "302 on an upload": upload_without_key,
    "401": wrong_key,
    "samples arrive late or not at all": full_spool,
    "part of the test is missing at the receiver": cut_off_receiver,
    "the samples are on another receiver": another_receiver,
    '"no such file"': lambda desk: desk.run("process", "--collection", "none.json", code=2),
    "nothing to process": lambda desk: desk.run("process", code=2),
    "no data after processing": no_collection,
    "no data in the dashboard for the last hour": old_test,
    "the load tool's results match no machine": unknown_time,
}

# Words in code that are commands or options, not what perfkit prints.
NAMES = ("collect", "preflight --collection F -- COMMAND")


@pytest.mark.parametrize(("trouble", "answer"), rows(), ids=[trouble for trouble, _ in rows()])
def test_the_answer_is_the_one_that_the_document_promises(tmp_path: Path, trouble: str, answer: str) -> None:
    desk = Desk(tmp_path)
    try:
        SCENARIOS[trouble](desk)
    finally:
        desk.close()
    promised = [words for words in re.findall(r"`([^`]+)`", answer) if words not in NAMES]
    assert promised
    missing = [words for words in promised if words not in desk.printed]
    assert not missing, desk.printed


def test_every_scenario_stands_in_the_document() -> None:
    assert set(SCENARIOS) == {trouble for trouble, _ in rows()}


def test_a_real_receiver_passes_end_to_end(tmp_path: Path) -> None:
    """Ping, key and a test line that the receiver read back from its disk."""
    desk = Desk(tmp_path)
    try:
        key = new_key(desk)
        desk.run("preflight", "--server", receiver(desk), "--apikey", key, code=0)
    finally:
        desk.close()
    assert "read back from its disk" in desk.printed
