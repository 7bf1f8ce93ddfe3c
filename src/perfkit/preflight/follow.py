"""A collection followed as it grows, into the files that it goes on in when the collector rotates it."""

from __future__ import annotations

from pathlib import Path

from perfkit.preflight.story import Sample, Story
from perfkit.preflight.tail import Tail


class Follow:
    """What `path` and its later parts say (`story`), read so far; `path` is the part that is being written now.

    `size` counts the bytes seen of all parts. Raises OSError where the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.story = Story()
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
        return self._tail.replaced()

    def close(self) -> None:
        self._tail.close()

    def rotating(self) -> bool:
        """Whether the collector has finished this part, and the next one is not there yet."""
        end = self.story.end or {}
        return end.get("reason") == "rotated" and isinstance(end.get("next"), str)

    def read(self) -> list[Sample]:
        """Take in what has arrived since the last call; the samples among it."""
        arrived = self._take()
        while self._next_part():
            arrived += self._take()
        return arrived

    def _take(self) -> list[Sample]:
        known, runs = len(self.story.samples), self.story.runs
        for raw in self._tail.read():
            self.story.take(raw)
        return self.story.samples[known if self.story.runs == runs else 0 :]

    def _next_part(self) -> bool:
        if not self.rotating():
            return False
        path = self.path.with_name(Path((self.story.end or {})["next"]).name)
        try:
            tail = Tail(path)
        except OSError:
            return False
        self._before += self._tail.size
        self._tail.close()
        self.path, self._tail, self.story.end = path, tail, None
        return True
