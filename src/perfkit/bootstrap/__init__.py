"""How the one file runs: which tier a command belongs to, and where the desk tier's packages are unpacked. Target tier."""

from __future__ import annotations

import sys

import perfkit
from perfkit.commands import DESK_PYTHON


def program_file() -> str | None:
    """The perfkit.pyz that this runs from, None from a checkout or an installed package."""
    return getattr(perfkit.__spec__.loader, "archive", None) if perfkit.__spec__ else None


def too_old_for_desk() -> str:
    """Why this Python runs no command of the desk tier, in words that follow a subject ("this command"); "" if it does."""
    if sys.version_info >= DESK_PYTHON:
        return ""
    here, oldest = (".".join(map(str, version)) for version in (sys.version_info[:2], DESK_PYTHON))
    return f"needs Python {oldest} or later, and here is {here}; collect, preflight and mark run on it."
