"""How far a command is, shown on a terminal."""

from __future__ import annotations


class Display:
    """The progress on a terminal: what is done, and how much of it; nothing where stderr is no terminal."""

    def __init__(self, *, counts_bytes: bool = True) -> None:
        self._counts_bytes = counts_bytes

    def __enter__(self) -> Display:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        counted = DownloadColumn(binary_units=True) if self._counts_bytes else MofNCompleteColumn()
        columns = (TextColumn("{task.description:<28}"), BarColumn(), counted, TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("reading", total=None)
        self._progress.start()
        return self

    def __call__(self, what: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=what, completed=done, total=total)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()
