"""Trickle: what the spool holds goes to a receiver as the network allows.

Sampling never waits for the network: a thread of its own sends, in order, and tries again until a batch is acknowledged.
"""

from __future__ import annotations

import random
import threading
import time

from perfkit.collect.acknowledged import Acknowledged
from perfkit.collect.receiver_client import LATER, REFUSED, REJECTED, TAKEN, TOO_LARGE, UNCLEAR, Answer, ReceiverClient
from perfkit.collect.spool import is_whole, samples_in
from perfkit.errors import Failed
from perfkit.units import format_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from perfkit.collect.spool import Batch, Spool

_FIRST_WAIT, _LONGEST_WAIT, _LONGEST_ASKED = 0.5, 60.0, 300.0  # seconds
_LOOK = 1.0  # seconds between two looks for something to send
_FAREWELL = 10.0  # seconds that the end of a run waits for what is still to be sent
_MOST_UNCLEAR = 2  # how often a batch is sent whose answer is a success and no acknowledgement


class Backoff:
    """How long to wait after each failure in a row: doubling, capped, with jitter so that many collectors spread out."""

    def __init__(self, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._wait, self._jitter = _FIRST_WAIT, jitter

    def after_failure(self, asked: float = 0.0) -> float:
        """Seconds until the next try; at least what the receiver `asked` for, within reason."""
        wait, self._wait = self._wait, min(self._wait * 2, _LONGEST_WAIT)
        return max(self._jitter(wait / 2, wait), min(asked, _LONGEST_ASKED))

    def reset(self) -> None:
        self._wait = _FIRST_WAIT


class Sender:
    """Sends what the spool holds until told to stop.

    fatal     the error after which nothing more can be sent
    sent      batches that the receiver has acknowledged
    rejected  batches that it will never take; they are set aside in the spool. `lost` are the samples in them, `verdict` its last words.
    """

    def __init__(self, spool: Spool, receiver: ReceiverClient, say: Callable[[str], None], wake: Callable[[], None]) -> None:
        self.fatal: Failed | None = None
        self.sent = self.rejected = self.lost = 0
        self.verdict = ""
        self._spool, self._receiver, self._say, self._wake = spool, receiver, say, wake
        self._acknowledged = Acknowledged(spool.folder, say)
        self._backoff = Backoff()
        self._trouble = ""
        self._unclear = 0  # answers in a row to the same batch
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="trickle", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; a request that is under way is left alone."""
        self._stop.set()
        self._spool.end()
        self._thread.join(timeout=_LOOK)
        self._acknowledged.close()

    def _work(self) -> None:
        try:
            while not self._stop.is_set() and self.fatal is None:
                batch = self._spool.next(_LOOK)
                if batch is not None:
                    self._deliver(batch)
        except OSError as error:
            self.fatal = Failed(f"the spool {self._spool.folder} cannot be read: {error}; name another with --spool.")
        finally:
            self._acknowledged.close()
            self._receiver.close()
            self._wake()

    def _deliver(self, batch: Batch) -> None:
        lines = batch.lines()
        answer, kept_out = self._send(lines) if lines else (Answer(TAKEN), [])
        self._unclear = self._unclear + 1 if answer.meaning == UNCLEAR else 0
        if answer.meaning == TAKEN:
            self._acknowledged.add(lines)
            self._taken(batch)
        elif answer.meaning == REFUSED:
            self.fatal = Failed(
                f"the receiver refuses the API key ({answer.sentence}); check PCC_APIKEY or --apikey-file: "
                f"nothing is lost, the lines wait in {self._spool.folder}."
            )
        elif answer.meaning == LATER or 0 < self._unclear < _MOST_UNCLEAR:
            self._later(answer)
        else:
            self._set_aside(batch, answer, kept_out)
            if len(kept_out) < len(lines):  # sent in halves, some were taken
                lost = frozenset(kept_out)
                self._acknowledged.add([line for line in lines if line not in lost])

    def _send(self, lines: list[bytes]) -> tuple[Answer, list[bytes]]:
        """As one request; in halves where that is too large, and without lines that the disk has damaged where it is rejected.

        The answer that decides, and the lines that were not taken.
        """
        answer = self._receiver.send(lines)
        if answer.meaning == REJECTED and 0 < len(whole := [line for line in lines if is_whole(line)]) < len(lines):
            again, kept_out = self._send(whole)
            damaged = [line for line in lines if not is_whole(line)]
            return (Answer(REJECTED, f"{len(damaged)} of its lines are damaged") if again.meaning == TAKEN else again), damaged + kept_out
        if answer.meaning != TOO_LARGE or len(lines) < 2:
            return answer, [] if answer.meaning == TAKEN else lines
        half = len(lines) // 2
        first, left = self._send(lines[:half])
        if first.meaning in (LATER, REFUSED):
            return first, lines
        second, right = self._send(lines[half:])
        return (second if first.meaning == TAKEN or second.meaning in (LATER, REFUSED) else first), left + right

    def _taken(self, batch: Batch) -> None:
        self._spool.acknowledge(batch)
        self._backoff.reset()
        self.sent += 1
        if self._trouble:
            self._trouble = ""
            self._say("The receiver answers again.")

    def _later(self, answer: Answer) -> None:
        if not self._trouble:
            self._say(f"{answer.sentence}; the samples wait in {self._spool.folder} and are sent as soon as it answers.")
        self._trouble = answer.sentence
        self._stop.wait(self._backoff.after_failure(answer.wait))

    def _set_aside(self, batch: Batch, answer: Answer, lines: list[bytes]) -> None:
        aside = self._spool.reject(batch)
        self._unclear = 0
        self.rejected += 1
        self.lost += samples_in(lines)
        self.verdict = answer.sentence
        if self.rejected == 1:
            self._say(f"The receiver rejects a batch ({answer.sentence}); it is kept as {aside}.")
        elif self.rejected & (self.rejected - 1) == 0:  # 2, 4, 8, ...
            self._say(f"The receiver has rejected {self.rejected} batches so far ({answer.sentence}); they are kept as {aside} and so on.")


class TrickleSink:
    """Where the collector's lines go in trickle mode. `write` raises Failed once the receiver has refused the key."""

    def __init__(self, spool: Spool, receiver: ReceiverClient, say: Callable[[str], None], wake: Callable[[], None]) -> None:
        self._spool, self._say = spool, say
        self._told = 0
        self._fresh = True
        self._sender = Sender(spool, receiver, say, wake)

    @property
    def written(self) -> int:
        return self._spool.written

    def check(self) -> None:
        """Raises what has ended the sending."""
        if self._sender.fatal is not None:
            raise self._sender.fatal

    def write(self, lines: bytes) -> None:
        """Spool whole lines; they are on their way soon."""
        self._spool.append(lines)
        if self._fresh:  # the first batch goes at once, so that a wrong key shows at once
            self._spool.seal()
            self._fresh = False
        if self._spool.dropped_lines >= 2 * self._told + 1:
            self._told = self._spool.dropped_lines
            self._say(f"The spool is full: {self._told} of the oldest lines have been dropped so far.")
        self.check()

    def next_file(self) -> str:
        return ""

    def rotate(self) -> None:
        """A spool has no files to rotate."""

    def facts(self) -> dict[str, Any]:
        return {
            "spool_batches": self._spool.waiting,
            "spool_bytes": self._spool.size,
            "spool_dropped_lines": self._spool.dropped_lines,
            "sent_batches": self._sender.sent,
            "rejected_batches": self._sender.rejected,
        }

    def close(self) -> None:
        """Send what is left, for a few seconds at most; Failed if not everything of this run has been acknowledged."""
        self._spool.seal()
        deadline = time.monotonic() + _FAREWELL
        while self._spool.waiting and self._sender.fatal is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self._sender.stop()
        left, size = self._spool.waiting, self._spool.size
        self._spool.close()
        self.check()
        problems = []
        if self._sender.rejected:
            problems.append(
                f"{self._sender.lost} samples reached nobody: the receiver rejected {self._sender.rejected} batches "
                f"({self._sender.verdict}), which are kept in {self._spool.folder} as *.rejected"
            )
        if self._spool.dropped_samples:
            problems.append(
                f"{self._spool.dropped_samples} samples are lost: they were dropped from the full spool {self._spool.folder}; "
                "give it more room with --spool-size"
            )
        if left:
            problems.append(
                f"{left} batches ({format_bytes(size)}) could not be sent and wait in {self._spool.folder}; "
                "the next collect --mode trickle with that --spool sends them"
            )
        if problems:
            raise Failed(". ".join(problem[0].upper() + problem[1:] if n else problem for n, problem in enumerate(problems)) + ".")
