"""From options to a finished run: putting the collector's parts together."""

from __future__ import annotations

import os

from perfkit.collect.clock import SystemClock
from perfkit.collect.collector import Collector
from perfkit.collect.file_sink import FileSink
from perfkit.collect.options import Options
from perfkit.collect.progress import on_stderr
from perfkit.collect.sample import Sampler
from perfkit.collect.session import machine
from perfkit.collect.signals import Requests
from perfkit.collect.sources import open_sources
from perfkit.errors import Failed
from perfkit.units import format_bytes, format_duration


def run(options: Options) -> int:
    """Collect until the duration is over or a signal ends it; 0. Raises PerfkitError."""
    requests = Requests()
    requests.listen()
    sources, unavailable = open_sources(options.proc)
    if not sources:
        raise Failed(f"nothing can be read below {options.proc}; perfkit collects on Linux with /proc mounted.")
    sink = FileSink(options.collection, append=options.append)
    clock = SystemClock(requests.wakers)
    progress = on_stderr(options.duration)
    facts = {**machine(options.proc, options.sys), "unavailable": unavailable}
    sampler = Sampler(sources, clock, options.proc)
    _raise_priority(options.nice)
    collector = Collector(options, facts, sampler, clock, requests, sink, progress)
    length = format_duration(options.duration) if options.duration else "until it is stopped"
    progress.say(f"Recording into {options.collection} every {format_duration(options.frequency)} for {length} (process {os.getpid()}).")
    collector.run()
    progress.say(f"{sampler.samples} samples, {format_bytes(sink.written)} in {options.collection}.")
    return 0


def _raise_priority(nice: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError:
        pass  # not permitted: it records all the same
