"""The certificate of a recording: how many samples are there of those that should be, and how well they were taken.

Every figure of coverage comes from here: collect's closing line, preflight's certificate, quality.json, the database, the pages.
Target tier: standard library, Python 3.9, and light to import, because the collecting process itself imports it.
"""

from __future__ import annotations

from perfkit.units import format_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# How a recording or a run ended, besides "error: ...".
DURATION, SIGNAL, END_MARK, CUT_OFF, RECORDING = "duration", "signal", "end mark", "cut off", "still recording"
TRUSTED = 95  # % of the samples that were due, at least
_AS_PLANNED = (DURATION, SIGNAL, END_MARK, "")


class Gap:
    """A stretch without samples: the wall clock (ms since the epoch) of the samples on both sides, and how many are missing there."""

    __slots__ = ("end_ms", "missed", "start_ms")

    def __init__(self, start_ms: int, end_ms: int, missed: int) -> None:
        self.start_ms, self.end_ms, self.missed = start_ms, end_ms, missed

    def missed_within(self, start_ms: int, end_ms: int) -> int:
        """How many of the missing samples were due from `start_ms` to `end_ms`, both included: they lie evenly in the gap."""
        if start_ms <= self.start_ms and end_ms >= self.end_ms:
            return self.missed
        step = (self.end_ms - self.start_ms) / (self.missed + 1)
        due = (self.start_ms + number * step for number in range(1, self.missed + 1))
        return sum(start_ms <= instant <= end_ms for instant in due)


class Certificate:
    """What `certify` found; `coverage` is in %, None where no sample was due. Lateness is in ms, None where it is not known."""

    __slots__ = ("clock_steps", "ended", "gaps", "largest_lateness_ms", "longest_gap_ms", "resets", "samples", "samples_expected")

    def __init__(self, samples: int, samples_expected: int) -> None:
        self.samples = samples
        self.samples_expected = samples_expected
        self.gaps = 0
        self.longest_gap_ms = 0
        self.largest_lateness_ms: float | None = None
        self.clock_steps = 0
        self.resets = 0
        self.ended = ""

    @property
    def coverage(self) -> float | None:
        return 100 * self.samples / self.samples_expected if self.samples_expected else None

    @property
    def trusted(self) -> bool:
        """Whether so much is there that the rest speaks for the whole."""
        return self.coverage is not None and self.coverage >= TRUSTED

    @property
    def trust_text(self) -> str:
        """What every verdict says of trust, as in "Recorded 15 of 15 samples, no gap." and "Not to be trusted: 11 of 30 samples ..."."""
        if self.trusted:
            return f"Recorded {self}."
        if not self.samples_expected:
            return "Not to be trusted: no sample was due."
        missing = self.samples_expected - self.samples
        return f"Not to be trusted: {missing:,} of {count(self.samples_expected, 'sample')} {'is' if missing == 1 else 'are'} missing."

    def as_dict(self) -> dict[str, Any]:
        """The certificate as every JSON of perfkit has it."""
        return {
            "samples": self.samples,
            "samples_expected": self.samples_expected,
            "coverage": self.coverage,
            "gaps": self.gaps,
            "longest_gap_ms": self.longest_gap_ms,
            "largest_lateness_ms": self.largest_lateness_ms,
            "clock_steps": self.clock_steps,
            "resets": self.resets,
            "ended": self.ended,
        }

    @classmethod
    def of_dict(cls, found: dict[str, Any]) -> Certificate:
        """The certificate that `as_dict` told of."""
        certificate = cls(found["samples"], found["samples_expected"])
        for name in ("gaps", "longest_gap_ms", "largest_lateness_ms", "clock_steps", "resets", "ended"):
            setattr(certificate, name, found[name])
        return certificate

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.as_dict() == other.as_dict()

    __hash__ = None  # type: ignore[assignment]

    @property
    def coverage_text(self) -> str:
        """ "619 of 630 samples (98.25 %)"."""
        text = f"{self.samples:,} of {count(self.samples_expected, 'sample')}"
        return f"{text} ({percent(self.coverage)})" if self.coverage is not None and self.samples < self.samples_expected else text

    @property
    def gaps_text(self) -> str:
        """ "no gap", "1 gap of 9 s", "2 gaps, longest 9 s"."""
        if not self.gaps:
            return "no gap"
        return f"{count(self.gaps, 'gap')}{' of' if self.gaps == 1 else ', longest'} {format_duration(self.longest_gap_ms / 1000)}"

    @property
    def lateness_text(self) -> str:
        """ "latest 1.4 ms late", "" where lateness is not known."""
        return "" if self.largest_lateness_ms is None else f"latest {self.largest_lateness_ms:.1f} ms late"

    def __str__(self) -> str:
        """ "619 of 630 samples (98.25 %), 2 gaps, longest 9 s, latest 1.4 ms late"; an end that was not planned stands behind it."""
        events = [count(number, noun) for number, noun in ((self.clock_steps, "clock step"), (self.resets, "counter reset")) if number]
        parts = [self.coverage_text, self.gaps_text, self.lateness_text, *events]
        return ", ".join(part for part in parts if part) + ("" if self.ended in _AS_PLANNED else f"; {self.ended}")


def certify(samples: int, gaps: Iterable[Gap], window: tuple[int, int] | None = None, **facts: Any) -> Certificate:
    """The certificate of `samples` and of the `gaps` between them; with a `window` (ms, both ends included) of what was due within it.

    What was due is what is there and what is missing, so a sample is never counted twice, and coverage is below 100 % only where a
    gap is named. `facts` are what else is known of the stretch: ended, largest_lateness_ms, clock_steps, resets.
    """
    missing = [(gap, gap.missed if window is None else gap.missed_within(*window)) for gap in gaps]
    missing = [(gap, missed) for gap, missed in missing if missed]
    found = Certificate(samples, samples + sum(missed for _, missed in missing))
    found.gaps = len(missing)
    found.longest_gap_ms = max((gap.end_ms - gap.start_ms for gap, _ in missing), default=0)
    for name, value in facts.items():
        setattr(found, name, value)
    return found


def percent(share: float) -> str:
    """Two digits behind the point, cut instead of rounded: what is not whole never reads as 100 %."""
    return f"{int(share * 100) / 100:g} %"


def count(number: int, noun: str) -> str:
    """ "1 gap", "2 gaps", "1,024 samples"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
