"""`perfkit process`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS, examples
from perfkit.cli.figures import Row, table
from perfkit.units import format_duration, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfkit.process.pipeline import Options, Result
    from perfkit.process.quality import Run

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("process", "process run.json run-002.json --outdir monday", "process run.json --between steady --parquet"))
def process(
    collection: Optional[list[Path]] = typer.Option(
        None, envvar="PCR_COLLECTION", help="Collection, plain or .gz; again for each further one.  [default: the newest here]"
    ),
    more: Optional[list[Path]] = typer.Argument(None, metavar="[FILE]...", help="Further collections.", show_default=False),
    outdir: Optional[Path] = typer.Option(
        None, envvar="PCR_OUTDIR", help="Output folder.  [default: the collection's name without its ending]"
    ),
    container_names: Optional[Path] = typer.Option(None, help="JSON file that maps container ids to names."),
    parquet: bool = typer.Option(False, "--parquet", help="Write the tables as Parquet too: parquet/<table>/site=/machine=/date=."),
    site_name: str = typer.Option("default", "--site-name", "--site", help="The site in the Parquet folders."),
    since: Optional[str] = typer.Option(None, "--from", metavar="INSTANT", help="Leave out samples before it, e.g. 2026-01-01T12:00:00Z."),
    until: Optional[str] = typer.Option(None, "--to", metavar="INSTANT", help="Leave out samples after it."),
    between: Optional[str] = typer.Option(None, metavar="MARK", help="Keep one phase only: the one that this mark starts."),
    memory_limit: Optional[str] = typer.Option(
        None, metavar="SIZE", help="Memory for the data; the rest goes to $TMPDIR.  [default: 2.5GB]"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the verdict, the certificate and the findings of every run as JSON."),
) -> None:
    """Turn collections into CSV files: host, every component, percentiles, quality, findings.

    Several collections of one machine (rotated parts, appended sessions) become one timeline; several machines get a folder each.
    """
    from perfkit.process.pipeline import process as run

    files = [*(collection or []), *(more or [])] or [_newest()]
    options = _options(container_names, parquet, site_name, (since, until, between), memory_limit)
    with _Display() as display:
        results = run(files, outdir or _stem(files[0]), options, display)
    if as_json:
        import json

        told = [_told(result) for result in results]
        print(json.dumps(told[0] if len(told) == 1 else {"machines": told}, indent=2))
    else:
        _print(files, results)


def _newest() -> Path:
    from perfkit.collection.choose import meant
    from perfkit.errors import BadInput

    path = meant()
    if path is None:
        raise BadInput("there is no collection in this folder; name one with --collection.")
    return Path(path)


def _stem(file: Path) -> Path:
    from perfkit.errors import BadInput
    from perfkit.process.machines import stem

    if stem(file) == file.name:
        raise BadInput(f"{file} has no ending that could be left out for the output's name; name a folder with --outdir.")
    return file.with_name(stem(file))


def _options(
    names: Path | None, parquet: bool, site: str, window: tuple[str | None, str | None, str | None], memory: str | None
) -> Options:
    from perfkit.process.engine import Window
    from perfkit.process.pipeline import Options, read_names
    from perfkit.units import parse_instant, parse_size

    since, until, phase = window
    return Options(
        container_names=read_names(names) if names else {},
        parquet=parquet,
        site=site,
        window=Window(parse_instant(since) if since else None, parse_instant(until) if until else None, phase) if any(window) else None,
        memory_limit=parse_size(memory) if memory else Options.memory_limit,
    )


class _Display:
    """The progress on a terminal: what is done, and the bytes read; nothing where stderr is no terminal."""

    def __enter__(self) -> _Display:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        columns = (TextColumn("{task.description:<28}"), BarColumn(), DownloadColumn(binary_units=True), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("reading", total=None)
        self._progress.start()
        return self

    def __call__(self, what: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=what, completed=done, total=total)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def _told(result: Result) -> dict[str, object]:
    """A machine as JSON: its newest run at the top, all of them under "runs"."""
    runs = []
    for run in (one for one in result.quality.runs if one.phase is None):
        phases = [one for one in result.quality.runs if one.run == run.run and one.phase]
        runs.append({**_part(result, run), "phases": [_part(result, phase) for phase in phases]})
    newest = runs[-1] if runs else {}
    return {"machine": result.name, "folder": str(result.folder), **newest, "runs": runs}


def _part(result: Result, one: Run) -> dict[str, object]:
    name = {"phase": one.phase, "label": one.label} if one.phase else {"run": one.run, "label": one.label}
    span = {"from": iso(one.from_timestamp), "to": iso(one.to_timestamp), "open": one.open}
    return {**name, **span, **result.parts[one.window].as_json(one.certificate)}


def _print(files: Sequence[Path], results: Sequence[Result]) -> None:
    """The verdict of each run first, then what it was made from."""
    many = len(results) > 1
    for result in results:
        runs = [one for one in result.quality.runs if one.phase is None]
        for run in runs:
            whose = (f"{result.name}, " if many else "") + (f"run {run.run} ({run.label}): " if many or len(runs) > 1 else "")
            print(f"{whose}{result.parts[run.window].verdict.sentence}")
    print(f"\nProcessed {', '.join(str(file) for file in files)}.")
    for result in results:
        _print_machine(result)
    print(f"Next: perfkit import {' '.join(str(result.folder) for result in results)}")


def _print_machine(result: Result) -> None:
    told = result.quality
    first, last = told.facts["first_timestamp"], told.facts["last_timestamp"]
    print(
        f"  {result.name}: recorded {told.certificate}, from {iso(first)} to {iso(last)} ({format_duration(max(1, last - first) / 1000)})."
    )
    if told.recorder:
        print(f"  {result.name}: {told.recorder}")
    for run in told.runs:
        print(f"  {_run(run)}")
        if not run.phase:
            for one in result.parts[run.window].judged.findings:
                print(f"    {one.sentence} {one.advice}")
    rows = (
        Row(
            f"  {run.phase}" if run.phase else f"run {run.run} {run.label}",
            max(1, run.to_timestamp - run.from_timestamp) / 1000,
            run.certificate.coverage,
            result.parts[run.window].figures,
        )
        for run in told.runs
    )
    print("", *(f"  {line}" for line in table(rows)), "", sep="\n")
    events = [event.kind.replace("_", " ") for event in told.events]
    if events:
        counted = ", ".join(f"{events.count(kind)} x {kind}" for kind in dict.fromkeys(events))
        print(f"  Look at quality.json: {counted}.")
    for part in told.steady:
        start, end = iso(part.from_timestamp), iso(part.to_timestamp)
        print(f"  Steady part of {part.phase}, proposed by MSER-5: --from {start} --to {end} (CPU busy {part.cpu_busy:.1f} %).")
    print(f"  In {result.folder}: CSV files, percentiles.csv, findings.csv, quality.json.")


def _run(run: Run) -> str:
    """One line for a run or a phase: "run 1 load, 15 s: 16 of 16 samples, no gap"."""
    length = format_duration(max(1, run.to_timestamp - run.from_timestamp) / 1000)
    name = f"  phase {run.phase}" if run.phase else f"run {run.run} {run.label}"
    return f"{name}{', not ended' if run.open else ''}, {length}: {run.certificate}"
