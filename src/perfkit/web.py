"""What both web servers, the receiver and the dashboard, hold against strangers: guessing, and pages of other sites. Desk tier."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from perfkit.units import is_loopback

_REMEMBERED = 16_384


@dataclass
class Throttle:
    """Tries per source (an address, a name), in bounded memory: `tries` at once, then one more every `seconds_a_try`.

    A try is counted before it is judged, so that many at once get no further than one after the other; one that turns out to be right
    is given back. What has been right from a source before may try always: a stranger behind the same gateway locks nobody out.
    Times are seconds of any steady clock. (The library `limits` remembers sources without bound and knows no such exception.)
    """

    tries: int = 10
    seconds_a_try: float = 6.0
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _proven: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    def take(self, source: str, now: float) -> int | None:
        """Count a try of `source`; seconds until it may try (and then nothing is counted), None if it may now."""
        level = self._level(source, now)
        if level + 1 > self.tries:
            return max(1, round((level + 1 - self.tries) * self.seconds_a_try))
        _remember(self._levels, source, (level + 1, now))
        return None

    def give_back(self, source: str, now: float) -> None:
        """A try of `source` was right, and does not count."""
        _remember(self._levels, source, (max(0.0, self._level(source, now) - 1), now))

    def prove(self, source: str, what: str) -> None:
        """Remember that `what` (a key, a user) was right from `source`."""
        _remember(self._proven, (source, what), None)

    def is_proven(self, source: str, what: str) -> bool:
        """Whether `what` was right from `source` before."""
        return (source, what) in self._proven

    def __len__(self) -> int:
        """How many sources and pairs are remembered."""
        return len(self._levels) + len(self._proven)

    def _level(self, source: str, now: float) -> float:
        level, since = self._levels.get(source, (0.0, now))
        return max(0.0, level - (now - since) / self.seconds_a_try)


def _remember(known: OrderedDict[Any, Any], key: object, value: object) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > _REMEMBERED:
        known.popitem(last=False)


def source_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def host_name(host: str) -> str:
    """The name or address in a Host header, without its port, in lower case."""
    bracket = host.rfind("]")
    return (host[: bracket + 1] if bracket >= 0 else host.partition(":")[0]).lower().rstrip(".")


def names_us(host: str, further: frozenset[str] = frozenset()) -> bool:
    """Whether a Host header names this machine from within, or is one of `further`.

    A page of another site can give its own name our address (DNS rebinding), but it cannot change the name that the browser sends.
    """
    name = host_name(host)
    return is_loopback(name) or name in further


def is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another site sent this request.

    Fetch Metadata says so where the browser sends it (to HTTPS and to loopback addresses); the origin does in all others. Another
    port of this machine is another site too. A program that is no browser sends neither.
    """
    if site := headers.get("sec-fetch-site"):
        return site not in ("none", "same-origin")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def is_navigation(method: str, headers: Mapping[str, str]) -> bool:
    """Whether a person follows a link to here: a whole page, not a frame, an image or a script's request."""
    return method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
