"""Keys: who may send, and for whom."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from perfkit.errors import BadInput, Failed
from perfkit.receive.keys import KeyFile, KeyRing, pcd_key_file


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "private" / "keys.json")


def test_a_key_is_printed_once_and_stored_as_a_hash_that_only_the_owner_can_read(file: KeyFile) -> None:
    key = file.add("lab")
    assert key.split("_", 2)[2] not in file.path.read_text()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_a_key_opens_until_it_is_revoked_or_expires(file: KeyFile) -> None:
    ring = KeyRing(file)
    lasting, passing = file.add("lasting", site="s"), file.add("passing", expires=1000)
    found = ring.check(lasting, 10_000.0)
    assert found and (found.name, found.site) == ("lasting", "s")
    assert ring.check(passing, 999.0)
    assert ring.check(passing, 1000.0) is None
    file.revoke("lasting")
    assert ring.check(lasting, 0.0) is None


@pytest.mark.parametrize("wrong", ["", "pk", "pk__", "x" * 100_000, "pk_{id}_", "pk_{id}_wrong", "{key}x", "\udc80"])
def test_nothing_but_the_key_itself_opens(file: KeyFile, wrong: str) -> None:
    key = file.add("lab")
    assert KeyRing(file).check(wrong.format(key=key, id=key.split("_")[1]), 0.0) is None


def test_a_name_is_taken_once(file: KeyFile) -> None:
    file.add("lab")
    with pytest.raises(BadInput, match="already"):
        file.add("lab")
    with pytest.raises(BadInput, match="no key named"):
        file.revoke("other")
    with pytest.raises(BadInput):
        file.add("two\nlines")


def test_keys_added_at_once_are_all_there(file: KeyFile) -> None:
    threads = [threading.Thread(target=file.add, args=(f"k{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.read()) == 16


@pytest.mark.parametrize(("content", "sentence"), [("{", "damaged"), ('{"version":1,"keys":[{}]}', "damaged"), ('{"version":9}', "newer")])
def test_a_file_that_cannot_be_understood_is_named_in_a_sentence(file: KeyFile, content: str, sentence: str) -> None:
    file.add("lab")
    file.path.write_text(content)
    with pytest.raises(Failed, match=sentence):
        file.read()


def test_a_file_that_breaks_under_a_running_server_locks_nobody_out(file: KeyFile) -> None:
    key = file.add("lab")
    ring = KeyRing(file)
    whole = file.path.read_bytes()
    file.path.write_text("{")
    assert ring.check(key, 0.0)
    file.path.write_bytes(whole)
    file.revoke("lab")
    assert ring.check(key, 0.0) is None


def test_pcds_plain_keys_are_accepted_from_8_characters_on(file: KeyFile, tmp_path: Path) -> None:
    plain = tmp_path / "apikeys"
    ring = KeyRing(file, plain)
    assert ring.check("12345678", 0.0) is None
    plain.write_text("# old keys\n\n  12345678  \nshort\n")
    assert ring.check("12345678", 0.0)
    assert ring.check("short", 0.0) is None
    assert ring.check("# old keys", 0.0) is None
    plain.write_text("")
    assert ring.check("12345678", 0.0) is None


def test_a_key_bound_to_identifiers_speaks_for_them_alone(file: KeyFile) -> None:
    key = KeyRing(file).check(file.add("lab", identifiers=("a", "b")), 0.0)
    assert key and key.allows("a") and key.allows("b") and not key.allows("c")


@pytest.mark.parametrize("site", ["", " ", "a\nb", "x" * 201])
def test_a_key_has_a_site_that_can_be_one(file: KeyFile, site: str) -> None:
    with pytest.raises(BadInput, match="the site"):
        file.add("lab", site=site)
    assert not file.path.exists()


@pytest.mark.parametrize(
    ("environment", "path"),
    [({}, "home/.pcd/apikeys"), ({"PCD_HOME": "pcd"}, "pcd/apikeys"), ({"PCD_HOME": "pcd", "PCD_APIKEYS_FILE": "keys"}, "keys")],
)
def test_pcds_keys_are_where_pcds_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], path: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in environment.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    assert pcd_key_file() == tmp_path / path
