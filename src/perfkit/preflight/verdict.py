"""What a check found, and what all of them together say."""

from __future__ import annotations

from typing import Any, NamedTuple

from perfkit.collection.certificate import Certificate

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"


class Check(NamedTuple):
    """One line of a preflight: `evidence` is what was seen, `advice` the cause and the cure where it is not ok."""

    name: str
    state: str
    evidence: str
    advice: str = ""


class Words(NamedTuple):
    """The verdict of a report: where all holds, where a check failed for which nothing else is said, and by the name of that check."""

    good: str
    bad: str
    by_check: dict[str, str] = {}  # noqa: RUF012 - never changed


class Report(NamedTuple):
    """Everything one preflight found out about `subject`, in the order in which it was checked.

    usage        the input itself is wrong (no such file, not a collection): exit code 2 instead of 1
    certificate  of the samples, where some were counted
    consequence  what follows from a failure, said behind the verdict
    trust        of a certificate: whether the recording may be trusted, as the verdict of `process` and of the pages says it
    """

    subject: str
    checks: tuple[Check, ...]
    words: Words
    usage: bool = False
    certificate: Certificate | None = None
    consequence: str = ""
    trust: str = ""

    @property
    def failure(self) -> Check | None:
        """The first check that failed: the one to mend."""
        return next((check for check in self.checks if check.state == FAIL), None)

    @property
    def passed(self) -> bool:
        return self.failure is None

    @property
    def verdict(self) -> str:
        """A few words that fit what failed: the worst of it, if several checks did."""
        failed = [check.name for check in self.checks if check.state == FAIL]
        if not failed:
            return self.words.good
        known = all(name in self.words.by_check for name in failed)
        said = self.words.by_check[failed[0]] if known else self.words.bad
        return f"{said}; {self.consequence}" if self.consequence else said

    @property
    def exit_code(self) -> int:
        """0 passed, 1 the proof failed, 2 the input is wrong."""
        if self.passed:
            return 0
        return 2 if self.usage else 1

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: subject, passed, exit_code, verdict, the checks with their four fields; trust and certificate if any."""
        found = {"subject": self.subject, "passed": self.passed, "exit_code": self.exit_code, "verdict": self.verdict}
        if self.trust:
            found["trust"] = self.trust
        found["checks"] = [check._asdict() for check in self.checks]
        return found if self.certificate is None else {**found, "certificate": self.certificate.as_dict()}
