"""pgbench: its transaction logs (--log), whole or by interval, and the progress that it prints (-P)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from perfkit.errors import BadInput
from perfkit.loadtools.marks import Phase, Piece, Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.requests import LoadTool, ToolReport, gather
from perfkit.loadtools.timeline import Row, Summary, Timeline, number, spans

# client, number, us or what became of it, script, second and us in which it ended; then perhaps lag and retries
TRANSACTION = re.compile(r"\d+ \d+ (\d+|skipped|failed|serialization|deadlock) \d+ (\d{9,10}) (\d{1,6})(?: \d+){0,2}\s*$", re.MULTILINE)
# second, transactions, sum of us, sum of squares, shortest, longest; then sums of lag, skipped, retried, retries, failures
INTERVAL = re.compile(r"(\d{9,10}) (\d{1,15}) ([\d.e+]+) [\d.e+]+ ([\d.]+) ([\d.]+)((?: [\d.e+]+)*)\s*$", re.MULTILINE)
PROGRESS = re.compile(
    r"^progress: (\d{1,10}(?:\.\d+)?) s, ([\d.]+) tps, lat ([\d.]+|NaN) ms stddev (?:[\d.]+|NaN)(?:, (\d{1,15}) failed)?"
    r"(?:, lag (?:[\d.]+|NaN) ms)?(?:, (\d{1,15}) skipped)?",
    re.MULTILINE,
)
_OPERATION = "transaction"
_EPOCH = 1e9  # s; a larger time counts since the epoch, not since the start
_SKIPPED, _FAILED = 4, (7, 8)  # where the counts of skipped and of failed transactions stand behind the longest


def read_log(output: Output, _start: Start) -> list[Timeline]:
    """A line per transaction. Skipped ones were late beyond --latency-limit and never begun: dropped."""
    return gather(output, LoadTool("pgbench", (_OPERATION,), ("dropped",)), _transactions(output))


def _transactions(output: Output) -> Iterator[ToolReport]:
    for line in output.lines():
        found = TRANSACTION.match(line)
        if found is None:
            output.unread += 1
            continue
        at = int(found[2]) * 1000 + int(found[3]) / 1000
        if found[1] == "skipped":
            yield ToolReport(at, dropped=1)
        elif (took := number(found[1])) is not None:
            yield ToolReport(at, 0, operations=1, errors=0, latency=took / 1000)
        else:
            yield ToolReport(at, 0, operations=1, errors=1)


def read_intervals(output: Output, _start: Start) -> list[Timeline]:
    """--aggregate-interval: mean and longest per interval; its percentiles are unknown. Lines of one interval, one per thread, add up."""
    found: dict[int, list[float]] = {}
    for line in output.lines():
        cells = INTERVAL.match(line)
        if cells is None:
            output.unread += 1
            continue
        more = [number(cell) or 0.0 for cell in cells[6].split()] + [0.0] * (_FAILED[-1] + 1)
        add = [int(cells[2]), number(cells[3]) or 0.0, number(cells[5]) or 0.0, more[_SKIPPED], sum(more[at] for at in _FAILED)]
        so_far = found.setdefault(int(cells[1]), [0.0] * len(add))
        found[int(cells[1])] = [a + b if at != 2 else max(a, b) for at, (a, b) in enumerate(zip(so_far, add, strict=True))]
    if not found:
        raise BadInput(f"{output.path} holds no interval with transactions; pgbench was ended before it wrote one.")
    times = sorted(found)
    seconds = min((after - at for at, after in pairwise(times)), default=1)
    rows = [
        Row(
            at * 1000,
            throughput=count / seconds,
            errors=failed / seconds,
            latency_avg_ms=total / count / 1000 if count else None,
            latency_max_ms=longest / 1000 if count else None,
        )
        for at, (count, total, longest, _, failed) in sorted(found.items())
    ]
    summary = Summary(
        requests=int(sum(values[0] for values in found.values())),
        errors=int(sum(values[4] for values in found.values())),
        operation=_OPERATION,
        row_seconds=seconds,
        dropped=int(sum(values[3] for values in found.values())),
        dropped_spans=spans(((at * 1000, found[at][3]) for at in times), seconds * 1000),
        unread=output.unread,
        cut=output.cut,
    )
    return [Timeline("pgbench", rows, summary)]


def read_progress(output: Output, start: Start) -> list[Timeline]:
    """The lines of -P: counted from the start of the run, or with --progress-timestamp since the epoch.

    Raises BadInput where it is unknown when a run began.
    """
    text = output.text()
    runs = _runs(list(PROGRESS.finditer(text)))
    relative = [Piece(float(run[-1][1])) for run in runs if float(run[0][1]) < _EPOCH]
    phases = iter(start.of_each("pgbench", relative) if relative else [])
    found = []
    for run in runs:
        phase = next(phases) if float(run[0][1]) < _EPOCH else Phase("", 0.0, 0.0)
        found.append(_progress(text, run, phase))
    if len(found) == 1:
        count = re.search(r"^number of transactions actually processed: (\d{1,15})", text, re.MULTILINE)
        failed = re.search(r"^number of failed transactions: (\d{1,15})", text, re.MULTILINE)
        found[0].summary.requests = int(count[1]) + int(failed[1] if failed else 0) if count else None
        found[0].summary.errors = int(failed[1]) if failed else None
    return found


def _runs(lines: list[re.Match[str]]) -> list[list[re.Match[str]]]:
    """The lines of each run: where the time goes back, another has begun."""
    runs: list[list[re.Match[str]]] = []
    for line in lines:
        if not runs or float(line[1]) <= float(runs[-1][-1][1]):
            runs.append([])
        runs[-1].append(line)
    return runs


def _progress(text: str, run: list[re.Match[str]], phase: Phase) -> Timeline:
    ends = [float(line[1]) for line in run]
    clients = re.findall(r"^number of clients: (\d{1,9})", text, re.MULTILINE)
    usual = ends[1] - ends[0] if len(ends) > 1 else 1.0
    starts = [max(0.0, ends[0] - usual) if ends[0] > _EPOCH else 0.0, *ends[:-1]]
    rows, dropped = [], []
    for line, first, last in zip(run, starts, ends, strict=True):
        at, seconds = round((phase.start + first) * 1000), last - first
        rows.append(
            Row(
                at,
                users=float(clients[0]) if len(set(clients)) == 1 else None,
                throughput=number(line[2]),
                errors=int(line[4]) / seconds if line[4] and seconds else None,
                latency_avg_ms=number(line[3]),
            )
        )
        dropped.append((at, int(line[5] or 0)))
    told = any(line[5] for line in run)
    summary = Summary(
        operation=_OPERATION,
        row_seconds=round(usual, 3),
        dropped=sum(count for _, count in dropped) if told else None,
        dropped_spans=spans(dropped, max(1, round(usual * 1000))),
    )
    return Timeline("pgbench", rows, summary, phase.label)
