"""Logs with a line per request: hey, oha, vegeta, ab and h2load."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import orjson

from perfkit.errors import BadInput
from perfkit.loadtools.marks import Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.requests import NEW_SECTION, STARVED, LoadTool, ToolReport, gather, iso_ms
from perfkit.loadtools.timeline import Timeline, figure, number

HEY = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read"
OHA = "request-start,"
AB = "starttime\tseconds\tctime\tdtime\tttime\twait"
VEGETA = re.compile(r"\d{16,19},\d{1,3},\d+,\d+,\d+,")
H2LOAD = re.compile(r"\d{16}\t-?\d+\t\d+\s*$", re.MULTILINE)
_HEY_KEEPS = 1_000_000  # results; hey forgets the others
_FAILED = 400  # the first status that is an error


class _Columns(NamedTuple):
    """How a table of requests names what it says; seconds, counted from the start of the run."""

    start: str
    took: str
    status: str


_OFFSETS = {"hey": _Columns("offset", "response-time", "status-code"), "oha": _Columns("request-start", "request-duration", "status")}


def read_hey(output: Output, start: Start) -> list[Timeline]:
    """hey -o csv: requests that got an answer; hey leaves the others out of its file, and keeps the first million."""
    if "offset" not in output.head.split("\n", 1)[0]:
        raise BadInput(f"{output.path} does not say when its requests began; hey writes that from version 0.1.3 on (-o csv).")
    found = _read_offsets("hey", output, start)
    if found[0].summary.requests == _HEY_KEEPS:
        found[0].summary.requests = found[0].summary.errors = None
        found[0].summary.notes.append("hey keeps a million results, so what came after them is not in the file.")
    return found


def read_oha(output: Output, start: Start) -> list[Timeline]:
    """oha --output-format csv: requests that got an answer; oha leaves the others out of its file."""
    return _read_offsets("oha", output, start)


def _read_offsets(tool: str, output: Output, start: Start) -> list[Timeline]:
    began = start.of_one(tool) * 1000
    return gather(output, LoadTool(tool), _offsets(tool, output, began))


def _offsets(tool: str, output: Output, began: float) -> Iterator[ToolReport]:
    names, at = _OFFSETS[tool], dict[str, int]()
    for line in output.lines():
        cells = line.split(",")
        if names.took in cells:
            if at:
                raise BadInput(f"{output.path} holds several runs of {tool}, which does not write when each began; give each its own file.")
            at = {name: position for position, name in enumerate(cells)}
            if not set(names) <= set(at):
                raise BadInput(f"{output.path} lacks a column ({', '.join(sorted(set(names) - set(at)))}); let {tool} write it again.")
            continue
        offset, took, status = (number(cells[at[name]]) if len(cells) == len(at) else None for name in names)
        if offset is None or took is None or status is None:
            output.unread += 1
        else:
            yield ToolReport(began + (offset + took) * 1000, 0, operations=1, errors=int(status >= _FAILED), latency=took * 1000)


def read_ab(output: Output, _start: Start) -> list[Timeline]:
    """ab -g: the requests that were completed. It says whole seconds, and nothing of errors."""
    return gather(output, LoadTool("ab"), _ab(output))


def _ab(output: Output) -> Iterator[ToolReport]:
    begun = False
    for line in output.lines():
        cells = line.split("\t")
        if line.startswith(AB):
            if begun:
                yield NEW_SECTION
            begun = True
            continue
        second, took = (number(cells[1]), number(cells[4])) if len(cells) == AB.count("\t") + 1 else (None, None)
        if second is None or took is None:
            output.unread += 1
        else:
            yield ToolReport(second * 1000 + took, 0, operations=1, latency=took)


def read_h2load(output: Output, _start: Start) -> list[Timeline]:
    """h2load --log-file: start in us, status (-1 where the stream failed), and how many us it took."""
    return gather(output, LoadTool("h2load"), _h2load(output))


def _h2load(output: Output) -> Iterator[ToolReport]:
    for line in output.lines():
        cells = line.split("\t")
        begun, status, took = map(number, cells) if len(cells) == 3 else (None, None, None)
        no_status = len(cells) == 3 and cells[1] == "-1"
        if begun is None or took is None or (status is None and not no_status):
            output.unread += 1
        else:
            failed = status is None or status >= _FAILED
            yield ToolReport((begun + took) / 1000, 0, operations=1, errors=int(failed), latency=took / 1000)


def is_vegeta_json(head: str) -> bool:
    """Whether a file that begins so is what `vegeta encode` writes."""
    first = head.lstrip().split("\n", 1)[0]
    return first.startswith("{") and all(f'"{name}":' in head for name in ("seq", "code", "timestamp", "latency", "bytes_in"))


def read_vegeta_json(output: Output, _start: Start) -> list[Timeline]:
    """vegeta encode: JSON lines, times in ns."""
    return _read_vegeta(output, _vegeta_json)


def read_vegeta_csv(output: Output, _start: Start) -> list[Timeline]:
    """vegeta encode --to csv: times in ns, no header."""
    return _read_vegeta(output, _vegeta_csv)


class _Hit(NamedTuple):
    begun: float | None  # ms since the epoch
    took: float  # ms
    status: float
    error: str


def _read_vegeta(output: Output, parse: Callable[[str], _Hit | None]) -> list[Timeline]:
    def reports() -> Iterator[ToolReport]:
        for line in output.lines():
            hit = parse(line)
            if hit is None:
                output.unread += 1
                continue
            failed = bool(hit.error) or not 200 <= hit.status < _FAILED  # as vegeta's own report counts
            yield ToolReport(
                None if hit.begun is None else hit.begun + hit.took,
                rank=0,
                operations=1,
                errors=int(failed),
                latency=hit.took,
                starved=1 if failed and STARVED.search(hit.error) else None,
            )

    return gather(output, LoadTool("vegeta", tells=("starved",)), reports())


def _vegeta_json(line: str) -> _Hit | None:
    try:
        hit = orjson.loads(line)
        return _Hit(iso_ms(hit["timestamp"]), figure(hit["latency"]) / 1e6, figure(hit["code"]), str(hit.get("error") or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _vegeta_csv(line: str) -> _Hit | None:
    try:
        cells = next(csv.reader([line]))
    except (csv.Error, StopIteration):
        return None
    took, status = (number(cells[2]), number(cells[1])) if len(cells) >= 9 else (None, None)
    return None if took is None or status is None else _Hit(iso_ms(cells[0]), took / 1e6, status, cells[5])
