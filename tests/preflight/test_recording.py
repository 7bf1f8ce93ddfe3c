"""preflight passes for every live collection and for nothing else; each fault is named by the check that found it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perfkit.preflight.recording import check_recording
from support.certificates import Recorder
from support.running import ENVIRONMENT, PATIENT, Start, in_process, perfkit, preflight, wait_for, wait_until_open

SAMPLES = Path(__file__).parents[3] / "shared" / "pcc-samples"


def states(checks: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: check["state"] for name, check in checks.items()}


@pytest.mark.parametrize("name", ["vm.json", "vm.json.gz"])
def test_a_live_collection_passes_every_check(tmp_path: Path, collector: Start, name: str) -> None:
    collector(tmp_path / name, "--frequency", "200ms")
    code, checks = preflight("--collection", tmp_path / name, *PATIENT)
    assert code == 0, checks
    assert list(checks) == ["file", "process", "parses", "sources", "growing", "frequency", "moving", "space", "clock", "so far"]
    assert set(states(checks).values()) <= {"ok", "warn"}
    assert "CPU time" in checks["moving"]["evidence"]
    assert "loopback packets" in checks["moving"]["evidence"]


def test_without_a_flag_it_takes_the_newest_collection_of_the_folder(tmp_path: Path, collector: Start) -> None:
    collector(tmp_path / "vm.json", "--frequency", "200ms")
    done = in_process("preflight", *PATIENT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("vm.json: recording\n")


def test_without_a_flag_it_waits_for_a_collector_that_is_just_starting(tmp_path: Path, collector: Start) -> None:
    command = [sys.executable, "-m", "perfkit", "preflight", *PATIENT]
    waiting = subprocess.Popen(command, env=ENVIRONMENT, cwd=tmp_path, stdout=subprocess.PIPE)
    time.sleep(0.5)  # it waits by then, or finds the file at once on a busy machine
    collector(tmp_path / "vm.json", "--frequency", "200ms")
    assert waiting.communicate(timeout=200)[0].endswith(b"vm.json: recording\n")


def test_pcc_passes_while_it_holds_the_file_open(tmp_path: Path, faulty: Start) -> None:
    process = faulty(tmp_path / "pcc.json", "pcc", frequency=1)
    code, checks = preflight("--collection", tmp_path / "pcc.json", *PATIENT)
    assert code == 0, checks
    assert f"pid {process.pid}" in checks["process"]["evidence"]


def test_a_collector_killed_hard_is_found_and_its_file_fails(tmp_path: Path, collector: Start) -> None:
    process = collector(tmp_path / "vm.json", "--frequency", "200ms")
    process.kill()
    process.wait()
    code, checks = preflight("--collection", tmp_path / "vm.json", "--wait", "1s")
    assert code == 1
    assert states(checks)["process"] == states(checks)["growing"] == "fail"
    assert str(process.pid) in checks["process"]["evidence"]


def test_a_collection_that_has_ended_is_not_being_recorded(tmp_path: Path, collector: Start) -> None:
    process = collector(tmp_path / "vm.json", "--frequency", "200ms")
    process.terminate()
    process.wait()
    code, checks = preflight("--collection", tmp_path / "vm.json", "--wait", "1s")
    assert code == 1
    assert "has ended (signal)" in checks["process"]["advice"]


def test_a_collection_that_ends_while_it_is_watched_is_not_called_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end line is written after the last look at the file, and before the look at the lock."""
    one, file = Recorder(), tmp_path / "vm.json"
    file.write_bytes(one.session() + one.record(range(10)))

    def holder_of(_: int) -> None:
        with file.open("ab") as stream:
            stream.write(one.end(9.5, "duration"))

    monkeypatch.setattr("perfkit.collection.lock.holder_of", holder_of)
    checks = {check.name: check for check in check_recording(file, wait=0.1).checks}
    assert checks["process"].advice == "this collection has ended (duration); start a new one: perfkit collect."


def test_a_suspended_collector_fails_with_the_command_that_lets_it_go_on(tmp_path: Path, collector: Start) -> None:
    process = collector(tmp_path / "vm.json", "--frequency", "200ms")
    process.send_signal(signal.SIGSTOP)
    code, checks = preflight("--collection", tmp_path / "vm.json", "--wait", "1s")
    assert code == 1
    assert f"kill -CONT {process.pid}" in checks["process"]["advice"]


def test_a_process_that_merely_holds_a_dead_collection_open_does_not_fool_it(tmp_path: Path, faulty: Start) -> None:
    """`tail -f`, an editor, or a shell that appends rubbish: growth alone is no recording."""
    faulty(tmp_path / "pcc.json", "pcc-stalls", frequency=0.1, samples=3)
    wait_for(lambda: (tmp_path / "pcc.json").read_bytes().count(b"/proc/net/dev") == 3)
    with (tmp_path / "pcc.json").open("a"):
        code, checks = preflight("--collection", tmp_path / "pcc.json", "--wait", "1500ms", run=perfkit)
    assert code == 1
    assert states(checks)["growing"] == "fail"


