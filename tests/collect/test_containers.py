"""Containers: found in every path shape, read from cgroup v1 and v2, followed as they come and go."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfkit.collect.cgroups import blkio
from perfkit.collect.containers import Containers, Names, identify
from perfkit.collection import decode, line_head
from support.proc import InventedClock, build, make_collector, read

SAMPLE = Path(__file__).parents[3] / "shared" / "pcc-samples" / "containers-oci" / "collection.json"
A, B, C = "a" * 64, "b" * 64, "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/docker/{A}", ("docker", A)),
        (f"/system.slice/docker-{A}.scope", ("docker", A)),
        (f"/libpod_parent/libpod-{A}", ("podman", A)),
        (f"/machine.slice/libpod-{A}.scope", ("podman", A)),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope", ("podman", A)),
        (f"/machine.slice/libpod-conmon-{A}.scope", None),
        (f"/system.slice/nginx.service/libpod-payload-{A}", ("podman", A)),  # Quadlet, --cgroups=split
        (f"/user.slice/user-1.slice/user@1.service/app.slice/web.service/libpod-payload-{A}", ("podman", A)),
        ("/system.slice/nginx.service/runtime", None),
        ("/machine.slice/systemd-nspawn@web.service", ("nspawn", "web")),
        ("/machine.slice/machine-a\\x2db.scope", ("nspawn", "a-b")),
        ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", None),
        ("/lxc.payload.web", ("lxc", "web")),
        ("/lxc.monitor.web", None),
        (f"/kubepods/burstable/pod1/crio-{A}", ("crio", A)),
        (f"/ecs/task-1/{A}", ("containerd", A)),
        (f"/kubepods/burstable/pod12-34/{A}", ("containerd", A)),
        (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/cri-containerd-{A}.scope", ("containerd", A)),
        (f"/kubepods.slice/kubepods-pod1.slice/crio-{A}.scope", ("crio", A)),
        (f"/kubepods.slice/kubepods-pod1.slice/crio-conmon-{A}.scope", None),
        (f"/kubepods.slice/kubepods-pod1.slice/docker-{A}.scope", ("docker", A)),
        (f"/system.slice/kubepods-burstable-pod1.slice:cri-containerd:{A}", ("containerd", A)),
        (f"/default/{A}", ("containerd", A)),
        (f"/system.slice/nerdctl-{A}.scope", ("containerd", A)),
        ("/system.slice/docker.service", None),
        (f"/docker/buildkit/{A}", ("docker", A)),
        ("/system.slice/docker-abc.scope", None),
    ],
)
def test_path_shapes(path: str, expected: tuple[str, str] | None) -> None:
    assert identify(*path.rsplit("/", 1)) == expected


V2_FILES = {
    "cpu.stat": "usage_usec 657011267\nuser_usec 626480303\nsystem_usec 30530964\n"
    "nr_periods 7313\nnr_throttled 6191\nthrottled_usec 592180527\n",
    "cpu.max": "100000 100000\n",
    "memory.current": "498794496\n",
    "memory.max": "2147483648\n",
    "memory.stat": "anon 1994752\nfile 452734976\nkernel 44064768\nsock 0\ninactive_file 1000\nslab_reclaimable 9\nslab 43270792\n",
    "io.stat": "253:0 rbytes=282624 wbytes=6306193408 rios=10 wios=15138 dbytes=0 dios=0\n",
    "pids.current": "104\n",
    "pids.max": "19108\n",
}  # fmt: skip


def v2(sys_root: Path, *paths: str, **changed: str) -> Path:
    build(sys_root / "fs/cgroup", {"cgroup.controllers": "cpu io memory pids\n"})
    for path in paths:
        build(
            sys_root / "fs/cgroup" / path.lstrip("/"), {**V2_FILES, **{name.replace("_", ".", 1): text for name, text in changed.items()}}
        )
    return sys_root


def measure(containers: Containers) -> list[dict[str, Any]]:
    lines = [decode(line) for line in containers.read(line_head(1, 2))]
    assert all((line.timestamp, line.nanosecond) == (1, 2) for line in lines)
    return [{"subsystem": line.subsystem, **line.json()} for line in lines]


def watching(sys_root: Path, root: Path | str = "") -> tuple[Containers, InventedClock]:
    clock = InventedClock()
    return Containers(str(sys_root), Names(str(root)), clock.monotonic), clock


def test_v2_gives_pccs_own_fields_and_values(tmp_path: Path) -> None:
    """The fixture holds the numbers behind the first line of a real collection by pcc."""
    containers, _ = watching(v2(tmp_path, f"system.slice/docker-{A}.scope"))
    (found,) = measure(containers)
    assert found.pop("inode") == (tmp_path / f"fs/cgroup/system.slice/docker-{A}.scope").stat().st_ino
    assert found.pop("memory_inactive_file") == 1000
    assert found.pop("subsystem") == "container/docker/aaaaaaaaaaaa"
    assert found == {
        "container_id": A, "container_name": "", "runtime": "docker", "cpu_period": 100000, "cpu_periods": 7313, "cpu_quota": 100000,
        "cpu_system_usec": 30530964, "cpu_throttled": 6191, "cpu_throttled_usec": 592180527, "cpu_usage_usec": 657011267,
        "cpu_user_usec": 626480303, "io_read_bytes": 282624, "io_read_ops": 10, "io_write_bytes": 6306193408, "io_write_ops": 15138,
        "memory_anon": 1994752, "memory_current": 498794496, "memory_file": 452734976, "memory_kernel": 44064768,
        "memory_max": 2147483648, "memory_slab": 43270792, "pids_current": 104, "pids_max": 19108,
    }  # fmt: skip
    containers.close()


@pytest.mark.skipif(not SAMPLE.exists(), reason="the sample collections are not there")
def test_the_line_is_pccs_form_and_more(tmp_path: Path) -> None:
    theirs = decode(SAMPLE.read_bytes().splitlines()[0])
    containers, _ = watching(v2(tmp_path, f"docker/{theirs.json()['container_id']}"))
    (line,) = [decode(line) for line in containers.read(line_head(1, 2))]
    assert line.subsystem == theirs.subsystem
    assert set(line.json()) - set(theirs.json()) == {"inode", "memory_inactive_file"}
    assert {**line.json(), **theirs.json()} == {**theirs.json(), "inode": line.json()["inode"], "memory_inactive_file": 1000}
    containers.close()


def test_no_limit_is_no_value(tmp_path: Path) -> None:
    containers, _ = watching(v2(tmp_path, f"docker/{A}", cpu_max="max 100000\n", memory_max="max\n", pids_max="max\n"))
    (found,) = measure(containers)
    assert {"cpu_quota", "memory_max", "pids_max"}.isdisjoint(found)
    assert found["cpu_period"] == 100000
    containers.close()


def test_bytes_of_stacked_devices_are_not_counted_twice(tmp_path: Path) -> None:
    build(tmp_path / "block", {"dm-0/dev": "253:0\n", "dm-0/slaves/sda/": "", "sda/dev": "8:0\n"})
    io = "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n253:0 rbytes=100 wbytes=100 rios=100 wios=100\n259:7 rbytes=10 wbytes=20 rios=30 wios=40\n"
    containers, _ = watching(v2(tmp_path, f"docker/{A}", io_stat=io))
    (found,) = measure(containers)
    assert [found[f"io_{what}"] for what in ("read_bytes", "write_bytes", "read_ops", "write_ops")] == [11, 22, 33, 44]
    containers.close()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("8:0 rbytes=1 wbytes=2 rios=3 wios=4\n", 1),
        ("8:16 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n", 1),
        ("(unknown) rbytes=5 wbytes=2 rios=3 wios=4\n8:0 rbytes=1 wbytes=0 rios=0 wios=0\n", 6),
        ("8:0 rbytes=1 wbytes=2 ri", None),
        ("8:0 rbytes=7 wbytes=2 rios=3 wios=4\n8:16 rbytes=1 wb", None),
        ("8:0 \n", 0),
        ("", 0),
    ],
)
def test_io_that_is_not_understood_is_unknown(tmp_path: Path, text: str, read: int | None) -> None:
    containers, _ = watching(v2(tmp_path, f"docker/{A}", io_stat=text))
    (found,) = measure(containers)
    assert found.get("io_read_bytes") == read
    containers.close()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("8:0 Read 5\n8:0 Write 7\n8:0 Total 12\nTotal 12\n", 7),
        ("8:0 Read 5\n8:0 Write", None),
        ("8:0 Read 5\n8:0 Write x\n", None),
        ("", 0),
    ],
)
def test_io_of_v1_that_is_cut_is_unknown(text: str, written: int | None) -> None:
    found = blkio(frozenset(), "bytes")(text.encode())
    assert dict(zip(found[::2], found[1::2])).get(b',\\"io_write_bytes\\":') == (None if written is None else b"%d" % written)


def test_a_container_with_two_cgroups_has_one_line(tmp_path: Path) -> None:
    """Kata's hypervisor has a cgroup of its own, which is called as its sandbox."""
    containers, _ = watching(v2(tmp_path, f"kata_overhead/{A}", f"kubepods/burstable/pod1/{A}"))
    (found,) = measure(containers)
    assert found["inode"] == (tmp_path / f"fs/cgroup/kubepods/burstable/pod1/{A}").stat().st_ino
    containers.close()


