"""Inflating gzip: several members one after the other, bounded pieces, and what can be saved of a damaged stream.

Target tier: standard library, Python 3.9.
"""

from __future__ import annotations

import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"\x1f\x8b\x08"
_PIECE = 1 << 20  # bytes


class Inflater:
    """Inflates the members of a gzip stream as it arrives. Zero bytes behind a member are padding.

    within    whether what was fed so far ends within a member
    members   how many have ended; beyond `most_members` feed raises zlib.error, because each takes a while, however short it is
    damaged   whether a part could not be inflated; with `salvage` the inflating then goes on at the next member, and a line end
              stands for the part that is lost
    """

    def __init__(self, *, salvage: bool = False, most_members: int | None = None) -> None:
        self.within = False
        self.members = 0
        self._most_members = most_members
        self.damaged = False
        self._salvage = salvage
        self._member = zlib.decompressobj(31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The text of `data` in pieces of at most 1 MiB, so that the caller may stop in time; damage raises zlib.error unless salvaged."""
        pending = False
        while data or pending:
            if not self.within:
                data = data.lstrip(b"\0")
                if not data:
                    return
            self.within = True
            try:
                piece = self._member.decompress(data, _PIECE)
            except zlib.error:
                self.damaged = True
                if not self._salvage:
                    raise
                at = data.find(MAGIC, 1)
                data, pending = data[at:] if at >= 0 else b"", False
                self._member, self.within = zlib.decompressobj(31), bool(data)
                yield b"\n"
                continue
            if piece:
                yield piece
            if self._member.eof:
                data, pending = self._member.unused_data, False
                self._member, self.within = zlib.decompressobj(31), False
                self.members += 1
                if self._most_members is not None and self.members > self._most_members:
                    raise zlib.error(f"more than {self._most_members} members")
            else:
                data, pending = self._member.unconsumed_tail, len(piece) == _PIECE
