"""Reading collections into the engine's table `raw`, whatever state they are in and however they are packed."""

from __future__ import annotations

import re
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

import _duckdb as duckdb

from perfkit import sql
from perfkit.collection import decode, lock, looks_like
from perfkit.collection.opening import ARCHIVES, GZIP, SEVEN_ZIP, ZIP, ZSTD, Opening, layers_of
from perfkit.errors import BadInput, Failed, reason

Progress = Callable[[int], None]  # is told how many bytes were read so far

_GZIP_RATIO = 8  # typical compression of a collection
_TAIL = 1 << 20  # bytes; far longer than a line that a collector writes
_POLL = 0.1  # seconds between two reports of progress
_MOST_UNPACKED = 64 << 30  # bytes of an archive's members
_MOST_MEMBERS = 10_000
_DEEPEST = 3  # archives in one another
_UNPACKED = ".unpacked"  # ends the name of the folder that an inner one is unpacked into
_INNER = re.compile(rf"\.\d+{re.escape(_UNPACKED)}(?=/)")
MARKS = ".marks.json"  # behind a collection's name: marks that were made next to it, because it is another collector's


@dataclass(frozen=True)
class Input:
    """What became of one file: lines read, lines that could not be (the first one's number, from 1), whether it ends within a line.

    `recorder` is the process that records into it at this moment: 0 one out of sight, None nobody.
    """

    machine: int
    file: int
    name: str
    size: int  # bytes
    lines: int = 0
    unreadable: int = 0
    first_unreadable: int | None = None
    truncated: bool = False
    recorder: int | None = None


def text_size(file: Path) -> int:
    """About how many bytes of text `file` holds; 0 where it cannot be opened."""
    try:
        layers, size = _look_at(file)
    except BadInput:
        return 0
    return size * _GZIP_RATIO if layers else size


def read(
    con: duckdb.DuckDBPyConnection, load: str, machine: int, file: int, path: Path, name: str, progress: Progress | None = None
) -> int:
    """Add the lines of `path` to `raw` by the statement `load`, and what became of it to `inputs`, as `name`; returns its size in bytes.

    Damage within the file is no error: what can be read is read.

    Raises BadInput where the file cannot be opened or is of a kind that cannot be read, Failed where it cannot be read to its end.
    """
    layers, size = _look_at(path)
    found = Input(machine, file, name, size, recorder=_recorder(path))
    with _reporting(con, size, progress):
        try:
            if layers in ([], [GZIP], [ZSTD]):
                read_so = _load(con, load, found, path, layers[0] if layers else "none")
                if read_so.unreadable and _is_mixed(path):
                    con.execute("DELETE FROM raw WHERE file = ?", [file])
                    read_so = _unpack_and_load(con, load, found, path)
                found = read_so
            else:
                found = _unpack_and_load(con, load, found, path)
        except duckdb.IOException as error:
            if not layers:
                raise Failed(f"cannot read {name}: {error}.") from None
            found = _unpack_and_load(con, load, found, path)
    con.execute("INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", astuple(found))
    return size


def is_archive(path: Path) -> bool:
    """Whether `path` is a tar or zip archive, compressed or not. Raises BadInput where it cannot be opened."""
    try:
        return layers_of(path)[-1:] in [[kind] for kind in ARCHIVES]
    except OSError as error:
        raise BadInput(f"cannot read {path}: {reason(error)}.") from None


def unpack_archive(path: Path, folder: Path) -> list[Path]:
    """The files of the archive `path`, written into `folder` under their own names; folders within it stay folders.

    Raises BadInput for an archive that is damaged, of a kind that the standard library does not read, or larger than 64 GiB unpacked.
    """
    kind = layers_of(path)[-1]
    try:
        if kind == SEVEN_ZIP:
            raise BadInput(f"{path} is a 7z archive, which is not read; unpack it first.")
        with zipfile.ZipFile(path) if kind == ZIP else tarfile.open(path) as archive:
            return list(_members(archive, folder))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BadInput(f"{path} cannot be unpacked ({error}); unpack what is in it, or copy it again.") from None
    except OSError as error:
        raise Failed(f"cannot unpack {path} into {folder}: {reason(error)}; make room there or set TMPDIR.") from None


def collections_in(files: Iterable[Path], folder: Path) -> dict[Path, str]:
    """`files`, with the collections that each archive among them holds in its place; unpacked below `folder`.

    Each has the name that a user knows it by: of a member of an archive that is its place there, as in `results.tar.gz/vm-a.json`.
    Marks that stand next to a collection come behind it. Raises BadInput for an archive without a collection.
    """
    given = dict.fromkeys(files)
    found: dict[Path, str] = {}
    for number, file in enumerate(given):
        members = {file: str(file)}
        if is_archive(file):
            place = folder / str(number)
            unpacked = [one for one in _unpacked(file, place) if not one.name.endswith(MARKS) and looks_like(one)]
            if not unpacked:
                raise BadInput(f"{file} is an archive without a collection; name the collection itself.")
            members = {one: f"{file}/{_INNER.sub('', str(one.relative_to(place)))}" for one in unpacked}
        for member, name in members.items():
            found[member] = name
            marks = member.with_name(member.name + MARKS)
            if marks.is_file() and marks not in given:
                found[marks] = name + MARKS
    return found


