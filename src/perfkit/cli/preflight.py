"""perfkit preflight"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS

if TYPE_CHECKING:
    from perfkit.preflight import Report

app = typer.Typer(**APP_SETTINGS)


@app.command()
def preflight(
    collection: Optional[Path] = typer.Option(None, envvar="PCC_COLLECTION", help="The collection; default the newest in this folder."),
    wait: Optional[str] = typer.Option(None, help="How long to watch; default 5s, or two and a half periods if that is longer."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object instead of lines."),
) -> None:
    """Prove that a collection is being recorded.

    Exit code 0 if it is, 1 if it is not, 2 if the file or the options are wrong.
    """
    from perfkit.preflight import check_recording
    from perfkit.units import parse_duration

    report = check_recording(_named(collection), parse_duration(wait) if wait else None)
    _print(report, as_json)
    raise typer.Exit(report.exit_code)


def _named(collection: Path | None) -> Path:
    if collection:
        return collection
    from perfkit.collection import newest
    from perfkit.errors import BadInput

    found = newest()
    if found is None:
        raise BadInput("there is no collection in this folder; start perfkit collect here, or name its file with --collection.")
    return Path(found)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.as_dict()))
    else:
        from perfkit.cli.verdicts import print_report

        print_report(report)
    if report.failure:
        print(f"perfkit: {report.failure.name}: {report.failure.advice}", file=sys.stderr)
