"""Ten thousand requests that something has gone wrong with."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import asking
from support.server import RunningReceiver, running, until

ROUNDS = 100
A_ROUND = 100
HEAD = b"POST /v1/trickle HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
GOOD = {
    "identifier": "vm-mutated",
    "measurements": [{"timestamp": 1, "subsystem": "/proc/stat", "measurement": "cpu 1 2 3\n", "monotonic": 1.5}],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    with running(tmp_path_factory.mktemp("mutated"), head_seconds=0.5, body_seconds=0.5, identifiers=200) as receiver:
        until(lambda: takes(receiver))
        yield receiver


def takes(receiver: RunningReceiver) -> bool:
    """Whether it takes a good request; on a busy machine one may be too slow for it."""
    with contextlib.suppress(httpx.HTTPError):
        return asking.post(receiver.url + "/v1/trickle", json=GOOD, headers={"apikey": receiver.key}).status_code == 200
    return False


def request(chance: random.Random, key: str) -> bytes:
    """A good request, one to four of whose bytes, headers or values are not what they were."""
    body = json.dumps(GOOD).encode()
    headers = [b"apikey: " + key.encode()]
    if chance.random() < 0.3:
        body, headers = gzip.compress(body, 1), [*headers, b"Content-Encoding: gzip"]
    if chance.random() < 0.7:
        body = mutated(chance, body)
    length = len(body) if chance.random() < 0.8 else chance.choice([0, 1, -1, len(body) - 1, 10**30])
    headers.append(b"Content-Length: %d" % length)
    if chance.random() < 0.3:
        headers.append(
            mutated(
                chance, chance.choice([b"Transfer-Encoding: chunked", b"Content-Encoding: br", b"X-Forwarded-For: 1.2.3.4", b"apikey:"])
            )
        )
    head = HEAD + b"\r\n".join(headers) + b"\r\n\r\n"
    return (mutated(chance, head) if chance.random() < 0.4 else head) + body


def mutated(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        what = chance.randrange(4)
        if what == 0:
            changed[at:at] = chance.randbytes(chance.randint(1, 8))
        elif what == 1:
            del changed[at : at + chance.randint(1, 8)]
        elif what == 2:
            changed[at : at + 1] = bytes([chance.randrange(256)])
        else:
            changed[at:at] = chance.choice(
                [b'"', b"{", b"[", b"]", b"\\u0000", b"1e999", b"-1", b"null", b"\r\n", b"\x00", b"\xff\xfe", b"9" * 40]
            )
    return bytes(changed)


def exchange(server: RunningReceiver, content: bytes) -> bytes:
    """Everything that the server answers before it closes; the client says that it has nothing more to send."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as connection:
        answer = b""
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65536):
                answer += chunk
        except ConnectionError:
            pass  # it has heard enough
        return answer


def resident(server: RunningReceiver) -> int:
    return int(Path(f"/proc/{server.process.pid}/status").read_text().split("VmRSS:")[1].split()[0])


@settings(max_examples=ROUNDS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_no_mutated_request_gets_a_500_or_a_traceback(server: RunningReceiver, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(A_ROUND):
        content = request(chance, server.key)
        answer = exchange(server, content)
        status = answer[9:12]
        assert not status.startswith(b"5"), (content, answer)
        assert b"Traceback" not in answer, (content, answer)


def test_afterwards_it_is_as_large_and_as_well_as_before(server: RunningReceiver) -> None:
    chance = random.Random(1)
    for _ in range(300):
        exchange(server, request(chance, server.key))
    before = resident(server)
    descriptors = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    for _ in range(1000):
        exchange(server, request(chance, server.key))
    assert resident(server) - before < 8_000
    until(lambda: len(list(Path(f"/proc/{server.process.pid}/fd").iterdir())) <= descriptors + 2)
    until(lambda: takes(server))
    assert "internal_error" not in (server.data / "access.log").read_text()
    assert {path.name for path in server.data.iterdir()} == {
        "keys.json",
        "keys.json.lock",
        "journal",
        "collections",
        "uploads",
        "access.log",
    }
