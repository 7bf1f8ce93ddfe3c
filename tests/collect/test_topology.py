"""What counts in a host's total: every byte once."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfkit.collect.session import vendor_and_type
from perfkit.collect.topology import disks, interfaces
from support.proc import build

BLOCK = {
    "block/sda/device/type": "0\n",
    "block/sda/slaves/": "",
    "block/sda/sda1/partition": "1\n",
    "block/sda/sda2/partition": "2\n",
    "block/nvme0n1/nvme0n1p1/partition": "1\n",
    "block/nvme0n1/device/": "",
    "block/vda/device/": "",
    "block/xvda1/size": "9\n",
    "block/dm-0/slaves/sda2/": "",
    "block/dm-1/size": "0\n",
    "block/md127/slaves/nvme0n1p1/": "",
    "block/sr0/device/type": "5\n",
    "block/loop0/size": "0\n",
    "block/zram0/size": "0\n",
    "block/ram15/size": "0\n",
    "block/cciss!c0d0/device/": "",
    "block/cciss!c0d0/cciss!c0d0p1/partition": "1\n",
}


def test_whole_disks_count_and_what_is_made_of_them_does_not(tmp_path: Path) -> None:
    found = disks(str(build(tmp_path, BLOCK)))
    assert {name for name, facts in found.items() if facts["in_total"]} == {"sda", "nvme0n1", "vda", "xvda1", "cciss/c0d0"}
    assert found["sda1"] == {"kind": "partition", "in_total": False, "parent": "sda"}
    assert found["cciss/c0d0p1"]["parent"] == "cciss/c0d0"
    assert found["dm-0"] == {"kind": "stacked", "in_total": False, "slaves": ["sda2"]}
    assert [found[name]["kind"] for name in ("dm-1", "md127", "sr0", "loop0", "zram0", "ram15")] == [
        "stacked", "stacked", "cdrom", "loop", "memory", "memory",
    ]  # fmt: skip


def test_the_counters_decide_of_the_hidden_paths_of_a_disk(tmp_path: Path) -> None:
    found = disks(str(build(tmp_path, {"block/nvme0n1/hidden": "0\n", "block/nvme0c0n1/hidden": "1\n", "block/nvme0c1n1/hidden": "1\n"})))
    assert found["nvme0n1"]["in_total"] is True
    assert found["nvme0c0n1"] == found["nvme0c1n1"] == {"kind": "path"}


@pytest.mark.parametrize("name", ["venet0", "tap0", "tun0", "ppp0"])
def test_where_nothing_leads_out_tunnels_and_taps_count(tmp_path: Path, name: str) -> None:
    assert network(tmp_path, lo={}, dummy0={}, **{name: {}}) == {"lo": False, "dummy0": False, name: True}


def network(folder: Path, **devices: dict[str, str]) -> dict[str, bool]:
    """Interfaces by name with what they have: device, master, link and index; gives who is in the total."""
    net = folder / "class/net"
    for index, (name, has) in enumerate(devices.items(), 1):
        build(
            net / name,
            {"ifindex": f"{has.get('index', index)}\n", "iflink": f"{has.get('link', index)}\n", "uevent": has.get("uevent", "")},
        )
        if "device" in has:
            (net / name / "device").mkdir()
    for name, has in devices.items():
        if "master" in has:
            (net / name / "master").symlink_to(f"../{has['master']}")
    return {name: facts["in_total"] for name, facts in interfaces(str(folder)).items()}


def test_physical_interfaces_count_and_bonds_bridges_and_veths_do_not(tmp_path: Path) -> None:
    found = network(
        tmp_path, lo={}, eth0={"device": "", "master": "bond0"}, eth1={"device": "", "master": "bond0"}, bond0={}, docker0={},
        veth12={"link": "77"}, eth2={"device": "", "master": "br0"}, br0={},
    )  # fmt: skip
    assert {name for name, counts in found.items() if counts} == {"eth0", "eth1", "eth2"}


def test_a_virtual_function_under_its_synthetic_twin_counts_once(tmp_path: Path) -> None:
    found = network(tmp_path, lo={}, eth0={"device": ""}, enP1s1={"device": "", "master": "eth0"})
    assert found == {"lo": False, "eth0": True, "enP1s1": False}


def test_the_ports_of_a_switch_are_counted_by_the_interface_that_leads_to_it(tmp_path: Path) -> None:
    found = network(tmp_path, lo={}, eth0={"device": ""}, lan1={"device": "", "link": "2"}, lan2={"device": "", "link": "2"})
    assert {name for name, counts in found.items() if counts} == {"eth0"}


def test_a_switch_may_be_led_to_by_a_bond(tmp_path: Path) -> None:
    """The kernel names the type of a port; another interface that is linked to the bond (a child of InfiniBand's) counts."""
    ports = {f"lan{n}": {"device": "", "link": "4", "uevent": f"DEVTYPE=dsa\nINTERFACE=lan{n}\n"} for n in (1, 2)}
    bonded = {"device": "", "master": "bond0"}
    found = network(tmp_path, lo={}, eth0=bonded, eth1=bonded, bond0={}, **ports, ib1={"device": "", "link": "4"})
    assert {name for name, counts in found.items() if counts} == {"eth0", "eth1", "ib1"}


def test_representors_are_counted_by_the_port_of_their_card(tmp_path: Path) -> None:
    """Of a card with a switch in it: the kernel links them to the card too."""
    names = {"enp3s0f0np0": "p0", "enp3s0f0npf0vf0": "pf0vf0", "eth5": "c1pf0sf2", "pf0hpf": "pf0"}
    for name, port in names.items():
        build(tmp_path / "class" / "net" / name, {"phys_port_name": f"{port}\n"})
    found = network(tmp_path, lo={}, eth0={"device": ""}, **{name: {"device": ""} for name in names})
    assert {name for name, counts in found.items() if counts} == {"eth0", "enp3s0f0np0"}


def test_inside_a_container_what_leads_out_counts(tmp_path: Path) -> None:
    found = network(tmp_path, lo={}, eth0={"link": "77"}, dummy0={})
    assert found == {"lo": False, "eth0": True, "dummy0": False}


def test_this_machines_own_topology_names_all_that_its_kernel_counts() -> None:
    counted = {line.split()[2] for line in Path("/proc/diskstats").read_text().splitlines()}
    assert counted <= set(disks("/sys"))
    named = {line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]}
    assert named == set(interfaces("/sys"))


@pytest.mark.parametrize(
    ("dmi", "expected"),
    [
        ({"sys_vendor": "Amazon EC2", "product_name": "m5.large"}, ("aws", "m5.large")),
        ({"sys_vendor": "Microsoft Corporation", "chassis_asset_tag": "7783-7084-3265-9085-8269-3286-77"}, ("azure", None)),
        ({"sys_vendor": "Google", "product_name": "Google Compute Engine"}, ("gcp", None)),
        ({"chassis_asset_tag": "OracleCloud.com"}, ("oracle", None)),
        ({"sys_vendor": "QEMU"}, ("kvm", None)),
        ({"sys_vendor": "Dell Inc.", "product_name": "R640"}, (None, None)),
        ({}, (None, None)),
    ],
    ids=["aws", "azure", "gcp", "oracle", "qemu", "metal", "unreadable"],
)
def test_cloud_vendor_and_instance_type_come_from_dmi(tmp_path: Path, dmi: dict[str, str], expected: tuple[str | None, str | None]) -> None:
    build(tmp_path, {f"class/dmi/id/{name}": text + "\n" for name, text in dmi.items()})
    assert vendor_and_type(str(tmp_path)) == expected
