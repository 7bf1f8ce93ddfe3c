"""The journal and the collections: what is stored once stays, whatever dies in between."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from perfkit import files
from perfkit.receive.batch import ReceivedBatch, SiteMachine, parse_batch
from perfkit.receive.dayfiles import machine_of
from perfkit.receive.journal import Entry, Folder, Journal, Position, read_entries
from perfkit.receive.request import ReceiverLimits, Refused
from perfkit.receive.writer import Stored, Writer

DAY = 86_400
NOON = 1_767_268_800  # 2026-01-01T12:00:00Z
SEGMENT = 1 << 20
# The lines of these tests are of 1970, which a real receiver's clock is far from.
ROOMY = ReceiverLimits(keep_free=1, behind=float("inf"))


def lines(*timestamps: int, text: str = "cpu", subsystem: str = "/proc/stat") -> list[dict[str, object]]:
    return [{"timestamp": timestamp, "subsystem": subsystem, "measurement": f"{text} {timestamp}"} for timestamp in timestamps]


def batch(measurements: list[dict[str, object]], identifier: str = "vm-a") -> ReceivedBatch:
    return parse_batch(orjson.dumps({"identifier": identifier, "measurements": measurements}), 100_000)


def entry(number: int) -> Entry:
    return Entry("vm", None, "vm/vm.json", number * 10, number, False, b"x" * 10)


class Rig:
    """A writer on a folder, whose clock the test sets, that can be left lying as kill -9 leaves it."""

    def __init__(self, root: Path, limits: ReceiverLimits = ROOMY) -> None:
        self.root, self.limits, self.now = root, limits, float(NOON)
        self.left: list[Writer] = []
        self.said: list[str] = []
        self.open()

    def open(self) -> None:
        self.writer = Writer(self.root, self.limits, clock=lambda: self.now, say=self.said.append)
        self.writer.start()

    def send(self, measurements: list[dict[str, object]], identifier: str = "vm-a", site: str | None = None) -> Stored:
        return self.writer.submit(SiteMachine.of(identifier, site), batch(measurements, identifier).lines).result(20)

    def crash(self) -> None:
        """As kill -9 leaves it: what was in memory is lost, and nothing more is synced, cut, published or closed."""
        self.left.append(self.writer)

    def close(self) -> None:
        for writer in {*self.left, self.writer}:
            writer.stop()

    def stored(self, identifier: str = "vm-a") -> list[dict[str, object]]:
        files = sorted((self.root / "collections").glob(f"{identifier}-*/*.json"))
        return [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.close()


def test_lines_are_in_the_collection_of_their_identifier_and_day_in_the_order_sent(rig: Rig) -> None:
    assert rig.send(lines(5, 3, 4)) == Stored(3, 0)
    assert rig.send(lines(9), "vm-b") == Stored(1, 0)
    assert [line["timestamp"] for line in rig.stored()] == [5, 3, 4]
    (file,) = (rig.root / "collections").glob("vm-b-*/*.json")
    assert file.name == "vm-b-2026-01-01.json"


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_a_batch_that_is_sent_again_is_stored_once(rig: Rig, restart: bool) -> None:
    sent = lines(1, 2, 3)
    rig.send(sent)
    if restart:
        rig.crash()
        rig.open()
    assert rig.send(sent) == Stored(0, 3)
    assert rig.send(sent[1:] + lines(4)) == Stored(1, 2), "cut differently, it is still known"
    assert [line["timestamp"] for line in rig.stored()] == [1, 2, 3, 4]


def test_a_sample_may_come_in_two_batches(rig: Rig) -> None:
    assert rig.send(lines(7, subsystem="/proc/stat")) == Stored(1, 0)
    assert rig.send(lines(7, subsystem="/proc/meminfo")) == Stored(1, 0)


def test_a_clock_that_was_set_back_loses_no_line(rig: Rig) -> None:
    rig.send(lines(1000, 1001))
    assert rig.send(lines(500, 501)) == Stored(2, 0)
    assert rig.send(lines(500, 501)) == Stored(0, 2)
    assert rig.send(lines(1001, 1002)) == Stored(1, 1)


def test_a_repetition_is_known_on_the_next_day(rig: Rig) -> None:
    rig.send(lines(1, 2))
    rig.now += DAY
    assert rig.send(lines(1, 2)) == Stored(0, 2)


def test_a_new_days_collection_begins_with_what_the_day_before_said_of_the_machine(rig: Rig) -> None:
    session = {"timestamp": 1, "nanosecond": 5, "monotonic": 2.5, "subsystem": "perfkit/session", "measurement": "{}"}
    rig.send([session, *lines(1, subsystem="/proc/cpuinfo"), *lines(1)])
    rig.crash()
    rig.open()
    rig.now += DAY
    assert rig.send(lines(DAY)) == Stored(1, 0)
    (file,) = (rig.root / "collections").glob("vm-a-*/*-2026-01-02.json")
    told = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert [(line["timestamp"], line["subsystem"]) for line in told] == [
        (DAY, "perfkit/session"),
        (DAY, "/proc/cpuinfo"),
        (DAY, "/proc/stat"),
    ]
    assert told[0]["measurement"] == "{}"
    carried = [entry.carried for entry in entries(rig)]
    assert carried == [False, True, False], "what is told again is not imported again"


def entries(rig: Rig) -> list[Entry]:
    return [entry for entry, _ in rig.writer.journal.folder.follow(None, 1 << 30)]


def test_machines_of_two_sites_with_one_name_are_two(rig: Rig) -> None:
    """Equal lines of theirs are no repetitions; they have files of their own, and the journal says whose each line is."""
    assert rig.send(lines(1, 2), site="Paris") == Stored(2, 0)
    assert rig.send(lines(1, 2), site="Berlin") == Stored(2, 0)
    assert rig.send(lines(1, 2)) == Stored(2, 0)
    rig.crash()
    rig.open()
    for site in ("Paris", "Berlin", None):
        assert rig.send(lines(1, 2, 3), site=site) == Stored(1, 2)
    assert [len(file.read_bytes().splitlines()) for file in (rig.root / "collections").glob("vm-a-*/*.json")] == [3, 3, 3]
    assert {(entry.site, entry.identifier) for entry in entries(rig)} == {("Paris", "vm-a"), ("Berlin", "vm-a"), (None, "vm-a")}
    folders = {folder: machine_of(folder) for folder in (rig.root / "collections").iterdir()}
    assert all(machine and machine.folder() == folder.name for folder, machine in folders.items())


@pytest.mark.parametrize("far", [0, NOON - 4000 * DAY, NOON + 2 * DAY, 253_402_300_799])
def test_lines_far_from_the_receivers_clock_are_stored_and_marked(tmp_path: Path, far: int) -> None:
    """Those that came with them are not, and a repetition of them is known, before and after a restart."""
    rig = Rig(tmp_path, ReceiverLimits(keep_free=1))
    sent = lines(NOON - 1, far, NOON, far)
    sent[3]["subsystem"] = "/proc/meminfo"
    assert rig.send(sent) == Stored(4, 0, 2)
    assert [(entry.far, entry.lines.count(b"\n")) for entry in entries(rig)] == [(False, 2), (True, 2)]
    assert rig.send(sent) == Stored(0, 4)
    rig.crash()
    rig.open()
    assert rig.send(sent) == Stored(0, 4)
    assert rig.send(lines(NOON, NOON + 1)) == Stored(1, 1)
    assert len(rig.stored()) == 5
    rig.close()


def test_a_machine_whose_clock_was_far_off_on_the_first_sample_is_recorded_from_the_next_day_too(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ReceiverLimits(keep_free=1))
    rig.send(lines(1, subsystem="perfkit/session"))
    rig.now += DAY
    rig.send(lines(2))
    told = orjson.loads((next((tmp_path / "collections").glob("vm-a-*/*-2026-01-02.json"))).read_bytes().splitlines()[0])
    assert (told["subsystem"], told["timestamp"]) == ("perfkit/session", NOON + DAY)
    rig.close()


def test_a_damaged_journal_cuts_nothing_off_a_collection(rig: Rig) -> None:
    """The lines of the damaged entry are acknowledged, and in the collection alone."""
    rig.send(lines(1))
    rig.send(lines(2, 3))
    rig.crash()
    path = rig.writer.journal.folder.segment(1)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    rig.open()
    assert [line["timestamp"] for line in rig.stored()] == [1, 2, 3]
    assert any("damaged" in line for line in rig.said)
    assert rig.send(lines(3, 4)) == Stored(1, 1)
    assert [line["timestamp"] for line in rig.stored()] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["identity", "committed", "stored", "kept", "imported"])
@pytest.mark.parametrize("how", ["flipped", "empty", "gone"])
def test_a_damaged_state_file_loses_nothing(rig: Rig, name: str, how: str) -> None:
    rig.send(lines(1))
    rig.writer.sync_collections()
    rig.send(lines(2))
    folder = rig.writer.journal.folder
    folder.identity()
    folder.publish("kept", rig.writer.journal.position)
    folder.publish("imported", rig.writer.journal.position)
    rig.crash()
    path = folder.path / name
    if how == "gone":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x80
        path.write_bytes(content if how == "flipped" else b"")
    rig.open()
    assert len(folder.identity()) == 32
    assert rig.send(lines(2, 3)) == Stored(1, 1)
    assert [line["timestamp"] for line in rig.stored()] == [1, 2, 3]
    assert [found.lines.count(b"\n") for found in entries(rig)] == [1, 1, 1]


def test_a_torn_last_line_is_cut_off_before_anything_follows_it(rig: Rig) -> None:
    rig.send(lines(1, 2))
    rig.crash()
    (file,) = (rig.root / "collections").glob("vm-a-*/*.json")
    with file.open("ab") as torn:
        torn.write(b'{"timestamp":3,"subs')
    rig.open()
    rig.send(lines(3))
    assert [line["timestamp"] for line in rig.stored()] == [1, 2, 3]


def test_what_the_journal_has_and_the_collection_lost_is_written_again(rig: Rig) -> None:
    """A power cut after the journal's sync, before the collection reached the disk."""
    rig.send(lines(1))
    rig.writer.sync_collections()
    rig.send(lines(2, 3))
    (file,) = (rig.root / "collections").glob("vm-a-*/*.json")
    size = file.stat().st_size
    stored = (rig.root / "journal" / "stored").read_bytes()
    rig.crash()
    (rig.root / "journal" / "stored").write_bytes(stored)
    os.truncate(file, size - 40)
    with file.open("ab") as garbage:
        garbage.write(bytes(300))
    rig.open()
    assert [line["timestamp"] for line in rig.stored()] == [1, 2, 3]
    assert rig.send(lines(3, 4)) == Stored(1, 1)


