"""When did a load begin whose tool does not say so? The marks of a recording next to its output say it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from perfkit.collection import MARK, MAX_LINE, decode
from perfkit.collection.opening import Opening
from perfkit.errors import BadInput
from perfkit.units import parse_instant

_SLACK = 1.0  # seconds that a run may be longer than the phase around it, because both are rounded
_MOST_PHASES = 50
_LARGEST_QUALITY = 64 << 20


class Piece(NamedTuple):
    """One run in a file of several: how many seconds it took, None if that is unknown, and whether something else ran right before it."""

    seconds: float | None
    prepared: bool = False


class Phase(NamedTuple):
    """A marked stretch; seconds since the epoch."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Start:
    """When the runs in `path` began: as `given` (seconds since the epoch), or by the marks of a recording in its folder or the one above.

    A mark belongs to the file if it is a `start` whose `output` names it. The recording is a collection, the marks next to one
    (X.marks.json), or what `process` made of one. A file X.start next to X.log, which run_loadtest.sh writes, counts as given.
    """

    path: Path
    given: float | None = None

    def of_one(self, tool: str) -> float:
        """When the only run in the file began. Raises BadInput where nothing says so."""
        return self.of_each(tool, [Piece(None)])[0].start

    def of_each(self, tool: str, pieces: Sequence[Piece]) -> list[Phase]:
        """Start and label of each of the runs, which stand in the order of time. Raises BadInput where one of them is unknown.

        Several runs are those of the innermost phases marked while the file was written, if they can be matched in just one way.
        """
        known = self.given if self.given is not None else self._noted
        if len(pieces) == 1 and known is not None:
            return [Phase("", known, known)]
        marked = self._marked
        if len(pieces) == 1 and marked and not pieces[0].prepared:
            return [Phase("", marked.start, marked.end)]
        found = _assign(pieces, marked.phases) if marked else None
        if found:
            return [_begun(piece, phase) for piece, phase in zip(pieces, found, strict=True)]
        raise BadInput(self._refusal(tool, pieces))

    def _refusal(self, tool: str, pieces: Sequence[Piece]) -> str:
        cure = "let each run write a file of its own, or mark each with `perfkit mark LABEL --kind start` and `--kind end` behind preflight"
        if len(pieces) > 1 and self._marked:
            some = len(self._marked.phases)
            return f"{self.path} holds {len(pieces)} runs of {tool}, which cannot be told from the {some} phases marked meanwhile; {cure}."
        if len(pieces) > 1:
            return f"{self.path} holds {len(pieces)} runs of {tool}, which does not write when each began; {cure}."
        if pieces[0].prepared:
            return f"{self.path} also holds what prepared the test, so when the test itself began is unknown; give it with --load-start."
        return f"{tool} does not write when it began; give it with --load-start, or run it behind preflight, which marks it."

    @property
    def _noted(self) -> float | None:
        """What X.start says, a file next to X.log."""
        try:
            return parse_instant(self.path.with_suffix(".start").read_text("ascii")[:100].strip()) / 1000
        except (OSError, ValueError, BadInput):
            return None

    @cached_property
    def _marked(self) -> _Load | None:
        folder = self.path.absolute().parent
        for place in (folder, folder.parent):
            for marks in _recordings(place, self.path):
                found = _load_of(self.path.name.removesuffix(".gz"), marks)
                if found:
                    return found
        return None


class _Load(NamedTuple):
    start: float
    end: float
    phases: list[Phase]


class _Mark(NamedTuple):
    at: float
    kind: str
    label: str
    output: str


