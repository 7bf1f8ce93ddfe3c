"""How the one file runs: which tier a command belongs to, and where the desk tier's packages are unpacked. Target tier."""

from __future__ import annotations

import perfkit


def program_file() -> str | None:
    """The perfkit.pyz that this runs from, None from a checkout or an installed package."""
    return getattr(perfkit.__spec__.loader, "archive", None) if perfkit.__spec__ else None
