"""fio: its JSON (--output-format=json or json+, best with --status-interval), and its logs of iops, latency and bandwidth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice, pairwise
from typing import Any

from perfkit.errors import BadInput
from perfkit.loadtools.marks import Piece, Start
from perfkit.loadtools.output import Output, whole_json
from perfkit.loadtools.requests import LoadTool, ToolReport, gather
from perfkit.loadtools.timeline import MOST_ROWS, Row, Summary, Timeline, figure, level, number

LOG_LINE = re.compile(r"\d+, *\d+, *[012], *\d+(?:, *\d+)*\s*$", re.MULTILINE)
_LOG_NAME = re.compile(r"_(bw|iops|lat|clat|slat)(?:\.\d+)?\.log(?:\.(?:gz|xz|bz2))?$")
_DIRECTIONS = ("read", "write", "trim")
_PERCENTILES = (0.5, 0.9, 0.95, 0.99)
_EPOCH = 1e11  # ms; a log's time that is larger counts since the epoch (--log_unix_epoch=1)
_OPERATION = "I/O"
_ALL_CLIENTS = "All clients"  # what fio --client calls the sum of its machines
_TOGETHER = 0.9  # of its time that a group ran alone, at least, if it is said to have run after another
_Line = tuple[float, float, int, float]  # of a log: time in ms, value, direction, bytes of the I/O


@dataclass
class _Counts:
    """What all jobs have done so far, in all directions; ms."""

    at: float = 0.0  # since the epoch
    runtime: float = 0.0
    begun: float | None = None
    done: float = 0.0
    errors: float | None = None
    measured: float = 0.0
    latency: float = 0.0  # the sum
    longest: float = 0.0
    bins: dict[float, float] | None = field(default_factory=dict)  # latency: how many; None where a job has not said it (json, not json+)
    percentiles: dict[float, float] | None = None  # of all, where only one job and direction did anything
    jobs: int = 0
    ended: float = 0.0  # since the epoch, of the last job; 0 where `begun` is None
    name: str = ""  # of its first job
    elapsed: float | None = None  # since fio began
    groups: list[_Counts] = field(default_factory=list)  # the same of each group of jobs, where there are several


def read_json(output: Output, start: Start) -> list[Timeline]:
    """One snapshot is a level over the whole run; those of --status-interval are a row for each interval. Latency is completion latency.

    Percentiles of an interval, and of several jobs or directions, need the bins of json+. Groups of jobs that ran one after the other
    (`stonewall`) are a run each.
    """
    counts, odd = [], ""
    for value in whole_json(output):
        try:
            counts.append(_counts(value))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            odd, output.unread = f"{type(error).__name__}: {error}", output.unread + 1
    if odd and not counts:
        raise BadInput(f"{output.path} is not as fio writes it ({odd}); let it write again.")
    if not counts:
        raise BadInput(f"{output.path} holds no whole result of fio, which was ended before it wrote one; let fio run to its end.")
    runs: list[list[_Counts]] = []
    for now in sorted(counts, key=lambda one: one.at):
        if runs and now.done >= runs[-1][-1].done and now.at - now.runtime < runs[-1][-1].at:
            runs[-1].append(now)
        else:
            runs.append([now])
    found = [timeline for snapshots in runs for timeline in _timelines(snapshots, start)]
    found[0].summary.unread, found[-1].summary.cut = output.unread, output.cut
    return found


def _counts(value: dict[str, Any]) -> _Counts:
    at = figure(value["timestamp_ms"]) if "timestamp_ms" in value else figure(value["timestamp"]) * 1000
    counts, groups = _Counts(at), dict[int, _Counts]()
    for job in _jobs(value):
        _add(counts, job)
        _add(groups.setdefault(job.get("groupid", 0), _Counts(at)), job)
    counts.groups = list(groups.values()) if len(groups) > 1 else []
    return counts


def _jobs(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The jobs; with --client those of all machines, without their sum."""
    if "jobs" in value:
        return list(value["jobs"])
    return [one for one in value["client_stats"] if one.get("jobname") != _ALL_CLIENTS]


