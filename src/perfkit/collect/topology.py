"""What disks and interfaces are made of, from /sys: so that a host's total counts every byte once."""

from __future__ import annotations

import os
import re

from perfkit.collect.sources import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Names of block devices that are made of something else, or of memory, and say so nowhere in /sys.
_KINDS = {
    "dm-": "stacked",
    "md": "stacked",
    "drbd": "stacked",
    "bcache": "stacked",
    "zd": "stacked",
    "loop": "loop",
    "ram": "memory",
    "zram": "memory",
    "sr": "cdrom",
    "fd": "other",
}
_SCSI_CDROM = "5"
# How interfaces without a device begin that lead out of a machine that has no other.
_OUTWARD = ("venet", "tap", "tun", "ppp", "slirp", "wwan")

# What the kernel calls the port of such a card that leads to a function of it (Documentation/networking/switchdev.rst); its own are p0, p1.
_REPRESENTOR = re.compile(r"(?:c\d+)?pf\d")


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _kind(name: str, path: str, slaves: list[str]) -> str:
    if slaves:
        return "stacked"
    if read_text(path + "/device/type") == _SCSI_CDROM:
        return "cdrom"
    return _KINDS.get(name.rstrip("0123456789"), "disk")


def disks(sys_root: str) -> dict[str, dict[str, Any]]:
    """Every block device by name: `kind`, `in_total`, a partition's `parent`, a stacked device's `slaves`.

    In the total are whole disks alone: no partitions, and nothing made of other block devices or of memory. A hidden path of a disk
    (NVMe multipath) has no `in_total`: it counts where the disk itself does not, which only its counters tell (before Linux 6.4).
    """
    found: dict[str, dict[str, Any]] = {}
    for name in _entries(sys_root + "/block"):
        path = f"{sys_root}/block/{name}"
        slaves = _entries(path + "/slaves")
        kind = "path" if read_text(path + "/hidden").strip() == "1" else _kind(name, path, slaves)
        counts = {} if kind == "path" else {"in_total": kind == "disk"}
        found[name.replace("!", "/")] = {"kind": kind, **counts, **({"slaves": slaves} if slaves else {})}
        for part in _entries(path):
            if part.startswith(name) and os.path.exists(f"{path}/{part}/partition"):
                found[part.replace("!", "/")] = {"kind": "partition", "in_total": False, "parent": name.replace("!", "/")}
    return found


def _master(path: str) -> str:
    try:
        return os.path.basename(os.readlink(path + "/master"))
    except OSError:
        return ""


def interfaces(sys_root: str) -> dict[str, dict[str, Any]]:
    """Every network interface by name: `kind` (physical, virtual), `in_total`, and the `master` it is enslaved to.

    Physical is what has a device behind it. A physical interface under a physical master (an accelerated virtual function under
    its synthetic twin) is counted by the master already, and a switch's port (DSA) by the interface that leads to the switch, also where
    that is a bond; what stands for a function of a card with a switch in it (a representor), by the card's own port. Where nothing has a
    device, as within a container, what leads out of the namespace counts; where nothing does, tunnels and taps (OpenVZ, slirp).
    `speed_mbit` and `duplex` are those of the link, where its driver tells them.
    """
    net = sys_root + "/class/net"
    names = [name for name in _entries(net) if os.path.isdir(f"{net}/{name}")]
    physical = {name for name in names if os.path.exists(f"{net}/{name}/device")}
    masters = {name: _master(f"{net}/{name}") for name in names}
    totals = {name for name in physical if masters[name] not in physical and not _is_port(net, name, physical)}
    totals = {name for name in totals if not _REPRESENTOR.match(read_text(f"{net}/{name}/phys_port_name"))} or totals
    totals = totals or {name for name in names if _leads_out(net, name)}
    totals = totals or {name for name in names if name.startswith(_OUTWARD) or os.path.exists(f"{net}/{name}/tun_flags")}
    return {
        name: {
            "kind": "physical" if name in physical else "virtual",
            "in_total": name in totals,
            **({"master": masters[name]} if masters[name] else {}),
            **_link(f"{net}/{name}"),
        }
        for name in names
    }


def _is_port(net: str, name: str, physical: set[str]) -> bool:
    """Whether it is a switch's port that is linked to an interface of ours, which carries what it carries.

    The kernel names its type (net/dsa: dsa); where it does not, what is linked to another physical interface is one.
    """
    link = read_text(f"{net}/{name}/iflink")
    if link == read_text(f"{net}/{name}/ifindex"):
        return False
    leads_to = _entries(net) if "DEVTYPE=dsa" in read_text(f"{net}/{name}/uevent").split() else physical
    return link in {read_text(f"{net}/{other}/ifindex") for other in leads_to}


def _link(path: str) -> dict[str, Any]:
    speed, duplex = read_text(path + "/speed"), read_text(path + "/duplex")
    return {"speed_mbit": int(speed), "duplex": duplex or "unknown"} if speed.isdigit() and 0 < int(speed) < 10**9 else {}


def _leads_out(net: str, name: str) -> bool:
    """Whether the other end of a veth or macvlan is in another namespace: its link is not one of ours."""
    link, own = read_text(f"{net}/{name}/iflink"), read_text(f"{net}/{name}/ifindex")
    return name != "lo" and link != own and link not in {read_text(f"{net}/{other}/ifindex") for other in _entries(net)}