def _recordings(folder: Path, output: Path) -> Iterator[list[_Mark]]:
    """The marks of each recording in `folder`."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for path in entries:
        try:
            if path.name.endswith((".json", ".json.gz")) and path.is_file() and not path.samefile(output) and _is_collection(path):
                yield list(_of_collection(path))
            elif (path / "quality.json").is_file():
                yield list(_of_processed(path / "quality.json"))
        except OSError:
            continue


def _is_collection(path: Path) -> bool:
    first = next(iter(Opening(path)), b"")[: 1 << 16]
    return b'"subsystem"' in first and b'"measurement"' in first


def _of_collection(path: Path) -> Iterator[_Mark]:
    """The mark lines alone are decoded: a day's collection has hundreds of megabytes of others."""
    rest = b""
    for chunk in Opening(path):
        *whole, rest = (rest + chunk).split(b"\n")
        rest = rest if len(rest) <= MAX_LINE else b""
        yield from _decoded(whole)
    yield from _decoded([rest])


def _decoded(lines: list[bytes]) -> Iterator[_Mark]:
    for raw in lines:
        if MARK.encode() not in raw:
            continue
        try:
            line = decode(raw)
            content = line.json() if line.subsystem == MARK else None
        except (ValueError, RecursionError):
            continue
        yield from _mark(line.wall, content)


def _of_processed(quality: Path) -> Iterator[_Mark]:
    if quality.stat().st_size > _LARGEST_QUALITY:
        return
    try:
        content = json.loads(quality.read_bytes())
        marks = content.get("marks", []) if isinstance(content, dict) else []
        for mark in marks:
            yield from _mark(parse_instant(mark["timestamp"]) / 1000, mark)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError, BadInput):
        return


def _mark(at: float, content: Any) -> Iterator[_Mark]:
    if isinstance(content, dict):
        yield _Mark(at, str(content.get("kind")), str(content.get("label")), str(content.get("output", "")))


def _load_of(name: str, marks: list[_Mark]) -> _Load | None:
    """The stretch of the start mark that names the output `name`, with the innermost phases in it."""
    begun = next((mark for mark in marks if mark.kind == "start" and mark.output.removesuffix(".gz") == name), None)
    if begun is None:
        return None
    ended = next((m.at for m in marks if m.kind == "end" and m.label == begun.label and m.at >= begun.at), float("inf"))
    open_marks: dict[str, list[_Mark]] = {}
    phases: list[Phase] = []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if mark is begun or not begun.at <= mark.at <= ended:
            continue
        if mark.kind == "start":
            open_marks.setdefault(mark.label, []).append(mark)
        elif mark.kind == "end" and open_marks.get(mark.label):
            phases.append(Phase(mark.label, open_marks[mark.label].pop().at, mark.at))
    innermost = [p for p in phases if not any(p is not q and p.start <= q.start and q.end <= p.end for q in phases)]
    return _Load(begun.at, ended, sorted(innermost, key=lambda phase: phase.start))


def _assign(pieces: Sequence[Piece], phases: Sequence[Phase]) -> list[Phase] | None:
    """The phase of each run, in order, where there is just one way to have every run fit into a phase of its own."""
    if not len(pieces) <= len(phases) <= _MOST_PHASES:
        return None
    # ways[i][j]: in how many ways the runs from i on fit into the phases from j on
    ways = [[0] * (len(phases) + 1) for _ in pieces] + [[1] * (len(phases) + 1)]
    for i in reversed(range(len(pieces))):
        for j in reversed(range(len(phases))):
            ways[i][j] = ways[i][j + 1] + (ways[i + 1][j + 1] if _fits(pieces[i], phases[j]) else 0)
    if ways[0][0] != 1:
        return None
    found, j = [], 0
    for i, piece in enumerate(pieces):
        while not (_fits(piece, phases[j]) and ways[i + 1][j + 1]):
            j += 1
        found.append(phases[j])
        j += 1
    return found


def _fits(piece: Piece, phase: Phase) -> bool:
    return piece.seconds is None or piece.seconds <= phase.end - phase.start + _SLACK


def _begun(piece: Piece, phase: Phase) -> Phase:
    """With the start of the run itself: what was prepared in the same phase came before it."""
    late = piece.prepared and piece.seconds is not None
    return phase._replace(start=max(phase.start, phase.end - (piece.seconds or 0.0)) if late else phase.start)
