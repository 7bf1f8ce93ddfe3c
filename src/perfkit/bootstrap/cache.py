"""The folder where perfkit.pyz keeps what cannot be imported from a zip: one sub-folder per content, named by its digest.

A sub-folder appears whole or not at all: it is written under another name, then renamed. Whoever uses one holds a shared lock on its
`.lock` for as long as the process lives, so that clearing out old ones never takes a folder from under a running program.
Once a day what lies there is compared with the zip, because disks forget: a file that has changed is made anew.
Standard library, Python 3.9.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import json
import os
import pwd
import re
import shutil
import stat
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile, ZipInfo

from perfkit.errors import BadInput, Failed, reason
from perfkit.units import format_bytes

LOCK = ".lock"
CHECKED = ".checked"  # written when all was last compared with the zip: Python's bytecode, which no zip has, as it was then
CHECK_SECONDS = 86_400.0
KEPT = 3  # the most recently used stay, so that two builds or Pythons used in turn do not throw each other out
_OURS = re.compile(r"desk-[0-9a-f]{24}|\.(unpacking|removing)-.*")
_UNMAPPED = 65534  # whom root's folders belong to inside a user namespace
_SET_ANOTHER = "set PERFKIT_CACHE to a folder of your own"


def unpacked(archive: str, tier: dict[str, Any], environ: dict[str, str] | None = None) -> str:
    """The folder that holds `tier` (an entry of the manifest) of the zip `archive`, unpacked now if it is not there yet.

    This process keeps the folder locked against removal, and so does any program it turns into. Once a day it is mended.
    Raises BadInput for a cache folder that cannot or must not be used, Failed if the unpacking does not succeed.
    """
    base = _prepared(location(dict(os.environ) if environ is None else environ))
    folder = base / f"desk-{tier['digest']}"
    for _ in range(5):
        if _hold(folder, tier):
            if _is_due(folder) and (mended := mend(archive, tier, folder)):
                print(f"perfkit: {told(mended, folder)}", file=sys.stderr)
            return str(folder)
        _unpack(archive, tier, base, folder)
        _clear(base, keep=folder)
    raise Failed(f"{folder} keeps disappearing or changing while it is unpacked; {_SET_ANOTHER}.")


def location(environ: dict[str, str]) -> Path:
    """`$PERFKIT_CACHE`, else `$XDG_CACHE_HOME/perfkit`, else `~/.cache/perfkit`; what is relative or empty is passed over."""
    chosen = environ.get("PERFKIT_CACHE", "")
    if chosen:
        if not Path(chosen).is_absolute():
            raise BadInput(f"PERFKIT_CACHE is {chosen!r}, which is not an absolute path; {_SET_ANOTHER}.")
        return Path(chosen)
    for folder, below in ((environ.get("XDG_CACHE_HOME"), "perfkit"), (environ.get("HOME"), ".cache/perfkit"), (_home(), ".cache/perfkit")):
        if folder and Path(folder).is_absolute():
            return Path(folder) / below
    raise BadInput(f"there is no home folder to keep unpacked files in; {_SET_ANOTHER}.")


def _home() -> str | None:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return None


def _prepared(base: Path) -> Path:
    """`base`, made if need be, with links resolved; BadInput unless it is ours alone and may hold native code."""
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        base = base.resolve(strict=True)
        _refuse_if_shared(base)
        noexec = os.statvfs(base).f_flag & getattr(os, "ST_NOEXEC", 0)
    except OSError as error:
        raise BadInput(f"{base} cannot be used to unpack perfkit's packages ({reason(error)}); {_SET_ANOTHER}.") from error
    if noexec:
        raise BadInput(f"{base} is on a file system mounted noexec, from which native modules cannot be loaded; {_SET_ANOTHER} elsewhere.")
    return base


def _refuse_if_shared(base: Path) -> None:
    """BadInput if another user could put a module of his into `base`, or swap a folder above it."""
    ours = base.stat()
    if ours.st_uid != os.geteuid():
        raise BadInput(f"{base} belongs to another user, who could change what runs from it; {_SET_ANOTHER}.")
    if ours.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise BadInput(f"others may write to {base} and so change what runs from it; `chmod go-w` it, or {_SET_ANOTHER}.")
    for parent in base.parents:
        above = parent.stat()
        if (above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX) or above.st_uid not in (0, _UNMAPPED, os.geteuid()):
            raise BadInput(f"other users could replace {base}, because {parent} is theirs or open to all; {_SET_ANOTHER}.")


def _hold(folder: Path, tier: dict[str, Any]) -> bool:
    """Lock `folder` against removal until this process ends; False if it is not there, not whole, or just being removed."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    if not _locked(lock, fcntl.LOCK_SH) or not _same(lock, folder / LOCK):
        os.close(lock)
        return False
    if not _whole(folder, tier):
        os.close(lock)
        _discard(folder)
        return False
    with contextlib.suppress(OSError):
        os.utime(lock)
    os.set_inheritable(lock, True)
    return True


def _whole(folder: Path, tier: dict[str, Any]) -> bool:
    """Whether every file that was unpacked is still there in its full size (a cleaner of temporary folders may have taken some)."""
    try:
        sizes = [entry.stat(follow_symlinks=False).st_size for entry in _files(str(folder)) if entry.name not in (LOCK, CHECKED)]
    except OSError:
        return False
    return (len(sizes), sum(sizes)) == (tier["files"], tier["bytes"])


