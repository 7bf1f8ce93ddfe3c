"""JMeter's results as CSV (.jtl): a row per sample."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from perfkit.loadtools.marks import Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.requests import NEW_SECTION, STARVED, LoadTool, ToolReport, epoch_ms, gather
from perfkit.loadtools.timeline import Timeline

_DELIMITERS = ",;\t|"
_OWN_DELIMITER = re.compile(r'[#\ufeff]*"?timeStamp"?([^\w"\n])"?elapsed\b')
_EXCEL = re.compile(r'\ufeff?"?sep=.?"?\s*$')  # a first line that tells Excel what separates the columns
_LONGEST_SAMPLE = 1 << 20  # characters; a longer row has lost its closing quote
_TRANSACTION = "Number of samples in transaction :"  # how a transaction controller's row begins its responseMessage
_TOOL = LoadTool(
    "jmeter",
    operations=("request", "transaction"),
    tells=("starved",),
    untimed="let JMeter write times in ms with -Jjmeter.save.saveservice.timestamp_format=ms",
)
_TRUTH = {"true": 0, "false": 1}
_NEEDED = ("timeStamp", "elapsed", "success", "responseMessage")
_DIGITS = 15  # of a number that is believed

# JMeter's columns where it was told to write no header (jmeter.save.saveservice.print_field_names=false), by their number: 3.x to 5.x.
_PLAIN = "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage"
_THREADS = f"{_PLAIN},bytes,sentBytes,grpThreads,allThreads"
_HEADERLESS = {16: f"{_THREADS},Latency,IdleTime,Connect", 17: f"{_THREADS},URL,Latency,IdleTime,Connect"}
_FIRST_ROW = re.compile(r"(?:\d{13}|\d{4}[-/.]\d\d[-/.]\d\d[ T]\d\d:\d\d:\d\d[.\d]*)([,;\t|])\d+\1.*\1(?:true|false)\1", re.IGNORECASE)

_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[ T](\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d:?\d\d)?")


@dataclass
class _Columns:
    """Where each column stands in a row, and how a row begins."""

    delimiter: str
    at: Mapping[str, int]

    def __post_init__(self) -> None:
        d = re.escape(self.delimiter)
        time = rf'(?:"[^"]*"|\d[^{d}"]*)'
        ahead = rf"(?:[^{d}]*{d}){{{self.at['timeStamp']}}}"
        elapsed = rf'{d}\s*"?-?\d+"?\s*(?:{d}|$)' if self.at["elapsed"] == self.at["timeStamp"] + 1 else d
        self._begins = re.compile(rf"{ahead}\s*{time}\s*{elapsed}")
        self._cell = re.compile(rf'(?:"((?:[^"]|"")*)"(?={d}|$)|([^{d}]*))(?:{d}|$)', re.DOTALL)
        self.width = len(self.at)
        self.time, self.elapsed, self.success, self.message = (self.at.get(name, -1) for name in _NEEDED)
        self.samples, self.errors, self.threads = (self.at.get(name, -1) for name in ("SampleCount", "ErrorCount", "allThreads"))

    def begins(self, line: str) -> bool:
        return self._begins.match(line) is not None

    def split(self, sample: str) -> list[str]:
        if '"' not in sample:
            return sample.split(self.delimiter)
        cells, at = [], 0
        while at <= len(sample):
            found = self._cell.match(sample, at)
            if found is None:
                break
            cells.append(found[2] if found[1] is None else found[1].replace('""', '"'))
            if found.end() == len(sample):
                break
            at = found.end()
        return cells


def header(line: str) -> _Columns | None:
    """The columns that `line` names, if it is JMeter's header; jmeter.save.saveservice.default_delimiter may be any character."""
    own = _OWN_DELIMITER.match(line)
    for delimiter in (own[1] if own else "") + _DELIMITERS:
        names = [name.strip().strip('"').strip() for name in line.lstrip("#\ufeff").split(delimiter)]
        if {"timeStamp", "elapsed"} <= set(names):
            return _Columns(delimiter, {name: at for at, name in reversed(list(enumerate(names)))})
    return None


def is_jmeter(head: str) -> bool:
    """Whether a file that begins so holds JMeter's samples as CSV, with a header or without."""
    first = next((line for line in head.split("\n") if line.strip() and not _EXCEL.match(line)), "")
    return header(first) is not None or _FIRST_ROW.match(first) is not None


def read(output: Output, start: Start) -> list[Timeline]:
    """The samples of all threads; those of transaction controllers alone where there are no others.

    Times that are written as dates without a zone are taken as UTC, or from `start` on where that is given.
    """
    clock = _Clock(start.given)
    found = gather(output, _TOOL, _reports(output, clock))
    if clock.has_no_zone:
        taken = "as UTC; move them with --load-start" if start.given is None else "from --load-start on"
        found[0].summary.notes.append(f"its times are dates without a zone, taken {taken}.")
    return found


