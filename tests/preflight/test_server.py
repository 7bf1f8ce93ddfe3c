"""preflight --server proves the way to a receiver end to end, and names what is wrong with it."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from perfkit.receive.keys import KeyFile
from support.running import ENVIRONMENT, perfkit, preflight
from support.server import RunningReceiver, running

KEY = "0123456789abcdef"


class Receiver(http.server.BaseHTTPRequestHandler):
    """As much of a receiver as the check talks to; `fault` makes it another one."""

    fault = ""
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, dict(self.headers)))
        if self.headers["Content-Encoding"] == "gzip" and self.fault == "no gzip":
            self.answer(415, {"error": "unsupported"})
            return
        content = json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        if self.fault == "302":
            self.send_response(302)
            self.send_header("Location", "/login/?next=/v1/ping")
            self.end_headers()
        elif self.path == "/v1/ping":
            self.answer(
                200, {"origintimestamp": content["timestamp"], "timestamp": int(time.time()) + (3600 if self.fault == "clock" else 0)}
            )
        elif self.headers["apikey"] != KEY:
            self.answer(401, {"error": "unauthorized"})
        else:
            echo = content["measurements"][0]["measurement"] if not self.fault else None
            self.answer({"503": 503, "500": 500}.get(self.fault, 200), {"error": None, "echo": echo})

    def answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Silence."""


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[str]:
    handler = type("Faulty", (Receiver,), {"fault": getattr(request, "param", "")})
    Receiver.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_ping_key_and_a_test_batch_read_back(receiver: str) -> None:
    code, checks = preflight("--server", receiver, "--apikey", KEY)
    assert code == 0
    assert "read back from its disk" in checks["batch"]["evidence"]


@pytest.mark.parametrize(
    ("receiver", "name", "state", "says"),
    [
        ("302", "ping", "fail", "login page"),
        ("503", "batch", "fail", "disk is full"),
        ("500", "batch", "fail", "out of order"),
        ("clock", "ping", "warn", "synchronise both clocks"),
        ("pcd", "batch", "ok", ""),
        ("no gzip", "batch", "ok", ""),
    ],
    indirect=["receiver"],
)
def test_each_wrong_answer_has_its_cure(receiver: str, name: str, state: str, says: str) -> None:
    code, checks = preflight("--server", receiver, "--apikey", KEY)
    assert (checks[name]["state"], code) == (state, 1 if state == "fail" else 0)
    assert says in checks[name]["advice"]


def test_a_wrong_key_and_no_key_are_told_apart(receiver: str) -> None:
    code, checks = preflight("--server", receiver, "--apikey", "wrong-key-1")
    assert code == 1
    assert "does not know this key" in checks["key"]["advice"]
    code, checks = preflight("--server", receiver)
    assert code == 1
    assert "PCC_APIKEY" in checks["key"]["advice"]


def test_nothing_listening_is_told_with_the_address() -> None:
    code, checks = preflight("--server", "127.0.0.1:9", "--apikey", KEY)
    assert code == 1
    assert "http://127.0.0.1:9" in checks["ping"]["advice"]


def test_it_sends_what_collect_sends(receiver: str, tmp_path: Path) -> None:
    """The same headers but for the length, from the same client."""
    assert preflight("--server", receiver, "--apikey", KEY)[0] == 0
    (proof,) = [headers for path, headers in Receiver.seen if path == "/v1/trickle"]
    Receiver.seen.clear()
    words = ("collect", "--mode", "trickle", "--server", receiver, "--duration", "200ms", "--frequency", "200ms")
    assert perfkit(*words, cwd=tmp_path, env=ENVIRONMENT | {"PCC_APIKEY": KEY}).returncode == 0
    sent = [headers for path, headers in Receiver.seen if path == "/v1/trickle"]
    assert sent
    assert all({**headers, "Content-Length": ""} == {**proof, "Content-Length": ""} for headers in sent)
    assert proof["Content-Encoding"] == "gzip"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    with running(tmp_path_factory.mktemp("data")) as receiver:
        yield receiver


def test_a_real_receiver_reads_the_line_back_and_keeps_nothing(real: RunningReceiver) -> None:
    code, checks = preflight("--server", real.url, "--apikey", real.key)
    assert code == 0
    assert "read back from its disk" in checks["batch"]["evidence"]
    assert real.collections() == []


def test_a_key_that_may_not_send_for_this_machine_is_told_from_a_wrong_one(real: RunningReceiver) -> None:
    key = KeyFile(real.data / "keys.json").add("bound", identifiers=("mine",))
    assert preflight("--server", real.url, "--apikey", key, "--identifier", "mine")[0] == 0
    code, checks = preflight("--server", real.url, "--apikey", key, "--identifier", "yours")
    assert code == 1
    assert "may not send for this identifier" in checks["key"]["advice"]


@pytest.mark.parametrize("way", ["environment", "file", "standard input"])
def test_the_key_need_not_stand_on_the_command_line(real: RunningReceiver, tmp_path: Path, way: str) -> None:
    (tmp_path / "key").write_text(real.key + "\n")
    words = {"environment": [], "file": ["--apikey-file", tmp_path / "key"], "standard input": ["--apikey-file", "-"]}[way]
    environment = ENVIRONMENT | ({"PCC_APIKEY": real.key} if way == "environment" else {})
    with (tmp_path / "key").open() as standard_input:
        done = perfkit("preflight", "--server", real.url, *words, env=environment, stdin=standard_input)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
