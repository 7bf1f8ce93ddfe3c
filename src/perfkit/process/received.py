"""Collections that receivers wrote: behind one load balancer each of several receivers has a part of what a machine sent.

Beside a machine's collections stands the file `.machine`, which tells its site and identifier. A part cannot be read alone: the session may
be in another receiver's. So the parts are put together by the instants of their lines before anything is made of them; what two
receivers both have is told by the same rules as any line that stands twice (sql/reading/duplicates.sql).
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from perfkit.errors import Failed, reason

MACHINE = ".machine"
# As a receiver writes a line: instant and subsystem.
START_OF_LINE = re.compile(rb'\{"timestamp":(\d+)(?:,"nanosecond":(\d+))?(?:,"monotonic":[^,]+)?,"subsystem":"([^"]*)"')

Instant = tuple[int, int]


def sender_of(folder: Path) -> tuple[str, str] | None:
    """(site, identifier) of the machine whose collections a receiver wrote into `folder`; None where that cannot be read."""
    try:
        found = orjson.loads((folder / MACHINE).read_bytes())
        return str(found["site"]), str(found["identifier"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def put_together(files: Sequence[Path], whole: Path) -> tuple[Path, ...]:
    """`files`; where several receivers wrote them, one file in their place, `whole`, with the lines of all by their instants."""
    if len({file.parent for file in files}) < 2 or not all(sender_of(file.parent) for file in files):
        return tuple(files)
    try:
        whole.parent.mkdir(parents=True, exist_ok=True)
        with whole.open("wb") as written:
            written.writelines(line for _, _, line in heapq.merge(*(_lines(file, place) for place, file in enumerate(files))))
    except OSError as error:
        raise Failed(f"cannot put the parts of {files[0].name} together in {whole.parent}: {reason(error)}; set TMPDIR.") from None
    return (whole,)


def _lines(file: Path, place: int) -> Iterator[tuple[Instant, int, bytes]]:
    """(instant, place, line); a line that has none, because it is damaged, stays behind the one before it."""
    instant = (0, 0)
    with file.open("rb") as opened:
        for line in opened:
            if found := START_OF_LINE.match(line):
                instant = (int(found[1]), int(found[2] or 0))
            yield instant, place, line if line.endswith(b"\n") else line + b"\n"
