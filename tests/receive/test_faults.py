"""What is acknowledged is kept, once, whatever is killed, cut off or full."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.sender import Sender, busy, sample
from support.served import SOURCE, Served, serving
from support.server import ForkingReceiver, running, until

KILLS, KILLS_OF_ALL = 40, 10


def in_collections(data: Path, identifier: str) -> list[dict[str, object]]:
    files = sorted((data / "collections").glob(f"{identifier}-*/*.json"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def expected(sender: Sender) -> list[dict[str, object]]:
    return [line for second in range(sender.taken) for line in sample(second)]


def in_database(db: Path, identifier: str) -> list[tuple[int, float]]:
    with contextlib.closing(sqlite3.connect(db)) as con:
        return con.execute(
            "SELECT timestamp / 1000 - 1700000000, cpu_user FROM host_metrics JOIN collectors ON collectors.id = collector_id "
            "WHERE machinename = ? AND sitename = 'default' ORDER BY timestamp",
            (identifier,),
        ).fetchall()


def test_kill_9_forty_times_loses_no_acknowledged_line_and_doubles_none(tmp_path: Path) -> None:
    """Of the process that acknowledges, at any moment, while clients send and send again."""
    chance = random.Random(6)
    receiver = ForkingReceiver(tmp_path / "data")
    with contextlib.closing(receiver):
        senders = started(receiver.port, receiver.key)
        for _ in range(KILLS):
            wait_for_more(senders)
            time.sleep(chance.random() * 0.2)
            receiver.kill()
            receiver.start()
        ended(senders)
        for sender in senders:
            assert without_end(receiver.data, sender) == expected(sender)


def test_kill_9_of_all_that_serves_brings_every_acknowledged_line_into_the_database_once(tmp_path: Path) -> None:
    """Of all processes at once, of the parent alone, and of single children: at least twice each."""
    chance = random.Random(6)
    with serving(tmp_path, dashboard=False) as served:
        senders = started(served.port, served.key)
        kinds = ["group", "parent", "receiver", "importer", "uploader"] * (KILLS_OF_ALL // 5)
        for what in chance.sample(kinds, len(kinds)):
            wait_for_more(senders, served)
            time.sleep(chance.random() * 0.2)
            kill_something(served, what)
        ended(senders)
        until(lambda: all(len(in_database(served.db, sender.identifier)) >= sender.taken - 1 for sender in senders))
        assert served.stop() == 0
        for sender in senders:
            assert without_end(served.data, sender) == expected(sender)
            rows = in_database(served.db, sender.identifier)
            assert [second for second, _ in rows] == list(range(1, sender.taken))
            assert [user for _, user in rows] == pytest.approx([busy(second) for second, _ in rows])


def started(port: int, key: str) -> list[Sender]:
    senders = [Sender(port, key, f"vm-{number}") for number in range(4)]
    for sender in senders:
        sender.start()
    return senders


def ended(senders: list[Sender]) -> None:
    """When all that was taken is acknowledged."""
    for sender in senders:
        sender.ending.set()
    for sender in senders:
        sender.join(120)
        assert sender.acknowledged == sender.taken


def without_end(data: Path, sender: Sender) -> list[dict[str, object]]:
    return [line for line in in_collections(data, sender.identifier) if line["subsystem"] != "perfkit/end"]


def wait_for_more(senders: list[Sender], served: Served | None = None) -> None:
    """Until one more batch is acknowledged."""
    before = sum(sender.acknowledged for sender in senders)

    def more() -> bool:
        assert served is None or served.process.poll() is None, served.read()
        return sum(sender.acknowledged for sender in senders) > before

    until(more)


def kill_something(served: Served, what: str) -> None:
    if what == "parent":
        served.kill_parent()
    elif what == "group":
        served.kill_group()
    else:
        with contextlib.suppress(KeyError, ProcessLookupError):  # it is dead still of the time before
            os.kill(served.children()[what], signal.SIGKILL)
        return
    served.start(wait=False)


def test_an_outage_of_a_minute_with_a_hundred_clients_loses_nothing_and_keeps_the_order(tmp_path: Path) -> None:
    """A minute of samples, recorded while the server is dead, arrives after it; each client's in order."""
    with serving(tmp_path, dashboard=False) as server:
        senders = [Sender(server.port, server.key, f"vm-{number}") for number in range(100)]
        for sender in senders:
            sender.start()
        until(lambda: all(sender.acknowledged for sender in senders))
        server.kill_group()
        until(lambda: all(sender.taken - sender.acknowledged >= 60 for sender in senders))
        for sender in senders:
            sender.ending.set()
        server.start()
        for sender in senders:
            sender.join(120)
        assert server.stop() == 0
        for sender in senders:
            lines = in_collections(server.data, sender.identifier)
            assert lines.pop()["subsystem"] == "perfkit/end"
            assert lines == expected(sender)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_disk_full_to_the_last_byte_is_503_and_when_space_returns_everything_goes_on(small_disk: Path) -> None:
    fill_up(small_disk / "data", small_disk / "filler", keep_free=1, fill=free_bytes(small_disk) - 300_000)


