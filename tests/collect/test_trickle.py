"""Trickle: every line arrives, in order, whatever the receiver and the network do, and sampling never waits for them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collect.test_command import PERFKIT, environment, perfkit, wait_for
from perfkit.collect import trickle
from perfkit.collect.receiver_client import LATER, TAKEN, ReceiverClient
from perfkit.collect.spool import Spool
from perfkit.collect.trickle import Backoff, TrickleSink
from perfkit.collection import Reader, encode
from perfkit.errors import BadInput, Failed
from support.unkind_server import ACKNOWLEDGEMENTS, OK, UnkindServer, serving

KEY = "correct-horse"


def sample(number: int) -> bytes:
    """Three lines."""
    return b"".join(encode(number, 0, float(number), name, b"%d\n" % number) for name in ("/proc/stat", "/proc/meminfo", "/proc/loadavg"))


def a_spool(folder: Path, **bounds: Any) -> Spool:
    return Spool(str(folder), "vm-a", **{"limit": 1 << 20, "batch_lines": 30, "interval": 0.05, **bounds})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between two tries as in life, only shorter; what is to be sent has as long as a busy machine takes."""
    monkeypatch.setattr(trickle, "_FAREWELL", 120.0)
    monkeypatch.setattr(trickle, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(trickle, "_LONGEST_WAIT", 0.1)


class Sink:
    """A trickle sink on a spool, towards a server; remembers what it said."""

    def __init__(self, server: UnkindServer, folder: Path, timeout: float = 60.0, cacert: str = "", **bounds: Any) -> None:
        self.said: list[str] = []
        self.spool = a_spool(folder, **bounds)
        receiver = ReceiverClient(server.url, KEY, "vm-a", cacert, timeout=timeout)
        self.sink = TrickleSink(self.spool, receiver, self.said.append, lambda: None)

    def send(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            self.sink.write(sample(number))


def arrived(server: UnkindServer) -> list[int]:
    """Numbers of the samples that the server has acknowledged, in the order of arrival."""
    return [line["timestamp"] for line in server.taken if line["subsystem"] == "/proc/stat"]


def test_a_request_is_what_the_go_receiver_expects(tmp_path: Path) -> None:
    with serving() as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 1)
        sink.sink.close()
    (request,) = server.requests
    assert request["path"] == "/v1/trickle"
    assert request["headers"]["apikey"] == KEY
    assert request["headers"]["Content-Type"] == "application/json"
    assert list(request["body"]) == ["identifier", "measurements"]
    assert request["body"]["identifier"] == "vm-a"
    assert [list(line)[:1] + list(line)[-2:] for line in request["body"]["measurements"]] == [["timestamp", "subsystem", "measurement"]] * 3
    assert os.listdir(tmp_path / "spool") == ["lock"]


def test_many_batches_share_one_connection_and_keep_their_order(tmp_path: Path) -> None:
    with serving() as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 200)
        sink.sink.close()
        assert arrived(server) == list(range(200))
        assert len(server.requests) > 10
        assert server.connections == 1


FAILURES: list[Any] = [
    (500, {}, b""),
    (502, {}, b"<html>proxy</html>"),
    (503, {"Retry-After": "0"}, b'{"error":"disk full"}'),
    (429, {"Retry-After": "0"}, b'{"error":"too many"}'),
    (404, {}, b"not here"),
    (302, {"Location": "http://example.com/"}, b""),
    (200, {}, b"<html>a captive portal</html>"),
    "hang up",
    "half an answer",
    "half a body",
    "nonsense",
]


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_after_any_passing_failure_everything_arrives_in_order(tmp_path: Path, failure: Any) -> None:
    with serving(OK, failure, failure, failure) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 60)
        sink.sink.close()
        assert arrived(server) == list(range(60))
        assert len(sink.said) == 2 and "wait in" in sink.said[0] and "answers again" in sink.said[1]


def test_a_receiver_that_never_answers_is_asked_again(tmp_path: Path) -> None:
    with serving("never answer", "never answer") as server:
        sink = Sink(server, tmp_path / "spool", timeout=0.2)
        sink.send(0, 20)
        sink.sink.close()
        assert list(dict.fromkeys(arrived(server))) == list(range(20))  # twice what a busy machine acknowledges too late


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_at_once_and_loses_nothing(tmp_path: Path, status: int) -> None:
    with serving((status, {}, b'{"error":"no"}')) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 1)
        wait_for(lambda: server.requests)
        with pytest.raises(Failed, match=r"refuses the API key.*nothing is lost"):
            wait_for(sink.sink.check)
        with pytest.raises(Failed):
            sink.sink.close()
    with serving() as server:
        again = Sink(server, tmp_path / "spool")
        again.sink.close()
        assert arrived(server) == [0]
        assert len(server.requests) == 1


