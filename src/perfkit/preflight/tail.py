"""A collection read while it grows: what is in it already, then every line as it arrives."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from perfkit.collection import MAX_LINE

# Of a longer file only the first and the last part are read: the session, and enough of the recent past.
HEAD_BYTES = 1 << 20
TAIL_BYTES = 64 << 20
_CHUNK = 1 << 16


class Tail:
    """The lines of a growing file, plain or gzip; a line counts once its newline is there.

    `skipped` is how many bytes in the middle of a long plain file were not read, `size` how many bytes of the file were seen.
    Raises OSError as open() does; a damaged gzip stream ends the reading and sets `damaged`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb", buffering=0)
        self._inflate = zlib.decompressobj(wbits=31) if path.name.endswith(".gz") else None
        self._rest = b""
        self._inside_a_line = False
        self.size = 0
        self.skipped = 0
        self.damaged = False

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()

    def replaced(self) -> bool:
        """Whether the name no longer leads to the file that was opened, or that file has become shorter."""
        ours = os.fstat(self.fileno())
        try:
            named = self.path.stat()
        except OSError:
            return True
        return (ours.st_dev, ours.st_ino) != (named.st_dev, named.st_ino) or ours.st_size < self.size

    def read(self) -> list[bytes]:
        """The whole lines that arrived since the last call, without their newlines."""
        lines: list[bytes] = []
        while True:
            self._skip_the_middle()
            chunk = self._file.read(_CHUNK)
            if not chunk:
                return lines
            self.size += len(chunk)
            lines += self._split(self._plain(chunk))

    def _skip_the_middle(self) -> None:
        ahead = os.fstat(self.fileno()).st_size - self.size
        if self._inflate is None and self.size >= HEAD_BYTES and ahead > 2 * TAIL_BYTES:
            self.skipped += ahead - TAIL_BYTES
            self.size += ahead - TAIL_BYTES
            self._file.seek(self.size)
            self._rest = b""
            self._inside_a_line = True

    def _plain(self, chunk: bytes) -> bytes:
        if self._inflate is None:
            return chunk
        plain = b""
        try:
            while chunk:
                plain += self._inflate.decompress(chunk)
                chunk = self._inflate.unused_data
                if chunk:
                    self._inflate = zlib.decompressobj(wbits=31)
        except zlib.error:
            self.damaged = True
        return plain

    def _split(self, plain: bytes) -> list[bytes]:
        *whole, self._rest = (self._rest + plain).split(b"\n")
        if self._inside_a_line and whole:
            del whole[0]
            self._inside_a_line = False
        if len(self._rest) > MAX_LINE:
            whole.append(self._rest)
            self._rest = b""
        return whole
