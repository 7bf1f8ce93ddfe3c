"""Machines and files as there are: each kind of input with the number that is right for it. One derivation over all of them."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from perfkit.errors import BadInput
from perfkit.process.engine import Engine
from perfkit.process.machines import group, named_apart
from perfkit.process.pipeline import process
from perfkit.process.reading import collections_in
from perfkit.store.importing import import_input
from support.database import judge_only

T0 = 1_770_000_000
BOOT = "11111111-1111-4111-8111-11111111111"
MAX = 2**63 - 1
Lines = Sequence[dict[str, Any]]
Told = dict[str, str]


def line(at: float, subsystem: str, text: str, monotonic: float | None = None) -> dict[str, Any]:
    if monotonic is None:
        return {"timestamp": int(at), "subsystem": subsystem, "measurement": text}
    return {
        "timestamp": int(at),
        "nanosecond": round(at % 1 * 1e9),
        "monotonic": monotonic,
        "subsystem": subsystem,
        "measurement": text,
    }


def stat(n: int, user: int = 30, idle: int = 70, steal: int = 0, btime: int = T0 - 5000) -> str:
    row = f"{1000 + user * n} 0 0 {9000 + idle * n} 0 0 0 {1000 + steal * n} 0 0"
    counted = f"intr {5000 + n}\nctxt {1000 + 10 * n}\nbtime {btime}\nprocesses {9 + n}\nprocs_running 1\nprocs_blocked 0\n"
    return f"cpu  {row}\ncpu0 {row}\n{counted}"


def dev(n: int, *names: str) -> str:
    """1000 bytes and 10 packets a second are received on each."""
    return "Inter-|\n face |\n" + "".join(f"{name:>6}: {10**6 + 1000 * n} {10**4 + 10 * n} 0 0 0 0 0 0 5 5 0 0 0 0 0 0\n" for name in names)


def disks(n: int, *names: str) -> str:
    """Ten reads a second of 512 bytes each."""
    return "".join(f"   8 {minor:7} {name} {10 * n + 1} 0 {10 * n + 1} 5 0 0 0 0 0 5 5\n" for minor, name in enumerate(names))


def session(
    at: float, monotonic: float, host: str = "vm", boot: str = BOOT + "1", machine: str | None = None, **over: object
) -> dict[str, Any]:
    facts = {"format": 1, "hostname": host, "machine_id": machine or f"id of {host}", "boot_id": boot, "pid": 7, "started": monotonic}
    known = {"frequency": 1.0, "cpus": 1, "hz": 100, "disks": {}, "interfaces": {"eth0": {"in_total": True}}}
    return line(at, "perfkit/session", json.dumps({**facts, **known, **over}), monotonic)


def own(host: str, walls: Iterable[float], *, start: float = 100.0, boot: str = BOOT + "1", **over: object) -> Lines:
    """perfkit's: a sample in each second of the monotonic clock, while the wall clock says `walls`."""
    walls = list(walls)
    found = [session(walls[0], start, host, boot, **over)]
    for n, wall in enumerate(walls):
        found += [line(wall, "/proc/stat", stat(n), start + n), line(wall, "/proc/net/dev", dev(n, "eth0"), start + n)]
    return found


def pcc(*told: Told, walls: Iterable[int] | None = None) -> Lines:
    """pcc's: no session and whole seconds."""
    stamps = list(walls) if walls is not None else range(T0, T0 + len(told))
    return [line(at, source, text) for at, texts in zip(stamps, told) for source, text in texts.items()]


def seconds(count: int, *steps: tuple[int, float]) -> list[float]:
    """What a wall clock says in `count` true seconds; at each (second, by how much) it is set."""
    return [T0 + n + sum(by for at, by in steps if n >= at) for n in range(count)]