def _reports(output: Output, clock: _Clock) -> Iterator[ToolReport]:
    columns: _Columns | None = None
    for sample, new in _samples(output):
        if isinstance(new, _Columns):
            if columns is not None:
                yield NEW_SECTION
            columns = new
        if columns is None or sample is None:
            continue
        report = _report(columns, columns.split(sample), clock)
        if report is None:
            output.unread += 1
        else:
            yield report


def _samples(output: Output) -> Iterator[tuple[str | None, _Columns | None]]:
    """(a sample, None) and (None, the columns of what follows): a quoted cell may hold line ends, so a sample may be several lines.

    A line that begins as a sample does is one, even if the sample before it has lost its closing quote.
    """
    columns: _Columns | None = None
    held: str | None = None
    for line in output.lines():
        if columns is None:
            if _EXCEL.match(line):
                continue
            named = header(line)
            columns = named or _headerless(line)
            if columns is None:
                output.unread += 1
                continue
            yield None, columns
            if named:
                continue
        if columns.begins(line):
            if held is not None:
                yield held, None
            held = line
        elif (new := header(line)) is not None:
            if held is not None:
                yield held, None
            held, columns = None, new
            yield None, new
        elif held is not None and held.count('"') % 2 and len(held) + len(line) < _LONGEST_SAMPLE:
            held = f"{held}\n{line}"
        else:
            output.unread += 1
    if held is not None:
        yield held, None


def _headerless(line: str) -> _Columns | None:
    found = _FIRST_ROW.match(line)
    if found is None:
        return None
    cells = _Columns(found[1], {"timeStamp": 0, "elapsed": 1}).split(line)
    if len(cells) in _HEADERLESS:
        return _Columns(found[1], {name: at for at, name in enumerate(_HEADERLESS[len(cells)].split(","))})
    success = next(at for at, cell in enumerate(cells) if cell.lower() in _TRUTH)
    return _Columns(found[1], {"timeStamp": 0, "elapsed": 1, "responseMessage": 4, "success": success})


def _report(columns: _Columns, cells: list[str], clock: _Clock) -> ToolReport | None:
    """What one sample says; None where it is cut off or mutilated."""
    ended, took = clock.ms(_cell(cells, columns.time)), _count(_cell(cells, columns.elapsed))
    failed = _TRUTH.get(_cell(cells, columns.success).lower())
    if ended is None or took is None or (failed is None and (columns.success >= 0 or len(cells) < columns.width)):
        return None
    samples = 1 if columns.samples < 0 else _count(_cell(cells, columns.samples))
    if not samples or samples < 0:
        return None
    errors = None if columns.errors < 0 else _count(_cell(cells, columns.errors))
    return ToolReport(
        ended if samples > 1 or took < 0 else ended + took,  # JMeter stamps a row that stands for several with the end of the last
        1 if _cell(cells, columns.message).startswith(_TRANSACTION) else 0,
        samples,
        failed if errors is None else errors,
        took / samples if took >= 0 else None,  # and adds up their times
        samples,
        users=None if columns.threads < 0 else _count(_cell(cells, columns.threads)),
        starved=1 if failed and STARVED.search("\n".join(cells)) else None,
    )


def _cell(cells: list[str], at: int) -> str:
    return cells[at].strip() if 0 <= at < len(cells) else ""


def _count(text: str) -> int | None:
    return int(text) if len(text) <= _DIGITS and text.removeprefix("-").isdecimal() else None


class _Clock:
    """Reads timeStamp: ms or seconds since the epoch, or a date."""

    def __init__(self, given: float | None) -> None:
        self._given = given
        self._shift: timedelta | None = None
        self.has_no_zone = False

    def ms(self, text: str) -> float | None:
        """Milliseconds since the epoch; 0 for a time that does not exist, and None for what is not written as a time."""
        if text.isdecimal():
            return epoch_ms(float(text[:30])) or 0.0
        found = _DATE.fullmatch(text)
        if found is None:
            return 0.0 if re.search(r"\d[:/. -]\d", text) else None  # another form of time, in which days and months may change places
        try:
            instant = datetime(*map(int, found.group(1, 2, 3, 4, 5, 6)), tzinfo=timezone.utc)  # type: ignore[misc,arg-type]  # six numbers
        except ValueError:
            return None
        instant += timedelta(seconds=float(f"0.{found[7] or 0}"))
        if found[8]:
            return (instant - _offset(found[8])).timestamp() * 1000
        self.has_no_zone = True
        if self._given is not None and self._shift is None:
            self._shift = datetime.fromtimestamp(self._given, timezone.utc) - instant
        return (instant + (self._shift or timedelta())).timestamp() * 1000


def _offset(zone: str) -> timedelta:
    if zone == "Z":
        return timedelta()
    minutes = int(zone[1:3]) * 60 + int(zone[-2:])
    return timedelta(minutes=minutes if zone[0] == "+" else -minutes)
