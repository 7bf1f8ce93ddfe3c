"""When did a load begin whose tool does not say so? The start mark that names its output file says it."""

from __future__ import annotations

import json
from pathlib import Path

from perfkit.collection import MARK, Reader, looks_like


def began(output: Path) -> float | None:
    """Seconds since the epoch of the start mark that names `output`, from the collections in the same folder; None if none does."""
    for path in sorted(output.absolute().parent.iterdir()):
        if path.name.endswith((".json", ".json.gz")) and path.is_file() and looks_like(path):
            found = _in_collection(path, output.name)
            if found is not None:
                return found
    return None


def _in_collection(path: Path, name: str) -> float | None:
    for line in Reader(path):
        if line.subsystem != MARK:
            continue
        try:
            mark = json.loads(line.measurement)
        except ValueError:
            continue
        if isinstance(mark, dict) and mark.get("kind") == "start" and mark.get("output") == name:
            return line.wall
    return None
