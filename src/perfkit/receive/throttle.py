"""Failed keys are limited per address, in bounded memory, so that guessing is slow and nobody else notices."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

TRIES = 10
"""Failures that an address has at once."""
SECONDS_A_TRY = 6.0
"""After that, one more in this time."""
_ADDRESSES = 4096
_PROVEN = 16384


class Throttle:
    """Token buckets for failures; times are seconds of any steady clock.

    A key that has worked from an address keeps working while that address is held back: a stranger behind the same
    gateway cannot lock out those who were there, and a guess that happens to be right is not answered as such.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._proven: OrderedDict[tuple[str, str], None] = OrderedDict()

    def held_back(self, address: str, key_id: str | None, now: float) -> int | None:
        """Seconds until `address` may try a key again; None if it may now, or if the key has worked from there before."""
        source = _source(address)
        if key_id is not None and (source, key_id) in self._proven:
            return None
        level = self._level(source, now)
        return None if level + 1 <= TRIES else max(1, round((level + 1 - TRIES) * SECONDS_A_TRY))

    def failed(self, address: str, now: float) -> None:
        """Count a wrong key from `address`."""
        source = _source(address)
        self._failures[source] = (self._level(source, now) + 1, now)
        self._failures.move_to_end(source)
        if len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, key_id: str) -> None:
        """Remember that a key works from `address`."""
        proven = (_source(address), key_id)
        self._proven[proven] = None
        self._proven.move_to_end(proven)
        if len(self._proven) > _PROVEN:
            self._proven.popitem(last=False)

    def _level(self, source: str, now: float) -> float:
        level, since = self._failures.get(source, (0.0, now))
        return max(0.0, level - (now - since) / SECONDS_A_TRY)


def _source(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
