"""What one request, one address and the whole receiver may use."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, times in seconds. The defaults carry a thousand collectors at one sample a second."""

    body: int = 8 * MEGABYTE
    """A request's body as it comes over the wire."""
    unpacked: int = 32 * MEGABYTE
    """The same body after gunzip."""
    lines: int = 20_000
    """Measurements in one batch."""
    upload: int = 512 * MEGABYTE
    """A file sent to the upload address."""
    in_flight: int = 64 * MEGABYTE
    """All bodies that are being read or wait for the disk."""
    connections: int = 4096
    """Open connections; one address may hold half of them."""
    head_seconds: float = 10.0
    """How long a client may take to send a request's line and headers."""
    body_seconds: float = 30.0
    """How long it may take to send a batch; an upload gets the same again for every 8 MB."""
    identifiers: int = 10_000
    """Identifiers of one data folder."""
    keep_free: int = 256 * MEGABYTE
    """Disk space that the receiver leaves alone: below it, batches are answered with 503."""