DISKS = (
    *("sda", "sda1", "sdaa", "sdaa12", "xvda1", "vdb", "nvme0n1", "nvme0n1p1", "nvme0c0n1", "mmcblk0", "mmcblk0p2", "dasda", "dasda1"),
    *(
        "dm-0",
        "md127",
        "md127p1",
        "md_d0",
        "loop0",
        "ram0",
        "zram0",
        "sr0",
        "fd0",
        "rbd0",
        "rbd0p1",
        "pmem0",
        "pmem0p1",
        "cciss/c0d0",
        "cciss/c0d0p1",
    ),
    *(
        "scd0",
        "ploop12345",
        "ploop12345p1",
        "sddlmaa",
        "vpatha",
        "veeamimage0",
        "rxdsk0",
        "ida/c0d0",
        "ida/c0d0p1",
        "etherd/e0.0",
        "etherd/e0.0p1",
    ),
    *("cciss!c1d0", "cciss!c1d0p1", "bcache0", "drbd1", "zd0", "zd0p1", "nbd0", "nbd0p1", "ubiblock0_0", "emcpowera", "VxDMP1"),
)
WHOLE_DISKS = {
    *("ida/c0d0", "etherd/e0.0"),
    *("sda", "sdaa", "xvda1", "vdb", "nvme0n1", "mmcblk0", "dasda", "rbd0", "pmem0", "cciss/c0d0", "cciss!c1d0", "nbd0"),
}
INTERFACES = (
    *(
        "nm-team0",
        "nm-bond",
        "datapath",
        "pimreg",
        "vcan0",
        "gtp0",
        "clat4",
        "wlan0mon",
        "lagg0",
        "po1",
        "k3s-br",
        "kvmbr0",
        "ovsbr1",
        "wt0",
    ),
    *("lan1", "lan4", "wan"),  # of a switch that eth0 leads to
    *("enp3s0f0npf0vf1", "en3f0pf0sf0", "pf0hpf"),  # representors
    *("outline-tun0", "CloudflareWARP", "vpn_client", "ovpns1", "l2tp0", "he-ipv6", "enx001122334455", "end0", "wwan0"),
    *(
        "lo",
        "eth0",
        "eth0.100",
        "eth0@if3",
        "ens4",
        "enp0s3",
        "eno1",
        "ib0",
        "wlan0",
        "usb0",
        "enP2p1s0",
        "bond0",
        "bond0.7",
        "team0",
        "br0",
        "br-1a2b",
    ),
    *(
        "docker0",
        "veth1",
        "vnet0",
        "virbr0",
        "ovs-system",
        "vlan7",
        "lxdbr0",
        "lxcbr0",
        "incusbr0",
        "podman0",
        "cni0",
        "cni-podman0",
        "flannel.1",
    ),
    *(
        "cali1a",
        "cilium_host",
        "lxc1a2b",
        "kube-ipvs0",
        "nodelocaldns",
        "dummy0",
        "ifb0",
        "gre0",
        "gretap0",
        "sit0",
        "ip6tnl0",
        "tunl0",
        "macvtap0",
    ),
    *(
        "macvlan1",
        "ipvlan1",
        "vxlan.calico",
        "vxlan_sys_4789",
        "genev_sys_6081",
        "weave",
        "azv1a",
        "eni0123456789a",
        "gke0123456789",
        "vmbr0",
    ),
    *(
        "fwbr100i0",
        "fwpr100p0",
        "fwln100i0",
        "vif1.0",
        "xenbr0",
        "xapi0",
        "brq1a2b",
        "qbr1a",
        "qvo1a",
        "ovn-k8s-mp0",
        "cbr0",
        "mpqemubr0",
        "macsec0",
    ),
    *("vrf-blue", "bat0", "nlmon0", "tun0", "tap0", "wg0", "tailscale0", "zt1a2b", "nordlynx", "ipsec0", "ppp0", "nerdctl0", "antrea-gw0"),
)
PHYSICAL = {"enx001122334455", "end0", "wwan0", "eth0", "eth0@if3", "ens4", "enp0s3", "eno1", "ib0", "wlan0", "usb0"}
ODD_NAMES = ('we"ird', "a'b", "a b", "a/b", "a:1", "\u00fcml\u00e4ut", "$.x", "a\\b", "[0]", "100%", "eth0;drop")

CPUINFO = {  # text, then model, CPUs, packages
    "x86": ("processor\t: 0\nmodel name\t: Xeon\nphysical id\t: 0\n\nprocessor\t: 1\nmodel name\t: Xeon\nphysical id\t: 1\n", "Xeon", 2, 2),
    "x86-guest": ("processor\t: 0\nmodel name\t: QEMU Virtual CPU\n\n", "QEMU Virtual CPU", 1, None),
    "s390x": (
        "vendor_id       : IBM/S390\n# processors    : 3\nbogomips per cpu: 3033.00\nfeatures\t: esan3\n"
        + "".join(f"processor {n}: version = FF,  identification = 2E41A8,  machine = 3906\n" for n in range(3)),
        "machine 3906",
        3,
        None,
    ),
    "arm64": ("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n\nprocessor\t: 1\n", "Neoverse-V2", 2, None),
    "arm64-unknown": ("processor\t: 0\nCPU implementer\t: 0x99\nCPU part\t: 0x001\n", None, 1, None),
    "armv7": ("processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\nHardware\t: BCM2835\n", "ARMv7 Processor rev 4 (v7l)", 1, None),
    "power": ("processor\t: 0\ncpu\t\t: POWER10 (architected), altivec supported\nclock\t\t: 2750.0MHz\n\nprocessor\t: 8\n",
              "POWER10 (architected), altivec supported", 2, None),
    "riscv": ("processor\t: 0\nhart\t\t: 2\nisa\t: rv64gc\nuarch\t\t: sifive,u74-mc\n\nprocessor\t: 1\n", "sifive,u74-mc", 2, None),
    "riscv-bare": ("processor\t: 0\nhart\t\t: 0\nisa\t\t: rv64imafdc\n", None, 1, None),
    "loongarch": ("system type\t\t: generic\n\nprocessor\t\t: 0\npackage\t\t\t: 0\nModel Name\t\t: Loongson\n", "Loongson", 1, 1),
    "mips": ("system type\t\t: MT7621\nprocessor\t\t: 0\ncpu model\t\t: MIPS 1004Kc\n\nprocessor\t\t: 1\n", "MIPS 1004Kc", 2, None),
    "armv5-old": ("Processor\t: Feroceon 88FR131 rev 1 (v5l)\nBogoMIPS\t: 1192.75\nHardware\t: Marvell SheevaPlug\n",
                  "Feroceon 88FR131 rev 1 (v5l)", 1, None),
    "apple": ("processor\t: 0\nCPU implementer\t: 0x61\nCPU part\t: 0x022\n\nprocessor\t: 1\n", "Apple M1", 2, None),
    "sh4": ("machine\t\t: RTS7751R2D\nprocessor\t: 0\ncpu family\t: sh4\ncpu type\t: SH7751R\n", "SH7751R", 1, None),
    "zeros": ("processor\t: 0\nmodel name\t: \ncpu MHz\t\t: 0.000\ncpu cores\t: 0\nsiblings\t: 0\nbogomips\t: 0.00\n", None, 1, None),
    "sparc": ("cpu\t\t: UltraSparc T5 (Niagara5)\nncpus probed\t: 4\nncpus active\t: 4\n", "UltraSparc T5 (Niagara5)", 4, None),
    "nothing": ("\n", None, 1, None),
}  # fmt: skip


