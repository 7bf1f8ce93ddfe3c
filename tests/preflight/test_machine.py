"""preflight --machine says before a collection whether this machine can be recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from perfkit.preflight.machine import check_machine
from perfkit.preflight.processes import collectors
from support.running import Start, perfkit


def test_this_machine_is_ready(tmp_path: Path) -> None:
    done = perfkit("preflight", "--machine", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(": ready\n")
    assert list(tmp_path.iterdir()) == []


def test_a_running_collector_is_named(tmp_path: Path, collector: Start) -> None:
    process = collector(tmp_path / "vm.json")
    found = {check.name: check for check in check_machine(tmp_path).checks}
    assert found["collectors"].state == "warn"
    assert f"pid {process.pid} (local into {tmp_path / 'vm.json'})" in found["collectors"].evidence


def test_a_proc_without_its_sources_fails(tmp_path: Path) -> None:
    report = check_machine(tmp_path, root=tmp_path)
    assert report.failure is not None
    assert report.failure.name == "sources"
    assert "/proc/diskstats" in report.failure.advice


def test_a_folder_that_does_not_exist_fails(tmp_path: Path) -> None:
    failed = {check.name for check in check_machine(tmp_path / "none").checks if check.state == "fail"}
    assert failed == {"folder", "space"}


def pretend(proc: Path, pid: int, *words: str, program: str = "", **variables: str) -> None:
    """A process in an invented /proc."""
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    (folder / "environ").write_bytes(b"".join(f"{name}={value}".encode() + b"\0" for name, value in variables.items()))
    if program:
        (folder / "exe").symlink_to(program)


@pytest.mark.parametrize(
    ("words", "more", "told"),
    [
        (["pcc"], {}, "pid 7 (trickle)"),
        (["./pcc-linux"], {"PCC_MODE": "local", "PCC_COLLECTION": "/tmp/pcc.json"}, "pid 7 (local into /tmp/pcc.json)"),
        (["bin/pcc-linux-amd64", "-mode", "local", "-collection", "a.json"], {}, "pid 7 (local into a.json)"),
        (["/opt/pcc_linux_arm64"], {"PCC_SERVER": "http://a:8080"}, "pid 7 (trickle to http://a:8080)"),
        (["/opt/pcc-v1.2.0", "--mode=local"], {}, "pid 7 (local)"),
        (["collector"], {"program": "/usr/local/bin/pcc-linux (deleted)"}, "pid 7 (trickle)"),
        (
            ["python3", "-I", "-S", "-X", "perfkit_collect=3", "/root/pk.pyz", "collect", "--collection", "vm.json"],
            {},
            "pid 7 (local into vm.json)",
        ),
        (["python3", "perfkit.pyz", "collect", "--mode", "trickle", "--server", "http://a"], {}, "pid 7 (trickle to http://a)"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_collector_is_known_whatever_its_file_is_called(tmp_path: Path, words: list[str], more: dict[str, str], told: str) -> None:
    pretend(tmp_path, 7, *words, **more)
    assert [str(one) for one in collectors(tmp_path)] == [told]


@pytest.mark.parametrize(
    "words", [["pcctl"], ["pccts"], ["vi", "pcc"], ["pcc-report.sh"], ["tar", "perfkit", "x"], ["python3", "perfkit.pyz", "serve"], []]
)
def test_other_programs_are_no_collectors(tmp_path: Path, words: list[str]) -> None:
    pretend(tmp_path, 7, *words)
    assert collectors(tmp_path) == []
