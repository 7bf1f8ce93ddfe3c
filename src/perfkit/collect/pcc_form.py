"""`--format pcc`: the lines as the Go collector pcc writes them, for its own programs to read.

pcc knows three keys of a line and none of perfkit's own subsystems. So the sampled lines are cut to those keys, perfkit's own are left
out, and marks go into a file next to the collection.
"""

from __future__ import annotations

import re

from perfkit.collect.marks import append_marks
from perfkit.collection import MARK

_KEYS = re.compile(rb'^(\{"timestamp":\d+),"nanosecond":\d+,"monotonic":[\d.]+(,"subsystem":")', re.MULTILINE)
_OURS = re.compile(rb'^[^\n]*?,"subsystem":"perfkit/[^\n]*\n', re.MULTILINE)
_MARK = b',"subsystem":"%b",' % MARK.encode()


class PccForm:
    """Turns lines of perfkit into pcc's; marks among them are written into the file `marks`."""

    def __init__(self, marks: str) -> None:
        self._marks = marks

    def __call__(self, lines: bytes) -> bytes:
        """The lines in pcc's form; b"" if none of them is of its kind. Raises Failed where marks cannot be written."""
        if b',"subsystem":"perfkit/' in lines:
            marks = b"".join(line for line in _OURS.findall(lines) if _MARK in line)
            if marks:
                append_marks(self._marks, marks)
            lines = _OURS.sub(b"", lines)
        return _KEYS.sub(rb"\1\2", lines)
