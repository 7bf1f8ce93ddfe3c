"""`process`: collections in, a folder of files out, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import _duckdb as duckdb
import orjson

from perfkit.errors import BadInput, Failed, reason
from perfkit.process import findings, quality
from perfkit.process import folder as output
from perfkit.process.engine import Cut, Engine
from perfkit.process.machines import Machine, group, named_apart
from perfkit.process.quality import Quality
from perfkit.process.reading import collections_in
from perfkit.process.received import put_together

Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, of how much


@dataclass(frozen=True)
class ProcessOptions:
    """What may be asked of `process` besides its input and its output."""

    container_names: Mapping[str, str] = field(default_factory=dict)
    parquet: bool = False
    site: str = "default"
    window: Cut | None = None
    memory_limit: int = 2_500_000_000  # bytes for the data; what does not fit goes to files in the folder for temporary ones
    threads: int | None = None  # how many CPUs to use; None leaves it to the engine


@dataclass(frozen=True)
class Result:
    """One machine's output: its name, its folder if there is one, what quality.json says, and what its runs and phases mean, by their
    windows' names."""

    name: str
    folder: Path | None
    quality: Quality
    parts: Mapping[str, findings.Assessment]


class MachineSink(Protocol):
    """Takes what was processed besides or instead of a folder; `perfkit.lake.writing.LakeWriter` is one."""

    def take(self, con: duckdb.DuckDBPyConnection, machine: Machine, quality: Quality, parts: Mapping[str, findings.Assessment]) -> None:
        """Keep what `con` knows of `machine`, out of sight."""

    def publish(self) -> None:
        """Show all that was taken."""


def process(
    files: Sequence[Path],
    outdir: Path | None,
    options: ProcessOptions | None = None,
    progress: Progress | None = None,
    sink: MachineSink | None = None,
) -> list[Result]:
    """Process `files` into `outdir`: one machine's output, or a folder per machine where they come from several; and into `sink`.

    A file may be a collection or an archive that holds some. Raises BadInput for a file that cannot be read or has no usable line, Failed
    where the output cannot be written. In both cases `outdir` is as it was.
    """
    options = options or ProcessOptions()
    report = progress or (lambda what, done, total: None)
    with _beside(outdir) if outdir else nullcontext() as building, tempfile.TemporaryDirectory(prefix="perfkit-") as spill, memory_errors():
        names = collections_in(files, Path(spill, "unpacked"))
        grouped = group(names)
        machines = []
        for one in grouped:
            together = put_together(one.files, Path(spill, f"{one.number}.json"))
            names.setdefault(together[0], f"{names[one.files[0]]} and what other receivers wrote")
            machines.append(replace(one, files=together))
        with Engine(memory_limit=options.memory_limit, threads=options.threads, temp_folder=Path(spill)) as engine:
            machines = derive(engine, machines, options, report, names)
            results = []
            for machine in machines:
                inner = Path() if len(machines) == 1 else Path(machine.name)
                found = quality.of_engine(engine.con, machine.number)
                report("findings", 1, 1)
                parts = findings.of_engine(engine.con, machine.number, found)
                if building:
                    _write(engine, machine, found, building / inner, options, report)
                    output.write_findings({name: part.judged for name, part in parts.items()}, building / inner)
                if sink:
                    report("writing into the lake", 1, 1)
                    sink.take(engine.con, machine, found, parts)
                results.append(Result(machine.name, outdir / inner if outdir else None, found, parts))
        if building and outdir:
            _replace(building, outdir)
        if sink:
            sink.publish()
    return results


