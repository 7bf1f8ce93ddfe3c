"""Durations, sizes, instants and hosts as people type and read them. Target tier: standard library, Python 3.9."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from perfkit.errors import BadInput

FOREVER = 1 << 53  # ms since the epoch; JavaScript knows it too
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 1e10  # seconds, some 300 years
_BYTES = {"": 1, "B": 1, "K": 1 << 10, "KB": 1 << 10, "M": 1 << 20, "MB": 1 << 20, "G": 1 << 30, "GB": 1 << 30}
_PART = rf"(\d+(?:\.\d*)?|\.\d+)\s*({'|'.join(sorted(_SECONDS, key=len, reverse=True))})"
_NUMBER_AND_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def parse_duration(text: str, *, zero: bool = False) -> float:
    """Seconds of "500ms", "1s", "10m", "24h" or "7d", and of several together as Go writes them: "1h30m", "2m0.5s".

    With `zero`, "0s" and "0" are 0. Raises BadInput for anything else, a bare number included: a duration always has a unit.
    """
    parts = re.findall(_PART, text)
    if zero and text.strip() == "0":
        return 0.0
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not re.fullmatch(rf"\s*({_PART}\s*)+", text) or not (zero or seconds > 0) or seconds > _LONGEST:
        raise BadInput(f"{text!r} is not a duration; write a number and a unit: 500ms, 1s, 10m, 24h, 7d.")
    return seconds


def parse_size(text: str) -> int:
    """Bytes of "500MB", "2G" or "1048576"; units are powers of 1024, in either case.

    Raises BadInput for anything else, and for zero.
    """
    found = _NUMBER_AND_UNIT.fullmatch(text)
    size = int(float(found[1]) * _BYTES.get(found[2].upper(), 0)) if found else 0
    if size <= 0:
        raise BadInput(f"{text!r} is not a size; write a number and a unit: 500MB, 2GB.")
    return size


def parse_instant(text: str) -> int:
    """Milliseconds since the epoch of "2026-01-01T12:00:00Z", "2026-01-01 12:00", "2026-01-01" or Unix seconds; UTC if it names no zone.

    Raises BadInput for anything else.
    """
    if text.isdecimal() and len(text) > 8:
        return int(text) * 1000
    try:
        return parse_iso(text)
    except ValueError:
        raise BadInput(f"{text!r} is not an instant; write it as 2026-01-01T12:00:00Z.") from None


def iso(milliseconds: int) -> str:
    """An instant as every file and page of perfkit has it: "2026-01-01T00:00:00.001Z"."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 instant; UTC if it names no zone. Raises ValueError for anything else."""
    instant = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text.strip()))
    return round((instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)).timestamp() * 1000)


def format_duration(seconds: float) -> str:
    """At most two neighbouring units, the last one rounded: "2 m 10 s", "1 d 3 h", "250 ms"; as `span` of the pages' format.js."""
    if round(seconds * 1000) < 1000:
        return f"{seconds * 1000:.0f} ms"
    whole = int(seconds + 0.5)
    shown = 1 if whole < 3600 else 60 if whole < 86400 else 3600
    whole = int(whole / shown + 0.5) * shown
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "m"), (whole % 60, "s")]
    first = next(i for i, (n, _) in enumerate(parts) if n)
    return " ".join(f"{n} {unit}" for n, unit in parts[first : first + 2] if n)


def format_bytes(size: float) -> str:
    """Binary prefixes, three significant figures: "512 B", "1.46 KiB", "24.4 MiB"."""
    if abs(size) < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if abs(size) < 1024 or unit == "TiB":
            break
    return f"{size:.{2 if abs(size) < 10 else 1 if abs(size) < 100 else 0}f} {unit}"


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address with or without brackets, is this machine as seen from itself."""
    import ipaddress

    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
