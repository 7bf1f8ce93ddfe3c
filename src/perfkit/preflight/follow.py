"""A collection followed as it grows, into the files that it goes on in when the collector rotates it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from perfkit.collection import MAX_LINE
from perfkit.collection.gzip import MAGIC, Inflater
from perfkit.preflight.state import SampleRead, State

# Of a longer file only the first and the last part are read: the session, and enough of the recent past.
HEAD_BYTES = 1 << 20
TAIL_BYTES = 64 << 20
_CHUNK = 1 << 16


class Tail:
    """The lines of one growing file, plain or gzip: what is in it already, then each as soon as its newline is there.

    size     how many bytes of the file were seen
    skipped  how many of them, in the middle of a long plain file, were not read
    damaged  whether a part of a gzip stream could not be inflated

    Raises OSError as open() does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb", buffering=0)
        self._inflater: Inflater | None = None
        self._rest = b""
        self._inside_a_line = False
        self.size = 0
        self.skipped = 0

    @property
    def damaged(self) -> bool:
        return self._inflater is not None and self._inflater.damaged

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def replaced(self) -> bool:
        """Whether the name no longer leads to the file that was opened, or that file has become shorter."""
        ours = os.fstat(self.fileno())
        try:
            named = self.path.stat()
        except OSError:
            return True
        return (ours.st_dev, ours.st_ino) != (named.st_dev, named.st_ino) or ours.st_size < self.size

    def read(self) -> Iterator[bytes]:
        """The whole lines that have arrived since the last call, without their newlines."""
        while True:
            self._skip_the_middle()
            chunk = self._file.read(_CHUNK)
            if not chunk:
                return
            if self.size == 0 and chunk.startswith(MAGIC):
                self._inflater = Inflater(salvage=True)
            self.size += len(chunk)
            for text in (chunk,) if self._inflater is None else self._inflater.feed(chunk):
                yield from self._split(text)

    def _skip_the_middle(self) -> None:
        ahead = os.fstat(self.fileno()).st_size - self.size
        if self._inflater is None and self.size >= HEAD_BYTES and ahead > 2 * TAIL_BYTES:
            self.skipped += ahead - TAIL_BYTES
            self.size += ahead - TAIL_BYTES
            self._file.seek(self.size)
            self._rest = b""
            self._inside_a_line = True

    def _split(self, text: bytes) -> list[bytes]:
        *whole, self._rest = (self._rest + text).split(b"\n")
        if self._inside_a_line and whole:
            del whole[0]
            self._inside_a_line = False
        if len(self._rest) > MAX_LINE:
            whole.append(self._rest)
            self._rest = b""
        return [line for line in whole if line.strip()]


class Follow:
    """What `path` and its later parts say (`state`), read so far; `path` is the part that is being written now.

    `size` counts the bytes seen of all parts. Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = State()
        self._tail = Tail(path)
        self._before = 0

    @property
    def size(self) -> int:
        return self._before + self._tail.size

    @property
    def skipped(self) -> int:
        return self._tail.skipped

    @property
    def damaged(self) -> bool:
        return self._tail.damaged

    def fileno(self) -> int:
        return self._tail.fileno()

    def replaced(self) -> bool:
        """As of `Tail`, for the part that is being written now."""
        return self._tail.replaced()

    def close(self) -> None:
        self._tail.close()

    def read(self) -> list[SampleRead]:
        """Take in what has arrived since the last call; the samples among it."""
        arrived = self._take()
        while self._next_part():
            arrived += self._take()
        return arrived

    def _take(self) -> list[SampleRead]:
        recording = self.state.recording
        known = len(recording.samples)
        for raw in self._tail.read():
            self.state.take(raw)
        return self.state.recording.samples[known if self.state.recording is recording else 0 :]

    def _next_part(self) -> bool:
        """Whether the collector goes on in another file that is there."""
        recording = self.state.recording
        if not recording.rotated or recording.end is None:
            return False
        path = self.path.with_name(Path(recording.end["next"]).name)
        try:
            tail = Tail(path)
        except OSError:
            return False
        self._before += self._tail.size
        self._tail.close()
        self.path, self._tail, recording.end = path, tail, None
        return True
