"""The collection: its format, its lock, and what mends one that a crash cut off.

Target tier: standard library, Python 3.9, and light to import, because the sampling loop itself imports it.
"""

from perfkit.collection.choose import newest
from perfkit.collection.format import (
    END,
    MARK,
    MARK_KINDS,
    MAX_LINE,
    PROCESS,
    SELF,
    SESSION,
    VERSION,
    Line,
    Reader,
    decode,
    encode,
    encode_json,
    escape,
    line_head,
    line_template,
    looks_like,
    to_json,
)

__all__ = [
    "END",
    "MARK",
    "MARK_KINDS",
    "MAX_LINE",
    "PROCESS",
    "SELF",
    "SESSION",
    "VERSION",
    "Line",
    "Reader",
    "decode",
    "encode",
    "encode_json",
    "escape",
    "line_head",
    "line_template",
    "looks_like",
    "newest",
    "to_json",
]
