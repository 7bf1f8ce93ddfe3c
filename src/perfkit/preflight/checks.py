"""The checks of a recording: each looks at one Observation and returns one line with its evidence."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from perfkit.preflight.holder import Writer, process
from perfkit.preflight.kernel import LABELS, SOURCES
from perfkit.preflight.observe import Observation
from perfkit.preflight.story import number, spacing
from perfkit.preflight.verdict import FAIL, OK, SKIP, WARN, Check
from perfkit.units import format_bytes, format_duration

# How far the median distance of samples may be from the promised one.
_FREQUENCY_TOLERANCE = 0.25
# Clock ticks by which two reads of the same CPU counters may disagree (per-CPU sums are not taken at one instant).
_TICK_SLACK = 2
_SPACE_MARGIN = 1.1
_A_DAY = 86400.0


def writer(seen: Observation) -> Check:
    """A live process records into the file: it holds the lock; from pcc, has it open for writing or makes it grow."""
    name = "process"
    if seen.replaced:
        cause = f"{seen.path} was removed, replaced or cut while it was being recorded; start a new collection and leave its file alone."
        return Check(name, FAIL, "the file under this name is not the one being written", cause)
    if seen.story.end is not None:
        why = seen.story.end.get("reason", "unknown")
        return Check(
            name, FAIL, f"the end line is there (reason: {why})", f"this collection has ended ({why}); start a new one: perfkit collect."
        )
    elsewhere = _elsewhere(seen)
    if elsewhere:
        return Check(name, FAIL, elsewhere, f"{elsewhere}; start a new collection here, or run preflight where it is being recorded.")
    if len(seen.writers) > 1:
        return _crowd(name, seen.writers)
    return _holder(name, seen) if seen.story.ours else _open_writer(name, seen)


def _elsewhere(seen: Observation) -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    recorded = seen.story.session.get("boot_id")
    if not isinstance(recorded, str) or recorded == boot:
        return ""
    host = seen.story.session.get("hostname")
    if host == os.uname().nodename:
        return f"{host} was rebooted since this collection was started"
    return f"this is a collection of another machine, {host}"


def _crowd(name: str, found: tuple[Writer, ...]) -> Check:
    who = ", ".join(f"{one.name} (pid {one.pid})" for one in found)
    pids = " ".join(str(one.pid) for one in found[1:])
    return Check(
        name, FAIL, f"{len(found)} processes write to it: {who}", f"another collector writes to the same file; stop it: kill {pids}."
    )


def _holder(name: str, seen: Observation) -> Check:
    pid = seen.holder
    if pid is None:
        dead = f"nobody holds its lock; the collector was pid {seen.story.session.get('pid', 'unknown')}"
        cause = "the collector of this file has gone without an end line (killed, or out of memory: see dmesg); start a new collection."
        return Check(name, FAIL, dead, cause)
    if pid == 0:
        return Check(name, OK, "its lock is held by a process outside this PID namespace")
    found = process(pid)
    if found and found.state in "Tt":
        return _stopped(name, found)
    return Check(name, OK, f"{found.name if found else 'a process'} (pid {pid}) holds its lock")


def _open_writer(name: str, seen: Observation) -> Check:
    if seen.writers:
        one = seen.writers[0]
        return _stopped(name, one) if one.state in "Tt" else Check(name, OK, f"{one.name} (pid {one.pid}) has it open for writing")
    if seen.grown:
        return Check(name, OK, f"no writer is visible to this user, but the file grew by {format_bytes(seen.grown)}")
    cause = "no process writes to this file; start the collector (perfkit collect), or name the file that it writes with --collection."
    return Check(name, FAIL, f"no process has it open for writing, and it did not grow in {seen.elapsed:.1f} s", cause)


def _stopped(name: str, found: Writer) -> Check:
    return Check(
        name, FAIL, f"{found.name} (pid {found.pid}) is stopped", f"the collector is suspended; let it go on: kill -CONT {found.pid}."
    )


def parses(seen: Observation) -> Check:
    """Every whole line of the file is a measurement."""
    story = seen.story
    part = f" (the first and last of {format_bytes(seen.size)})" if seen.skipped else ""
    if seen.damaged or story.unreadable:
        where = (
            f"line {story.first_unreadable} is the first of {story.unreadable} unreadable"
            if story.unreadable
            else "the gzip stream is damaged"
        )
        cause = "something else than the collector wrote into this file, or the disk damaged it; start a new collection in a new file."
        return Check("parses", FAIL, f"{where}, {story.lines} read{part}", cause)
    return Check("parses", OK, f"{story.lines} lines, all readable{part}")


def sources(seen: Observation) -> Check:
    """Every source that the session promises came with the samples of the window."""
    promised = seen.story.promised
    counts = seen.arrived_sources if seen.arrived else seen.story.seen
    missing = [name for name in promised if not counts[name]]
    if missing:
        cause = f"the collector does not record {', '.join(missing)}; look at its messages, and whether it may read it: cat {missing[0]}."
        return Check("sources", FAIL, f"{len(missing)} of {len(promised)} are missing: {', '.join(missing)}", cause)
    if promised:
        by = "the session promises" if seen.story.ours else "pcc records"
        return Check("sources", OK, f"all {len(promised)} that {by}")
    return Check(
        "sources", OK if counts else FAIL, f"{len(counts)} containers, no host source", "" if counts else "no source at all was recorded."
    )


def growing(seen: Observation) -> Check:
    """At least two samples arrived while we watched."""
    count = len(seen.arrived)
    if count >= 2:
        apart = statistics.fmean(_gaps(seen))
        return Check("growing", OK, f"{count} samples in {seen.elapsed:.1f} s ({apart:.2f} s apart), last {max(seen.age, 0):.1f} s ago")
    evidence = (
        f"{count or 'no'} sample{'s' if count != 1 else ''} in {seen.elapsed:.1f} s, last write {format_duration(max(seen.age, 0.001))} ago"
    )
    period = seen.story.period
    if period and seen.elapsed < 2 * period:
        cause = f"samples come every {period:g} s, so two need longer than that; use --wait {math.ceil(2.5 * period + 1)}s."
    else:
        cause = "the file has stopped growing; look at the collector's messages and at the disk (df), then start it again."
    return Check("growing", FAIL, evidence, cause)


def _gaps(seen: Observation) -> list[float]:
    return [spacing(a, b) for a, b in zip(seen.arrived, seen.arrived[1:])]


def frequency(seen: Observation) -> Check:
    """The samples of the window are as far apart as promised."""
    promised, gaps = seen.story.period, _gaps(seen)
    if not gaps or not promised:
        return Check("frequency", SKIP, "needs two samples")
    typical = statistics.median(gaps)
    if not seen.story.ours:
        return Check("frequency", OK, f"every {typical:g} s; pcc's files promise no frequency")
    if abs(typical / promised - 1) > _FREQUENCY_TOLERANCE:
        cause = (
            "the collector does not keep its frequency, because the machine or its disk is overloaded; free it, or use a lower --frequency."
        )
        return Check("frequency", FAIL, f"every {typical:.2f} s instead of every {promised:g} s", cause)
    return Check("frequency", OK, f"every {typical:.2f} s as promised ({promised:g} s)")


def moving(seen: Observation) -> Check:
    """The counters follow this machine: the last sample's lie between two readings of our own around a nudge that moved them."""
    if len(seen.arrived) < 2:
        return Check("moving", SKIP, "needs two samples")
    if seen.nudged is None or not seen.fresh:
        return Check("moving", FAIL, "no sample was read after the nudge", "watch longer: --wait 10s, or more for a long period.")
    moved: list[str] = []
    frozen: list[str] = []
    for name, before, nudged, after, recorded in zip(LABELS, seen.before, seen.nudged, seen.after, seen.recorded):
        if before is None or nudged is None or after is None or nudged <= before or not _has(seen, SOURCES[name]):
            continue
        slack = _TICK_SLACK + (os.cpu_count() or 1) if name == "cpu_ticks" else 0
        follows = recorded is not None and nudged - slack <= recorded <= after + slack
        (moved if follows else frozen).append(f"{LABELS[name]} +{nudged - before}" if follows else name)
    if frozen:
        return _frozen(frozen)
    if not moved:
        return Check(
            "moving",
            WARN,
            "no counter of this machine could be moved to compare with",
            "the counters are unproven; look at the first charts.",
        )
    return Check("moving", OK, f"follow this machine's own: {', '.join(moved)}")


