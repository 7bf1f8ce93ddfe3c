"""What can be imported, told apart by what it is: a processed folder, a lone host.csv, a collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from perfkit.catalog import HOST, TABLES
from perfkit.collection import looks_like
from perfkit.collection import newest as newest_collection
from perfkit.errors import BadInput, reason
from perfkit.process.engine import Engine
from perfkit.store import columnar, csv_input, facts, schema
from perfkit.store.staged import Staged, digest

FOLDER_EXTRAS = ("system_info.json", "quality.json", "percentiles.csv")


def stage(path: Path) -> Staged:
    """Read the input at `path` into DuckDB. Raises BadInput where it is none of the three, or a damaged one."""
    try:
        if path.is_dir():
            return _folder(path)
        if not path.is_file():
            raise BadInput(f"there is no {path}; give a collection, a processed folder or a host.csv with --file.")
        return _host_csv(path) if path.suffix.lower() == ".csv" else _collection(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {reason(error)}.") from error


def parts(path: Path) -> list[Path]:
    """`path` itself, or the folders in it where `process` has made one for each of several machines."""
    if not path.is_dir() or (path / "host.csv").is_file() or (path / "host.parquet").is_file():
        return [path]
    return sorted(file.parent for file in path.glob("*/host.csv")) or [path]


def newest(folder: Path) -> Path:
    """The newest processed folder, host.csv or collection in `folder`. Raises BadInput where there is none."""
    candidates = [path.parent for path in folder.glob("*/host.csv")] + [path for path in [folder / "host.csv"] if path.is_file()]
    recorded = newest_collection(folder)
    if recorded is not None:
        candidates.append(Path(recorded))
    if not candidates:
        raise BadInput(f"there is no processed folder, host.csv or collection in {folder}; name one with --file.")
    return max(candidates, key=lambda path: (path / "host.csv" if path.is_dir() else path).stat().st_mtime)


def _folder(path: Path) -> Staged:
    files = csv_input.table_files(path)
    if HOST not in files:
        raise BadInput(f"{path} is no processed folder: it has no host.csv; make one with `perfkit process`.")
    extras = [path / name for name in FOLDER_EXTRAS if (path / name).is_file()]
    staged = Staged(columnar.connect(), path, "folder", digest([*files.values(), *extras]), tuple(files))
    for table, file in files.items():
        csv_input.read_table(staged.con, table, file)
    facts.from_folder(staged, _json(path / "quality.json"), _json(path / "system_info.json"), path / "percentiles.csv")
    return staged


def _host_csv(path: Path) -> Staged:
    staged = Staged(columnar.connect(), path, "host.csv", digest([path]), (HOST,))
    csv_input.read_table(staged.con, HOST, path)
    staged.hostname = csv_input.machine_named_in(staged.con, path) or _named_beside(path)
    facts.from_samples(staged)
    return staged


def _named_beside(path: Path) -> str | None:
    quality = _json(path.parent / "quality.json") if path.name == "host.csv" else {}
    return facts.hostname(quality)


def _collection(path: Path) -> Staged:
    if not looks_like(path):
        raise BadInput(f"{path} is neither a collection nor a host.csv; see `perfkit import --help`.")
    engine = Engine()
    engine.load([(1, path)])
    engine.derive()
    names = [str(name) for (name,) in engine.con.execute(schema.text("engine_machines.sql")).fetchall()]
    if len(names) > 1:
        raise BadInput(f"{path} mixes recordings of several machines ({', '.join(names[:3])}); import each machine's own file.")
    staged = Staged(engine.con, path, "collection", digest([path]), TABLES)
    facts.from_engine(staged)
    if staged.con.execute(schema.text("count.sql").format(table=HOST.name), [staged.source]).fetchone() == (0,):
        raise BadInput(f"{path} has fewer than two samples: there is nothing to import.")
    return staged


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}.") from error
    return found if isinstance(found, dict) else {}
