"""preflight --server proves the way to a receiver end to end, and names what is wrong with it."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfkit.preflight.server import drains
from support.running import preflight

KEY = "0123456789abcdef"


class Receiver(http.server.BaseHTTPRequestHandler):
    """As much of a receiver as the check talks to; `fault` makes it another one."""

    fault = ""

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
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


def test_a_spool_that_does_not_drain_fails_and_an_empty_one_passes(receiver: str, tmp_path: Path) -> None:
    code, checks = preflight("--server", receiver, "--apikey", KEY, "--spool", tmp_path, "--wait", "500ms")
    assert (code, checks["spool"]["evidence"]) == (0, "empty")
    (tmp_path / "000000000001.ndjson").write_text("waiting\n")
    code, checks = preflight("--server", receiver, "--apikey", KEY, "--spool", tmp_path, "--wait", "500ms")
    assert code == 1
    assert "does not drain" in checks["spool"]["advice"]


def test_a_spool_whose_files_leave_drains(tmp_path: Path) -> None:
    (tmp_path / "000000000001.ndjson").write_text("waiting\n")
    threading.Timer(1.0, (tmp_path / "000000000001.ndjson").unlink).start()
    found = drains(tmp_path, 30.0)
    assert (found.state, found.evidence.split()[0]) == ("ok", "drains")