def _add(counts: _Counts, job: dict[str, Any]) -> None:
    runtimes = [figure(job[direction]["runtime"]) for direction in _DIRECTIONS if direction in job]
    runtime = figure(job.get("job_runtime", max(runtimes, default=0.0)))
    counts.runtime = max(counts.runtime, runtime)
    counts.name = counts.name or str(job.get("jobname", ""))
    counts.elapsed = number(job.get("elapsed"))
    if "job_start" in job:
        begun = figure(job["job_start"])
        counts.begun = begun if counts.begun is None else min(counts.begun, begun)
        counts.ended = max(counts.ended, begun + runtime)
    if "total_err" in job:
        counts.errors = (counts.errors or 0) + figure(job["total_err"])
    for direction in _DIRECTIONS:
        done: dict[str, Any] = job.get(direction, {})
        if not done.get("total_ios"):
            continue
        counts.jobs += 1
        counts.done += figure(done["total_ios"])
        unit, times = _completion(done)
        number_of = figure(times.get("N", 0))
        counts.measured += number_of
        counts.latency += number_of * figure(times.get("mean", 0.0)) * unit
        counts.longest = max(counts.longest, figure(times.get("max", 0.0)) * unit)
        bins = times.get("bins")
        if counts.bins is None or not bins:
            counts.bins = None
        else:
            for took, many in bins.items():
                counts.bins[figure(took) * unit] = counts.bins.get(figure(took) * unit, 0) + figure(many)
        told = {float(name) / 100: figure(took) * unit for name, took in times.get("percentile", {}).items()}
        counts.percentiles = told if counts.jobs == 1 else None


