"""`perfkit import`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS, examples, next_step
from perfkit.cli.figures import FiguresRow, table
from perfkit.units import format_duration

if TYPE_CHECKING:
    from perfkit.store.importing import Imported

app = typer.Typer(**APP_SETTINGS)
_Span = tuple[int, int, int]  # collector, first and last ms of what came in


@app.command(epilog=examples("import", "import run.json --site lab", "import vm-a/ --load k6.json.gz"))
def import_(
    inputs: Optional[list[Path]] = typer.Argument(None, metavar="[INPUT]...", help="Collections, processed folders or host.csv files."),
    file: Optional[list[Path]] = typer.Option(None, "--file", help="An input, the same as an argument; may be given several times."),
    load: Optional[list[Path]] = typer.Option(
        None, "--load", help="Output of a load tool (k6, JMeter, Gatling, wrk, ...), shown next to the metrics; may be given several times."
    ),
    load_start: Optional[str] = typer.Option(
        None, metavar="INSTANT", help="When the load began, where its tool does not say.  [default: the mark that names the file]"
    ),
    load_shift: float = typer.Option(0.0, metavar="SECONDS", help="Move the load by so much, where its generator's clock was off."),
    collector_name: Optional[str] = typer.Option(None, help="The machine's name.  [default: the one in the input]"),
    site_name: Optional[str] = typer.Option(None, "--site-name", "--site", help="Where the machine stands.  [default: default]"),
    db: Optional[str] = typer.Option(
        None, envvar="PERFKIT_DB", help="A file, or postgresql://USER@HOST/NAME.  [default: ~/.local/share/perfkit/perfkit.db]"
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Print nothing but errors."),
) -> None:
    """Import collections, processed folders or a lone host.csv.

    Without an input: the newest of them in the current folder. The same input twice changes nothing; inputs of one machine merge by
    timestamp. A machine is known by its name and its site.
    """
    from perfkit.cli.progress import Display
    from perfkit.store.importing import import_input, target
    from perfkit.store.inputs import newest, parts

    place = target(db)
    spans: list[_Span] = []
    named = [*(inputs or []), *(file or [])] or ([] if load else [newest(Path())])
    for path in (part for one in named for part in parts(one)):
        with Display("rows", shown=not quiet) as display:
            progress = partial(display, path.name)
            found = import_input(place, path, collector_name=collector_name, site_name=site_name, progress=progress)
        for one in [] if quiet else found:
            _print(one)
        if isinstance(place, Path) and path.is_file() and len(found) == 1:
            _import_logs(place, path, found[0], quiet)
        spans += [(one.collector_id, one.first, one.last) for one in found]
        if isinstance(place, Path) and not load:
            _runs_of(place, spans[-len(found) :], quiet)
    for path in load or []:
        spans += _import_load(place, path, collector_name, site_name, load_start, load_shift, quiet)
    if load and isinstance(place, Path):
        _runs_of(place, spans, quiet)
    if not quiet:
        print(f"Database: {place}")
        if isinstance(place, Path):
            next_step("perfkit serve --open")


def _import_logs(db: Path, path: Path, recorded: Imported, quiet: bool) -> None:
    """Bring the load logs in that lie next to the collection in an archive."""
    from perfkit.collection.certificate import count
    from perfkit.loadtools.importing import import_logs

    runs, notes = import_logs(db, path, machine=recorded.machinename, site=recorded.sitename)
    for run in [] if quiet else runs:
        there = count(run.rows, "row") if run.rows else "imported before"
        print(f"  load      {run.run} ({run.tool}): {there}")
    for note in [] if quiet else (*notes, *(note for run in runs for note in run.notes)):
        print(f"  note      {note}")


def _import_load(
    target: Path | str, path: Path, machine: str | None, site: str | None, start: str | None, shift: float, quiet: bool
) -> list[_Span]:
    """Bring a load tool's output in; the spans of its runs."""
    from perfkit.errors import BadInput
    from perfkit.loadtools.importing import import_runs
    from perfkit.units import parse_instant

    if not isinstance(target, Path):
        raise BadInput("a load's timeline goes into a database file; name one with --db.")
    imported = import_runs(target, path, machine=machine, site=site, start=parse_instant(start) / 1000 if start else None, shift=shift)
    for found in [] if quiet else imported:
        print(f"{path} ({found.tool}) -> {found.machinename} at {found.sitename}, run {found.run}")
        print(f"  {found.rows:,} rows from {_iso(found.first)} to {_iso(found.last)}" if found.rows else "  nothing to do: imported before")
        for note in found.notes:
            print(f"  note: {note}")
    return [(found.collector_id, found.first, found.last) for found in imported]


def _print(found: Imported) -> None:
    where = f"{found.machinename} at {found.sitename} (collector {found.collector_id})"
    print(f"{found.origin} -> {where}")
    span = format_duration(max(1, found.last - found.first) / 1000)
    print(f"  recorded  {found.certificate}")
    print(f"  time      {_iso(found.first)} to {_iso(found.last)} ({span})")
    for note in found.notes:
        print(f"  note      {note}")
    if found.already:
        print("  nothing to do: the same input was imported before")
    else:
        there = found.rows - found.new_rows
        print(f"  rows      {found.new_rows:,} new" + (f", {there:,} were there already" if there else ""))


def _runs_of(db: Path, spans: Sequence[_Span], quiet: bool) -> None:
    """Keep what the load says of the runs, for the pages, and tell what the runs within `spans` mean."""
    from perfkit.loadtools import capacity
    from perfkit.store.database import open_database, transaction

    with closing(open_database(db)) as con, transaction(con):
        for collector in dict.fromkeys(one for one, _, _ in spans):
            capacity.keep(con, collector)
    if not quiet:
        _print_runs(db, spans)


def _print_runs(db: Path, spans: Sequence[_Span]) -> None:
    """What the runs within `spans` mean: verdict, knee and cost, and a row per phase."""
    from perfkit.dashboard.reading import phases_of, runs_listed
    from perfkit.store import open_database

    now = int(datetime.now(timezone.utc).timestamp() * 1000)
    with closing(open_database(db, read_only=True)) as con:
        for collector in dict.fromkeys(one for one, _, _ in spans):
            within = [(first, last) for one, first, last in spans if one == collector]
            for run in runs_listed(con, now, collector):
                if not any(run["from"] <= last and run["to"] >= first for first, last in within):
                    continue
                print(f"\n  run {run['run']} {run['label']}: {run['verdict']['sentence']}")
                if run["capacity"]:
                    print(*(f"  {run['capacity'][name]['sentence']}" for name in ("knee", "cost")), sep="\n")
                parts = [(f"run {run['run']} {run['label']}", run)]
                parts += [(f"  {phase['phase']}", phase) for phase in phases_of(con, collector, run["run"], now)]
                rows = [
                    FiguresRow(name, max(1, p["to"] - p["from"]) / 1000, p["certificate"]["coverage"], p["figures"]) for name, p in parts
                ]
                print(*(f"  {line}" for line in table(rows)), "", sep="\n")


def _iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
