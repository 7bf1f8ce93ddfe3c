"""The session: what a collection says about the machine and itself in its first line."""

from __future__ import annotations

import os
import time

from perfkit import __version__
from perfkit.collect import topology
from perfkit.collect.sources import read_text
from perfkit.collection import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STA_UNSYNC = 0x40  # linux/timex.h
_TIMEX_LONGS = 208 // 8  # struct timex of a 64-bit Linux


# vendor: (DMI field, how its text begins, whether the product name is the instance type)
_RULES = (
    ("aws", "sys_vendor", "Amazon", True),
    ("aws", "bios_version", "4.11.amazon", False),
    ("azure", "chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", False),
    ("gcp", "sys_vendor", "Google", False),
    ("oracle", "chassis_asset_tag", "OracleCloud", False),
    ("alibaba", "sys_vendor", "Alibaba", False),
    ("tencent", "sys_vendor", "Tencent", False),
    ("huawei", "sys_vendor", "Huawei Cloud", False),
    ("digitalocean", "sys_vendor", "DigitalOcean", False),
    ("hetzner", "sys_vendor", "Hetzner", False),
    ("scaleway", "sys_vendor", "Scaleway", True),
    ("vultr", "sys_vendor", "Vultr", False),
    ("linode", "sys_vendor", "Linode", False),
    ("ovh", "sys_vendor", "OVH", False),
    ("exoscale", "sys_vendor", "Exoscale", False),
    ("upcloud", "sys_vendor", "UpCloud", False),
    ("openstack", "sys_vendor", "OpenStack", False),
    ("openstack", "product_name", "OpenStack", False),
    ("hyperv", "sys_vendor", "Microsoft Corporation", False),
    ("vmware", "sys_vendor", "VMware", False),
    ("kvm", "sys_vendor", "QEMU", False),
)


def vendor_and_type(sys_root: str) -> tuple[str | None, str | None]:
    """(vendor, instance type), each None where the machine does not tell."""
    dmi = sys_root + "/class/dmi/id/"
    for vendor, field, beginning, product_is_type in _RULES:
        if read_text(dmi + field).startswith(beginning):
            return vendor, (read_text(dmi + "product_name") or None) if product_is_type else None
    return ("aws", None) if read_text(sys_root + "/hypervisor/uuid").startswith("ec2") else (None, None)


def clock_state() -> tuple[int, int, int, int] | None:
    """What the kernel says of its clock (adjtimex(2)): offset, maxerror, esterror, status; None where it cannot be asked.

    The errors are in microseconds, the offset too, or in nanoseconds where the status has STA_NANO (0x2000).
    """
    try:
        import ctypes
    except ImportError:
        return None
    if ctypes.sizeof(ctypes.c_long) != 8:
        return None  # the structure is another one there
    timex = (ctypes.c_long * _TIMEX_LONGS)()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    offset, _, maxerror, esterror, status = timex[1:6]
    return None if state < 0 else (offset, maxerror, esterror, status & 0xFFFFFFFF)


def clock_synchronised() -> bool | None:
    """Whether the kernel's clock is disciplined; None where it cannot be asked."""
    found = clock_state()
    return None if found is None else not found[3] & _STA_UNSYNC


def _os_name(proc: str) -> str:
    for line in read_text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line[len("PRETTY_NAME=") :].strip("\"'")
    return read_text(proc + "/sys/kernel/ostype") or "Linux"


def machine(proc: str, sys_root: str) -> dict[str, Any]:
    """What does not change while the machine runs."""
    system = os.uname()
    vendor, instance_type = vendor_and_type(sys_root)
    return {
        "hostname": read_text(proc + "/sys/kernel/hostname") or system.nodename,
        "os": _os_name(proc),
        "kernel": read_text(proc + "/sys/kernel/osrelease") or system.release,
        "architecture": system.machine,
        "boot_id": read_text(proc + "/sys/kernel/random/boot_id") or None,
        "machine_id": read_text("/etc/machine-id") or None,
        "hz": os.sysconf("SC_CLK_TCK"),
        "page_size": os.sysconf("SC_PAGESIZE"),
        "cloud_vendor": vendor,
        "instance_type": instance_type,
        "timezone": time.tzname[time.localtime().tm_isdst > 0],
        "utc_offset": time.localtime().tm_gmtoff,
        "clock_synchronised": clock_synchronised(),
    }


def session(facts: dict[str, Any], promise: dict[str, Any], proc: str, sys_root: str) -> dict[str, Any]:
    """The first line's object: format and versions, `facts` of the machine, what the run promises, and the topology of now."""
    return {
        "format": VERSION,
        "perfkit": __version__,
        **facts,
        **promise,
        "cpus": sum(line.startswith("cpu") for line in read_text(proc + "/stat").splitlines()) - 1,
        "disks": topology.disks(sys_root),
        "interfaces": topology.interfaces(sys_root),
    }
