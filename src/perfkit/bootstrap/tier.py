"""The desk tier of perfkit.pyz: which packages of the file fit this machine, and an interpreter that runs on them unpacked.

The file's `desk/manifest.json` lists, per platform and Python, the wheels that make up the tier, the digest of all that gets unpacked,
and how much that is. `perfkit.bootstrap.cache` keeps the unpacked folders. Standard library, Python 3.9; a checkout uses nothing of this.
"""

from __future__ import annotations

import os
import signal
import sys
import zipimport
from typing import Any, NoReturn

import perfkit
from perfkit.bootstrap import interrupt
from perfkit.commands import DESK, of_tier
from perfkit.errors import BadInput, PerfkitError

MANIFEST = "desk/manifest.json"
_PROGRAM = "perfkit_program"  # the option of Python that tells the unpacked desk tier which file it is of

# What the desk tier's native packages exist for; build_zipapp.py carries all PYTHONS for the platform that it runs on.
PLATFORMS = ("linux-x86_64", "linux-aarch64", "macos-arm64")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def wanted(argv: list[str]) -> bool:
    """Whether `argv` runs a command of the desk tier; a request for help never does."""
    words = argv[: argv.index("--")] if "--" in argv else argv
    command = next((word for word in words if not word.startswith("-")), "")
    return command in of_tier(DESK) and not {"-h", "--help"} & set(words)


def run(archive: str, argv: list[str]) -> NoReturn:
    """Replace this process by one that runs `argv` on the packages carried by the zip `archive`, unpacked on first use.

    The new interpreter is isolated: it reads no PYTHON* variable and sees no site-packages, so nothing that is installed can join in.
    Raises BadInput if the file carries nothing for this Python and platform, or the cache folder cannot be used; Failed if unpacking fails.
    """
    command = interpreter(archive)
    sys.stdout.flush()
    interrupt.hold_back([signal.SIGINT])  # the new interpreter's start would print a traceback; __main__.py takes it
    os.execv(sys.executable, [*command, *argv])  # noqa: S606 - no shell is wanted


def interpreter(archive: str) -> list[str]:
    """The command that runs perfkit on the packages carried by the zip `archive`, unpacked now if they are not yet; errors as `run`."""
    from perfkit.bootstrap import cache

    program = f"{_PROGRAM}={os.path.abspath(archive)}"  # noqa: PTH100 - as the zip's importer names it
    return [sys.executable, "-I", "-S", "-X", program, cache.unpacked(archive, fitting(archive))]


def archive_here() -> str | None:
    """The perfkit.pyz that this interpreter's packages were unpacked from; None where they were not."""
    return str(sys._xoptions[_PROGRAM]) if _PROGRAM in sys._xoptions else None


def mended() -> str:
    """Where this runs unpacked and something failed that never should: the sentence about unpacked files that had changed, else ""."""
    if (archive := archive_here()) is None:
        return ""
    from pathlib import Path

    from perfkit.bootstrap import cache

    try:
        carried = fitting(archive)
        folder = Path(cache.unpacked(archive, carried))
        found = cache.mend(archive, carried, folder, sure=True)
    except (PerfkitError, ImportError, OSError):  # the file was moved, or its cache cannot be written: the failure itself is told
        return ""
    return f"{cache.told(found, folder)} Run it again." if found else ""


def fitting(archive: str) -> dict[str, Any]:
    """What the zip `archive` carries for this Python and platform; BadInput names what there is and what was found."""
    return select(manifest(archive), here(), _python())


def manifest(archive: str) -> dict[str, Any]:
    """What the zip `archive` carries for the desk tier; empty for a file of the target tier alone."""
    import json

    try:
        text = zipimport.zipimporter(archive).get_data(os.path.join(archive, MANIFEST))  # noqa: PTH118 - zipimport wants a string
    except OSError:
        return {}
    return dict(json.loads(text))


def version(archive: str | None) -> str:
    """Which perfkit this is: its version, and of the file its digest, as SHA256SUMS has it, and what its desk commands run on."""
    lines = [f"perfkit {perfkit.__version__}"]
    if archive is not None:
        import hashlib

        digest = hashlib.sha256()
        with open(archive, "rb") as file:  # noqa: PTH123 - as the zip's importer names it
            while block := file.read(1 << 20):
                digest.update(block)
        tiers = manifest(archive).get("tiers", {})
        lines += [f"sha256 {digest.hexdigest()}", f"desk commands: {_held(tiers)}" if tiers else "desk commands: none (--target-only)"]
    return "\n".join(lines)


def too_old() -> str:
    """Why this Python runs no command of the desk tier, in words that follow a subject ("this command"); "" if it is new enough."""
    if sys.version_info >= _numbers(PYTHONS[0]):
        return ""
    return f"needs Python {PYTHONS[0]} or later, and here is {_python()}; collect, preflight and mark run on it."


def select(carried: dict[str, Any], platform: str, python: str) -> dict[str, Any]:
    """The entry of `carried` for `platform` ("linux-x86_64") and `python` ("3.12"); BadInput names what there is and what was found."""
    tiers = carried.get("tiers", {})
    if not tiers:
        raise BadInput("this perfkit.pyz carries collect, preflight and mark alone (--target-only); take the whole file for this command.")
    found = tiers.get(f"{platform}/{python}")
    if found is None:
        carries = f"this perfkit.pyz carries this command's packages for {_held(tiers)}"
        raise BadInput(f"{carries}; here is {platform} with Python {python}: {_cure(_by_platform(tiers), platform)}.")
    needed, glibc = found.get("glibc"), _glibc()
    if needed and glibc and _numbers(glibc) < _numbers(needed):
        raise BadInput(f"this command needs glibc {needed} or later; here is glibc {glibc}.")
    return dict(found)


def _cure(carried: dict[str, list[str]], platform: str) -> str:
    """What to do where the file carries nothing for this Python, or nothing for this `platform`."""
    if pythons := carried.get(platform):
        return f"start it with one of those, as in `python{pythons[-1]} perfkit.pyz`"
    take = "take the collection to such a machine"
    return f"{take}, or build the file with `--platform {platform}`" if platform in PLATFORMS else take


def _held(tiers: dict[str, Any]) -> str:
    return ", ".join(f"{name} (Python {_either(pythons)})" for name, pythons in _by_platform(tiers).items())


def here() -> str:
    """This machine as the manifest names platforms: "linux-x86_64", "linux-aarch64-musl", "macos-arm64"."""
    machine = os.uname().machine
    if sys.platform == "darwin":
        return f"macos-{machine}"
    if sys.platform != "linux":
        return f"{sys.platform}-{machine}"
    width = "" if sys.maxsize > 1 << 32 else "-32bit"
    return f"linux-{machine}{width}{'' if _glibc() else '-musl'}"


def _python() -> str:
    """ "3.12"; with a word behind it for a Python that cannot load this one's native modules."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.implementation.name != "cpython":
        return f"{version} ({sys.implementation.name})"
    return version + (" (free-threaded)" if "t" in getattr(sys, "abiflags", "") else "")


def _glibc() -> str | None:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")[2] or None
    except (AttributeError, ValueError, OSError):
        return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _by_platform(tiers: dict[str, Any]) -> dict[str, list[str]]:
    platforms: dict[str, list[str]] = {}
    for name in sorted(tiers, key=lambda name: (name.partition("/")[0], _numbers(name.partition("/")[2]))):
        platform, _, python = name.partition("/")
        platforms.setdefault(platform, []).append(python)
    return platforms


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