def containers(**over: object) -> Callable[[int], str]:
    def text(n: int) -> str:
        known: dict[str, object] = {
            "container_id": "c" * 64,
            "runtime": "docker",
            "cpu_usage_usec": 500_000 * n,
            "memory_current": 1000,
            "inode": 1,
        }
        return json.dumps({**known, **{key: value(n) if callable(value) else value for key, value in over.items()}})

    return text


CONTAINER_LINES = {  # a container's line in second 3, and the events
    "half": ('{"container_id":"', {("unusable", "container/docker/cc", 3, 3)}),
    "list": ("[1, 2]", {("unusable", "container/docker/cc", 3, 3)}),
    "empty": ("", {("unusable", "container/docker/cc", 3, 3)}),
    "truth": (containers(memory_current=True)(3), {("unusable", "container/docker/cc", 3, 3)}),
    "listed": (containers(pids_current=[1])(3), {("unusable", "container/docker/cc", 3, 3)}),
    "null": (containers(cpu_usage_usec=None)(3), {("unusable", f"container {'c' * 64}", 3, 4)}),
    "negative": (
        containers(cpu_usage_usec=-1)(3),
        {("reset", f"container {'c' * 64}", 2, 3), ("unusable", f"container {'c' * 64}", 4, 4)},
    ),
    "restart": (containers()(3), {("reset", f"container {'c' * 64}", 3, 4)}),
}


def spike(value: object, usual: Callable[[int], object] = lambda n: 100) -> Callable[[int], object]:
    """`value` in second 3."""
    return lambda n: value if n == 3 else usual(n)


def meminfo(available: object) -> str:
    told = {"MemTotal": 8000, "MemFree": 4000, "MemAvailable": available, "Buffers": 100, "Cached": 100}
    return "".join(f"{name}: {value} kB\n" for name, value in told.items())


def statfs(*systems: tuple[str, int, int, int]) -> str:
    keys = ("mount_point", "block_size", "blocks_total", "blocks_free")
    return "\n".join(json.dumps({**dict(zip(keys, one)), "blocks_available": one[3]}) for one in systems)


def impossible() -> Iterator[tuple[str, Lines]]:
    """Machines with values that cannot be."""
    yield "starts-later", own("starts-later", seconds(6), started=1e6)
    yield "session-is-a-list", [line(T0, "perfkit/session", "[1, 2]", 100.0), *own("session-is-a-list", seconds(6))[1:]]

    marks = ({"label": "a", "kind": "start"}, {"label": "b", "kind": 7}, {"kind": "end"})
    yield "marks", [*own("marks", seconds(6)), *(line(T0 + 3, "perfkit/mark", json.dumps(mark), 103.0) for mark in marks)]
    for hz in (0, -100, "x", 2**40):
        yield f"hz-{hz}", own(f"hz-{hz}", seconds(6), hz=hz, page_size=hz)
    yield (
        "interface-garbled",
        pcc(*({"/proc/net/dev": dev(n, "eth0").replace(" 0 0", " -5 0", int(n == 3)), "/proc/stat": stat(n)} for n in range(6))),
    )
    told = statfs(("/", 4096, 1000, 250))
    yield "mounts-in-a-list", pcc(*({"statfs[*]": told if n != 1 else f"[{told}]", "/proc/stat": stat(n)} for n in range(3)))
    empty = {"mount_point": "/", "block_size": 0, "blocks_total": 10, "blocks_free": 5, "blocks_available": 5}
    yield "block-size-0", pcc(*({"statfs[*]": json.dumps(empty), "/proc/stat": stat(n)} for n in range(3)))
    periods = [containers(cpu_periods=10 * n, cpu_throttled=n if n != 3 else 0) for n in range(6)]
    yield "throttled-back", pcc(*({"container/docker/c": text(n), "/proc/stat": stat(n)} for n, text in enumerate(periods)))


