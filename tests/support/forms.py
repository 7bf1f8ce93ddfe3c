"""Collections in the form of the Go collector: its three keys, one file a source, nothing about the machine."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

_KEYS = ("timestamp", "subsystem", "measurement")


def as_pcc(collection: Path, file: Path) -> Path:
    """Write what pcc would have written beside `collection` to `file`, gzip if it ends in .gz; return `file`."""
    lines = map(json.loads, collection.read_bytes().splitlines())
    kept = (line for line in lines if not line["subsystem"].startswith("perfkit/"))
    text = "".join(json.dumps({key: line[key] for key in _KEYS}, separators=(",", ":")) + "\n" for line in kept).encode()
    file.write_bytes(gzip.compress(text, 1) if file.suffix == ".gz" else text)
    return file
