"""What a lake holds, and what its files are called.

    host/site=lab/machine=vm-a/date=2026-01-01/1767225601001-1767225629001-5d41402abc4b2a76.parquet

A file has the rows of one collection (or, after `perfkit lake compact`, of several) of one day of UTC. Its name has the first and the last
instant (ms since the epoch) and the collection's digest. So the same collection, processed again, takes the place of its own files, and
a reader knows without opening a file whether two of them may hold the same row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from perfkit import sql
from perfkit.catalog import DUCK_TYPES, FLAG, GAUGE, INTEGER, KEY, MACHINE, REAL, TABLES, TEXT, Column, Table
from perfkit.errors import BadInput

INSTANT = "INSTANT"
TYPES = {**DUCK_TYPES, INSTANT: "TIMESTAMPTZ"}
COLLECTION = "collection"  # behind the catalog's columns: the first digits of the SHA-256 of the collection that a row comes from
DIGEST_DIGITS = 16
COMPACTED = "compacted-"  # before the digest of a file that holds several collections

_LONGEST_NAME = 255  # bytes: of a folder, on every file system that matters
_DAY = 86_400_000
_FILE = re.compile(r"(-?\d+)-(-?\d+)-((?:compacted-)?[0-9a-f]+)\.parquet")


def _column(name: str, type_: str, label: str, kind: str = GAUGE, unit: str = "") -> Column:
    return Column(name, type_, kind, unit, label, "")


# What is known besides the samples; `timestamp` is where it begins. The catalog's tables stand before them.
MACHINES = Table(
    "machines",
    "Machines",
    "",
    (
        *(Column(c.name, c.type, GAUGE, c.unit, c.label, c.source) for c in MACHINE),
        _column("period_ms", REAL, "Between two samples", unit="ms"),
        _column("to_timestamp", INSTANT, "Last sample"),
        _column("samples", INTEGER, "Samples"),
        _column("samples_expected", INTEGER, "Samples that were due"),
        _column("coverage", REAL, "Samples of those that were due", unit="%"),
    ),
)
RECORDINGS = Table(
    "recordings",
    "Recordings",
    "",
    (
        _column("identity", TEXT, "Boot, process and start of the collector", KEY),
        _column("boot_id", TEXT, "Boot"),
        _column("to_timestamp", INSTANT, "End"),
        _column("period_ms", REAL, "Between two samples", unit="ms"),
        _column("duration", REAL, "Promised length", unit="s"),
        _column("samples", INTEGER, "Samples"),
        _column("largest_lateness_ms", REAL, "Largest lateness", unit="ms"),
        _column("ended", TEXT, "How it ended"),
    ),
)
RUNS = Table(
    "runs",
    "Runs and their phases",
    "",
    (
        _column("recording", TEXT, "The identity of its recording", KEY),
        _column("label", TEXT, "Label of its mark, or 'recording'", KEY),
        _column("phase", TEXT, "Phase; empty for the run itself", KEY),
        _column("run", INTEGER, "Its number in the collection"),
        _column("to_timestamp", INSTANT, "End"),
        _column("open", INTEGER, "No mark ended it", FLAG),
        _column("samples", INTEGER, "Samples"),
        _column("samples_expected", INTEGER, "Samples that were due"),
        _column("coverage", REAL, "Samples of those that were due", unit="%"),
        _column("gaps", INTEGER, "Gaps"),
        _column("longest_gap_ms", INTEGER, "Longest gap", unit="ms"),
        _column("largest_lateness_ms", REAL, "Largest lateness", unit="ms"),
        _column("clock_steps", INTEGER, "Clock steps"),
        _column("resets", INTEGER, "Counter resets"),
        _column("ended", TEXT, "How it ended"),
        _column("trusted", INTEGER, "It may be trusted", FLAG),
        _column("limit", TEXT, "What was at its limit"),
        _column("verdict", TEXT, "What it means, in a sentence"),
    ),
)
MARKS = Table(
    "marks",
    "Marks",
    "",
    (
        _column("recording", TEXT, "The identity of its recording", KEY),
        _column("kind", TEXT, "start, end or point", KEY),
        _column("label", TEXT, "Label", KEY),
        _column("place", INTEGER, "Order among marks of one instant"),
    ),
)
QUALITY_EVENTS = Table(
    "quality_events",
    "Quality events",
    "",
    (
        _column("kind", TEXT, "Kind", KEY),
        _column("subject", TEXT, "Device, counter or file", KEY),
        _column("recording", TEXT, "The identity of its recording", KEY),
        _column("to_timestamp", INSTANT, "End"),
        _column("missed", INTEGER, "How many are missing"),
        _column("detail", TEXT, "Detail"),
    ),
)
RECORDS = (MACHINES, RECORDINGS, MARKS, QUALITY_EVENTS, RUNS)
LAKE = (*TABLES, *RECORDS)  # in the order in which they are written: a run is there when its samples are


def text(name: str) -> str:
    """The file sql/<name>.sql of this package."""
    return sql.read("perfkit.lake", f"sql/{name}.sql")


@dataclass(frozen=True)
class LakeFile:
    """One file of a lake: its table, its partition, what its name tells (None for a file of others), and its size in bytes."""

    path: str  # relative to the lake, with "/" between the parts
    table: str
    site: str
    machine: str
    date: str
    first: int | None
    last: int | None
    writer: str
    size: int

    @property
    def partition(self) -> str:
        """The folder, relative to the lake."""
        return self.path.rpartition("/")[0]

    def may_share_rows(self, other: LakeFile) -> bool:
        """Whether both may hold the row of one instant: only within a partition, where their spans meet or are not known."""
        if self.partition != other.partition:
            return False
        if self.first is None or self.last is None or other.first is None or other.last is None:
            return True
        return self.first <= other.last and other.first <= self.last


def folder_of(table: str, site: str, machine: str) -> str:
    """The folder of a machine's partitions, relative to the lake. Raises BadInput for a name that no folder can have."""
    return f"{table}/site={encoded(site, 'site')}/machine={encoded(machine, 'machine')}"


