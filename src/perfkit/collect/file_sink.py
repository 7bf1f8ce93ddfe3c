"""The local sink: a collection file that is whole up to its last sample, whatever happens."""

from __future__ import annotations

import os
import stat
import zlib

from perfkit.collection import lock
from perfkit.collection.repair import repair
from perfkit.errors import BadInput, Failed, reason

_LEVEL = 8  # 455 bytes a sample where 6 gives 490, for a sixth more of a tenth of a millisecond
# Short matches far back cost more than the digits that they stand for: without them 491 bytes a sample for 510, 15 busy processes among 99.
_STRATEGY = zlib.Z_FILTERED
_ENDINGS = (".json.gz", ".json", ".gz")


class CollectionFile:
    """One collection that this process alone holds: created 0600, locked, one write a sample.

    Raises BadInput where the file cannot be this run's, Failed where the disk does not take a sample; then the file is cut back
    to its last whole one.
    """

    def __init__(self, path: str, *, append: bool = False) -> None:
        self.path = path
        self._descriptor = _open(path)
        try:
            self.size = _claim(self._descriptor, path, append)
        except BadInput:
            os.close(self._descriptor)
            raise
        self._deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31, zlib.DEF_MEM_LEVEL, _STRATEGY) if path.endswith(".gz") else None

    def write(self, lines: bytes) -> None:
        """Add whole lines; they are in the file when this returns."""
        if self._deflater is not None:
            lines = self._deflater.compress(lines) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        self._append(lines)

    def _append(self, data: bytes) -> None:
        try:
            done = os.write(self._descriptor, data)
            while done < len(data):
                done += os.write(self._descriptor, data[done:])
        except OSError as error:
            os.ftruncate(self._descriptor, self.size)
            raise Failed(
                f"{self.path} takes no more ({reason(error)}) and keeps what it has: {self.size} bytes, whole samples; "
                "make room and go on with --append."
            ) from None
        self.size += len(data)

    def close(self) -> None:
        """End the gzip stream, put everything on the disk, and let the file go."""
        try:
            if self._deflater is not None:
                self._append(self._deflater.flush())
            os.fsync(self._descriptor)
        except OSError as error:
            raise Failed(f"{self.path} may lack its last samples if the machine crashes now: {reason(error)}.") from None
        finally:
            os.close(self._descriptor)


class FileSink:
    """A collection that goes on in `NAME-002.json`, `NAME-003.json`, ... when a file has reached `max_size`.

    With `max_files` only so many of this run's files are kept: the oldest are removed.
    """

    def __init__(self, path: str, *, append: bool = False, max_size: int | None = None, max_files: int | None = None) -> None:
        self._file = CollectionFile(path, append=append)
        self._first = path
        self._paths = [path]  # of the files that are kept, oldest first
        self._number = 1
        self._max_size, self._max_files = max_size, max_files
        self._closed_bytes = -self._file.size

    @property
    def written(self) -> int:
        """Bytes that this run has written, in all its files."""
        return self._closed_bytes + self._file.size

    def write(self, lines: bytes) -> None:
        self._file.write(lines)

    def check(self) -> None:
        """A file fails when it is written to, never before."""

    def next_file(self) -> str:
        """Name of the file in which the collection must go on now; "" while there is room in this one."""
        if self._max_size is None or self._file.size < self._max_size:
            return ""
        number = self._number + 1
        while os.path.exists(numbered(self._first, number)):
            number += 1
        return os.path.basename(numbered(self._first, number))

    def rotate(self) -> None:
        """Close the file and go on in `next_file`."""
        following = os.path.join(os.path.dirname(self._first), self.next_file())
        self._file.close()
        self._closed_bytes += self._file.size
        self._file = CollectionFile(following)
        self._paths.append(following)
        self._number += 1
        while self._max_files and len(self._paths) > self._max_files:
            os.unlink(self._paths.pop(0))

    def facts(self) -> dict[str, object]:
        return {}

    def close(self) -> None:
        self._file.close()


def numbered(path: str, number: int) -> str:
    """`run.json` and 2 give `run-002.json`."""
    ending = next((e for e in _ENDINGS if path.endswith(e)), "")
    return f"{path[: len(path) - len(ending)]}-{number:03d}{ending}"


def _open(path: str) -> int:
    """A descriptor of the regular file `path`, created if it is missing; a symbolic link is never created through."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        try:
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            descriptor = os.open(path, flags)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {reason(error)}; choose another file with --collection.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadInput(f"{path} is not a regular file; choose another with --collection.")
    return descriptor


def _claim(descriptor: int, path: str, append: bool) -> int:
    """Lock the file and return its size, mended for appending; BadInput if it is another's."""
    try:
        if not lock.acquire(descriptor):
            raise BadInput(f"process {lock.holder_of(descriptor)} is recording into {path}; choose another file with --collection.")
    except OSError as error:
        raise BadInput(f"cannot lock {path}: {reason(error)}; choose a file on another file system with --collection.") from None
    size = os.fstat(descriptor).st_size
    if size and not append:
        raise BadInput(f"{path} exists; choose another file with --collection, or continue this one with --append.")
    if not size:
        return 0
    try:
        return repair(descriptor, gzipped=path.endswith(".gz"))
    except ValueError as error:
        raise BadInput(f"{path} cannot be continued: {error}; choose another file with --collection.") from None
