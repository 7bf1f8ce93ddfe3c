"""Tools that write one JSON document with their own intervals or figures: iperf3, Artillery, autocannon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from perfkit.errors import BadInput
from perfkit.loadtools.marks import Start
from perfkit.loadtools.output import Output, whole_json
from perfkit.loadtools.requests import iso_ms
from perfkit.loadtools.timeline import MOST_ROWS, Row, Summary, Timeline, figure, level, number, spans

_ARTILLERY_PERIOD = 10_000  # ms
_FAILED = 400  # the first HTTP status that is an error


def read_iperf3(output: Output, _start: Start) -> list[Timeline]:
    """iperf3 --json or --json-stream: TCP's bytes as writes of its block size (--length), UDP's datagrams; lost ones are errors."""
    return _documents("iperf3", output, _iperf3)


def _iperf3(output: Output) -> Iterable[Timeline]:
    for document in _iperf3_documents(whole_json(output)):
        if not document.get("intervals"):
            why = document.get("error")
            raise BadInput(f"{output.path} holds no interval of iperf3" + (f" ({why})." if why else "; it was ended before the first."))
        whole = [one for one in document["intervals"] if one.get("sum")]
        readable = [one for one in whole if _are_numbers(one["sum"]) and _are_numbers(one.get("sum_bidir_reverse", {}))]
        output.unread += len(document["intervals"]) - len(readable)
        yield _iperf3_run(document["start"], readable or whole)


def _are_numbers(interval: dict[str, Any]) -> bool:
    """Whether what an interval says of what is counted are numbers: a NaN costs its interval alone."""
    return all(number(interval[name]) is not None for name in ("start", "seconds", "bytes", "packets", "lost_packets") if name in interval)


def _iperf3_documents(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The document of each run; of --json-stream the events from one start to the next, in the form of --json."""
    documents: list[dict[str, Any]] = []
    for one in found:
        event = one.get("event")
        if event is None:
            documents.append(one)
        elif event == "start":
            documents.append({"start": one["data"], "intervals": []})
        elif event == "interval":
            documents[-1]["intervals"].append(one["data"])
        elif event == "error":
            documents[-1]["error"] = one["data"]
    return documents


def _iperf3_run(start: dict[str, Any], intervals: list[dict[str, Any]]) -> Timeline:
    test = start["test_start"]
    size = figure(test["blksize"])
    began = figure(start["timestamp"]["timesecs"]) + figure(test.get("omit") or 0)
    rows: dict[int, Row] = {}
    done = 0.0
    lost: float | None = None
    for interval in intervals:
        sums = [interval[name] for name in ("sum", "sum_bidir_reverse") if name in interval]
        if sums[0].get("omitted"):
            continue
        seconds = figure(sums[0]["seconds"])
        count = sum(figure(one["packets"]) if "packets" in one else figure(one["bytes"]) / size for one in sums)
        missing = [figure(one["lost_packets"]) for one in sums if "lost_packets" in one]
        done, lost = done + count, (lost or 0.0) + sum(missing) if missing else lost
        at = round((began + figure(sums[0]["start"])) * 1000)
        rows[at] = Row(
            at,
            users=figure(test["num_streams"]),
            throughput=count / seconds if seconds else None,
            errors=sum(missing) / seconds if missing and seconds else None,
        )
    operation = "datagram" if test["protocol"] == "UDP" else f"block of {size:.0f} bytes"
    summary = Summary(requests=round(done), errors=None if lost is None else round(lost), operation=operation)
    summary.row_seconds = round(figure(intervals[0]["sum"]["seconds"]), 1)
    return Timeline("iperf3", list(rows.values()), summary)


def read_artillery(output: Output, _start: Start) -> list[Timeline]:
    """artillery run --output: the figures of every 10 s. Users who were skipped for maxVusers are dropped work."""
    return _documents("Artillery", output, _artillery)


