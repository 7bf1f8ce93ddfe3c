"""Proposes the steady part of each phase: what to look at after the warm-up and before the cool-down. Offered, never applied."""

from __future__ import annotations

from typing import NamedTuple

import duckdb

from perfkit.process.statements import statement


class Proposal(NamedTuple):
    """From `since` to `until` (ms since the epoch) CPU busy was steady around `mean` %; that is `kept_percent` of `phase`."""

    phase: str
    since: int
    until: int
    mean: float
    kept_percent: float


def proposals(con: duckdb.DuckDBPyConnection, source: int) -> list[Proposal]:
    """The proposals for `source` in a derived engine, by MSER-5 (see sql/steady.sql); none for a phase of fewer than 40 samples.

    Without marks the whole collection is one phase, "all".
    """
    found = con.execute(statement("steady_series") + statement("steady"), {"source": source}).fetchall()
    return [Proposal(phase, int(since), int(until), mean, kept) for phase, since, until, mean, kept in found]
