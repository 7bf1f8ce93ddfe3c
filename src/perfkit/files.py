"""Files and folders that are there whole or not at all, and still there after a power cut. Desk tier."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)  # macOS, where fsync stops at the drive's cache


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write `path` whole or not at all; it is on disk when this returns.

    The content is written to a new file in the same folder, synced and renamed. Raises OSError, and then `path` is as before and the
    new file is gone.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        try:
            os.fchmod(descriptor, mode)
            write_all(descriptor, content)
            sync(descriptor)
        finally:
            os.close(descriptor)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    sync_path(path.parent)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder next to `path`, which becomes `path` when the block ends well, and is removed when it does not.

    Where `path` is a folder that holds other files, those stay: each entry of the new folder takes the place of the one of its name.
    The parents of `path` are made. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield made
        made.chmod(0o777 & ~_umask())
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            made.rename(path)
        else:
            for entry in sorted(made.iterdir()):
                _take_place(entry, path / entry.name)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _take_place(entry: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    entry.replace(target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def make_folder(path: Path) -> None:
    """A private folder (0700), and its parents; their entries are on disk when this returns."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_path(path.parent)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content`; a disk that fills up after a part of it raises OSError as one that was full before."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_all_at(descriptor: int, content: bytes, offset: int) -> None:
    """As write_all, at `offset`."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def sync(descriptor: int) -> None:
    """Return when the data of `descriptor` is on disk."""
    if _FULL_SYNC is not None:
        fcntl.fcntl(descriptor, _FULL_SYNC)
    else:
        os.fdatasync(descriptor)


def sync_path(path: Path) -> None:
    """Return when the file's data, or the folder's entries, are on disk; a path that is missing needs no sync."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
