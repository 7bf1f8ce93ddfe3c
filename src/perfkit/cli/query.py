"""`perfkit query`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS, examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from perfkit.lake.query import QueryAnswer

app = typer.Typer(**APP_SETTINGS)

_MOST_SHOWN = 1000  # rows as a table; more are for a file


@app.command(
    epilog=examples(
        'query "SELECT machine, max(cpu_busy) FROM host GROUP BY ALL" --lake lake',
        "query --named percentiles --metric host.cpu_busy --site lab --lake lake",
        "query --named stragglers --label load --lake s3://bucket/lake --format json",
        "query --list",
    )
)
def query(
    sql: Optional[str] = typer.Argument(None, metavar="[SQL]", help="One SELECT over the lake's tables: host, cpu, disk, ..., runs."),
    lake: Optional[str] = typer.Option(None, envvar="PERFKIT_LAKE", metavar="DIR|URL", help="The lake.  [required]"),
    named: Optional[str] = typer.Option(None, metavar="NAME", help="Ask one of perfkit's own questions instead; --list shows them."),
    list_: bool = typer.Option(False, "--list", help="List the questions that have a name, with what each may be told."),
    metric: Optional[str] = typer.Option(None, metavar="TABLE.COLUMN", help="The metric of a named question.  [default: host.cpu_busy]"),
    site_name: Optional[str] = typer.Option(None, "--site-name", "--site", help="Machines of this site alone (named questions)."),
    machine: Optional[list[str]] = typer.Option(None, help="This machine alone; again for each further one (named questions)."),
    since: Optional[str] = typer.Option(None, "--from", metavar="INSTANT", help="Leave out what was before it (named questions)."),
    until: Optional[str] = typer.Option(None, "--to", metavar="INSTANT", help="Leave out what was after it (named questions)."),
    label: Optional[str] = typer.Option(None, help="Runs or phases of this label alone (named questions)."),
    by: Optional[str] = typer.Option(None, metavar="avg|p50|p95|p99|max", help="The figure that `top` sorts by.  [default: p95]"),
    top: Optional[int] = typer.Option(None, min=1, help="How many rows of `top`, `unlike` and `stragglers`.  [default: 10]"),
    bucket: Optional[str] = typer.Option(None, metavar="DURATION", help="The time that a cell of `heatmap` spans.  [default: 1m]"),
    format_: str = typer.Option("table", "--format", metavar="table|csv|json", help="How the answer is printed."),
    memory_limit: str = typer.Option("2GB", metavar="SIZE", help="Memory that the question may take; the rest goes to $TMPDIR."),
    timeout: str = typer.Option("60s", metavar="DURATION", help="How long it may take."),
) -> None:
    """Ask a lake: any SELECT, or a named question. It can read the lake's tables and nothing else, and changes nothing."""
    from perfkit.catalog import SORTED_BY
    from perfkit.errors import BadInput
    from perfkit.lake.place import open_lake
    from perfkit.lake.query import QueryLimits, Scope, answer_named, ask
    from perfkit.units import parse_duration, parse_instant, parse_size

    if list_:
        _print_questions()
        return
    if format_ not in _FORMATS:
        raise BadInput(f"{format_!r} is no format; write one of {', '.join(_FORMATS)}.")
    if by is not None and by not in SORTED_BY:
        raise BadInput(f"{by!r} is no figure to sort by; write {', '.join(SORTED_BY[:-1])} or {SORTED_BY[-1]}.")
    if (sql is None) == (named is None):
        raise BadInput("give one question: SQL, or --named NAME; `perfkit query --list` shows the names.")
    if lake is None:
        raise BadInput("name the lake with --lake or PERFKIT_LAKE; `perfkit process --lake DIR` makes one.")
    limits = QueryLimits(parse_size(memory_limit), parse_duration(timeout))
    start, end = (None if instant is None else parse_instant(instant) for instant in (since, until))
    given = {"metric": metric, "label": label, "by": by, "top": top, "bucket": round(parse_duration(bucket) * 1000) if bucket else None}
    scope = Scope(site_name, tuple(machine or ()), start, end)
    if sql is not None and (any(value is not None for value in given.values()) or scope != Scope()):
        raise BadInput("options that narrow a question (--metric, --site, --from, --top, ...) are for --named; write it into the SQL.")
    place = open_lake(lake, must_exist=True)
    with answer_named(place, named, given, limits, scope) if named is not None else ask(place, sql or "", limits) as answer:
        for line in _FORMATS[format_](answer):
            print(line, end="")


def _print_questions() -> None:
    from perfkit.lake.query import questions

    told = {"column": "--metric", "label": "--label", "by": "--by", "top": "--top", "bucket": "--bucket"}
    for name, one in questions().items():
        options = [option for parameter, option in told.items() if parameter in one.parameters]
        print(f"{name}\n    {one.told}\n    {' '.join([*options, '--site --machine --from --to'])}")


def _table(answer: QueryAnswer) -> Iterator[str]:
    from itertools import islice

    rows = [[_cell(value) for value in row] for row in islice(answer.rows, _MOST_SHOWN)]
    more = next(answer.rows, None) is not None
    widths = [max(map(len, column)) for column in zip(answer.names, *rows)]
    numeric = [bool(rows) and all(_is_number(row[place]) for row in rows) for place in range(len(widths))]
    for line in [answer.names, *rows]:
        cells = (cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(line, widths, numeric))
        yield "  ".join(cells).rstrip() + "\n"
    if more:
        yield f"These are the first {_MOST_SHOWN:,} rows; --format csv prints all.\n"
    elif not rows:
        yield "No row.\n"


def _cell(value: object) -> str:
    """As a person reads it; a name from outside cannot move the cursor."""
    if value is None:
        return "-"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return "".join(c if c.isprintable() else "?" for c in text)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell == "-"
    return True


def _csv(answer: QueryAnswer) -> Iterator[str]:
    import csv
    import io

    from perfkit.process.folder import neutral

    def written(cells: list[object]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([neutral(cell) if isinstance(cell, str) else cell for cell in cells])
        return text.getvalue()

    yield written(list(answer.names))
    for row in answer.rows:
        yield written(list(row))


def _json(answer: QueryAnswer) -> Iterator[str]:
    import json
    import math

    yield "["
    between = "\n"
    for row in answer.rows:
        known = (None if isinstance(value, float) and not math.isfinite(value) else value for value in row)
        yield between + json.dumps(dict(zip(answer.names, known)), ensure_ascii=False)
        between = ",\n"
    yield "\n]\n"


_FORMATS = {"table": _table, "csv": _csv, "json": _json}
