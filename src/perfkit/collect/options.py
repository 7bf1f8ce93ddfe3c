"""What the collector was asked to do, as it travels from the command line to the process that does it."""

from __future__ import annotations

import json


class Options:
    """Every wish with its default; durations in seconds, sizes in bytes."""

    mode: str = "local"
    collection: str = ""  # path of the file to write (local)
    duration: float | None = 86400.0  # None: until a signal
    frequency: float = 1.0  # seconds between two samples
    containers: bool = True
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
            if name not in Options.__annotations__:
                raise TypeError(f"no option {name}")
            setattr(self, name, value)

    def dump(self) -> bytes:
        """For `load` in another process of the same perfkit."""
        return json.dumps(vars(self)).encode()

    @staticmethod
    def load(text: bytes) -> Options:
        return Options(**json.loads(text))
