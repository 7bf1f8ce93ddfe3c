"""What load tools say of a run, brought onto the time axis of the host's metrics.

Desk tier. `tools` finds which tool wrote a file; a module per kind of output reads it; `requests` makes seconds of single reports;
`importing` puts the runs into the database. A figure that a tool does not report is empty.
"""

from __future__ import annotations

from perfkit.loadtools.timeline import COLUMNS, Row, Summary, Timeline
from perfkit.loadtools.tools import read_runs

__all__ = ["COLUMNS", "Row", "Summary", "Timeline", "read_runs"]
