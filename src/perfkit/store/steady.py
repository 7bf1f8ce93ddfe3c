"""The proposed steady part of a stretch in the database. Offered, never applied."""

from __future__ import annotations

import sqlite3

from perfkit.process.statements import statement
from perfkit.process.steady import Proposal
from perfkit.store import schema


def propose(con: sqlite3.Connection, collector_id: int, since: int, until: int, phase: str = "all") -> Proposal | None:
    """The steady part of CPU busy after `since` up to `until` (ms since the epoch), by MSER-5 (process/sql/steady.sql).

    None where there are fewer than 40 samples, or no stretch that is longer than half of them is steady.
    """
    query = schema.text("steady.sql") + statement("steady")
    found = con.execute(query, {"collector": collector_id, "since": since, "until": until}).fetchone()
    return Proposal(phase, *found[1:]) if found else None
