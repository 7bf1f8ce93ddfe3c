"""Reads a load tool's output, whichever tool it is of."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from perfkit.errors import BadInput, reason
from perfkit.loadtools import sysbench, tables, wrk
from perfkit.loadtools.start import began
from perfkit.loadtools.timeline import Timeline

_HEAD = 1 << 16
_LONGEST_TEXT = 64 << 20


class _Tool(NamedTuple):
    name: str
    wrote: Callable[[str], bool]  # whether the head of a file is this tool's


_TABLES = (
    _Tool("k6", lambda head: head.startswith("{") and '"metric":' in head and '"type":' in head),
    _Tool("jmeter", lambda head: {"timeStamp", "elapsed"} <= set(head.split("\n", 1)[0].strip().split(","))),
    _Tool("locust", lambda head: head.startswith("Timestamp,User Count,")),
)
_TEXTS: dict[str, Callable[[str, float], Timeline]] = {"sysbench": sysbench.parse, "wrk": wrk.parse}


def read_timeline(path: Path, start: float | None = None) -> Timeline:
    """The timeline in `path`: k6 JSON, JMeter CSV, Locust's stats history, or what sysbench or wrk printed.

    `start` (seconds since the epoch) is when the load began; sysbench and wrk do not say it, and without it it is taken from
    the mark of a collection beside the file (see `start.began`). Raises BadInput where the file is none of these, is empty, or
    does not say when it began.
    """
    head = _head(path)
    for tool in _TABLES:
        if tool.wrote(head):
            return tables.read(tool.name, path)
    for name, words in (("sysbench", "sysbench "), ("wrk", " test @ ")):
        if words in head:
            found = _TEXTS[name](_text(path), _require_start(path, name, start))
            if not found.rows:
                raise BadInput(f"{path} holds no figures; {name} was ended before it printed any.")
            return found
    raise BadInput(_refusal(path, head))


def _require_start(path: Path, tool: str, start: float | None) -> float:
    found = began(path) if start is None else start
    if found is None:
        raise BadInput(f"{tool} does not write when it began; give it with --load-start, or run it behind preflight, which marks it.")
    return found


def _refusal(path: Path, head: str) -> str:
    if head.lstrip().startswith("<"):
        return f"{path} is XML; let JMeter write CSV (-Jjmeter.save.saveservice.output_format=csv)."
    if head.lstrip().startswith("{"):
        return f"{path} is no k6 timeline; let k6 write one with --out json={path.name} (a summary export has no times)."
    return f"{path} is of no load tool known here; k6 JSON, JMeter CSV, Locust stats_history, sysbench and wrk output are."


def _head(path: Path) -> str:
    return _read(path, _HEAD).decode("utf-8", "replace").removeprefix("\ufeff")


def _text(path: Path) -> str:
    return _read(path, _LONGEST_TEXT).decode("utf-8", "replace")


def _read(path: Path, most: int) -> bytes:
    try:
        with (gzip.open if path.name.endswith(".gz") else open)(path, "rb") as file:
            found = file.read(most)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{path} cannot be read: {reason(error) if isinstance(error, OSError) else 'damaged gzip'}.") from None
    if not found.strip():
        raise BadInput(f"{path} is empty; the load tool has written nothing into it.")
    return bytes(found)
