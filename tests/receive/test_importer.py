"""From the journal into the database, whatever lies in the journal and whenever it stops."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from perfkit.errors import Failed
from perfkit.receive.batch import SiteMachine, parse_batch
from perfkit.receive.importer import Importer, Part
from perfkit.receive.journal import Entry, Folder, Journal, Position
from perfkit.receive.ledger import Ledger
from perfkit.store.live import Live, LiveBatch
from support.sender import busy, sample
from support.server import until


class Recorder:
    """A database in memory that keeps a position only when it is told to, and can be made to fail."""

    fed: list[LiveBatch]
    kept: str | None

    def __init__(self) -> None:
        self.fed, self.kept, self.poison, self.busy = [], None, b"poison", False
        self.held_back = 0
        self.scratch = self.unfinished = False

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


def test_what_is_much_is_put_off_and_the_others_do_not_wait(tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piece by piece, in order, and kept only as far as all of it is imported; what is held back for its many devices is counted."""
    monkeypatch.setattr("perfkit.receive.importer.PIECES_SECONDS", 0.0)
    recorder, much = Recorder(), b"".join(b"%07d\n" % number for number in range(200_000))
    importer = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open)
    journal.append(entry("big", much) + entry("small", b"1\n"))
    recorder.held_back = 3
    assert not importer.step()
    assert [batch.identifier for batch in recorder.fed][:1] == ["small"]
    journal.append(entry("small", b"2\n") + entry("big", b"last\n"))
    importer.step()
    assert [batch.lines for batch in recorder.fed if batch.identifier == "small"] == [b"1\n", b"2\n"]
    assert recorder.kept == "0:0"
    journal.append(entry("bad", b"poison\n" * 10_000))
    again, recorder.fed = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open), []
    again.finish()
    assert b"".join(batch.lines for batch in recorder.fed if batch.identifier == "big") == much + b"last\n"
    assert recorder.kept == str(journal.position)
    account = Ledger(tmp_path).read()
    assert (account.held_back, account.totals()["import"]) == (6, 10_000)


