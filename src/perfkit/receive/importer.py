"""From the journal into the database, at most a second behind, in steps that are kept whole or not at all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from perfkit.receive.journal import Folder, Position
from perfkit.store.live import LiveBatch

STEP_SECONDS = 1.0
STEP_BYTES = 16 << 20
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


class Importer:
    """Follows the journal under the data folder `data` into `sink`."""

    def __init__(self, data: Path, sink: Sink) -> None:
        self._folder, self._sink = Folder(data / "journal"), sink
        self._journal = self._folder.identity()
        position = sink.position(self._journal)
        self._position = Position.parse(position) if position else None
        self._publish()

    def step(self) -> bool:
        """Import what is there, up to STEP_BYTES; whether that was all."""
        batches: list[LiveBatch] = []
        reached, size = self._position, 0
        for entry, behind in self._folder.follow(self._position, STEP_BYTES):
            reached, size = behind, size + len(entry.lines)
            if not entry.carried:
                batches.append(LiveBatch(entry.identifier, entry.site, entry.received_ms, entry.lines))
        if reached is None:
            return True
        self._sink.feed(batches, journal=self._journal, position=str(reached))
        if reached != self._position:
            self._position = reached
            self._publish()
        return size < STEP_BYTES

    def finish(self) -> None:
        """Import what is still there, and keep where that ends."""
        while not self.step():
            pass
        if self._position:
            self._sink.save(self._journal, str(self._position))
            self._publish()

    def _publish(self) -> None:
        """How far the rows have come, and from where on the journal is still needed."""
        kept = self._sink.position(self._journal)
        if self._position:
            self._folder.publish("imported", self._position)
        if kept:
            self._folder.publish("kept", Position.parse(kept))


def run_importer(data: Path, sink: Sink, on_ready: Callable[[str], None]) -> None:
    """Import until SIGTERM, and then what is still there."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    importer = Importer(data, sink)
    on_ready("")
    try:
        while not stop.is_set():
            if importer.step():
                stop.wait(STEP_SECONDS)
        importer.finish()
    finally:
        sink.close()
