"""Prints what preflight found: coloured where a person reads it, plain lines or JSON elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfkit.preflight.verdict import FAIL, Check, Report

if TYPE_CHECKING:
    from perfkit.preflight.watch import Notice

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "bright_black"}


def show(report: Report, as_json: bool, *, every: bool = False) -> Report:
    """Print what is told of trust, one line per check, and the verdict; the advice of the first failure, or of `every`, goes to stderr."""
    verdict = f"{report.subject}: {report.verdict}"
    if as_json:
        print(json.dumps(report.as_dict()), flush=True)
    elif sys.stdout.isatty():
        _show_rich(report, verdict)
    else:
        print("\n".join([*([report.trust] if report.trust else []), *map(_plain, report.checks), verdict]), flush=True)
    failed = [check for check in report.checks if check.state == FAIL]
    for check in failed if every else failed[:1]:
        print(f"perfkit: {check.advice}", file=sys.stderr, flush=True)
    return report


def follow(events: Iterator[Notice], as_json: bool) -> int:
    """Print events as they come; 0 where the last one is the regular end of the collection, 1 after a loss."""
    code = 0
    for event in events:
        code = 0 if event.kind == "ended" else 1 if event.kind == "lost" else code
        if as_json:
            print(json.dumps({"at": time.time(), **event._asdict()}), flush=True)
        else:
            print(f"{time.strftime('%H:%M:%S')}  {event.kind:<8} {event.sentence}", flush=True)
    return code


def _plain(check: Check) -> str:
    line = f"{check.state:<5} {check.name:<11} {check.evidence}"
    return f"{line}: {check.advice}" if check.state == "warn" and check.advice else line


def _show_rich(report: Report, verdict: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    for check in report.checks:
        evidence = Text(check.evidence)
        if check.state == "warn" and check.advice:
            evidence.append(f"\n{check.advice}", style="yellow")
        table.add_row(Text(check.state, style=_COLOURS[check.state]), check.name, evidence)
    console = Console()
    if report.trust:
        console.print(Text(report.trust, style="bold"))
    console.print(table)
    console.print(Text(verdict, style="bold green" if report.passed else "bold red"))
