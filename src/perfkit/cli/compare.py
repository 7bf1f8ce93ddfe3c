"""`perfkit compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

import typer

from perfkit.cli import APP_SETTINGS, examples
from perfkit.errors import BadInput

if TYPE_CHECKING:
    from perfkit.compare.judging import Comparison, ComparisonAsked

app = typer.Typer(**APP_SETTINGS)
WORSE, UNJUDGED = 3, 4  # exit codes of --fail-on worse


@app.command(
    epilog=examples(
        "compare vm-a@1 vm-a@2", "compare --arm old=vm-a@1,vm-a@3,vm-a@5 --arm new=vm-a@2,vm-a@4,vm-a@6 --at-least 5% --fail-on worse"
    )
)
def compare(
    references: Optional[list[str]] = typer.Argument(
        None, metavar="[REF]...", help="[SITE/]MACHINE[@RUN][:PHASE], or a collection or processed folder; the baseline first."
    ),
    arm: Optional[list[str]] = typer.Option(None, metavar="NAME=REF,REF,REF", help="Several runs of the same thing; the baseline first."),
    phase: Optional[str] = typer.Option(None, help="Compare this phase of every run."),
    metric: Optional[list[str]] = typer.Option(
        None, help="Only this metric (host.cpu_busy), or this whole table (disk, load); again for more."
    ),
    figure: Optional[list[str]] = typer.Option(None, metavar="avg|p50|p90|p95|p99", help="Only this figure; again for more."),
    at_least: Optional[str] = typer.Option(
        None, metavar="PERCENT", help="The smallest difference that matters, such as 5%.  [default: 0%]"
    ),
    fail_on: Optional[str] = typer.Option(
        None, metavar="worse", help="Exit with 3 if something is worse by --at-least or more, with 4 if it could not be judged."
    ),
    generator: Optional[list[str]] = typer.Option(None, metavar="REF", help="The load generator's machine, at the time of a run."),
    across_machines: bool = typer.Option(False, "--across-machines", help="Compare machines of other hardware, too."),
    form: str = typer.Option("text", "--format", metavar="text|md|json|csv", help="How it is printed."),
    db: Optional[Path] = typer.Option(None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db]"),
) -> None:
    """Compare runs: each metric's difference with its 95 % interval, or why nothing can be said.

    Two runs can only show that these two recordings differ. From three runs an arm on, the verdict is about the change itself.
    """
    from perfkit.compare import report
    from perfkit.compare.judging import FIGURES, ComparisonAsked
    from perfkit.compare.judging import compare as judged
    from perfkit.compare.references import opened
    from perfkit.store import default_path

    if form not in report.FORMATS:
        raise BadInput(f"there is no format {form[:20]!r}; there are {', '.join(report.FORMATS)}.")
    if fail_on not in (None, "worse"):
        raise BadInput("--fail-on knows one thing: worse.")
    margin = _percent(at_least)
    asked = ComparisonAsked(tuple(metric or ()), tuple(figure or FIGURES), margin, across_machines, however_many=True)
    with opened(db or default_path()) as names:
        arms = [*(names.arm(one, phase) for one in arm or []), *names.arms(references or [], phase)]
        if len(arms) < 2:
            raise BadInput("name at least two runs, the baseline first; `perfkit runs` lists them.")
        generators = [names.run(one) for one in generator or []]
        found = judged(arms[0], arms[1:], asked, generators)
    print(report.FORMATS[form](found, margin), end="")
    if fail_on:
        _gate(found, asked)


def _percent(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        value = float(text.strip().removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1000:
        raise BadInput(f"--at-least {text[:20]!r} is not a percentage; write it as 5%.")
    return value


def _gate(found: Comparison, asked: ComparisonAsked) -> None:
    """Exit with 3 where something is worse, with 4 where nothing of it, or not all that was named, could be judged."""
    if any(found.is_worse(row, asked.margin) for row in found.rows):
        raise typer.Exit(WORSE)
    if found.unjudged(asked):
        raise typer.Exit(UNJUDGED)
