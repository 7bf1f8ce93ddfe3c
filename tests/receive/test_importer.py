"""From the journal into the database, whatever lies in the journal and whenever it stops."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from perfkit.errors import Failed
from perfkit.receive.batch import parse_batch
from perfkit.receive.importer import Importer
from perfkit.receive.journal import Entry, Folder, Journal, Position
from perfkit.store.live import Live, LiveBatch
from support.sender import busy, sample


class Recorder:
    """A database in memory that keeps a position only when it is told to, and can be made to fail."""

    fed: list[LiveBatch]
    kept: str | None

    def __init__(self) -> None:
        self.fed, self.kept, self.poison, self.busy = [], None, b"poison", False
        self.scratch = False

    def open(self, db: Path) -> Recorder:
        if db.name == "perfkit.db":
            return self
        scratch = Recorder()
        scratch.poison = self.poison
        return scratch

    def position(self, journal: str) -> str | None:
        return self.kept

    def feed(self, batches: Sequence[LiveBatch], *, journal: str, position: str) -> None:
        if self.busy:
            raise Failed("the database is busy.")
        if any(self.poison in batch.lines for batch in batches):
            raise ValueError("cannot digest")
        self.fed += batches

    def save(self, journal: str, position: str) -> None:
        self.kept = position

    def close(self) -> None:
        pass


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    folder = Folder(tmp_path / "journal")
    folder.identity()
    return Journal(folder, segment_bytes=3000)


def entry(identifier: str, lines: bytes, carried: bool = False) -> bytes:
    return Entry(identifier, None, f"{identifier}/x.json", 0, 1_700_000_000_000, carried, lines).encode()


def test_every_entry_is_fed_once_and_in_order_across_segments(tmp_path: Path, journal: Journal) -> None:
    recorder = Recorder()
    importer = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open)
    for number in range(30):
        journal.append(entry("vm", b"%d\n" % number * 40))
        importer.step()
    assert [batch.lines.split()[0] for batch in recorder.fed] == [b"%d" % number for number in range(30)]


def test_what_was_told_again_for_a_new_day_is_not_imported(tmp_path: Path, journal: Journal) -> None:
    recorder = Recorder()
    journal.append(entry("vm", b"again\n", carried=True) + entry("vm", b"new\n"))
    Importer(tmp_path, tmp_path / "perfkit.db", recorder.open).step()
    assert [batch.lines for batch in recorder.fed] == [b"new\n"]


def test_after_an_end_without_warning_it_goes_on_from_the_last_kept_position(tmp_path: Path, journal: Journal) -> None:
    recorder = Recorder()
    importer = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open)
    journal.append(entry("vm", b"1\n"))
    importer.finish()
    journal.append(entry("vm", b"2\n"))
    importer.step()
    again = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open)
    again.step()
    assert [batch.lines for batch in recorder.fed] == [b"1\n", b"2\n", b"2\n"], "only what was not kept comes again"
    folder = Folder(tmp_path / "journal")
    assert folder.published("kept") == Position.parse(str(recorder.kept))


def test_one_machines_lines_that_cannot_be_imported_do_not_stop_the_others(tmp_path: Path, journal: Journal) -> None:
    recorder, said = Recorder(), []
    importer = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open, said.append)
    journal.append(entry("good", b"1\n") + entry("bad", b"poison\n") + entry("good", b"2\n"))
    importer.finish()
    journal.append(entry("bad", b"3\n"))
    importer.finish()
    assert [batch.lines for batch in recorder.fed] == [b"1\n", b"2\n", b"3\n"]
    assert said == [
        "the import failed (ValueError: cannot digest); trying each machine apart.",
        "1 line(s) of 'bad' cannot be imported (ValueError: cannot digest); they stay in its collection.",
    ]


def test_a_database_that_is_busy_loses_nothing(tmp_path: Path, journal: Journal) -> None:
    recorder = Recorder()
    importer = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open)
    journal.append(entry("vm", b"1\n"))
    recorder.busy = True
    with pytest.raises(Failed):
        importer.step()
    recorder.busy = False
    importer.step()
    assert [batch.lines for batch in recorder.fed] == [b"1\n"]


HOSTILE = [
    "",
    "\x00",
    "cpu",
    "cpu  -1 99999999999999999999999999 x y z\ncpu0\n",
    "cpu  1e308 NaN inf 1 1 1 1 1 1 1\n",
    "MemTotal: 99999999999999999999 kB\nMemFree: -5\nMemAvailable",
    "8 0 sda " + "18446744073709551616 " * 20,
    "   8       0 'x\"; DROP TABLE raw; --\\ 1 1 1 1 1 1 1 1 1 1 1\n",
    "eth0: " + "9" * 400 + "\n",
    '{"container_id":' * 500,
    '{"container_id":null,"cpu_usage_usec":"x"}',
    "\ud7ff\ufffe" * 100,
    "some avg10=x avg60=0 avg300=0 total=99999999999999999999\n",
    "Tcp: a b\nTcp: 1\n",
]
SUBSYSTEMS = ["/proc/stat", "/proc/meminfo", "/proc/diskstats", "/proc/net/dev", "/proc/loadavg", "/proc/vmstat", "/proc/net/snmp"]
SUBSYSTEMS += ["/proc/net/netstat", "/proc/pressure/cpu", "statfs[*]", "container/docker/aaaaaaaaaaaa", "perfkit/session", "perfkit/mark"]
SUBSYSTEMS += ["perfkit/self", "perfkit/end", "/proc/cpuinfo", "nobody/knows"]


def test_hostile_measurements_stop_neither_the_import_nor_the_neighbours(tmp_path: Path, journal: Journal) -> None:
    """Every kind of garbage in every subsystem, beside a healthy machine, through the real database."""
    said: list[str] = []
    importer = Importer(tmp_path, tmp_path / "perfkit.db", Live, said.append)
    for second in range(len(HOSTILE)):
        measurements = [
            {"timestamp": 1_700_000_000 + second, "subsystem": name, "measurement": HOSTILE[(second + number) % len(HOSTILE)]}
            for number, name in enumerate(SUBSYSTEMS)
        ]
        journal.append(entry("hostile", text(measurements)) + entry("healthy", text(sample(second))))
        importer.step()
    journal.append(entry("healthy", text([{"timestamp": 1_800_000_000, "subsystem": "perfkit/end", "measurement": "{}"}])))
    importer.finish()
    importer.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "perfkit.db")) as con:
        rows = con.execute(
            "SELECT timestamp / 1000 - 1700000000, cpu_user FROM host_metrics JOIN collectors ON collectors.id = collector_id "
            "WHERE machinename = 'healthy' ORDER BY timestamp"
        ).fetchall()
    assert [second for second, _ in rows] == list(range(1, len(HOSTILE)))
    assert [user for _, user in rows] == pytest.approx([busy(second) for second, _ in rows])


def text(measurements: list[dict[str, object]]) -> bytes:
    lines = parse_batch(orjson.dumps({"identifier": "x", "measurements": measurements}), 100).lines
    return b"".join(line.text + b"\n" for line in lines)