def test_hybrid_with_all_controllers_on_v2(tmp_path: Path) -> None:
    build(tmp_path / "fs/cgroup", {f"systemd/docker/{A}/tasks": "1\n", "unified/cgroup.controllers": "cpu io memory pids\n"})
    build(tmp_path / "fs/cgroup/unified/docker" / A, V2_FILES)
    containers, _ = watching(tmp_path)
    (found,) = measure(containers)
    assert (found["cpu_usage_usec"], found["memory_current"], found["memory_max"]) == (657011267, 498794496, 2147483648)
    containers.close()


def test_hybrid_with_some_controllers_on_v2(tmp_path: Path) -> None:
    build(tmp_path / "fs/cgroup", {f"memory/docker/{A}/memory.usage_in_bytes": "77\n", "unified/cgroup.controllers": "cpu io pids\n"})
    build(tmp_path / "fs/cgroup/unified/docker" / A, V2_FILES)
    containers, _ = watching(tmp_path)
    (found,) = measure(containers)
    assert (found["memory_current"], found["cpu_usage_usec"], found["pids_current"], found["pids_max"]) == (77, 657011267, 104, 19108)
    containers.close()


def test_garbage_in_a_cgroup_is_no_value_and_ends_nothing(tmp_path: Path) -> None:
    containers, _ = watching(v2(tmp_path, f"docker/{A}"))
    for name in ("cpu.stat", "memory.current", "io.stat", "memory.stat"):
        (tmp_path / "fs/cgroup/docker" / A / name).write_bytes(b'usage_usec 1"\\\xff\nuser_usec\n8:0 rbytes=x\n' + b"z" * 5000)
    (found,) = measure(containers)
    assert "cpu_usage_usec" not in found and "memory_current" not in found
    assert found["pids_current"] == 104
    containers.close()


