"""The commands: `users`, and `serve` as it is run, with its one-time link."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from perfkit.serve.address import Address
from support import asking
from support.running import ENVIRONMENT
from support.seed import fill

SOURCE = Path(__file__).parents[2] / "src"
PASSWORD = "correct horse battery"
PATIENCE = 120  # seconds: a busy machine is no failure


def perfkit(*words: object, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "perfkit", *map(str, words)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )


@pytest.fixture
def database(tmp_path):
    """A minute of one machine."""
    fill(tmp_path / "perfkit.db", seconds=60)
    return tmp_path / "perfkit.db"


@pytest.fixture
def serving(database):
    """`serving(*options)`: the URL that a real `serve` of the dashboard alone prints; it is interrupted at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> str:
        command = [sys.executable, "-m", "perfkit", "serve", "--no-receive", "--db", str(database), *options]
        env = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        started.append(process)
        for line in process.stdout:
            if found := re.search(r"Dashboard of .*: (https?://\S+)", line):
                return found[1]
        raise AssertionError("serve printed no URL")

    yield start
    for process in started:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)


def test_serve_prints_the_url_and_shows_the_machine(serving):
    """On loopback nobody logs in."""
    url = serving("--listen", "127.0.0.1:0")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
    assert "vm-a" in asking.get(url, timeout=PATIENCE).text


def test_serve_on_every_address_needs_a_user(database):
    """Exit code 2 and the command that adds one."""
    done = perfkit("serve", "--no-receive", "--db", database, "--listen", "0.0.0.0:0")
    assert done.returncode == 2
    assert "users add NAME" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_printed_link_logs_the_owner_in_once(serving, database):
    """With a user there, `serve` on every address starts, and its link opens the dashboard a single time."""
    assert perfkit("users", "add", "ada", "--role", "admin", "--password-stdin", "--db", database, text=f"{PASSWORD}\n").returncode == 0
    url = serving("--listen", "0.0.0.0:0")
    port, token = re.fullmatch(r"http://[^:]+:(\d+)/-/once\?token=(\S+)", url).groups()
    with (
        asking.client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as owner,
        asking.client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as other,
    ):
        assert owner.get("/").status_code == 302
        owner.get(f"/-/once?token={token}")
        assert "vm-a" in owner.get("/").text
        other.get(f"/-/once?token={token}")
        assert other.get("/").status_code == 302


def test_users_are_added_listed_and_removed(tmp_path):
    """The password is nowhere in what is printed or kept."""
    database = tmp_path / "perfkit.db"
    added = perfkit("users", "add", "vera", "--password-stdin", "--db", database, text=f"{PASSWORD}\n")
    assert added.stdout == "vera may log in as viewer.\n"
    listed = perfkit("users", "list", "--db", database).stdout
    assert re.search(r"vera +viewer", listed)
    assert PASSWORD not in added.stdout + listed + (tmp_path / "users.json").read_text()
    assert perfkit("users", "remove", "vera", "--db", database).returncode == 0
    assert "No logins" in perfkit("users", "list", "--db", database).stdout


@pytest.mark.parametrize(
    ("words", "text", "sentence"),
    [
        (("add", "a b"), PASSWORD, "cannot be a user's name"),
        (("add", "ada", "--role", "king"), PASSWORD, "is not a role"),
        (("add", "ada"), "short", "at least 10"),
        (("remove", "nobody"), "", "no user 'nobody'"),
    ],
)
def test_wrong_users_are_refused_in_a_sentence(tmp_path, words, text, sentence):
    """Exit code 2, no traceback, no file."""
    stdin = ("--password-stdin",) if words[0] == "add" else ()
    done = perfkit("users", *words, *stdin, "--db", tmp_path / "perfkit.db", text=f"{text}\n")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "users.json").exists()


def test_no_part_of_an_answer_waits_for_another():
    """An answer is a head and a body: the kernel must not hold the body back until the head is acknowledged (Nagle's algorithm)."""
    with Address("127.0.0.1", 0).bind("--listen") as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_dashboard_loads_nothing_that_it_never_uses():
    """Datasette's registry of units takes as long as all the rest of a start, and httpx's command line brings two libraries along."""
    script = "import sys; from perfkit.dashboard import app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=100, check=True
    ).stdout.split()
    assert "datasette.views.table" in loaded
    assert [one for one in loaded if one.startswith(("datasette.vendored.pint.", "rich.console", "pygments"))] == []
