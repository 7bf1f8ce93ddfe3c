"""`perfkit lake`."""

from __future__ import annotations

from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples

app = typer.Typer(no_args_is_help=True, epilog=examples("lake compact lake", "lake compact s3://bucket/lake"), **APP_SETTINGS)


@app.callback()
def _lake() -> None:
    """Keep a lake in order."""


@app.command(
    short_help="Put the small files of each day together.",
    epilog=examples("lake compact lake", "lake compact s3://bucket/lake --memory-limit 4GB"),
)
def compact(
    lake: str = typer.Argument(..., metavar="DIR|URL", help="The lake."),
    memory_limit: Optional[str] = typer.Option(None, metavar="SIZE", help="Memory for the rows of one file.  [default: 2GB]"),
) -> None:
    """Put the small files of each day together, so that questions open fewer.

    It may be killed at any moment, and run again: no row is lost, and none counts twice.
    """
    from perfkit.cli.progress import Display
    from perfkit.lake.compaction import compact as run
    from perfkit.lake.place import open_lake
    from perfkit.units import format_bytes, parse_size

    with Display("days of tables") as display:
        found = run(
            open_lake(lake, must_exist=True),
            memory=parse_size(memory_limit) if memory_limit else 2 << 30,
            progress=lambda done, total: display("putting together", done, total),
        )
    if not found.partitions:
        print(f"Nothing to do: every day of every table has one file already ({found.files:,} files, {format_bytes(found.size)}).")
        return
    sizes = f"{format_bytes(found.size)} are {format_bytes(found.size_now)} now"
    print(f"Put together {found.partitions:,} days of tables: {found.files:,} files are {found.files_now:,}, {sizes}.")
