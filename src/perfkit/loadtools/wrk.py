"""What wrk and wrk2 print: figures of the whole run, without a timeline."""

from __future__ import annotations

import re

from perfkit.errors import BadInput
from perfkit.loadtools.timeline import Timeline, row

_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
_SCALE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_LATENCY = re.compile(r"^\s+Latency\s+([\d.]+)(us|ms|s|m|h)\s+\S+\s+([\d.]+)(us|ms|s|m|h)", re.MULTILINE)
_PERCENTILE = re.compile(r"^\s+(50|90|95|99)(?:\.000)?%\s+([\d.]+)(us|ms|s|m|h)$", re.MULTILINE)
_TOTAL = re.compile(r"^\s+(\d+) requests in ([\d.]+)(us|ms|s|m|h),", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)([kMG]?)", re.MULTILINE)
_CONNECTIONS = re.compile(r"threads and (\d+) connections")
_REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_BROKEN = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")


def parse(text: str, start: float) -> Timeline:
    """The run that began at `start` (seconds since the epoch): a row at its start and one at its end, both with its figures.

    Raises BadInput where the closing figures are missing.
    """
    total, rate = _TOTAL.search(text), _RATE.search(text)
    if not total or not rate:
        raise BadInput("wrk's closing figures are missing, so it was interrupted; run it to its end.")
    seconds = float(total[2]) * _MILLISECONDS[total[3]] / 1000
    errors = _errors(text)
    values: dict[str, float | None] = {
        "users": _first(_CONNECTIONS, text),
        "throughput": float(rate[1]) * _SCALE[rate[2]],
        "errors": errors / seconds if seconds else None,
        **_latency(text),
    }
    rows = tuple(row(at * 1000, **values) for at in (start, start + seconds))
    return Timeline("wrk", rows, {"requests": int(total[1]), "errors": int(errors)})


def _latency(text: str) -> dict[str, float]:
    found = {f"latency_p{number}_ms": float(value) * _MILLISECONDS[unit] for number, value, unit in _PERCENTILE.findall(text)}
    overall = _LATENCY.search(text)
    if overall:
        found["latency_avg_ms"] = float(overall[1]) * _MILLISECONDS[overall[2]]
        found["latency_max_ms"] = float(overall[3]) * _MILLISECONDS[overall[4]]
    return found


def _errors(text: str) -> float:
    broken = _BROKEN.search(text)
    return (_first(_REFUSED, text) or 0.0) + (sum(map(int, broken.groups())) if broken else 0)


def _first(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return float(found[1]) if found else None