def _unpacked(archive: Path, folder: Path, depth: int = 0) -> Iterator[Path]:
    """The files of an archive, and of those that stand in it."""
    for number, file in enumerate(unpack_archive(archive, folder)):
        if depth < _DEEPEST and is_archive(file):
            yield from _unpacked(file, file.with_name(f"{file.name}.{number}{_UNPACKED}"), depth + 1)
        else:
            yield file


def _members(archive: zipfile.ZipFile | tarfile.TarFile, folder: Path) -> Iterator[Path]:
    left = _MOST_UNPACKED
    for number, (name, opened) in enumerate(_opened(archive)):
        if number >= _MOST_MEMBERS:
            raise BadInput(f"{folder.name} holds more than {_MOST_MEMBERS:,} files; unpack the collection, and name it.")
        target = folder.joinpath(*(part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")))
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened, target.open("xb") as file:
            while data := opened.read(1 << 20):
                left -= len(data)
                if left < 0:
                    raise BadInput("the archive is larger than 64 GiB when it is unpacked; unpack the collection, and name it.")
                file.write(data)
        yield target


def _opened(archive: zipfile.ZipFile | tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    if isinstance(archive, zipfile.ZipFile):
        yield from ((info.filename, archive.open(info)) for info in archive.infolist() if not info.is_dir())
        return
    for member in archive:
        opened = archive.extractfile(member) if member.isreg() else None
        if opened is not None:
            yield member.name, opened


def _look_at(file: Path) -> tuple[list[str], int]:
    """The layers to take off before the text can be read, and the size in bytes."""
    try:
        return layers_of(file), file.stat().st_size
    except OSError as error:
        raise BadInput(f"cannot read {file}: {reason(error)}.") from None


def _recorder(file: Path) -> int | None:
    try:
        return lock.holder(file)
    except OSError:
        return None


def _load(con: duckdb.DuckDBPyConnection, load: str, found: Input, text: Path, compression: str) -> Input:
    """Load `text`: the file that `found` names, or what was unpacked of it."""
    where = {"path": _literal(text), "compression": compression}
    lines = _count(con, load, {"machine": found.machine, "file": found.file, **where})
    unreadable = _count(con, sql.read("perfkit.process", "sql/reading/drop_damaged.sql"))
    truncated = unreadable > 0 and compression == "none" and _ends_within_a_line(text)
    damaged = unreadable - truncated
    first = _count(con, sql.read("perfkit.process", "sql/reading/damaged.sql"), where) if damaged else None
    return replace(found, lines=lines - unreadable, unreadable=damaged, first_unreadable=first, truncated=found.truncated or truncated)


def _unpack_and_load(con: duckdb.DuckDBPyConnection, load: str, found: Input, file: Path) -> Input:
    """What DuckDB does not read as it is (a stream that breaks off, a byte order mark, UTF-16, xz): its text is written first."""
    opening = Opening(file)
    with tempfile.NamedTemporaryFile(prefix="perfkit-", suffix=".json") as unpacked:
        try:
            for chunk in opening:
                unpacked.write(chunk)
            unpacked.flush()
        except OSError as error:
            raise Failed(f"cannot unpack {file} into {tempfile.gettempdir()}: {reason(error)}; make room there or set TMPDIR.") from None
        return _load(con, load, replace(found, truncated=opening.truncated), Path(unpacked.name), "none")


def _is_mixed(file: Path) -> bool:
    """Whether it was put together of files with byte order marks or in several encodings."""
    opening = Opening(file)
    return any(opening.mixed for _ in opening) or opening.mixed


def _ends_within_a_line(file: Path) -> bool:
    with file.open("rb") as opened:
        opened.seek(max(0, opened.seek(0, 2) - _TAIL))
        last = opened.read().rpartition(b"\n")[2]
    try:
        decode(last)
    except (ValueError, RecursionError):
        return bool(last.strip())
    return False


def _literal(file: Path) -> str:
    """The path as DuckDB takes it: absolute, and without wildcards that it would expand."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(file.absolute()))


def _count(con: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object] | None = None) -> int:
    row = con.execute(statement, values).fetchone()
    return int(row[0] or 0) if row else 0


@contextmanager
def _reporting(con: duckdb.DuckDBPyConnection, size: int, progress: Progress | None) -> Iterator[None]:
    """Tell `progress` the bytes read every now and then, from a thread of its own, and all of them at the end."""
    if progress is None:
        yield
        return
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(_POLL):
            progress(int(size * max(0.0, con.query_progress()) / 100))

    reporter = threading.Thread(target=report, daemon=True)
    reporter.start()
    try:
        yield
    finally:
        ended.set()
        reporter.join()
    progress(size)
