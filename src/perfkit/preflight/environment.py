"""Can perfkit run here? This Python, the file it came in, the folder that it unpacks into, the disk, the clock."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

from perfkit.bootstrap import cache, tier
from perfkit.errors import PerfkitError
from perfkit.preflight import machine
from perfkit.preflight.verdict import FAIL, OK, SKIP, WARN, Check
from perfkit.units import format_bytes

_NOT_HERE = "process, import, serve do not run here"


def check_environment(archive: str | None, folder: Path) -> tuple[Check, ...]:
    """What perfkit needs of this machine, of the perfkit.pyz `archive` (None: a checkout) and of the disk of `folder`. Never raises."""
    place = machine.Place(folder, Path("/"))
    return (machine.python(place), *_of_the_file(archive), machine.space(place), machine.clock(place))


def _of_the_file(archive: str | None) -> tuple[Check, ...]:
    if archive is None:
        none = Check("file", SKIP, "this is no perfkit.pyz: nothing is unpacked")
        why = tier.too_old()
        return (none, Check("desk", WARN, _NOT_HERE, f"each of them {why}")) if why else (none,)
    damage = _damage(archive)
    if damage:
        return (Check("file", FAIL, damage, f"{archive} is damaged; copy or build it again, and compare its SHA-256 with SHA256SUMS."),)
    sound = Check("file", OK, f"{archive}, {format_bytes(Path(archive).stat().st_size)}, whole")
    try:
        carried = tier.fitting(archive)
    except PerfkitError as error:
        return (
            sound,
            Check("desk", WARN, _NOT_HERE, str(error)),
            Check("cache", SKIP, "nothing is unpacked here"),
        )
    return sound, _cache(archive, carried)


def _damage(archive: str) -> str:
    """What of the file is not as it was built, "" if all is."""
    try:
        with zipfile.ZipFile(archive) as file:
            name = file.testzip()
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        return str(error)
    return f"{name} has changed" if name else ""


def _cache(archive: str, carried: dict[str, Any]) -> Check:
    try:
        folder = Path(cache.unpacked(archive, carried))
        mended = cache.mend(archive, carried, folder, sure=True)
    except PerfkitError as error:
        return Check("cache", FAIL, "nothing can be unpacked", str(error))
    if mended:
        return Check("cache", WARN, f"{len(mended)} unpacked file{'s' * (len(mended) > 1)} had changed", cache.told(mended, folder))
    disk = os.statvfs(folder)
    free = format_bytes(disk.f_bavail * disk.f_frsize)
    return Check("cache", OK, f"{folder} has its {format_bytes(carried['bytes'])}, whole; {free} free")
