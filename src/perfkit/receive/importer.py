"""From the journal into the database, at most a second behind, in steps that are kept whole or not at all."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from perfkit.errors import PerfkitError
from perfkit.receive.journal import Entry, Folder, Position
from perfkit.store.live import LiveBatch

STEP_SECONDS = 1.0
SHORTEST_PAUSE = 0.25
RETRY_SECONDS = 5.0
STEP_BYTES = 5 << 20
"""The most lines that one step takes; a backlog is imported in steps of this size, one after the other."""


class Sink(Protocol):
    """What the importer needs of the database; `perfkit.store.live.Live` is one."""

    def position(self, journal: str) -> str | None:
        """From where this journal must be fed after a restart."""

    def feed(self, batches: Sequence[LiveBatch], *, journal: str, position: str) -> object:
        """Take `batches` in, in one transaction. What was fed since `position` was last kept may be fed again."""

    def save(self, journal: str, position: str) -> None:
        """Keep `position` for good, whatever else append does with it now and then."""

    def close(self) -> None: ...


OpenSink = Callable[[Path], Sink]
Placed = tuple[Entry, Position]


class Importer:
    """Follows the journal under the data folder `data` into the database `db`, which `open_sink` opens.

    `say` gets a sentence about lines that the import cannot digest: they stay in their collection, and the rest goes on.
    """

    def __init__(self, data: Path, db: Path, open_sink: OpenSink, say: Callable[[str], None] = lambda line: None) -> None:
        self._folder, self._db, self._open, self._say = Folder(data / "journal"), db, open_sink, say
        self._journal = self._folder.identity()
        self._left_out: set[Position] = set()
        self._position: Position | None = None
        self._sink = open_sink(db)
        self._begin()

    def step(self) -> bool:
        """Import what is there, up to STEP_BYTES; whether that was all. Raises Failed where the database cannot be written now."""
        entries = list(self._folder.follow(self._position, STEP_BYTES))
        try:
            self._feed(entries)
        except PerfkitError:
            self._reopen()
            raise
        except Exception as error:
            self._leave_out(entries, error)
            self._reopen()
            return False
        return sum(len(entry.lines) for entry, _ in entries) < STEP_BYTES

    def finish(self) -> None:
        """Import what is still there, and keep where that ends."""
        while not self.step():
            pass
        if self._position:
            self._sink.save(self._journal, str(self._position))
            self._publish()

    def close(self) -> None:
        self._sink.close()

    def _feed(self, entries: Sequence[Placed]) -> None:
        reached = entries[-1][1] if entries else self._position
        if reached is None:
            return
        self._sink.feed(_batches(entries, self._left_out), journal=self._journal, position=str(reached))
        if reached != self._position:
            self._position = reached
            self._publish()

    def _reopen(self) -> None:
        self._sink.close()
        self._sink = self._open(self._db)
        self._begin()

    def _begin(self) -> None:
        """At what the database has for certain."""
        kept = self._sink.position(self._journal)
        self._position = Position.parse(kept) if kept else None
        self._publish()

    def _leave_out(self, entries: Sequence[Placed], error: Exception) -> None:
        """Find the machines whose lines cannot be imported, each tried alone in a database of its own, and pass over those lines.

        Raises `error` if it is none of them.
        """
        machines = {entry.identifier for entry, _ in entries}
        bad = {name for name in machines if not self._digestible([placed for placed in entries if placed[0].identifier == name])}
        if not bad:
            raise error
        self._left_out |= {position for entry, position in entries if entry.identifier in bad}
        names = ", ".join(sorted(map(repr, bad)))
        self._say(f"lines of {names} cannot be imported ({type(error).__name__}); they stay in their collections.")

    def _digestible(self, entries: Sequence[Placed]) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            sink = self._open(Path(folder) / "tried.db")
            try:
                sink.feed(_batches(entries, self._left_out), journal="tried", position="0:0")
                sink.save("tried", "0:0")
            except Exception:
                return False
            finally:
                sink.close()
        return True

    def _publish(self) -> None:
        """How far the rows have come, and from where on the journal is still needed."""
        kept = self._sink.position(self._journal)
        if self._position:
            self._folder.publish("imported", self._position)
        if kept:
            self._folder.publish("kept", Position.parse(kept))


def _batches(entries: Sequence[Placed], left_out: set[Position]) -> list[LiveBatch]:
    return [
        LiveBatch(entry.identifier, entry.site, entry.received_ms, entry.lines)
        for entry, position in entries
        if not entry.carried and position not in left_out
    ]


def run_importer(data: Path, db: Path, open_sink: OpenSink, on_ready: Callable[[str], None], say: Callable[[str], None]) -> None:
    """Import until SIGTERM, and then what is still there. While the database cannot be written, `say` hears why, and it is tried again."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    importer = Importer(data, db, open_sink, say)
    on_ready("")
    try:
        while not stop.is_set():
            began = time.monotonic()
            try:
                if importer.step():
                    stop.wait(max(SHORTEST_PAUSE, STEP_SECONDS - (time.monotonic() - began)))
            except PerfkitError as error:
                say(str(error))
                stop.wait(RETRY_SECONDS)
        importer.finish()
    finally:
        importer.close()