def test_a_group_of_many_identifiers_is_one_sync(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs = counting(monkeypatch)
    waiting = [rig.writer.submit(SiteMachine.of(f"vm-{number}", None), batch(lines(1)).lines) for number in range(200)]
    assert all(each.result(20).new == 1 for each in waiting)
    assert len(syncs) < 100


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    syncs: list[int] = []
    real = files.sync

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        real(descriptor)

    monkeypatch.setattr("perfkit.receive.journal.files.sync", counted)
    return syncs


def failing(error: int) -> Callable[..., None]:
    def fail(*arguments: object) -> None:
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize("error", [28, 5], ids=["no space", "input/output error"])
@pytest.mark.parametrize("what", ["write_all", "sync"])
def test_a_batch_whose_write_fails_gets_503_and_leaves_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch, what: str, error: int) -> None:
    rig.send(lines(1))
    with monkeypatch.context() as broken:
        broken.setattr(f"perfkit.receive.journal.files.{what}", failing(error))
        with pytest.raises(Refused) as refused:
            rig.send(lines(2))
    assert refused.value.status == 503
    assert rig.send(lines(2)) == Stored(1, 0), "it is accepted when it comes again"
    rig.crash()
    rig.open()
    assert [line["timestamp"] for line in rig.stored()] == [1, 2]
    assert [entry.lines.count(b"\n") for entry in entries(rig)] == [1, 1]


