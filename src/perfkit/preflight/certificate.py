"""The certificate of a load: what share of it was recorded, how well, and at what cost."""

from __future__ import annotations

import time

from perfkit.preflight.coverage import Coverage, Gap
from perfkit.preflight.load import Ended
from perfkit.preflight.verdict import FAIL, OK, SKIP, WARN, Check, Report
from perfkit.preflight.watch import Watch
from perfkit.units import format_bytes, format_duration

# A single late tick, or this share of all, does not make a run worthless; each is still named.
_MISSED_SHARE = 0.01


def certify(watch: Watch, end: float, losses: list[str], ended: Ended) -> Report:
    """The certificate of the stretch that `watch` covered up to the instant `end`; `losses` are what it told meanwhile."""
    coverage = watch.coverage
    if coverage is None:
        raise ValueError("the watch has covered nothing")
    checks = (
        recorded(coverage, end),
        gaps(coverage),
        lateness(coverage, watch),
        collector(watch, losses),
        cost(watch),
        load(ended),
    )
    return Report(str(watch.path), checks)


def recorded(coverage: Coverage, end: float) -> Check:
    """Samples present of those expected."""
    due, present = coverage.until(end)
    share = 100 * present / due if due else 0.0
    evidence = f"{present} of {due} samples, coverage {share:.4g} %, over {format_duration(max(end - coverage.since, 0.001))}"
    if due == 0:
        return Check("recorded", WARN, evidence, "the load was shorter than one period; use a higher --frequency for it.")
    if due - present <= max(1, _MISSED_SHARE * due) and present:
        return Check("recorded", OK, evidence)
    return Check(
        "recorded", FAIL, evidence, f"{due - present} of {due} samples of this load are missing; mend the cause and repeat the test."
    )


def gaps(coverage: Coverage) -> Check:
    """The gaps, the longest named; the samples that are missing at the end are no gap but a loss."""
    if not coverage.gaps:
        return Check("gaps", OK, "none")
    longest: Gap = max(coverage.gaps, key=lambda gap: gap.missed)
    at = time.strftime("%H:%M:%SZ", time.gmtime(longest.start))
    missed = sum(gap.missed for gap in coverage.gaps)
    count = len(coverage.gaps)
    evidence = f"{count} gap{'s' if count > 1 else ''}, {missed} missed; longest {longest.missed * coverage.period:g} s after {at}"
    return Check("gaps", WARN, evidence, "rates across a gap are true averages over it; look for what held the machine up then.")


def lateness(coverage: Coverage, watch: Watch) -> Check:
    """How late the latest sample was within its tick."""
    samples = watch.story.samples
    if not samples or samples[-1].monotonic is None:
        return Check("lateness", SKIP, "not known: this collector writes whole seconds")
    return Check("lateness", OK, f"latest sample {coverage.lateness * 1000:.1f} ms late")


def collector(watch: Watch, losses: list[str]) -> Check:
    """It records still, and did all the time."""
    if watch.lost_for:
        return Check(
            "collector", FAIL, watch.lost_for, f"recording stopped during the load ({watch.lost_for}); find out why and repeat the test."
        )
    if losses:
        return Check("collector", WARN, f"recording again, after: {'; '.join(losses[:3])}", "the gap is in the data.")
    return Check("collector", OK, "still recording")


def cost(watch: Watch) -> Check:
    """What the collector itself took of the machine meanwhile."""
    share = watch.cost.core_percent
    if share is None or watch.cost.latest is None:
        return Check("cost", SKIP, "not known: the collector could not be watched for a second")
    return Check("cost", OK, f"the collector took {share:.2f} % of a core, {format_bytes(watch.cost.latest.rss_bytes)}")


def load(ended: Ended) -> Check:
    """How the command ended; its failure is not the recording's."""
    evidence = f"exit code {ended.exit_code} after {format_duration(max(ended.seconds, 0.001))}, output in {ended.output}"
    if ended.exit_code == 0:
        return Check("load", OK, evidence)
    return Check("load", WARN, evidence, "the load itself failed; its output says why.")
