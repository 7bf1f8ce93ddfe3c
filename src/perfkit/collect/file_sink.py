"""The local sink: a collection file that is whole up to its last sample, whatever happens."""

from __future__ import annotations

import os
import stat
import zlib

from perfkit import lock
from perfkit.collect.mend import mend
from perfkit.errors import BadInput, Failed, reason

_LEVEL = 6


class FileSink:
    """Appends samples to a collection that it alone holds: created 0600, locked, one write a sample.

    Raises BadInput where the file cannot be this run's, Failed where the disk does not take a sample; then the file is cut back
    to its last whole one.
    """

    def __init__(self, path: str, *, append: bool = False) -> None:
        self.path = path
        self._descriptor = _open(path)
        self.size = _claim(self._descriptor, path, append)
        self.written = self.size  # bytes in all files of the run
        self._deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31) if path.endswith(".gz") else None

    def write(self, sample: bytes) -> None:
        """Add whole lines; they are in the file when this returns."""
        self._append(self._deflater.compress(sample) + self._deflater.flush(zlib.Z_SYNC_FLUSH) if self._deflater else sample)

    def _append(self, data: bytes) -> None:
        try:
            done = os.write(self._descriptor, data)
            while done < len(data):
                done += os.write(self._descriptor, data[done:])
        except OSError as error:
            os.ftruncate(self._descriptor, self.size)
            raise Failed(
                f"{self.path} stays as it is with {self.size} bytes, because it takes no more: {reason(error)}; "
                "make room and go on with --append."
            ) from None
        self.size += len(data)
        self.written += len(data)

    def next_file(self) -> str:
        return ""

    def rotate(self) -> None:
        pass

    def facts(self) -> dict[str, object]:
        return {}

    def close(self) -> None:
        """End the gzip stream, put everything on the disk, and let the file go."""
        try:
            if self._deflater:
                self._append(self._deflater.flush())
            os.fsync(self._descriptor)
        except OSError as error:
            raise Failed(f"{self.path} may lack its last samples after a crash of the machine: {reason(error)}.") from None
        finally:
            os.close(self._descriptor)


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
        return mend(descriptor, gzipped=path.endswith(".gz"))
    except ValueError as error:
        raise BadInput(f"{path} cannot be continued: {error}; choose another file with --collection.") from None
