"""The Python interpreters of this machine, by version; what an older or newer one makes of the file is tested with each."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

_MUSL = Path(__file__).resolve().parents[2] / "build" / "musl" / "bin" / "python3"  # scripts/musl.py
_ASK = """
import sys, sysconfig
print(*sys.version_info[:2], "musl" if "musl" in (sysconfig.get_config_var("SOABI") or "") else sys.implementation.name)
"""


@cache
def found() -> dict[str, str]:
    """Path of one interpreter per version: "3.9", "3.12", "pypy 3.9", "musl 3.13"; pyenv's first, then those on the PATH."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [str(path) for path in sorted(pyenv.glob("versions/*/bin/python3"))]
    names = ("python3", *(f"python3.{n}" for n in range(6, 16)), "pypy3")
    # pyenv's shims are scripts that start the versions it has, or say that they do not
    elsewhere = os.pathsep.join(path for path in os.get_exec_path() if Path(path).name != "shims")
    candidates += [path for name in names if (path := shutil.which(name, path=elsewhere))]
    candidates += [str(_MUSL)] if _MUSL.exists() else []
    versions: dict[str, str] = {}
    for path in candidates:
        answer = subprocess.run([path, "-c", _ASK], capture_output=True, text=True, check=False).stdout.split()
        if len(answer) == 3:
            major, minor, name = answer
            versions.setdefault(f"{major}.{minor}" if name == "cpython" else f"{name} {major}.{minor}", path)
    return versions


def older_than_ours() -> dict[str, str]:
    """The interpreters below Python 3.9."""
    return {name: path for name, path in found().items() if tuple(map(int, name.split()[-1].split("."))) < (3, 9)}
