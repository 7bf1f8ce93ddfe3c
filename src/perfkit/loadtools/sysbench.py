"""What sysbench prints: a line every --report-interval seconds, and its closing figures."""

from __future__ import annotations

import re

from perfkit.errors import BadInput
from perfkit.loadtools.marks import Piece, Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.timeline import Row, Summary, Timeline, level, number

BANNER = re.compile(r"^sysbench \d", re.MULTILINE)
_TEST = re.compile(r"^(?:Running the test with following options|Threads started!)", re.MULTILINE)
_LINE = re.compile(r"^\[\s*(\d{1,9})s ?\] (.+)$", re.MULTILINE)
_PERCENTILE = re.compile(r"lat(?:ency)? \(ms,(\d+)%\): ([\d.]+)|response time: ()([\d.]+)ms \((\d+)%\)")
_SECONDS = r"(?:total time|time elapsed):\s+([\d.]+)s"  # the latter since 1.1
_EVENTS = r"total number of events:\s+(\d+)"
_IGNORED = r"ignored errors:\s+(\d+)"
_CLOSING = {
    "latency_avg_ms": r"^\s+avg:\s+([\d.]+)",
    "latency_max_ms": r"^\s+max:\s+([\d.]+)",
    "latency_p95_ms": r"^\s+(?:95th|approx\. +95) percentile:\s+([\d.]+)",
}
_BLOCK = re.compile(r"block size:? +(\d{1,9})([KM]?)i?B", re.IGNORECASE)
_MIB = 1 << 20
_KNOWN_PERCENTILES = ("50", "90", "95", "99")


def read(output: Output, start: Start) -> list[Timeline]:
    """Each run in the log. Without report lines its closing figures stand for the whole run, in a row at its start and one at its end.

    Raises BadInput where nothing was printed, and where it is unknown when each run began.
    """
    tests = [(text, prepared) for text, prepared in _tests(output.text()) if _seconds(text) is not None]
    if not tests:
        raise BadInput(f"{output.path} holds no figures; sysbench was ended before it printed any.")
    began = start.of_each("sysbench", [Piece(_seconds(text), prepared) for text, prepared in tests])
    found = [_run(text, phase.start) for (text, _), phase in zip(tests, began, strict=True)]
    for timeline, phase in zip(found, began, strict=True):
        timeline.label = phase.label
    return found


def _tests(log: str) -> list[tuple[str, bool]]:
    """The text of each run, and whether sysbench did something else (prepare, cleanup) right before it.

    A run begins with sysbench's banner, or where the seconds of the report lines start again.
    """
    at = [found.start() for found in BANNER.finditer(log)] or [0]
    parts: list[str] = []
    for first, last in zip([0, *at[1:]], [*at[1:], len(log)], strict=True):
        parts.extend(_restarts(log[first:last]))
    found, prepared = [], False
    for part in parts:
        if _TEST.search(part) or _LINE.search(part):
            found.append((part, prepared))
            prepared = False
        else:
            prepared = BANNER.search(part) is not None
    return found


def _restarts(text: str) -> list[str]:
    cuts, before = [0], -1
    for line in _LINE.finditer(text):
        second = int(line[1])
        if second < before:
            cuts.append(line.start())
        before = second
    return [text[first:last] for first, last in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def _seconds(text: str) -> float | None:
    """How long the run took, as far as the log says."""
    whole = _number(_SECONDS, text)
    last = [int(line[1]) for line in _LINE.finditer(text)][-1:]
    return whole if whole is not None else (float(last[0]) if last else None)


def _run(text: str, start: float) -> Timeline:
    block = _block_size(text)
    rows: list[Row] = []
    before, widths = 0, []
    for line in _LINE.finditer(text):
        second, values = int(line[1]), _interval(line[2], block)
        if second > before and values["throughput"] is not None:  # with --rate there is a second line, of the queue
            rows.append(Row(round((start + before) * 1000), **values))
            widths.append(second - before)
            before = second
    events, seconds = _number(_EVENTS, text), _number(_SECONDS, text)
    if not rows and seconds:
        closing = {name: _number(pattern, text) for name, pattern in _CLOSING.items()}
        rows = level(start, seconds, throughput=None if events is None else events / seconds, **closing)
    ignored = _number(_IGNORED, text)
    summary = Summary(
        requests=None if events is None else int(events),
        errors=None if ignored is None else int(ignored),
        operation="event",
        row_seconds=min(widths, default=None),
        cut=events is None,
    )
    return Timeline("sysbench", rows, summary)


def _interval(line: str, block: float) -> dict[str, float | None]:
    values: dict[str, float | None] = {
        "users": _number(r"(?:thds|threads): (\d+)", line),
        "throughput": _number(r"(?:tps|eps): ([\d.]+)", line),
        "errors": _number(r"err(?:/s|ors): ([\d.]+)", line),
    }
    if values["throughput"] is None:
        values["throughput"] = _operations(line, block)
    found = _PERCENTILE.search(line)
    percentile, latency = (found[1] or found[5], found[2] or found[4]) if found else ("", "")
    if percentile in _KNOWN_PERCENTILES:
        values[f"latency_p{percentile}_ms"] = number(latency)
    return values


def _operations(line: str, block: float) -> float | None:
    """Operations per second of the tests that report MiB/s: memory (one figure), fileio (reads, writes, fsyncs)."""
    moved = [number(found) or 0.0 for found in re.findall(r"([\d.]+) MiB/s", line)]
    return sum(moved) * _MIB / block + (_number(r"fsyncs: ([\d.]+)", line) or 0.0) if moved and block else None


def _block_size(text: str) -> float:
    found = _BLOCK.search(text)
    return int(found[1]) * {"": 1, "K": 1 << 10, "M": _MIB}[found[2].upper()] if found else 0


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    return number(found[1]) if found else None
