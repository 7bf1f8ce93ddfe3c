"""Is this collection being recorded? The checks, in order, on one look at the file; each gives one line with its evidence."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from perfkit.collection.certificate import Certificate
from perfkit.errors import reason
from perfkit.preflight.certificate import tolerable
from perfkit.preflight.counters import LABELS, SOURCES, tick_slack
from perfkit.preflight.observe import DEFAULT_WAIT, Look, Observation, fitting_wait
from perfkit.preflight.processes import Process, collectors, process
from perfkit.preflight.state import SampleRead, spacing
from perfkit.preflight.verdict import FAIL, OK, SKIP, WARN, Check, Report, Words
from perfkit.units import format_bytes, format_duration

# How far the median distance of samples may be from the promised one.
_FREQUENCY_TOLERANCE = 0.25
_FEW = 5  # samples whose median distance one that was late does not change much
_SPACE_MARGIN = 1.1
_A_DAY = 86400.0

WORDS = Words(
    "recording",
    "NOT recording",
    {
        "parses": "recording, but the file is damaged",
        "sources": "recording, but not every source",
        "frequency": "recording, but not at its frequency",
        "moving": "recording, but not proven to be this machine's counters",
        "space": "recording, but the disk will not last",
    },
)


def check_recording(path: Path, wait: float | None = None) -> Report:
    """Watch `path` for up to `wait` seconds (None: five, or two and a half periods) and prove that it is being recorded.

    A file that is not there yet, or still empty, is waited for; from one that was rotated it goes on to the next. Never raises
    for anything about the file.
    """
    missing = _await(path, DEFAULT_WAIT if wait is None else wait)
    if missing:
        return Report(str(path), (missing,), WORDS, usage=True)
    try:
        seen = Look(path, wait).watch()
    except OSError as error:
        why = reason(error)
        return _unusable(path, f"cannot be read ({why})", f"{path} cannot be read: {why}; run preflight as the collector's user.")
    state = seen.state
    if not state.lines or state.unreadable == state.lines:
        cause = f"{seen.path} is not a collection; name the file that collect writes with --collection."
        return _unusable(seen.path, "no line of it is a measurement", cause)
    certificate = None if seen.skipped else state.certificate(seen.is_held)
    checks = (*(check(seen) for check in CHECKS), so_far(certificate))
    return Report(str(seen.path), checks, words_for(seen, WORDS), certificate=certificate)


def _await(path: Path, wait: float) -> Check | None:
    """The check that failed, or None as soon as there is something in the file."""
    deadline = time.monotonic() + wait
    while not (path.is_file() and path.stat().st_size):
        if path.exists() and not path.is_file():
            return Check("file", FAIL, "not a regular file", f"{path} is not a file; name the file that collect writes with --collection.")
        if time.monotonic() >= deadline:
            return _empty(path, wait) if path.exists() else _absent(path)
        time.sleep(0.05)
    return None


def _absent(path: Path) -> Check:
    running = collectors()
    streaming = [one for one in running if one.mode == "trickle"]
    if streaming:
        pid = streaming[0].pid
        cause = (
            f"{path} does not exist; the collector here (pid {pid}) is in trickle mode: no file; "
            "use --mode local, or name its spool: preflight --spool DIR."
        )
        return Check("file", FAIL, f"no such file; a collector in trickle mode runs (pid {pid})", cause)
    others = [one for one in running if one.collection]
    hint = f"; a collector (pid {others[0].pid}) writes {others[0].collection}" if others else "; no collector runs here"
    cause = f"{path} does not exist; start perfkit collect --collection {path} first, or name the right file."
    return Check("file", FAIL, f"no such file{hint}", cause)


def _empty(path: Path, wait: float) -> Check:
    cause = f"{path} is empty, so nothing is recorded; start perfkit collect --collection {path}, and read its messages if it does run."
    return Check("file", FAIL, f"empty for {wait:g} s", cause)


def _unusable(path: Path, evidence: str, cause: str) -> Report:
    return Report(str(path), (Check("file", FAIL, evidence, cause),), WORDS, usage=True)


def file(seen: Observation) -> Check:
    """It is there, it can be read, and its lines are measurements."""
    session = seen.recording.session
    made_by = f"perfkit on {session.get('hostname', 'unknown')}" if seen.recording.ours else "pcc"
    return Check("file", OK, f"{format_bytes(seen.size)}, by {made_by}")


def writer(seen: Observation) -> Check:
    """A live process records into the file: it holds the lock; from pcc, has it open for writing or makes it grow."""
    name = "process"
    if seen.recording.end is not None:
        why = seen.recording.end.get("reason", "unknown")
        cause = f"this collection has ended ({why}); start a new one: perfkit collect."
        return Check(name, FAIL, f"the end line is there (reason: {why})", cause)
    if seen.replaced:
        cause = f"{seen.path} was removed, replaced or cut while it was being recorded; start a new collection and leave its file alone."
        return Check(name, FAIL, "the file under this name is not the one being written", cause)
    elsewhere = _elsewhere(seen)
    if elsewhere:
        return Check(name, FAIL, elsewhere, f"{elsewhere}; start a new collection here, or run preflight where it is being recorded.")
    if len(seen.writers) > 1:
        return _crowd(name, seen.writers)
    return _holder(name, seen) if seen.recording.ours else _open_writer(name, seen)


def _elsewhere(seen: Observation) -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    recorded = seen.recording.session.get("boot_id")
    if not isinstance(recorded, str) or recorded == boot:
        return ""
    host = seen.recording.session.get("hostname")
    if host == os.uname().nodename:
        return f"{host} was rebooted since this collection was started"
    return f"this is a collection of another machine, {host}"


def _crowd(name: str, found: tuple[Process, ...]) -> Check:
    who = ", ".join(f"{one.name} (pid {one.pid})" for one in found)
    pids = " ".join(str(one.pid) for one in found[1:])
    return Check(
        name, FAIL, f"{len(found)} processes write to it: {who}", f"another collector writes to the same file; stop it: kill {pids}."
    )


def _holder(name: str, seen: Observation) -> Check:
    pid = seen.holder
    if pid is None:
        dead = f"nobody holds its lock; the collector was pid {seen.recording.session.get('pid', 'unknown')}"
        cause = "the collector of this file has gone without an end line (killed, or out of memory: see dmesg); start a new collection."
        return Check(name, FAIL, dead, cause)
    if pid == 0:
        return Check(name, OK, "its lock is held by a process outside this PID namespace")
    found = process(pid)
    if found and found.is_stopped:
        return _stopped(name, found)
    return Check(name, OK, f"{found.name if found else 'a process'} (pid {pid}) holds its lock")


def _open_writer(name: str, seen: Observation) -> Check:
    if seen.writers:
        one = seen.writers[0]
        return _stopped(name, one) if one.is_stopped else Check(name, OK, f"{one.name} (pid {one.pid}) has it open for writing")
    if seen.grown:
        return Check(name, OK, f"no writer is visible to this user, but the file grew by {format_bytes(seen.grown)}")
    cause = "no process writes to this file; start the collector (perfkit collect), or name the file that it writes with --collection."
    return Check(name, FAIL, f"no process has it open for writing, and it did not grow in {seen.elapsed:.1f} s", cause)


def _stopped(name: str, found: Process) -> Check:
    return Check(
        name, FAIL, f"{found.name} (pid {found.pid}) is stopped", f"the collector is suspended; let it go on: kill -CONT {found.pid}."
    )


def parses(seen: Observation) -> Check:
    """Every whole line of the file is a measurement."""
    state = seen.state
    part = f" (the first and last of {format_bytes(seen.size)})" if seen.skipped else ""
    if seen.damaged or state.unreadable:
        where = (
            f"line {state.first_unreadable} is the first of {state.unreadable} unreadable"
            if state.unreadable
            else "the gzip stream is damaged"
        )
        cause = "something else than the collector wrote into this file, or the disk damaged it; start a new collection in a new file."
        return Check("parses", FAIL, f"{where}, {state.lines} read{part}", cause)
    return Check("parses", OK, f"{state.lines} lines, all readable{part}")


def sources(seen: Observation) -> Check:
    """Every source that the session promises came with the samples of the window."""
    promised = seen.recording.promised
    counts = seen.arrived_sources if seen.arrived else seen.recording.seen
    missing = [name for name in promised if not counts[name]]
    if missing:
        cause = f"the collector does not record {', '.join(missing)}; look at its messages, and whether it may read it: cat {missing[0]}."
        return Check("sources", FAIL, f"{len(missing)} of {len(promised)} are missing: {', '.join(missing)}", cause)
    if promised:
        by = "the session promises" if seen.recording.ours else "pcc records"
        return Check("sources", OK, f"all {len(promised)} that {by}")
    return Check(
        "sources", OK if counts else FAIL, f"{len(counts)} containers, no host source", "" if counts else "no source at all was recorded."
    )


def is_too_short(seen: Observation) -> bool:
    """Whether it was watched for too short a time for two samples."""
    return seen.recording.period is not None and seen.elapsed < 2 * seen.recording.period


def words_for(seen: Observation, words: Words) -> Words:
    """`words`, which say nothing of what two samples would have shown where the wait was too short for them."""
    unproven = "not proven to be recording: the wait is too short"
    return words._replace(by_check={**words.by_check, "growing": unproven, "arriving": unproven}) if is_too_short(seen) else words


def growing(seen: Observation) -> Check:
    """At least two samples arrived while we watched."""
    count = len(seen.arrived)
    if count >= 2:
        apart = statistics.fmean(_gaps(seen.arrived))
        return Check("growing", OK, f"{count} samples in {seen.elapsed:.1f} s ({apart:.2f} s apart), last {max(seen.age, 0):.1f} s ago")
    evidence = (
        f"{count or 'no'} sample{'s' if count != 1 else ''} in {seen.elapsed:.1f} s, last write {format_duration(max(seen.age, 0.001))} ago"
    )
    period = seen.recording.period
    if period and is_too_short(seen):
        cause = f"samples come every {period:g} s, so two need longer than that; use --wait {fitting_wait(seen.recording)}s."
    else:
        cause = "the file has stopped growing; look at the collector's messages and at the disk (df), then start it again."
    return Check("growing", FAIL, evidence, cause)


def _gaps(samples: Sequence[SampleRead]) -> list[float]:
    return [spacing(a, b) for a, b in zip(samples, samples[1:])]


def frequency(seen: Observation) -> Check:
    """The newest samples are as far apart as promised: those of the window, and if these are few, some before them."""
    recording, promised = seen.recording, seen.recording.period
    if len(seen.arrived) < 2 or not promised:
        return Check("frequency", SKIP, "needs two samples")
    typical = statistics.median(_gaps(recording.samples[-max(len(seen.arrived), _FEW) :]))
    if not recording.ours:
        return Check("frequency", OK, f"every {typical:g} s; pcc's files promise no frequency")
    if typical > promised * (1 + _FREQUENCY_TOLERANCE):
        cause = (
            "the collector does not keep its frequency, because the machine or its disk is overloaded; free it, or use a lower --frequency."
        )
        return Check("frequency", FAIL, f"every {typical:.2f} s instead of every {promised:g} s", cause)
    if typical < promised * (1 - _FREQUENCY_TOLERANCE):
        return Check("frequency", OK, f"every {typical:.2f} s, which is more often than promised ({promised:g} s), as in a burst")
    return Check("frequency", OK, f"every {typical:.2f} s as promised ({promised:g} s)")


def moving(seen: Observation) -> Check:
    """The counters follow this machine: the last sample's lie between two readings of our own around a nudge that moved them."""
    if len(seen.arrived) < 2:
        return Check("moving", SKIP, "needs two samples")
    if seen.nudged is None or not seen.fresh:
        needed = fitting_wait(seen.recording)
        cause = f"watch longer, so that a sample is read after the nudge: --wait {needed}s."
        if seen.elapsed >= needed:
            cause = (
                "its samples were read long before they are written; this is a copy of another recording, or its writer holds lines back."
            )
        return Check("moving", FAIL, "no sample was read after the nudge", cause)
    moved: list[str] = []
    frozen: list[str] = []
    for name, before, nudged, after, recorded in zip(LABELS, seen.before, seen.nudged, seen.after, seen.recorded):
        if before is None or nudged is None or after is None or nudged <= before or not _has(seen, SOURCES[name]):
            continue
        slack = tick_slack() if name == "cpu_ticks" else 0
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
    return source in seen.recording.seen or source in seen.recording.promised


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
    typical = statistics.median(_gaps(seen.arrived))
    return seen.grown / len(seen.arrived) / typical if typical > 0 else 0.0