def test_containers_come_and_go_without_a_walk_at_every_tick(tmp_path: Path) -> None:
    sys_root = v2(tmp_path, f"docker/{A}", "system.slice/cron.service")
    containers, clock = watching(sys_root)
    assert [line["container_id"] for line in measure(containers)] == [A]
    v2(sys_root, f"docker/{B}", f"kubepods/burstable/pod1/{C}")
    assert len(measure(containers)) == 1  # within the same second nothing is looked for
    clock.pass_time(1.0)
    assert [line["container_id"] for line in measure(containers)] == [A, B, C]
    shutil.rmtree(sys_root / "fs/cgroup/docker" / A)
    clock.pass_time(1.0)
    assert [line["container_id"] for line in measure(containers)] == [B, C]
    v2(sys_root, f"kubepods/burstable/pod2/{A}")
    clock.pass_time(1.0)
    assert len(measure(containers)) == 3
    containers.close()


def test_a_container_below_a_unit_is_found_by_the_next_walk(tmp_path: Path) -> None:
    sys_root = v2(tmp_path, "system.slice/k3s.service")
    containers, clock = watching(sys_root)
    assert measure(containers) == []
    v2(sys_root, f"system.slice/k3s.service/kubepods/{A}")
    clock.pass_time(31.0)
    assert len(measure(containers)) == 1
    containers.close()


