"""How full the mounted real filesystems are: pcc's `statfs[*]`."""

from __future__ import annotations

import os
from functools import lru_cache

from perfkit.collect.sources import read_text
from perfkit.collection import to_json

SUBSYSTEM = "statfs[*]"
_LINE = b'{"mount_point":%b,"block_size":%d,"blocks_total":%d,"blocks_free":%d,"blocks_available":%d}\n'

# Images that are always full, and are no place that a test could fill.
_IMAGES = frozenset({"squashfs", "iso9660", "udf", "cramfs", "erofs", "romfs"})
# How types begin of which a mount may answer never: the network, and programs that serve files.
_MAY_HANG = (
    *("fuse", "nfs", "cifs", "smb", "9p", "virtiofs", "ceph", "afs", "autofs", "glusterfs", "lustre", "beegfs", "gpfs", "panfs"),
    *("davfs", "coda", "ncpfs", "orangefs", "pvfs2", "ocfs2", "gfs2", "shfs", "vboxsf", "vmhgfs", "prl_fs"),
)
# Real, though the kernel lists them as needing no block device.
_DEVICELESS = frozenset({"zfs", "btrfs", "bcachefs"})


@lru_cache
def _real_types(proc: str) -> frozenset[str]:
    lines = read_text(proc + "/filesystems").splitlines()
    return frozenset(line.strip() for line in lines if not line.startswith("nodev")) - _IMAGES | _DEVICELESS


def _unescape(mount: str) -> str:
    """The mount table's octal escapes undone: `\\040` is a space."""
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        mount = mount.replace(escaped, plain)
    return mount


def mounts(proc: str) -> tuple[str, ...]:
    """Mount points of real filesystems and `/`, each device once, in the mount table's order.

    Network and FUSE filesystems are left out, and what is mounted below one: asking them can hang for ever.
    """
    return _points(read_text(proc + "/self/mounts"), _real_types(proc))


_json = lru_cache(to_json)


@lru_cache(maxsize=1)  # the table is nearly always the one of the last time
def _points(table: str, real: frozenset[str]) -> tuple[str, ...]:
    devices, points = set(), []
    lines = [[*line.split(" "), "", ""] for line in table.splitlines()]
    uppermost = {point: kind for _, point, kind, *_ in lines}  # of several on one point the last one answers
    hanging = tuple(point + "/" for point, kind in uppermost.items() if kind.startswith(_MAY_HANG) and point != "/")
    for device, point, kind, *_ in lines:
        if kind.startswith(_MAY_HANG) or uppermost[point].startswith(_MAY_HANG) or point.startswith(hanging):
            continue
        if (kind in real and device not in devices) or (point == "/" and point not in points):
            devices.add(device)
            points.append(_unescape(point))
    return tuple(points)


def statfs(proc: str) -> bytes:
    """One JSON object a line for each of `mounts`; one that cannot be asked is left out."""
    lines = []
    for point in mounts(proc):
        try:
            found = os.statvfs(point)
        except OSError:
            continue
        lines.append(_LINE % (_json(point), found.f_frsize, found.f_blocks, found.f_bfree, found.f_bavail))
    return b"".join(lines)