@pytest.mark.parametrize("body", ACKNOWLEDGEMENTS, ids=str)
def test_every_receivers_own_acknowledgement_is_one(tmp_path: Path, body: bytes) -> None:
    with serving(*[(200, {}, body)] * 99) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 60)
        sink.sink.close()
        assert arrived(server) == list(range(60))
        assert sink.said == []


@pytest.mark.parametrize("status", [400, 415, 500])
def test_a_receiver_that_takes_no_gzip_gets_plain_json_from_then_on(tmp_path: Path, status: int) -> None:
    with serving(refuses_gzip=status) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 60)
        sink.sink.close()
        assert arrived(server) == list(range(60))
        assert [request["headers"].get("Content-Encoding") for request in server.requests] == ["gzip"] + [None] * (len(server.requests) - 1)
        assert sink.said == []


REJECTIONS: list[Any] = [
    (400, {}, b'{"error":"bad"}'),
    (422, {}, b""),
    (200, {}, b'{"error":"bad"}'),
    (200, {}, b'{"status":"error","message":"bad"}'),
    (200, {}, b'{"success":false}'),
    (200, {}, b'{"status":"failed to store"}'),
    (200, {}, b'{"Error":"bad"}'),
    (200, {}, b'{"status":"error: disk full"}'),
    (200, {}, b'{"status":"500 Internal Server Error"}'),
    (200, {}, b'{"code":401,"message":"bad"}'),
]


@pytest.mark.parametrize("rejection", REJECTIONS, ids=str)
def test_a_batch_that_is_rejected_is_set_aside_and_the_rest_goes_on(tmp_path: Path, rejection: Any) -> None:
    with serving(OK, rejection) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 41)
        with pytest.raises(Failed, match=r"^10 samples reached nobody: the receiver rejected 1 batches"):
            sink.sink.close()
        assert arrived(server) == [0, *range(11, 41)]
        assert len(server.requests) == 5
    (aside,) = (tmp_path / "spool").glob("*.rejected")
    assert [line.timestamp for line in Reader(aside) if line.subsystem == "/proc/stat"] == list(range(1, 11))
    assert str(aside) in sink.said[0]


@pytest.mark.parametrize("body", [b'{"message":"hello"}', b"stored, thanks", b"[1]", b"7"], ids=str)
def test_a_success_that_is_not_understood_is_asked_for_once_more_and_the_batch_kept(tmp_path: Path, body: bytes) -> None:
    with serving(OK, (200, {}, body), (200, {}, body)) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 21)
        with pytest.raises(Failed, match=r"10 samples reached nobody.*without an acknowledgement"):
            sink.sink.close()
        assert arrived(server) == [0, *range(11, 21)]
        assert len(server.requests) == 4
    assert len(list((tmp_path / "spool").glob("*.rejected"))) == 1


def test_a_receiver_that_rejects_everything_is_told_of_now_and_then(tmp_path: Path) -> None:
    with serving(*[(400, {}, b'{"error":"bad"}')] * 99) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 91)
        with pytest.raises(Failed, match=r"^91 samples reached nobody: the receiver rejected 10 batches \(HTTP 400: bad\)"):
            sink.sink.close()
        assert len(sink.said) == 4  # the first, the second, the fourth, the eighth
        assert sink.sink.facts()["rejected_batches"] == 10


def test_a_ping_asks_for_the_receivers_clock_and_shows_no_key() -> None:
    pong = (200, {}, b'{"origintimestamp":1,"timestamp":2}')
    with serving(pong, (200, {}, b"{}"), (302, {"Location": "https://login"}, b"")) as server:
        client = ReceiverClient(server.url, KEY, "vm-a")
        answers = [client.ping() for _ in range(3)]
        client.close()
        assert [answer.meaning for answer in answers] == [TAKEN, LATER, LATER]
        assert (answers[0].body["timestamp"], answers[2].status, answers[2].location) == (2, 302, "https://login")
        assert {request["path"] for request in server.requests} == {"/v1/ping"}
        assert all("apikey" not in request["headers"] for request in server.requests)
    gone = client.ping()
    assert (gone.meaning, gone.status, gone.reason) == (LATER, 0, "connection refused")


