"""Prints a preflight report: coloured where a person reads it, plain lines elsewhere."""

from __future__ import annotations

import sys

from perfkit.preflight.verdict import Check, Report

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "bright_black"}


def print_report(report: Report) -> None:
    """One line a check: state, name, evidence; then the verdict."""
    verdict = "recording" if report.passed else "NOT recording"
    if sys.stdout.isatty():
        _print_rich(report, verdict)
        return
    for check in report.checks:
        print(_plain(check))
    print(f"{report.subject}: {verdict}", flush=True)


def _plain(check: Check) -> str:
    line = f"{check.state:<5} {check.name:<11} {check.evidence}"
    return f"{line}; {check.advice}" if check.state == "warn" and check.advice else line


def _print_rich(report: Report, verdict: str) -> None:
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
    console.print(table)
    console.print(Text(f"{report.subject}: {verdict}", style="bold green" if report.passed else "bold red"))
