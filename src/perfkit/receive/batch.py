"""What a trickle body may say: bytes in, a machine and checked lines out. Pure: no clock, no disk, no socket."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

import orjson

from perfkit.catalog import DEFAULT_SITE
from perfkit.receive.request import Refused

LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z
LONGEST_UPTIME = 10_000_000_000
"""Seconds of the monotonic clock, some 300 years: no machine runs longer, and larger numbers leave what 64 bits hold."""
MAX_SUBSYSTEM = 200
MAX_IDENTIFIER = 200
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.]+")
_REQUIRED = frozenset(("timestamp", "subsystem", "measurement"))
_WRITTEN = ("timestamp", "nanosecond", "monotonic", "subsystem", "measurement")


class SiteMachine(NamedTuple):
    """Who was recorded. Two sites may each have a machine of the same identifier: everything is kept by both."""

    site: str
    identifier: str

    @classmethod
    def of(cls, identifier: str, site: str | None) -> SiteMachine:
        """The machine of a key without a site is one of the default site, as in the database."""
        return cls(site or DEFAULT_SITE, identifier)

    def folder(self) -> str:
        """Its folder's name: what is readable of it, made unique by 16 hexadecimal digits of a SHA-256.

        Names that differ only in case or in Unicode form, or that only look alike, have different folders on every file system.
        """
        if self.site == DEFAULT_SITE:
            return f"{slug(self.identifier)}-{_digest(self.identifier)}"
        return f"{slug(self.identifier)}-{slug(self.site)}-{_digest(chr(0).join(self))}"

    def day_file(self, day: str) -> str:
        """Path, relative to the folder of all collections, of its collection of `day` ("2026-01-31")."""
        return f"{self.folder()}/{slug(self.identifier)}-{day}.json"

    def __str__(self) -> str:
        return repr(self.identifier) if self.site == DEFAULT_SITE else f"{self.identifier!r} of site {self.site!r}"


def check_name(value: object, what: str = "identifier") -> str:
    """`value`, if it may name a machine or a site: 1 to 200 printable characters. Raises Refused (400), which names `what`, otherwise."""
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, f"{what} is missing: send the name as a non-empty text.")
    if len(value) > MAX_IDENTIFIER:
        raise Refused(400, f"{what} is longer than {MAX_IDENTIFIER} characters.")
    if any(unicodedata.category(character).startswith("C") for character in value):
        raise Refused(400, f"{what} contains a control or unassigned character.")
    return value


def slug(name: str) -> str:
    """At most 60 letters, digits, `-`, `_` and `.` that resemble `name`; never empty, hidden or a way up."""
    return _NOT_PLAIN.sub("-", name)[:60].strip("-.") or "unnamed"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


class ReceivedLine(NamedTuple):
    """One measurement: when it was taken (seconds, nanosecond), of what, and its line as it is stored, without newline."""

    instant: tuple[int, int]
    subsystem: str
    text: bytes


class ReceivedBatch(NamedTuple):
    """One request's measurements, in the order they came."""

    identifier: str
    lines: list[ReceivedLine]


def parse_batch(body: bytes, max_lines: int) -> ReceivedBatch:
    """The batch that `body`, `{"identifier": ..., "measurements": [...]}`, holds; null counts as an empty list, as Go sends it.

    Each measurement is written again with the keys of the collection format alone, in one order, so that equal
    measurements are equal bytes. Raises Refused: 400 for what is not such a body, 413 for more than `max_lines` measurements.
    """
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"the body is not JSON: {error}.") from None
    if not isinstance(message, dict):
        raise Refused(400, 'the body is not an object with "identifier" and "measurements".')
    identifier = check_name(message.get("identifier"))
    measurements = message.get("measurements", [])
    if measurements is None:
        measurements = []
    if not isinstance(measurements, list):
        raise Refused(400, "measurements is not a list.")
    if len(measurements) > max_lines:
        raise Refused(413, f"{len(measurements)} measurements in one batch; send at most {max_lines}.")
    return ReceivedBatch(identifier, [_line(record, number) for number, record in enumerate(measurements)])


def _line(record: object, number: int) -> ReceivedLine:
    wrong = _fault(record)
    if wrong or not isinstance(record, dict):
        raise Refused(400, f"measurements[{number}]: {wrong}.")
    text = orjson.dumps({key: record[key] for key in _WRITTEN if key in record})
    return ReceivedLine((record["timestamp"], record.get("nanosecond", 0)), record["subsystem"], text)


def _fault(record: object) -> str | None:
    if not isinstance(record, dict) or not record.keys() >= _REQUIRED:
        return "not an object with timestamp, subsystem and measurement"
    return next((f"{key} is not {meant}" for key, (meant, is_so) in _VALUES.items() if key in record and not is_so(record[key])), None)


def _is_whole(value: object, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= largest


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= LONGEST_UPTIME


_VALUES: dict[str, tuple[str, Callable[[object], bool]]] = {
    "timestamp": ("whole seconds since 1970", lambda value: _is_whole(value, LAST_SECOND)),
    "nanosecond": ("0 to 999999999", lambda value: _is_whole(value, 999_999_999)),
    "monotonic": (f"seconds, at most {LONGEST_UPTIME}", _is_seconds),
    "subsystem": (f"a text of 1 to {MAX_SUBSYSTEM} characters", lambda value: isinstance(value, str) and 0 < len(value) <= MAX_SUBSYSTEM),
    "measurement": ("a text", lambda value: isinstance(value, str)),
}
