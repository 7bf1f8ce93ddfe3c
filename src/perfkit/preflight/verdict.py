"""What a check found, and what all of them together say."""

from __future__ import annotations

from typing import Any, NamedTuple

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"


class Check(NamedTuple):
    """One line of a preflight: `evidence` is what was seen, `advice` the cause and the cure where it is not ok."""

    name: str
    state: str
    evidence: str
    advice: str = ""


class Report(NamedTuple):
    """Everything one preflight found out about `subject`, in the order in which it was checked.

    `usage` is True where the input itself is wrong (no such file, not a collection): exit code 2 instead of 1.
    """

    subject: str
    checks: tuple[Check, ...]
    usage: bool = False

    @property
    def failure(self) -> Check | None:
        """The first check that failed: the one to mend."""
        return next((check for check in self.checks if check.state == FAIL), None)

    @property
    def passed(self) -> bool:
        return self.failure is None

    @property
    def exit_code(self) -> int:
        """0 passed, 1 the proof failed, 2 the input is wrong."""
        if self.passed:
            return 0
        return 2 if self.usage else 1

    def as_dict(self) -> dict[str, Any]:
        """For `--json`: subject, passed, exit_code and the checks with their four fields."""
        checks = [check._asdict() for check in self.checks]
        return {"subject": self.subject, "passed": self.passed, "exit_code": self.exit_code, "checks": checks}
