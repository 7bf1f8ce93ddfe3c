"""A command that runs in its own process group, its output passed on as it comes and kept in a file."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from perfkit.errors import BadInput, reason

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
MOST_OUTPUT = 256 << 20  # bytes kept of the output; the rest is still passed on
_KILL_AFTER = 10.0
_DRAIN = 1.0


class Ended(NamedTuple):
    """How a command ended: its exit code (128 + N where signal N ended it), the seconds it took, the file with its output."""

    exit_code: int
    seconds: float
    output: Path


class Load:
    """A command with its output kept in the file `output` (stdout and stderr, in the order of arrival).

    From here to `release` this process's signals are the command's. `signalled` is the last one that came while the command did not
    run: before it was started, or after it had ended. Raises BadInput where the file cannot be created.
    """

    def __init__(self, command: list[str], output: Path) -> None:
        self.output = output
        self.signalled = 0
        self._command = command
        self._left = MOST_OUTPUT
        self._stopping: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._kept = _create(output)
        self._handlers = {number: signal.signal(number, self._forward) for number in FORWARDED}

    def run(self) -> Ended:
        """Run the command to its end, passing on output and signals. Raises BadInput where it cannot be started."""
        started = time.monotonic()
        try:
            process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # noqa: S603 - the user's
        except OSError as error:
            self.output.unlink()
            raise BadInput(f"cannot run {self._command[0]}: {reason(error)}.") from None
        self._process = process
        early, self.signalled = self.signalled, 0
        if early:
            self._forward(early, None)
        assert process.stdout is not None and process.stderr is not None  # noqa: S101 - for the type checker
        with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, sys.stdout.fileno())
            selector.register(process.stderr, selectors.EVENT_READ, sys.stderr.fileno())
            self._pass_on(process, selector)
        code = process.wait()
        self._process = None
        return Ended(128 - code if code < 0 else code, time.monotonic() - started, self.output)

    def release(self) -> None:
        """Give the signals back, and close the file."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._kept)

    def stop(self) -> None:
        """End the command's process group: SIGTERM now, SIGKILL if it is still there ten seconds later."""
        self._stopping = self._stopping or time.monotonic()
        self._forward(signal.SIGTERM, None)

    def _pass_on(self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> None:
        ended: float | None = None
        while selector.get_map() and (ended is None or time.monotonic() < ended + _DRAIN):
            self._pump(selector)
            if self._stopping is not None and time.monotonic() > self._stopping + _KILL_AFTER:
                self._forward(signal.SIGKILL, None)
            if ended is None and process.poll() is not None:
                ended = time.monotonic()

    def _pump(self, selector: selectors.BaseSelector) -> None:
        for key, _ in selector.select(0.2):
            data = os.read(key.fd, 1 << 16)
            if not data:
                selector.unregister(key.fileobj)
                continue
            kept = data[: self._left]
            self._left -= len(kept)
            for target, part in ((key.data, data), (self._kept, kept)):
                with contextlib.suppress(OSError):
                    _write(target, part)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        """To the command's whole group; noted where it does not run."""
        process = self._process
        if process is None:
            self.signalled = number
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


def _create(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadInput(f"the command's output cannot be kept in {path}: {reason(error)}.") from None
