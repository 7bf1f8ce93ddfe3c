"""Everything that can go wrong for a user.

PerfkitError
 +- Failed    the thing asked for did not work       exit code 1
 +- BadInput  wrong usage, or input that is not so   exit code 2
     +- NotThere  what was named does not exist

A message is one sentence: what happened, and what to do about it. It is raised where the reason is known and
printed once, in `perfkit.cli.main`.
"""

from __future__ import annotations


class PerfkitError(Exception):
    """Base of every error that a user may see; `str(error)` is the whole sentence."""

    exit_code = 1


class Failed(PerfkitError):
    """The request was well-formed, and could not be carried out."""

    exit_code = 1


class BadInput(PerfkitError):
    """The request, or a file it names, is wrong; nothing was written."""

    exit_code = 2


class NotThere(BadInput):
    """There is no machine, run or phase of the name that was asked for; the sentence lists those there are."""


def reason(error: OSError) -> str:
    """The system's own words for `error`, lower case, without number or path: "permission denied"."""
    return (error.strerror or str(error)).lower()
