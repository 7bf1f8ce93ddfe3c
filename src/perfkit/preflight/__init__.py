"""Proof of recording: that a collection is being written, now, by a live collector, with this machine's counters.

Target tier: standard library, Python 3.9. Nothing here prints; the commands do.
"""

from __future__ import annotations

from perfkit.preflight.recording import check_recording
from perfkit.preflight.verdict import Check, Report

__all__ = ["Check", "Report", "check_recording"]
