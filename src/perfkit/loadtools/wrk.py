"""What wrk and wrk2 print: figures of the whole run, without a timeline."""

from __future__ import annotations

import re

from perfkit.errors import BadInput
from perfkit.loadtools.marks import Piece, Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.timeline import Summary, Timeline, level

BANNER = re.compile(r"^Running \S+ test @ ", re.MULTILINE)
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
_SCALE = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_TIME = r"(\d{1,9}(?:\.\d+)?)(us|ms|s|m|h)"
_LATENCY = re.compile(rf"^\s+Latency\s+{_TIME}\s+\S+\s+{_TIME}", re.MULTILINE)
_PERCENTILE = re.compile(rf"^\s+(50|90|95|99)(?:\.000)?%\s+{_TIME}\s*$", re.MULTILINE)
_TOTAL = re.compile(r"^\s+(\d{1,15}) requests in " + _TIME + ",", re.MULTILINE)
_RATE = re.compile(r"^Requests/sec:\s+(\d{1,15}(?:\.\d+)?)([kMG]?)", re.MULTILINE)
_CONNECTIONS = re.compile(r"threads? and (\d{1,9}) connections?")
_REFUSED = re.compile(r"Non-2xx or 3xx responses: (\d{1,15})")
_BROKEN = re.compile(r"Socket errors: connect (\d{1,15}), read (\d{1,15}), write (\d{1,15}), timeout (\d{1,15})")
_UNCORRECTED = "Uncorrected Latency"  # wrk2 -U: as if the generator had never been late


def read(output: Output, start: Start) -> list[Timeline]:
    """Each run in the output: a row at its start and one at its end, both with its figures. Of wrk2 the recorded latency counts.

    Raises BadInput where the closing figures are missing, and where it is unknown when each run began.
    """
    text = output.text()
    at = [found.start() for found in BANNER.finditer(text)]
    runs = [text[first:last] for first, last in zip(at, [*at[1:], len(text)], strict=True)]
    whole = [run for run in runs if _seconds(run) is not None]
    if not whole:
        raise BadInput(f"{output.path} lacks wrk's closing figures, so it was interrupted; run it to its end.")
    began = start.of_each("wrk", [Piece(_seconds(run)) for run in runs])
    found = [_run(run, phase.start, phase.label) for run, phase in zip(runs, began, strict=True) if run in whole]
    if len(whole) < len(runs):
        found[0].summary.notes.append(f"{len(runs) - len(whole)} of the {len(runs)} runs in it were interrupted and have no figures.")
    return found


def _seconds(run: str) -> float | None:
    total = _TOTAL.search(run)
    return float(total[2]) * _MILLISECONDS[total[3]] / 1000 if total and _RATE.search(run) else None


def _run(text: str, start: float, label: str) -> Timeline:
    total, rate, seconds = _TOTAL.search(text), _RATE.search(text), _seconds(text) or 0.0
    errors = _errors(text)
    rows = level(
        start,
        seconds,
        users=_first(_CONNECTIONS, text),
        throughput=float(rate[1]) * _SCALE[rate[2]] if rate else None,
        errors=errors / seconds if seconds else None,
        **_latency(text.partition(_UNCORRECTED)[0]),
    )
    return Timeline("wrk", rows, Summary(requests=int(total[1]) if total else None, errors=int(errors)), label)


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
