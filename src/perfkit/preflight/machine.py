"""Is this machine fit to be recorded? Checked before a collection is started."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from perfkit.bootstrap import tier
from perfkit.collection import escape
from perfkit.collection.subsystems import HOST, NEEDED, WANTED
from perfkit.preflight.processes import collectors as running_collectors
from perfkit.preflight.verdict import FAIL, OK, WARN, Check, Report, Words
from perfkit.units import format_bytes, format_duration

_A_DAY = 86400
# Bytes of a sample besides the /proc texts: keys and escapes of its lines, containers, the occasional sources.
_OVERHEAD = 2000
_BUSY = 50.0

WORDS = Words("ready", "NOT ready")


class Place(NamedTuple):
    """Where to look: the folder that the collection shall be written to, and the root of /proc."""

    folder: Path
    root: Path


def check_machine(folder: Path, root: Path = Path("/")) -> Report:
    """Whether a collection can be started here and written into `folder`. Nothing is written. Never raises."""
    place = Place(folder, root)
    return Report(os.uname().nodename, tuple(check(place) for check in MACHINE), WORDS)


def python(_place: Place) -> Check:
    """The interpreter is one that the collector runs on; the loop itself was started with it."""
    version = ".".join(map(str, sys.version_info[:3]))
    desk = f"records; evaluate on a machine with {tier.PYTHONS[0]} or later" if tier.too_old() else "evaluates here too"
    return Check("python", OK, f"{version} ({desk})")


def sources(place: Place) -> Check:
    """The kernel's texts can be read."""
    missing = [name for name in NEEDED if not _readable(place, name)]
    if missing:
        cause = f"{', '.join(missing)} cannot be read here; run perfkit on the host itself, or mount the host's /proc."
        return Check("sources", FAIL, f"{len(missing)} of {len(NEEDED)} needed are missing", cause)
    absent = [name for name in WANTED if not _readable(place, name)]
    if absent:
        return Check("sources", WARN, f"without {', '.join(absent)}", "their columns will be empty; the kernel or a container hides them.")
    return Check("sources", OK, f"all {len(NEEDED) + len(WANTED)} readable")


def _readable(place: Place, name: str) -> bool:
    try:
        return bool((place.root / name[1:]).read_bytes())
    except OSError:
        return False


def folder(place: Place) -> Check:
    """A file can be created in the folder."""
    if os.access(place.folder, os.W_OK | os.X_OK) and place.folder.is_dir():
        return Check("folder", OK, f"{place.folder} is writable")
    return Check(
        "folder", FAIL, f"{place.folder} is not writable", f"no collection can be written to {place.folder}; go to another folder."
    )


def space(place: Place) -> Check:
    """The disk holds a day at one sample a second."""
    try:
        disk = os.statvfs(place.folder)
    except OSError:
        return Check("space", FAIL, "not known", f"{place.folder} does not exist.")
    free, need = disk.f_bavail * disk.f_frsize, _sample_size(place) * _A_DAY
    evidence = f"{format_bytes(free)} free; 24 h at 1 s take about {format_bytes(need)}"
    if free >= need:
        return Check("space", OK, evidence)
    lasts = format_duration(max(free / need * _A_DAY, 0.001))
    return Check(
        "space", WARN if free > need / 24 else FAIL, evidence, f"the disk is full after {lasts}; free space, or record as .json.gz."
    )


def _sample_size(place: Place) -> int:
    """Bytes of one sample as it is written."""
    size = _OVERHEAD
    for subsystem in HOST:
        try:
            text = (place.root / subsystem.name[1:]).read_bytes()
        except OSError:
            continue
        size += len(escape(subsystem.cut(text) if subsystem.cut else text))
    return size


def clock(_place: Place) -> Check:
    """The kernel says that the clock is synchronised."""
    from perfkit.collect.session import clock_synchronised

    state = clock_synchronised()
    if state:
        return Check("clock", OK, "synchronised")
    cure = "times will not match other machines'; start chrony or systemd-timesyncd (timedatectl set-ntp true)."
    return Check("clock", WARN, "not synchronised" if state is False else "not known to be synchronised", cure)


def collectors(_place: Place) -> Check:
    """No other collector runs."""
    found = running_collectors()
    if not found:
        return Check("collectors", OK, "none runs")
    who = ", ".join(map(str, found))
    return Check("collectors", WARN, f"{len(found)} running: {who}", "it will be part of what is measured; stop it if it is not yours.")


def quiet(place: Place) -> Check:
    """The machine idles before the load."""
    first = _cpu_times(place)
    time.sleep(1.0)
    deltas = [max(b - a, 0) for a, b in zip(first, _cpu_times(place))]
    if not sum(deltas):
        return Check("quiet", WARN, "CPU time does not move", "this /proc/stat is frozen or a container's; no CPU figures will come out.")
    idle = sum(deltas[3:5])
    busy = 100 * (1 - idle / sum(deltas))
    if busy > _BUSY:
        return Check("quiet", WARN, f"CPU {busy:.0f} % busy already", "something runs before the load does; look with top.")
    return Check("quiet", OK, f"CPU {busy:.0f} % busy")


def _cpu_times(place: Place) -> list[int]:
    try:
        with (place.root / "proc/stat").open() as stat:
            return [int(field) for field in stat.readline().split()[1:9]]
    except (OSError, ValueError):
        return []


def containers(place: Place) -> Check:
    """Which container runtime answers, and whether its cgroups can be read."""
    answering = [name for name in ("docker", "podman") if _answers(name)]
    unified = (place.root / "sys/fs/cgroup/cgroup.controllers").exists()
    cgroup = "cgroup v2" if unified else "cgroup v1" if (place.root / "sys/fs/cgroup/cpu").exists() else "no cgroups"
    return Check("containers", OK, f"{' and '.join(answering) or 'neither docker nor podman'} answers; {cgroup}")


def _answers(name: str) -> bool:
    if shutil.which(name) is None:
        return False
    try:
        asked = subprocess.run([name, "ps", "-q"], capture_output=True, timeout=5, check=False)  # noqa: S603 - one of two fixed names
    except (OSError, subprocess.SubprocessError):
        return False
    return asked.returncode == 0


MACHINE: tuple[Callable[[Place], Check], ...] = (python, sources, folder, space, clock, collectors, quiet, containers)
