"""Brings the runs of a load tool next to the metrics of the machine that was under the load."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from perfkit import sql
from perfkit.errors import BadInput, reason
from perfkit.loadtools.output import Output
from perfkit.loadtools.timeline import Timeline
from perfkit.loadtools.tools import read_runs
from perfkit.process.reading import is_archive, unpack_archive
from perfkit.store import findings
from perfkit.store.database import open_database, sentences, transaction
from perfkit.store.importing import DEFAULT_SITE, find_or_add

READING = 3  # of the readers in this package: a file read by older ones is read again
_SOME = 5  # machines that a message names
# A clock is said to be off where its timeline fits the machine's packets so well elsewhere, so much worse where it is, and for so long.
_FITS, _WORSE, _SECONDS, _FAR = 0.8, 0.2, 30, 3


class ImportedRun(NamedTuple):
    """What became of one run; `rows` is 0 where it was there already. `notes` are sentences for people."""

    run: str
    tool: str
    collector_id: int
    machinename: str
    sitename: str
    rows: int
    first: int
    last: int
    notes: tuple[str, ...]


def import_logs(db: Path, archive: Path, *, machine: str, site: str) -> tuple[list[ImportedRun], list[str]]:
    """Bring the load logs of an archive that run_loadtest.sh packed into the database: X.log with its X.start.

    Returns the runs, and a sentence for each log that is not read. Other files, and what is no archive, bring nothing.
    """
    found: list[ImportedRun] = []
    sentences: list[str] = []
    if not is_archive(archive):
        return found, sentences
    with tempfile.TemporaryDirectory(prefix="perfkit-") as folder:
        unpacked = unpack_archive(archive, Path(folder))
        for log in sorted(one for one in unpacked if one.suffix == ".log" and one.with_suffix(".start") in unpacked):
            name = f"{archive}/{log.relative_to(folder)}"
            try:
                found += import_runs(db, log, machine=machine, site=site, start=None, source=name)
            except BadInput as error:
                sentences.append(str(error).replace(str(log), name))
    return found, sentences


def import_runs(  # noqa: PLR0913 (whose runs they are, when, and where they came from)
    db: Path,
    path: Path,
    *,
    machine: str | None,
    site: str | None,
    start: float | None,
    shift: float = 0.0,
    source: str | None = None,
) -> list[ImportedRun]:
    """Bring the runs in the load tool's output `path` into the database `db`, all or none, for one of its collectors.

    A run is called like the file, its label and its start. The collector is `machine` at `site`, or where `machine` is None the
    one that was recorded at that time. `start` as in `read_runs`; every instant is moved by `shift` seconds.

    A file is known by its content: the same again changes nothing,
    or moves its runs if they now begin elsewhere; one that has grown since replaces what it was; another file of the same name and
    start is another run. `source` is where it came from, if that is not `path`. Raises BadInput for a file that is not read, and where no
    collector or more than one was recorded then.
    """
    timelines = [_moved(one, round(1000 * shift)) for one in read_runs(path, start)]
    first = min(timeline.rows[0].timestamp for timeline in timelines)
    last = max(timeline.rows[-1].timestamp for timeline in timelines)
    with closing(open_database(db)) as con, sentences(db):
        machinename, sitename = _collector(con, path, {"machine": machine, "site": site, "first": first, "last": last})
        with transaction(con):
            collector_id = find_or_add(con, machinename, sitename or DEFAULT_SITE)
            rows, names, changed = _write(con, collector_id, path, timelines, source or str(path))
            if rows:  # comparisons of these runs, and of those that had it before, know the load now
                findings.refresh(con, collector_id, changed)
        clocks = [_clock_note(con, collector_id, name, one) for name, one in zip(names, timelines, strict=True)]
    found = []
    for name, one, clock in zip(names, timelines, clocks, strict=True):
        span = one.rows[0].timestamp, one.rows[-1].timestamp
        found.append(
            ImportedRun(name, one.tool, collector_id, machinename, sitename, rows and len(one.rows), *span, (*_notes(one), *clock))
        )
    return found


def _moved(timeline: Timeline, by: int) -> Timeline:
    """The timeline `by` ms later."""
    if by:
        timeline.rows[:] = [row._replace(timestamp=row.timestamp + by) for row in timeline.rows]
        for spans in (timeline.summary.dropped_spans, timeline.summary.starved_spans):
            spans[:] = [(first + by, last + by, count) for first, last, count in spans]
    return timeline


def _clock_note(con: sqlite3.Connection, collector_id: int, run: str, timeline: Timeline) -> tuple[str, ...]:
    """A sentence where the load seems to have run at another time than its file says; nothing is moved."""
    span = {"first": timeline.rows[0].timestamp, "last": timeline.rows[-1].timestamp}
    rows = con.execute(_sql("clocks"), {"collector_id": collector_id, "run": run, **span}).fetchall()
    found = {shift: r for shift, n, r in rows if n >= _SECONDS and r is not None}
    if not found:
        return ()
    best = max(found, key=lambda shift: (found[shift], -abs(shift)))
    here = max((found[shift] for shift in found if abs(shift) < _FAR), default=0.0)
    if abs(best) < _FAR or found[best] < _FITS or found[best] - here < _WORSE:
        return ()
    return (
        f"by the machine's packets this load ran {abs(best)} s {'later' if best > 0 else 'earlier'} than its file says (correlation"
        f" {found[best]:.2f}, where it is {here:.2f}): the generator's clock may be off. Nothing was moved; --load-shift {best} moves it.",
    )


def _write(
    con: sqlite3.Connection, collector_id: int, path: Path, timelines: list[Timeline], source: str
) -> tuple[int, list[str], tuple[int, int]]:
    """Write the runs in place of what the same file had brought before.

    Returns the rows written, 0 if all is as it was, the runs' names, and from when to when the load has changed (ms).
    """
    spans = [(timeline.rows[0].timestamp, timeline.rows[-1].timestamp) for timeline in timelines]
    find = "SELECT run, digest, summary ->> 'bytes', first_timestamp, last_timestamp FROM load_runs WHERE collector_id = ?"
    before = con.execute(find, [collector_id]).fetchall()
    sha, grown_from = _digests(path, {int(size) for _, _, size, _, _ in before if size is not None})
    digests = [f"{sha}@{timeline.rows[0].timestamp}#{READING}" for timeline in timelines]
    same = {digest: run for run, digest, *_ in before if _content(digest) == sha}
    if sorted(same) == sorted(digests):
        return 0, [same[digest] for digest in digests], (0, 0)
    for run, digest, size, *span in before:
        if _content(digest) == sha or (size is not None and _content(digest) == grown_from.get(int(size))):
            spans.append((span[0], span[1]))
            con.execute("DELETE FROM load_runs WHERE collector_id = ? AND run = ?", (collector_id, run))
            con.execute("DELETE FROM load_metrics WHERE collector_id = ? AND run = ?", (collector_id, run))
    names: list[str] = []
    for timeline, digest in zip(timelines, digests, strict=True):
        names.append(_free_name(con, collector_id, path, timeline))
        con.execute(_sql("load_run_insert"), _run(collector_id, names[-1], source, digest, timeline))
        con.executemany(_sql("load_metrics_insert"), ((collector_id, names[-1], *row) for row in timeline.rows))
    changed = min(start for start, _ in spans), max(end for _, end in spans)
    return sum(len(timeline.rows) for timeline in timelines), names, changed


def _run(collector_id: int, name: str, source: str, digest: str, timeline: Timeline) -> dict[str, int | str | None]:
    return {
        "collector_id": collector_id,
        "run": name,
        "tool": timeline.tool,
        "source": source,
        "digest": digest,
        "imported_at": time.time_ns() // 1_000_000,
        "first": timeline.rows[0].timestamp,
        "last": timeline.rows[-1].timestamp,
        "requests": timeline.summary.requests,
        "errors": timeline.summary.errors,
        "summary": json.dumps(timeline.summary.to_json()),
    }


def _free_name(con: sqlite3.Connection, collector_id: int, path: Path, timeline: Timeline) -> str:
    """A name that no run of the collector has: the file's and its start, with its folder in front or a number behind if need be."""
    begun = f"{datetime.fromtimestamp(timeline.rows[0].timestamp / 1000, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    name = " ".join(filter(None, (Output(path).stem, timeline.label, begun)))
    taken = {run for (run,) in con.execute("SELECT run FROM load_runs WHERE collector_id = ?", [collector_id])}
    return next(one for one in _names(name, path.absolute().parent.name) if one not in taken)


