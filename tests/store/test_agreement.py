"""Whatever way a recording comes in, the database says the same: table by table, row by row."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from perfkit.process.pipeline import process
from perfkit.store import open_database
from perfkit.store.export import export
from perfkit.store.importing import import_input
from support import invent
from support.tables import apart

Imported = Callable[[str], Path]
# What tells one way from another by right: where a collection came from, and files of the cache.
LEFT_OUT = {"collections": ("id", "digest", "source", "kind", "imported_at"), "segments": None, "live_lines": None, "live_positions": None}


MARKS = [(5, "load", "start"), (10, "steady", "start"), (35, "steady", "end"), (60, "load", "end"), (62, "calm", "point")]


def contents(db: Path) -> dict[str, list[tuple]]:
    """Every row of every table, without what may differ."""
    with closing(open_database(db, read_only=True)) as con:
        found = {}
        for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").fetchall():
            left_out = LEFT_OUT.get(name, ())
            if left_out is None:
                continue
            columns = [f'"{row[1]}"' for row in con.execute(f"PRAGMA table_info({name})") if row[1] not in left_out]
            found[name] = sorted(con.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall(), key=repr)
        return found


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
    path.write_bytes(b"".join(lines[:300] + lines[150:]))


def rezip(path: Path) -> None:
    path.with_suffix(".json.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def rotate(path: Path) -> None:
    """The parts in one archive, the later one first."""
    with tarfile.open(path.with_suffix(".json.tar"), "w") as archive:
        for part in reversed(parts_of(path)):
            archive.add(part, part.name)
    path.unlink()


DAMAGE: dict[str, Callable[[Path], None]] = {
    "whole": lambda path: None,
    "truncated": cut,
    "damaged": spoil,
    "duplicated": double,
    "compressed": rezip,
    "rotated": rotate,
}


def recorded(folder: Path, damage: str, **changes: object) -> Path:
    told = {"hostname": "vm-a", "seconds": 90, "containers": 1, "users": True, "gaps": [(40, 7)], "marks": MARKS}
    path = invent.write(folder / "vm-a.json", **{**told, **changes})
    DAMAGE[damage](path)
    return next(folder.glob("vm-a.json*"))


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """`imported(damage)`: the database of that file alone, which stands beside it; not to be changed."""
    found: dict[str, Path] = {}

    def one(damage: str) -> Path:
        if damage not in found:
            path = recorded(tmp_path_factory.mktemp(damage), damage)
            import_input(path.with_name("one.db"), path)
            found[damage] = path.with_name("one.db")
        return found[damage]

    return one


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_and_the_folder_that_process_makes_of_it_give_equal_databases(tmp_path: Path, imported: Imported, damage: str) -> None:
    db = imported(damage)
    process(list(db.parent.glob("vm-a.json*")), tmp_path / "out")
    import_input(tmp_path / "folder.db", tmp_path / "out")
    assert differences(contents(db), contents(tmp_path / "folder.db")) == {}
    kinds = {row[3] for row in contents(db)["quality_events"]}
    assert {"truncated": "truncated", "damaged": "damaged", "duplicated": "duplicate"}.get(damage, "gap") in kinds


@pytest.mark.parametrize("damage", DAMAGE)
def test_an_export_imports_as_an_equal_database(tmp_path: Path, imported: Imported, damage: str) -> None:
    with closing(open_database(imported(damage))) as con:
        export(con, "vm-a", tmp_path / "out")
    import_input(tmp_path / "two.db", tmp_path / "out")
    assert differences(contents(imported(damage)), contents(tmp_path / "two.db")) == {}


def parts_of(path: Path) -> list[Path]:
    """The collection as a collector that rotates its file writes it: each part begins with the session."""
    lines = path.read_bytes().splitlines(keepends=True)
    session = [line for line in lines[:5] if b"perfkit/session" in line]
    middle = next(number for number, line in enumerate(lines) if number > len(lines) // 2 and b'"/proc/stat"' in line)
    parts = [path.with_name("vm-a-000.json"), path.with_name("vm-a-001.json")]
    parts[0].write_bytes(b"".join(lines[:middle]))
    parts[1].write_bytes(b"".join(session + lines[middle:]))
    return parts


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "backwards"])
def test_the_parts_of_a_rotated_file_are_one_recording(tmp_path: Path, imported: Imported, order: tuple[int, int]) -> None:
    path = recorded(tmp_path, "whole")
    parts = parts_of(path)
    for number in order:
        import_input(tmp_path / "parts.db", parts[number])
    whole, in_parts = contents(imported("whole")), contents(tmp_path / "parts.db")
    assert differences(only(whole), only(in_parts)) == {}


def test_a_file_that_grew_is_the_same_recording(tmp_path: Path, imported: Imported) -> None:
    path = recorded(tmp_path, "whole")
    whole = path.read_bytes()
    for share in (0.3, 0.31, 0.8, 1):
        path.write_bytes(whole[: int(len(whole) * share)])
        import_input(tmp_path / "grown.db", path)
    one, other = contents(imported("whole")), contents(tmp_path / "grown.db")
    assert differences(only(one), only(other)) == {}
    [samples] = [row[9] for row in other["recordings"]]
    assert samples == len(other["samples"]) == 83


def only(tables: dict[str, list[tuple]]) -> dict[str, list[tuple]]:
    """What tells of recordings: a part that begins in the middle lacks the rates of its first sample; marks are numbered within a file."""
    return {name: tables[name] for name in ("recordings", "samples", "runs", "phases")} | {
        "marks": [row[:5] for row in tables["marks"]],
        "gaps": [row for row in tables["quality_events"] if row[3] == "gap"],
    }
