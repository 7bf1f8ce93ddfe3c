"""Which stretch of the data a page shows: a range counted back from the data's end, two instants, or a phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfkit.catalog import RANGES
from perfkit.dashboard.parameters import instant
from perfkit.errors import BadInput


@dataclass(frozen=True)
class Phase:
    """A stretch between a start mark and its end mark, in milliseconds since the epoch."""

    label: str
    start: int
    end: int


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, both included, in milliseconds since the epoch; `name` is the range's or phase's, "" for a zoom."""

    start: int
    end: int
    name: str = ""

    @property
    def milliseconds(self) -> int:
        return self.end - self.start


def window(args: Mapping[str, str], first: int, last: int, phases: Sequence[Phase] = ()) -> Window:
    """The window that a URL's `range`, `from` and `to`, or `phase` ask for in data that reach from `first` to `last`.

    `from` or `to` alone is open to the data's other end. Without any of them it is all. Raises BadInput for what is not one.
    """
    if label := args.get("phase"):
        return _phase(label, phases)
    if args.get("from") or args.get("to"):
        start = instant(args["from"]) if args.get("from") else first
        end = instant(args["to"]) if args.get("to") else last
        if end < start:
            raise BadInput("the range ends before it starts; exchange from and to.")
        return Window(start, end)
    name = args.get("range") or "all"
    if name not in RANGES:
        raise BadInput(f"{name[:40]!r} is not a range; use {', '.join(RANGES)}.")
    seconds = RANGES[name]
    return Window(first if seconds is None else max(first, last - int(seconds * 1000)), last, name)


def phases(marks: Sequence[tuple[int, str, str]]) -> list[Phase]:
    """The phases that (timestamp, kind, label) marks in time order make: each start with the next end of its label."""
    found: list[Phase] = []
    opened: dict[str, int] = {}
    for timestamp, kind, label in marks:
        if kind == "start":
            opened[label] = timestamp
        elif kind == "end" and label in opened:
            found.append(Phase(label, opened.pop(label), timestamp))
    return sorted(found, key=lambda phase: phase.start)


def _phase(label: str, phases: Sequence[Phase]) -> Window:
    for phase in phases:
        if phase.label == label:
            return Window(phase.start, phase.end, label)
    names = ", ".join(phase.label for phase in phases) or "none"
    raise BadInput(f"there is no phase {label[:60]!r} here; this collector has: {names}.")