def encoded(name: str, what: str) -> str:
    """`name` as the value of a Hive partition: what is no letter, digit, `_`, `.`, `~` or `-` as %XX, so that every reader gets it back.

    Readers take NULL and __HIVE_DEFAULT_PARTITION__ for no value; of these the first letter is %XX too. Raises BadInput for an empty
    name, and for one that is too long for a folder.
    """
    if not name:
        raise BadInput(f"a {what} in a lake needs a name; give one that is not empty.")
    text = quote(name, safe="")
    if text.upper() in ("NULL", "__HIVE_DEFAULT_PARTITION__"):
        text = f"%{ord(text[0]):02X}{text[1:]}"
    if len(text) + len(f"{what}=") > _LONGEST_NAME:
        raise BadInput(f"the {what} {name[:40]!r}... is too long for the name of a folder; give a shorter one.")
    return text


def file_name(first: int, last: int, writer: str) -> str:
    """What the file of `writer`, a digest, is called that has the rows from `first` to `last` (ms)."""
    return f"{first}-{last}-{writer}.parquet"


def parsed(path: str, size: int) -> LakeFile | None:
    """The table's file at `path` (relative to the lake); None if its path is not of the form TABLE/site=/machine=/date=/NAME.parquet."""
    parts = path.split("/")
    if len(parts) != 5 or not parts[4].endswith(".parquet") or parts[4].startswith((".", "_")):
        return None
    table, *folders, name = parts
    values = [value for key, value in zip(("site=", "machine=", "date="), folders) if value.startswith(key)]
    if len(values) != 3:
        return None
    site, machine, date = (unquote(value.partition("=")[2]) for value in values)
    found = _FILE.fullmatch(name)
    if found is None:
        return LakeFile(path, table, site, machine, date, None, None, "", size)
    return LakeFile(path, table, site, machine, date, int(found[1]), int(found[2]), found[3], size)


def day_of(instant: int) -> tuple[int, int]:
    """The day of UTC that `instant` (ms) is in, as [start, until)."""
    start = instant - instant % _DAY
    return start, start + _DAY
