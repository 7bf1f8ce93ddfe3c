"""Do the samples of a streaming collector arrive? Its spool says what waits, and what the receiver has acknowledged."""

from __future__ import annotations

import os
import time
from pathlib import Path

from perfkit.collect.acknowledged import acknowledged_in
from perfkit.collection import lock
from perfkit.errors import BadInput, reason
from perfkit.preflight import recording
from perfkit.preflight.observe import DEFAULT_WAIT, Look, Observation, fitting_wait
from perfkit.preflight.processes import RunningCollector, collector, process
from perfkit.preflight.verdict import FAIL, OK, WARN, Check, Report, Words
from perfkit.preflight.watch import Watch
from perfkit.units import format_bytes, format_duration

_LOCK, _WAITING, _REJECTED = "lock", ".ndjson", ".rejected"
_POLL = 0.05
_SILENCE = 5.0  # seconds without an acknowledgement that a slow network and a flush interval may well take
_LAST_ONES = 30.0  # seconds that the last samples of a load may take to be acknowledged

WORDS = Words(
    "recording, and arriving at the receiver",
    "NOT recording",
    {
        **recording.WORDS.by_check,
        "receiver": "recording, but for another receiver",
        "arriving": "recording, but NOT arriving at the receiver",
    },
)


class SpoolState:
    """The spool folder of a streaming collector as it is now.

    identifier  the machine's name at the receiver
    holder      pid of the collector, 0 if it is out of sight, None if there is none
    collector   how it was started, where that can be seen

    Raises BadInput where the folder is not a spool or cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.identifier = (folder / _LOCK).read_text(errors="replace")
            self.holder = lock.holder(folder / _LOCK)
        except FileNotFoundError:
            raise BadInput(
                f"{folder} is neither a collection nor a spool; name the file that collect writes, or its spool, with --collection."
            ) from None
        except OSError as error:
            raise BadInput(f"the spool {folder} cannot be read: {reason(error)}; run preflight as the collector's user.") from None
        self.collector: RunningCollector | None = collector(self.holder) if self.holder else None

    def acknowledged(self) -> Path | None:
        """The newest file of acknowledged samples."""
        return next(map(Path, reversed(acknowledged_in(os.fspath(self.folder)))), None)

    def waiting(self) -> tuple[int, int, float]:
        """(batches that wait, their bytes, seconds that the oldest has been waiting)."""
        found = [status for status in self._batches(_WAITING) if status.st_size]
        oldest = min((status.st_mtime for status in found), default=time.time())
        return len(found), sum(status.st_size for status in found), max(time.time() - oldest, 0.0)

    def rejected(self) -> int:
        """Batches that the receiver did not take, and that were set aside."""
        return len(self._batches(_REJECTED))

    def _batches(self, suffix: str) -> list[os.stat_result]:
        found = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(suffix):
                    try:
                        found.append(entry.stat())
                    except FileNotFoundError:  # acknowledged in this moment
                        continue
        return found

    def waiting_text(self) -> str:
        """ "3 batches (12.1 KiB) wait in vm-a.spool", "nothing waits in vm-a.spool"."""
        count, size, _ = self.waiting()
        if not count:
            return f"nothing waits in {self.folder}"
        return f"{count} batch{'es wait' if count > 1 else ' waits'} ({format_bytes(size)}) in {self.folder}"


def check_stream(folder: Path, wait: float | None = None, server: str | None = None) -> Report:
    """Watch the spool `folder` for up to `wait` seconds and prove that what is recorded arrives, at `server` if one is named.

    Waiting as of `check_recording`. Never raises for anything about the folder; BadInput where `server` is not an address.
    """
    try:
        spool = SpoolState(folder)
    except BadInput as error:
        return Report(str(folder), (Check("file", FAIL, "not a spool", str(error)),), WORDS, usage=True)
    first = (process_of(spool), *([receiver(spool, server)] if server else []))
    deadline = time.monotonic() + (DEFAULT_WAIT if wait is None else wait)
    while spool.acknowledged() is None and spool.holder is not None and time.monotonic() < deadline:
        time.sleep(_POLL)
    path = spool.acknowledged()
    if path is None or spool.holder is None:
        nothing = Check("arriving", FAIL, "nothing was acknowledged", _not_draining(spool))
        return Report(str(folder), (*first, nothing, room(spool)), WORDS)
    try:
        seen = Look(path, wait).watch()
    except OSError as error:
        cause = f"{path} cannot be read: {reason(error)}; run preflight as the collector's user."
        return Report(str(folder), (*first, Check("arriving", FAIL, f"cannot be read ({reason(error)})", cause)), WORDS, usage=True)
    certificate = seen.state.certificate(held=True)
    checks = (
        *first,
        recording.parses(seen),
        recording.sources(seen),
        arriving(seen, spool),
        recording.frequency(seen),
        recording.moving(seen),
        room(spool),
        recording.clock(seen),
        recording.so_far(certificate),
    )
    return Report(str(folder), checks, recording.words_for(seen, WORDS), certificate=certificate)


def process_of(spool: SpoolState) -> Check:
    """A live collector holds the spool."""
    pid = spool.holder
    if pid is None:
        cause = f"the collector of {spool.folder} has gone, and {spool.waiting_text()}; read its last message, and start it again."
        return Check("process", FAIL, "nobody holds the lock of the spool", cause)
    found = process(pid) if pid else None
    if found and found.is_stopped:
        cause = f"the collector is suspended; let it go on: kill -CONT {pid}."
        return Check("process", FAIL, f"{found.name} (pid {pid}) is stopped", cause)
    who = f"{found.name} (pid {pid})" if found else "a process outside this PID namespace"
    target = f" to {spool.collector.server}" if spool.collector and spool.collector.server else ""
    return Check("process", OK, f"{who} streams{target} as {spool.identifier}")


def receiver(spool: SpoolState, server: str) -> Check:
    """It streams to the receiver that is meant."""
    from perfkit.collect.receiver_client import ReceiverClient  # HTTP and TLS are a fifth of preflight's start

    wanted = ReceiverClient(server).url
    if spool.collector is None or not spool.collector.server:
        return Check("receiver", WARN, "not known: the collector's options cannot be seen", f"see that it streams to {wanted}.")
    actual = ReceiverClient(spool.collector.server).url
    if actual != wanted:
        cause = f"the collector streams to {actual}, not to {wanted}; name that one, or start the collector with the other --server."
        return Check("receiver", FAIL, f"{actual} instead of {wanted}", cause)
    return Check("receiver", OK, actual)


def arriving(seen: Observation, spool: SpoolState) -> Check:
    """At least two samples were acknowledged while we watched."""
    count = len(seen.arrived)
    if count >= 2:
        return Check("arriving", OK, f"{count} samples acknowledged in {seen.elapsed:.1f} s, the last {max(seen.age, 0):.1f} s ago")
    evidence = f"{count or 'no'} sample{'s' if count != 1 else ''} acknowledged in {seen.elapsed:.1f} s; {spool.waiting_text()}"
    period = seen.recording.period
    if period and recording.is_too_short(seen):
        cause = f"samples come every {period:g} s, so two need longer than that; use --wait {fitting_wait(seen.recording)}s."
        return Check("arriving", FAIL, evidence, cause)
    return Check("arriving", FAIL, evidence, _not_draining(spool))


def _not_draining(spool: SpoolState) -> str:
    return (
        f"the spool does not drain: {spool.waiting_text()}; the collector's messages say what the receiver answers, and "
        "preflight --server URL checks its address and the key."
    )


def room(spool: SpoolState) -> Check:
    """What waits, and what the receiver did not take."""
    count, _, oldest = spool.waiting()
    evidence = spool.waiting_text() + (f", the oldest for {format_duration(max(oldest, 0.001))}" if count else "")
    if spool.rejected():
        cause = (
            f"{spool.rejected()} batches were rejected by the receiver and have reached nobody; see its log, and the *{_REJECTED} there."
        )
        return Check("spool", WARN, evidence, cause)
    if count and oldest > _SILENCE:
        return Check("spool", WARN, evidence, "samples arrive late; see whether the network and the receiver keep up.")
    return Check("spool", OK, evidence)


class StreamWatch(Watch):
    """Follows what is acknowledged of a spool; as `Watch`, which see. Raises BadInput where nothing has been acknowledged yet."""

    is_stream = True

    def __init__(self, folder: Path) -> None:
        self.spool = SpoolState(folder)
        path = self.spool.acknowledged()
        if path is None:
            raise BadInput(f"nothing has been acknowledged of what {folder} streams; {self.spool.waiting_text()}.")
        super().__init__(path)

    @property
    def target(self) -> Path:
        return self.spool.folder

    @property
    def patience(self) -> float:
        return _LAST_ONES + 2.5 * self.period

    @property
    def resumed(self) -> str:
        return "the receiver acknowledges again"

    @property
    def after_a_loss(self) -> str:
        return "what waited in the spool meanwhile has been sent since."

    @property
    def where_missing(self) -> str:
        waits = self.spool.waiting()[0]
        rejected = f"{self.spool.rejected()} batches were rejected" if self.spool.rejected() else ""
        state = [self.spool.waiting_text(), *([rejected] if rejected else [])]
        cure = "the collector sends it as soon as the receiver answers" if waits and not self.over else "see the collector's messages"
        return f"not acknowledged: {', '.join(state)}; {cure}"

    def _collector(self) -> int | None:
        return self.spool.holder

    def _is_gone(self) -> bool:
        return lock.holder(self.spool.folder / _LOCK) is None

    def _why_over(self, gone: bool) -> str:
        if not gone:
            return ""
        if self.recording.end is not None:
            return f"the collector has ended ({self.recording.end.get('reason', 'unknown')})"
        return f"the collector has gone; {self.spool.waiting_text()}"

    def _why_silent(self) -> str:
        silent = self.silence
        if silent > max(2.5 * self.period, _SILENCE) + 0.5:
            return f"no sample acknowledged for {format_duration(silent)}; {self.spool.waiting_text()}"
        return ""


def open_watch(path: Path) -> Watch:
    """A watch on a collection, or on the spool of a streaming collector. Raises BadInput where it cannot be read."""
    return StreamWatch(path) if path.is_dir() else Watch(path)
