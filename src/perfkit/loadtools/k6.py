"""k6's points, as JSON lines (--out json=FILE) or CSV (--out csv=FILE)."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from perfkit.loadtools.marks import Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.requests import NEW_SECTION, STARVED, LoadTool, ToolReport, gather, iso_ms
from perfkit.loadtools.timeline import Timeline, number

_TOOL = LoadTool("k6", operations=("request", "message", "iteration"), tells=("dropped", "starved"))
_NAME = re.compile(r'"metric":\s*"([^"]*)"')
_DECLARES = re.compile(r'"type":\s*"Metric"')
_KIND = re.compile(r'"type":\s*"(?:Point|Metric)"')
_CSV_HEADER = "metric_name,timestamp,metric_value"

Tags = Callable[[str], str]  # the value of a tag, "" if the point has none


def _request(at: float | None, value: float, _tags: Tags) -> ToolReport:
    return ToolReport(at, 0, operations=round(value))


def _duration(at: float | None, value: float, _tags: Tags) -> ToolReport:
    return ToolReport(at, 0, latency=value)


def _failed(at: float | None, value: float, tags: Tags) -> ToolReport:
    return ToolReport(at, 0, errors=int(value > 0), starved=1 if value > 0 and STARVED.search(tags("error")) else None)


def _grpc(at: float | None, value: float, tags: Tags) -> ToolReport:
    """A call: k6 counts none, and says its gRPC status, 0 for good."""
    status = tags("status")
    return ToolReport(at, 0, operations=1, errors=int(status != "0") if status else None, latency=value)


def _browser(at: float | None, value: float, _tags: Tags) -> ToolReport:
    return ToolReport(at, 0, operations=1, latency=value)


def _message(at: float | None, value: float, _tags: Tags) -> ToolReport:
    return ToolReport(at, 1, operations=round(value))


def _iteration(at: float | None, value: float, _tags: Tags) -> ToolReport:
    return ToolReport(at, 2, operations=1, latency=value)


# What each of k6's metrics says; the others say nothing of throughput, latency or errors of operations.
_METRICS: dict[str, Callable[[float | None, float, Tags], ToolReport]] = {
    "http_reqs": _request,
    "http_req_duration": _duration,
    "http_req_failed": _failed,
    "grpc_req_duration": _grpc,
    "browser_http_req_duration": _browser,
    "browser_http_req_failed": _failed,
    "ws_msgs_sent": _message,
    "grpc_streams_msgs_sent": _message,
    "iteration_duration": _iteration,
    "vus": lambda at, value, _tags: ToolReport(at, users=value),
    "dropped_iterations": lambda at, value, _tags: ToolReport(at, dropped=round(value)),
}


def is_json(head: str) -> bool:
    """Whether a file that begins so holds k6's points as JSON lines."""
    return any(line.lstrip().startswith("{") and _NAME.search(line) and _KIND.search(line) for line in head.split("\n"))


def is_csv(head: str) -> bool:
    """Whether a file that begins so holds k6's points as CSV."""
    return head.lstrip().replace('"', "").startswith(_CSV_HEADER)


def read_json(output: Output, _start: Start) -> list[Timeline]:
    """The run in JSON lines. Lines that k6's console printed among them are passed over."""
    return gather(output, _TOOL, _json_reports(output))


def read_csv(output: Output, _start: Start) -> list[Timeline]:
    """The run in CSV; k6 writes its times in whole seconds unless K6_CSV_TIME_FORMAT says otherwise."""
    return gather(output, _TOOL, _csv_reports(output))


def _json_reports(output: Output) -> Iterator[ToolReport]:
    declared: set[str] = set()
    points = False
    for line in output.lines():
        named = _NAME.search(line)
        name = named[1] if named else None
        if name is not None and _DECLARES.search(line):
            if points and name in declared:  # k6 declares each metric once: a second k6 has written into the same file
                yield NEW_SECTION
                declared, points = set(), False
            declared.add(name)
        elif name in _METRICS:
            report = _json_point(name, line)
            points = True
            if report is not None:
                yield report
            else:
                output.unread += 1
        elif name is None and line.startswith("{"):
            output.unread += 1


def _json_point(name: str, line: str) -> ToolReport | None:
    try:
        data = orjson.loads(line)["data"]
        at, value = iso_ms(data["time"]), number(data["value"])
        tags: dict[str, Any] = data.get("tags") or {}
        return None if value is None else _METRICS[name](at, value, lambda tag: str(tags.get(tag, "")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _csv_reports(output: Output) -> Iterator[ToolReport]:
    at: dict[str, int] = {}
    for line in output.lines():
        cells = _cells(line)
        if cells[:3] == _CSV_HEADER.split(","):
            if at:
                yield NEW_SECTION
            at = {name: position for position, name in enumerate(cells)}
        elif cells[0] in _METRICS:
            value = number(cells[2]) if len(cells) == len(at) else None
            if value is None:
                output.unread += 1
            else:
                yield _METRICS[cells[0]](iso_ms(cells[1]), value, _tag_of(cells, at))


def _tag_of(cells: list[str], at: dict[str, int]) -> Tags:
    return lambda tag: cells[at[tag]] if tag in at else ""


def _cells(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line]), [""])
    except csv.Error:
        return [""]
