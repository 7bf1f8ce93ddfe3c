"""Files that are there after a power cut."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)  # macOS, where fsync stops at the drive's cache


def sync(descriptor: int) -> None:
    """Return when the data of `descriptor` is on disk."""
    if _FULL_SYNC is not None:
        fcntl.fcntl(descriptor, _FULL_SYNC)
    else:
        os.fdatasync(descriptor)


def sync_path(path: Path) -> None:
    """Return when the file's data, or the folder's entries, are on disk; a path that has gone is none of our business."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, content: bytes) -> None:
    """Write `path` (0600) whole or not at all, on disk when this returns."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
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


def make_folder(path: Path) -> None:
    """A private folder (0700), and its parents, entered in theirs on disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_path(path.parent)
