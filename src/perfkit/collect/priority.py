"""The collector's own scheduling priority, so that a saturated machine is recorded too.

A tick takes a fraction of a millisecond, so being served first costs the load next to nothing. A nice value alone does not do it:
with autogroups and CPU cgroups it counts only against processes of the same session or group.
"""

from __future__ import annotations

import os

_NICE = -10


def raise_priority(nice: int | None) -> str:
    """Ask for the lowest real-time priority, else for a nice value, for the calling thread; or only for `nice`, if that is given.

    What is refused is done without. Returns what came of it, for the session: "fifo", "nice -10", "normal". Threads that are started
    later have a normal priority.
    """
    if nice is None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        except (OSError, AttributeError):
            nice = _NICE
        else:
            return "fifo"
    if nice:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        except OSError:
            return "normal"
    return f"nice {nice}" if nice else "normal"
