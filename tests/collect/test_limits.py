"""Limits that hide: read seldom, without root, as the kernel has them; what is missing or refused costs nothing else."""

from __future__ import annotations

import contextlib
import ctypes
import struct
from pathlib import Path

import pytest

from perfkit.collect.limits import Limits, ask_driver
from perfkit.collect.session import clock_state
from perfkit.collection import decode, line_head
from support.proc import InventedClock, build

FILES = {
    "proc/sys/fs/file-nr": "2234\t0\t2466174\n",
    "proc/sys/kernel/pid_max": "garbage\n",
    "proc/net/softnet_stat": "00000683 00000000 00000001\n",
    "proc/schedstat": "version 15\ntimestamp 4295\ncpu0 0 0 0 0 0 0 1 2 3\ndomain0 3 0 0\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2600000\n",
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "0\n",
    "sys/devices/system/cpu/cpufreq/": "",
    "sys/class/net/eth0/mtu": "1500\n",
    "sys/class/net/lo/mtu": "1500\n",
}
NAMES = [b"tx_timeout", b"bw_in_allowance_exceeded", b"queue_0_tx_cnt", b"pps_allowance_exceeded"]


class Ena:
    """A driver of Amazon's, behind the ioctl; `lo` has none."""

    def __init__(self) -> None:
        self.values = [1, 20, 3, 2**40]

    def __call__(self, request: int, ifreq: bytes) -> None:
        name, address = struct.unpack("16sP16x", ifreq)
        assert request == 0x8946
        if name.rstrip(b"\0") != b"eth0":
            raise OSError("operation not supported")
        command = ctypes.c_uint32.from_address(address).value
        if command == 0x37:
            answer, at = struct.pack("=QI", 2, len(NAMES)), 8
        elif command == 0x1B:
            answer, at = b"".join(one.ljust(32, b"\0") for one in NAMES), 12
        else:
            answer, at = struct.pack(f"={len(NAMES)}Q", *self.values), 8
        ctypes.memmove(address + at, answer, len(answer))


def make(folder: Path, log: str = "/nowhere", ioctl: object = None, **more: object) -> tuple[Limits, InventedClock]:
    clock = InventedClock()
    return Limits(str(folder / "proc"), str(folder / "sys"), log, ioctl=ioctl, monotonic=clock.monotonic, **more), clock  # type: ignore[arg-type]


def scan(limits: Limits, clock: InventedClock, seconds: float = 1) -> dict[str, str]:
    clock.pass_time(seconds)
    return {line.subsystem: line.measurement for line in map(decode, limits.read(line_head(1, 2)))}


def test_the_first_and_every_tenth_sample_has_what_there_is(tmp_path: Path) -> None:
    build(tmp_path, FILES)
    limits, clock = make(tmp_path, ioctl=Ena())
    found = [scan(limits, clock) for _ in range(11)]
    assert found[1:10] == [{}] * 9
    assert (
        found[0]
        == found[10]
        == {
            "/proc/net/softnet_stat": FILES["proc/net/softnet_stat"],
            "/proc/schedstat": "cpu0 0 0 0 0 0 0 1 2 3\n",
            "limits": "/proc/sys/fs/file-nr 2234 0 2466174\n"
            "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq 2600000\n"
            "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count 0\n"
            f"ethtool/eth0/bw_in_allowance_exceeded 20\nethtool/eth0/pps_allowance_exceeded {2**40}",
        }
    )
    limits.begin_again()
    assert scan(limits, clock, 0.1)
    assert not scan(limits, clock)
    assert opened_below(tmp_path) == 6
    limits.close()
    assert opened_below(tmp_path) == 0


def opened_below(folder: Path) -> int:
    """How many files below `folder` this process has open; others come and go with what earlier tests left running."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += folder in link.readlink().parents
    return found


def test_a_cpu_that_comes_is_read_and_samples_that_come_fast_are_not(tmp_path: Path) -> None:
    build(tmp_path, FILES)
    limits, clock = make(tmp_path)
    scan(limits, clock)
    build(tmp_path, {"sys/devices/system/cpu/cpu10/cpufreq/scaling_cur_freq": "7\n"})
    fast = [scan(limits, clock, 0.01) for _ in range(10)]
    assert fast == [{}] * 10
    slow = [scan(limits, clock) for _ in range(10)][-1]
    assert "cpu10/cpufreq/scaling_cur_freq 7" in slow["limits"]
    limits.close()


def test_how_far_the_receivers_clock_is_ahead_is_told_when_it_is_known(tmp_path: Path) -> None:
    told = [(-1_500_000, 250), None]
    limits, clock = make(tmp_path, receiver=lambda: told.pop(0))
    assert [scan(limits, clock) for _ in range(11)] == [{"limits": "receiver -1500000 250"}, *[{}] * 10]
    limits.close()


def test_how_far_the_clock_may_be_wrong_is_the_kernels_own_word(tmp_path: Path) -> None:
    limits, clock = make(tmp_path, clock=lambda: (-7, 5000, 20, 64))
    assert scan(limits, clock) == {"limits": "adjtimex -7 5000 20 64"}
    limits.close()
    assert clock_state() is None or len(clock_state() or ()) == 4


def test_a_machine_that_tells_nothing_has_no_line(tmp_path: Path) -> None:
    limits, clock = make(tmp_path)
    assert scan(limits, clock) == {}
    limits.close()


def test_who_was_killed_is_taken_from_the_kernels_log(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_text("6,1,5,-;Killed process 1 (before)\n")
    limits, clock = make(tmp_path, str(log))
    with log.open("a") as file:
        file.write("6,2,9,-;Out of memory: Killed process 7 (java) total-vm:1kB\n SUBSYSTEM=x\n")
    assert scan(limits, clock) == {"/dev/kmsg": "6,2,9,-;Out of memory: Killed process 7 (java) total-vm:1kB"}
    assert [scan(limits, clock) for _ in range(10)] == [{}] * 10
    limits.close()


def test_a_real_driver_is_asked_without_harm() -> None:
    clock = InventedClock()
    limits = Limits("/proc", "/sys", ioctl=ask_driver, monotonic=clock.monotonic)
    found = scan(limits, clock)
    assert found["limits"].startswith("/proc/sys/fs/file-nr ")
    limits.close()
    with pytest.raises(OSError):
        ask_driver(0x8946, struct.pack("16sP16x", b"no_such_device", 0))