def made() -> Iterator[tuple[str, Lines]]:
    """Every machine, by name."""
    yield (
        "names",
        pcc(*({"/proc/diskstats": disks(n, *DISKS), "/proc/net/dev": dev(n, *INTERFACES), "/proc/stat": stat(n)} for n in range(3))),
    )
    fast = [session(T0, 100.0, "20-hz", frequency=0.05, cpus=2)]
    for n in range(10):
        ticks = (9000 + 5 * n, 9000 + 10 * (n // 2))
        text = "".join(f"cpu{label} 1000 0 0 {idle} 0 0 0 0 0 0\n" for label, idle in ((" ", sum(ticks)), (0, ticks[0]), (1, ticks[1])))
        fast.append(line(T0 + 0.05 * n, "/proc/stat", f"{text}ctxt {n + 1}\n", 100 + 0.05 * n))
    yield "20-hz", fast
    for name, (text, _) in CONTAINER_LINES.items():
        told = (text if n == 3 else containers(inode=1 + (name == "restart" and n > 3))(n) for n in range(6))
        yield f"line-{name}", pcc(*({"/proc/stat": stat(n), "container/docker/cc": one} for n, one in enumerate(told)))
    for name in ("venet0", "tap0", "tun0", "wg0", "ppp0"):
        yield f"only-{name}", pcc(*({"/proc/net/dev": dev(n, "lo", name, "dummy0"), "/proc/stat": stat(n)} for n in range(3)))
    yield from impossible()
    yield "ports-alone", pcc(*({"/proc/net/dev": dev(n, "lo", "lan1", "br-lan"), "/proc/stat": stat(n)} for n in range(3)))
    for name, carries in (("ports-told", 3), ("ports-of-their-own", 1)):
        told = (f"  eth0: {1000 * n} {carries * (10**4 + 10 * n)} 0 0 0 0 0 0 5 {15 * carries} 0 0 0 0 0 0\n" for n in range(3))
        yield name, pcc(*({"/proc/net/dev": dev(n, "swp0", "port1", "p2") + line, "/proc/stat": stat(n)} for n, line in enumerate(told)))
    yield "twin", pcc(*({"/proc/net/dev": dev(n, "lo", "enP2p1s0"), "/proc/stat": stat(n)} for n in range(3)))
    heads = [disks(n, "nvme0c0n1", "nvme0c1n1").replace("\n", "\n") + "   8       9 nvme0n1 0 0 0 0 0 0 0 0 0 0 0\n" for n in range(3)]
    yield "old-multipath", pcc(*({"/proc/diskstats": head, "/proc/stat": stat(n)} for n, head in enumerate(heads)))
    yield (
        "odd",
        pcc(*({"/proc/diskstats": disks(n, *ODD_NAMES), "/proc/net/dev": dev(n, *ODD_NAMES), "/proc/stat": stat(n)} for n in range(3))),
    )
    quoted = {name: {"in_total": True} for name in ODD_NAMES}
    yield (
        "odd-told",
        [session(T0, 100.0, "odd-told", disks=quoted, interfaces=quoted)]
        + [
            line(T0 + n, source, text, 100.0 + n)
            for n in range(3)
            for source, text in {
                "/proc/diskstats": disks(n, *ODD_NAMES),
                "/proc/net/dev": dev(n, *ODD_NAMES),
                "/proc/stat": stat(n),
            }.items()
        ],
    )
    for name, (text, *_) in CPUINFO.items():
        yield f"cpu-{name}", pcc(*({"/proc/cpuinfo": text, "/proc/stat": stat(n)} for n in range(2)))

    yield "forward", own("forward", seconds(20, (10, 3600)))
    yield "from-1970", own("from-1970", seconds(20, (0, 100 - T0), (10, T0 - 100)))
    yield "back", own("back", seconds(20, (10, -5)))
    yield "leap", own("leap", seconds(20, (10, -1)))
    moved = ({"/proc/stat": stat(n, btime=T0 - (5030 if n >= 10 else 5000)), "/proc/net/dev": dev(n, "eth0")} for n in range(20))
    yield "pcc-back", pcc(*moved, walls=[int(wall) for wall in seconds(20, (10, -30))])
    fast = ({"/proc/stat": stat(n), "/proc/net/dev": dev(n, "eth0")} for n in range(20))
    yield "pcc-fast", pcc(*fast, walls=[T0 + n // 5 for n in range(20)])
    yield "behind", [*own("behind", seconds(10)), *own("behind", seconds(10, (0, -500)), boot=BOOT + "2", start=5.0)]
    yield "two", [*own("two", seconds(10)), *own("other", seconds(10, (0, 0.5)), boot=BOOT + "3", start=100.5)]
    one, other = own("clone", seconds(10)), own("clone", seconds(10, (0, 0.5)), boot=BOOT + "4", start=700.5)
    yield "clone", [*one, *other]

    flat = stat(0, 0, 0).replace("1000", "0").replace("9000", "0")
    yield "zeros", pcc(*({"/proc/stat": flat} for _ in range(6)))
    yield "steal", pcc(*({"/proc/stat": stat(n, steal=-50 if n == 3 else 0)} for n in range(6)))
    # 20, 31 (a tick of rounding), 80, 50 and 30 of 30 ticks of user a second
    yield "guests", pcc(*({"/proc/stat": stat(n).replace("1000 0 0\n", f"1000 {g} 0\n")} for n, g in enumerate((0, 20, 51, 131, 181, 211))))
    yield "fast-ticks", pcc(*({"/proc/stat": stat(n + (1000 if n >= 3 else 0))} for n in range(6)))
    for name, value in {"memory": 9000, "memory-max": MAX, "memory-text": "x"}.items():
        yield name, pcc(*({"/proc/meminfo": meminfo(value if n == 3 else 6000), "/proc/stat": stat(n)} for n in range(6)))
    for name, value in {"max": MAX, "u64": 2**64 - 1, "2-63": 2**63}.items():
        yield (
            f"disk-{name}",
            pcc(
                *(
                    {"/proc/diskstats": f"8 0 sda 1 0 {value if n == 3 else 10 * n} 5 0 0 0 0 0 5 5\n", "/proc/stat": stat(n)}
                    for n in range(7)
                )
            ),
        )
    told = [5, 10, 15, 8, 13, 18, 23]
    yield (
        "ms-back",
        pcc(*({"/proc/diskstats": f"8 0 sda {n} 0 {n} {ms} 0 0 0 0 0 {ms} {ms}\n", "/proc/stat": stat(n)} for n, ms in enumerate(told))),
    )
    big = (4294967290 + 10 * n for n in range(5))
    yield (
        "ms-wrap",
        pcc(*({"/proc/diskstats": f"8 0 sda {n} 0 {n} {ms % 2**32} 0 0 0 0 0 5 5\n", "/proc/stat": stat(n)} for n, ms in enumerate(big))),
    )
    systems = (("/s3", 2**24, 2**40, 2**40), ("/efs", 4096, 2**51, 2**51), ("/u64", 4096, 2**64 - 1, 5), ("/", 4096, 1000, 250))
    yield "exabytes", pcc(*({"statfs[*]": statfs(*systems), "/proc/stat": stat(n)} for n in range(3)))
    yield "quota", pcc(*({"container/docker/c": containers(cpu_quota=-1, cpu_period=100_000)(n), "/proc/stat": stat(n)} for n in range(6)))
    for name, value in {"max": MAX, "u64": 2**64 - 1, "negative": -5, "text": "x", "large": 10**17}.items():
        text = containers(cpu_usage_usec=spike(value, lambda n: 500_000 * n), memory_current=spike(value), memory_max=1000)
        yield (
            f"container-{name}",
            [
                session(T0, 100.0, f"container-{name}"),
                *(
                    line(T0 + n, s, t, 100.0 + n)
                    for n in range(7)
                    for s, t in {"container/docker/c": text(n), "/proc/stat": stat(n)}.items()
                ),
            ],
        )

    for name in FORMS:
        yield f"form-{name}", own(f"form-{name}", seconds(6), interfaces={"eth0": {"in_total": True}, "bond0": {"in_total": False}})


def dumped(lines: Lines) -> bytes:
    return "".join(json.dumps(one, separators=(",", ":"), ensure_ascii=False) + "\n" for one in lines).encode()


def tar(mode: str) -> Callable[[bytes], bytes]:
    def pack(text: bytes) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]  # a mode of a table
            for name, content in (("results/notes.txt", b"hello\n"), ("results/vm.json", text)):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    return pack


def in_two(text: bytes, between: bytes = b"", *, written: str = "utf-8", appended: str = "utf-8") -> bytes:
    """`text` as it is if one half was appended to another, in the encodings of both."""
    at = text.index(b"\n", len(text) // 2) + 1
    return text[:at].decode().encode(written) + between + text[at:].decode().encode(appended)


def zipped(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results/vm.json", text)
    return buffer.getvalue()


def zstd(text: bytes) -> bytes:
    """As DuckDB packs it: Python does not before 3.14."""
    with tempfile.TemporaryDirectory() as folder, closing(duckdb.connect()) as con:
        con.execute("CREATE TABLE lines AS SELECT unnest(string_split($1, chr(10))) AS line", [text.decode().rstrip("\n")])
        con.execute(f"COPY lines TO '{folder}/x' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01', COMPRESSION zstd)")
        return Path(folder, "x").read_bytes()


FORMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {  # ending, and what became of the text
    "bom": (".json", lambda text: b"\xef\xbb\xbf" + text),
    "crlf": (".json", lambda text: text.replace(b"\n", b"\r\n")),
    "bom-crlf": (".json", lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")),
    "utf-16": (".json", lambda text: text.decode().encode("utf-16")),
    "utf-16-be": (".json", lambda text: b"\xfe\xff" + text.decode().replace("\n", "\r\n").encode("utf-16-be")),
    "utf-16-gz": (".json.gz", lambda text: gzip.compress(text.decode().encode("utf-16"))),
    "gz": (".json.gz", gzip.compress),
    "gz-without-ending": (".json", gzip.compress),
    "plain-with-gz-ending": (".json.gz", bytes),
    "gz-twice": (".json.gz", lambda text: gzip.compress(gzip.compress(text))),
    "gz-zeros-behind": (".json.gz", lambda text: gzip.compress(text) + bytes(600)),
    "gz-members": (".json.gz", lambda text: gzip.compress(text[:900]) + gzip.compress(text[900:])),
    "xz": (".json.xz", lzma.compress),
    "bz2": (".json.bz2", bz2.compress),
    "zst": (".json.zst", zstd),
    "tar": (".tar", tar("w")),
    "tar-gz": (".tar.gz", tar("w:gz")),
    "tar-xz": (".tar.xz", tar("w:xz")),
    "tar-bz2": (".tbz2", tar("w:bz2")),
    "tar-gz-named-json": (".json", tar("w:gz")),
    "tar-in-zip": (".zip", lambda text: zipped(tar("w:gz")(text))),
    "zip-in-tar": (".tar.xz", lambda text: tar("w:xz")(zipped(text))),
    "zip": (".zip", zipped),
    "two-marks": (".json", lambda text: codecs.BOM_UTF8 + in_two(text, codecs.BOM_UTF8)),
    "mark-within": (".json", lambda text: in_two(text, codecs.BOM_UTF8)),
    "mark-within-gz": (".json.gz", lambda text: gzip.compress(in_two(text, codecs.BOM_UTF8))),
    # PowerShell's >> behind what another program wrote; and what another program wrote behind it
    "utf-16-behind": (".json", lambda text: in_two(text, appended="utf-16-le")),
    "utf-16-be-behind": (".json", lambda text: in_two(text, codecs.BOM_UTF16_BE, appended="utf-16-be")),
    "utf-8-behind-utf-16": (".json", lambda text: in_two(text, written="utf-16")),
    "utf-8-behind-utf-16-be": (".json", lambda text: in_two(text, codecs.BOM_UTF8, written="utf-16-be")),
    "utf-16-behind-gz": (".json.gz", lambda text: gzip.compress(in_two(text, appended="utf-16-le"))),
    "nul-behind": (".json", lambda text: text + bytes(4096)),
    "blank-lines": (".json", lambda text: b"\n\n" + text.replace(b"\n", b"\n\n")),
}


class World:
    """The tables of all machines, by name."""

    def __init__(self, engine: Engine, numbers: dict[str, int]) -> None:
        self.con, self.numbers = engine.con, numbers

    def rows(self, name: str, sql: str) -> list[tuple[Any, ...]]:
        """`sql` has `$m` for the machine's number."""
        return self.con.execute(sql, {"m": self.numbers[name]}).fetchall()

    def column(self, name: str, column: str, table: str = "host") -> list[Any]:
        return [value for (value,) in self.rows(name, f"SELECT {column} FROM {table} WHERE machine = $m ORDER BY timestamp")]

    def events(self, name: str) -> set[tuple[str, str]]:
        told = self.rows(name, "SELECT kind, subject FROM quality WHERE machine = $m AND kind <> 'guessed_totals'")
        return {(kind, subject) for kind, subject in told}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("kinds")
    files = []
    for name, lines in made():
        ending, change = FORMS[name.removeprefix("form-")] if name.startswith("form-") else (".json", bytes)
        (path := folder / name / f"{name}{ending}").parent.mkdir()
        path.write_bytes(change(dumped(lines)))
        files.append(path)
    with Engine() as engine:
        machines = group(collections_in(files, folder / "unpacked"))
        engine.load([(machine.number, file) for machine in machines for file in machine.files])
        engine.derive(percentiles=False)
        apart = engine.con.execute("SELECT machine, taken_from, name FROM apart ORDER BY machine").fetchall()
        yield World(engine, {machine.name: machine.number for machine in named_apart(machines, apart)})


# ---- each byte once ----


def test_names_tell_what_counts_where_there_is_no_topology(world: World) -> None:
    told = "SELECT device FROM devices WHERE machine = $m AND kind = '{}' AND in_total = 1"
    assert {device for (device,) in world.rows("names", told.format("disk"))} == WHOLE_DISKS
    assert {device for (device,) in world.rows("names", told.format("interface"))} == PHYSICAL
    assert world.column("names", "disk_read_bytes") == pytest.approx([5120 * len(WHOLE_DISKS)] * 2)
    assert world.column("names", "net_rx_bytes") == pytest.approx([1000 * len(PHYSICAL)] * 2)


@pytest.mark.parametrize("name", ["only-venet0", "only-tap0", "only-tun0", "only-wg0", "only-ppp0", "twin", "ports-alone"])
def test_without_a_physical_interface_what_leads_out_counts(world: World, name: str) -> None:
    assert world.column(name, "net_rx_bytes") == [1000, 1000]
    assert world.rows(name, "SELECT subject FROM quality WHERE machine = $m AND kind = 'guessed_totals'") == [("interface",)]


@pytest.mark.parametrize(("name", "received"), [("ports-told", 1000), ("ports-of-their-own", 4000)])
def test_ports_of_a_switch_count_unless_another_interface_carries_what_they_carry(world: World, name: str, received: int) -> None:
    """Names such as swp0 are those of a switch's ports behind eth0, and those of ports of their own next to eth0."""
    assert world.column(name, "net_rx_bytes") == [received] * 2
    assert world.rows(name, "SELECT subject FROM quality WHERE machine = $m AND kind = 'guessed_totals'") == [("interface",)]


def test_the_paths_of_a_multipath_disk_count_where_its_head_stands_still(world: World) -> None:
    assert world.column("old-multipath", "disk_read_bytes") == [10240, 10240]


@pytest.mark.parametrize("name", ["odd", "odd-told"])
def test_any_name_of_a_device_is_a_name(world: World, name: str) -> None:
    for table, column in (("disk", "device"), ("network", "interface")):
        found = world.rows(name, f"SELECT {column}, count(*) FROM {table} WHERE machine = $m GROUP BY 1")
        assert dict(found) == dict.fromkeys(ODD_NAMES, 3)
    assert world.column(name, "net_rx_bytes") == [1000 * len(ODD_NAMES)] * 2
    assert world.column(name, "disk_read_bytes") == [5120 * len(ODD_NAMES)] * 2


def test_a_cpu_whose_ticks_did_not_move_in_so_short_a_time_was_not_reset(world: World) -> None:
    assert {kind for kind, _ in world.events("20-hz")} == {"unusable"}
    assert world.rows("20-hz", "SELECT cpu, count(idle) FROM cpu WHERE machine = $m GROUP BY 1 ORDER BY 1") == [
        ("0", 9),
        ("1", 4),
        ("all", 9),
    ]


@pytest.mark.parametrize("name", CONTAINER_LINES)
def test_what_a_container_s_line_lacks_is_told(world: World, name: str) -> None:
    told = world.rows(f"line-{name}", "SELECT kind, subject, from_timestamp, to_timestamp FROM quality WHERE machine = $m")
    found = {(kind, subject, first // 1000 - T0, last // 1000 - T0) for kind, subject, first, last in told}
    assert found == CONTAINER_LINES[name][1]
    known = world.column(f"line-{name}", "cpu_percent", "containers")
    assert known == [None, 50, 50, *{"restart": [50, None, 50], "null": [None, None, 50], "negative": [None, None, 50]}.get(name, [50, 50])]


# ---- architectures ----


@pytest.mark.parametrize("name", CPUINFO)
def test_what_a_cpu_is_on_each_architecture(world: World, name: str) -> None:
    _, model, cpus, packages = CPUINFO[name]
    [(text,)] = world.rows(f"cpu-{name}", "SELECT system_info FROM system_info WHERE machine = $m")
    found = json.loads(text)
    assert (found["model_name"], found["total_cpus"], found["physical_cpus"]) == (model, cpus, packages)
    assert 0 not in found.values()
    assert world.rows(f"cpu-{name}", "SELECT cpus FROM machines WHERE machine = $m") == [(cpus,)]


# ---- which samples belong together ----


@pytest.mark.parametrize("name", ["forward", "from-1970", "back", "leap"])
def test_a_wall_clock_that_is_set_costs_nothing_where_there_is_a_monotonic_one(world: World, name: str) -> None:
    assert world.column(name, "net_rx_bytes") == pytest.approx([1000] * 19)
    assert world.rows(name, "SELECT samples FROM machines WHERE machine = $m") == [(20,)]  # and no gap:
    assert world.events(name) == {("clock_step", "")}


def test_a_clock_of_pcc_s_that_is_set_back_costs_the_rate_over_it(world: World) -> None:
    rates = world.column("pcc-back", "net_rx_bytes")
    assert len(rates) == 19
    assert [rate for rate in rates if rate is not None] == pytest.approx([1000] * 18)
    assert world.events("pcc-back") == {("clock_step", "")}


def test_samples_faster_than_their_stamps_are_no_duplicates(world: World) -> None:
    assert world.rows("pcc-fast", "SELECT count(*) FROM samples WHERE machine = $m") == [(20,)]
    assert world.column("pcc-fast", "net_rx_bytes") == pytest.approx([5000] * 19, rel=0.3)
    assert world.events("pcc-fast") == {("shared_stamp", "")}


def test_a_boot_is_what_the_file_s_order_says_whatever_its_clock(world: World) -> None:
    assert world.rows("behind", "SELECT recording, count(*) FROM samples WHERE machine = $m GROUP BY 1 ORDER BY 1") == [(1, 10), (2, 10)]
    assert [rate for rate in world.column("behind", "net_rx_bytes") if rate is not None] == pytest.approx([1000] * 18)
    assert {("reboot", ""), ("overlap", "")} <= world.events("behind")


def test_two_machines_in_one_file_are_two(world: World) -> None:
    for name in ("two", "other"):
        assert world.column(name, "net_rx_bytes") == pytest.approx([1000] * 9)


def test_clones_of_one_id_and_name_never_share_a_rate(world: World) -> None:
    assert [rate for rate in world.column("clone", "net_rx_bytes") if rate is not None] == pytest.approx([1000] * 18)
    assert ("overlap", "") in world.events("clone")


# ---- values that cannot be ----


def test_counters_of_the_cpu_that_stand_still_tell_nothing(world: World) -> None:
    assert set(world.column("zeros", "cpu_idle")) == {None}
    assert ("unusable", "cpu all") in world.events("zeros")


def test_ticks_faster_than_time_cost_their_interval(world: World) -> None:
    assert world.column("fast-ticks", "cpu_user") == [30, 30, None, 30, 30]
    assert ("unusable", "cpu all") in world.events("fast-ticks")


def test_steal_that_falls_is_unknown_and_the_rest_is_not(world: World) -> None:
    assert world.column("steal", "cpu_steal")[2] is None
    assert world.column("steal", "cpu_user")[0] == 30
    assert all(0 <= value <= 100 for value in world.column("steal", "cpu_user") if value is not None)
    assert {subject for _, subject in world.events("steal")} == {"cpu all", "cpu 0"}


def test_guests_that_took_more_than_the_time_they_are_in_are_unknown(world: World) -> None:
    assert world.column("guests", "guest", "cpu")[::2] == [None, 20, 31, None, None, 30]  # the line of all CPUs and the one CPU are alike
    assert world.column("guests", "cpu_user") == [30] * 5
    assert world.events("guests") == {("unusable", "cpu all"), ("unusable", "cpu 0")}


@pytest.mark.parametrize("name", ["memory", "memory-max", "memory-text"])
def test_a_part_of_the_memory_that_is_larger_than_all_of_it_is_unknown(world: World, name: str) -> None:
    assert world.column(name, "used_kb", "memory") == [2000, 2000, 2000, None, 2000, 2000]
    assert world.column(name, "free_kb", "memory") == [4000] * 6
    assert world.events(name) == {("unusable", "memory")}


@pytest.mark.parametrize("name", ["disk-max", "disk-u64", "disk-2-63"])
def test_a_counter_at_the_end_of_its_type_costs_two_intervals(world: World, name: str) -> None:
    assert world.column(name, "read_bytes", "disk") == [None, 5120, 5120, None, None, 5120, 5120]
    assert world.events(name) == {("reset", "disk sda")}


def test_times_of_a_disk_wrap_at_32_bits_and_go_back_nowhere_else(world: World) -> None:
    assert world.column("ms-back", "read_await_ms", "disk") == [None, 5, 5, None, 5, 5, 5]
    assert world.column("ms-back", "read_ops", "disk") == [None, 1, 1, 1, 1, 1, 1]
    assert world.events("ms-back") == {("unusable", "disk sda")}
    assert world.column("ms-wrap", "read_await_ms", "disk") == [None, 10, 10, 10, 10]


def test_a_filesystem_of_exabytes_stops_nothing(world: World) -> None:
    rows = world.rows("exabytes", "SELECT DISTINCT mount, size_bytes, used_percent FROM filesystem WHERE machine = $m")
    assert {mount: (size, used) for mount, size, used in rows} == {
        "/s3": (None, 0),
        "/efs": (None, 0),
        "/u64": (None, None),
        "/": (4_096_000, 75),
    }
    assert {subject for kind, subject in world.events("exabytes") if kind == "unusable"} == {
        "filesystem /s3",
        "filesystem /efs",
        "filesystem /u64",
    }


def test_no_quota_is_no_share_of_it(world: World) -> None:
    assert world.column("quota", "cpu_percent", "containers") == [None, 50, 50, 50, 50, 50]
    assert set(world.column("quota", "cpu_limit_percent", "containers")) == {None}


@pytest.mark.parametrize("name", ["container-max", "container-u64", "container-negative", "container-text", "container-large"])
def test_garbage_of_a_container_costs_its_own_cells(world: World, name: str) -> None:
    used = world.column(name, "cpu_percent", "containers")
    assert used[1:3] == used[5:] == [50, 50]
    assert used[3] is None
    assert world.column(name, "memory_percent", "containers") == [10, 10, 10, None, 10, 10, 10]


@pytest.mark.parametrize("hz", [0, -100, "x", 2**40])
def test_ticks_a_second_that_cannot_be_are_the_usual_ones(world: World, hz: object) -> None:
    assert world.column(f"hz-{hz}", "cpu_user") == pytest.approx([30] * 5)
    assert world.events(f"hz-{hz}") == set()


def test_a_line_of_an_interface_that_is_not_understood_was_not_reset(world: World) -> None:
    assert world.column("interface-garbled", "net_rx_bytes") == [1000, 1000, None, None, 1000]
    assert world.events("interface-garbled") == {("unusable", "network eth0")}


def test_blocks_of_no_bytes_are_no_size(world: World) -> None:
    assert world.rows("block-size-0", "SELECT DISTINCT size_bytes, free_bytes, used_percent FROM filesystem WHERE machine = $m") == [
        (None, None, 50)
    ]
    assert world.events("block-size-0") == {("unusable", "filesystem /")}


def test_a_count_of_throttled_periods_that_goes_back_is_a_reset(world: World) -> None:
    assert world.column("throttled-back", "cpu_throttled_percent", "containers") == [None, 10, 10, None, 40, 10]
    assert {kind for kind, _ in world.events("throttled-back")} == {"reset"}


# ---- files as people have them ----


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_the_same_whatever_packs_and_encodes_it(world: World, form: str) -> None:
    """The session line too: by names alone bond0 would count."""
    name = f"form-{form}"
    assert world.column(name, "net_rx_bytes") == pytest.approx([1000] * 5)
    assert {kind for kind, _ in world.events(name)} <= ({"truncated"} if form == "nul-behind" else set())
    assert world.rows(name, "SELECT hostname, samples FROM machines WHERE machine = $m") == [(name, 6)]


REFUSED = {
    "zst-damaged": (b"\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00", "not a collection"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(40), "7-?[zZ]ip|7z"),
    "rar": (b"Rar!\x1a\x07\x01\x00" + bytes(40), "not a collection|RAR"),
    "empty": (b"", "is empty"),
    "empty-zip": (b"PK\x05\x06" + bytes(18), "archive|collection"),
    "tar-of-others": (tar("w:gz")(b"hello\n"), "collection"),
    "pretty": (json.dumps(own("x", seconds(3)), indent=1).encode(), "not a collection"),
    "binary": (bytes(range(256)) * 8, "not a collection"),
}


@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_read_is_refused_by_name(tmp_path: Path, content: bytes, says: str) -> None:
    (path := tmp_path / "vm.json").write_bytes(content)
    with pytest.raises(BadInput, match=says):
        process([path], tmp_path / "out")


def test_host_and_containers_of_one_folder_are_one_machine(tmp_path: Path) -> None:
    text = containers()
    (tmp_path / "host_collection.json").write_bytes(dumped(pcc(*({"/proc/stat": stat(n)} for n in range(3)))))
    (tmp_path / "container_collection.json").write_bytes(dumped(pcc(*({"container/docker/c": text(n)} for n in range(3)))))
    [result] = process(sorted(tmp_path.glob("*.json")), tmp_path / "out")
    assert (result.folder / "host.csv").read_text().count("\n") == 3
    assert (result.folder / "containers.csv").read_text().count("\n") == 4


def test_marks_beside_a_foreign_file_and_a_file_of_containers_alone_come_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By process and by import, each without a word more than the file."""
    judge_only(monkeypatch)
    (path := tmp_path / "pcc.json").write_bytes(dumped(pcc(*({"/proc/stat": stat(n)} for n in range(20)))))
    told = [line(T0 + at, "perfkit/mark", json.dumps({"label": "load", "kind": kind})) for at, kind in ((5, "start"), (15, "end"))]
    (tmp_path / "pcc.json.marks.json").write_bytes(dumped(told))
    (alone := tmp_path / "container_collection.json").write_bytes(dumped(pcc(*({"container/docker/c": containers()(n)} for n in range(9)))))
    [result] = process([path], tmp_path / "out")
    assert "load" in (result.folder / "runs.csv").read_text()
    db = tmp_path / "perfkit.db"
    import_input(db, path, collector_name="marked")
    import_input(db, alone, collector_name="alone")
    with closing(sqlite3.connect(db)) as con:
        assert con.execute("SELECT label FROM runs WHERE collector_id = 1 AND marked").fetchall() == [("load",)]
        assert con.execute("SELECT count(*), max(cpu_percent) FROM container_metrics WHERE collector_id = 2").fetchall() == [(9, 50)]


def test_what_a_session_says_that_cannot_be_is_left_out(world: World) -> None:
    assert world.column("starts-later", "net_rx_bytes") == world.column("session-is-a-list", "net_rx_bytes") == [1000] * 5
    assert world.events("starts-later") == set()
    assert world.events("session-is-a-list") == {("unusable", "perfkit/session")}


def test_a_mark_without_a_label_or_a_kind_is_none_and_told(world: World) -> None:
    assert world.rows("marks", "SELECT label, kind FROM marks WHERE machine = $m") == [("a", "start")]
    assert world.rows("marks", "SELECT kind, subject, missed FROM quality WHERE machine = $m") == [("unusable", "perfkit/mark", 1)]


def test_a_filesystem_without_a_mount_point_is_told(world: World) -> None:
    assert world.column("mounts-in-a-list", "used_percent", "filesystem") == [75, 75]
    assert world.events("mounts-in-a-list") == {("unusable", "filesystem")}