def test_a_machine_without_cgroups_has_no_containers(tmp_path: Path) -> None:
    containers, _ = watching(tmp_path)
    assert measure(containers) == []
    containers.close()


def test_samples_hold_the_containers_lines_with_the_samples_time(tmp_path: Path) -> None:
    containers, _ = watching(v2(tmp_path / "sys", f"docker/{A}", f"docker/{B}"))
    make_collector(tmp_path, groups=[containers], duration=5.0).run()
    lines = [line for line in read(tmp_path / "run.json") if line.subsystem.startswith("container/")]
    stats = {(line.timestamp, line.nanosecond) for line in read(tmp_path / "run.json", "/proc/stat")}
    assert len(lines) == 12
    assert {(line.timestamp, line.nanosecond) for line in lines} == stats
    containers.close()


# cgroup v1, from the kernel itself

_V1 = Path("/sys/fs/cgroup")
_CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio", "pids")


@contextlib.contextmanager
def real_v1(parent: str) -> Iterator[str]:
    """A container's cgroup in every v1 hierarchy of this machine; gives its id."""
    container_id = os.urandom(32).hex()
    folders = [_V1 / controller / parent / container_id for controller in _CONTROLLERS]
    try:
        for folder in folders:
            folder.mkdir(parents=True)
    except OSError:
        pytest.skip("no cgroup v1 that a test may use")
    try:
        yield container_id
    finally:
        for folder in folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
                folder.parent.rmdir()


def test_v1_tells_what_a_real_process_in_a_real_cgroup_used() -> None:
    """The kernel's own v1 files of the same cgroup, read another way, are the oracle."""
    with real_v1(f"perfkit-test-{os.getpid()}/docker") as container_id:
        burn = "import sys; sys.stdin.readline(); b = bytearray(20_000_000)\nfor _ in range(3_000_000): pass\n"
        burn += "print(1, flush=True); sys.stdin.read()"
        process = subprocess.Popen(["/usr/bin/env", "python3", "-c", burn], stdin=-1, stdout=-1, text=True)
        with process:
            folder = {c: _V1 / c / f"perfkit-test-{os.getpid()}/docker" / container_id for c in _CONTROLLERS}
            for path in folder.values():
                (path / "cgroup.procs").write_text(str(process.pid))
            (folder["memory"] / "memory.limit_in_bytes").write_text("500M")
            assert process.stdin and process.stdout
            print(file=process.stdin, flush=True)
            process.stdout.readline()
            containers = Containers("/sys", Names())
            (found,) = [line for line in measure(containers) if line["container_id"] == container_id]
            used = int((folder["cpuacct"] / "cpuacct.usage").read_text()) // 1000
            assert 0 < found["cpu_usage_usec"] <= used
            assert found["cpu_user_usec"] + found["cpu_system_usec"] == pytest.approx(used, rel=0.5)  # older kernels count ticks
            assert found["memory_max"] == 500 << 20
            assert 20_000_000 < found["memory_current"] < 500 << 20
            assert found["memory_anon"] > 20_000_000
            assert (found["pids_current"], found["runtime"]) == (1, "docker")
            assert found["inode"] == folder["memory"].stat().st_ino
            process.kill()
            process.wait()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and folder["memory"].exists():
            with contextlib.suppress(OSError):
                for path in folder.values():
                    path.rmdir()
            time.sleep(0.05)
        assert container_id not in [line["container_id"] for line in measure(containers)]
        containers.close()


