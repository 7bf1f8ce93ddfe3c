"""Gatling's simulation.log, as text: what Gatling 2.0 to 3.12 wrote."""

from __future__ import annotations

import re
from collections.abc import Iterator

from perfkit.loadtools.marks import Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.requests import NEW_SECTION, STARVED, LoadTool, ToolReport, gather
from perfkit.loadtools.timeline import Timeline

# Fields are parted by tabs, and each version has others in front. A request ends with its start, its end (2.0 and 2.1 have two
# instants more between them), OK or KO, and a message; a user with START or END and one instant or two.
_REQUEST = re.compile(r"(?:^|\t)REQUEST\t.*?(\d{13})\t(?:-?\d+\t-?\d+\t)?(-?\d{1,19})\t(OK|KO)(?:\t(.*))?$")
_USER = re.compile(r"(?:^|\t)USER\t.*?(START|END)\t(\d{13})(?:\t(\d{13}))?")
_RUN = re.compile(r"(?:^RUN\t|\tRUN\t\d{13}\t)")
_WROTE = re.compile(r"^(?:RUN|ASSERTION|USER|REQUEST|GROUP)\t|\t(?:RUN|USER|REQUEST)\t.*\d{13}", re.MULTILINE)


def is_gatling(head: str) -> bool:
    """Whether a file that begins so is a simulation.log as text."""
    return _WROTE.match(head) is not None or re.match(r"[^\n]*\tRUN\t\d{13}\t", head) is not None


def read(output: Output, _start: Start) -> list[Timeline]:
    """All requests; users are those who have begun and not ended."""
    return gather(output, LoadTool("gatling", tells=("starved",)), _reports(output))


def _reports(output: Output) -> Iterator[ToolReport]:
    run = False
    for line in output.lines():
        if request := _REQUEST.search(line):
            begun, ended, failed = int(request[1]), int(request[2]), request[3] == "KO"
            yield ToolReport(
                ended if ended >= begun else begun,
                rank=0,
                operations=1,
                errors=int(failed),
                latency=ended - begun if ended >= begun else None,
                starved=1 if failed and STARVED.search(request[4] or "") else None,
            )
        elif user := _USER.search(line):
            began = user[1] == "START"
            yield ToolReport(int(user[2] if began else user[3] or user[2]), change=1 if began else -1)
        elif _RUN.search(line):
            if run:
                yield NEW_SECTION
            run = True
        elif not re.match(r"(?:ASSERTION|GROUP|ERROR)\t", line):
            output.unread += 1
