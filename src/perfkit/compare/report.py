"""A comparison as text, Markdown, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

import orjson

from perfkit.compare.judging import FORBID, HEADLINE, NO_DIFFERENCE, NOT_JUDGED, OK, ORDER, WORDS, Comparison, JudgedFigure

_REASONS = 3  # that are told, of those that nothing else in the text tells
_COLUMNS = ("reference", "metric", "device", "figure", "unit", "baseline", "other", "difference", "low", "high", "percent", "detectable")


def as_text(found: Comparison, margin: float) -> str:
    """What differs, what could not be judged and why; the headline metrics always."""
    lines = [_title(found), *_guards(found)]
    shown = headline(found)
    cells = [("metric", "baseline", "other", "difference", "95 % interval", ""), *(cells_of(row, margin) for row in shown)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        lines.append("  ".join([line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in range(1, 5)), line[5]]).rstrip())
    return "\n".join([*lines, *summary(found, shown)]) + "\n"


def as_markdown(found: Comparison, margin: float) -> str:
    """The same for a pull request."""
    shown = headline(found)
    rows = ["| metric | baseline | other | difference | 95 % interval | |", "|---|--:|--:|--:|--:|---|"]
    rows += ["| " + " | ".join(escaped(cell) for cell in cells_of(row, margin)) + " |" for row in shown]
    guards = [f"* {escaped(line)}" for line in _guards(found)]
    return "\n".join([f"**{escaped(_title(found))}**", "", *guards, *([""] if guards else []), *rows, "", *summary(found, shown)]) + "\n"


def as_json(found: Comparison, margin: float) -> str:
    """docs/compare.md describes it."""
    return orjson.dumps({**found.as_json(), "at_least": margin}, option=orjson.OPT_INDENT_2).decode() + "\n"


def as_csv(found: Comparison, margin: float) -> str:
    """A row per figure."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow((*_COLUMNS, "verdict", "reason"))
    for row in found.rows:
        told = {**row.as_json(), "baseline": row.baseline.value, "other": row.other.value}
        rows.writerow([told[name] for name in (*_COLUMNS, "verdict", "reason")])
    return out.getvalue()


FORMATS: dict[str, Callable[[Comparison, float], str]] = {"text": as_text, "md": as_markdown, "json": as_json, "csv": as_csv}


def _title(found: Comparison) -> str:
    arms = [f"{arm.name} ({len(arm.runs)} runs)" if len(arm.runs) > 1 else arm.name for arm in (found.baseline, *found.others)]
    return f"{', '.join(arms[1:])} against {arms[0]}"


def _guards(found: Comparison) -> list[str]:
    return [WORDS[guard.state].format(sentence=guard.sentence) for guard in found.guards if guard.state != OK]


def headline(found: Comparison) -> list[JudgedFigure]:
    """What a load tester looks at first, then what has a verdict of a difference, in the order of metrics, then the largest first."""
    first = [row for row in found.rows if (row.metric, row.figure) in HEADLINE]
    place = {metric: number for number, metric in enumerate(ORDER)}
    differing = [row for row in found.rows if row.verdict not in (NO_DIFFERENCE, NOT_JUDGED) and row not in first]
    return first + sorted(differing, key=lambda row: (place.get(row.metric, len(ORDER)), -abs(row.percent or 0)))


def cells_of(row: JudgedFigure, margin: float) -> tuple[str, ...]:
    name = f"{row.metric}{f' {row.device}' if row.device else ''} {row.figure}{f', {row.reference}' if row.reference else ''}"
    of = row.difference
    change = "" if of is None else _signed(of.value) + ("" if row.percent is None else f" ({row.percent:+.1f} %)")
    interval = "" if of is None else f"{_signed(of.low)} to {_signed(of.high)}"
    return name, f"{_number(row.baseline.value)} {row.unit}".strip(), _number(row.other.value), change, interval, _words(row, margin)


def _words(row: JudgedFigure, margin: float) -> str:
    said = WORDS[row.verdict]
    if row.verdict == NOT_JUDGED:
        said = WORDS["because"].format(reason=row.reason)
    if row.verdict == NO_DIFFERENCE and row.difference:
        bound = max(abs(row.difference.low), abs(row.difference.high))
        if margin and bound <= margin / 100 * abs(row.baseline.value):
            said = WORDS["less_than"].format(bound=f"{margin:g} %")
        elif bound:
            said = WORDS["less_than"].format(bound=_number(bound))
        if row.reason:
            said = WORDS["with_reason"].format(verdict=said, reason=row.reason)
    if row.drifts:
        first, last = row.drifts[0]
        said = WORDS["drifts"].format(verdict=said, first=_number(first), last=_number(last))
    return said


def summary(found: Comparison, shown: Sequence[JudgedFigure]) -> list[str]:
    alike = sum(row.verdict == NO_DIFFERENCE for row in found.rows)
    unjudged = [row for row in found.rows if row.verdict == NOT_JUDGED]
    lines = [
        f"{len(found.rows)} figures compared: {len(found.rows) - alike - len(unjudged)} differ, {alike} do not, {len(unjudged)} not judged."
    ]
    reasons = list(dict.fromkeys(row.reason for row in unjudged if row not in shown))
    lines += [WORDS[FORBID].format(sentence=reason) for reason in reasons[:_REASONS]]
    more = len(reasons) - _REASONS
    return [*lines, f"{more} more reason{'s' * (more > 1)}; --format csv has each figure's."] if more > 0 else lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + _number(value)


def escaped(text: str) -> str:
    """Names from outside stay text in Markdown."""
    for sign in ("\\", "|", "<", ">", "[", "]", "*", "_", "`", "!", "#", "@"):
        text = text.replace(sign, f"\\{sign}" if sign not in "<>" else {"<": "&lt;", ">": "&gt;"}[sign])
    return text.replace("\n", " ")
