"""Reading a collection into the engine's table `raw`, whatever state it is in."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from perfkit.collection import Reader, decode
from perfkit.errors import BadInput, Failed, reason
from perfkit.process.statements import statement

Progress = Callable[[int], None]  # is told how many bytes were read so far

_GZIP_MAGIC = b"\x1f\x8b\x08"
_ZIPPED = 8  # times smaller than its text is a collection, about
_TAIL = 1 << 20  # bytes; far longer than a line that a collector writes
_POLL = 0.1  # seconds between two reports of progress


@dataclass(frozen=True)
class Input:
    """What became of one file: lines read, lines that could not be (the first one's number, from 1), whether it ends within a line."""

    source: int
    file: str
    size: int  # bytes
    lines: int = 0
    unreadable: int = 0
    first_unreadable: int | None = None
    truncated: bool = False


def text_size(file: Path) -> int:
    """About how many bytes of text `file` holds; 0 where it cannot be opened."""
    try:
        zipped, size = _look_at(file)
    except BadInput:
        return 0
    return size * _ZIPPED if zipped else size


def read(con: duckdb.DuckDBPyConnection, source: int, file: Path, progress: Progress | None = None, *, clustered: bool = False) -> Input:
    """Add the lines of `file` to `raw`; `clustered` by subsystem where they will not all stay in memory.

    Damage within the file is no error: what can be read is read.

    Raises BadInput where the file cannot be opened, Failed where it cannot be read to its end.
    """
    zipped, size = _look_at(file)
    with _reporting(con, size, progress):
        try:
            return _load(con, Input(source, str(file), size), file, zipped, clustered=clustered)
        except duckdb.IOException as error:
            if not zipped:
                raise Failed(f"cannot read {file}: {error}.") from None
            return _salvage(con, Input(source, str(file), size), file, clustered=clustered)


def _look_at(file: Path) -> tuple[bool, int]:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC, file.stat().st_size
    except OSError as error:
        raise BadInput(f"cannot read {file}: {reason(error)}.") from None


def _load(con: duckdb.DuckDBPyConnection, found: Input, text: Path, zipped: bool, *, clustered: bool) -> Input:
    """Load `text`: the file that `found` names, or what was salvaged of it."""
    where = {"file": _literal(text), "compression": "gzip" if zipped else "none"}
    load = statement("load") + (statement("clustered") if clustered else "")
    lines = _count(con, load, {"source": found.source, **where})
    unreadable = _count(con, statement("drop_damaged"))
    truncated = unreadable > 0 and not zipped and _ends_within_a_line(text)
    damaged = unreadable - truncated
    first = _count(con, statement("damaged"), where) if damaged else None
    return replace(found, lines=lines - unreadable, unreadable=damaged, first_unreadable=first, truncated=found.truncated or truncated)


def _salvage(con: duckdb.DuckDBPyConnection, found: Input, file: Path, *, clustered: bool) -> Input:
    """A gzip stream that breaks off: DuckDB would take nothing of it, so all that inflates goes into a file of its own first."""
    with tempfile.NamedTemporaryFile(prefix="perfkit-", suffix=".json") as inflated:
        try:
            for chunk in Reader(file).text():
                inflated.write(chunk)
            inflated.flush()
        except OSError as error:
            raise Failed(f"cannot inflate {file} into {tempfile.gettempdir()}: {reason(error)}; make room there or set TMPDIR.") from None
        return _load(con, replace(found, truncated=True), Path(inflated.name), zipped=False, clustered=clustered)


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


def _count(con: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object] | None = None) -> int:
    row = con.execute(sql, values).fetchone()
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
