"""The receiver over real sockets: what it answers, what it refuses, and how much one client may cost."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from perfkit.receive.keys import KeyFile
from perfkit.receive.ledger import Account, Ledger
from support import asking
from support.server import RunningReceiver, running, until

LINE = {"timestamp": 1_700_000_000, "subsystem": "/proc/stat", "measurement": "cpu 1\n"}
SMALL = {"body": 100_000, "unpacked": 200_000, "lines": 50, "connections": 40, "head_seconds": 120.0, "body_seconds": 120.0}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    with running(tmp_path_factory.mktemp("server"), **SMALL) as receiver:
        until(lambda: asking.get(receiver.url + "/-/healthz").status_code == 200)
        yield receiver


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    """One that gives no client more than a second; on a busy machine honest ones may need more."""
    with running(tmp_path_factory.mktemp("impatient"), head_seconds=1.0, body_seconds=1.0) as receiver:
        yield receiver


@pytest.fixture
def client(server: RunningReceiver) -> Iterator[httpx.Client]:
    with asking.client(base_url=server.url, headers={"apikey": server.key}) as client:
        yield client


def batch(*lines: dict[str, object], identifier: str = "vm-a") -> dict[str, object]:
    return {"identifier": identifier, "measurements": list(lines)}


def test_ping_gives_back_the_time_it_was_sent_and_the_servers_own(client: httpx.Client) -> None:
    assert client.get("/v1/ping").json()["origintimestamp"] == 0
    answer = client.post("/v1/ping", json={"timestamp": 1234}).json()
    assert answer["origintimestamp"] == 1234
    assert abs(answer["timestamp"] - time.time()) < 60
    assert client.post("/v1/ping", content=b"nonsense").status_code == 400


def test_a_batch_as_the_go_client_sends_it_is_answered_as_pcd_does(client: httpx.Client, server: RunningReceiver) -> None:
    body = (
        b'{"identifier":"go-1","measurements":[{"timestamp":1768077305,"subsystem":"/proc/stat","measurement":"cpu \\u003c1\\u003e\\n"}]}'
    )
    answer = client.post("/v1/trickle", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.content) == (200, b'{"error":null}')
    (file,) = server.collections("go-1")
    assert json.loads(file.read_bytes()) == {"timestamp": 1768077305, "subsystem": "/proc/stat", "measurement": "cpu <1>\n"}


def test_a_gzipped_batch_is_the_same_batch(client: httpx.Client, server: RunningReceiver) -> None:
    body = json.dumps(batch(LINE, identifier="gz")).encode()
    for content in (gzip.compress(body), gzip.compress(body[:40]) + gzip.compress(body[40:])):
        assert client.post("/v1/trickle", content=content, headers={"Content-Encoding": "gzip"}).status_code == 200
    assert server.collections("gz")[0].read_bytes().count(b"\n") == 1


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"{", 400),
        ({"Content-Encoding": "gzip"}, b"not gzip", 400),
        ({"Content-Encoding": "gzip"}, gzip.compress(json.dumps(batch(LINE)).encode())[:-9], 400),
        ({"Content-Encoding": "br"}, b"x", 415),
        ({}, b"x" * 100_001, 413),
        ({}, json.dumps(batch(*[LINE] * 51)).encode(), 413),
        ({"Content-Encoding": "gzip"}, gzip.compress(bytes(50_000_000)), 413),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"") * 1001, 413),
        ({"apikey": ""}, b"{}", 401),
        ({"apikey": "\u00e4\u00f6".encode()}, b"{}", 401),
    ],
    ids=[
        "not json",
        "not gzip",
        "torn gzip",
        "brotli",
        "too large",
        "too many lines",
        "gzip bomb",
        "gzip of many members",
        "no key",
        "strange key",
    ],
)
def test_what_cannot_be_taken_is_refused_in_a_sentence(client: httpx.Client, headers: dict[str, str], content: bytes, status: int) -> None:
    answer = client.post("/v1/trickle", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")


def test_a_body_without_length_is_cut_at_the_limit(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 10_000

    assert client.post("/v1/trickle", content=chunks()).status_code == 413


def test_a_gzip_bomb_costs_no_memory(client: httpx.Client, server: RunningReceiver) -> None:
    bomb = gzip.compress(bytes(60_000_000))
    headers = {"Content-Encoding": "gzip"}
    before = memory(server)
    for _ in range(20):
        assert client.post("/v1/trickle", content=bomb, headers=headers).status_code == 413
    assert memory(server) - before < 20_000


def memory(server: RunningReceiver) -> int:
    """Resident kilobytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def test_a_preflights_batch_is_read_back_from_disk_and_not_kept(client: httpx.Client, server: RunningReceiver) -> None:
    probe = {"timestamp": 1, "subsystem": "perfkit/preflight", "measurement": "nonce-1"}
    assert client.post("/v1/trickle", json=batch(probe, identifier="probe")).json() == {"error": None, "echo": "nonce-1"}
    assert not server.collections("probe")
    assert not list(server.data.glob("probe-*"))