def _has(seen: Observation, source: str) -> bool:
    return source in seen.story.seen or source in seen.story.promised


def _frozen(names: list[str]) -> Check:
    labels = ", ".join(LABELS[name] for name in names)
    files = ", ".join(sorted({SOURCES[name] for name in names}))
    cause = f"{files} in the collection is frozen, a container's or another machine's; run the collector and preflight in the same place."
    return Check("moving", FAIL, f"{labels} in the last sample are not between two readings of our own", cause)


def space(seen: Observation) -> Check:
    """The disk holds what the rest of the duration will write."""
    rate = _bytes_per_second(seen)
    if not rate:
        return Check("space", SKIP, f"{format_bytes(seen.free)} free; needs two samples for the rate")
    left = _seconds_left(seen)
    if left is None:
        lasts = seen.free / rate
        state = OK if lasts >= _A_DAY else WARN
        advice = "" if state == OK else "the disk is full within a day at this rate; free some space."
        return Check(
            "space", state, f"{format_bytes(seen.free)} free, enough for {format_duration(lasts)} at {format_bytes(rate)}/s", advice
        )
    need = left * rate * _SPACE_MARGIN
    evidence = f"{format_bytes(need)} needed for the {format_duration(max(left, 0.001))} left, {format_bytes(seen.free)} free"
    if need <= seen.free:
        return Check("space", OK, evidence)
    folder = seen.path.absolute().parent
    return Check(
        "space", FAIL, evidence, f"the disk will be full before the collection ends; free space in {folder}, or record as .json.gz."
    )


