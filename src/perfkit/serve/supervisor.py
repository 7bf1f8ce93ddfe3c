"""Several servers that must not stall each other: one process each, watched by a parent that does nothing else.

A child that dies is started again. When the parent goes, however it goes, the children end too.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from perfkit.errors import BadInput, Failed, PerfkitError

Ready = Callable[[str], None]
STOP_SECONDS = 20.0
"""How long a child may take to finish what it has accepted."""
ORPHAN_SECONDS = 3.0
"""The same when the parent was killed: the next start should not have to wait."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_STEADY_SECONDS = 30.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_EARLY_DEATHS = 3
_READY = "ready"
_LONGEST_LINE = 900
"""Characters: what is written to a pipe at once arrives at once."""


@dataclass(frozen=True)
class Role:
    """One child: `run` serves until SIGTERM, and calls what it is given, with a line for the user, once it does."""

    name: str
    run: Callable[[Ready], None]
    last: bool = False
    """Stopped only when the others have ended, because it works on what they leave."""


@dataclass
class _Child:
    role: Role
    pid: int = 0
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    due: float | None = None
    ready: bool = False
    early: int = 0
    """How often it ended before it was ready."""
    line: str = ""


class Supervisor:
    """Runs `roles`. Fork-based: nothing heavy may be imported, and no thread started, before `run`."""

    def __init__(self, roles: Sequence[Role], say: Callable[[str], None]) -> None:
        """`say` gets the lines of the roles that became ready, and sentences about those that died."""
        self._children = [_Child(role) for role in roles]
        self._say = say
        self._stopping = 0
        self._told = b""

    def run(self, on_ready: Callable[[dict[str, str]], None]) -> None:
        """Start all, call `on_ready` with each role's line when all serve, and return when a signal has ended them.

        Raises Failed if one of them fails before it was ready for the first time, and what it raised itself.
        """
        with self._plumbing():
            for child in self._children:
                self._start(child)
            try:
                on_ready(self._wait_until_ready())
                while not self._stopping:
                    self._sleep()
                    self._reap()
                    self._restart_due()
            finally:
                self._stop_all()

    @contextlib.contextmanager
    def _plumbing(self) -> Iterator[None]:
        """Signals wake the selector; the life line is a pipe whose writing end only the parent holds."""
        self._life_read, self._life_write = os.pipe()
        self._ready_read, self._ready_write = os.pipe()
        wake_read, wake_write = os.pipe()
        for descriptor in (wake_read, wake_write, self._ready_read):
            os.set_blocking(descriptor, False)
        self._wake_read = wake_read
        before = {number: signal.signal(number, self._note_signal) for number in (*_SIGNALS, signal.SIGCHLD)}
        signal.set_wakeup_fd(wake_write)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            for descriptor in (self._life_read, self._life_write, self._ready_read, self._ready_write, wake_read, wake_write):
                os.close(descriptor)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stopping += 1

    def _start(self, child: _Child) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, (*_SIGNALS, signal.SIGCHLD))
        try:
            sys.stdout.flush()
            child.pid = os.fork()
            if child.pid == 0:
                self._become(child.role)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_SIGNALS, signal.SIGCHLD))
        child.started, child.due = time.monotonic(), None

    def _become(self, role: Role) -> None:
        """In the child: serve, and never come back."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*_SIGNALS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # Ctrl-C reaches every process of the terminal; the parent tells when to stop.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_SIGNALS, signal.SIGCHLD))
            os.close(self._life_write)
            threading.Thread(target=self._end_with_parent, daemon=True).start()
            role.run(lambda line: self._tell(role, _READY, line))
            code = 0
        except PerfkitError as error:
            self._tell(role, str(error.exit_code), str(error))
            code = error.exit_code
        except BaseException as error:
            if os.environ.get("PERFKIT_DEBUG"):
                sys.excepthook(type(error), error, error.__traceback__)
            self._tell(role, str(code), f"the {role.name} met an internal error ({type(error).__name__}: {error}).")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _end_with_parent(self) -> None:
        while os.read(self._life_read, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)

    def _tell(self, role: Role, what: str, line: str) -> None:
        """To the parent: that the role serves, or the exit code and the sentence that it ends with."""
        text = " ".join(line.split())[:_LONGEST_LINE]
        os.write(self._ready_write, f"{role.name}\t{what}\t{text}\n".encode())

    def _wait_until_ready(self) -> dict[str, str]:
        while not all(child.ready for child in self._children) and not self._stopping:
            self._sleep()
            self._reap()
            self._restart_due()
        return {child.role.name: child.line for child in self._children}

    def _listen(self) -> None:
        """What the children told since the last time."""
        with contextlib.suppress(BlockingIOError):
            self._told += os.read(self._ready_read, 65536)
        *lines, self._told = self._told.split(b"\n")
        for line in lines:
            name, what, text = line.decode().split("\t", 2)
            child = next(child for child in self._children if child.role.name == name)
            if what == _READY:
                child.ready, child.line = True, text
            elif child.ready or self._stopping:
                self._say(text)
            else:
                raise BadInput(text) if what == str(BadInput.exit_code) else Failed(text)

    def _sleep(self) -> None:
        """Until a signal, a word from a child, or the next restart that is due."""
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._wake_read, self._ready_read):
                selector.register(descriptor, selectors.EVENT_READ)
            due = [child.due for child in self._children if child.due is not None]
            selector.select(max(0.0, min(due) - time.monotonic()) if due else None)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        self._listen()

    def _reap(self) -> None:
        for child in self._children:
            if not child.pid or not (status := _ended(child.pid)):
                continue
            child.pid = 0
            if self._stopping:
                continue
            self._listen()
            child.early += not child.ready
            if not child.ready and (status.startswith("exit") or child.early > _EARLY_DEATHS):
                raise Failed(
                    f"the {child.role.name} could not start ({status}); run it again with PERFKIT_DEBUG=1 in the environment to see why."
                )
            lived = time.monotonic() - child.started
            child.pause = _FIRST_PAUSE if lived > _STEADY_SECONDS else min(child.pause * 2, _LONGEST_PAUSE)
            child.due = time.monotonic() + child.pause
            self._say(f"the {child.role.name} ended ({status}); starting it again.")

    def _restart_due(self) -> None:
        for child in self._children:
            if child.due is not None and child.due <= time.monotonic() and not self._stopping:
                self._start(child)

    def _stop_all(self) -> None:
        self._stopping = max(1, self._stopping)
        for last in (False, True):
            children = [child for child in self._children if child.role.last is last and child.pid]
            for child in children:
                _send(child.pid, signal.SIGTERM)
            self._wait_for(children)

    def _wait_for(self, children: list[_Child]) -> None:
        """Until they have ended; a second signal, or too long a time, kills them."""
        end = time.monotonic() + STOP_SECONDS
        while any(child.pid for child in children):
            if self._stopping > 1 or time.monotonic() > end:
                for child in children:
                    if child.pid:
                        _send(child.pid, signal.SIGKILL)
            self._reap()
            time.sleep(0.02)


def say_in_log(line: str) -> None:
    """A sentence of a child for the reader of standard error."""
    print(f"perfkit: {line}", file=sys.stderr, flush=True)


def _ended(pid: int) -> str | None:
    """How `pid` ended; None while it runs."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return "gone"
    if not found:
        return None
    code = os.waitstatus_to_exitcode(status)
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