def _completion(done: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """How long what was done took: the unit in ms, and fio's figures. Total latency where completion was not measured; us before fio 3."""
    for name, unit in (("clat_ns", 1e-6), ("lat_ns", 1e-6), ("clat", 1e-3), ("lat", 1e-3)):
        times = {"N": done["total_ios"], **done.get(name, {})}  # fio 2 does not say N
        if times["N"] and times.get("mean"):
            return unit, times
    return 1.0, {}


def _timelines(snapshots: list[_Counts], start: Start) -> list[Timeline]:
    """The runs whose state each of `snapshots` tells, in the order of time."""
    last = snapshots[-1]
    if len(snapshots) > 1:
        return [_rows(snapshots)]
    if not _in_turn(last):
        return [_level(last, last.at - last.runtime if last.begun is None else last.begun)]
    if all(group.begun is not None for group in last.groups):
        return [_level(group, group.begun or 0.0, group.name) for group in last.groups]
    began = start.of_each("fio", [Piece(group.runtime / 1000) for group in last.groups])
    return [_level(group, phase.start * 1000, phase.label) for group, phase in zip(last.groups, began, strict=True)]


def _in_turn(counts: _Counts) -> bool:
    """Whether groups of jobs ran one after the other, so that their rates must not be added up; yes where fio does not say."""
    if not counts.groups:
        return False
    alone = sum(group.runtime for group in counts.groups)
    if all(group.begun is not None for group in counts.groups):
        return max(group.ended for group in counts.groups) - min(group.begun or 0.0 for group in counts.groups) > _TOGETHER * alone
    return counts.elapsed is None or (counts.elapsed + 1) * 1000 > _TOGETHER * alone  # whole seconds


def _level(counts: _Counts, begun: float, label: str = "") -> Timeline:
    """What a snapshot says, from `begun` (ms since the epoch) on."""
    seconds = (counts.runtime if counts.begun is None else counts.ended - counts.begun) / 1000
    return Timeline("fio", level(begun / 1000, seconds, **_figures(_Counts(begun), counts, seconds)), _summary(counts), label)


def _summary(counts: _Counts) -> Summary:
    return Summary(round(counts.done), None if counts.errors is None else round(counts.errors), _OPERATION)


def _rows(snapshots: list[_Counts]) -> Timeline:
    """A row for what was done between each snapshot and the one before it."""
    last = snapshots[-1]
    begun = last.begun if last.begun is not None else snapshots[0].at - snapshots[0].runtime
    summary = _summary(last)
    rows, before = [], _Counts(begun)
    for now in snapshots:
        if now.at > before.at:
            rows.append(Row(round(before.at), **_figures(before, now, (now.at - before.at) / 1000)))
            before = now
    summary.row_seconds = round((last.at - snapshots[0].at) / 1000 / (len(snapshots) - 1), 1)
    return Timeline("fio", rows, summary)


def _figures(before: _Counts, now: _Counts, seconds: float) -> dict[str, float | None]:
    """What was done between two snapshots."""
    measured = now.measured - before.measured
    is_first = not before.done
    return {
        "throughput": (now.done - before.done) / seconds if seconds else None,
        "errors": (now.errors - (before.errors or 0)) / seconds if now.errors is not None and seconds else None,
        "latency_avg_ms": (now.latency - before.latency) / measured if measured else None,
        "latency_max_ms": now.longest if measured and (is_first or now.longest > before.longest) else None,
        **_percentiles(before, now),
    }


def _percentiles(before: _Counts, now: _Counts) -> dict[str, float | None]:
    """Those of what was done between two snapshots, as exact as fio's bins; of the whole run as fio tells them."""
    names = {share: f"latency_p{share * 100:.0f}_ms" for share in _PERCENTILES}
    if before.bins is None or not now.bins:
        told = now.percentiles if now.percentiles and not before.done else {}
        return {name: told.get(share) for share, name in names.items()}
    bins = sorted((took, many - before.bins.get(took, 0)) for took, many in now.bins.items())
    found: dict[str, float | None] = dict.fromkeys(names.values())
    total, so_far = sum(many for _, many in bins), 0.0
    for took, many in bins:
        so_far += many
        for share, name in names.items():
            if found[name] is None and many and so_far >= share * total:
                found[name] = took
    return found


def read_log(output: Output, start: Start) -> list[Timeline]:
    """A log that fio wrote with --write_iops_log, --write_lat_log or --write_bw_log: its name says which, as fio named it.

    Without --log_avg_msec it has a line per I/O; with it, a mean per stretch and direction.
    """
    named = _LOG_NAME.search(output.path.name)
    if named is None:
        raise BadInput(f"{output.path} is a log of fio, but its name does not say of what; name it as fio did, such as NAME_iops.1.log.")
    kind = named[1]
    if kind == "slat":
        raise BadInput(f"{output.path} has submission latencies, a part of each I/O; give the _lat or _clat log next to it.")
    lines = _log_lines(output)
    first = next(lines, None)
    if first is None:
        raise BadInput(f"{output.path} holds no whole line; fio was ended before it wrote one.")
    began = 0.0 if first[0] > _EPOCH else start.of_one("fio") * 1000
    if first[3]:
        return gather(output, LoadTool("fio", (_OPERATION,)), _single(kind, began, chain((first,), lines)))
    if kind == "bw":
        raise BadInput(f"{output.path} has a bandwidth without the size of an I/O; give the _iops log next to it.")
    return [_averages(output, kind, began, [first, *islice(lines, MOST_ROWS)])]


def _log_lines(output: Output) -> Iterator[_Line]:
    for line in output.lines():
        cells = [number(cell) for cell in line.split(",")] if LOG_LINE.match(line) else []
        at, value, direction, size = cells[:4] if len(cells) >= 4 else (None,) * 4
        if at is None or value is None or direction is None or size is None:
            output.unread += 1
            continue
        yield at, value, int(direction), size


def _single(kind: str, began: float, lines: Iterable[_Line]) -> Iterator[ToolReport]:
    for at, value, _, _ in lines:
        yield ToolReport(began + at, 0, operations=1, latency=value / 1e6 if kind in ("lat", "clat") else None)


def _averages(output: Output, kind: str, began: float, lines: list[_Line]) -> Timeline:
    """A row per stretch: rates of jobs and directions add up; the mean of their latencies is unknown, as their numbers are not said."""
    if len(lines) > MOST_ROWS:
        raise BadInput(f"{output.path} holds more than {MOST_ROWS:,} lines; let fio average over longer stretches (--log_avg_msec).")
    width = _stretch([at for at, *_ in lines])
    found: dict[int, list[float]] = {}
    for at, value, *_ in lines:
        found.setdefault(round(at / width), []).append(value)
    rows = [
        Row(
            round(began + (step - 1) * width),  # a line is written at the end of its stretch
            throughput=sum(values) if kind == "iops" else None,
            latency_avg_ms=values[0] / 1e6 if kind != "iops" and len(values) == 1 else None,
        )
        for step, values in sorted(found.items())
    ]
    if all(row.throughput is None and row.latency_avg_ms is None for row in rows):
        raise BadInput(f"{output.path} has a latency per direction and no count; let fio write json+ with --status-interval=1 instead.")
    return Timeline("fio", rows, Summary(operation=_OPERATION, row_seconds=width / 1000, unread=output.unread, cut=output.cut))


def _stretch(times: list[float]) -> float:
    """The ms between two lines of one job and direction: lines of others follow within a few."""
    if 0 < times[0] < _EPOCH:
        return times[0]
    steps = sorted(later - at for at, later in pairwise(times) if later > at)
    return max(1.0, steps[int(0.95 * len(steps))]) if steps else 1000.0
