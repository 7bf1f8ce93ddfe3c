"""A bit that is another one, 200 times in each kind of file: it starts, says so where it can tell, and loses what stood there at most."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from perfkit.catalog import HOST
from perfkit.collect import trickle
from perfkit.collect.receiver_client import REJECTED, TAKEN, Answer
from perfkit.collect.spool import Spool
from perfkit.collection import encode
from perfkit.errors import PerfkitError
from perfkit.receive.importer import TRY_LATER, Importer
from perfkit.receive.journal import Folder, Journal
from perfkit.receive.ledger import Ledger
from perfkit.store import columnar, percentiles
from perfkit.store.database import open_database, sentences
from perfkit.store.importing import import_input
from perfkit.store.live import Live
from perfkit.store.pending import Pending
from support import invent
from support.sender import Sender, sample
from support.served import serving
from support.server import until

from .test_faults import in_database
from .test_writer import SEGMENT, Rig, entry, lines

FLIPS = 200


def flipped(content: bytes, number: int) -> bytes:
    chance = random.Random(number)
    changed = bytearray(content)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def test_in_the_journal(tmp_path: Path) -> None:
    """At most the entry that was hit is missing, and what is appended afterwards is read."""
    folder = Folder(tmp_path)
    journal = Journal(folder, SEGMENT)
    journal.append(b"".join(entry(number).encode() for number in range(5)))
    journal.close()
    content, committed = folder.segment(1).read_bytes(), (tmp_path / "committed").read_bytes()
    for number in range(FLIPS):
        for segment in folder.segments():
            folder.segment(segment).unlink()
        folder.segment(1).write_bytes(flipped(content, number))
        (tmp_path / "committed").write_bytes(committed)
        journal = Journal(folder, SEGMENT)
        journal.append(entry(9).encode())
        journal.close()
        found, damage = _read(folder)
        assert found[-1] == 9
        assert len(found) == 5
        assert found == sorted(found)
        assert damage in {len(entry(one).encode()) for one in range(5)}


def _read(folder: Folder) -> tuple[list[int], int]:
    """Which entries can be read, and how many bytes are said to be damaged."""
    damage: list[int] = []
    found = [one.received_ms for one, _ in folder.follow(None, 1 << 20, lambda path, start, end: damage.append(end - start))]
    return found, sum(damage)


def test_in_the_receivers_state(tmp_path: Path) -> None:
    """Every file beside journal and collections: what was acknowledged is stored once, and known when it comes again."""
    rig = Rig(tmp_path / "data")
    rig.send(lines(1))
    rig.writer.sync_collections()
    rig.send(lines(2))
    folder = rig.writer.journal.folder
    folder.identity()
    for name in ("kept", "imported"):
        folder.publish(name, rig.writer.journal.position)
    ledger = Ledger(rig.root)
    ledger.write(ledger.read())
    rig.crash()
    shutil.copytree(rig.root, tmp_path / "before")
    rig.close()
    state = [
        *(path for path in sorted((tmp_path / "before" / "journal").iterdir()) if path.suffix != ".journal"),
        *(tmp_path / "before").glob("*.json"),
        *(tmp_path / "before" / "collections").glob("*/.machine"),
    ]
    assert len(state) == 7
    for number in range(FLIPS):
        path = state[number % len(state)]
        shutil.rmtree(rig.root)
        shutil.copytree(tmp_path / "before", rig.root)
        (rig.root / path.relative_to(tmp_path / "before")).write_bytes(flipped(path.read_bytes(), number))
        rig.left.clear()
        rig.open()
        rig.send(lines(2, 3))
        assert len(folder.identity()) == 32
        Ledger(rig.root).read()
        rig.close()
        assert [line["timestamp"] for line in rig.stored()] == [1, 2, 3], path


def test_in_all_of_them_under_a_real_server(tmp_path: Path) -> None:
    """Killed, a bit flipped in its journal and in each file of its state, started again: it says so, and all is in the database once."""
    with serving(tmp_path, dashboard=False) as served:
        sender = Sender(served.port, served.key, "vm", pause=0.1)
        sender.start()
        until(lambda: sender.acknowledged >= 20, 120)
        sender.ending.set()
        sender.join(120)
        served.kill_group()
        for number, path in enumerate([*sorted((served.data / "journal").iterdir()), *served.data.glob("collections/*/.machine")]):
            path.write_bytes(flipped(path.read_bytes(), number))
        served.start()
        until(lambda: len(in_database(served.db, "vm")) >= sender.taken - 1, 120)
        assert served.stop() == 0
        assert "damaged" in served.output
        assert "Traceback" not in served.output
        assert [second for second, _ in in_database(served.db, "vm")] == list(range(1, sender.taken))


class Taking:
    """A receiver that takes what is JSON, as every one does."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def send(self, batch: list[bytes]) -> Answer:
        try:
            told = json.loads(b"[" + b",".join(batch) + b"]")
        except ValueError:
            return Answer(REJECTED, "HTTP 400")
        self.taken += [one.get("measurement") if isinstance(one, dict) else one for one in told]
        return Answer(TAKEN)

    def close(self) -> None:
        """Nothing is open."""


