"""What a URL asks for: each parameter read by one parser, so that an odd value is a sentence and never an internal error."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl

from perfkit.errors import BadInput

LONGEST = 4000
MOST_VALUES = 200
# Milliseconds of 1 January 2200: anything later in a URL is a mistake, and too large for SQLite's integers soon after.
_LATEST = 7_258_118_400_000
_DIGITS = 9
_INSTANT_DIGITS = 13
# Parameters of Datasette's own pages that are numbers, of which it does not check all.
_NUMBERS_OF_DATASETTE = ("_ttl", "_timelimit", "_facet_size", "_size")


class Parameters(Mapping[str, str]):
    """The parameters of a request's URL; as a mapping, the text of each name, which is given once.

    Every method raises BadInput, with the parameter's name and what it may be, for a value that is not one.
    """

    def __init__(self, request: Any) -> None:
        self._values: dict[str, list[str]] = {name: list(request.args.getlist(name)) for name in request.args}

    def __getitem__(self, name: str) -> str:
        first, *others = self._values[name]
        if any(other != first for other in others):
            raise BadInput(f"{name} is given {len(others) + 1} times, with different values; give it once.")
        return _text(name, first)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def texts(self, name: str) -> list[str]:
        """Every value of a parameter that may be given several times; at most MOST_VALUES."""
        values = self._values.get(name, [])
        if len(values) > MOST_VALUES:
            raise BadInput(f"{name} is given {len(values)} times; give it at most {MOST_VALUES} times.")
        return [_text(name, value) for value in values]

    def names(self, name: str) -> tuple[str, ...] | None:
        """The texts between commas; None where the parameter is missing."""
        return tuple(part for part in self[name].split(",") if part) if name in self else None

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number; one beyond `least` or `most` counts as these. `default` where the parameter is missing."""
        return min(max(_number(name, self[name], least, most), least), most) if name in self else default

    def width(self, name: str, step: int, most: int) -> int | None:
        """A bucket's width: 0, or a multiple of `step` up to `most`. None where the parameter is missing."""
        if name not in self:
            return None
        found = _number(name, self[name], 0, most)
        if found % step or found > most:
            raise BadInput(f"{name} {found} is not a bucket's width; use 0, or a multiple of {step} up to {most} (milliseconds).")
        return found

    def instant(self, name: str) -> int | None:
        """Milliseconds since the epoch; None where the parameter is missing or empty."""
        return instant(self[name]) if self.get(name) else None


def instant(text: str) -> int:
    """Milliseconds since the epoch of "1768077305000" or "2026-01-10T20:35:05Z" (UTC where no zone is given); else BadInput."""
    if text.isascii() and text.isdigit() and len(text) <= _INSTANT_DIGITS:
        return min(int(text), _LATEST)
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        milliseconds = int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadInput(f"{_shown(text)} is not a time; write 2026-01-10T20:35:05Z or milliseconds since 1970.") from None
    return min(max(milliseconds, 0), _LATEST)


def check_datasette(query: str) -> None:
    """Raises BadInput for a parameter of Datasette's own pages that Datasette would fall over."""
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in _NUMBERS_OF_DATASETTE and value not in ("", "max"):
            _number(name, value, 0, 10**_DIGITS - 1)


def _number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise BadInput(f"{name} {_shown(text)} is not a number from {least} to {most}.")
    return int(text)


def _text(name: str, value: str) -> str:
    if len(value) > LONGEST:
        raise BadInput(f"{name} is longer than {LONGEST} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise BadInput(f"{name} {_shown(value)} contains a control character.")
    return value


def _shown(text: str) -> str:
    return repr(text[:40])