# Names


def test_names_come_from_what_each_runtime_keeps(tmp_path: Path) -> None:
    d, e = "d" * 64, "e" * 64
    storage = [{"id": B, "names": ["web"]}, {"id": e, "names": None}]
    cri = {"annotations": {"io.kubernetes.cri.sandbox-name": "pod-1", "io.kubernetes.cri.container-name": "app"}}
    build(
        tmp_path,
        {
            f"var/lib/docker/containers/{A}/config.v2.json": json.dumps({"Name": "/LT-bench 1"}),
            "var/lib/containers/storage/overlay-containers/containers.json": json.dumps(storage),
            f"run/containerd/io.containerd.runtime.v2.task/k8s.io/{C}/config.json": json.dumps(cri),
            f"var/log/containers/pod-2_default_side-car-{d}.log": "",
            f"run/containerd/io.containerd.runtime.v2.task/default/{e}/config.json": json.dumps({"annotations": {"nerdctl/name": "n1"}}),
        },
    )
    names = Names(str(tmp_path))
    asked = [("docker", A), ("podman", B), ("containerd", C), ("containerd", d), ("containerd", e), ("crio", B), ("docker", "f" * 64)]
    assert [names.of(*pair) for pair in asked] == ["LT-bench 1", "web", "pod-1/app", "pod-2/side-car", "n1", "web", ""]


@pytest.mark.parametrize("parent", ["ecs/task-1", "kubepods/burstable/pod1-2", "my.slice", "batch"])
@pytest.mark.parametrize(
    ("state", "runtime"),
    [
        ("var/lib/docker/containers/{}/config.v2.json", "docker"),
        ("run/containerd/io.containerd.runtime.v2.task/moby/{}/config.json", "docker"),
        ("run/containerd/io.containerd.runtime.v2.task/k8s.io/{}/config.json", "containerd"),
        ("else/{}", "containerd"),
    ],
)
def test_a_runtime_that_the_path_does_not_say_is_the_one_whose_state_knows_the_id(
    tmp_path: Path, parent: str, state: str, runtime: str
) -> None:
    build(tmp_path, {state.format(A): "{}"})
    containers, _ = watching(v2(tmp_path, f"{parent}/{A}"), tmp_path)
    assert [line["subsystem"] for line in measure(containers)] == [f"container/{runtime}/{A[:12]}"]
    containers.close()


def test_a_name_that_comes_later_is_in_later_lines(tmp_path: Path) -> None:
    containers, _ = watching(v2(tmp_path, f"docker/{A}"), tmp_path)
    assert measure(containers)[0]["container_name"] == ""
    build(tmp_path, {f"var/lib/docker/containers/{A}/config.v2.json": json.dumps({"Name": '/quo"te % \\ ü'})})
    for _ in range(10):
        found = measure(containers)
    assert found[0]["container_name"] == 'quo"te % \\ ü'
    containers.close()


@pytest.mark.parametrize("text", ["", "{", "[1,2]", '{"Name":7}', "[" * 100_000], ids=["empty", "cut", "list", "number", "deep"])
def test_a_broken_state_file_gives_no_name(tmp_path: Path, text: str) -> None:
    build(tmp_path, {f"var/lib/docker/containers/{A}/config.v2.json": text, f"var/log/containers/x-{A}.log": ""})
    assert Names(str(tmp_path)).of("docker", A) == ""


def serve_once(path: Path, answer: bytes) -> threading.Thread:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            assert connection.recv(4096).startswith(b"GET /containers/json HTTP/1.0\r\n")
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_docker_is_asked_on_its_socket_where_its_files_are_not_readable(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    body = json.dumps([{"Id": A, "Names": ["/from-socket"]}, {"Id": B}, 7]).encode()
    thread = serve_once(tmp_path / "run/docker.sock", b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)
    names = Names(str(tmp_path))
    names.of("docker", A)
    thread.join(60)
    deadline = time.monotonic() + 60
    while not names.of("docker", A) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert names.of("docker", A) == "from-socket"