def _bytes_per_second(seen: Observation) -> float:
    if len(seen.arrived) < 2 or not seen.grown:
        return 0.0
    typical = statistics.median(_gaps(seen))
    return seen.grown / len(seen.arrived) / typical if typical > 0 else 0.0


def _seconds_left(seen: Observation) -> float | None:
    started, duration, last = seen.story.started, seen.story.duration, seen.story.samples[-1]
    if duration is None or started is None:
        return None
    run = number(seen.story.session.get("started"))
    elapsed = spacing(started, last) if run is None or last.monotonic is None else last.monotonic - run
    return max(duration - elapsed, 0.0)


def clock(seen: Observation) -> Check:
    """The wall clock is synchronised, so that this machine's time can be laid beside another's; only ever a warning."""
    off = time.time() - seen.story.samples[-1].wall if seen.arrived else 0.0
    if abs(off) > 2 + 2 * (seen.story.period or 0):
        return Check(
            "clock", WARN, f"the last sample's time is {off:+.1f} s away from this clock", "the collector's clock differs from this one."
        )
    state = seen.story.session.get("clock_synchronised")
    if state is True:
        return Check("clock", OK, "synchronised")
    if state is None:
        return Check("clock", OK, "not known to be synchronised (the collection does not say)")
    cure = "times will not match other machines'; start chrony or systemd-timesyncd (timedatectl set-ntp true)."
    return Check("clock", WARN, "not synchronised", cure)


RECORDING: tuple[Callable[[Observation], Check], ...] = (writer, parses, sources, growing, frequency, moving, space, clock)
