"""preflight as a user calls it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from unittest import mock

from perfkit.cli import main
from perfkit.collect.launch import FLAG

SOURCE = Path(__file__).parents[2] / "src"
PATIENT = ("--wait", "60s")  # a proof is over as soon as it succeeds; on a busy machine it takes its time
FAULTY = Path(__file__).with_name("faulty_collector.py")
ENVIRONMENT = {**{k: v for k, v in os.environ.items() if not k.startswith("PCC_")}, "PYTHONPATH": str(SOURCE)}

Start = Callable[..., "subprocess.Popen[bytes]"]


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Return as soon as `condition` holds; fail the test after a time that no healthy machine needs."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def made_once(folder: Path, make: Callable[[Path], object]) -> Path:
    """`folder` with what `make` put there: once for all worker processes of this test run, whichever comes first."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            building = folder.with_suffix(".new")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            make(building)
            building.rename(folder)
    return folder


def wait_until_open(process: subprocess.Popen[Any], file: Path) -> None:
    """Return as soon as the process has the file open."""
    descriptors = Path(f"/proc/{process.pid}/fd")
    wait_for(lambda: any(one.exists() and one.samefile(file) for one in descriptors.iterdir()))


def line_with(stream: IO[str] | None, words: str) -> str:
    """The next line of a running program that has these words."""
    assert stream is not None
    passed = []
    for line in stream:
        if words in line:
            return line
        passed.append(line)
    raise AssertionError(f"{words!r} was never said, but {passed}")


def perfkit(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a perfkit command to its end."""
    command = [sys.executable, "-m", "perfkit", *map(str, words)]
    options = {"env": ENVIRONMENT, "text": True, "capture_output": True, "timeout": 250} | options
    return subprocess.run(command, check=False, **options)


def _refused(*_: object) -> None:
    raise AssertionError("another program would take the place of the tests")


def in_process(*words: object, cwd: Path | None = None, env: dict[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess[str]:
    """The same as `perfkit` without a Python of its own: for a command that neither waits for signals nor has to be another process."""
    command, out, err = list(map(str, words)), io.StringIO(), io.StringIO()
    said, place = (contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)), contextlib.chdir(cwd or Path.cwd())
    stay = mock.patch.multiple("os", execv=_refused, execve=_refused)
    with said[0], said[1], place, stay, mock.patch.dict(os.environ, env, clear=True):
        code = main(command)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


class _Begun(BaseException):
    """The command has become another program."""


def collect(*words: object, cwd: Path | None = None, env: dict[str, str] = ENVIRONMENT) -> subprocess.Popen[bytes]:
    """The process that `perfkit collect` becomes once it has read its command line, which is read in this one."""
    begun: list[subprocess.Popen[bytes]] = []

    def become(_: str, command: list[str], environment: dict[str, str]) -> None:
        pipe = int(next(word for word in command if word.startswith(f"{FLAG}=")).partition("=")[2])
        begun.append(subprocess.Popen(command, env=environment, pass_fds=[pipe], stderr=subprocess.DEVNULL))
        os.close(pipe)
        raise _Begun

    taken = signal.pthread_sigmask(signal.SIG_BLOCK, ())  # what the collector takes as soon as it can is held back meanwhile
    typed = ["perfkit", "collect", *map(str, words)]  # which others see, and preflight reads
    place, stay = contextlib.chdir(cwd or Path.cwd()), mock.patch.multiple("os", execve=become)
    try:
        with place, stay, mock.patch("sys.argv", typed), mock.patch.dict(os.environ, env, clear=True), contextlib.suppress(_Begun):
            main(typed[1:])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, taken)
    return begun[0]


def preflight(*words: object, run: Callable[..., subprocess.CompletedProcess[str]] = in_process) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit code and checks by name of `preflight --json`."""
    done = run("preflight", "--json", *words)
    assert "Traceback" not in done.stderr
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout.splitlines()[0])["checks"]}
