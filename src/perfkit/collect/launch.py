"""From the command line to a process that does nothing but collect: the options, and how they get there.

The command line is read with typer, which would cost the collecting process 5 MB for as long as it runs. So `start` begins this very
program again in its place: same process id, but a bare interpreter (`-I -S`) that imports the standard library alone, and little of
that. Its options come through an inherited pipe and never through the argument list or the environment, because the API key is among
them and others can read those. Signals that end a run are held back meanwhile: the collecting process takes them as soon as it can
(`Requests.listen`).
"""

from __future__ import annotations

import json
import os
import sys

import perfkit
from perfkit import apikey
from perfkit.bootstrap import interrupt, program_file
from perfkit.collect.marks import STOPPING

FLAG = "perfkit_collect"  # the interpreter's -X option that carries the pipe's number


class CollectOptions:
    """What a collector is asked to do; durations in seconds, sizes in bytes."""

    mode: str = "local"
    format: str = "perfkit"  # of the lines: perfkit's, or pcc's own
    collection: str = ""  # path of the file to write (local)
    duration: float | None = 86400.0  # None: until a signal
    frequency: float = 1.0  # seconds between two samples
    containers: bool = True
    services: bool = True
    processes: bool = True
    cmdline: bool = True  # of processes
    append: bool = False
    max_size: int | None = None  # a file's size, after which the next is begun
    max_files: int | None = None  # how many files of a rotation are kept
    burst: float | None = None  # seconds between two samples of a burst
    burst_length: float = 0.0
    nice: int | None = None  # None: as much priority as is permitted
    identifier: str = ""
    server: str = ""
    apikey: str = ""
    cacert: str = ""
    spool: str = ""
    spool_size: int = 256 << 20
    batch_size: int = 500  # lines in one request at most
    flush_interval: float = 1.0
    proc: str = "/proc"
    sys: str = "/sys"
    root: str = ""  # below which runtimes keep containers' names

    def __init__(self, **wishes: object) -> None:
        for name, value in wishes.items():
            if name not in CollectOptions.__annotations__:
                raise TypeError(f"no option {name}")
            setattr(self, name, value)

    def dump(self) -> bytes:
        """For `load` in another process of the same perfkit."""
        return json.dumps(vars(self)).encode()

    @staticmethod
    def load(text: bytes) -> CollectOptions:
        return CollectOptions(**json.loads(text))


def program() -> list[str]:
    """The file that an interpreter runs to become the collector: the pyz, or `collect/__main__.py` of a checkout."""
    return [program_file() or os.path.join(os.path.abspath(next(iter(perfkit.__path__))), "collect", "__main__.py")]


def start(options: CollectOptions, argv: list[str]) -> None:
    """Become the collecting process; does not return. `argv` is the command line as typed, without the program's name."""
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(options.dump())
    environment = {name: value for name, value in os.environ.items() if name != "PCC_APIKEY"}
    command = [sys.executable, "-I", "-S", "-X", f"{FLAG}={reading}", *program(), *apikey.without_key(argv)]
    interrupt.hold_back(STOPPING)
    os.execve(sys.executable, command, environment)  # noqa: S606 (this very program again)


def receive() -> CollectOptions:
    """The options that `start` has sent to this process."""
    with os.fdopen(int(sys._xoptions[FLAG]), "rb") as pipe:
        return CollectOptions.load(pipe.read())