def _names(name: str, folder: str) -> Iterator[str]:
    yield name
    yield f"{folder}/{name}"
    number = 2
    while True:
        yield f"{name} ({number})"
        number += 1


def _digests(path: Path, sizes: Iterable[int]) -> tuple[str, dict[int, str]]:
    """The SHA-256 of the file, and of as many of its first bytes as each of `sizes` says that is smaller than it."""
    found: dict[int, str] = {}
    digest, at = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            for size in [*sorted(sizes), None]:
                while data := file.read(1 << 20 if size is None else min(1 << 20, size - at)):
                    digest.update(data)
                    at += len(data)
                if size == at:
                    found[at] = digest.copy().hexdigest()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {reason(error)}.") from None
    return digest.hexdigest(), found


def _content(digest: str) -> str:
    """The SHA-256 in a run's digest, which says the run's start and the reading as well."""
    return digest.partition("@")[0]


def _notes(timeline: Timeline) -> Iterator[str]:
    """What people should know of a run that was not wholly understood, or whose generator was at its limit."""
    summary = timeline.summary
    if summary.cut:
        yield "the output breaks off, so the end of the run may be missing."
    if summary.unread:
        yield f"lines that could not be read and are left out: {summary.unread:,}."
    if summary.untimed:
        yield f"{summary.operation}s without a believable time, which count as errors: {summary.untimed:,}."
    if summary.dropped:
        yield f"the generator was at its own limit: it did not start {summary.dropped:,} of the {summary.operation}s that were due."
    if summary.starved:
        yield f"the generator was at its own limit: {summary.starved:,} errors say that it had no port, descriptor or memory left."
    yield from summary.notes


def _collector(con: sqlite3.Connection, path: Path, wanted: dict[str, str | int | None]) -> tuple[str, str]:
    found = con.execute(_sql("collectors_then"), wanted).fetchall()
    if len(found) == 1:
        return str(found[0][0]), str(found[0][1])
    if not found and wanted["machine"]:
        raise BadInput(f"there is no collector {wanted['machine']} in the database; import its collection first.")
    if not found:
        raise BadInput(f"no collector was recorded while {path} ran; import its collection first, or name it with --collector-name.")
    names = ", ".join(f"{machine} at {site}" for machine, site in found[:_SOME])
    raise BadInput(f"several collectors were recorded while {path} ran ({names}); name one with --collector-name and --site-name.")


def _sql(name: str) -> str:
    return sql.read("perfkit.loadtools", f"sql/sqlite/{name}.sql")
