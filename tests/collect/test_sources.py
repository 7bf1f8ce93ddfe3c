"""What is read of the kernel's files: cut as promised, whole however large, and true on the machine that runs the test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from perfkit.collect.filesystems import mounts, statfs
from perfkit.collect.session import clock_synchronised, machine
from perfkit.collect.sources import Source, open_sources, read_text, read_whole
from perfkit.collection.subsystems import HOST, block, cut_stat, lines_named
from support.proc import PROC, build


def test_stat_loses_the_tails_of_intr_and_softirq_and_nothing_else() -> None:
    text = PROC["stat"].encode()
    expected = text.replace(b"intr 5000 1 2 3 4", b"intr 5000").replace(b"softirq 400 1 2 3", b"softirq 400")
    assert cut_stat(text) == expected
    assert cut_stat(expected) == expected
    assert cut_stat(b"garbage") == b"garbage"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (PROC["vmstat"].encode(), b"pgpgin 1\npgfault 50\noom_kill 0\n"),
        (b"first 1\npgpgin 7", b"pgpgin 7"),
        (b"first 1\npgpgin_x 7\n", b""),
        (b"", b""),
    ],
    ids=["in order", "no newline at the end", "longer name", "empty"],
)
def test_named_lines_are_kept_whole(text: bytes, kept: bytes) -> None:
    assert lines_named("pgpgin", "pgfault", "oom_kill")(text) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (PROC["net/snmp"].encode(), b"Tcp: ActiveOpens CurrEstab\nTcp: 4 2\n"),
        (b"Tcp: A\nTcp: 1", b"Tcp: A\nTcp: 1"),
        (b"Udp: 1\n", b""),
        (b"", b""),
    ],
    ids=["in the middle", "first, no newline", "missing", "empty"],
)
def test_a_protocols_block_is_kept_whole(text: bytes, kept: bytes) -> None:
    assert block(b"Tcp:")(text) == kept


@pytest.mark.parametrize("size", [0, 1, 2047, 2048, 16383, 16384, 16385, 100_000])
def test_a_file_of_any_size_is_read_whole(tmp_path: Path, size: int) -> None:
    (tmp_path / "x").write_bytes(os.urandom(size))
    descriptor = os.open(tmp_path / "x", os.O_RDONLY)
    assert read_whole(descriptor) == (tmp_path / "x").read_bytes()
    os.close(descriptor)


def test_a_kernel_file_of_many_pages_is_read_whole() -> None:
    text = Path("/proc/kallsyms").read_bytes()
    if len(text) < 100_000:
        pytest.skip("no large /proc file to read here")
    found = read_text("/proc/kallsyms").encode()
    assert len(found) > 100_000 and text.startswith(found)


def test_sources_that_are_missing_are_named_with_the_reason_and_left_out(tmp_path: Path) -> None:
    proc = build(tmp_path / "proc", {name: text for name, text in PROC.items() if name not in ("net/snmp", "pressure/cpu")})
    (proc / "net/netstat").write_text("")
    sources, unavailable = open_sources(str(proc))
    assert unavailable["/proc/net/snmp"] == "no such file or directory"
    assert unavailable["/proc/net/netstat"] == "it is empty"
    assert {s.subsystem for s in sources} | set(unavailable) == {subsystem.name for subsystem in HOST}


def test_a_source_that_fails_says_why_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "loadavg").write_text("0.1\n")
    source = Source("/proc/loadavg", None, str(tmp_path))
    assert source.read() == b"0.1\n"
    (tmp_path / "loadavg").write_text("")
    assert (source.read(), source.failure) == (b"", "it is empty")
    (tmp_path / "loadavg").unlink()
    assert (source.read(), source.failure) == (b"", "no such file or directory")
    (tmp_path / "loadavg").write_text("0.2\n")
    assert (source.read(), source.failure) == (b"0.2\n", "")


def test_the_session_says_of_this_machine_what_its_kernel_says() -> None:
    facts = machine("/proc", "/sys")
    for key, path in (("hostname", "hostname"), ("kernel", "osrelease"), ("boot_id", "random/boot_id")):
        assert facts[key] == Path(f"/proc/sys/kernel/{path}").read_text().strip()
    assert facts["hz"] == os.sysconf("SC_CLK_TCK")
    assert facts["architecture"] == os.uname().machine
    assert clock_synchronised() in (True, False, None)


def test_every_source_of_this_machine_holds_the_kernels_own_lines() -> None:
    for source in open_sources("/proc")[0]:
        raw = {line.split()[0] for line in Path(source.subsystem).read_bytes().splitlines() if line.strip()}
        ours = [line.split()[0] for line in source.read().splitlines() if line.strip()]
        assert ours and set(ours) <= raw, source.subsystem
        source.close()


MOUNTS = """/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
/dev/sda2 /data\\040disk ext4 rw 0 0
/dev/sda2 /bind ext4 rw 0 0
/dev/loop0 /snap/x squashfs ro 0 0
server:/x /nfs nfs4 rw 0 0
tmpfs /run tmpfs rw 0 0
tank/home /home zfs rw 0 0
user@h:/ /mnt/ssh fuse.sshfs rw 0 0
/dev/sdb1 /mnt/usb fuseblk rw 0 0
/dev/sdc1 /nfs/below ext4 rw 0 0
/dev/sdd1 /nfsdata ext4 rw 0 0
/dev/sde1 /covered ext4 rw 0 0
server:/y /covered nfs4 rw 0 0
systemd-1 /auto autofs rw 0 0
/dev/sdf1 /auto ext4 rw 0 0
"""


def test_filesystems_are_real_local_and_told_once(tmp_path: Path) -> None:
    proc = build(tmp_path, {**PROC, "self/mounts": MOUNTS})
    assert mounts(str(proc)) == ("/", "/data disk", "/home", "/nfsdata", "/auto")


def test_the_root_of_a_container_counts_though_it_is_an_overlay(tmp_path: Path) -> None:
    proc = build(tmp_path, {**PROC, "self/mounts": "overlay / overlay rw 0 0\n/dev/sda1 /etc/hosts ext4 rw 0 0\n"})
    assert mounts(str(proc))[0] == "/"


def test_the_root_filesystem_here_is_as_large_as_statvfs_says(tmp_path: Path) -> None:
    import json

    proc = build(tmp_path, {**PROC, "self/mounts": "/dev/root / ext4 rw 0 0\n/dev/gone /no/such/place ext4 rw 0 0\n"})
    lines = [json.loads(line) for line in statfs(str(proc)).splitlines()]
    found = os.statvfs("/")
    assert [(line["mount_point"], line["block_size"], line["blocks_total"]) for line in lines] == [("/", found.f_frsize, found.f_blocks)]
