"""What was received and is not in the database, and why: kept by the importer, told by `serve`, `/-/healthz` and `/metrics`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from perfkit import files
from perfkit.receive.batch import SiteMachine
from perfkit.receive.journal import Folder, Position
from perfkit.units import format_duration

CLOCK, IMPORT = "clock", "import"
"""Why lines were set aside: their instant is far from the receiver's clock, or the import raised an error twice."""
_WHY = {
    CLOCK: "their time is far from the receiver's clock; set that machine's clock",
    IMPORT: "the import cannot take them",
}
LATE_SECONDS = 60.0
"""A batch that waits so long for its import is late."""
REMEMBERED_SECONDS = 86_400.0
"""How long what was set aside counts against the receiver's health."""
_MOST = 200
_MOST_MET = 2000


@dataclass
class Aside:
    """Lines of one machine that are in its collection and not in the database; instants of their arrival in ms."""

    site: str
    identifier: str
    reason: str
    lines: int
    first_ms: int
    last_ms: int
    detail: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        what = "line is" if self.lines == 1 else "lines are"
        return (
            f"{self.lines} {what} not in the database: of {SiteMachine(self.site, self.identifier)}, last received {_utc(self.last_ms)}: "
            f"{_WHY.get(self.reason, self.reason)}{detail}. Its collection has them."
        )


@dataclass
class Account:
    """All that is not imported: `waiting` is why nothing can be imported at present, "" while it can."""

    waiting: str = ""
    aside: list[Aside] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    """Lines by reason of further machines, where there are too many to name."""
    held_back: int = 0
    """Rows of devices beyond a machine's limit: an event of the machine tells of them, and no health depends on it."""
    counted: list[int] = field(default_factory=list)
    """The place in the journal (segment, offset) up to which lines far from the clock were counted."""
    met: dict[str, list[list[int]]] = field(default_factory=dict)
    """By collection, from which byte to which lines were set aside because the import cannot take them."""

    def not_met(self, file: str, at: int, lines: bytes) -> int:
        """How many of `lines`, which stand at byte `at` of the collection `file`, were not set aside before: from now on they were."""
        end, known = at + len(lines), self.met.pop(file, [])
        new = lines.count(b"\n") - sum(lines[max(0, start - at) : max(0, stop - at)].count(b"\n") for start, stop in known)
        ranges: list[list[int]] = []
        for start, stop in sorted([*known, [at, end]]):
            if ranges and start <= ranges[-1][1]:
                ranges[-1][1] = max(ranges[-1][1], stop)
            else:
                ranges.append([start, stop])
        self.met[file] = ranges
        while sum(map(len, self.met.values())) > _MOST_MET and len(self.met) > 1:
            del self.met[next(iter(self.met))]
        return new

    def add(self, more: Aside) -> None:
        """Count further lines that were set aside."""
        for known in self.aside:
            if (known.site, known.identifier, known.reason) == (more.site, more.identifier, more.reason):
                known.lines, known.last_ms = known.lines + more.lines, max(known.last_ms, more.last_ms)
                known.detail = more.detail or known.detail
                return
        if len(self.aside) < _MOST:
            self.aside.append(more)
        else:
            self.others[more.reason] = self.others.get(more.reason, 0) + more.lines

    def knows(self, machine: SiteMachine, reason: str) -> bool:
        """Whether lines of `machine` were set aside for that reason before."""
        return any((known.site, known.identifier, known.reason) == (*machine, reason) for known in self.aside)

    def totals(self) -> dict[str, int]:
        """Lines by reason."""
        found = Counter(dict.fromkeys((CLOCK, IMPORT), 0) | self.others)
        for one in self.aside:
            found[one.reason] += one.lines
        return dict(found)


class Ledger:
    """The account in the data folder `data`; one process writes it."""

    def __init__(self, data: Path) -> None:
        self.path = data / "not-imported.json"

    def read(self) -> Account:
        """What was written last; an empty account where there is none, or a damaged one."""
        try:
            found = orjson.loads(self.path.read_bytes())
            aside = [Aside(**one) for one in found["aside"]]
            told = (str(found["waiting"]), aside, dict(found["others"]), int(found["held_back"]), list(found["counted"]))
            met = {str(file): [[int(start), int(stop)] for start, stop in ranges] for file, ranges in found.get("met", {}).items()}
            return Account(*told, met)
        except (OSError, orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
            return Account()

    def write(self, account: Account) -> None:
        """Raises OSError."""
        files.replace_file(self.path, orjson.dumps(asdict(account)))


def importer_lag(folder: Folder, now: float) -> float:
    """Seconds since the oldest batch that is committed and not imported was received; 0 if there is none."""
    for entry, _ in folder.follow(folder.published("imported") or Position(0, 0), 1):
        return max(0.0, now - entry.received_ms / 1000)
    return 0.0


def not_imported(data: Path, now: float, patience: float = LATE_SECONDS) -> Iterator[str]:
    """A sentence for each thing that was received and is not in the database: what waits longer than `patience`, what was set aside."""
    account, lag = Ledger(data).read(), importer_lag(Folder(data / "journal"), now)
    if lag > patience:
        why = f": {account.waiting}" if account.waiting else "."
        yield f"What was received in the last {format_duration(lag)} is not imported yet{why}"
    for one in account.aside:
        if now - one.last_ms / 1000 < REMEMBERED_SECONDS:
            yield str(one)
    if rest := sum(account.others.values()):
        yield f"{rest} lines of further machines were set aside too."


def _utc(ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(ms, 253_402_300_799_000) / 1000))
