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
    """The running command; `output` is the file with everything it printed (stdout and stderr, in the order of arrival)."""

    def __init__(self, command: list[str], output: Path) -> None:
        self.output = output
        self.started = time.monotonic()
        self._kept = _create(output)
        self._left = MOST_OUTPUT
        self._stopping: float | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._early = 0
        self._handlers = {number: signal.signal(number, self._forward) for number in FORWARDED}
        self._process = self._start(command)
        if self._early:
            self._signal(self._early)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # noqa: S603 - the user's
        except OSError as error:
            os.close(self._kept)
            self.output.unlink()
            self._restore_signals()
            raise BadInput(f"cannot run {command[0]}: {reason(error)}.") from None

    def run(self) -> Ended:
        """Pass on output and signals until the command ends."""
        process = self._process
        if process is None or process.stdout is None or process.stderr is None:
            raise ValueError("the command was not started")
        with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, sys.stdout.fileno())
            selector.register(process.stderr, selectors.EVENT_READ, sys.stderr.fileno())
            self._pass_on(process, selector)
        os.close(self._kept)
        code = process.wait()
        self._restore_signals()
        return Ended(128 - code if code < 0 else code, time.monotonic() - self.started, self.output)

    def _pass_on(self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> None:
        ended: float | None = None
        while selector.get_map() and (ended is None or time.monotonic() < ended + _DRAIN):
            self._pump(selector)
            self._kill_if_due()
            if ended is None and process.poll() is not None:
                ended = time.monotonic()

    def stop(self) -> None:
        """End the command's process group: SIGTERM now, SIGKILL if it is still there ten seconds later."""
        self._stopping = self._stopping or time.monotonic()
        self._signal(signal.SIGTERM)

    def _kill_if_due(self) -> None:
        if self._stopping is not None and time.monotonic() > self._stopping + _KILL_AFTER:
            self._signal(signal.SIGKILL)

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

    def _restore_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self._signal(number)

    def _signal(self, number: int) -> None:
        """To the command's whole group; a signal that comes before there is one is sent to it as soon as it starts."""
        if self._process is None:
            self._early = number
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


def _create(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadInput(f"the command's output cannot be kept in {path}: {reason(error)}.") from None
