"""A stream has the same proof as a file: its samples are shown to be acknowledged before, while and after a load runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfkit.collect import acknowledged
from perfkit.collect.acknowledged import Acknowledged, acknowledged_in
from perfkit.collection import SESSION, decode, encode, encode_json, lock
from perfkit.preflight.follow import Follow
from support.running import ENVIRONMENT, PATIENT, Start, in_process, line_with, perfkit, wait_for
from support.server import RunningReceiver, running
from support.unkind_server import OK, serving

CHECKS = ["process", "parses", "sources", "arriving", "frequency", "moving", "spool", "clock", "so far"]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[RunningReceiver]:
    """To be stopped, and with nothing in it."""
    with running(tmp_path / "data") as one:
        yield one


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    """For tests that leave it as it is, and do not look at what it holds."""
    with running(tmp_path_factory.mktemp("standing") / "data") as one:
        yield one


@pytest.fixture
def streaming(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> Start:
    """Start a collector that streams as vm-a to an address with a key; what it says is in `log`."""

    def start(url: str, key: str, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "perfkit", "collect", "--mode", "trickle", "--server", url, "--identifier", "vm-a"]
        command += ["--no-containers", "--frequency", "200ms", "--flush-interval", "200ms", *words]
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT | {"PCC_APIKEY": key}, stderr=log)
        processes.append(process)
        spool = tmp_path / "vm-a.spool" / "lock"
        wait_for(lambda: process.poll() is not None or (spool.exists() and lock.holder(spool)))
        return process

    return start


def reports(stdout: str) -> list[dict[str, Any]]:
    """The JSON reports of a preflight; lines of the load's own output are passed over."""
    found = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
    return [report | {"checks": {check["name"]: check for check in report["checks"]}} for report in found]


