"""Brings the timeline of a load beside the metrics of the machine that was under it."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from perfkit.errors import BadInput
from perfkit.loadtools.reading import read_timeline
from perfkit.store.database import open_database
from perfkit.store.load import add_run

_SOME = 5  # machines that a message names


class ImportedRun(NamedTuple):
    """What became of one load tool's output; `rows` is 0 where it was there already."""

    run: str
    tool: str
    machinename: str
    sitename: str
    rows: int
    first: int
    last: int


def import_run(db: Path, path: Path, *, machine: str | None, site: str | None, start: float | None) -> ImportedRun:
    """Read the load tool's output `path` into the database `db`, as a run called like the file and its start, for one of its collectors.

    The collector is `machine` at `site`, or where `machine` is None the one that was recorded at that time. `start` as in
    `read_timeline`. The same file twice changes nothing. Raises BadInput for a file that is none, and where no collector or more
    than one was recorded then.
    """
    timeline = read_timeline(path, start)
    first, last = timeline.rows[0]["timestamp"], timeline.rows[-1]["timestamp"]
    run = f"{path.name.removesuffix('.gz').rsplit('.', 1)[0]} {datetime.fromtimestamp(first / 1000, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    con = open_database(db)
    try:
        machinename, sitename = _collector(con, path, {"machine": machine, "site": site, "first": first, "last": last})
        rows = add_run(
            con,
            machinename,
            sitename=sitename,
            run=run,
            tool=timeline.tool,
            source=path,
            digest=f"{digest}@{first}",
            rows=timeline.rows,
            requests=timeline.summary.get("requests"),
            errors=timeline.summary.get("errors"),
            summary=timeline.summary,
        )
    finally:
        con.close()
    return ImportedRun(run, timeline.tool, machinename, sitename, rows, first, last)


def _collector(con: sqlite3.Connection, path: Path, wanted: dict[str, str | int | None]) -> tuple[str, str]:
    query = resources.files("perfkit.loadtools").joinpath("sql", "collectors_then.sql").read_text("utf-8")
    found = con.execute(query, wanted).fetchall()
    if len(found) == 1:
        return str(found[0][0]), str(found[0][1])
    if not found and wanted["machine"]:
        raise BadInput(f"there is no collector {wanted['machine']} in the database; import its collection first.")
    if not found:
        raise BadInput(f"no collector was recorded while {path} ran; import its collection first, or name it with --collector-name.")
    names = ", ".join(f"{machine} at {site}" for machine, site in found[:_SOME])
    raise BadInput(f"several collectors were recorded while {path} ran ({names}); name one with --collector-name and --site-name.")
