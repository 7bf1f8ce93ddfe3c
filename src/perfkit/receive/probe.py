"""A preflight's test batch: proves that what this receiver acknowledges can be read back, and leaves no collection behind."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from perfkit.errors import reason
from perfkit.receive import disk
from perfkit.receive.batch import Batch
from perfkit.receive.refusal import Refused

SUBSYSTEM = "perfkit/preflight"


def is_probe(batch: Batch) -> bool:
    """Whether `batch` holds nothing but a preflight's own line."""
    return bool(batch.lines) and all(line.subsystem == SUBSYSTEM for line in batch.lines)


def read_back(data: Path, text: bytes) -> bytes:
    """`text`, after it was synced to a file under `data` and read from there. Raises Refused (503) where that fails."""
    path = data / f"probe-{secrets.token_hex(8)}"
    try:
        try:
            disk.replace(path, text)
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return os.pread(descriptor, len(text), 0)
            finally:
                os.close(descriptor)
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise Refused(503, f"the data folder cannot be written: {reason(error)}.", 10) from error
