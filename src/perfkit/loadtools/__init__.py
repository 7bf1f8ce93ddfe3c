"""What load tools say about a run, brought onto the time axis of the host's metrics: k6, JMeter, Locust, sysbench, wrk.

Desk tier. Which tool wrote a file is found by its content; a column that a tool does not report is empty.
"""

from __future__ import annotations

from perfkit.loadtools.reading import read_timeline
from perfkit.loadtools.timeline import COLUMNS, Timeline

__all__ = ["COLUMNS", "Timeline", "read_timeline"]
