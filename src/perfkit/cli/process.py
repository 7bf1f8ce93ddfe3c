"""`perfkit process`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS, examples, next_step
from perfkit.cli.figures import FiguresRow, table
from perfkit.units import format_duration, iso

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from perfkit.lake.writing import LakeWriter
    from perfkit.process.pipeline import ProcessOptions, Result
    from perfkit.process.quality import Run

app = typer.Typer(**APP_SETTINGS)


@app.command(
    epilog=examples(
        "process",
        "process run.json run-002.json --outdir monday",
        "process run.json --between steady --parquet",
        "process *.json.gz --lake lake --site lab",
        "process *.json.gz --lake s3://bucket/lake --on dask://scheduler:8786",
    )
)
def process(
    ctx: typer.Context,
    collection: Optional[list[Path]] = typer.Option(
        None, envvar="PCR_COLLECTION", help="Collection, plain or .gz; again for each further one.  [default: the newest here]"
    ),
    more: Optional[list[Path]] = typer.Argument(None, metavar="[FILE]...", help="Further collections.", show_default=False),
    outdir: Optional[Path] = typer.Option(
        None, envvar="PCR_OUTDIR", help="Output folder.  [default: the collection's name without its ending; none with --lake]"
    ),
    container_names: Optional[Path] = typer.Option(None, help="JSON file that maps container ids to names."),
    parquet: bool = typer.Option(False, "--parquet", help="Write the tables as Parquet too: parquet/<table>/site=/machine=/date=."),
    lake: Optional[str] = typer.Option(
        None, metavar="DIR|URL", help="Write the tables into this lake, for `perfkit query`; a folder only where --outdir names one."
    ),
    site_name: str = typer.Option("default", "--site-name", "--site", help="The site in the Parquet folders and in the lake."),
    on: Optional[str] = typer.Option(
        None, metavar="dask://HOST:PORT", help="Process on this Dask cluster, one task per machine; its workers write into --lake."
    ),
    since: Optional[str] = typer.Option(None, "--from", metavar="INSTANT", help="Leave out samples before it, e.g. 2026-01-01T12:00:00Z."),
    until: Optional[str] = typer.Option(None, "--to", metavar="INSTANT", help="Leave out samples after it."),
    between: Optional[str] = typer.Option(None, metavar="MARK", help="Keep one phase only: the one that this mark starts."),
    memory_limit: Optional[str] = typer.Option(
        None, metavar="SIZE", help="Memory for the data; the rest goes to $TMPDIR.  [default: 2.5GB]"
    ),
    threads: Optional[int] = typer.Option(None, min=1, max=1024, help="CPUs to use.  [default: all; 1 below 8 MB and with --on]"),
    as_json: bool = typer.Option(False, "--json", help="Print the verdict, the certificate and the findings of every run as JSON."),
) -> None:
    """Turn collections into CSV files: host, every component, percentiles, quality, findings.

    Several collections of one machine (rotated parts, appended sessions) become one timeline; several machines get a folder each.
    """
    from click.core import ParameterSource

    from perfkit.cli.progress import Display
    from perfkit.process.pipeline import process as run

    if ctx.get_parameter_source("collection") is ParameterSource.ENVIRONMENT:
        collection = _named_in(os.environ["PCR_COLLECTION"])
    files = [*(collection or []), *(more or [])] or [_newest()]
    options = _options(container_names, parquet, site_name, (since, until, between), memory_limit, threads)
    if on is not None:
        words = {
            "--container-names": container_names and container_names.absolute(),
            "--memory-limit": memory_limit,
            "--threads": threads or 1,  # a worker does one task a thread
        }
        _process_on(on, files, lake, outdir, {**words, "--parquet": parquet or None}, options)
        return
    with Display() as display, _writer(lake, options) as writer:
        results = run(files, outdir or (None if writer else _stem(files[0])), options, display, writer)
    if as_json:
        import json

        told = [_told(result) for result in results]
        print(json.dumps(told[0] if len(told) == 1 else {"machines": told}, indent=2))
    else:
        _print(files, results)
        if writer:
            print(f"In the lake {writer.lake.name}: {writer.written} files.")
            next_step(f"perfkit query --named percentiles --lake {lake}")
        if folders := [str(result.folder) for result in results if result.folder]:
            next_step(f"perfkit import {' '.join(folders)}")


def _process_on(
    on: str, files: Sequence[Path], lake: str | None, outdir: Path | None, words: Mapping[str, object], options: ProcessOptions
) -> None:
    """Process on a cluster; one line per collection. Raises Failed, once all are done, where some could not be processed."""
    from perfkit.cli.progress import Display
    from perfkit.errors import BadInput, Failed
    from perfkit.lake.cluster import process_on
    from perfkit.lake.place import open_lake

    if lake is None or outdir or words["--parquet"] or options.window:
        raise BadInput("--on goes with --lake alone, which every worker can reach; folders, --parquet and windows are for this machine.")
    place = open_lake(lake)
    given = [word for name, value in words.items() if value is not None for word in (name, str(value))]
    with Display("recordings") as display:
        outcomes = process_on(on, files, ["--lake", place.name, "--site", options.site, *given], display)
    failed = [one for one in outcomes if one.told is None]
    for one in outcomes:
        told = one.told or {"machines": []}
        for machine in told.get("machines", [told]):
            print(f"{machine['machine']}: {machine['verdict']['sentence']}" if "verdict" in machine else f"{machine['machine']}: no run.")
        if one.told is None:
            print(f"Not processed: {one.failure}")
    print(f"In the lake {place.name}: {len(outcomes) - len(failed)} of {len(outcomes)} collections.")
    if failed:
        names = ", ".join(one.files[0].name for one in failed[:10])
        raise Failed(f"{len(failed)} of {len(outcomes)} collections could not be processed ({names}); the reasons stand above.")
    next_step(f"perfkit query --named percentiles --lake {lake}")


def _writer(lake: str | None, options: ProcessOptions) -> AbstractContextManager[LakeWriter | None]:
    from contextlib import nullcontext

    from perfkit.errors import BadInput

    if lake is None:
        return nullcontext()
    if options.window:
        raise BadInput("a lake takes whole recordings; leave out --from, --to and --between, and ask for a part with `perfkit query`.")
    from perfkit.lake.place import open_lake
    from perfkit.lake.writing import LakeWriter

    return LakeWriter(open_lake(lake), options.site)


def _named_in(variable: str) -> list[Path]:
    """The files that an environment variable names, with a colon between two; a name may hold colons itself, as those of instants do."""
    parts, found = variable.split(os.pathsep), list[Path]()
    while parts:
        joined = (n for n in range(len(parts), 1, -1) if Path(os.pathsep.join(parts[:n])).exists())
        count = next(joined, 1)
        name, parts = os.pathsep.join(parts[:count]), parts[count:]
        found += [Path(name)] if name else []
    return found


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
    names: Path | None,
    parquet: bool,
    site: str,
    window: tuple[str | None, str | None, str | None],
    memory: str | None,
    threads: int | None,
) -> ProcessOptions:
    from perfkit.process.engine import Cut
    from perfkit.process.pipeline import ProcessOptions, read_names
    from perfkit.units import parse_instant, parse_size

    since, until, phase = window
    return ProcessOptions(
        container_names=read_names(names) if names else {},
        parquet=parquet,
        site=site,
        window=Cut(parse_instant(since) if since else None, parse_instant(until) if until else None, phase) if any(window) else None,
        memory_limit=parse_size(memory) if memory else ProcessOptions.memory_limit,
        threads=threads,
    )


def _told(result: Result) -> dict[str, object]:
    """A machine as JSON: its newest run at the top, all of them under "runs"."""
    runs = []
    for run in (one for one in result.quality.runs if one.phase is None):
        phases = [one for one in result.quality.runs if one.run == run.run and one.phase]
        runs.append({**_part(result, run), "phases": [_part(result, phase) for phase in phases]})
    newest = runs[-1] if runs else {}
    return {"machine": result.name, "folder": result.folder and str(result.folder), **newest, "runs": runs}


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
        FiguresRow(
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
        print(f"  Look at {'quality.json' if result.folder else 'quality_events in the lake'}: {counted}.")
    for part in told.steady:
        start, end = iso(part.from_timestamp), iso(part.to_timestamp)
        print(f"  Steady part of {part.phase}, proposed by MSER-5: --from {start} --to {end} (CPU busy {part.cpu_busy:.1f} %).")
    if result.folder:
        print(f"  In {result.folder}: CSV files, percentiles.csv, findings.csv, quality.json.")


def _run(run: Run) -> str:
    """One line for a run or a phase: "run 1 load, 15 s: 16 of 16 samples, no gap"."""
    length = format_duration(max(1, run.to_timestamp - run.from_timestamp) / 1000)
    name = f"  phase {run.phase}" if run.phase else f"run {run.run} {run.label}"
    return f"{name}{', not ended' if run.open else ''}, {length}: {run.certificate}"