def test_a_bound_key_cannot_send_for_others(client: httpx.Client, server: RunningReceiver) -> None:
    key = KeyFile(server.data / "keys.json").add("bound", identifiers=("mine",))
    assert client.post("/v1/trickle", json=batch(LINE, identifier="mine"), headers={"apikey": key}).status_code == 200
    assert client.post("/v1/trickle", json=batch(LINE, identifier="yours"), headers={"apikey": key}).status_code == 403
    assert not server.collections("yours")


def test_a_key_that_is_revoked_stops_working_at_once(client: httpx.Client, server: RunningReceiver) -> None:
    keys = KeyFile(server.data / "keys.json")
    key = keys.add("passing")
    assert client.post("/v1/trickle", json=batch(LINE), headers={"apikey": key}).status_code == 200
    keys.revoke("passing")
    assert client.post("/v1/trickle", json=batch(LINE), headers={"apikey": key}).status_code == 401


def test_wrong_keys_are_slowed_down_and_the_right_one_goes_on(tmp_path: Path) -> None:
    with running(tmp_path) as server, asking.client(base_url=server.url) as client:

        def answer(key: str) -> httpx.Response:
            return client.post("/v1/trickle", json=batch(LINE), headers={"apikey": key})

        assert answer(server.key).status_code == 200
        tries = [answer("pk_00000000_wrong") for _ in range(14)]
        assert [each.status_code for each in tries[:10]] == [401] * 10
        until(lambda: tries.append(answer("pk_00000000_wrong")) or tries[-1].status_code == 429)
        assert 1 <= int(tries[-1].headers["Retry-After"]) <= 60
        assert answer(server.key).status_code == 200
        other = KeyFile(server.data / "keys.json").add("new from a slowed address")
        until(lambda: [answer(key).status_code for key in ("pk_00000000_wrong", other)] == [429, 429])  # a try comes back now and then


