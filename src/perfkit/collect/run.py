"""From options to a finished run: putting the collector's parts together."""

from __future__ import annotations

import gc
import os

from perfkit.collect.clock import SystemClock
from perfkit.collect.collector import Collector
from perfkit.collect.containers import Containers, Names
from perfkit.collect.file_sink import FileSink
from perfkit.collect.limits import Limits, ask_driver
from perfkit.collect.marks import Requests
from perfkit.collect.processes import Processes
from perfkit.collect.progress import on_stderr
from perfkit.collect.sample import Sampler
from perfkit.collect.session import clock_state, machine
from perfkit.collect.sources import open_sources
from perfkit.collection.choose import marks_beside
from perfkit.collection.subsystems import HOST, PCC, SLOW
from perfkit.errors import Failed
from perfkit.units import format_bytes, format_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from perfkit.collect.collector import Sink
    from perfkit.collect.launch import CollectOptions
    from perfkit.collect.progress import Progress
    from perfkit.collect.receiver_client import ReceiverClient
    from perfkit.collect.sample import Group

_NICE = -10


def run(options: CollectOptions) -> int:
    """Collect until the duration is over or a signal ends it; returns 0. Raises PerfkitError."""
    requests = Requests()
    requests.listen()
    progress = on_stderr(options.duration)
    is_pcc = options.format == "pcc"
    sources, unavailable = open_sources(options.proc, PCC if is_pcc else HOST)
    if not sources:
        raise Failed(f"nothing can be read below {options.proc}; perfkit collects on Linux with /proc mounted.")
    receiver = _receiver(options, progress) if options.mode == "trickle" else None
    sink = _sink(options, receiver, requests, progress)
    clock = SystemClock(requests.wakers)
    sampler = Sampler(sources, clock, options.proc, _groups(options, receiver), slow=1 if is_pcc else SLOW)
    collector = Collector(
        options=options,
        facts={**machine(options.proc, options.sys), "unavailable": unavailable, "scheduling": raise_priority(options.nice)},
        sampler=sampler,
        clock=clock,
        requests=requests,
        sink=sink,
        progress=progress,
        form=_pcc_form(options) if is_pcc else None,
    )
    length = f"for {format_duration(options.duration)}" if options.duration else "until it is stopped"
    place = options.collection if options.mode == "local" else f"{options.server} as {options.identifier}"
    into = "into" if options.mode == "local" else "to"
    progress.say(f"Recording {into} {place} every {format_duration(options.frequency)} {length} (process {os.getpid()}).")
    if hasattr(gc, "freeze"):  # PyPy has none
        gc.freeze()  # what is there now stays: the garbage collector need not look at it again
    try:
        collector.run()
    finally:
        into = "in" if options.mode == "local" else "to"
        progress.say(f"Recorded {collector.certificate}, {format_bytes(sink.written)} {into} {place}.")
    return 0


def raise_priority(nice: int | None) -> str:
    """Ask for more priority for the calling thread, so that a saturated machine is recorded too; what is refused is done without.

    First the lowest real-time priority is asked for, then a nice value; with `nice` only that. A tick takes a fraction of a millisecond, so
    being served first costs the load next to nothing. A nice value alone would not do: with autogroups and CPU cgroups it counts only
    against processes of the same session or group. Returns what came of it, for the session: "fifo", "nice -10", "normal". Threads that
    are started later have a normal priority.
    """
    if nice is None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
        except (OSError, AttributeError):
            nice = _NICE
        else:
            return "fifo"
    if nice:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        except OSError:
            return "normal"
    return f"nice {nice}" if nice else "normal"


def _groups(options: CollectOptions, receiver: ReceiverClient | None) -> list[Group]:
    """Who uses the machine, as far as the options want to know, and what limits it."""
    found: list[Group] = []
    if options.containers or options.services:
        found.append(Containers(options.sys, Names(options.root), containers=options.containers, services=options.services))
    if options.processes:
        found.append(Processes(options.proc, cmdline=options.cmdline))
    if options.format != "pcc":
        is_real = options.sys == "/sys"  # an invented machine has interfaces of the same names
        found.append(
            Limits(
                options.proc,
                options.sys,
                options.root + "/dev/kmsg",
                ioctl=ask_driver if is_real else None,
                clock=clock_state,
                receiver=receiver.take_clock if receiver else None,
            )
        )
    return found


def _receiver(options: CollectOptions, progress: Progress) -> ReceiverClient:
    from perfkit.collect.receiver_client import ReceiverClient

    receiver = ReceiverClient(options.server, options.apikey, options.identifier, options.cacert)
    if receiver.sends_key_in_clear:
        progress.say("The API key travels unencrypted to another machine; use https:// where the network is not yours alone.")
    return receiver


def _sink(options: CollectOptions, receiver: ReceiverClient | None, requests: Requests, progress: Progress) -> Sink:
    if receiver is None:
        return FileSink(options.collection, append=options.append, max_size=options.max_size, max_files=options.max_files)
    from perfkit.collect.spool import Spool
    from perfkit.collect.trickle import TrickleSink

    interval = max(options.flush_interval - options.frequency, 0.0)  # lines do not wait for a sample that would come too late
    spool = Spool(options.spool, options.identifier, limit=options.spool_size, batch_lines=options.batch_size, interval=interval)
    return TrickleSink(spool, receiver, progress.say, requests.wake)


def _pcc_form(options: CollectOptions) -> Callable[[bytes], bytes]:
    from perfkit.collect.pcc_form import PccForm

    return PccForm(marks_beside(options.collection if options.mode == "local" else options.spool))