def test_a_collection_that_cannot_be_written_is_made_good_from_the_journal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("perfkit.receive.dayfiles.files.write_all_at", failing(28))
        assert rig.send(lines(1)) == Stored(1, 0), "the journal has it"
        with pytest.raises(Refused) as refused:
            rig.send(lines(2))
        assert refused.value.status == 503
    assert rig.send(lines(2)) == Stored(1, 0)
    assert [line["timestamp"] for line in rig.stored()] == [1, 2]


def test_below_the_space_to_leave_alone_nothing_is_accepted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ReceiverLimits(keep_free=1 << 60))
    with pytest.raises(Refused) as refused:
        rig.send(lines(1))
    assert (refused.value.status, refused.value.retry_after) == (503, 10)


def test_one_identifier_too_many_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ReceiverLimits(keep_free=1, behind=float("inf"), identifiers=2))
    rig.send(lines(1), "a")
    rig.send(lines(1), "b")
    with pytest.raises(Refused) as refused:
        rig.send(lines(1), "c")
    assert refused.value.status == 403
    assert rig.send(lines(2), "a") == Stored(1, 0)


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_journal_torn_anywhere_in_its_last_entry_keeps_all_before(tmp_path: Path, cut: int) -> None:
    folder = Folder(tmp_path)
    journal = Journal(folder, SEGMENT)
    for number in range(3):
        journal.append(entry(number).encode())
    journal.close()
    path = folder.segment(1)
    os.truncate(path, path.stat().st_size - cut)
    journal = Journal(folder, SEGMENT)
    journal.append(entry(9).encode())
    assert [found.received_ms for found, _ in folder.follow(None, 1 << 20)] == [0, 1, 9]