def closed_by_server(connection: socket.socket) -> bytes:
    """What the server still sent before it closed."""
    connection.settimeout(120)
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize(
    "sent", [b"", b"POST /v1/tri", b"GET /v1/ping HTTP/1.1\r\nHost: a\r\nX-Slow: "], ids=["nothing", "half a line", "half a head"]
)
def test_a_client_that_does_not_finish_its_request_is_cut_off(impatient: RunningReceiver, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        connection.sendall(sent)
        assert closed_by_server(connection) == b""


def test_the_second_request_of_a_connection_may_not_be_slow_either(impatient: RunningReceiver) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        connection.sendall(b"GET /v1/ping HTTP/1.1\r\nHost: a\r\n\r\nGET /v1/pi")
        assert closed_by_server(connection).count(b"HTTP/1.1 200") == 1


def test_a_body_that_trickles_in_is_given_up(impatient: RunningReceiver) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port)) as connection:
        head = f"POST /v1/trickle HTTP/1.1\r\nHost: a\r\napikey: {impatient.key}\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b"{")
        assert b" 408 " in closed_by_server(connection).split(b"\r\n")[0]


def test_idle_connections_beyond_the_limit_are_closed_and_those_within_it_work(server: RunningReceiver) -> None:
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    try:
        for connection in held:
            connection.setblocking(False)
        until(lambda: sum(map(is_closed, held)) >= 20)
        # The server looks at its connections in the order in which they came: when it has answered a later one, it has seen all of them.
        held[0].close()
        until(lambda: answers(server.url))
        assert sum(map(is_closed, held[1:])) <= 25
    finally:
        for connection in held:
            connection.close()
    until(lambda: answers(server.url))


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return asking.get(url + "/v1/ping").status_code == 200
    return False


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has closed this connection, over which nothing is sent."""
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_many_clients_at_once_are_all_answered(client: httpx.Client, server: RunningReceiver) -> None:
    statuses: list[int] = []

    def one(number: int) -> None:
        statuses.append(client.post("/v1/trickle", json=batch(LINE, identifier=f"many-{number}")).status_code)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 30
    assert len(server.collections("many")) == 30


def test_metrics_count_what_happened(client: httpx.Client, server: RunningReceiver) -> None:
    def value(name: str) -> float:
        return sum(float(line.split()[-1]) for line in client.get("/metrics").text.splitlines() if line.startswith(name))

    before = value("perfkit_lines_total"), value("perfkit_repeated_lines_total")
    for _ in range(2):
        client.post("/v1/trickle", json=batch(LINE, identifier="counted"))
    assert (value("perfkit_lines_total"), value("perfkit_repeated_lines_total")) == (before[0] + 1, before[1] + 1)
    assert value("perfkit_disk_free_bytes") > 0
    assert value('perfkit_request_seconds_bucket{le="+Inf",path="/v1/trickle"}') >= 2
    assert value("perfkit_commit_seconds_count") >= 1
    Ledger(server.data).write(Account(held_back=7))
    assert value("perfkit_held_back_rows") == 7


def test_the_access_log_tells_who_sent_what_and_holds_no_key(client: httpx.Client, server: RunningReceiver) -> None:
    client.post("/v1/trickle", json=batch(LINE, identifier="logged"))
    client.get("/not/here?apikey=secret")
    until(lambda: "/not/here" in (server.data / "access.log").read_text())
    text = (server.data / "access.log").read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    (entry,) = (entry for entry in entries if entry.get("identifier") == "logged")
    assert (entry["status"], entry["lines"], entry["key"], entry["client"]) == (200, 1, "test-0", "127.0.0.1")
    assert server.key not in text
    assert "secret" not in text


def test_unknown_addresses_and_methods_get_json_errors(client: httpx.Client) -> None:
    assert (client.get("/").status_code, client.get("/").json()) == (404, {"error": "Not Found."})
    assert client.get("/v1/trickle").status_code == 405
    assert client.get("/v1/../../etc/passwd").status_code == 404


def test_sigterm_answers_what_is_under_way_and_ends_with_0(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        body = json.dumps(batch(LINE)).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(
                f"POST /v1/trickle HTTP/1.1\r\nHost: a\r\napikey: {server.key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            )
            connection.sendall(body[:10])
            until(lambda: asking.get(server.url + "/-/healthz").status_code == 200)
            ending: list[int] = []
            stopper = threading.Thread(target=lambda: ending.append(server.stop()))
            stopper.start()
            time.sleep(0.3)
            connection.sendall(body[10:])
            assert b" 200 " in closed_by_server(connection).split(b"\r\n")[0]
            stopper.join()
        assert ending == [0]
        assert server.collections("vm-a")[0].read_bytes().count(b"\n") == 1


@pytest.mark.parametrize("path", ["/nowhere", "/v1/trickle", "/v1/ping"])
def test_a_body_that_turns_out_to_be_no_http_is_the_clients_fault_and_no_internal_error(server: RunningReceiver, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + b"this is no chunk\r\n")
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 400 ")
    until(lambda: (server.data / "access.log").read_text().count(f'"path":"{path}"'))
    assert "internal_error" not in (server.data / "access.log").read_text()
