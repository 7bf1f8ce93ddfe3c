"""The certificate of a load: what share of it was recorded, how well, and at what cost."""

from __future__ import annotations

import time

from perfkit.collection.certificate import Certificate
from perfkit.preflight.load import Ended
from perfkit.preflight.verdict import FAIL, OK, SKIP, WARN, Check, Report, Words
from perfkit.preflight.watch import Watch
from perfkit.units import format_bytes, format_duration

# A single missing sample, or this share of all, does not make a run worthless; each is still named.
_MISSED_SHARE = 0.01

WORDS = Words(
    "the load was recorded",
    "the load was NOT recorded",
    {
        "recorded": "the load was NOT recorded in full",
        "collector": "the load was recorded, but nothing records any more",
    },
)
STREAM_WORDS = Words(
    "the load was recorded, and the receiver has it",
    "the receiver has NOTHING of the load",
    {
        "recorded": "the receiver does NOT have the load in full",
        "receiver": "the load was recorded, but the receiver acknowledges no more",
        "collector": WORDS.by_check["collector"],
    },
)


def tolerable(certificate: Certificate) -> float:
    """How many samples may be missing before a recording is called incomplete."""
    return max(1, _MISSED_SHARE * certificate.samples_expected)


def report_on(watch: Watch, losses: list[str], ended: Ended) -> Report:
    """The certificate of the window that `watch` has covered, as a report; `losses` are the sentences that it said meanwhile."""
    certificate = watch.certificate()
    checks = (
        recorded(certificate, ended.seconds, watch),
        gaps(certificate, watch),
        lateness(certificate),
        collector(watch, losses),
        cost(watch),
        load(ended),
    )
    words = STREAM_WORDS if watch.is_stream else WORDS
    words = words if certificate.samples else words._replace(by_check={})
    return Report(str(watch.target), checks, words, certificate=certificate, trust=certificate.trust_text)


def recorded(certificate: Certificate, seconds: float, watch: Watch) -> Check:
    """Samples present, or acknowledged, of those expected."""
    evidence = f"{certificate.coverage_text}{' acknowledged' if watch.is_stream else ''}, over {format_duration(max(seconds, 0.001))}"
    missing = certificate.samples_expected - certificate.samples
    if certificate.samples_expected == 0:
        return Check("recorded", WARN, evidence, "the load was shorter than one period; use a higher --frequency for it.")
    if missing <= tolerable(certificate) and certificate.samples:
        return Check("recorded", OK, evidence)
    cause = f"{missing} of {certificate.samples_expected} samples of this load are {watch.where_missing}."
    return Check("recorded", FAIL, evidence, cause)


def gaps(certificate: Certificate, watch: Watch) -> Check:
    """The gaps, and where the longest begins."""
    if not certificate.gaps:
        return Check("gaps", OK, certificate.gaps_text)
    longest = max(watch.gaps, key=lambda gap: gap.end_ms - gap.start_ms)
    at = time.strftime("%H:%M:%SZ", time.gmtime(longest.start_ms / 1000))
    cause = "rates across a gap are true averages over it; look for what held the machine up then."
    return Check("gaps", WARN, f"{certificate.gaps_text}, after {at}", cause)


def lateness(certificate: Certificate) -> Check:
    """How late the latest sample was read."""
    if not certificate.lateness_text:
        return Check("lateness", SKIP, "not known: this collector writes whole seconds")
    return Check("lateness", OK, certificate.lateness_text)


def collector(watch: Watch, losses: list[str]) -> Check:
    """It records still, and did all the time; of a stream, the receiver acknowledges."""
    name = "receiver" if watch.is_stream and not watch.over else "collector"
    if watch.lost_for:
        what = "recording stopped" if name == "collector" else "acknowledgements stopped"
        return Check(name, FAIL, watch.lost_for, f"{what} during the load ({watch.lost_for}); find out why and repeat the test.")
    if losses:
        return Check(name, WARN, f"{watch.resumed}, after: {'; '.join(losses[:3])}", watch.after_a_loss)
    return Check(name, OK, "acknowledges" if name == "receiver" else "still recording")


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