def test_a_replayed_collection_does_not_pass(tmp_path: Path, faulty: Start, processes: list[subprocess.Popen[bytes]]) -> None:
    """Old samples written anew, in step and with a lock, carry counters that are not this machine's present ones."""
    replay = (
        "import fcntl, sys, time\nout = open(sys.argv[2], 'ab', 0)\nfcntl.lockf(out, fcntl.LOCK_EX)\n"
        "for line in open(sys.argv[1], 'rb'):\n  out.write(line)\n  if b'net/dev' in line: time.sleep(0.2)\n"
    )
    recorder = faulty(tmp_path / "old.json", frequency=0.02)
    wait_for(lambda: (tmp_path / "old.json").read_bytes().count(b'/proc/net/dev"') > 100)
    recorder.kill()
    recorder.wait()
    processes.append(subprocess.Popen([sys.executable, "-c", replay, tmp_path / "old.json", tmp_path / "new.json"]))
    wait_for((tmp_path / "new.json").exists)
    code, checks = preflight("--collection", tmp_path / "new.json", "--wait", "3s")
    assert code == 1
    assert states(checks)["moving"] == "fail"


def test_a_file_replaced_under_the_collector_fails(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    collector(file, "--frequency", "2s")
    copy = tmp_path / "copy.json"
    shutil.copy(file, copy)
    command = [sys.executable, "-m", "perfkit", "preflight", "--json", "--collection", str(file)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE)
    wait_until_open(process, file)
    copy.replace(file)
    (checks,) = [json.loads(line)["checks"] for line in process.communicate(timeout=200)[0].splitlines()]
    assert process.returncode == 1
    assert {check["name"]: check["evidence"] for check in checks}["process"] == "the file under this name is not the one being written"


def test_two_collectors_on_one_file_fail(tmp_path: Path, faulty: Start) -> None:
    first = faulty(tmp_path / "pcc.json", "pcc", frequency=0.5)
    second = faulty(tmp_path / "pcc.json", "pcc", frequency=0.5)
    wait_until_open(second, tmp_path / "pcc.json")
    code, checks = preflight("--collection", tmp_path / "pcc.json")
    assert code == 1
    assert "another collector" in checks["process"]["advice"]
    assert all(str(one.pid) in checks["process"]["evidence"] for one in (first, second))


def test_a_second_collector_is_refused_the_file_of_the_first(tmp_path: Path, collector: Start) -> None:
    process = collector(tmp_path / "vm.json", "--frequency", "200ms")
    done = perfkit("collect", "--collection", tmp_path / "vm.json", "--append")
    assert done.returncode == 2
    assert str(process.pid) in done.stderr


def test_an_unsynchronised_clock_is_a_warning_that_names_the_cure(tmp_path: Path, faulty: Start) -> None:
    faulty(tmp_path / "vm.json", "unsynchronised", frequency=0.5)
    code, checks = preflight("--collection", tmp_path / "vm.json", *PATIENT)
    assert code == 0, checks
    assert checks["clock"]["state"] == "warn"
    assert "chrony" in checks["clock"]["advice"]


def test_a_period_longer_than_the_wait_is_named_instead_of_blamed_on_the_collector(tmp_path: Path, faulty: Start) -> None:
    faulty(tmp_path / "vm.json", frequency=3)
    code, checks = preflight("--collection", tmp_path / "vm.json", "--wait", "1500ms")
    assert code == 1
    assert "--wait 9s" in checks["growing"]["advice"]


@pytest.mark.parametrize(("frequency", "wait"), [("500ms", "1s"), ("100ms", "400ms"), ("1s", "2500ms")])
def test_the_nudge_leaves_room_for_a_sample_in_a_short_wait(tmp_path: Path, collector: Start, frequency: str, wait: str) -> None:
    """On a machine that is busy with other things a try may fail; it never fails each time."""
    collector(tmp_path / "vm.json", "--frequency", frequency)
    wait_for(lambda: preflight("--collection", tmp_path / "vm.json", "--wait", wait)[0] == 0, 200)


def test_a_wait_that_is_too_short_names_one_that_fits_the_period(tmp_path: Path, collector: Start) -> None:
    collector(tmp_path / "vm.json", "--frequency", "2s")
    report = check_recording(tmp_path / "vm.json", wait=1.0)
    advice = {check.name: check.advice for check in report.checks}["growing"]
    assert (report.verdict, "--wait 6s" in advice) == ("not proven to be recording: the wait is too short", True)
    wait_for(lambda: preflight("--collection", tmp_path / "vm.json", "--wait", "6s")[0] == 0, 120)


DAMAGED = "something else than the collector wrote"
GONE = "has gone without an end line"


@pytest.mark.parametrize(
    ("fault", "options", "failing", "says", "words"),
    [
        ("none", {"duration": 1e12}, "space", "will be full before the collection ends", "recording, but the disk will not last"),
        ("missing", {}, "sources", "/proc/net/dev", "recording, but not every source"),
        ("slow", {}, "frequency", "does not keep its frequency", "recording, but not at its frequency"),
        ("garbage", {}, "parses", DAMAGED, "recording, but the file is damaged"),
        ("frozen", {}, "moving", "frozen", "recording, but not proven to be this machine's counters"),
        ("nolock", {}, "process", GONE, "NOT recording"),
        ("stalls", {"samples": 2}, "growing", "stopped growing", "NOT recording"),  # although its collector lives
        ("other-boot", {}, "process", "start a new collection", "NOT recording"),
    ],
)
def test_each_fault_of_a_growing_file_is_found_by_its_own_check_and_the_verdict_fits(
    tmp_path: Path, faulty: Start, fault: str, options: dict[str, object], failing: str, says: str, words: str
) -> None:
    file = tmp_path / "vm.json"
    faulty(file, fault, frequency=0.4, **options)
    wait_for(lambda: file.read_bytes().count(b'/proc/diskstats"') >= options.get("samples", 4))
    wait = ("--wait", "2s") if fault == "stalls" else PATIENT
    done = in_process("preflight", "--collection", file, *wait)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == f"{file}: {words}"
    done = perfkit("preflight", "--collection", file, *wait, "--json", "--", "touch", tmp_path / "started")
    report = json.loads(done.stdout)
    assert next(check["name"] for check in report["checks"] if check["state"] == "fail") == failing
    assert says in next(check["advice"] for check in report["checks"] if check["name"] == failing)
    assert report["verdict"] == f"{words}; the load was not started"
    assert not (tmp_path / "started").exists()


def test_no_file_and_an_empty_file_are_wrong_input(tmp_path: Path) -> None:
    code, checks = preflight("--collection", tmp_path / "none.json", "--wait", "200ms")
    assert (code, checks["file"]["state"]) == (2, "fail")
    assert "does not exist" in checks["file"]["advice"]
    (tmp_path / "empty.json").touch()
    code, checks = preflight("--collection", tmp_path / "empty.json", "--wait", "200ms")
    assert code == 2
    assert "is empty" in checks["file"]["advice"]


def test_a_file_that_appears_while_preflight_waits_is_proven(tmp_path: Path, faulty: Start) -> None:
    file = tmp_path / "vm.json"
    command = [sys.executable, "-m", "perfkit", "preflight", "--collection", str(file), *PATIENT]
    waiting = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    time.sleep(0.5)  # it waits by then, or finds the file at once on a busy machine
    faulty(file, frequency=0.2)
    assert waiting.wait(200) == 0


def test_something_else_than_a_collection_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("hello\nworld\n")
    for name in ("notes.json", "."):
        code, checks = preflight("--collection", tmp_path / name, "--wait", "300ms")
        assert code == 2
        assert "--collection" in checks["file"]["advice"]


def test_a_collector_in_trickle_mode_is_named_where_its_file_is_missed(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    command = [sys.executable, "-m", "perfkit", "collect", "--mode", "trickle", "--server", "http://127.0.0.1:1", "--duration", "10m"]
    environment = {**ENVIRONMENT, "PCC_APIKEY": "not-a-secret"}
    processes.append(subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL))
    wait_for(lambda: list(tmp_path.iterdir()))
    code, checks = preflight("--collection", tmp_path / "vm.json", "--wait", "300ms")
    assert code == 2
    assert "trickle mode" in checks["file"]["advice"]


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real pcc collections are not here")
@pytest.mark.parametrize("name", ["host-azure", "host-cpuinfo", "containers-oci"])
def test_a_finished_collection_of_pcc_parses_and_is_not_being_recorded(name: str) -> None:
    code, checks = preflight("--collection", SAMPLES / name / "collection.json", "--wait", "300ms")
    assert code == 1
    assert states(checks)["parses"] == "ok"
    assert "no process writes" in checks["process"]["advice"]


def test_nothing_is_written_but_what_the_collector_writes(tmp_path: Path, faulty: Start) -> None:
    faulty(tmp_path / "vm.json", frequency=0.2)
    assert preflight("--collection", tmp_path / "vm.json", *PATIENT)[0] == 0
    assert os.listdir(tmp_path) == ["vm.json"]
