"""What both web servers hold against strangers."""

from __future__ import annotations

import pytest

from perfkit.units import is_loopback
from perfkit.web import Throttle, host_name, is_foreign, is_navigation, names_us, source_of

TRIES, SECONDS = 10, 6.0


def test_tries_are_limited_and_the_limit_wears_off() -> None:
    throttle = Throttle(TRIES, SECONDS)
    assert [throttle.take("10.0.0.1", 0.0) for _ in range(TRIES)] == [None] * TRIES
    assert throttle.take("10.0.0.1", 0.0) == SECONDS
    assert throttle.take("10.0.0.1", SECONDS) is None
    assert throttle.take("10.0.0.1", SECONDS) == SECONDS


def test_a_try_counts_before_it_is_judged_and_a_right_one_is_given_back() -> None:
    """So many at once get no further than one after the other."""
    throttle = Throttle(TRIES, SECONDS)
    for _ in range(5 * TRIES):
        assert throttle.take("10.0.0.1", 0.0) is None
        throttle.give_back("10.0.0.1", 0.0)


def test_one_address_does_not_stop_another_nor_what_was_right_before() -> None:
    throttle = Throttle(TRIES, SECONDS)
    throttle.prove("10.0.0.1", "known")
    for _ in range(TRIES + 1):
        throttle.take("10.0.0.1", 0.0)
    assert throttle.is_proven("10.0.0.1", "known")
    assert not throttle.is_proven("10.0.0.1", "guessed")
    assert not throttle.is_proven("10.0.0.2", "known")
    assert throttle.take("10.0.0.2", 0.0) is None


def test_a_million_addresses_take_no_more_memory_than_some_thousand() -> None:
    throttle = Throttle()
    for number in range(20_000):
        throttle.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
        throttle.prove("10.0.0.1", str(number))
    assert len(throttle) <= 2 * 16_384


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff%eth0", "2001:db8::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("", ""),
        ("x" * 100, "x" * 64),
    ],
)
def test_one_ipv6_network_counts_as_one_address(address: str, source: str) -> None:
    assert source_of(address) == source


@pytest.mark.parametrize(
    ("host", "is_so"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "[::1]", "::1", "localhost", "LOCALHOST")),
        *((host, False) for host in ("localhost.example", "10.0.0.1", "0.0.0.0", "", "127.0.0.1.nip.io")),
    ],
)
def test_loopback_is_this_machine_alone(host: str, is_so: bool) -> None:
    assert is_loopback(host) is is_so


@pytest.mark.parametrize(
    ("header", "name"),
    [("localhost:8000", "localhost"), ("LocalHost", "localhost"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a.b.:1", "a.b"), ("", "")],
)
def test_a_host_header_names_a_host(header: str, name: str) -> None:
    assert host_name(header) == name
    assert names_us(header) is (name in ("localhost", "[::1]"))


HERE = {"host": "127.0.0.1:8000"}


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "anything new"}, True),
        ({"origin": "http://127.0.0.1:8000"}, False),
        ({"origin": "http://127.0.0.1:3000"}, True),
        ({"origin": "http://evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
    ],
)
def test_a_browser_says_when_another_site_asks(headers: dict[str, str], foreign: bool) -> None:
    assert is_foreign(HERE | headers) is foreign


@pytest.mark.parametrize(
    ("method", "mode", "destination", "is_so"),
    [
        ("GET", "navigate", "document", True),
        ("HEAD", "navigate", "document", True),
        ("POST", "navigate", "document", False),
        ("GET", "navigate", "iframe", False),
        ("GET", "navigate", "object", False),
        ("GET", "no-cors", "image", False),
        ("GET", "cors", "empty", False),
        ("GET", "no-cors", "document", False),
    ],
)
def test_a_link_that_is_followed_is_told_from_what_a_page_fetches(method: str, mode: str, destination: str, is_so: bool) -> None:
    assert is_navigation(method, {"sec-fetch-mode": mode, "sec-fetch-dest": destination}) is is_so