def derive(
    engine: Engine, machines: Sequence[Machine], options: ProcessOptions, report: Progress, names: Mapping[Path, str]
) -> list[Machine]:
    """Load and derive `machines`; all that there are, those included that stood in another one's file. Users know the files by `names`.

    Raises BadInput for a file without a usable line, and for a machine without a sample in the window.
    """
    total = sum(file.stat().st_size for machine in machines for file in machine.files)
    engine.load([(m.number, file) for m in machines for file in m.files], lambda done: report("reading", done, total), names)
    _refuse_empty(engine)
    engine.name_containers(options.container_names)
    engine.derive(window=options.window, step=lambda name: report(name, total, total))
    found = named_apart(machines, engine.con.execute("SELECT machine, taken_from, name FROM apart ORDER BY machine").fetchall())
    _refuse_unsampled(engine, found, options, names)
    return found


def read_names(file: Path) -> dict[str, str]:
    """The names by container id in a JSON file. Raises BadInput where it is not one."""
    try:
        found = orjson.loads(file.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read {file}: {reason(error)}.") from None
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{file} is not JSON ({error}); it should map container ids to names.") from None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise BadInput(f"{file} should map container ids to names.")
    return found


@contextmanager
def memory_errors() -> Iterator[None]:
    """Say in a sentence what to do where DuckDB runs out of memory or of room to spill."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise Failed("the memory is too small for this input; raise --memory-limit, or set TMPDIR to a folder with more room.") from None


def _refuse_empty(engine: Engine) -> None:
    for file, size in engine.con.execute(
        "SELECT name, bytes FROM inputs WHERE lines = 0 AND NOT ends_with(name, '.marks.json')"
    ).fetchall():
        if size == 0:
            raise BadInput(f"{file} is not a collection: it is empty; the collector has written nothing into it.")
        raise BadInput(f"{file} is not a collection: none of its lines can be read.")


def _refuse_unsampled(engine: Engine, machines: Sequence[Machine], options: ProcessOptions, names: Mapping[Path, str]) -> None:
    sampled = {number for (number,) in engine.con.execute("SELECT machine FROM machines").fetchall()}
    empty = next((machine for machine in machines if machine.number not in sampled), None)
    if empty is None:
        return
    if options.window is None:
        raise BadInput(f"{names[empty.files[0]]} is not a collection: it holds no sample.")
    if options.window.phase:
        runs = engine.con.execute("SELECT name FROM run_names WHERE machine = ? ORDER BY 1", [empty.number]).fetchall()
        there = ", ".join(name for (name,) in runs) or "none"
        raise BadInput(f"{empty.name} has no samples in a phase {options.window.phase!r}; its runs and phases: {there}.")
    raise BadInput(f"{empty.name} has no samples in that time.")


def _write(engine: Engine, machine: Machine, found: Quality, folder: Path, options: ProcessOptions, report: Progress) -> None:
    folder.mkdir(exist_ok=True)
    output.write(engine.con, machine.number, found, folder, lambda name: report(f"writing {name}", 1, 1))
    if options.parquet:
        report("writing Parquet", 1, 1)
        output.write_parquet(engine.con, machine.number, folder / "parquet", options.site, machine.name)


@contextmanager
def _beside(outdir: Path) -> Iterator[Path]:
    """A temporary sibling of `outdir`, removed unless the caller renamed it."""
    if outdir.exists() and not outdir.is_dir():
        raise BadInput(f"{outdir} is a file; name a folder with --outdir.")
    try:
        outdir.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{outdir.name}.", dir=outdir.parent))
    except OSError as error:
        raise BadInput(f"cannot write to {outdir}: {reason(error)}.") from None
    try:
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _replace(built: Path, outdir: Path) -> None:
    """Put `built` in the place of `outdir`; in a folder that holds other files too, each output file in its own."""
    built.chmod(0o777 & ~_umask())
    try:
        if not outdir.exists() or not any(outdir.iterdir()):
            built.rename(outdir)
        else:
            for entry in sorted(built.iterdir()):
                _replace_entry(entry, outdir / entry.name)
    except OSError as error:
        raise Failed(f"cannot write to {outdir}: {reason(error)}.") from None


def _replace_entry(entry: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    entry.replace(target)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