def _artillery(output: Output) -> Iterable[Timeline]:
    for document in whole_json(output):
        rows: dict[int, Row] = {}
        dropped, requests, errors = [], 0.0, 0.0
        for period in document["intermediate"]:
            at, counters = iso_ms(str(period["period"])), period["counters"]
            if at is None:
                output.unread += 1
                continue
            took = period.get("summaries", {}).get("http.response_time", {})
            failed = _artillery_errors(counters)
            done = figure(counters.get("http.responses", 0)) + _sum(counters, "errors.")
            seconds = _ARTILLERY_PERIOD / 1000
            requests, errors = requests + done, errors + failed
            dropped.append((round(at), figure(counters.get("vusers.skipped", 0))))
            rows[round(at)] = Row(
                round(at),
                throughput=done / seconds,
                errors=failed / seconds,
                latency_avg_ms=number(took.get("mean")),
                latency_p50_ms=number(took.get("p50", took.get("median"))),
                latency_p90_ms=number(took.get("p90")),
                latency_p95_ms=number(took.get("p95")),
                latency_p99_ms=number(took.get("p99")),
                latency_max_ms=number(took.get("max")),
            )
        summary = Summary(round(requests), round(errors), row_seconds=_ARTILLERY_PERIOD / 1000)
        summary.dropped = round(sum(count for _, count in dropped))
        summary.dropped_spans = spans(sorted(dropped), _ARTILLERY_PERIOD)
        yield Timeline("artillery", [rows[at] for at in sorted(rows)], summary)


def _artillery_errors(counters: dict[str, Any]) -> float:
    codes = {name.removeprefix("http.codes."): figure(count) for name, count in counters.items() if name.startswith("http.codes.")}
    return _sum(counters, "errors.") + sum(count for code, count in codes.items() if code.isdecimal() and int(code) >= _FAILED)


def _sum(counters: dict[str, Any], prefix: str) -> float:
    return sum(figure(count) for name, count in counters.items() if name.startswith(prefix))


def read_autocannon(output: Output, _start: Start) -> list[Timeline]:
    """autocannon --json: one level over the whole run, whose start and end it says."""
    return _documents("autocannon", output, _autocannon)


def _autocannon(output: Output) -> Iterable[Timeline]:
    for document in whole_json(output):
        first, last = iso_ms(document["start"]), iso_ms(document["finish"])
        if first is None or last is None:
            continue
        seconds, took = (last - first) / 1000, document["latency"]
        failed = sum(figure(document.get(name, 0)) for name in ("errors", "timeouts", "non2xx"))
        done = figure(document["requests"]["total"])
        rows = level(
            first / 1000,
            seconds,
            users=number(document.get("connections")),
            throughput=done / seconds if seconds else None,
            errors=failed / seconds if seconds else None,
            latency_avg_ms=number(took.get("average")),
            latency_p50_ms=number(took.get("p50")),
            latency_p90_ms=number(took.get("p90")),
            latency_p99_ms=number(took.get("p99")),
            latency_max_ms=number(took.get("max")),
        )
        yield Timeline("autocannon", rows, Summary(round(done), round(failed)))


def _documents(tool: str, output: Output, read: Callable[[Output], Iterable[Timeline]]) -> list[Timeline]:
    """What `read` makes of the documents; BadInput for none, and for one of another form."""
    try:
        found = [timeline for timeline in read(output) if timeline.rows]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise BadInput(f"{output.path} is not as {tool} writes it ({type(error).__name__}: {error}); let it write again.") from None
    if not found:
        raise BadInput(f"{output.path} holds no whole result of {tool}, which was ended before it wrote one; let it run to its end.")
    if any(len(timeline.rows) > MOST_ROWS for timeline in found):
        raise BadInput(f"{output.path} holds more than {MOST_ROWS:,} rows; split it by time and import the parts.")
    found[0].summary.unread, found[-1].summary.cut = output.unread, output.cut
    return found
