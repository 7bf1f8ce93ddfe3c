"""Which part of the data a page shows: a range counted back from the data's end, two instants, a run, or a phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfkit.catalog import RANGES
from perfkit.dashboard.parameters import instant
from perfkit.errors import BadInput
from perfkit.store.percentiles import NamedWindow
from perfkit.store.runs import Stretch, pick

# What names a part of the data, each in its own way.
KINDS = (("range",), ("from", "to"), ("run", "phase"))


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, both included, in milliseconds since the epoch.

    `name` is the range's, run's or phase's, "" for a zoom; `stretch` the run or phase that was asked for.
    """

    start: int
    end: int
    name: str = ""
    stretch: Stretch | None = None

    @property
    def milliseconds(self) -> int:
        return self.end - self.start


def window(args: Mapping[str, str], named: Sequence[NamedWindow], stretches: Sequence[Stretch] = ()) -> Window:
    """The window that a URL's `run` and `phase`, `from` and `to`, or `range` ask for, of the `named` ones of a collector.

    `from` or `to` alone is open to the data's other end. Without any of them it is all. Raises BadInput for what is not one, and for
    more than one of these three, because either answer would be another than what was asked.
    """
    kinds = [" and ".join(name for name in kind if args.get(name)) for kind in KINDS]
    if len(given := [kind for kind in kinds if kind]) > 1:
        raise BadInput(f"{' / '.join(given)} name different parts of the data; keep one of them.")
    ranges = {one.name: one for one in named if one.name in RANGES}
    if args.get("run") or args.get("phase"):
        one = pick(stretches, args.get("run"), args.get("phase"))
        return Window(one.start, one.end, one.phase or one.label, one)
    name = args.get("range") or "all"
    if name not in RANGES:
        raise BadInput(f"{name[:40]!r} is not a range; use {', '.join(RANGES)}.")
    found = ranges.get(name, NamedWindow(name, 0, 0))  # a collector without data has no windows
    if args.get("from") or args.get("to"):
        whole = ranges.get("all", found)
        start = instant(args["from"]) if args.get("from") else whole.start
        end = instant(args["to"]) if args.get("to") else whole.end
        if end < start:
            raise BadInput("the range ends before it starts; exchange from and to.")
        return Window(start, end)
    return Window(found.start, found.end, name)
