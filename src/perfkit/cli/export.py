"""`perfkit export`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples
from perfkit.errors import BadInput
from perfkit.units import parse_instant

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("export vm-a@2", "export vm-a --site lab --from 2026-01-01T12:00:00Z --outdir out"))
def export(
    machine: str = typer.Argument(
        "", metavar="[SITE/]MACHINE[@RUN][:PHASE]", help="What to export, the same as --collector.", show_default=False
    ),
    collector: str = typer.Option("", help="The machine's name, or its number in the database.", show_default=False),
    site_name: Optional[str] = typer.Option(None, "--site-name", "--site", help="Its site, where the name stands at several."),
    since: Optional[str] = typer.Option(None, "--from", metavar="INSTANT", help="Leave out samples before it, e.g. 2026-01-01T12:00:00Z."),
    until: Optional[str] = typer.Option(None, "--to", metavar="INSTANT", help="Leave out samples after it."),
    outdir: Optional[Path] = typer.Option(None, help="Output folder, which must not exist.  [default: the machine's name]"),
    db: Optional[Path] = typer.Option(None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db]"),
) -> None:
    """Write the samples of a machine, a run or a phase as CSV files, as `process` made them."""
    from perfkit.store import default_path, open_database
    from perfkit.store.export import export as run

    if not (machine or collector) or (machine and collector and machine != collector):
        raise BadInput("name one machine: perfkit export MACHINE; `perfkit runs` lists them.")
    collector = machine or collector
    with closing(open_database(db or default_path(), read_only=True)) as con:
        start, end = (None if text is None else parse_instant(text) for text in (since, until))
        found = run(con, collector, outdir or Path(collector.rpartition("/")[2]), site=site_name, start=start, end=end)
    for name, rows in found.rows.items():
        if rows:
            print(f"{found.folder / name}.csv  {rows:,} rows")