def _files(folder: str) -> Iterator[os.DirEntry[str]]:
    """Every file below `folder` but Python's own bytecode caches."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield entry
            elif entry.name != "__pycache__":
                yield from _files(entry.path)


def _is_due(folder: Path) -> bool:
    try:
        return abs(time.time() - (folder / CHECKED).stat().st_mtime) > CHECK_SECONDS
    except OSError:
        return True


def mend(archive: str, tier: dict[str, Any], folder: Path, *, sure: bool = False) -> list[str]:
    """Compare `folder`, which `unpacked` gave, with the zip, and make anew what has changed; the names of those files.

    Bytecode is compared with what it was the last time, and deleted if it has changed; if `sure`, any that is new since then, too.
    Raises BadInput where the zip is damaged or the folder cannot be written. Programs that run from the folder are not disturbed.
    """
    try:
        with _sound(archive):
            right = {info.filename: info.CRC for _, info in _members(archive, tier)}
            damaged = {name for name, check in right.items() if _check(folder / name) != check}
            if damaged:
                with _temporary(folder.parent, "unpacking") as beside:
                    for inner, info in _members(archive, tier):
                        if info.filename in damaged:
                            Path(inner.extract(info, beside)).replace(folder / info.filename)
        return sorted(damaged) + _mend_bytecode(folder, sure)
    except OSError as error:
        raise BadInput(f"what is unpacked in {folder} cannot be made whole ({reason(error)}); {_SET_ANOTHER}.") from error


def told(mended: list[str], folder: Path) -> str:
    """The sentence that says which files of `folder` were `mended`."""
    names = ", ".join(mended[:3]) + (f" and {len(mended) - 3} more" if mended[3:] else "")
    return f"unpacked files in {folder} had changed on the disk and are made anew: {names}; check that disk."


def _mend_bytecode(folder: Path, sure: bool) -> list[str]:
    """Delete Python's bytecode that is not as it was; the names of what had changed. Python writes it again."""
    try:
        known = dict(json.loads((folder / CHECKED).read_bytes()))
    except (OSError, ValueError, TypeError):
        known = {}
    found, changed = {}, []
    for path in folder.rglob("__pycache__/*.pyc"):
        name, written = str(path.relative_to(folder)), path.stat().st_mtime_ns
        now, before = f"{written} {_check(path)}", str(known.get(name, ""))
        if now != before and (sure or before.startswith(f"{written} ")):
            path.unlink()
            changed += [name] if before else []
        else:
            found[name] = now
    with contextlib.suppress(OSError):  # a full disk: then it is done again at the next start
        (folder / CHECKED).write_text(json.dumps(found))
    return changed


def _check(path: Path) -> int:
    """The CRC-32 of a file, as zips have it; -1 of one that cannot be read."""
    found = 0
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found = zlib.crc32(block, found)
    except OSError:
        return -1
    return found


def _members(archive: str, tier: dict[str, Any]) -> Iterator[tuple[ZipFile, ZipInfo]]:
    """All that gets unpacked: perfkit's own files and the pure packages, which lie open in the zip, then every wheel of `tier`."""
    with ZipFile(archive) as outer:
        yield from ((outer, info) for info in outer.infolist() if not info.filename.startswith(("desk/", "bytecode/")))
        for wheel in tier["wheels"]:
            with ZipFile(io.BytesIO(outer.read(wheel))) as inner:
                yield from ((inner, info) for info in inner.infolist() if not info.is_dir())


@contextlib.contextmanager
def _sound(archive: str) -> Iterator[None]:
    """BadInput for what the block finds wrong with the zip."""
    try:
        yield
    except (BadZipFile, EOFError, KeyError, zlib.error) as error:
        raise BadInput(f"{archive} is damaged ({error}); copy or build it again.") from error


def _unpack(archive: str, tier: dict[str, Any], base: Path, folder: Path) -> None:
    """Write `tier` next to `folder` and rename it into place; another process that was faster wins, with the same content."""
    if sys.stderr.isatty():
        print(f"perfkit: unpacking {format_bytes(tier['bytes'])} into {folder}, this once", file=sys.stderr)
    try:
        with _sound(archive), _temporary(base, "unpacking") as beside:
            for inner, info in _members(archive, tier):
                inner.extract(info, beside)
            (beside / CHECKED).write_text("{}")
            os.sync()
            beside.rename(folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return
        wanted = format_bytes(tier["bytes"])
        raise BadInput(f"unpacking {wanted} into {base} failed ({reason(error)}); make room there, or {_SET_ANOTHER}.") from error


@contextlib.contextmanager
def _temporary(base: Path, doing: str) -> Iterator[Path]:
    """A locked folder next to the others, gone afterwards if it still bears its name."""
    beside = Path(tempfile.mkdtemp(prefix=f".{doing}-", dir=base))
    lock = os.open(beside / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _locked(lock, fcntl.LOCK_SH)
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        os.close(lock)


def _clear(base: Path, keep: Path) -> None:
    """Remove what killed runs left behind, and all but the KEPT most recently used folders, unless somebody uses them."""
    others = [folder for folder in base.iterdir() if _OURS.fullmatch(folder.name) and folder != keep]
    whole = sorted((folder for folder in others if folder.name.startswith("desk-")), key=_last_used, reverse=True)
    for folder in set(others) - set(whole[: KEPT - 1]):
        if folder.name.startswith(".removing-"):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                _discard(folder)


def _discard(folder: Path) -> None:
    """Remove `folder` if nobody holds its lock."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
    try:
        if _locked(lock, fcntl.LOCK_EX) and _same(lock, folder / LOCK):
            gone = Path(tempfile.mkdtemp(prefix=".removing-", dir=folder.parent))
            folder.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
    finally:
        os.close(lock)


def _last_used(folder: Path) -> float:
    try:
        return (folder / LOCK).stat().st_mtime
    except OSError:
        return 0.0


def _locked(lock: int, kind: int) -> bool:
    """Whether the lock was had at once. Where the file system has no locks, sharing is taken as had and exclusion never."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return kind == fcntl.LOCK_SH
    return True


def _same(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False
