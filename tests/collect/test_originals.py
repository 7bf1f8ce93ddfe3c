"""The ways of the Go collector: its variables, one-dash options, durations and form of a collection; and keys out of sight."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from collect.test_command import PERFKIT, collecting, environment, perfkit, samples_in, ticks_in, wait_for
from perfkit.apikey import read as read_key
from perfkit.apikey import without_key
from perfkit.collection import MARK, SESSION
from perfkit.errors import BadInput
from perfkit.originals import without_effect
from perfkit.units import parse_duration
from support.proc import read
from support.unkind_server import serving

KEY = "correct-horse"


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h30m", 5400.0), ("2m0.5s", 120.5), ("1m500ms", 60.5), ("100us", 0.0001), ("1h", 3600.0)], ids=str
)
def test_durations_as_go_writes_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["1", "1h30", "h", "-1s", "1s-", "", "0s", "1e3s", "99999999999s"], ids=repr)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "0"])
def test_only_a_run_may_last_for_ever(text: str, tmp_path: Path) -> None:
    assert parse_duration(text, zero=True) == 0
    with collecting(tmp_path, "--frequency", "50ms", "--duration", text) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    assert read(tmp_path / "run.json", SESSION)[0].json()["duration"] is None


@pytest.mark.parametrize(
    "words",
    [
        ("-collection", "a.json", "-duration", "100ms", "-frequency", "50ms"),
        ("-collection=a.json", "-duration=100ms", "--frequency=50ms"),
    ],
    ids=["words", "equals"],
)
def test_options_with_one_dash(words: tuple[str, ...], tmp_path: Path) -> None:
    done = perfkit("collect", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ticks_in(tmp_path / "a.json") == 3


@pytest.mark.parametrize(
    "variables",
    [
        {"PCC_COLLECTION": "a.json", "PCC_DURATION": "100ms", "PCC_FREQUENCY": "50ms", "PCC_MODE": "local"},
        {"PCC_CONTAINER_COLLECTION": "a.json", "PCC_CONTAINER_DURATION": "100ms", "PCC_CONTAINER_FREQUENCY": "50ms"},
        {"PCC_COLLECTION": "a.json", "PCC_CONTAINER_COLLECTION": "b.json", "PCC_DURATION": "100ms", "PCC_FREQUENCY": "50ms"},
    ],
    ids=["host", "containers", "both"],
)
def test_variables_of_pcc_set_what_they_set_there(variables: dict[str, str], tmp_path: Path) -> None:
    done = perfkit("collect", cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert ticks_in(tmp_path / "a.json") == 3
    assert ("PCC_CONTAINER_COLLECTION has no effect" in done.stderr) == ("b.json" in variables.values())


def test_the_names_of_server_and_machine(tmp_path: Path) -> None:
    variables = {"PCC_MODE": "trickle", "PCC_APIKEY": KEY, "PCC_MACHINE_NAME": "vm-7", "PCC_DURATION": "100ms", "PCC_FREQUENCY": "50ms"}
    with serving() as server:
        done = perfkit("collect", cwd=tmp_path, PCC_SERVER_URL=server.url, **variables)
        assert done.returncode == 0, done.stderr
        assert {request["body"]["identifier"] for request in server.requests} == {"vm-7"}


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PCC_LOGLEVEL": "debug"}, ["PCC_LOGLEVEL"]),
        ({"PCC_LOGLEVEL": "INFO", "PCC_SERIALIZATION": "json", "PCC_COMPRESSION": "gzip"}, []),
        ({"PCC_BENCHMARK_TYPE": "cpu", "PCC_CONTAINER_RUNTIME": "docker"}, ["PCC_BENCHMARK_TYPE", "PCC_CONTAINER_RUNTIME"]),
        ({"PCC_BINARY": "/opt/pcc", "PCC_CONTAINER_BINARY": "/opt/pcc", "PATH": "/bin", "PCC_LOGLEVEL": ""}, []),
        ({"PCC_SERVER": "a", "PCC_SERVER_URL": "b", "PCC_IDENTIFIER": "x", "PCC_MACHINE_NAME": "x"}, ["PCC_SERVER_URL"]),
    ],
    ids=["level", "as we do", "no equal", "of the script", "twice"],
)
def test_a_variable_that_changes_nothing_is_named(variables: dict[str, str], named: list[str]) -> None:
    assert [sentence.split()[0] for sentence in without_effect("collect", variables)] == named


def test_pccs_form_has_pccs_lines_alone_and_its_marks_beside(tmp_path: Path) -> None:
    with collecting(tmp_path, "--format", "pcc", "--frequency", "50ms", samples=3) as process:
        assert perfkit("mark", "warm-up", "--kind", "start", cwd=tmp_path).returncode == 0
        wait_for((tmp_path / "run.json.marks.json").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
    lines = [json.loads(line) for line in (tmp_path / "run.json").read_text().splitlines()]
    assert {tuple(line) for line in lines} == {("timestamp", "subsystem", "measurement")}
    samples = samples_in(tmp_path / "run.json")
    names = [line["subsystem"] for line in lines]
    every = ("/proc/stat", "/proc/meminfo", "/proc/net/dev", "/proc/diskstats")
    assert {name: names.count(name) for name in every} == dict.fromkeys(every, samples)
    assert set(names) - set(every) <= {"/proc/cpuinfo", "statfs[*]"}
    assert names.count("statfs[*]") in (0, samples)  # 0 where no file system of this machine can be asked
    softirq = next(row for row in lines[names.index("/proc/stat")]["measurement"].splitlines() if row.startswith("softirq"))
    assert len(softirq.split()) > 2
    (mark,) = read(tmp_path / "run.json.marks.json")
    assert (mark.subsystem, mark.json()) == (MARK, {"label": "warm-up", "kind": "start"})


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (["collect", "--apikey", "k"], ["collect", "--apikey", "..."]),
        (["collect", "--apikey=k", "x"], ["collect", "--apikey=...", "x"]),
        (["collect", "-apikey", "--apikey"], ["collect", "-apikey", "..."]),
        (["collect", "--apikey-file", "k"], ["collect", "--apikey-file", "k"]),
        (["preflight", "--apikey", "k", "--", "x", "--apikey", "y"], ["preflight", "--apikey", "...", "--", "x", "--apikey", "y"]),
        (["collect", "--apikey"], ["collect", "--apikey"]),
    ],
    ids=["word", "equals", "one dash", "file", "a load's own", "missing"],
)
def test_a_key_is_not_shown(typed: list[str], shown: list[str]) -> None:
    assert without_key(typed) == shown


@pytest.mark.parametrize("words", [("--apikey", KEY), (f"--apikey={KEY}",), ("-apikey", KEY)], ids=["word", "equals", "one dash"])
def test_a_key_on_the_command_line_is_hidden_there_with_a_warning(words: tuple[str, ...], tmp_path: Path) -> None:
    fifo = tmp_path / "ca.pem"  # nobody writes into it: the command waits there, before recording starts
    os.mkfifo(fifo)
    with serving() as server:
        address = server.url.replace("http:", "https:")
        command = [*PERFKIT, "preflight", "--server", address, "--cacert", str(fifo), *words]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stderr
            warning = process.stderr.readline()
            assert "a key on the command line is seen by every user of this machine, and has been hidden again" in warning
            cmdline = Path(f"/proc/{process.pid}/cmdline").read_text()
            assert KEY not in cmdline and "apikey" in cmdline
        finally:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("text", ["secret\n", "secret", "\ufeffsecret\r\nmore\n", "  secret  \n"], ids=repr)
def test_a_keys_file_is_read_as_people_write_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text, encoding="utf-8", newline="")
    assert read_key("other", tmp_path / "key") == "secret"


@pytest.mark.parametrize("content", [b"", b"\nsecret\n", b"\xff\xfe"], ids=["empty", "second line", "not text"])
def test_a_file_without_a_key_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(BadInput, match="holds no key"):
        read_key(None, tmp_path / "key")
