"""Which collections belong together: the parts and sessions of one machine are one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path

from perfkit.collection import SESSION, Line, Reader
from perfkit.errors import BadInput, reason
from perfkit.process.reading import MARKS
from perfkit.process.received import sender_of

_ENDINGS = (".json.gz", ".ndjson.gz", ".gz", ".json.xz", ".json.bz2", ".json.zst", ".json", ".ndjson")
_ROTATED = re.compile(r"-\d{3}$")
_HEAD = 50  # lines within which a session is looked for; it is the first of a whole collection


@dataclass(frozen=True)
class Machine:
    """One machine: its number, the name that its output goes by, and its files."""

    number: int
    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class _Known:
    """What the head of a file says about its machine."""

    name: str
    identity: str = ""
    only_containers: bool = False
    has_session: bool = False


def group(files: Iterable[Path]) -> list[Machine]:
    """The machines whose collections `files` are, in the order of the files.

    perfkit's collections name their machine. Others do not: each is a machine of its own, but for the parts of one rotated file, the marks
    that were made next to one, a collection of containers alone that stands in one folder with one of the host, and what several receivers
    wrote of one sender. Raises BadInput where a file cannot be read.
    """
    found: dict[_Known, list[Path]] = {}
    for file in dict.fromkeys(files):
        known = _owner_of_marks(file, found) if file.name.endswith(MARKS) else _known(file)
        found.setdefault(known, []).append(file)
    _join_containers(found)
    _join_received(found)
    names = _unique(known.name for known in found)
    return [Machine(n, name, tuple(parts)) for n, (name, parts) in enumerate(zip(names, found.values()), 1)]


def named_apart(machines: Sequence[Machine], apart: Sequence[tuple[int, int, str | None]]) -> list[Machine]:
    """`machines`, and those of (number, the number of the one in whose files it stood, its name)."""
    files = {machine.number: machine.files for machine in machines}
    names = _unique([*(machine.name for machine in machines), *(_safe(name or "") or "machine" for _, _, name in apart)])
    return [*machines, *(Machine(number, name, files[of]) for (number, of, _), name in zip(apart, names[len(machines) :]))]


def stem(file: Path) -> str:
    """The file's name without its ending: "vm-a" of vm-a.json.gz, "results" of results.tar.gz."""
    name = file.name
    endings = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar", ".zip", *_ENDINGS)
    return next((name[: -len(ending)] for ending in endings if name.endswith(ending) and name != ending), name)


def _known(file: Path) -> _Known:
    try:
        head = list(islice(Reader(file), _HEAD))
    except OSError as error:
        raise BadInput(f"cannot read {file}: {reason(error)}.") from None
    session = _session(head)
    name = _safe(str(session.get("hostname") or "")) or _safe(_ROTATED.sub("", stem(file))) or "collection"
    if session:
        return _Known(name, str(session.get("machine_id") or ""), has_session=True)
    return _Known(name, str(file.resolve().parent), bool(head) and all(line.subsystem.startswith("container/") for line in head))


def _session(head: Sequence[Line]) -> dict[str, object]:
    for line in head:
        if line.subsystem == SESSION:
            try:
                facts = line.json()
            except ValueError:
                continue
            return facts if isinstance(facts, dict) else {}
    return {}


def _owner_of_marks(marks: Path, found: dict[_Known, list[Path]]) -> _Known:
    """The machine of the collection that `marks` stand next to."""
    collection = marks.with_name(marks.name.removesuffix(MARKS))
    for known, files in found.items():
        if collection in files:
            return known
    raise BadInput(f"{marks} holds marks of {collection.name}; name that collection too.")


def _join_containers(found: dict[_Known, list[Path]]) -> None:
    """pcc records host and containers into files of their own: where a folder has one of each, they are of one machine."""
    for containers in [known for known in found if known.only_containers]:
        hosts = [known for known in found if not known.only_containers and known.identity == containers.identity]
        others = [known for known in found if known.only_containers and known.identity == containers.identity]
        if len(hosts) == len(others) == 1:
            found[hosts[0]] += found.pop(containers)


def _join_received(found: dict[_Known, list[Path]]) -> None:
    """Of what several receivers wrote of one machine, one part alone may have its session."""
    senders = {known: {sender_of(file.parent) for file in files} for known, files in found.items()}
    for known in [known for known in found if not known.has_session and None not in senders[known]]:
        others = [other for other in found if other != known and senders[other] == senders[known]]
        if others:
            found[max(others, key=lambda other: other.has_session)] += found.pop(known)


def _safe(name: str) -> str:
    """`name` as a folder's name: it comes from outside."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._-")[:100]


def _unique(names: Iterable[str]) -> list[str]:
    taken: list[str] = []
    for name in names:
        alternatives = chain([name], (f"{name}-{n}" for n in count(2)))
        taken.append(next(a for a in alternatives if a not in taken))
    return taken