def test_what_fails_behind_much_that_is_put_off_keeps_nobody_out(tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put off is read again from its beginning: several steps lie between that and the place where it failed."""
    monkeypatch.setattr("perfkit.receive.importer.STEP_BYTES", 200_000)
    recorder = Recorder()
    importer = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open)
    much = [b"".join(b"%d%07d\n" % (part, number) for number in range(20_000)) for part in range(3)]
    journal.append(b"".join(entry("big", lines) + entry("small", b"%d\n" % part) for part, lines in enumerate(much)))
    journal.append(entry("bad", b"poison\n") + entry("small", b"last\n"))
    importer.finish(60)
    small = [batch.lines for batch in recorder.fed if batch.identifier == "small"]
    assert list(dict.fromkeys(small)) == [b"0\n", b"1\n", b"2\n", b"last\n"]
    assert recorder.kept == str(journal.position)
    assert Ledger(tmp_path).read().totals()["import"] == 1


def test_a_piece_of_what_is_much_ends_with_a_sample() -> None:
    """Else the first half of a sample would be taken for all of it, and the rest would come too late."""
    of = [b'{"timestamp":%d,"subsystem":"a","measurement":"%s"}\n' % (second, b"x" * 70_000) for second in (1, 2, 2, 2, 2, 2, 2, 3)]
    part = Part(SiteMachine.of("vm", None), 0, b"".join(of), "vm/x.json", 100)
    assert [half.lines for half in part.between_samples() or ()] == [b"".join(of[:7]), of[7]]
    assert [half.at for half in part.between_samples() or ()] == [100, 100 + len(b"".join(of[:7]))]
    assert part._replace(lines=b"".join(of[1:7])).between_samples() is None


def test_what_is_set_aside_counts_once_although_a_crash_brings_it_again(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while older parts of another machine wait still, so that the journal is read again from before it, and cut otherwise then."""
    monkeypatch.setattr("perfkit.receive.importer.PIECES_SECONDS", 0.0)
    recorder, said = Recorder(), []
    much = b"".join(b"%07d\n" % number for number in range(200_000))
    bad = b"".join(b"poison %d\n" % number if number % 3 else b"%d\n" % number for number in range(30_000))
    journal.append(entry("big", much) + entry("bad", bad) + entry("small", b"1\n"))
    counted = []
    for failures in (3, 12, 400):
        monkeypatch.setattr("perfkit.receive.importer.MOST_FAILURES", failures)
        importer = Importer(tmp_path, tmp_path / "perfkit.db", recorder.open, said.append)
        importer.step()
        counted.append(Ledger(tmp_path).read().totals()["import"])
        assert recorder.kept == "0:0", "and nothing is closed: it was killed"
    monkeypatch.setattr("perfkit.receive.importer.MOST_FAILURES", 0)
    Importer(tmp_path, tmp_path / "perfkit.db", recorder.open, said.append).finish()
    assert counted == [30_000] * 3
    assert Ledger(tmp_path).read().totals()["import"] == 30_000
    assert recorder.kept == str(journal.position)


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
        if second % 2:
            importer.step()
    assert said == [], "each line was tried: none of the batch was set aside for another one's sake"
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


def test_a_spool_that_clashes_with_another_boot_costs_its_own_machine_alone_and_is_told(tmp_path: Path, journal: Journal) -> None:
    """Late samples of a boot that ran at the same time as another: refused as a file of them would be, counted, and an event says so."""
    said: list[str] = []
    importer = Importer(tmp_path, tmp_path / "perfkit.db", Live, said.append)

    def of_boot(boot: str, seconds: Sequence[int]) -> bytes:
        session = {
            "timestamp": 1_700_000_000 + seconds[0],
            "subsystem": "perfkit/session",
            "measurement": json.dumps({"boot_id": boot, "frequency": 1}),
        }
        return text([session, *(line | {"monotonic": float(second)} for second in seconds for line in sample(second))])

    journal.append(entry("bad", of_boot("a", [0, 1, 5, 6])) + entry("good", text([line for second in range(4) for line in sample(second)])))
    importer.step()
    journal.append(entry("bad", of_boot("b", [2, 3])))
    importer.step()
    journal.append(entry("good", text([*sample(4), {"timestamp": 1_800_000_000, "subsystem": "perfkit/end", "measurement": "{}"}])))
    importer.finish()
    until(lambda: importer.step() and not importer._sink.unfinished)  # type: ignore[union-attr]
    importer.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "perfkit.db")) as con:
        names = "SELECT machinename, {} JOIN collectors ON collectors.id = collector_id"
        assert con.execute(names.format("count(*) FROM host_metrics") + " WHERE machinename = 'good'").fetchone() == ("good", 4)
        assert con.execute(names.format("subject FROM quality_events") + " WHERE kind = 'set_aside'").fetchall() == [("bad", "import")]
    assert any("of 'bad' cannot be imported (late was recorded at the same time as another boot" in line for line in said)
    assert Ledger(tmp_path).read().totals()["import"] > 0


def test_lines_far_from_the_clock_are_an_event_of_their_machine(tmp_path: Path, journal: Journal) -> None:
    importer = Importer(tmp_path, tmp_path / "perfkit.db", Live)
    journal.append(Entry("vm", None, "vm/x.json", 0, 1_700_000_000_000, False, b"1\n2\n", True).encode())
    importer.step()
    importer.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "perfkit.db")) as con:
        events = con.execute(
            "SELECT machinename, kind, subject, missed FROM quality_events JOIN collectors ON id = collector_id"
        ).fetchall()
    assert events == [("vm", "set_aside", "clock", 2)]


def text(measurements: list[dict[str, object]]) -> bytes:
    lines = parse_batch(orjson.dumps({"identifier": "x", "measurements": measurements}), 100).lines
    return b"".join(line.text + b"\n" for line in lines)