def test_in_the_spool(tmp_path: Path) -> None:
    """Only the line that was hit does not arrive, or its neighbour too where the end of a line was; it is said, and the batch is kept."""
    batch = b"".join(encode(number, 0, float(number), "/proc/stat", b"cpu %d" % number) for number in range(20))
    for number in range(FLIPS):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "000000000001.ndjson").write_bytes(flipped(batch, number))
        said: list[str] = []
        spool, receiver = Spool(str(folder), "vm", limit=1 << 20, batch_lines=100, interval=1.0), Taking()
        spool.end()  # its thread sends nothing: the test does
        sender = trickle.Sender(spool, receiver, said.append, lambda: None)  # type: ignore[arg-type]
        sender.stop()
        if found := spool.next(0):
            sender._deliver(found)
        arrived = sum(f"cpu {one}" in receiver.taken for one in range(20))
        assert arrived >= 18
        assert arrived >= 19 or said or len(receiver.taken) < 20
        assert bool(list(folder.glob("*.rejected"))) == bool(said)
        spool.close()


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database, its samples by column, and the journal and data folder of a live machine that is in it."""
    folder = tmp_path_factory.mktemp("flips")
    db = folder / "perfkit.db"
    import_input(db, invent.write(folder / "vm-a.json", seconds=120, containers=1))
    with contextlib.closing(open_database(db)) as con, contextlib.closing(columnar.connect()) as duck:
        (last,) = con.execute("SELECT max(timestamp) FROM host_metrics").fetchone()
        columnar.complete(con, 1, last + 1, duck)
    journal = Journal(Folder(folder / "data" / "journal"), SEGMENT)
    for second in range(4):
        journal.append(_live_entry(second))
    journal.close()
    importer = Importer(folder / "data", db, Live)
    importer.finish()
    importer.close()
    with contextlib.closing(sqlite3.connect(db)) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder


def _live_entry(second: int) -> bytes:
    told = b"".join(
        encode(int(str(line["timestamp"])), 0, float(second), str(line["subsystem"]), str(line["measurement"]).encode())
        for line in sample(second)
    )
    return entry(second)._replace(lines=told, identifier="live", file="live/x.json", received_ms=1_700_000_000_000).encode()


def test_in_the_samples_by_column(imported: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Figures are as before, from the database, and each damaged file is named."""
    with contextlib.closing(open_database(imported / "perfkit.db")) as con:
        found = columnar.segments(con, 1, HOST, 0, 1 << 62)
        assert found
        start, end = con.execute("SELECT min(timestamp), max(timestamp) FROM host_metrics WHERE collector_id = 1").fetchone()
        right = percentiles.of_window(con, 1, start, end - 1000)
        path = found[0].path
        content = path.read_bytes()
        for number in range(FLIPS):
            path.write_bytes(flipped(content, number))
            assert path not in [one.path for one in columnar.segments(con, 1, HOST, 0, 1 << 62)]
        assert capfd.readouterr().err.count("was damaged and is deleted") == FLIPS
        assert percentiles.of_window(con, 1, start, end - 1000) == right


def test_in_the_database(imported: Path, tmp_path: Path) -> None:
    """A sentence where SQLite notices; nobody's lines are set aside for it, and the journal brings them into another database."""
    content = (imported / "perfkit.db").read_bytes()
    db = tmp_path / "perfkit.db"
    told = 0
    for number in range(FLIPS):
        for left in tmp_path.glob("perfkit.db*"):
            left.unlink()
        db.write_bytes(flipped(content, number) if number % 4 else _with_a_damaged_page(content, number))
        try:
            with contextlib.closing(open_database(db)) as con, sentences(db):
                for table in ("collectors", "host_metrics", "runs", "quality_events", "live_positions"):
                    con.execute(f"SELECT * FROM {table}").fetchall()
                for (held,) in con.execute("SELECT lines FROM live_lines").fetchall():
                    with contextlib.suppress(Exception):  # what it raises is Unusable for the importer: it is told and forgotten
                        Pending.load(held)
        except PerfkitError as error:
            told += 1
            assert str(db) in str(error)
            if told % 20 == 1:
                _import_again(imported, tmp_path, db)
    assert told > 10


def _with_a_damaged_page(content: bytes, number: int) -> bytes:
    """Its header, or that of the page of a table: what SQLite cannot pass over."""
    at = 8192 * random.Random(number).randrange(8) or 100
    return content[:at] + b"\xff" * 8 + content[at + 8 :]


def _import_again(imported: Path, folder: Path, db: Path) -> None:
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(imported / "data", data)
    importer = Importer(data, db, Live)
    with contextlib.suppress(*TRY_LATER):
        importer.finish()
    importer.close()
    assert Ledger(data).read().totals()["import"] == 0
    db.rename(folder / "damaged.db")
    for left in folder.glob("perfkit.db-*"):
        left.unlink()
    importer = Importer(data, db, Live)
    importer.finish()
    importer.close()
    with contextlib.closing(sqlite3.connect(db)) as con:
        assert con.execute("SELECT count(*) FROM samples").fetchone()[0] >= 3
