"""`perfkit serve`: its processes, its addresses, and what it says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support import asking, invent
from support.sender import Sender
from support.served import SOURCE, Served, free_port, serving
from support.server import until

SAMPLES = Path(__file__).parents[3] / "shared" / "pcc-samples"


def perfkit(*arguments: str, home: Path, input: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(SOURCE), "HOME": str(home), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "perfkit", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False, input=input)


def count(db: Path, sql: str) -> int:
    with contextlib.closing(sqlite3.connect(db)) as con:
        return int(con.execute(sql).fetchone()[0] or 0)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_it_says_where_it_serves_starts_a_child_again_that_dies_and_ends_with_0(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        assert f"Dashboard of {served.db}: {served.dashboard}/" in served.read()
        assert f"Receiver into {served.data}: {served.url}" in served.read()
        assert asking.get(served.dashboard).status_code == 200
        before = served.children()
        assert len(before) == 4
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(served.children().values()) - set(before.values())) == 4)
        until(lambda: _answers(served.url + "/-/healthz") and _answers(served.dashboard))
        for name in before:
            assert f"the {name} ended (SIGKILL); starting it again." in served.read()
        children = served.children()
        assert served.stop() == 0
        assert not any(alive(pid) for pid in children.values())


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for several tests, each of which has machines of its own and leaves all of its processes at work."""
    with serving(tmp_path_factory.mktemp("plain")) as served:
        yield served


def of_machine(what: str, name: str) -> str:
    return f"SELECT {what} FROM host_metrics JOIN collectors ON id = collector_id WHERE machinename = '{name}'"


def test_what_is_received_is_in_the_database_while_it_still_arrives(plain: Served) -> None:
    sender = Sender(plain.port, plain.key, "vm-live")
    sender.start()
    until(lambda: count(plain.db, of_machine("count(*)", "vm-live")) > 10)
    before = count(plain.db, of_machine("max(timestamp)", "vm-live"))
    until(lambda: count(plain.db, of_machine("max(timestamp)", "vm-live")) > before)
    assert sender.is_alive()
    sender.ending.set()
    sender.join(120)


def test_a_keys_site_is_the_collectors_site(plain: Served) -> None:
    sender = Sender(plain.port, plain.keys.add("paris", site="Paris"), "vm-paris")
    sender.start()
    until(lambda: count(plain.db, "SELECT count(*) FROM collectors WHERE machinename = 'vm-paris' AND sitename = 'Paris'") == 1)
    sender.ending.set()
    sender.join(120)


@pytest.mark.parametrize("stopped", ["dashboard", "importer", "uploader"])
def test_a_process_that_hangs_stalls_no_acknowledgement(plain: Served, stopped: str) -> None:
    pid = plain.children()[stopped]
    os.kill(pid, signal.SIGSTOP)
    try:
        sender = Sender(plain.port, plain.key, f"vm-{stopped}")
        sender.start()
        until(lambda: sender.acknowledged >= 50)
        sender.ending.set()
        sender.join(120)
    finally:
        os.kill(pid, signal.SIGCONT)


def test_with_64_file_descriptors_the_built_file_loses_nothing_of_30_senders_beside_a_hundred_idle_connections(
    tmp_path: Path, pyz: Path
) -> None:
    """It says so, and goes on when connections end: more want one than there are."""
    with serving(tmp_path / "served", descriptors=64, pyz=pyz) as served:
        until(lambda: served.read().count("takes only 24 connections at once, with 64 file descriptors") == 2)
        idle = []
        with contextlib.suppress(OSError):  # beyond the limit they are closed at once
            idle = [socket.create_connection(("127.0.0.1", port), timeout=120) for _ in range(100) for port in (served.port, served.front)]
        senders = [Sender(served.port, served.key, f"vm-{number}", pause=0.5) for number in range(30)]
        for sender in senders:
            sender.start()
        for connection in idle:
            connection.close()
        until(lambda: sum(sender.acknowledged > 0 for sender in senders) >= 20)
        for sender in senders:
            sender.ending.set()
        for sender in senders:
            sender.join(300)
        assert all(sender.acknowledged == sender.taken for sender in senders)
        until(lambda: count(served.db, "SELECT count(*) FROM samples") == sum(sender.taken for sender in senders))
        until(lambda: _answers(served.dashboard))
        assert "ended (" not in served.read()
        assert served.stop() == 0


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return asking.get(url).status_code == 200
    return False


def test_children_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        children = served.children()
        served.kill_parent()
        until(lambda: not any(alive(pid) for pid in children.values()))
        served.start()
        assert _answers(served.url + "/-/healthz")