def test_serve_on_a_full_disk_says_so_starts_again_and_loses_nothing(small_disk: Path) -> None:
    """Full while it serves, full when it starts again after kill -9, and room made while it runs: journal, collections and database."""
    with serving(small_disk / "desk", "--keep-free", "1KB", dashboard=False) as served:
        sender = Sender(served.port, served.key, "vm", pause=0.1)
        sender.start()
        until(lambda: in_database(served.db, "vm"), 120)
        filler = small_disk / "filler"
        fill_to_the_last_byte(filler)
        until(lambda: 503 in sender.refused, 120)
        said = served.read()
        served.kill_group()
        fill_to_the_last_byte(filler)
        served.start(wait=False)
        until(lambda: served.process.poll() is not None or "Receiver into" in served.read(), 120)
        said += served.read()
        ended = served.process.poll()
        assert ended in (None, 1), said
        filler.unlink()
        if ended is not None:
            served.start()
        sender.ending.set()
        sender.join(120)
        until(lambda: len(in_database(served.db, "vm")) >= sender.taken - 1, 120)
        said += served.read()
        assert served.stop() == 0
        assert [second for second, _ in in_database(served.db, "vm")] == list(range(1, sender.taken))
        assert without_end(served.data, sender) == expected(sender)
        assert "Traceback" not in said + served.output
        assert "internal error" not in said + served.output


def fill_to_the_last_byte(filler: Path) -> None:
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def test_a_disk_near_full_is_503_before_it_is_full(tmp_path: Path) -> None:
    """On a disk that others use as well: what is left alone is all but 256 MB, and 512 MB are filled."""
    shared = Path("/dev/shm") if Path("/dev/shm").is_dir() else tmp_path
    filler = shared / f"perfkit-test-{os.getpid()}"
    try:
        fill_up(shared / f"perfkit-test-data-{os.getpid()}", filler, keep_free=free_bytes(shared) - (256 << 20), fill=512 << 20)
    finally:
        filler.unlink(missing_ok=True)
        shutil.rmtree(shared / f"perfkit-test-data-{os.getpid()}", ignore_errors=True)


def free_bytes(folder: Path) -> int:
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize


def fill_up(data: Path, filler: Path, keep_free: int, fill: int) -> None:
    with running(data, keep_free=keep_free) as server:
        sender = Sender(server.port, server.key, "vm")
        sender.start()
        until(lambda: sender.acknowledged > 0)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, fill)
        until(lambda: 503 in sender.refused)
        assert server.process.poll() is None
        stuck = sender.acknowledged
        filler.unlink()
        until(lambda: sender.acknowledged > stuck)
        sender.ending.set()
        sender.join(120)
        assert server.stop() == 0
        assert set(sender.refused) == {503}
        assert in_collections(data, "vm")[:-1] == expected(sender)


def test_a_second_server_on_the_same_data_folder_refuses(tmp_path: Path) -> None:
    with serving(tmp_path, dashboard=False) as served:
        command = [sys.executable, "-m", "perfkit", "serve", "--no-dashboard", "--receive", "127.0.0.1:0", "--db", str(served.db)]
        second = subprocess.run(
            command, env=os.environ | {"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, timeout=200, check=False
        )
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert f"another perfkit serve (process {served.process.pid}) uses" in second.stderr