def _seconds_left(seen: Observation) -> float | None:
    recording = seen.recording
    began, duration, last = recording.began, recording.duration, recording.samples[-1]
    if duration is None:
        return None
    if recording.started is not None and last.monotonic is not None:
        return max(duration - (last.monotonic - recording.started), 0.0)
    return None if began is None else max(duration - spacing(began, last), 0.0)


def clock(seen: Observation) -> Check:
    """The wall clock is synchronised, so that this machine's time can be laid next to another's; only ever a warning."""
    off = time.time() - seen.arrived[-1].wall_ms / 1000 if seen.arrived else 0.0
    if abs(off) > 2 + 2 * (seen.recording.period or 0):
        return Check(
            "clock", WARN, f"the last sample's time is {off:+.1f} s away from this clock", "the collector's clock differs from this one."
        )
    state = seen.recording.session.get("clock_synchronised")
    if state is True:
        return Check("clock", OK, "synchronised")
    if state is None:
        return Check("clock", OK, "not known to be synchronised (the collection does not say)")
    cure = "times will not match other machines'; start chrony or systemd-timesyncd (timedatectl set-ntp true)."
    return Check("clock", WARN, "not synchronised", cure)


def so_far(certificate: Certificate | None) -> Check:
    """How complete the recording is up to now; only ever a warning, because the load comes later."""
    if certificate is None:
        return Check("so far", SKIP, "not counted: the middle of a file this long is not read")
    if certificate.samples_expected - certificate.samples <= tolerable(certificate):
        return Check("so far", OK, str(certificate))
    return Check("so far", WARN, str(certificate), "samples are missing already; find out what held the machine up.")


CHECKS: tuple[Callable[[Observation], Check], ...] = (file, writer, parses, sources, growing, frequency, moving, space, clock)
