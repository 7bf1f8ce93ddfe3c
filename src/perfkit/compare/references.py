"""What is compared, by reference: a run of the database, or a file or folder that stands for one."""

from __future__ import annotations

import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from perfkit.compare.judging import Arm, ComparedRun
from perfkit.errors import BadInput
from perfkit.store import open_database, runs
from perfkit.store.importing import import_input
from perfkit.store.references import resolve
from perfkit.store.runs import Stretch

_OF_A_PATH = re.compile(r"(?P<path>.+?)(?:@(?P<run>[^@:/]+))?(?::(?P<phase>[^:/]+))?")


@contextmanager
def opened(db: Path) -> Iterator[References]:
    """References into the database `db`, and to files and folders, which are imported into a database that lasts as long as this."""
    with tempfile.TemporaryDirectory(prefix="perfkit-") as folder:
        found = References(db, Path(folder))
        try:
            yield found
        finally:
            found.close()


class References:
    """Finds what references name; see `opened`."""

    def __init__(self, db: Path, folder: Path) -> None:
        self._db, self._folder = db, folder
        self._con: sqlite3.Connection | None = None
        self._files: dict[Path, sqlite3.Connection] = {}

    def run(self, text: str, phase: str | None = None) -> ComparedRun:
        """The run or phase that `text` names, or its phase `phase`. Raises BadInput that lists what there is."""
        path, run, own = _split(text)
        if path is None:
            con = self._database()
            one = resolve(con, text)
            stretch = one.stretch or _only(con, one.collector_id, text)
            if phase:
                stretch = runs.pick(runs.stretches(con, one.collector_id), str(stretch.run), phase)
            return ComparedRun(text, con, one.collector_id, stretch)
        con = self._imported(path)
        stretch = runs.pick(runs.stretches(con, 1), run, own or phase) if run or own or phase else _only(con, 1, text)
        return ComparedRun(text, con, 1, stretch)

    def arm(self, text: str, phase: str | None = None) -> Arm:
        """The runs of NAME=REF,REF,REF."""
        name, sign, references = text.partition("=")
        if not sign or not name or not references:
            raise BadInput(f"{text[:60]!r} is no arm; write NAME=REF,REF,REF.")
        return Arm(name, tuple(self.run(one, phase) for one in references.split(",") if one))

    def arms(self, references: Sequence[str], phase: str | None = None) -> list[Arm]:
        """An arm of one run for each reference."""
        return [Arm(one, (self.run(one, phase),)) for one in references]

    def close(self) -> None:
        for con in (self._con, *self._files.values()):
            if con is not None:
                con.close()

    def _database(self) -> sqlite3.Connection:
        if self._con is None:
            self._con = open_database(self._db, read_only=True)
        return self._con

    def _imported(self, path: Path) -> sqlite3.Connection:
        """A database of its own for each file: two files may be of one machine."""
        if path not in self._files:
            db = self._folder / f"{len(self._files)}.db"
            found = import_input(db, path, collector_name=None)
            if len(found) > 1:
                raise BadInput(f"{path} holds several machines; import it, and name one as MACHINE@RUN.")
            self._files[path] = open_database(db, read_only=True)
        return self._files[path]


def _split(text: str) -> tuple[Path | None, str | None, str | None]:
    """(path, run, phase) where `text` begins with a path that is there, else (None, None, None)."""
    if os.path.exists(text):  # noqa: PTH110 - says no, too, to a name that no file can have
        return Path(text), None, None
    parts = _OF_A_PATH.fullmatch(text)
    if parts and os.path.exists(parts["path"]):  # noqa: PTH110
        return Path(parts["path"]), parts["run"], parts["phase"]
    return None, None, None


def _only(con: sqlite3.Connection, collector_id: int, text: str) -> Stretch:
    """The machine's run, if it is the only one."""
    found = [one for one in runs.stretches(con, collector_id) if one.phase is None]
    if len(found) != 1:
        there = ", ".join(f"@{one.run} ({one.label})" for one in found[-12:])
        raise BadInput(f"{text} has {len(found)} runs; say which: {there or 'there is none'}.")
    return found[0]
