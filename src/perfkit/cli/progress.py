"""How far a command is, shown on a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


class Display:
    """The progress on a terminal: what is done, and how much of it; nothing where stderr is no terminal, or where it is not `shown`."""

    def __init__(self, counts: str = "bytes", *, shown: bool = True) -> None:
        self._counts = counts
        self._shown = shown
        self._progress: Progress | None = None

    def __enter__(self) -> Display:
        if self._shown and sys.stderr.isatty():  # elsewhere loading rich would be for nothing
            self._start()
        return self

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        counted = (DownloadColumn(binary_units=True),) if self._counts == "bytes" else (MofNCompleteColumn(), TextColumn(self._counts))
        columns = (TextColumn("{task.description:<28}", markup=False), BarColumn(), *counted, TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("reading", total=None)
        self._progress.start()

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._progress:
            self._progress.update(self._task, description=what, completed=done, total=total)

    def __exit__(self, *error: object) -> None:
        if self._progress:
            self._progress.stop()
