"""Runs a load inside the proof: marks around it, an eye on the collection while it runs, a certificate after it."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from perfkit.collect.marks import send_mark
from perfkit.collect.processes import masked
from perfkit.errors import BadInput, Failed, PerfkitError
from perfkit.preflight.certificate import report_on
from perfkit.preflight.load import Load
from perfkit.preflight.state import SampleRead, now, sample_of
from perfkit.preflight.stream import open_watch
from perfkit.preflight.verdict import Report
from perfkit.preflight.watch import RESUMED, Watch

NOT_STARTED = "the load was not started"
_POLL = 0.2
_WAIT_IN_SILENCE = 3.0
_LONGEST_COMMAND = 2000  # bytes of the command line that a mark keeps

Tell = Callable[[str], None]


class Outcome(NamedTuple):
    """How a guarded load ended: the command's exit code, and the certificate of the recording while it ran."""

    load_exit_code: int
    certificate: Report

    @property
    def exit_code(self) -> int:
        """The command's, or 1 where the certificate fails."""
        return self.load_exit_code if self.certificate.passed else 1


@contextmanager
def before_the_load() -> Iterator[None]:
    """What goes wrong in this block says that the load was not started."""
    try:
        yield
    except PerfkitError as error:
        raise type(error)(f"{str(error).rstrip('.')}; {NOT_STARTED}.") from None
    except KeyboardInterrupt:
        raise Failed(f"interrupted; {NOT_STARTED}.") from None


def require_command(command: list[str]) -> None:
    """BadInput unless the first word of `command` can be run."""
    if shutil.which(command[0]) is None:
        raise BadInput(f"{command[0]} is no command that can be run here; write: preflight FILE -- COMMAND ARGUMENTS.")


def run_guarded(path: Path, command: list[str], *, label: str, stop_on_loss: bool, tell: Tell) -> Outcome:
    """Run `command` between a start and an end mark of `label` and certify what was recorded of `path` meanwhile.

    `tell` gets a sentence as soon as recording stops or resumes. Raises BadInput where the command or its output file cannot be
    started, Failed where the collector does not take the start mark; the load was not started then.
    """
    with before_the_load():
        watch = open_watch(path)
        load = Load(command, _output(path))
    details: dict[str, object] = {"command": masked(os.fsencode("\0".join(command)), _LONGEST_COMMAND), "output": load.output.name}
    try:
        return _Guard(watch, load, _Job(label, details, stop_on_loss, tell)).run()
    finally:
        load.release()
        watch.close()


def _output(path: Path) -> Path:
    """The file next to the collection or the spool that keeps what the load prints: run.load-<time>.log of run.json.gz."""
    path = path if path.name else path.absolute()
    stem = Path(path.name[: -len(".gz")] if path.name.endswith(".gz") else path.name).stem
    return path.with_name(f"{stem}.load-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.log")


class _Job(NamedTuple):
    """What is wanted of a guard: its marks' label and what else they say, whether a loss ends the load, who is told."""

    label: str
    details: dict[str, object]
    stop_on_loss: bool
    tell: Tell


class _Guard:
    """One load under watch. A thread polls the watch, so that neither a slow terminal nor the load delays the alarm."""

    def __init__(self, watch: Watch, load: Load, job: _Job) -> None:
        self._watch, self._load, self._job = watch, load, job
        self._losses: list[str] = []
        self._over = threading.Event()

    def run(self) -> Outcome:
        with before_the_load():
            self._begin()
        thread = threading.Thread(target=self._poll_until_over, daemon=True)
        thread.start()
        try:
            with before_the_load():
                ended = self._load.run()
        except PerfkitError:
            self._over.set()
            thread.join()
            self._mark("end")
            raise
        self._over.set()
        thread.join()
        until = self._mark("end", exit_code=ended.exit_code)
        self._wait_for_the_closing_sample(until)
        return Outcome(ended.exit_code, report_on(self._watch, self._losses, ended))

    def _begin(self) -> None:
        """The start mark; the samples count from there on."""
        self._watch.cover(sample_of(send_mark(str(self._watch.target), self._job.label, "start", self._job.details)))
        if self._load.signalled:
            self._mark("end")
            self._load.output.unlink()
            raise Failed(f"interrupted by {signal.Signals(self._load.signalled).name}.")

    def _mark(self, kind: str, **details: object) -> SampleRead:
        """Write a mark; returns its instant, that of now if nobody takes it."""
        try:
            return sample_of(send_mark(str(self._watch.target), self._job.label, kind, {**self._job.details, **details}))
        except PerfkitError as error:
            self._job.tell(f"no {kind} mark: {error}")
            return now()

    def _poll_until_over(self) -> None:
        while not self._over.wait(_POLL):
            self._poll()

    def _wait_for_the_closing_sample(self, until: SampleRead) -> None:
        """The first one after the load closes its last gap; without one, what was due since the last sample is missing.

        A signal ends the waiting, not the certificate.
        """
        watch = self._watch
        watch.close_window(until)
        told = not watch.is_stream
        started = time.monotonic()
        while (waited := time.monotonic() - started) < watch.patience and not self._load.signalled:
            self._poll()
            if watch.over or (watch.lost_for and not watch.is_stream) or watch.is_closed(until):
                break
            if waited > _WAIT_IN_SILENCE and not told:
                told = True
                self._job.tell(f"waiting up to {watch.patience:.0f} s for the last samples to be acknowledged; Ctrl-C ends the wait")
            time.sleep(_POLL / 4)
        if not watch.is_closed(until):
            watch.give_up(until)

    def _poll(self) -> None:
        for event in self._watch.poll():
            if event.kind != RESUMED:
                self._losses.append(event.sentence)
            self._job.tell(f"recording {event.kind}: {event.sentence}")
            if event.kind != RESUMED and self._job.stop_on_loss and not self._over.is_set():
                self._job.tell("stopping the load (--stop-on-loss)")
                self._load.stop()
