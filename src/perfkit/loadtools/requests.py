"""Single reports of a load tool (a request, a user who began, work that was dropped) become a timeline: SQL over all of them."""

from __future__ import annotations

import csv
import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import _duckdb as duckdb

from perfkit import sql
from perfkit.errors import BadInput, Failed, reason
from perfkit.loadtools.output import Output
from perfkit.loadtools.timeline import MOST_ROWS, Row, Summary, Timeline, spans

MOST_REPORTS = 50_000_000  # of one file
MOST_SECTIONS = 1000
_WIDTHS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400)  # seconds of a row
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "memory_limit": "2GB",
}


class ToolReport(NamedTuple):
    """What a tool says of one instant; None is "does not say". sql/duckdb/reports.sql has the same columns with what they mean."""

    at: float | None
    rank: int | None = None
    operations: int | None = None
    errors: int | None = None
    latency: float | None = None
    weight: int = 1
    longest: float | None = None
    users: float | None = None
    change: int | None = None
    dropped: int | None = None
    starved: int | None = None


NEW_SECTION = ToolReport(None)  # what follows was appended by another start of the tool

# What an operating system says to a generator that has no port, descriptor, buffer or thread left.
STARVED = re.compile(
    r"too many open files|cannot assign requested address|address already in use|no buffer space available|BindException|"
    r"OutOfMemory|unable to create (?:new )?native thread|EMFILE|ENFILE|EADDRNOTAVAIL|EADDRINUSE|ENOBUFS",
    re.IGNORECASE,
)


class LoadTool(NamedTuple):
    """Whose reports they are.

    operations  what an operation of each rank is
    tells       which of `dropped` and `starved` the tool reports
    untimed     what to do where no operation has a believable time
    """

    name: str
    operations: Sequence[str] = ("request",)
    tells: Sequence[str] = ()
    untimed: str = "let the tool write it again"


def gather(output: Output, tool: LoadTool, reports: Iterable[ToolReport]) -> list[Timeline]:
    """The runs that `reports` make up, in order of time, by the second in which each operation ended.

    Sections whose times overlap are one run: the outputs of several generators. A row is wider than a second where there would
    be more rows than twice the reports. Raises BadInput where there is no operation, or none with a believable time.
    """
    with tempfile.NamedTemporaryFile("w", prefix="perfkit-", suffix=".csv", newline="", encoding="ascii") as file:
        try:
            csv.writer(file).writerows(_numbered(output.path, reports))
            file.flush()
        except OSError as error:
            raise Failed(f"no room for what {output.path} says in {tempfile.gettempdir()}: {reason(error)}; set TMPDIR.") from None
        with tempfile.TemporaryDirectory(prefix="perfkit-") as spill, duckdb.connect(config=_SETTINGS | {"temp_directory": spill}) as con:
            try:
                con.execute(_sql("reports"), {"file": file.name})
                return _timelines(con, output, tool)
            except duckdb.OutOfMemoryException:
                raise Failed(f"{output.path} needs more memory than perfkit takes; split it by time and import the parts.") from None
            except duckdb.ConversionException as error:
                why = str(error).splitlines()[0]
                raise BadInput(f"{output.path} has a number that cannot be ({why}); let {tool.name} write it again.") from None


def _numbered(path: Path, reports: Iterable[ToolReport]) -> Iterator[tuple[int | float | None, ...]]:
    section, count = 0, 0
    for report in reports:
        if report is NEW_SECTION:
            section = min(section + 1, MOST_SECTIONS)
            continue
        count += 1
        if count > MOST_REPORTS:
            raise BadInput(f"{path} holds more than {MOST_REPORTS:,} points; split it by time and import the parts.")
        yield (section, *report)


def _timelines(con: duckdb.DuckDBPyConnection, output: Output, tool: LoadTool) -> list[Timeline]:
    runs: list[tuple[list[int], int]] = []  # sections, and when the last of them ended
    for section, first, last in con.execute(_sql("sections")).fetchall():
        if runs and first <= runs[-1][1]:
            runs[-1] = ([*runs[-1][0], section], max(last, runs[-1][1]))
        else:
            runs.append(([section], last))
    if not runs:
        if con.execute("SELECT 1 FROM reports WHERE rank IS NOT NULL LIMIT 1").fetchall():
            raise BadInput(f"{output.path} holds no {tool.operations[0]} with a time that perfkit can read; {tool.untimed}.")
        if output.unread:
            raise BadInput(
                f"{output.path} holds no {tool.operations[0]} that can be read, and {output.unread:,} lines that cannot; write it again."
            )
        raise BadInput(f"{output.path} holds no {tool.operations[0]}; the load has not reached its target, or was ended before.")
    known = {section for sections, _ in runs for section in sections}
    runs[0][0].extend(n for (n,) in con.execute("SELECT DISTINCT section FROM reports").fetchall() if n not in known)
    found = [_timeline(con, tool, sections) for sections, _ in runs]
    found[-1].summary.cut, found[0].summary.unread = output.cut, output.unread
    return found


def _timeline(con: duckdb.DuckDBPyConnection, tool: LoadTool, sections: list[int]) -> Timeline:
    names = ("rank", "operations", "knows_errors", "errors", "untimed", "dropped", "starved", "reports", "first", "last")
    total: dict[str, Any] = dict(zip(names, con.execute(_sql("totals"), {"sections": sections}).fetchall()[0], strict=True))
    seconds = _width((total["last"] - total["first"]) / 1000, total["reports"])
    width = seconds * 1000
    found = con.execute(_sql("seconds"), {"sections": sections, "rank": total["rank"], "width": width}).fetchall()
    summary = Summary(
        requests=None if total["operations"] is None else int(total["operations"]),
        errors=int(total["errors"] + total["untimed"]) if total["knows_errors"] or total["untimed"] else None,
        operation=tool.operations[total["rank"]],
        row_seconds=seconds,
        untimed=int(total["untimed"]),
        dropped=int(total["dropped"]) if "dropped" in tool.tells else None,
        dropped_spans=spans(((row[0], row[-2]) for row in found), width),
        starved=int(total["starved"]) if "starved" in tool.tells else None,
        starved_spans=spans(((row[0], row[-1]) for row in found), width),
    )
    return Timeline(tool.name, [Row(*row[:-2]) for row in found], summary)


def _width(span: float, reports: int) -> int:
    """Seconds of a row, so that the series is not longer than the data."""
    most = min(2 * reports, MOST_ROWS)
    whole = _WIDTHS[-1] * math.ceil(span / _WIDTHS[-1])  # for the few reports of many days: at most two rows
    return next((width for width in _WIDTHS if span / width + 2 <= most), whole)


def _sql(name: str) -> str:
    return sql.read("perfkit.loadtools", f"sql/duckdb/{name}.sql")


def epoch_ms(instant: float) -> float | None:
    """Milliseconds since the epoch of seconds, ms, us or ns since then, told by their size (2001 to 2103); None for other numbers."""
    for in_ms in (1.0, 1e3, 1e-3, 1e-6):
        if 1e12 <= instant * in_ms < 4.2e12:
            return instant * in_ms
    return None


def iso_ms(text: str) -> float | None:
    """Milliseconds since the epoch of an ISO 8601 instant with a zone, or of a number as `epoch_ms` takes it; None for other text."""
    try:
        if text[:1].isdigit() and text.replace(".", "", 1).isdecimal():
            return epoch_ms(float(text))
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)).timestamp() * 1000
    except (ValueError, OverflowError):
        return None
