"""What the receiver counts, in Prometheus' text form."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

if TYPE_CHECKING:
    from perfkit.receive.writer import Stored, Writer

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters and gauges of one receiver."""

    CONTENT_TYPE = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("perfkit_requests_total", "Requests answered.", ("path", "status"), registry=registry)
        self._seconds = Histogram(
            "perfkit_request_seconds", "From the request's headers to its answer.", ("path",), buckets=_BUCKETS, registry=registry
        )
        self._bytes = Counter("perfkit_received_bytes_total", "Bytes of request bodies, as they came.", registry=registry)
        self._unpacked = Counter("perfkit_batch_bytes_total", "Bytes of accepted batches, unpacked.", registry=registry)
        self._lines = Counter("perfkit_lines_total", "Measurements stored.", registry=registry)
        self._repeated = Counter(
            "perfkit_repeated_lines_total", "Measurements that were sent again, and not stored twice.", registry=registry
        )
        self._commit = Histogram("perfkit_commit_seconds", "One group commit: write and sync.", buckets=_BUCKETS, registry=registry)
        self._lag = Gauge("perfkit_importer_lag_seconds", "Age of the oldest batch that is stored and not yet imported.", registry=registry)
        self._free = Gauge("perfkit_disk_free_bytes", "Space left on the data folder's disk.", registry=registry)
        self._journal = Gauge("perfkit_journal_bytes", "Size of the journal.", registry=registry)

    def answered(self, path: str, status: int, size: int, seconds: float) -> None:
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
        self._bytes.inc(size)

    def stored(self, stored: Stored, size: int) -> None:
        self._unpacked.inc(size)
        self._lines.inc(stored.new)
        self._repeated.inc(stored.repeated)

    def committed(self, seconds: float) -> None:
        self._commit.observe(seconds)

    def text(self, writer: Writer) -> bytes:
        """All of it, now."""
        folder = writer.journal.folder
        self._free.set(writer.measure_free())
        self._journal.set(sum(folder.segment(number).stat().st_size for number in folder.segments()))
        self._lag.set(importer_lag(writer, time.time()))
        return generate_latest(self._registry)


def importer_lag(writer: Writer, now: float) -> float:
    """Seconds since the oldest batch that is committed and not imported was received; 0 if there is none."""
    folder = writer.journal.folder
    for entry, _ in folder.follow(folder.published("imported"), 1):
        return max(0.0, now - entry.received_ms / 1000)
    return 0.0
