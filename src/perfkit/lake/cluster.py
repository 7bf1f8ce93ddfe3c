"""`process --on`: collections go to a Dask cluster that exists, one task each; its workers run perfkit and write into the lake.

A task is `perfkit process` in a process of its own: the very same SQL, and a sentence where something is wrong. A worker needs Python and
distributed, no perfkit: the pyz is sent along. Which worker does what, and what is done again after one was lost, is Dask's matter.
"""

from __future__ import annotations

import builtins
import json
import logging
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

from perfkit import drivers
from perfkit.bootstrap import tier
from perfkit.errors import BadInput, Failed
from perfkit.lake.writing import digest
from perfkit.process.machines import group
from perfkit.process.reading import MARKS, is_archive

_SCHEME = "dask://"
_ANSWER_SECONDS = 10
_WORKER_SECONDS = 60

Progress = Callable[[str, int, int], None]  # what was done last, how many, of how many


@dataclass(frozen=True)
class TaskOutcome:
    """What became of the collection in `files`: what `process --json` says of it, or the sentence why there is nothing."""

    files: tuple[Path, ...]
    told: dict[str, Any] | None
    failure: str = ""


def process_on(
    address: str, files: Sequence[Path], words: Sequence[str], progress: Progress = lambda what, done, total: None
) -> list[TaskOutcome]:
    """Process `files` on the cluster whose scheduler is at `address` (dask://host:port), in the order of the files.

    `words` are options of `perfkit process` with absolute paths, --lake among them. The collections of one machine are one task, an
    archive is one. A collection that fails stops no other. Raises BadInput for what is not an address and where distributed is missing,
    Failed where nobody answers.
    """
    tasks, found = _tasks(files)
    with _connected(address) as client:
        program = _send_program(client)
        run = uuid.uuid4().hex  # results of another run are not taken for ours
        futures, task = {}, _sent_whole(_run)
        for place, one in enumerate(tasks):
            command = ["process", *(str(file.absolute()) for file in one), *words, "--json"]
            futures[client.submit(task, program, command, key=f"perfkit-{run}-{place}", pure=False)] = place
        for future in _as_completed(client, futures):
            files_of = tasks[futures[future]]
            found.append(_outcome(files_of, future))
            progress(files_of[0].name, len(found), len(tasks))
    return sorted(found, key=lambda one: files.index(one.files[0]))


def _tasks(files: Sequence[Path]) -> tuple[list[tuple[Path, ...]], list[TaskOutcome]]:
    """The files of each task, and a sentence for each file that cannot be read here."""
    tasks, whole, failed = [], [], []
    for file in dict.fromkeys(files):
        try:
            if is_archive(file):
                tasks.append((file,))
            else:
                _ = file.name.endswith(MARKS) or group([file])
                whole.append(file)
        except BadInput as error:
            failed.append(TaskOutcome((file,), None, str(error)))
    return [*tasks, *(machine.files for machine in group(whole))], failed


def _run(program: str | None, words: list[str]) -> tuple[int, str, str]:
    """On a worker: run perfkit with `words`; exit code, output, errors. Sent by its text: it uses nothing of this module."""
    import subprocess
    import sys
    from pathlib import Path

    from distributed import get_worker

    start = [sys.executable, "-m", "perfkit"] if program is None else [sys.executable, str(Path(get_worker().local_directory) / program)]
    done = subprocess.run([*start, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode, done.stdout, done.stderr


def _sent_whole(function: Any) -> Callable[..., Any]:
    """`function` as one that pickling sends with its code instead of its name: workers have no perfkit to import it from."""
    return FunctionType(function.__code__, {"__name__": "__main__", "__builtins__": builtins}, f"perfkit{function.__name__}")


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    host, _, port = address.removeprefix(_SCHEME).rpartition(":")
    if not address.startswith(_SCHEME) or not host or not port.isdecimal():
        raise BadInput(f"--on {address!r} is no cluster; write dask://HOST:PORT, where its scheduler listens.")
    drivers.look_there()
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise BadInput(
            f"--on needs the package dask[distributed], which perfkit does not carry; {drivers.cure('dask[distributed]')}."
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # a lost worker is no news: its tasks run again
    warnings.filterwarnings("ignore", module="distributed")  # other packages on the workers than here are as it should be
    try:
        client = distributed.Client(f"tcp://{host}:{port}", timeout=_ANSWER_SECONDS, set_as_default=False)
    except (OSError, TimeoutError):
        raise Failed(f"no Dask scheduler answers at {host}:{port}; start one with `dask scheduler`, or look at the address.") from None
    try:
        with client:
            client.wait_for_workers(1, timeout=_WORKER_SECONDS)
            yield client
    except TimeoutError:
        raise Failed(f"the cluster at {host}:{port} has no worker; start some with `dask worker {host}:{port}`.") from None


def _send_program(client: Any) -> str | None:
    """Send the pyz to every worker, now or later; its name there, None where this is no pyz: then workers have perfkit themselves."""
    program = tier.archive_here()
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="perfkit-") as folder:
        named = Path(folder, f"perfkit-{digest([Path(program)])}.pyz")
        shutil.copyfile(program, named)
        client.upload_file(str(named), load=False)
        return named.name


def _as_completed(client: Any, futures: dict[Any, int]) -> Iterator[Any]:
    yield from import_module("distributed").as_completed(list(futures), loop=client.loop)


def _outcome(files: tuple[Path, ...], future: Any) -> TaskOutcome:
    error = future.exception() if future.status != "finished" else None
    if error is not None or future.status != "finished":
        said = " ".join(str(error or future.status).split()).rstrip(".")
        return TaskOutcome(files, None, f"{files[0]} could not be processed on the cluster ({said}).")
    code, output, errors = future.result()
    try:
        told = json.loads(output) if code == 0 else None
    except ValueError:
        told = None
    if isinstance(told, dict):
        return TaskOutcome(files, told)
    said = errors.strip().splitlines()
    return TaskOutcome(
        files, None, said[-1].removeprefix("perfkit: ") if said else f"{files[0]} could not be processed (exit code {code})."
    )
