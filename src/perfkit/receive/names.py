"""From what a client calls itself to a name that is safe on disk."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from perfkit.receive.refusal import Refused

MAX_IDENTIFIER = 200
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.]+")


def check_identifier(value: object) -> str:
    """`value`, if it may name a collector: 1 to 200 printable characters. Raises Refused (400) otherwise."""
    if not isinstance(value, str) or not value.strip():
        raise Refused(400, "identifier is missing: send the name of the collector as a non-empty text.")
    if len(value) > MAX_IDENTIFIER:
        raise Refused(400, f"identifier is longer than {MAX_IDENTIFIER} characters.")
    if any(unicodedata.category(character).startswith("C") for character in value):
        raise Refused(400, "identifier contains a control or unassigned character.")
    return value


def slug(identifier: str) -> str:
    """At most 60 letters, digits, `-`, `_` and `.` that resemble `identifier`; never empty, hidden or a way up."""
    return _NOT_PLAIN.sub("-", identifier)[:60].strip("-.") or "unnamed"


def folder_name(identifier: str) -> str:
    """The folder of `identifier`: its slug, made unique by 10 hexadecimal digits of its SHA-256."""
    return f"{slug(identifier)}-{hashlib.sha256(identifier.encode()).hexdigest()[:10]}"


def day_file(identifier: str, day: str) -> str:
    """Path, relative to the folder of all collections, of the collection of `identifier` on `day` ("2026-01-31")."""
    return f"{folder_name(identifier)}/{slug(identifier)}-{day}.json"
