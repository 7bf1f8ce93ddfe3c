"""Whatever way a recording comes in, the database says the same: table by table, row by row.

What an import costs is the planning of its SQL: so several machines come in together, each with damage of its own kind.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.process.pipeline import process
from perfkit.store import open_database
from perfkit.store.export import export
from perfkit.store.importing import import_input
from support import invent
from support.database import judge_only
from support.forms import packed
from support.tables import apart

# What tells one way from another by right: where a collection came from, and files of the cache.
LEFT_OUT = {"collections": ("id", "digest", "source", "kind", "imported_at"), "segments": None, "live_lines": None, "live_positions": None}
MARKS = [(5, "load", "start"), (10, "steady", "start"), (35, "steady", "end"), (60, "load", "end"), (62, "calm", "point")]
WHOLE = "vm-whole"
OF_ALL = ("whole", "truncated")  # kinds of damage of which the machine tells all that there is; what the others tell costs half
FEW = ("/proc/stat", "/proc/meminfo", "/proc/diskstats", "statfs")


def contents(db: Path, machine: str) -> dict[str, list[tuple]]:
    """Every row of every table that is the machine's or no machine's, without what may differ."""
    with closing(open_database(db, read_only=True)) as con:
        [(collector_id,)] = con.execute("SELECT id FROM collectors WHERE machinename = ?", (machine,)).fetchall()
        found = {}
        for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").fetchall():
            left_out = LEFT_OUT.get(name, ())
            if left_out is None:
                continue
            there = [row[1] for row in con.execute(f"PRAGMA table_info({name})")]
            of = f" WHERE {'id' if name == 'collectors' else 'collector_id'} = {collector_id}"
            columns = [f'"{column}"' for column in there if column not in (*left_out, "collector_id")]
            shared = name != "collectors" and "collector_id" not in there
            rows = con.execute(f"SELECT {', '.join(columns)} FROM {name}{'' if shared else of}").fetchall()
            found[name] = sorted((tuple(map(without_folder, row)) for row in rows), key=repr)
        return found


def without_folder(cell: object) -> object:
    """An archive is unpacked into a folder of its own, and an event names the file that it is of."""
    return Path(cell).name if isinstance(cell, str) and cell.startswith("/") and ".json" in cell else cell


def differences(one: dict[str, list[tuple]], other: dict[str, list[tuple]]) -> dict[str, list[tuple]]:
    """Some rows that stand on one side alone, by table."""
    return {name: rows[:4] for name in one if (rows := apart(one[name], other[name]))}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def spoil(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    lines[200] = b"{this is no line\n"
    path.write_bytes(b"".join(lines))


def double(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    third = len(lines) // 3
    path.write_bytes(b"".join(lines[: 2 * third] + lines[third:]))


def rezip(path: Path) -> None:
    path.with_suffix(".json.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def rotate(path: Path) -> None:
    """The parts in one archive, the later one first."""
    parts = parts_of(path)
    packed(path.with_suffix(".json.tar"), reversed(parts))
    for file in (path, *parts):
        file.unlink()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "whole": lambda path: None,
    "truncated": cut,
    "damaged": spoil,
    "duplicated": double,
    "compressed": rezip,
    "rotated": rotate,
}


def recorded(folder: Path, name: str, only: Sequence[str] = FEW) -> Path:
    """A recording of 90 s, of which 7 are missing, by the machine of that name: all tell the same but for what they are."""
    told = invent.write(folder / "any.json", hostname="any", seconds=90, containers=1, users=True, gaps=[(40, 7)], marks=MARKS, only=only)
    lines = told.read_bytes().splitlines(keepends=True)
    told.unlink()
    line = json.loads(lines[0])
    session = {**json.loads(line["measurement"]), "hostname": name, "machine_id": f"id of {name}", "boot_id": f"boot of {name}"}
    path = folder / f"{name}.json"
    path.write_bytes(b"".join([json.dumps({**line, "measurement": json.dumps(session)}).encode() + b"\n", *lines[1:]]))
    return path


def parts_of(path: Path) -> list[Path]:
    """The collection as a collector that rotates its file writes it: each part begins with the session."""
    lines = path.read_bytes().splitlines(keepends=True)
    session = [line for line in lines[:5] if b"perfkit/session" in line]
    middle = next(number for number, line in enumerate(lines) if number > len(lines) // 2 and b'"/proc/stat"' in line)
    parts = [path.with_name(f"{path.stem}-00{number}.json") for number in (0, 1)]
    parts[0].write_bytes(b"".join(lines[:middle]))
    parts[1].write_bytes(b"".join(session + lines[middle:]))
    return parts


@pytest.fixture
def judged_is_the_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings are made of rows that are compared, and take half of an import: those of one machine show that they agree."""
    judge_only(monkeypatch, WHOLE)
    for judging in ("process.findings.of_engine", "store.export.judge"):  # what a folder's findings.csv says is not imported
        monkeypatch.setattr(f"perfkit.{judging}", lambda *arguments: {})


