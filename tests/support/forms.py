"""Collections in other forms: the Go collector's (three keys, one file a source, nothing about the machine); several in one file."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

_KEYS = ("timestamp", "subsystem", "measurement")


def as_pcc(collection: Path, file: Path) -> Path:
    """Write what pcc would have written beside `collection` to `file`, gzip if it ends in .gz; return `file`."""
    lines = map(json.loads, collection.read_bytes().splitlines())
    kept = (line for line in lines if not line["subsystem"].startswith("perfkit/"))
    text = "".join(json.dumps({key: line[key] for key in _KEYS}, separators=(",", ":")) + "\n" for line in kept).encode()
    file.write_bytes(gzip.compress(text, 1) if file.suffix == ".gz" else text)
    return file


def packed(archive: Path, files: Iterable[Path]) -> Path:
    """Write `files` into one archive, which is one input; return `archive`."""
    with tarfile.open(archive, "w") as opened:
        for file in files:
            opened.add(file, file.name)
    return archive