def test_the_clock_of_the_receiver_is_known_to_within_half_of_a_round_trip() -> None:
    """The most exact answer counts, and what is no time is none."""

    def at(value: str) -> tuple[int, dict[str, str], bytes]:
        return (200, {"Perfkit-Clock": value}, b'{"error":null}')

    with serving(at(f"{time.time() + 3600:.6f}"), at("soon"), at("nan"), at("1e300")) as server:
        client = ReceiverClient(server.url, KEY, "vm-a")
        client.send(sample(1).splitlines())
        told = client.take_clock()
        assert told is not None
        ahead, within = told
        assert 3.59e9 < ahead < 3.61e9
        assert abs(ahead - 3600e6) <= within + 30e6, "the script's clock was read before"
        for number in range(4):
            client.send(sample(number).splitlines())
            assert client.take_clock() is None
        client.close()


def test_a_key_in_clear_is_known() -> None:
    addresses = ("http://10.0.0.1", "https://10.0.0.1", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:8080")
    assert [ReceiverClient(url, KEY).sends_key_in_clear for url in addresses] == [True, False, False, False, False]
    assert ReceiverClient("http://10.0.0.1").sends_key_in_clear is False


def test_a_batch_that_is_too_large_is_sent_in_halves(tmp_path: Path) -> None:
    with serving(OK, (413, {}, b""), (413, {}, b"")) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 21)
        sink.sink.close()
        assert arrived(server) == list(range(21))


def test_of_a_batch_in_halves_only_what_was_not_taken_counts_as_lost(tmp_path: Path) -> None:
    with serving(OK, (413, {}, b""), OK, (400, {}, b"")) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 11)
        with pytest.raises(Failed, match=r"^5 samples reached nobody"):
            sink.sink.close()
        assert arrived(server) == list(range(6))


def test_a_full_spool_drops_the_oldest_and_says_how_many(tmp_path: Path) -> None:
    with serving(*["never answer"] * 9) as server:
        sink = Sink(server, tmp_path / "spool", limit=20_000, interval=60.0)
        sink.send(0, 1)
        wait_for(lambda: server.requests)
        sink.send(1, 400)
        facts = sink.sink.facts()
        assert facts["spool_bytes"] <= 20_000
        assert facts["spool_dropped_lines"] > 900
        assert "oldest lines have been dropped" in sink.said[-1]
        server.script.clear()
        server.released.set()
        wait_for(lambda: sink.spool.waiting == 1)
        with pytest.raises(Failed, match=f"^{sink.spool.dropped_samples} samples are lost: .*--spool-size"):
            sink.sink.close()
        numbers = arrived(server)
        assert numbers[-1] == 400 and numbers == sorted(numbers)
        lines = len(server.taken) + facts["spool_dropped_lines"]
        assert lines == 401 * 3
        assert len(numbers) + sink.spool.dropped_samples == 401