@pytest.mark.parametrize("option", ["--receive", "--listen"])
def test_a_port_that_is_taken_is_named_with_the_option_that_changes_it(plain: Served, tmp_path: Path, option: str) -> None:
    port = plain.port if option == "--receive" else plain.front
    other = "--listen" if option == "--receive" else "--receive"
    answer = perfkit("serve", option, f"127.0.0.1:{port}", other, "127.0.0.1:0", home=tmp_path / "second")
    assert answer.returncode == 1
    assert answer.stderr == f"perfkit: 127.0.0.1:{port} is in use; stop what listens there, or take another port with {option}.\n"


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--no-receive", "--no-dashboard"), 2, "nothing to serve"),
        (("--receive", "8080"), 2, "is not an address"),
        (("--listen", "127.0.0.1:99999"), 2, "is not an address"),
        (("--receive", "203.0.113.1:0"), 1, "cannot listen"),
        (("--tls-cert", "x"), 2, "belong together"),
        (("--tls-cert", "x", "--tls-key", "x"), 2, "cannot be used"),
        (("--trusted-proxy", "proxy.example"), 2, "not an address or a network"),
        (("--root-path", "perfkit"), 2, "does not start with a slash"),
        (("--keep-free", "much"), 2, "not a size"),
        (("--most-devices", "0"), 2, "leaves no device"),
        (("--data", "/proc/nowhere"), 1, "cannot use the data folder"),
        (("--listen", "0.0.0.0:0"), 2, "no user yet"),
    ],
)
def test_what_cannot_be_served_is_one_sentence(tmp_path: Path, options: tuple[str, ...], code: int, sentence: str) -> None:
    answer = perfkit("serve", "--receive", "127.0.0.1:0", "--listen", "127.0.0.1:0", *options, home=tmp_path)
    assert (answer.returncode, answer.stderr.count("\n"), sentence in answer.stderr) == (code, 1, True), answer.stderr


