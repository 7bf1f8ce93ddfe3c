"""Guessing passwords: counted before they are checked, and nobody else is kept out by it."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

import pytest

from perfkit.dashboard.logins import ADDRESS_TRIES, MOST_OF_ONE, NAME_TRIES, Logins, TryLater
from perfkit.dashboard.users import Users
from support import asking
from support.at_once import run_apart
from support.seed import fill

PASSWORD = "correct horse battery"
PATIENCE = 120


class CountingUsers(Users):
    """Users whose passwords cost nothing to check, and that count how often one was."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.checked = 0
        self.lock = threading.Lock()

    def check(self, name: str, password: str) -> object:  # type: ignore[override]
        with self.lock:
            self.checked += 1
        return self.get(name) if password == PASSWORD else None


@pytest.fixture(scope="module")
def users_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logins") / "users.json"
    Users(path).put("vera", "viewer", PASSWORD)
    Users(path).put("ada", "admin", PASSWORD)
    return path


@pytest.fixture
def users(users_file: Path) -> CountingUsers:
    return CountingUsers(users_file)


async def outcome(logins: Logins, address: str, name: str, password: str) -> str:
    try:
        return "in" if await logins.check(address, name, password) else "wrong"
    except TryLater:
        return "later"


def attempts(logins: Logins, *tries: tuple[str, str, str]) -> list[str]:
    """What becomes of (address, name, password) tries that are made at once."""

    async def at_once() -> list[str]:
        return await asyncio.gather(*(outcome(logins, *one) for one in tries))

    return run_apart(at_once())


def test_passwords_that_are_sent_at_once_get_no_further_than_one_after_the_other(users: CountingUsers) -> None:
    """Of 120, ten are looked at, and the right one among the rest is not."""
    logins = Logins(users, clock=lambda: 0.0)
    found = attempts(logins, *[("10.0.0.9", "vera", "wrong")] * 119, ("10.0.0.9", "vera", PASSWORD))
    assert (found.count("wrong"), found.count("later")) == (ADDRESS_TRIES, 120 - ADDRESS_TRIES)
    assert users.checked == ADDRESS_TRIES


def test_wrong_guesses_from_one_address_lock_nobody_out_at_another(users: CountingUsers) -> None:
    """Neither who has been there before nor who comes there for the first time; also after hours of guessing."""
    now = 0.0
    logins = Logins(users, clock=lambda: now)
    for _ in range(2000):
        attempts(logins, ("10.0.0.9", "vera", "wrong"))
        now += 4.0
    assert attempts(logins, ("10.0.0.1", "vera", PASSWORD)) == ["in"]
    assert users.checked < 2000


def test_many_addresses_together_are_slowed_down_at_one_name_and_who_was_right_there_before_is_not(users: CountingUsers) -> None:
    logins = Logins(users, clock=lambda: 0.0)
    assert attempts(logins, ("10.0.0.1", "vera", PASSWORD)) == ["in"]
    found = attempts(logins, *((f"10.0.{i}.2", "vera", "wrong") for i in range(NAME_TRIES + 20)))
    assert found.count("later") == 20
    assert attempts(logins, ("10.0.7.7", "vera", PASSWORD)) == ["later"]
    assert attempts(logins, ("10.0.0.1", "vera", PASSWORD)) == ["in"]
    assert attempts(logins, ("10.0.7.7", "ada", PASSWORD)) == ["in"]


def test_a_right_password_from_where_it_was_right_before_is_never_refused(users: CountingUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever strangers behind the same gateway try, at that name or at others."""
    monkeypatch.setattr("perfkit.dashboard.logins._PAUSE_SECONDS", 0.0)
    logins = Logins(users, clock=lambda: 0.0)
    assert attempts(logins, ("10.0.0.1", "vera", PASSWORD)) == ["in"]
    for name in ("vera", "ada", "nobody"):
        for _ in range(40):
            attempts(logins, ("10.0.0.1", name, "wrong"))
        assert attempts(logins, ("10.0.0.1", "vera", PASSWORD)) == ["in"]
    assert attempts(logins, ("10.0.0.1", "ada", PASSWORD)) == ["later"], "a name that was never right from there"


def test_what_waits_is_bounded(users: CountingUsers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perfkit.dashboard.logins._PAUSE_SECONDS", 0.0)
    logins = Logins(users, clock=lambda: 0.0)
    attempts(logins, ("10.0.0.1", "vera", PASSWORD))
    found = attempts(logins, *[("10.0.0.1", "vera", "wrong")] * 100)
    assert found.count("wrong") == MOST_OF_ONE
    found = attempts(logins, *((f"10.1.{i // 200}.{i % 200}", f"name {i}", "wrong") for i in range(400)))
    assert 0 < found.count("later") < 400


def test_a_password_longer_than_any_is_not_hashed(users: CountingUsers) -> None:
    assert attempts(Logins(users), ("10.0.0.1", "vera", "x" * 2000)) == ["wrong"]
    assert users.checked == 0


def log_in(url: str, name: str, password: str) -> int:
    with asking.client(base_url=url, timeout=PATIENCE) as browser:
        token = re.search(r'name="csrftoken" value="([^"]+)"', browser.get("/-/login").text)
        assert token
        return browser.post("/-/login", data={"csrftoken": token[1], "username": name, "password": password}).status_code


def test_a_flood_of_guesses_does_not_stop_another_users_page_or_login(tmp_path, serve) -> None:
    """Over HTTP, with real hashes: 120 wrong passwords at once; meanwhile the other user's page answers."""
    fill(tmp_path / "perfkit.db", seconds=60)
    Users.beside(tmp_path / "perfkit.db").put("vera", "viewer", PASSWORD)
    site = serve(tmp_path / "perfkit.db", login=True)
    assert log_in(site.url, "vera", PASSWORD) == 303
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(log_in(site.url, "nobody", "wrong password"))) for _ in range(120)]
    for thread in threads:
        thread.start()
    assert asking.get(f"{site.url}/-/login", timeout=PATIENCE).status_code == 200
    assert log_in(site.url, "vera", PASSWORD) == 303
    for thread in threads:
        thread.join()
    # A token more comes back every some seconds, however slow the machine is.
    assert set(statuses) == {401, 429}
    assert statuses.count(429) > 60
    assert log_in(site.url, "vera", PASSWORD) == 303