def test_a_spool_on_a_full_disk_gives_up_the_oldest_first(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        spool = a_spool(disk / "spool", limit=1 << 30, batch_lines=15)
        for number in range(1000):
            spool.append(sample(number))
        spool.seal()
        assert spool.dropped_lines > 1000
        kept = [line for path in sorted((disk / "spool").glob("*.ndjson")) for line in Reader(path)]
        assert [line.timestamp for line in kept[::3]] == list(range(1000 - len(kept) // 3, 1000))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_spool_is_its_owners_alone_and_one_collectors_at_a_time(tmp_path: Path) -> None:
    spool = a_spool(tmp_path / "spool")
    spool.append(sample(0))
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "spool").iterdir())
    spool.close()
    with pytest.raises(BadInput, match="holds lines of 'vm-a'"):
        Spool(str(tmp_path / "spool"), "vm-b", limit=1, batch_lines=1, interval=1.0)


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    spool = a_spool(tmp_path / "spool")
    spool.append(sample(0) + sample(1)[:-20])
    spool.close()
    with serving() as server:
        Sink(server, tmp_path / "spool").sink.close()
        assert [line["timestamp"] for line in server.taken] == [0, 0, 0, 1, 1]


def test_waits_double_with_jitter_up_to_a_limit_and_heed_the_receiver() -> None:
    waits = [Backoff(jitter=lambda low, high: high)]
    found = [waits[0].after_failure() for _ in range(6)]
    assert found == [0.01, 0.02, 0.04, 0.08, 0.1, 0.1]
    assert waits[0].after_failure(asked=7.0) == 7.0
    assert waits[0].after_failure(asked=1e9) == 300.0
    waits[0].reset()
    assert waits[0].after_failure() == 0.01
    spread = {Backoff().after_failure() for _ in range(50)}
    assert len(spread) > 10 and all(0.005 <= wait <= 0.01 for wait in spread)


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://u:p@x", "http://x:port", "http://[x", "http://x/?key=1"])
def test_a_wrong_address_is_a_sentence(url: str) -> None:
    with pytest.raises(BadInput, match="not a receiver's address"):
        ReceiverClient(url, KEY, "vm-a")


@pytest.mark.parametrize("key", ["", "  ", "a\r\nX-Evil: 1", "clé"])
def test_a_key_that_no_header_can_carry_is_a_sentence(key: str) -> None:
    with pytest.raises(BadInput, match="API key"):
        ReceiverClient("http://x", key, "vm-a")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    names = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", names[0], "-keyout", names[1]]
    subprocess.run(words, check=True, capture_output=True)
    return names


def test_https_is_spoken_with_a_ca_that_is_trusted_and_with_no_other(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tls=certificate) as server:
        sink = Sink(server, tmp_path / "spool", cacert=str(certificate[0]))
        sink.send(0, 20)
        sink.sink.close()
        assert arrived(server) == list(range(20))
        stranger = Sink(server, tmp_path / "other")
        stranger.send(0, 1)
        wait_for(lambda: stranger.said)
        assert "certificate" in stranger.said[0]
        assert len(server.taken) == 60
        monkeypatch.setattr(trickle, "_FAREWELL", 0.0)
        with pytest.raises(Failed, match="could not be sent"):  # before the server goes: what it resets, Python's ssl leaves unclosed
            stranger.sink.close()
    with pytest.raises(BadInput, match="--cacert"):
        ReceiverClient("https://x", KEY, "vm-a", str(certificate[1]))


# The command


@contextlib.contextmanager
def trickling(folder: Path, url: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`perfkit collect --mode trickle` at 50 Hz with its spool in `folder`/spool."""
    command = [*PERFKIT, "collect", "--mode", "trickle", "--server", url, "--identifier", "vm-a", "--spool", "spool"]
    command += ["--frequency", "20ms", "--flush-interval", "100ms", *words]
    process = subprocess.Popen(command, cwd=folder, env=environment(PCC_APIKEY=KEY), stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_key_is_seen_in_no_process_list_and_no_environment(tmp_path: Path) -> None:
    with serving() as server, trickling(tmp_path, server.url, "--apikey", KEY) as process:
        wait_for(lambda: server.taken)
        assert KEY not in Path(f"/proc/{process.pid}/cmdline").read_text()
        assert KEY not in Path(f"/proc/{process.pid}/environ").read_text()
        assert "--server" in Path(f"/proc/{process.pid}/cmdline").read_text()
        process.send_signal(signal.SIGSTOP)  # now no file of the spool comes or goes
        assert not any(KEY in path.read_text() for path in (tmp_path / "spool").iterdir())
        process.send_signal(signal.SIGCONT)


def test_a_wrong_key_ends_the_command_with_a_sentence(tmp_path: Path) -> None:
    with serving((401, {}, b'{"error":"wrong key"}')) as server, trickling(tmp_path, server.url, "--frequency", "1h") as process:
        assert process.wait(120) == 1
        assert process.stderr and "refuses the API key (HTTP 401: wrong key)" in process.stderr.read()


def test_a_run_whose_batches_are_rejected_ends_with_1_and_says_how_many_samples_reached_nobody(tmp_path: Path) -> None:
    rejections = [(400, {}, b'{"error":"bad"}')] * 999
    words = ("--duration", "160ms", "--batch-size", "1", "--no-processes", "--no-services")
    with serving(*rejections) as server, trickling(tmp_path, server.url, *words) as process:
        assert process.wait(120) == 1
        said = process.stderr.read() if process.stderr else ""
    taken = re.search(r"Recorded ([1-9]) of \d+ samples", said)  # all nine, if the machine is not busy with other things
    assert taken, said
    assert f"perfkit: {taken[1]} sample" in said and "reached nobody" in said


def test_a_run_is_sent_whole_with_its_session_marks_and_end(tmp_path: Path) -> None:
    with serving() as server, trickling(tmp_path, server.url) as process:
        wait_for(lambda: len(server.taken) > 50)
        assert perfkit("mark", "here", "--collection", "spool", cwd=tmp_path).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        subsystems = [line["subsystem"] for line in server.taken]
        assert (subsystems[0], subsystems[-1]) == ("perfkit/session", "perfkit/end")
        assert subsystems.count("perfkit/mark") == 1
        assert os.listdir(tmp_path / "spool") == ["lock"]


def test_no_line_waits_for_a_sample_that_would_come_after_the_flush_interval(tmp_path: Path) -> None:
    with serving() as server, trickling(tmp_path, server.url, "--frequency", "1h", "--flush-interval", "30m") as process:
        wait_for(lambda: server.taken)  # the first batch always goes at once
        assert perfkit("mark", "later", "--collection", "spool", cwd=tmp_path).returncode == 0
        wait_for(lambda: server.taken[-1]["subsystem"] == "perfkit/mark")
        assert process.poll() is None


def test_sampling_never_waits_for_a_receiver_that_hangs(tmp_path: Path) -> None:
    with serving(*["never answer"] * 50) as server, trickling(tmp_path, server.url) as process:
        wait_for(lambda: len(list((tmp_path / "spool").glob("*.ndjson"))) > 12)
        process.kill()
        process.wait()
    lines = [line for path in sorted((tmp_path / "spool").glob("*.ndjson")) for line in Reader(path)]
    times = [line.monotonic or 0 for line in lines if line.subsystem == "/proc/stat"]
    missed = max(line.json()["missed"] for line in lines if line.subsystem == "perfkit/self")
    assert round((times[-1] - times[0]) / 0.02) + 1 - len(times) <= missed + 10  # the last tally is up to ten samples old


def test_kills_and_an_absent_receiver_lose_nothing(tmp_path: Path) -> None:
    """Three collectors in a row are killed -9 while the receiver fails or is away; the fourth delivers all they had sampled."""
    spooled: dict[tuple[Any, ...], None] = {}

    def remember() -> None:
        for path in sorted((tmp_path / "spool").glob("*.ndjson")):
            with contextlib.suppress(OSError):
                spooled.update(dict.fromkeys((line.timestamp, line.nanosecond, line.subsystem, line.measurement) for line in Reader(path)))

    for failure in ("hang up", (503, {}, b""), "nonsense"):
        before = len(list(tmp_path.glob("spool/*.ndjson")))
        with serving(*[failure] * 500) as server, trickling(tmp_path, server.url) as process:
            wait_for(lambda before=before: len(server.requests) >= 2 and len(list(tmp_path.glob("spool/*.ndjson"))) > before + 3)
            process.kill()
            process.wait()
            remember()
    with serving() as server, trickling(tmp_path, server.url, "--duration", "200ms") as process:
        assert process.wait(120) == 0
        received = [(line["timestamp"], line["nanosecond"], line["subsystem"], line["measurement"]) for line in server.taken]
        assert [line for line in received if line in spooled] == list(spooled)
        assert sum(line[2] == "perfkit/session" for line in received) == 4


def test_what_could_not_be_sent_by_the_end_is_kept_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trickle, "_FAREWELL", 0.2)
    with serving(*[(500, {}, b"")] * 900) as server:
        sink = Sink(server, tmp_path / "spool")
        sink.send(0, 5)
        with pytest.raises(Failed, match=r"could not be sent and wait in .*spool"):
            sink.sink.close()


def test_a_real_receiver_writes_what_was_sampled(tmp_path: Path) -> None:
    from support.server import running

    with running(tmp_path / "data") as receiver:
        command = ("collect", "--mode", "trickle", "--server", receiver.url, "--identifier", "vm-a", "--spool", "spool")
        done = perfkit(
            *command, "--duration", "3s", "--frequency", "100ms", "--flush-interval", "100ms", cwd=tmp_path, PCC_APIKEY=receiver.key
        )
        assert done.returncode == 0, done.stderr
        (path,) = receiver.collections("vm-a")
        lines = list(Reader(path))
        assert [line.subsystem for line in (lines[0], lines[-1])] == ["perfkit/session", "perfkit/end"]
        end = lines[-1].json()
        assert sum(line.subsystem == "/proc/stat" for line in lines) == end["samples"] == 31 - end["missed"]
        told = [row.split() for line in lines if line.subsystem == "limits" for row in line.measurement.split("\n")]
        clocks = [(int(row[1]), int(row[2])) for row in told if row[0] == "receiver"]
        assert clocks
        assert all(abs(ahead) <= within for ahead, within in clocks), "both have this machine's clock"
