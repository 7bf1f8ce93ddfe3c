"""From options to a finished run: putting the collector's parts together."""

from __future__ import annotations

import gc
import os

from perfkit.collect.clock import SystemClock
from perfkit.collect.collector import Collector
from perfkit.collect.container_names import Names
from perfkit.collect.containers import Containers
from perfkit.collect.file_sink import FileSink
from perfkit.collect.priority import raise_priority
from perfkit.collect.progress import on_stderr
from perfkit.collect.sample import Sampler
from perfkit.collect.session import machine
from perfkit.collect.signals import Requests
from perfkit.collect.sources import open_sources
from perfkit.errors import Failed
from perfkit.units import format_bytes, format_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from perfkit.collect.collector import Sink
    from perfkit.collect.options import Options
    from perfkit.collect.progress import Progress


def run(options: Options) -> int:
    """Collect until the duration is over or a signal ends it; returns 0. Raises PerfkitError."""
    requests = Requests()
    requests.listen()
    progress = on_stderr(options.duration)
    sources, unavailable = open_sources(options.proc)
    if not sources:
        raise Failed(f"nothing can be read below {options.proc}; perfkit collects on Linux with /proc mounted.")
    sink = _sink(options, requests, progress)
    clock = SystemClock(requests.wakers)
    sampler = Sampler(sources, clock, options.proc, _containers(options) if options.containers else None)
    collector = Collector(
        options=options,
        facts={**machine(options.proc, options.sys), "unavailable": unavailable, "scheduling": raise_priority(options.nice)},
        sampler=sampler,
        clock=clock,
        requests=requests,
        sink=sink,
        progress=progress,
    )
    _announce(options, progress)
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.freeze()  # what is there now stays: the garbage collector need not look at it again
    collector.run()
    progress.say(f"{sampler.samples} samples, {format_bytes(sink.written)} {_whereto(options)}.")
    return 0


def _containers(options: Options) -> Containers:
    return Containers(options.sys, Names(options.root))


def _sink(options: Options, requests: Requests, progress: Progress) -> Sink:
    if options.mode == "local":
        return FileSink(options.collection, append=options.append, max_size=options.max_size, max_files=options.max_files)
    from perfkit.collect.spool import Spool
    from perfkit.collect.trickle import TrickleSink
    from perfkit.collect.wire import Receiver

    receiver = Receiver(options.server, options.apikey, options.identifier, options.cacert)
    if receiver.open_to_all:
        progress.say("The API key travels unencrypted to another machine; use https:// where the network is not yours alone.")
    interval = max(options.flush_interval - options.frequency, 0.0)  # lines do not wait for a sample that would come too late
    spool = Spool(options.spool, options.identifier, limit=options.spool_size, batch_lines=options.batch_size, interval=interval)
    return TrickleSink(spool, receiver, progress.say, requests.wake)


def _whereto(options: Options) -> str:
    return f"into {options.collection}" if options.mode == "local" else f"to {options.server} as {options.identifier}"


def _announce(options: Options, progress: Progress) -> None:
    length = f"for {format_duration(options.duration)}" if options.duration else "until it is stopped"
    progress.say(f"Recording {_whereto(options)} every {format_duration(options.frequency)} {length} (process {os.getpid()}).")
