"""`perfkit report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import typer

from perfkit.cli import APP_SETTINGS, examples, next_step
from perfkit.errors import BadInput, Failed, reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perfkit.compare.judging import Arm

app = typer.Typer(**APP_SETTINGS)
_FORMATS = {"html": ".html", "md": ".md", "json": ".json"}
_MOST = 10


@app.command(epilog=examples("report vm-a@last --out monday.html", "report vm-a@1 vm-a@2 --format md"))
def report(
    references: list[str] = typer.Argument(
        ...,
        metavar="REF...",
        help="[SITE/]MACHINE@RUN, a collection or a processed folder; several: a comparison, the baseline first.",
    ),
    out: Optional[Path] = typer.Option(None, help="The file to write.  [default: report.html, report.md, report.json]"),
    form: str = typer.Option("html", "--format", metavar="html|md|json", help="What is written."),
    db: Optional[Path] = typer.Option(None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db]"),
) -> None:
    """Write a run into one HTML file: verdict, findings, phases, charts. It opens from disk and asks nobody."""
    from perfkit.compare.references import opened
    from perfkit.files import replace_file
    from perfkit.store import default_path

    if form not in _FORMATS:
        raise BadInput(f"there is no format {form[:20]!r}; there are {', '.join(_FORMATS)}.")
    if len(references) > _MOST:
        raise BadInput(f"a report has {_MOST} runs at most; these are {len(references)}.")
    path = out or Path(f"report{_FORMATS[form]}")
    with opened(db or default_path()) as names:
        content = _content(names.arms(references), form)
    try:
        replace_file(path, content, 0o644)
    except OSError as error:
        raise Failed(f"{path} cannot be written: {reason(error)}; name another file with --out.") from None
    print(f"Wrote {path} ({len(content) / 1024:,.0f} KiB).")
    next_step(f"open {path} in a browser, or send it" if form == "html" else f"paste {path} where it is read")


def _content(arms: Sequence[Arm], form: str) -> bytes:
    from perfkit.compare.judging import compare
    from perfkit.compare.report import as_json, as_markdown
    from perfkit.dashboard import report as written

    runs = [run for arm in arms for run in arm.runs]
    found = compare(arms[0], arms[1:]) if len(arms) > 1 else None
    if form == "html":
        return written.of_run(runs[0]) if found is None else written.of_comparison(found, 0.0)
    told = [written.told(run) for run in runs]
    if form == "json":
        import orjson

        content: Any = told[0] if found is None else {"runs": told, "comparison": orjson.loads(as_json(found, 0.0))}
        return orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n"
    lines = [line for run in told for line in _lines(run)]
    return ("\n".join(lines) + ("\n" + as_markdown(found, 0.0) if found else "")).encode() + b"\n"


def _lines(run: dict[str, Any]) -> list[str]:
    """A run in Markdown: verdict, knee and cost, a row per phase, findings."""
    from perfkit.cli.figures import FiguresRow, table
    from perfkit.compare.report import escaped

    parts = [(f"run {run['run']} {run['label']}", run), *((f"  {phase['phase']}", phase) for phase in run["phases"])]
    rows = table(FiguresRow(name, max(1, p["to"] - p["from"]) / 1000, p["certificate"]["coverage"], p["figures"]) for name, p in parts)
    findings = [f"* {escaped(one['sentence'])} {escaped(one['advice'])}" for one in run["findings"]]
    title = f"{run['machine']}, run {run['run']} ({run['label']})"
    load = [f"{run['capacity']['knee']['sentence']} {run['capacity']['cost']['sentence']}", ""] if run["capacity"] else []
    return [f"## {escaped(title)}", "", escaped(run["verdict"]["sentence"]), "", *load, "```", *rows, "```", "", *findings, ""]
