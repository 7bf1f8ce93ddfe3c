"""Keys and the throttle."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from perfkit.errors import BadInput, Failed
from perfkit.receive.keys import KeyFile, KeyRing
from perfkit.receive.throttle import SECONDS_A_TRY, TRIES, Throttle


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


def test_wrong_keys_are_limited_and_the_limit_wears_off() -> None:
    throttle = Throttle()
    for _ in range(TRIES):
        assert throttle.held_back("10.0.0.1", None, 0.0) is None
        throttle.failed("10.0.0.1", 0.0)
    assert throttle.held_back("10.0.0.1", None, 0.0) == SECONDS_A_TRY
    assert throttle.held_back("10.0.0.1", None, SECONDS_A_TRY) is None


def test_one_address_does_not_lock_out_another_nor_those_who_were_there() -> None:
    throttle = Throttle()
    throttle.succeeded("10.0.0.1", "known")
    for _ in range(TRIES):
        throttle.failed("10.0.0.1", 0.0)
    assert throttle.held_back("10.0.0.1", "known", 0.0) is None
    assert throttle.held_back("10.0.0.1", "guessed", 0.0)
    assert throttle.held_back("10.0.0.2", None, 0.0) is None


def test_one_ipv6_network_counts_as_one_address() -> None:
    throttle = Throttle()
    for number in range(TRIES):
        throttle.failed(f"2001:db8::{number:x}", 0.0)
    assert throttle.held_back("2001:db8::ffff", None, 0.0)
    assert throttle.held_back("2001:db8:0:1::1", None, 0.0) is None


def test_a_million_addresses_take_no_more_memory_than_a_few_thousand() -> None:
    throttle = Throttle()
    for number in range(20_000):
        throttle.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
        throttle.succeeded("10.0.0.1", str(number))
    assert len(throttle._failures) <= 4096
    assert len(throttle._proven) <= 16384
