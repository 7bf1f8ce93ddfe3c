"""The file that a load tool wrote, as text: whatever packs or encodes it, and as far as it goes."""

from __future__ import annotations

import bz2
import codecs
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from perfkit.collection.opening import Opening
from perfkit.errors import BadInput, reason
from perfkit.units import format_bytes

MOST_TEXT = 32 << 30  # bytes of text in one file, unpacked
MOST_WHOLE = 256 << 20  # bytes of an output that must be read in one piece
_HEAD = 1 << 16
_CHUNK = 1 << 20
_LONGEST_LINE = 16 << 20  # characters
_OBJECT = re.compile(r"^\{", re.MULTILINE)
# A text, and how printf() of glibc, of macOS and of Windows write what is no number or beyond all, which JSON does not have.
_NO_NUMBER = re.compile(
    r'"(?:[^"\\]|\\.)*"|[-+]?(?:\bnan(?:\([\w]*\))?|\binf(?:inity)?|\b1\.#(?:IND|[QS]NAN|INF)0*)(?=\s*[,}\]])', re.IGNORECASE
)
_MOST_BROKEN = 100  # objects of one file, after which no more is looked for
_ENDINGS = (".gz", ".bz2", ".xz")


def _open_zip(path: Path) -> IO[bytes]:
    archive = zipfile.ZipFile(path)
    names = [entry for entry in archive.namelist() if not entry.endswith("/")]
    if len(names) != 1:
        raise BadInput(f"{path} is an archive of {len(names)} files; unpack it and give the load tool's own file.")
    return archive.open(names[0])


_PACKED: dict[bytes, Callable[[Path], IO[bytes]]] = {b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open, b"PK\x03\x04": _open_zip}
_FOREIGN = {b"\x28\xb5\x2f\xfd": ("Zstandard", "zstd -d"), b"7z\xbc\xaf\x27\x1c": ("7-Zip", "7z x")}
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


class Output:
    """A load tool's output file; the text is the same however it is packed (gzip, bzip2, xz, a zip of one file) or encoded.

    path   where it lies
    stem   its name without the endings
    first  its first bytes, unpacked
    head   its first 64 KiB as text
    cut    whether it ends within a line or a packed stream, as after a kill; known once `lines`, `text` or `head` have seen the end

    Every method raises BadInput for a file that cannot be read, is empty, or is larger than perfkit reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = False
        self.unread = 0  # lines that were too long, and those that a reader could not use and counted here

    @property
    def stem(self) -> str:
        """The file's name without its endings."""
        name = self.path.name
        for ending in _ENDINGS:
            name = name.removesuffix(ending)
        return name.rsplit(".", 1)[0] or name

    @cached_property
    def first(self) -> bytes:
        found = b""
        for chunk in self._bytes():
            found += chunk
            if len(found) >= _HEAD:
                break
        found = found[:_HEAD]
        if not found.strip(b"\0 \t\r\n") and self._is_blank():
            raise BadInput(f"{self.path} is empty; the load tool has written nothing into it.")
        if found[257:262] == b"ustar":
            raise BadInput(f"{self.path} is an archive; unpack it and give the load tool's own file.")
        return found

    @cached_property
    def head(self) -> str:
        return _clean(self._decoder().decode(self.first))

    def lines(self) -> Iterator[str]:
        """The lines that say something, without their ends. A last line without an end is given too, and `cut` is set."""
        rest, too_long = "", False
        for piece in self._pieces(MOST_TEXT):
            *whole, rest = (rest + piece).split("\n")
            for line in whole:
                if too_long:
                    too_long = False
                elif line and not line.isspace():
                    yield line
            if len(rest) > _LONGEST_LINE:
                rest = ""
                if not too_long:
                    too_long, self.unread = True, self.unread + 1
        if rest.strip():
            self.cut = True
            if not too_long:
                yield rest

    def text(self) -> str:
        """All of it, of at most MOST_WHOLE bytes."""
        return "".join(self._pieces(MOST_WHOLE))

    def _pieces(self, most: int) -> Iterator[str]:
        if not self.first:
            return
        decoder = self._decoder()
        for chunk in self._limited(most):
            yield _clean(decoder.decode(chunk))
        yield _clean(decoder.decode(b"", final=True))

    def _decoder(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder(_encoding(self.first))("replace")

    def _limited(self, most: int) -> Iterator[bytes]:
        size = 0
        for chunk in self._bytes():
            size += len(chunk)
            if size > most:
                raise BadInput(f"{self.path} holds more than {format_bytes(most)} of text; split it by time and import the parts.")
            yield chunk

    def _is_blank(self) -> bool:
        return not any(chunk.strip(b"\0 \t\r\n") for chunk in self._limited(MOST_TEXT))

    def _bytes(self) -> Iterator[bytes]:
        """The unpacked bytes, as far as they go."""
        try:
            with self.path.open("rb") as file:
                magic = file.read(6)
        except OSError as error:
            raise BadInput(f"{self.path} cannot be read: {reason(error)}.") from None
        for mark, (name, cure) in _FOREIGN.items():
            if magic.startswith(mark):
                raise BadInput(f"{self.path} is packed with {name}; unpack it first ({cure}).")
        opener = next((opener for mark, opener in _PACKED.items() if magic.startswith(mark)), None)
        try:
            if opener is None:
                yield from self._plain_or_gzip()
                return
            with opener(self.path) as packed:
                yield from iter(lambda: packed.read(_CHUNK), b"")
        except _BROKEN:
            self.cut = True
        except OSError as error:
            if opener is None:
                raise BadInput(f"{self.path} cannot be read: {reason(error)}.") from None
            self.cut = True  # bz2 says so of a damaged stream

    def _plain_or_gzip(self) -> Iterator[bytes]:
        opening = Opening(self.path)
        yield from opening
        self.cut = self.cut or opening.truncated


def _encoding(first: bytes) -> str:
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(first[:512]) // 2
    for name, zeros in (("utf-16-le", first[1:512:2]), ("utf-16-be", first[0:512:2])):
        if half > 4 and zeros.count(0) > half * 0.8 and first[:512].count(0) < half * 1.2:
            return name
    return "utf-8-sig"


def _clean(text: str) -> str:
    """With one kind of line end, and without the zero bytes that a power cut leaves."""
    return text.replace("\r", "\n").replace("\0", "")


def whole_json(output: Output) -> Iterator[dict[str, Any]]:
    """The JSON objects of `output`, each beginning a line, whatever lies between them; one that is cut off is left out.

    A NaN or an infinity is null.
    """
    text, at, broken, is_mended = output.text(), 0, 0, False
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    while broken < _MOST_BROKEN and (start := _OBJECT.search(text, at)):
        try:
            value, at = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            if is_mended:
                output.cut, broken, at = True, broken + 1, start.end()
            else:
                text, at, is_mended = _NO_NUMBER.sub(_text_or_null, text[start.start() :]), 0, True
        else:
            yield value


def _text_or_null(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else "null"
