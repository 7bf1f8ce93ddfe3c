"""Where a lake is: a folder of this machine, or a URL that fsspec reads. A file is there whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import _duckdb as duckdb

from perfkit import drivers
from perfkit.errors import BadInput, Failed, PerfkitError, reason
from perfkit.files import sync_path
from perfkit.lake.tables import LakeFile, parsed

_WRITING = ".writing-"  # folders in which files are made; readers look into none whose name starts with a point
_LEFT_SECONDS = 86_400.0  # a folder that is older was left by a writer that was killed
# Packages of the file systems that people mean most.
_EXTRAS = {"s3": "s3fs", "abfs": "adlfs", "abfss": "adlfs", "az": "adlfs", "gs": "gcsfs", "gcs": "gcsfs"}


class Lake:
    """A lake that lies in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = str(root)

    @property
    def base(self) -> str:
        """What stands before a file's path for DuckDB, with a slash at its end."""
        return f"{self.root}/"

    def exists(self) -> bool:
        return self.root.is_dir()

    def files(self, under: str = "") -> list[LakeFile]:
        """Its files, or those below the folder `under`, in the order of their paths."""
        found = []
        for folder, below, names in os.walk(self.root / under):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in sorted(names):
                with contextlib.suppress(FileNotFoundError):  # compacted meanwhile
                    path = Path(folder, name)
                    found.append(parsed(path.relative_to(self.root).as_posix(), path.stat().st_size))
        return [file for file in found if file is not None]

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        """A folder of this machine for files that are not ready; it is gone afterwards."""
        with self.errors():
            self.root.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=_WRITING, dir=self.root))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, made: Path, path: str) -> None:
        """Make the file `made`, from the folder of `writing`, visible as `path`, or take its place there; on disk when this returns."""
        with self.errors():
            target = self.root / path
            sync_path(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            made.replace(target)
            sync_path(target.parent)

    def remove(self, path: str) -> None:
        """Remove a file; one that is gone already needs no more."""
        with self.errors():
            (self.root / path).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Keep compactions out, and without `shared` writers too, so that no file changes between its reading and its removal."""
        with self.errors(), (self.root / ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield

    def sweep(self) -> None:
        """Remove what writers that were killed left behind."""
        for folder in self.root.glob(f"{_WRITING}*"):
            with contextlib.suppress(OSError):
                if folder.stat().st_mtime < time.time() - _LEFT_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let `con` read this lake's files by `base`."""

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """What goes wrong with the lake, as a sentence."""
        try:
            yield
        except PerfkitError:
            raise
        except (OSError, duckdb.IOException) as error:
            said = reason(error) if isinstance(error, OSError) else str(error).splitlines()[0].rstrip(".")
            raise Failed(f"the lake {self.name} cannot be used: {said}; name another with --lake, or make room there.") from None


class RemoteLake(Lake):
    """A lake in an object store, or in another file system that fsspec knows. A file is made on this machine and sent by one upload."""

    def __init__(self, url: str) -> None:
        self.name = url.rstrip("/")
        self._fs, self._base = _file_system(self.name)

    @property
    def base(self) -> str:
        protocol = self._fs.protocol if isinstance(self._fs.protocol, str) else self._fs.protocol[0]
        return f"{protocol}://{self._base.lstrip('/')}/"

    def exists(self) -> bool:
        with self.errors():
            self._fs.invalidate_cache()
            return bool(self._fs.exists(self._base))

    def files(self, under: str = "") -> list[LakeFile]:
        with self.errors():
            self._fs.invalidate_cache()
            try:
                found: dict[str, Any] = self._fs.find(f"{self._base}/{under}".rstrip("/"), detail=True)
            except FileNotFoundError:
                return []
        told = (parsed(path.removeprefix("/")[len(self._base.removeprefix("/")) + 1 :], one["size"]) for path, one in sorted(found.items()))
        return [file for file in told if file is not None]

    @contextlib.contextmanager
    def writing(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="perfkit-") as folder:
            yield Path(folder)

    def publish(self, made: Path, path: str) -> None:
        with self.errors():
            target = f"{self._base}/{path}"
            self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
            self._fs.put_file(str(made), target)

    def remove(self, path: str) -> None:
        with self.errors(), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._base}/{path}")

    @contextlib.contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """An object store has no locks: compact it while nobody processes the same collections again."""
        yield

    def sweep(self) -> None:
        """Nothing is left behind: an upload that breaks off makes no file."""

    def attach(self, con: duckdb.DuckDBPyConnection) -> None:
        con.register_filesystem(self._fs)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        try:
            with super().errors():
                yield
        except PerfkitError:
            raise
        except Exception as error:  # each file system has errors of its own
            said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise Failed(f"the lake {self.name} cannot be used: {said}; look at the address and the credentials.") from None


def open_lake(where: str, *, must_exist: bool = False) -> Lake:
    """The lake at `where`: a folder, file:///folder, or the URL of a file system that fsspec has, as s3://bucket/lake.

    Raises BadInput where that cannot be, and with `must_exist` where there is none.
    """
    parts = urlsplit(where)
    if not where or (parts.scheme and "://" in where and not parts.netloc and not parts.path.strip("/")):
        raise BadInput(f"{where!r} is no place for a lake; name a folder or a URL such as s3://bucket/lake.")
    lake: Lake
    if "://" not in where or parts.scheme == "file":
        if parts.netloc not in ("", "localhost") and parts.scheme == "file":
            raise BadInput(f"{where} names another machine; file:// is for folders of this one: file:///folder.")
        lake = Lake(Path(unquote(parts.path) if parts.scheme == "file" else where).expanduser().resolve())
        if lake.root.exists() and not lake.root.is_dir():
            raise BadInput(f"{where} is a file; name a folder with --lake.")
    else:
        lake = RemoteLake(where)
    if must_exist and not lake.exists():
        raise BadInput(f"there is no lake at {where}; `perfkit process --lake {where}` makes one.")
    return lake


def _file_system(url: str) -> tuple[Any, str]:
    scheme = urlsplit(url).scheme
    needed = [_EXTRAS[scheme]] if scheme in _EXTRAS else ["fsspec"]
    drivers.look_there()
    try:
        import fsspec

        fs, base = fsspec.core.url_to_fs(url)
    except ImportError:
        raise BadInput(f"{url} needs the package {needed[0]}, which perfkit does not carry; {drivers.cure(*needed)}.") from None
    except ValueError:
        raise BadInput(f"{url} is of a kind that fsspec does not know; write s3://, abfs://, gs:// or file://.") from None
    return fs, str(base).rstrip("/")
