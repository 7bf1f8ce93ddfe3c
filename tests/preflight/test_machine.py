"""preflight --machine says before a collection whether this machine can be recorded."""

from __future__ import annotations

from pathlib import Path

from perfkit.preflight.machine import check_machine
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