def test_a_damaged_key_file_is_named_before_anything_is_served(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    options = ("--receive", "127.0.0.1:0", "--no-dashboard", "--keys", str(tmp_path / "keys.json"))
    answer = perfkit("serve", *options, home=tmp_path)
    assert answer.returncode == 1
    assert "keys.json is damaged" in answer.stderr
    assert answer.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-keyout",
        key,
        "-out",
        cert,
    ]
    subprocess.run([*command, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


def test_with_a_certificate_both_speak_tls_and_nothing_else(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with serving(tmp_path, "--tls-cert", str(cert), "--tls-key", str(key)) as served:
        context = ssl.create_default_context(cafile=str(cert))
        for url in (served.url + "/v1/ping", served.dashboard):
            secure = url.replace("http:", "https:")
            assert secure.rpartition("/v1")[0] in served.read()
            assert asking.get(secure, verify=context).status_code == 200
            with pytest.raises(httpx.HTTPError):
                asking.get(url)


def test_reachable_from_elsewhere_without_tls_it_warns_once_and_says_what_to_do(tmp_path: Path) -> None:
    with Reached(tmp_path) as served:
        assert served.read().count("Warning:") == 1
        assert "--tls-cert" in served.read()
        assert "reverse proxy" in served.read()


class Reached(Served):
    """A receiver that listens on every address."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "--receive", f"0.0.0.0:{free_port()}", dashboard=False)

    def __enter__(self) -> Reached:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


@pytest.mark.parametrize(("trusted", "seen"), [("127.0.0.1", "198.51.100.7"), ("10.0.0.0/8", "127.0.0.1")])
def test_the_clients_address_is_taken_from_a_trusted_proxy_alone(tmp_path: Path, trusted: str, seen: str) -> None:
    with serving(tmp_path, "--trusted-proxy", trusted, "--root-path", "/perf", dashboard=False) as served:
        headers = {"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
        assert asking.get(served.url + "/v1/ping", headers=headers).status_code == 200
        until(lambda: "/v1/ping" in (served.data / "access.log").read_text())
        (entry,) = [json.loads(line) for line in (served.data / "access.log").read_text().splitlines()]
        assert (entry["client"], entry["path"]) == (seen, "/v1/ping")


def upload(served: Served, file: Path, key: str | None = None, name: str | None = None, **fields: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {key or served.key}"}
    with file.open("rb") as content:
        files = {"file": (name or file.name, content)}
        return asking.post(served.url + "/api/v1/performance/upload", headers=headers, files=files, data=fields, timeout=120)


def test_an_uploaded_collection_is_imported_and_a_second_time_changes_nothing(plain: Served, tmp_path: Path) -> None:
    collection = invent.write(tmp_path / "run.json", seconds=60)
    answer = upload(plain, collection, machine_id="vm-u", site="lab")
    assert answer.status_code == 201, answer.text
    said = answer.json()
    assert (said["machinename"], said["sitename"], said["already"]) == ("vm-u", "lab", False)
    assert (said["certificate"]["samples"], said["certificate"]["coverage"], said["notes"]) == (60, 100, [])
    rows = count(plain.db, of_machine("count(*)", "vm-u"))
    assert rows == said["new_samples"] > 50
    again = upload(plain, collection, machine_id="vm-u", site="lab")
    assert (again.status_code, again.json()["already"]) == (201, True)
    assert count(plain.db, of_machine("count(*)", "vm-u")) == rows
    assert not list((plain.data / "uploads").iterdir())


def test_an_upload_that_cannot_be_imported_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"nothing of ours")
    with serving(tmp_path / "server", "--max-upload", "1MB", dashboard=False) as served:
        large = tmp_path / "large.json"
        large.write_bytes(bytes(2 << 20))
        refused = {
            upload(served, bad, name="run.json", machine_id="a").status_code,
            upload(served, bad, name="../../host.csv", machine_id="a").status_code,
            upload(served, bad, name="run.exe", machine_id="a").status_code,
            upload(served, bad, name="run.json").status_code,
        }
        assert refused == {400}
        assert upload(served, large, machine_id="a").status_code == 413
        bound = served.keys.add("bound", site="here", identifiers=("mine",))
        assert upload(served, bad, key=bound, name="run.json", machine_id="yours").status_code == 403
        assert upload(served, bad, key=bound, name="run.json", machine_id="mine", site="there").status_code == 403
        assert count(served.db, "SELECT count(*) FROM host_metrics") == 0
        assert not list((served.data / "uploads").iterdir())


def test_an_upload_of_equal_lines_that_unpacks_to_1500_mb_is_refused_with_the_limit_and_takes_no_memory(tmp_path: Path) -> None:
    """Sent as .json.gz and as .json; the receiver and the process that imports stay as they are, and the next upload is imported."""
    line = b'{"timestamp":1700000000,"subsystem":"/proc/stat","measurement":"cpu  1 2 3 4"}\n'
    packed, block = zlib.compressobj(9, zlib.DEFLATED, 31), line * ((4 << 20) // len(line))
    bomb = tmp_path / "bomb.json.gz"
    member = packed.compress(block * 25) + packed.flush()
    bomb.write_bytes(member * 15)  # 1.5 GB of it
    assert bomb.stat().st_size < 6 << 20
    with serving(tmp_path / "server", dashboard=False) as served:
        before = resident(served)
        for name in ("bomb.json.gz", "bomb.json"):
            answer = upload(served, bomb, name=name, machine_id="a")
            assert answer.status_code == 413
            assert f"larger than {512 << 20} bytes when it is unpacked" in answer.json()["error"]
        assert resident(served) < before + (60 << 10)
        assert upload(served, invent.write(tmp_path / "run.json", seconds=10), machine_id="b").status_code == 201
        assert not list((served.data / "uploads").iterdir())


def resident(served: Served) -> int:
    """The most that receiver and uploader have had in memory, in kB."""
    told = [Path(f"/proc/{served.children()[role]}/status").read_text() for role in ("receiver", "uploader")]
    return sum(int(status.split("VmHWM:")[1].split()[0]) for status in told)


def test_collections_older_than_they_are_kept_go_and_the_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "perfkit-received" / "collections" / "vm-0123456789"
    folder.mkdir(parents=True)
    old, new, other = folder / "vm-2020-01-31.json", folder / "vm-2999-01-31.json", folder / "mine.json"
    for file in (old, new, other):
        file.write_text("{}\n")
    with serving(tmp_path, "--retain", "30d", dashboard=False) as served:
        until(lambda: not old.exists())
        assert new.exists()
        assert other.exists()
        assert served.stop() == 0


def test_keys_are_added_listed_and_revoked(tmp_path: Path) -> None:
    added = perfkit("keys", "add", "lab", "--site", "Paris", "--expires", "90d", "--identifier", "vm-1", home=tmp_path)
    assert (added.returncode, added.stdout[:3], added.stdout.count("\n")) == (0, "pk_", 1)
    listed = perfkit("keys", "list", home=tmp_path).stdout
    assert all(word in listed for word in ("lab", "Paris", "vm-1"))
    assert added.stdout.strip() not in listed
    assert perfkit("keys", "add", "lab", home=tmp_path).returncode == 2
    assert perfkit("keys", "add", "x", "--expires", "90", home=tmp_path).returncode == 2
    assert perfkit("keys", "revoke", "lab", home=tmp_path).returncode == 0
    assert perfkit("keys", "revoke", "lab", home=tmp_path).returncode == 2
    assert "No keys in" in perfkit("keys", "list", home=tmp_path).stdout


def test_a_sender_of_the_old_collector_needs_only_its_old_key(tmp_path: Path) -> None:
    """~/.pcd/apikeys is read too, and real samples of the old collector arrive."""
    (tmp_path / ".pcd").mkdir()
    (tmp_path / ".pcd" / "apikeys").write_text("an old key\n")
    if not SAMPLES.exists():
        pytest.skip("the real samples are not here")
    lines = [json.loads(line) for line in (SAMPLES / "host-azure" / "collection.json").read_text().splitlines()]
    with serving(tmp_path, dashboard=False) as served:
        for first in range(0, len(lines), 25):
            body = {"identifier": "azure", "measurements": lines[first : first + 25]}
            answer = asking.post(served.url + "/v1/trickle", json=body, headers={"apikey": "an old key"})
            assert answer.json() == {"error": None}
        samples = len({line["timestamp"] for line in lines if line["subsystem"] == "/proc/stat"})
        until(lambda: count(served.db, "SELECT count(*) FROM host_metrics") >= samples - 2)
