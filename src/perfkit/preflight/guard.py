"""Runs a load inside the proof: marks around it, an eye on the collection while it runs, a certificate after it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from perfkit.collect.marks import send_mark
from perfkit.errors import BadInput, PerfkitError
from perfkit.preflight.certificate import certify
from perfkit.preflight.coverage import instant
from perfkit.preflight.load import Load
from perfkit.preflight.verdict import Report
from perfkit.preflight.watch import Watch, open_watch

_POLL = 0.2
_LONGEST_COMMAND = 2000  # characters of the command line that a mark keeps

Tell = Callable[[str], None]


class Outcome(NamedTuple):
    """How a guarded load ended: the command's exit code, and the certificate of the recording while it ran."""

    load_exit_code: int
    certificate: Report

    @property
    def exit_code(self) -> int:
        """The command's, or 1 where the certificate fails."""
        return self.load_exit_code if self.certificate.passed else 1


def require_command(command: list[str]) -> None:
    """BadInput unless the first word of `command` can be run."""
    if shutil.which(command[0]) is None:
        raise BadInput(f"{command[0]} is no command that can be run here; write: preflight --collection FILE -- COMMAND ARGUMENTS.")


def run_guarded(path: Path, command: list[str], *, label: str, stop_on_loss: bool, tell: Tell) -> Outcome:
    """Run `command` between a start and an end mark of `label` and certify what was recorded of `path` meanwhile.

    `tell` gets a sentence as soon as recording stops or resumes. Raises BadInput where the command or its output file cannot be
    started, Failed where the collector does not take the start mark.
    """
    watch = open_watch(path)
    if isinstance(watch, str):
        raise BadInput(f"{path} cannot be read: {watch}.")
    output = path.with_name(f"{_stem(path)}.load-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.log")
    line = " ".join(command)[:_LONGEST_COMMAND]
    send_mark(str(watch.path), label, "start", {"command": line, "output": output.name})
    load = Load(command, output)
    guard = _Guard(watch, load, stop_on_loss, tell)
    guard.start()
    ended = load.run()
    guard.finish()
    _end_mark(watch.path, label, {"command": line, "output": output.name, "exit_code": ended.exit_code}, tell)
    watch.close()
    return Outcome(ended.exit_code, certify(watch, guard.end, guard.losses, ended))


def _stem(path: Path) -> str:
    return path.name[: -len(".gz")].rpartition(".")[0] if path.name.endswith(".gz") else path.stem


def _end_mark(path: Path, label: str, details: dict[str, object], tell: Tell) -> None:
    try:
        send_mark(str(path), label, "end", details)
    except PerfkitError as error:
        tell(f"no end mark: {error}")


class _Guard(threading.Thread):
    """Polls the watch while the load runs, so that neither a slow terminal nor the load delays the alarm."""

    def __init__(self, watch: Watch, load: Load, stop_on_loss: bool, tell: Tell) -> None:
        super().__init__(daemon=True)
        self.losses: list[str] = []
        self.end = 0.0
        self._watch, self._load, self._stop_on_loss, self._tell = watch, load, stop_on_loss, tell
        self._over = threading.Event()
        watch.cover()

    def run(self) -> None:
        while not self._over.wait(_POLL):
            self._poll()

    def finish(self) -> None:
        """The load is over: wait for the sample that closes it, as long as one may come."""
        self._over.set()
        self.join()
        self.end = self._watch.now()
        deadline = time.monotonic() + 2.5 * self._watch.period + _POLL
        while time.monotonic() < deadline and not self._closed():
            self._poll()
            time.sleep(_POLL / 4)

    def _closed(self) -> bool:
        samples = self._watch.story.samples
        return bool(self._watch.lost_for) or (bool(samples) and instant(samples[-1]) > self.end)

    def _poll(self) -> None:
        for event in self._watch.poll():
            if event.kind != "resumed":
                self.losses.append(event.sentence)
            self._tell(f"recording {event.kind}: {event.sentence}")
            if event.kind != "resumed" and self._stop_on_loss and not self._over.is_set():
                self._tell("stopping the load (--stop-on-loss)")
                self._load.stop()
