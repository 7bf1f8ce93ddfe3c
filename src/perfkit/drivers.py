"""Packages that perfkit does not carry, because few need them: database drivers, file systems, a cluster's client. Desk tier.

The pyz sees no other packages than its own; the folder $PERFKIT_DRIVERS has those that it should see besides.
"""

from __future__ import annotations

import os
import sys

FOLDER = "PERFKIT_DRIVERS"


def look_there() -> None:
    """Let imports find what stands in $PERFKIT_DRIVERS, behind everything else."""
    if (folder := os.environ.get(FOLDER)) and folder not in sys.path:
        sys.path.append(folder)


def cure(*packages: str) -> str:
    """What to do about `packages` that are missing, as the end of a sentence."""
    return f"run pip install --target FOLDER {' '.join(repr(package) for package in packages)} and set {FOLDER}=FOLDER"