def test_what_a_crash_tore_off_while_it_was_written_is_cut_away(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    Journal(folder, SEGMENT).append(entry(1).encode())
    with folder.segment(1).open("ab") as file:
        file.write(entry(2).encode()[:-5])
    Journal(folder, SEGMENT).append(entry(3).encode())
    assert [found.received_ms for found, _ in read_entries(folder.segment(1), 0)] == [1, 3]
    assert folder.segments() == [1]


@pytest.mark.parametrize("where", range(0, 3 * len(entry(1).encode()), 7))
def test_a_damaged_entry_is_passed_over_and_said_and_those_behind_it_are_read(tmp_path: Path, where: int) -> None:
    """A byte that is another one, in any part of any of three entries."""
    folder = Folder(tmp_path)
    Journal(folder, SEGMENT).append(b"".join(entry(number).encode() for number in (1, 2, 3)))
    content = bytearray(folder.segment(1).read_bytes())
    content[where] ^= 0x20
    folder.segment(1).write_bytes(content)
    damage: list[int] = []
    kept = [1, 2, 3]
    kept.remove(1 + where // len(entry(1).encode()))
    assert [found.received_ms for found, _ in folder.follow(None, 1 << 20, lambda path, start, end: damage.append(end - start))] == kept
    assert sum(damage) == len(entry(1).encode())
    Journal(folder, SEGMENT).append(entry(4).encode())
    assert [found.received_ms for found, _ in folder.follow(None, 1 << 20)] == [*kept, 4]


def test_no_measurement_is_taken_for_an_entry(tmp_path: Path) -> None:
    """A sender that writes the journal's own form into its measurements forges nothing, also not where the journal is damaged."""
    rig = Rig(tmp_path)
    forged = entry(66).encode().decode("latin-1")
    rig.send(lines(1, text=forged * 20))
    rig.close()
    path = Folder(tmp_path / "journal").segment(1)
    whole = path.read_bytes()
    for at in range(0, 40):
        path.write_bytes(whole[:at] + b"?" + whole[at + 1 :])
        assert not [found for found, _ in read_entries(path, 0) if found.received_ms == 66]


def test_followers_see_committed_entries_across_segments_and_go_on_where_they_stood(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    journal = Journal(folder, segment_bytes=200)
    for number in range(10):
        journal.append(entry(number).encode())
    assert len(folder.segments()) > 2
    with folder.segment(folder.segments()[-1]).open("ab") as file:
        file.write(entry(99).encode())  # written, not committed
    (seen, position), *rest = list(folder.follow(None, 1 << 20))
    assert [seen.received_ms, *(found.received_ms for found, _ in rest)] == list(range(10))
    assert [found.received_ms for found, _ in folder.follow(position, 1 << 20)] == list(range(1, 10))
    assert Position.parse(str(position)) == position


def test_segments_go_when_they_are_stored_and_imported(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ReceiverLimits(keep_free=1, behind=float("inf"), segment=2000))
    for number in range(60):
        rig.send(lines(number))
    folder = rig.writer.journal.folder
    rig.writer.sync_collections()
    assert folder.segments()[0] == 1, "nothing is imported yet"
    folder.publish("kept", rig.writer.journal.position)
    rig.writer.sync_collections()
    assert len(folder.segments()) <= 3
    rig.crash()
    rig.open()
    assert rig.send(lines(59, 60)) == Stored(1, 1)
