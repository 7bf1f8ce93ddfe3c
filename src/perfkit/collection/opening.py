"""The text of a file, however people packed it: gzip, xz, bzip2, a byte order mark, UTF-16; and what a file is that is none of these.

Target tier: standard library, Python 3.9.
"""

from __future__ import annotations

import bz2
import codecs
import lzma
import os
import sys

from perfkit.collection.gzip import MAGIC as GZIP_MAGIC
from perfkit.collection.gzip import Inflater

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Union

    Pathish = Union[str, "os.PathLike[str]"]

PLAIN, GZIP, ZSTD = "plain", "gzip", "zstd"
XZ, BZIP2, BOM, UTF_16 = "xz", "bzip2", "byte order mark", "UTF-16"
TAR, ZIP, SEVEN_ZIP = "tar", "zip", "7z"
ARCHIVES = (TAR, ZIP, SEVEN_ZIP)
_CHUNK = 1 << 20
_HEAD = 512  # bytes; a tar archive names itself at 257
_MOST_LAYERS = 4


def kind_of(head: bytes) -> str:
    """What a file that begins with `head` (512 bytes of it, if it has so many) is."""
    for magic, kind in _MAGICS:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return TAR
    # JSON in UTF-16 without its mark: every other byte of the ASCII that it begins with is zero.
    if len(head) >= 4 and (head[:4:2] == b"\0\0") != (head[1:4:2] == b"\0\0") and b"\0" in head[:2]:
        return UTF_16
    return PLAIN


_MAGICS = (
    (GZIP_MAGIC, GZIP),
    (b"\xfd7zXZ\x00", XZ),
    (b"BZh", BZIP2),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (codecs.BOM_UTF8, BOM),
    (codecs.BOM_UTF16_LE, UTF_16),
    (codecs.BOM_UTF16_BE, UTF_16),
    (b"PK\x03\x04", ZIP),
    (b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP),
)


MARK_WITHIN = b"\n" + codecs.BOM_UTF8
"""A byte order mark where a line begins."""


class Opening:
    """The bytes of `path` as UTF-8 text, unpacked; iterate once.

    With `marks`, byte order marks within the text stay.

    layers     what was taken off, the outermost first: ["gzip"], ["gzip", "byte order mark"]; complete after the first chunk
    truncated  whether it ends within a compressed stream, or a part of one was damaged; complete after the iteration
    """

    def __init__(self, path: Pathish, *, marks: bool = False) -> None:
        self.path, self._marks = path, marks
        self.layers: list[str] = []
        self.truncated = False

    def __iter__(self) -> Iterator[bytes]:
        """Chunks of text. OSError passes through; what this cannot unpack comes as it is, and then `layers` ends with its kind."""
        with open(self.path, "rb") as file:
            chunks: Iterator[bytes] = iter(lambda: file.read(_CHUNK), b"")
            for _ in range(_MOST_LAYERS):
                head, chunks = _peeked(chunks)
                kind = kind_of(head)
                if kind == PLAIN:
                    break
                self.layers.append(kind)
                unpack = self._unpackers().get(kind)
                if unpack is None:
                    break
                chunks = unpack(chunks)
            yield from chunks if self._marks else _without_marks(chunks)

    def _unpackers(self) -> dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]]:
        found: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
            GZIP: self._gunzip,
            XZ: self._unxz,
            BZIP2: self._bunzip,
            BOM: _without_mark,
            UTF_16: _from_utf_16,
        }
        if sys.version_info >= (3, 14):
            found[ZSTD] = self._unzstd
        return found

    def _gunzip(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        inflater = Inflater(salvage=True)
        for data in chunks:
            yield from inflater.feed(data)
        self.truncated = self.truncated or inflater.damaged or inflater.within

    def _unxz(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        return self._streams(chunks, lzma.LZMADecompressor, lzma.LZMAError)

    def _bunzip(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        return self._streams(chunks, bz2.BZ2Decompressor, OSError)

    def _unzstd(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]

        return self._streams(chunks, zstd.ZstdDecompressor, zstd.ZstdError)

    def _streams(self, chunks: Iterator[bytes], make: Callable[[], object], damage: type[Exception]) -> Iterator[bytes]:
        """Decompressed streams, one after the other, up to the first damage."""
        stream = make()
        within = False
        for chunk in chunks:
            data = chunk
            while data:
                within = True
                try:
                    yield stream.decompress(data)  # type: ignore[attr-defined]
                except damage:
                    self.truncated = True
                    return
                if not stream.eof:  # type: ignore[attr-defined]
                    break
                data = stream.unused_data.lstrip(b"\0")  # type: ignore[attr-defined]
                stream, within = make(), False
        self.truncated = self.truncated or within


def layers_of(path: Pathish) -> list[str]:
    """What has to be taken off before the text of `path` can be read, the outermost first. OSError passes through."""
    opening = Opening(path)
    next(iter(opening), b"")
    return opening.layers


def _peeked(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all of them again."""
    begun: list[bytes] = []
    size = 0
    for chunk in chunks:
        begun.append(chunk)
        size += len(chunk)
        if size >= _HEAD:
            break
    first = b"".join(begun)

    def again() -> Iterator[bytes]:
        if first:
            yield first
        yield from chunks

    return first[:_HEAD], again()


def _without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    yield first[len(codecs.BOM_UTF8) :]
    yield from chunks


def _without_marks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Without the byte order marks of files that were put together into one."""
    rest = b""
    for chunk in chunks:
        text = (rest + chunk).replace(MARK_WITHIN, b"\n")
        held = next((n for n in (3, 2, 1) if text.endswith(MARK_WITHIN[:n])), 0)
        text, rest = text[: len(text) - held], text[len(text) - held :]
        if text:
            yield text
    if rest:
        yield rest


def _from_utf_16(chunks: Iterator[bytes]) -> Iterator[bytes]:
    decoder = None
    for chunk in chunks:
        if decoder is None:
            marked = chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            name = "utf-16" if marked else "utf-16-be" if chunk[:1] == b"\0" else "utf-16-le"
            decoder = codecs.getincrementaldecoder(name)("replace")
        yield decoder.decode(chunk).encode("utf-8", "replace")
