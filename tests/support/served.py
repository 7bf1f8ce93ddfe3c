"""`perfkit serve` as users run it, in processes of its own, for tests to stop and to kill."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from perfkit.receive.keys import KeyFile

SOURCE = Path(__file__).parents[2] / "src"


class Served:
    """A server on `folder`: `url` is the receiver's, `dashboard` the dashboard's. Starts again on the same ports."""

    def __init__(
        self, folder: Path, *options: str, dashboard: bool = True, descriptors: int | None = None, pyz: Path | None = None
    ) -> None:
        """It may have so many `descriptors` open, each of its processes; `pyz` is the built file, where that is to be tried."""
        limited = ("sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh")
        program = (str(pyz),) if pyz else ("-m", "perfkit")
        self._command = (*(limited if descriptors else ()), sys.executable, *program, "serve")
        self._environment = os.environ | {"PYTHONUNBUFFERED": "1", "HOME": str(folder)} | ({} if pyz else {"PYTHONPATH": str(SOURCE)})
        folder.mkdir(parents=True, exist_ok=True)
        self.db, self.data = folder / "perfkit.db", folder / "perfkit-received"
        self.keys = KeyFile(folder / "keys.json")
        self.key = self.keys.add(f"test-{len(self.keys.read())}")
        self.port, self.front = free_port(), free_port()
        self.url, self.dashboard = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.front}"
        addresses = ("--receive", f"127.0.0.1:{self.port}", "--listen", f"127.0.0.1:{self.front}")
        self.arguments = ("--db", str(self.db), "--keys", str(folder / "keys.json"), *addresses, *options)
        if not dashboard:
            self.arguments += ("--no-dashboard",)
        self.output = ""
        self.start()

    def start(self, wait: bool = True) -> None:
        """In a process group of its own; returns when it says that it serves."""
        self.process = subprocess.Popen(
            [*self._command, *self.arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        os.set_blocking(self.process.stdout.fileno(), False)  # type: ignore[union-attr]
        end = time.monotonic() + 120
        while wait and "Receiver into" not in self.read():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < end, f"it does not start: {self.output}"
            time.sleep(0.02)

    def read(self) -> str:
        """All that it has printed since it was started first."""
        with contextlib.suppress(BlockingIOError, TypeError):
            self.output += self.process.stdout.read() or ""  # type: ignore[union-attr]
        return self.output

    def children(self) -> dict[str, int]:
        """Process ids by role, in the order in which they were started."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rsplit(") ", 1)[1].split()
                if int(fields[1]) == self.process.pid and fields[0] != "Z":
                    found.append((int(fields[19]), int(stat.parent.name)))  # numbers begin again from 1 at some time: the start comes first
        return dict(
            zip(
                ("receiver", "importer", "uploader", *(["retention"] if "--retain" in self.arguments else []), "dashboard"),
                (pid for _, pid in sorted(found)),
                strict=False,
            )
        )

    def kill_group(self) -> None:
        """kill -9 of every process at once, as a power cut does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self._forget()

    def kill_parent(self) -> None:
        self.process.kill()
        self._forget()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(120)
        said = self.read()
        self._forget()
        self.output = said
        return code

    def _forget(self) -> None:
        self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]
        self.output = ""


@contextlib.contextmanager
def serving(
    folder: Path, *options: str, dashboard: bool = True, descriptors: int | None = None, pyz: Path | None = None
) -> Iterator[Served]:
    """A server for the length of the block."""
    served = Served(folder, *options, dashboard=dashboard, descriptors=descriptors, pyz=pyz)
    try:
        yield served
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(served.process.pid, signal.SIGKILL)
        served._forget()


_PORTS_OF_A_WORKER = 600
_ports = itertools.count(os.getpid())


def free_port() -> int:
    """A port that stays free until a server takes it, and when it starts again.

    It lies below those that the kernel gives to connections, and every worker process of a test run has ports of its own.
    """
    given = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 10_000 + worker * _PORTS_OF_A_WORKER
    own = first + _PORTS_OF_A_WORKER < given
    for _ in range(_PORTS_OF_A_WORKER):
        with contextlib.suppress(OSError), socket.create_server(("", first + next(_ports) % _PORTS_OF_A_WORKER if own else 0)) as listener:
            return int(listener.getsockname()[1])
    raise AssertionError("all ports of this worker are taken")
