"""The text of a file, however people packed it: gzip, xz, bzip2, a byte order mark, UTF-16; and what a file is that is none of these.

Target tier: standard library, Python 3.9.
"""

from __future__ import annotations

import codecs
import os
import re
from functools import partial
from itertools import chain

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
    encoding, mark = _encoding_of(head)
    return UTF_16 if encoding != _UTF_8 else BOM if mark else PLAIN


_MAGICS = (
    (GZIP_MAGIC, GZIP),
    (b"\xfd7zXZ\x00", XZ),
    (b"BZh", BZIP2),
    (b"\x28\xb5\x2f\xfd", ZSTD),
    (b"PK\x03\x04", ZIP),
    (b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP),
)


_UTF_8, _LITTLE, _BIG = "utf-8", "utf-16-le", "utf-16-be"
_MARKS = ((codecs.BOM_UTF8, _UTF_8), (codecs.BOM_UTF16_LE, _LITTLE), (codecs.BOM_UTF16_BE, _BIG))
# Where in a text of each encoding a line begins that has a byte order mark, or is of another encoding: files that were put together,
# as by PowerShell's >>. Lines begin with ASCII; so much of it in UTF-8 is no text of another script in UTF-16.
_ANY_MARK, _CHARACTER = rb"\xef\xbb\xbf|\xff\xfe|\xfe\xff", rb"[\x09-\x7e]"
_ANOTHER_BEGINS = {
    _UTF_8: re.compile(rb"\n(?=%b|(?:%b\0){2}|(?:\0%b){2})" % (_ANY_MARK, _CHARACTER, _CHARACTER)),
    _LITTLE: re.compile(rb"\n\0(?=%b|%b{16})" % (_ANY_MARK, _CHARACTER)),
    _BIG: re.compile(rb"\0\n(?=%b|%b{16})" % (_ANY_MARK, _CHARACTER)),
}
_AHEAD = 20  # bytes; more than such a place has


class Opening:
    """The bytes of `path` as UTF-8 text, unpacked, whatever its parts are encoded in; iterate once.

    layers     what was taken off, the outermost first: ["gzip"], ["gzip", "byte order mark"]; complete after the first chunk
    truncated  whether it ends within a compressed stream, or a part of one was damaged; complete after the iteration
    mixed      whether a line within it has a byte order mark, or is of another encoding; complete after the iteration
    """

    def __init__(self, path: Pathish) -> None:
        self.path = path
        self.layers: list[str] = []
        self.truncated = self.mixed = False

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
                if kind in (BOM, UTF_16):
                    break
                unpack = self._unpacker_of(kind)
                if unpack is None:
                    yield from chunks
                    return
                chunks = unpack(chunks)
            yield from self._as_utf_8(chunks)

    def _unpacker_of(self, kind: str) -> Callable[[Iterator[bytes]], Iterator[bytes]] | None:
        """What unpacks `kind`; None where nothing here does: a Python may be built without bz2 or lzma, and zstd came with 3.14."""
        try:
            if kind == XZ:
                import lzma

                return partial(self._streams, make=lzma.LZMADecompressor, damage=lzma.LZMAError)
            if kind == BZIP2:
                import bz2

                return partial(self._streams, make=bz2.BZ2Decompressor, damage=OSError)
            if kind == ZSTD:
                from compression import zstd  # type: ignore[import-not-found,unused-ignore]

                return partial(self._streams, make=zstd.ZstdDecompressor, damage=zstd.ZstdError)
        except ImportError:
            return None
        return self._gunzip if kind == GZIP else None

    def _as_utf_8(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        head, chunks = _peeked(chunks)
        encoding, at = _encoding_of(head)
        decode = _decoder_of(encoding)
        data = b""
        for chunk in chain(chunks, (None,)):
            data += chunk or b""
            while found := _ANOTHER_BEGINS[encoding].search(data, at):
                yield decode(data[at : found.end()])
                encoding, mark = _encoding_of(data[found.end() : found.end() + _AHEAD])
                at, decode, self.mixed = found.end() + mark, _decoder_of(encoding), True
            whole = len(data) if chunk is None else at + max(0, len(data) - _AHEAD - at) // 2 * 2  # no character is cut in two
            if whole > at:
                yield decode(data[at:whole])
            data, at = data[whole:], 0

    def _gunzip(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        inflater = Inflater(salvage=True)
        for data in chunks:
            yield from inflater.feed(data)
        self.truncated = self.truncated or inflater.damaged or inflater.within

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


def _encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding of a text that begins with `head`, and how many bytes its byte order mark has."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    # UTF-16 without a mark: every other byte of the ASCII that it begins with is zero.
    if len(head) >= 4 and (head[:4:2] == b"\0\0") != (head[1:4:2] == b"\0\0") and b"\0" in head[:2]:
        return (_BIG if head[0] == 0 else _LITTLE), 0
    return _UTF_8, 0


def _decoder_of(encoding: str) -> Callable[[bytes], bytes]:
    """What makes UTF-8 of the parts of a text, one after the other."""
    if encoding == _UTF_8:
        return bytes
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return lambda data: decoder.decode(data).encode("utf-8", "replace")
