"""A load behind `preflight --` runs only inside the proof, is marked, watched and certified."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perfkit.process.pipeline import process as process_files
from support.running import ENVIRONMENT, PATIENT, Start, line_with, perfkit, wait_for, wait_until_open


def marks(collection: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in collection.read_bytes().splitlines()]
    return [json.loads(line["measurement"]) for line in lines if line["subsystem"] == "perfkit/mark"]


def certificate(stdout: str) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in json.loads(stdout.splitlines()[-1])["checks"]}


def guarded(file: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "perfkit", "preflight", "--collection", str(file), *PATIENT, *words]
    return subprocess.Popen(command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_load_does_not_start_where_the_proof_fails(tmp_path: Path) -> None:
    done = perfkit("preflight", "--collection", tmp_path / "none.json", "--wait", "200ms", "--", "touch", tmp_path / "started")
    assert done.returncode == 2
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--collection", "none.json", "--wait", "200ms"], 2, "does not exist"),
        (["--wait", "300"], 2, "is not a duration"),
        (["--collection", "vm.json", "--label", ""], 2, "a mark's label"),
        (["--server", "127.0.0.1:9"], 1, "nothing answers"),
    ],
    ids=["no file", "a wrong option", "a wrong label", "no receiver"],
)
def test_a_failure_before_the_load_says_that_it_was_not_started(
    tmp_path: Path, collector: Start, words: list[str], code: int, says: str
) -> None:
    collector(tmp_path / "vm.json", "--frequency", "200ms")
    done = perfkit("preflight", *words, "--", "touch", tmp_path / "started", cwd=tmp_path)
    assert done.returncode == code
    assert says in done.stderr
    assert "the load was not started" in done.stdout + done.stderr
    assert not (tmp_path / "started").exists()


def test_what_is_no_command_was_not_started_either(tmp_path: Path, collector: Start) -> None:
    collector(tmp_path / "vm.json", "--frequency", "200ms")
    (tmp_path / "program").write_bytes(b"\x7fELF rubbish")
    (tmp_path / "program").chmod(0o755)
    done = perfkit("preflight", "--collection", tmp_path / "vm.json", *PATIENT, "--", tmp_path / "program")
    assert done.returncode == 2
    assert "cannot run" in done.stderr and "the load was not started" in done.stderr
    assert [mark["kind"] for mark in marks(tmp_path / "vm.json")] == ["start", "end"]
    assert list(tmp_path.glob("*.log")) == []


def test_marks_name_command_exit_code_and_the_file_with_its_output(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    collector(file, "--frequency", "200ms")
    load = ("sh", "-c", "echo out; echo err >&2; sleep 1; exit 7", "x", "--token", "hunter2")
    done = perfkit("preflight", "--collection", file, *PATIENT, "--label", "spike", "--", *load)
    assert done.returncode == 7
    start, end = marks(file)
    assert (start["label"], start["kind"], end["label"], end["kind"]) == ("spike", "start", "spike", "end")
    assert start["command"] == "sh -c echo out; echo err >&2; sleep 1; exit 7 x --token ***"
    assert "hunter2" not in file.read_text()
    assert end["exit_code"] == 7
    assert (tmp_path / end["output"]).read_text().split() == ["out", "err"]
    assert (tmp_path / end["output"]).stat().st_mode & 0o077 == 0


def test_output_passes_through_unchanged_and_to_the_stream_it_was_written_to(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    collector(file, "--frequency", "200ms")
    script = "import os; os.write(1, bytes(range(256)) * 1000); os.write(2, b'to stderr')"
    command = [
        sys.executable,
        "-m",
        "perfkit",
        "preflight",
        "--json",
        "--collection",
        str(file),
        *PATIENT,
        "--",
        sys.executable,
        "-c",
        script,
    ]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=True)
    assert bytes(range(256)) * 1000 in done.stdout
    assert b"to stderr" in done.stderr


def test_the_certificate_counts_the_samples_of_the_load_and_the_collectors_cost(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    collector(file, "--frequency", "100ms")
    done = perfkit("preflight", "--json", "--collection", file, *PATIENT, "--", "sleep", "2")
    found = certificate(done.stdout)
    present, due = (int(word) for word in found["recorded"]["evidence"].split()[:3:2])
    recorded = [line for line in file.read_text().splitlines() if '"subsystem":"/proc/stat"' in line]
    assert due >= 20
    assert 0 < present <= min(due, len(recorded))
    assert done.returncode == (0 if due - present <= 1 else 1), found
    assert "ms late" in found["lateness"]["evidence"]
    assert "% of a core" in found["cost"]["evidence"]


def test_a_collector_killed_during_the_load_is_told_at_once_and_fails_the_certificate(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    process = collector(file, "--frequency", "200ms")
    load = f"kill -9 {process.pid}; while ! [ -e {tmp_path}/told ]; do sleep 0.1; done; echo survived"
    run = guarded(file, "--json", "--", "sh", "-c", load)
    line_with(run.stderr, "recording lost: the collector has gone")
    assert run.poll() is None
    (tmp_path / "told").touch()
    stdout, _ = run.communicate(timeout=200)
    assert "survived" in stdout
    assert run.returncode == 1
    assert certificate(stdout)["collector"]["state"] == "fail"


TRUST = {  # how the first line starts: how often it was recorded, and the load
    "Recorded ": ("500ms", "sleep 2"),
    "Not to be trusted: ": ("100ms", "kill -STOP {pid}; sleep 2; kill -CONT {pid}; sleep 1"),
}


def test_the_first_line_says_of_trust_what_the_desk_tier_says(tmp_path: Path, collector: Start) -> None:
    """Of a load that was recorded whole, and of one with a hole."""
    said = {}
    for number, (starts, (frequency, load)) in enumerate(TRUST.items()):
        file = tmp_path / f"vm-{number}.json"
        process = collector(file, "--frequency", frequency)
        done = perfkit("preflight", "--collection", file, *PATIENT, "--label", str(number), "--", "sh", "-c", load.format(pid=process.pid))
        process.terminate()
        process.wait()
        lines = done.stdout.splitlines()
        said[str(number)] = next(line for line in lines if line.startswith(("Recorded", "Not to be trusted")))
        assert said[str(number)].startswith(starts)
        assert lines.index(said[str(number)]) < next(n for n, line in enumerate(lines) if "  recorded " in line)
    (result,) = process_files(sorted(tmp_path.glob("vm-*.json")), tmp_path / "out")
    told = {run.label: result.parts[run.window].verdict.sentence for run in result.quality.runs if run.phase is None}
    assert told.keys() == said.keys()
    assert told["0"].endswith(said["0"])
    assert told["1"] == said["1"]


def test_stop_on_loss_ends_the_load_and_all_its_children(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    process = collector(file, "--frequency", "200ms")
    run = guarded(file, "--stop-on-loss", "--", "sh", "-c", f"sleep 300 & echo $! > {tmp_path}/child; kill -9 {process.pid}; wait")
    run.communicate(timeout=200)
    assert run.returncode == 1
    child = Path("/proc") / (tmp_path / "child").read_text().strip()
    wait_for(lambda: not child.exists() or "(zombie)" in (child / "status").read_text())


def test_a_gap_is_told_and_so_is_its_end(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    process = collector(file, "--frequency", "100ms")
    until = f"while ! [ -e {tmp_path}/{{}} ]; do sleep 0.1; done"
    load = f"kill -STOP {process.pid}; {until.format('lost')}; kill -CONT {process.pid}; {until.format('resumed')}"
    run = guarded(file, "--json", "--", "sh", "-c", load)
    for word, said in (("lost", "recording lost: no sample for"), ("resumed", "recording resumed")):
        line_with(run.stderr, said)
        (tmp_path / word).touch()
    stdout, _ = run.communicate(timeout=200)
    found = certificate(stdout)
    assert found["recorded"]["state"] == "fail"
    assert re.match("[1-9][0-9]* gap", found["gaps"]["evidence"])
    assert run.returncode == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 42), (signal.SIGTERM, 43)])
def test_signals_reach_the_load_which_decides_how_it_ends(tmp_path: Path, collector: Start, number: int, code: int) -> None:
    file = tmp_path / "vm.json"
    collector(file, "--frequency", "200ms")
    run = guarded(file, "--", "bash", "-c", f"trap 'exit 42' INT; trap 'exit 43' TERM; touch {tmp_path}/ready; while :; do sleep 0.1; done")
    wait_for((tmp_path / "ready").exists)
    run.send_signal(number)
    stdout, _ = run.communicate(timeout=200)
    assert run.returncode == code
    assert "the load was recorded" in stdout


def test_a_load_killed_by_a_signal_gives_the_code_that_a_shell_gives(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    collector(file, "--frequency", "200ms")
    assert perfkit("preflight", "--collection", file, *PATIENT, "--", "sh", "-c", "sleep 1; kill -9 $$").returncode == 137


def test_what_is_no_command_is_wrong_usage(tmp_path: Path, collector: Start) -> None:
    done = perfkit("preflight", "--", "vm.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "write: preflight FILE -- COMMAND" in done.stderr


def test_a_rotated_collection_is_followed_into_its_next_file(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    collector(file, "--frequency", "500ms", "--max-size", "100KB")
    done = perfkit("preflight", "--json", "--collection", file, *PATIENT, "--", "sleep", "6")
    assert (tmp_path / "vm-002.json").exists()
    assert json.loads(done.stdout.splitlines()[0])["passed"], done.stdout
    assert "recording lost" not in done.stderr, done.stdout
    assert certificate(done.stdout)["collector"]["state"] == "ok"
    assert perfkit("preflight", "--collection", file).returncode == 0, "the first file's name no longer leads to the present one"


def test_watch_ends_with_the_collection_and_says_how(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    run = guarded(file, "--watch")  # started first: however long that takes, it sees the end
    collector(file, "--frequency", "200ms", "--duration", "8s")
    stdout, stderr = run.communicate(timeout=200)
    assert run.returncode == 0, stderr
    assert stdout.splitlines()[-1].endswith("the collection has ended (duration)")


def test_watch_fails_at_once_where_the_collector_is_killed(tmp_path: Path, collector: Start) -> None:
    file = tmp_path / "vm.json"
    process = collector(file, "--frequency", "200ms")
    run = guarded(file, "--watch")
    line_with(run.stdout, ": recording")
    process.kill()
    process.wait()
    stdout, _ = run.communicate(timeout=200)
    assert run.returncode == 1
    assert "the collector has gone" in stdout


@pytest.mark.parametrize("until", ["imported", "watching", "loaded"])
def test_an_interrupt_at_any_moment_is_a_sentence(tmp_path: Path, collector: Start, until: str) -> None:
    """Ctrl-C while it starts, while it watches, and when the load has just ended and the certificate is due."""
    file = tmp_path / "vm.json"
    collector(file, "--frequency", "2s")
    run = guarded(file, "--", "touch", str(tmp_path / "started"))
    if until == "watching":
        wait_until_open(run, file)
    if until == "loaded":
        wait_for((tmp_path / "started").exists)
    run.send_signal(signal.SIGINT)
    stdout, stderr = run.communicate(timeout=200)
    # What the interpreter says before our first line is its own.
    assert not [line for line in stderr.splitlines() if line.lstrip().startswith('File "') and "/perfkit/" in line], stderr
    assert "Traceback" not in stderr or until == "imported"
    if until == "loaded":
        assert "load        exit code" in stdout
    else:
        assert run.returncode in (1, -signal.SIGINT)
        assert not (tmp_path / "started").exists()
    if until == "watching":
        assert "interrupted; the load was not started" in stderr
