"""Which collections belong together: the parts and sessions of one machine are one source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from perfkit.collection import SESSION, Reader
from perfkit.errors import BadInput, reason

_ENDINGS = (".json.gz", ".ndjson.gz", ".gz", ".json", ".ndjson")
_ROTATED = re.compile(r"-\d{3}$")
_HEAD = 50  # lines within which a session is looked for; it is the first of a whole collection


@dataclass(frozen=True)
class Machine:
    """One source: its number, the name that its output goes by, and its files."""

    source: int
    name: str
    files: tuple[Path, ...]


def group(files: Sequence[Path]) -> list[Machine]:
    """The machines whose collections `files` are, in the order of the files.

    perfkit's collections name their machine. Others do not: each is a machine of its own, but for the parts of one rotated file.
    Raises BadInput where a file cannot be read.
    """
    found: dict[tuple[str, str], list[Path]] = {}
    for file in dict.fromkeys(files):
        found.setdefault(_identity(file), []).append(file)
    names = _unique(name for name, _ in found)
    return [Machine(n, name, tuple(parts)) for n, (name, parts) in enumerate(zip(names, found.values()), 1)]


def stem(file: Path) -> str:
    """The file's name without its ending: "vm-a" of vm-a.json.gz."""
    name = file.name
    return next((name[: -len(ending)] for ending in _ENDINGS if name.endswith(ending) and name != ending), name)


def _identity(file: Path) -> tuple[str, str]:
    """(name, what tells it from another machine of that name)."""
    session = _session(file)
    name = _safe(str(session.get("hostname") or "")) or _safe(_ROTATED.sub("", stem(file))) or "collection"
    return (name, str(session.get("machine_id") or "")) if session else (name, str(file.resolve().parent))


def _session(file: Path) -> dict[str, object]:
    try:
        for line in islice(Reader(file), _HEAD):
            if line.subsystem == SESSION:
                facts = line.json()
                return facts if isinstance(facts, dict) else {}
    except OSError as error:
        raise BadInput(f"cannot read {file}: {reason(error)}.") from None
    except ValueError:
        pass
    return {}


def _safe(name: str) -> str:
    """`name` as a folder's name: it comes from outside."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._-")[:100]


def _unique(names: Iterable[str]) -> list[str]:
    taken: list[str] = []
    for name in names:
        alternatives = (name, *(f"{name}-{n}" for n in range(2, 10_000)))
        taken.append(next(a for a in alternatives if a not in taken))
    return taken