@pytest.mark.usefixtures("judged_is_the_whole_one")
def test_a_file_the_folder_that_process_makes_of_it_and_an_export_give_equal_databases(tmp_path: Path) -> None:
    for kind, damage in DAMAGE.items():
        damage(recorded(tmp_path, f"vm-{kind}", () if kind in OF_ALL else FEW))
    files = sorted(tmp_path.glob("vm-*"))
    import_input(tmp_path / "one.db", packed(tmp_path / "all.tar", files))
    process(files, tmp_path / "out")
    for kind in sorted(DAMAGE):
        name = f"vm-{kind}"
        import_input(tmp_path / "folders.db", tmp_path / "out" / name)
        with closing(open_database(tmp_path / "one.db")) as con:
            export(con, name, tmp_path / f"exported-{kind}")
        import_input(tmp_path / "exports.db", tmp_path / f"exported-{kind}")
    one = {kind: contents(tmp_path / "one.db", f"vm-{kind}") for kind in DAMAGE}
    for way in ("folders", "exports"):
        found = {kind: differences(one[kind], contents(tmp_path / f"{way}.db", f"vm-{kind}")) for kind in DAMAGE}
        assert {kind: tables for kind, tables in found.items() if tables} == {}, way
    for kind, tables in one.items():
        told = {row[2] for row in tables["quality_events"]}
        assert {"truncated": "truncated", "damaged": "damaged", "duplicated": "duplicate"}.get(kind, "gap") in told, kind
    assert [kind for kind in DAMAGE if one[kind]["findings"]] == ["whole"]


@pytest.mark.usefixtures("unjudged")
def test_parts_in_any_order_and_a_file_that_grew_are_one_recording(tmp_path: Path) -> None:
    names = ("vm-in-order", "vm-backwards", "vm-grew", WHOLE)
    in_order, backwards, grew, whole = (recorded(tmp_path, name) for name in names)
    first, second = zip(parts_of(in_order), reversed(parts_of(backwards)))
    text = grew.read_bytes()
    for number, (share, others) in enumerate(zip((0.3, 0.31, 0.8, 1), ([*first, whole], second, [], []))):
        grew.write_bytes(text[: int(len(text) * share)])
        import_input(tmp_path / "grown.db", packed(tmp_path / f"{number}.tar", [grew, *others]))
    one = only(contents(tmp_path / "grown.db", WHOLE))
    for name in names[:3]:
        found = only(contents(tmp_path / "grown.db", name))
        assert differences(one, found) == {}, name
        assert len(found["samples"]) == 83, name
    with closing(open_database(tmp_path / "grown.db", read_only=True)) as con:
        assert con.execute("SELECT collector_id, samples FROM recordings ORDER BY 1").fetchall() == [(n, 83) for n in range(1, 5)]


def only(tables: dict[str, list[tuple]]) -> dict[str, list[tuple]]:
    """What tells of recordings: a part that begins in the middle lacks the rates of its first sample; marks are numbered within a file."""
    return {name: tables[name] for name in ("samples", "runs", "phases")} | {
        "recordings": [tuple(cell for cell in row if "boot of" not in str(cell)) for row in tables["recordings"]],
        "marks": [row[:4] for row in tables["marks"]],
        "gaps": [row for row in tables["quality_events"] if row[2] == "gap"],
    }
