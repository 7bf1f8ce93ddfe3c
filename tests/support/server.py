"""A real receiver in a process of its own, on a free port, for tests to talk to, to stop and to kill."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from perfkit.receive.keys import KeyFile

_PROGRAM = """
import socket, sys
from pathlib import Path
from perfkit.receive.request import ReceiverLimits
from perfkit.serve.options import ServeOptions
from perfkit.serve.web_servers import run_receiver
import orjson
said = orjson.loads(sys.argv[1])
data = Path(said["data"])
options = ServeOptions(
    data / "perfkit.db", data, data / "keys.json", data / "apikeys", access_log=data / "access.log", limits=ReceiverLimits(**said["limits"])
)
run_receiver(options, socket.socket(fileno=int(sys.argv[2])))
"""
# The same, each time it is told to, in a child that has nothing to import any more.
_FORKS = (
    _PROGRAM.rpartition("run_receiver(")[0]
    + """
import os
import uvicorn
from perfkit.receive import access_log, app, keys, uploads, writer
from perfkit.serve import protocol
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run_receiver(options, socket.socket(fileno=int(sys.argv[2])))
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
"""
)


class RunningReceiver:
    """`url`, `key` (valid for anyone), `data` (the folder); can be killed and started again on the same port."""

    def __init__(self, data: Path, **limits: float) -> None:
        self.data, self._limits = data, limits
        data.mkdir(parents=True, exist_ok=True)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `serve` does
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        keys = KeyFile(data / "keys.json")
        self.key = keys.add(f"test-{len(keys.read())}")
        self.start()

    def start(self) -> None:
        """Serve again; the port is the same, and connections made meanwhile wait in its backlog."""
        said = orjson.dumps({"data": str(self.data), "limits": self._limits}).decode()
        descriptor = self._listener.fileno()
        source = str(Path(__file__).parents[2] / "src")
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, said, str(descriptor)], pass_fds=[descriptor], env=os.environ | {"PYTHONPATH": source}
        )

    def kill(self) -> None:
        """kill -9, as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)

    def close(self) -> None:
        """Away with it."""
        self.kill()
        self._listener.close()

    def collections(self, identifier: str = "") -> list[Path]:
        """The collections of all identifiers, or of one by its slug."""
        return sorted((self.data / "collections").glob(f"{identifier}*/*.json"))


class ForkingReceiver(RunningReceiver):
    """One that can be killed and started many times at little cost."""

    _forker: subprocess.Popen[str] | None = None

    def start(self) -> None:
        if self._forker is None:
            said = orjson.dumps({"data": str(self.data), "limits": self._limits}).decode()
            descriptor = self._listener.fileno()
            self._forker = subprocess.Popen(
                [sys.executable, "-c", _FORKS, said, str(descriptor)],
                pass_fds=[descriptor],
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        self._forker.stdin.write("again\n")
        self._forker.stdin.flush()
        self._child = int(self._forker.stdout.readline())

    def kill(self) -> None:
        os.kill(self._child, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        if self._forker is not None:
            with self._forker:  # ends with its standard input
                pass
        self._listener.close()


@contextlib.contextmanager
def running(data: Path, **limits: float) -> Iterator[RunningReceiver]:
    """A receiver for the length of the block."""
    receiver = RunningReceiver(data, **limits)
    try:
        yield receiver
    finally:
        receiver.close()


def until(condition: object, seconds: float = 120.0) -> None:
    """Wait until `condition()` holds; the test fails if it never does."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