def proven(folder: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """Exit code and last report of `preflight --json` in `folder`."""
    done = (perfkit if "--" in words else in_process)("preflight", "--json", *PATIENT, *words, cwd=folder)
    assert "Traceback" not in done.stderr
    return done.returncode, reports(done.stdout)[-1]


def guarded(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "perfkit", "preflight", "--json", *PATIENT, *words]
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def received(receiver: RunningReceiver) -> list[Any]:
    """What the receiver holds of vm-a."""
    return [decode(line) for path in receiver.collections("vm-a") for line in path.read_bytes().splitlines()]


def test_a_stream_that_arrives_passes_every_check(tmp_path: Path, standing: RunningReceiver, streaming: Start) -> None:
    """Be it found, or named by either option."""
    process = streaming(standing.url, standing.key)
    for words in ((), ("--spool", "vm-a.spool"), ("--collection", "vm-a.spool")):
        code, report = proven(tmp_path, *words)
        assert code == 0, (words, report)
        assert list(report["checks"]) == CHECKS
        assert report["subject"] == "vm-a.spool", words
        assert report["verdict"] == "recording, and arriving at the receiver"
        assert f"(pid {process.pid}) streams to {standing.url} as vm-a" in report["checks"]["process"]["evidence"], words
        assert report["certificate"]["samples"] >= 2, words


def test_the_load_is_marked_in_the_stream_and_certified_over_what_the_receiver_holds(
    tmp_path: Path, receiver: RunningReceiver, streaming: Start
) -> None:
    streaming(receiver.url, receiver.key, "--frequency", "500ms")
    words = ("--server", receiver.url, "--apikey", receiver.key, "--label", "spike", "--", "sh", "-c", "sleep 3; exit 7")
    done = perfkit("preflight", "--json", *PATIENT, *words, cwd=tmp_path)
    assert done.returncode == 7, done.stdout
    server, before, after = reports(done.stdout)
    assert server["checks"]["batch"]["state"] == before["checks"]["receiver"]["state"] == "ok"
    assert after["verdict"] == "the load was recorded, and the receiver has it"
    wait_for(lambda: [line.json()["kind"] for line in received(receiver) if line.subsystem == "perfkit/mark"] == ["start", "end"])
    start, end = (line for line in received(receiver) if line.subsystem == "perfkit/mark")
    assert (start.json()["label"], end.json()["exit_code"]) == ("spike", 7)
    assert (tmp_path / end.json()["output"]).exists()
    held = [line for line in received(receiver) if line.subsystem == "/proc/stat" and start.wall <= line.wall <= end.wall]
    assert after["certificate"]["samples"] == len(held)
    assert after["certificate"]["samples_expected"] - len(held) <= 2
    assert after["certificate"]["ended"] == "end mark"


def test_a_receiver_that_is_away_during_the_load_is_told_and_gets_everything_afterwards(
    tmp_path: Path, receiver: RunningReceiver, streaming: Start
) -> None:
    streaming(receiver.url, receiver.key, "--frequency", "500ms")
    run = guarded(tmp_path, "--", "sh", "-c", "touch started; while ! [ -e end ]; do sleep 0.1; done")
    wait_for((tmp_path / "started").exists)
    receiver.kill()
    line_with(run.stderr, "recording lost: no sample acknowledged for")
    receiver.start()
    line_with(run.stderr, "recording resumed: the receiver acknowledges again")
    (tmp_path / "end").touch()
    stdout, stderr = run.communicate(timeout=200)
    found = reports(stdout)[-1]
    assert run.returncode == 0, stdout + stderr
    assert found["checks"]["receiver"]["state"] == "warn"
    assert found["certificate"]["samples_expected"] - found["certificate"]["samples"] <= 2


def test_what_still_waits_when_the_wait_is_over_is_not_certified(tmp_path: Path, receiver: RunningReceiver, streaming: Start) -> None:
    """Ctrl-C ends the wait for the last acknowledgements, not the certificate."""
    streaming(receiver.url, receiver.key)
    run = guarded(tmp_path, "--", "sh", "-c", f"sleep 1; kill -9 {receiver.process.pid}; sleep 3")
    line_with(run.stderr, "Ctrl-C ends the wait")
    run.send_signal(signal.SIGINT)
    stdout, stderr = run.communicate(timeout=200)
    found = reports(stdout)[-1]
    assert run.returncode == 1
    assert found["verdict"] == "the receiver does NOT have the load in full"
    assert "wait" in found["checks"]["recorded"]["advice"] and "vm-a.spool" in stderr
    assert 0 < found["certificate"]["samples"] < found["certificate"]["samples_expected"] - 8


def test_a_collector_killed_during_the_load_is_told_and_fails_the_certificate(
    tmp_path: Path, receiver: RunningReceiver, streaming: Start
) -> None:
    process = streaming(receiver.url, receiver.key)
    run = guarded(tmp_path, "--", "sh", "-c", f"kill -9 {process.pid}; while ! [ -e told ]; do sleep 0.1; done; sleep 2; echo survived")
    line_with(run.stderr, "recording lost: the collector has gone")
    assert run.poll() is None
    (tmp_path / "told").touch()
    stdout, _ = run.communicate(timeout=200)
    found = reports(stdout)[-1]
    assert (run.returncode, found["checks"]["collector"]["state"]) == (1, "fail")
    assert found["certificate"]["ended"] == "cut off"
    assert found["certificate"]["samples_expected"] >= found["certificate"]["samples"] + 8, "what is missing at the end is a gap"


def test_a_spool_that_does_not_drain_fails_and_no_load_is_started(tmp_path: Path, receiver: RunningReceiver, streaming: Start) -> None:
    receiver.kill()
    streaming(receiver.url, receiver.key)
    code, report = proven(tmp_path, "--wait", "1s", "--", "touch", "started")
    assert (code, report["verdict"]) == (1, "recording, but NOT arriving at the receiver; the load was not started")
    assert "the spool does not drain" in report["checks"]["arriving"]["advice"]
    assert not (tmp_path / "started").exists()
    receiver.start()
    wait_for(lambda: acknowledged_in(str(tmp_path / "vm-a.spool")))
    receiver.kill()
    code, report = proven(tmp_path, "--wait", "7s")
    assert (code, report["checks"]["process"]["state"], report["checks"]["arriving"]["state"]) == (1, "ok", "fail")
    assert report["checks"]["spool"]["state"] == "warn"


def test_a_wrong_key_ends_the_collector_and_fails(tmp_path: Path, standing: RunningReceiver, streaming: Start) -> None:
    process = streaming(standing.url, "wrong-key-1")
    assert process.wait(60) == 1
    code, report = proven(tmp_path, "--spool", "vm-a.spool")
    assert (code, report["verdict"]) == (1, "NOT recording")
    assert "has gone" in report["checks"]["process"]["advice"] and "wait" in report["checks"]["process"]["advice"]


def test_a_collector_that_is_suspended_is_named_with_its_cure(tmp_path: Path, standing: RunningReceiver, streaming: Start) -> None:
    process = streaming(standing.url, standing.key)
    wait_for(lambda: acknowledged_in(str(tmp_path / "vm-a.spool")))
    process.send_signal(signal.SIGSTOP)
    code, report = proven(tmp_path, "--spool", "vm-a.spool", "--wait", "1s")
    assert code == 1
    assert f"kill -CONT {process.pid}" in report["checks"]["process"]["advice"]


def test_a_stream_to_another_receiver_is_not_the_one_that_was_asked_for(
    tmp_path: Path, standing: RunningReceiver, streaming: Start
) -> None:
    streaming(standing.url, standing.key)
    with running(tmp_path / "other") as other:
        code, report = proven(tmp_path, "--server", other.url, "--apikey", other.key, "--spool", "vm-a.spool")
    assert (code, report["verdict"]) == (1, "recording, but for another receiver")
    assert f"streams to {standing.url}, not to {other.url}" in report["checks"]["receiver"]["advice"]


def test_a_file_does_not_stand_in_for_a_stream(tmp_path: Path, standing: RunningReceiver, collector: Start) -> None:
    collector(tmp_path / "vm.json", "--frequency", "200ms")
    done = perfkit("preflight", "--server", standing.url, "--apikey", standing.key, "--", "touch", "started", cwd=tmp_path)
    assert done.returncode == 2
    assert "no collector streams to" in done.stderr and "the load was not started" in done.stderr
    assert not (tmp_path / "started").exists()


def test_of_several_collectors_none_is_chosen_and_all_are_named(
    tmp_path: Path, standing: RunningReceiver, streaming: Start, collector: Start
) -> None:
    collector(tmp_path / "vm.json", "--frequency", "200ms")
    streaming(standing.url, standing.key)
    for command in (["preflight"], ["preflight", "--", "true"], ["mark", "here"], ["preflight", "--watch"]):
        done = (perfkit if "--" in command else in_process)(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert "vm.json (process" in done.stderr and "vm-a.spool (process" in done.stderr and "--collection" in done.stderr


def test_watching_a_stream_ends_with_it(tmp_path: Path, standing: RunningReceiver, streaming: Start) -> None:
    command = [sys.executable, "-m", "perfkit", "preflight", "--watch", *PATIENT]
    run = subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    streaming(standing.url, standing.key, "--duration", "10s")
    stdout, stderr = run.communicate(timeout=200)
    assert run.returncode == 0, stdout + stderr
    assert stdout.splitlines()[-1].endswith("the collector has ended (duration)")
    assert os.listdir(tmp_path / "vm-a.spool") == ["lock"]


def test_samples_in_a_batch_that_was_rejected_are_missing(tmp_path: Path, streaming: Start) -> None:
    with serving() as server:
        streaming(server.url, "a-key-of-some-length")
        run = guarded(tmp_path, "--", "sh", "-c", "touch started; while ! [ -e end ]; do sleep 0.1; done")
        wait_for((tmp_path / "started").exists)
        wait_for(lambda: len(server.taken) > 0)
        server.script += [OK] * 5 + [(422, {}, b'{"error":"no"}')] * 10
        wait_for(lambda: not server.script)
        (tmp_path / "end").touch()
        stdout, _ = run.communicate(timeout=200)
    found = reports(stdout)[-1]
    assert run.returncode == 1, stdout
    assert "rejected" in found["checks"]["recorded"]["advice"]
    assert found["certificate"]["gaps"] >= 1


def test_what_is_no_spool_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    done = in_process("preflight", "--spool", "folder", cwd=tmp_path)
    assert done.returncode == 2
    assert "neither a collection nor a spool" in done.stderr
    assert in_process("preflight", "--spool", "none", cwd=tmp_path).returncode == 2


def test_a_record_of_acknowledgements_is_followed_through_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files it went through; two are kept, and none outlives the run."""
    monkeypatch.setattr(acknowledged, "MAX_SIZE", 10_000)
    record, said = Acknowledged(str(tmp_path), print), []
    session = {"format": 1, "pid": 1, "started": 100.0, "frequency": 1.0, "machine_id": "m", "boot_id": "b", "part": 0}
    record.add([encode_json(1000, 0, 100.0, SESSION, session).rstrip()])
    follow = Follow(Path(acknowledged_in(str(tmp_path))[0]))
    for tick in range(500):
        record.add([encode(1000 + tick, 0, 100.0 + tick, "/proc/stat", b"cpu 1 2 3 4\n" * 10).rstrip()])
        if tick % 7 == 0:
            follow.read()
            said.append(len(acknowledged_in(str(tmp_path))))
    record.close()
    follow.read()
    follow.close()
    found = follow.state.certificate(held=True)
    assert (found.samples, found.samples_expected, found.ended) == (500, 500, "still recording")
    assert set(said) == {1, 2}
    assert acknowledged_in(str(tmp_path)) == []
    assert len(follow.state.recordings) == 2, "the first one is empty: no line came before the session's"
