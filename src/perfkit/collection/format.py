"""The collection format: one measurement a line, NDJSON, plain or gzip.

    {"timestamp":1768077305,"nanosecond":12,"monotonic":81.5,"subsystem":"/proc/loadavg","measurement":"0.00 ..."}

Target tier: standard library, Python 3.9, and light to import, because the sampling loop itself imports it.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Union

    Pathish = Union[str, "os.PathLike[str]"]

VERSION = 1  # of the format; `perfkit/session` carries it, and a reader refuses a newer one

SESSION = "perfkit/session"
MARK = "perfkit/mark"
SELF = "perfkit/self"
END = "perfkit/end"
PROCESS = "perfkit/process"

MARK_KINDS = ("start", "end", "point")

MAX_LINE = 16 << 20  # bytes; a longer line is damage, not a measurement

# What may stand between quotes in JSON as it is, and the newline, whose escape is the only one that kernel text needs; JSON text
# within JSON needs two more.
_PLAIN = bytes(c for c in range(0x20, 0x7F) if c not in b'"\\') + b"\n"
_QUOTED = b'"\\'


class Line:
    """One measurement: its time, its subsystem and the kernel's text.

    `nanosecond` and `monotonic` are None in collections of other collectors.
    """

    __slots__ = ("measurement", "monotonic", "nanosecond", "subsystem", "timestamp")

    def __init__(self, timestamp: int, nanosecond: int | None, monotonic: float | None, subsystem: str, measurement: str) -> None:
        self.timestamp = timestamp
        self.nanosecond = nanosecond
        self.monotonic = monotonic
        self.subsystem = subsystem
        self.measurement = measurement

    @property
    def wall(self) -> float:
        """Seconds since the epoch, with what fraction is known."""
        return self.timestamp + (self.nanosecond or 0) / 1e9

    def json(self) -> Any:
        """The measurement of a `perfkit/*` or container line as an object; ValueError if it is not one."""
        return loads(self.measurement)

    def __repr__(self) -> str:
        return f"Line({self.timestamp}, {self.nanosecond}, {self.monotonic}, {self.subsystem!r}, {len(self.measurement)} characters)"


def loads(text: str | bytes) -> Any:
    """JSON from outside. Raises ValueError for what is not JSON, and for what is nested deeper than any useful line."""
    import json

    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def escape(text: bytes) -> bytes:
    """`text` as it stands between the quotes of a JSON string; bytes that are no UTF-8 become U+FFFD."""
    special = text.translate(None, _PLAIN)
    if not special:
        return text.replace(b"\n", b"\\n")
    if not special.translate(None, _QUOTED):
        return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    import json

    return json.dumps(text.decode("utf-8", "replace")).encode()[1:-1]


def line_head(timestamp: int, nanosecond: int) -> bytes:
    """How every line of one sample begins."""
    return b'{"timestamp":%d,"nanosecond":%d,"monotonic":' % (timestamp, nanosecond)


def line_template(subsystem: str) -> bytes:
    """A line, newline included, for bytes % (its `line_head`, monotonic, escaped measurement)."""
    quoted = escape(subsystem.encode()).replace(b"%", b"%%")
    return b'%b%.6f,"subsystem":"' + quoted + b'","measurement":"%b"}\n'


def encode(timestamp: int, nanosecond: int, monotonic: float, subsystem: str, measurement: bytes) -> bytes:
    """One line of a collection, newline included."""
    return line_template(subsystem) % (line_head(timestamp, nanosecond), monotonic, escape(measurement))


def encode_json(timestamp: int, nanosecond: int, monotonic: float, subsystem: str, value: dict[str, Any]) -> bytes:
    """A line whose measurement is JSON text, as in every `perfkit/*` subsystem."""
    return encode(timestamp, nanosecond, monotonic, subsystem, to_json(value))


def to_json(value: Any) -> bytes:
    """The shortest JSON text of `value`, in ASCII."""
    import json

    return json.dumps(value, separators=(",", ":")).encode()


def decode(line: bytes) -> Line:
    """The measurement in one line; unknown keys are ignored.

    Raises ValueError where it is not a JSON object with an integer `timestamp` and the texts `subsystem` and `measurement`.
    """

    found = loads(line)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 (a line is good or not)
    timestamp, subsystem, measurement = found.get("timestamp"), found.get("subsystem"), found.get("measurement")
    nanosecond, monotonic = found.get("nanosecond"), found.get("monotonic")
    if type(timestamp) is not int or not isinstance(subsystem, str) or not isinstance(measurement, str):
        raise ValueError("no timestamp, subsystem or measurement")
    if not (nanosecond is None or type(nanosecond) is int) or not (monotonic is None or type(monotonic) in (int, float)):
        raise ValueError("nanosecond or monotonic is not a number")
    return Line(timestamp, nanosecond, monotonic, subsystem, measurement)


class Reader:
    """The lines of a collection in order, however it is packed (see opening.py), whatever state it is in; memory stays small.

    Damage never raises: `damaged` counts unreadable lines, `first_damaged` is the number of the first (from 1), `truncated` says
    that the file ends within a line or a gzip stream, as after a crash (that line is not counted as damaged), `lines` counts all.
    They are complete once the iteration has ended. OSError passes through.
    """

    def __init__(self, path: Pathish) -> None:
        self.path = path
        self.lines = 0
        self.damaged = 0
        self.first_damaged: int | None = None
        self.truncated = False

    def __iter__(self) -> Iterator[Line]:
        from perfkit.collection.opening import Opening  # the collecting process writes, and need not know how files are packed

        opening = Opening(self.path)
        for raw in self._split(iter(opening)):
            self.lines += 1
            try:
                yield decode(raw)
            except (ValueError, RecursionError):
                self._damage()
        self.truncated = self.truncated or opening.truncated

    def _damage(self) -> None:
        self.damaged += 1
        self.first_damaged = self.first_damaged or self.lines

    def _split(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Whole lines; a last one without newline counts only if it is valid."""
        rest = b""
        for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line for line in whole if line.strip())
            if len(rest) > MAX_LINE:
                rest = rest[:1]  # keeps the line damaged, and the memory small
        if rest.strip():
            yield from self._last(rest)

    def _last(self, rest: bytes) -> Iterator[bytes]:
        try:
            decode(rest)
        except (ValueError, RecursionError):
            self.truncated = True
        else:
            yield rest


def looks_like(path: Pathish) -> bool:
    """Whether the file's first whole line is a measurement; False where it cannot be read."""
    try:
        return next(iter(Reader(path)), None) is not None
    except OSError:
        return False
