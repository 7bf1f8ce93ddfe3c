"""Which load tool wrote a file, found by its content, and how the file is read or why it is not: one table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from perfkit.errors import BadInput
from perfkit.loadtools import fio, gatling, jmeter, k6, locust, logs, pgbench, reports, sysbench, wrk
from perfkit.loadtools.marks import Start
from perfkit.loadtools.output import Output
from perfkit.loadtools.timeline import Timeline

_LATEST = 4_102_444_800_000  # ms since the epoch: the year 2100

Recognise = Callable[[str], object]  # takes the head of a file; what it gives is true if the file is this tool's
Read = Callable[[Output, Start], list[Timeline]]


class _Tool(NamedTuple):
    """A kind of output that is read."""

    name: str
    wrote: Recognise
    read: Read


class _Refused(NamedTuple):
    """A kind of output that is known and has no time line: what it is, and what to do instead."""

    name: str
    wrote: Recognise
    is_what: str
    cure: str


def _has(pattern: str) -> Recognise:
    """Somewhere in the head; ^ and $ are those of a line."""
    return re.compile(pattern, re.MULTILINE).search


def _begins(pattern: str | re.Pattern[str]) -> Recognise:
    """Where the text begins."""
    compiled = re.compile(pattern) if isinstance(pattern, str) else pattern
    return lambda head: compiled.match(head.lstrip())


_ELSEWHERE = "measure with a tool that writes a time line, such as k6, vegeta, hey -o csv or h2load --log-file"
_STATS_HISTORY = "give the file NAME_stats_history.csv that --csv NAME writes"
_ENCODE = "write it as text with `vegeta encode --to csv results.bin > results.csv`"

_SAMPLES = "give the file with the single requests or intervals that the tool wrote next to it"
# Of these perfkit reads no form.
_UNREAD = {
    "cassandra-stress": r"^type,? +total ops, +op/s, ",
    "dd": r"^\d+\+\d+ records in$",
    "fortio": r'"RunType"\s*:\s*"\w+",(?s:.*)"DurationHistogram"|^Fortio \d+\.',
    "ghz": r'"averages?"\s*:(?s:.*)"fastest"\s*:(?s:.*)"slowest"\s*:(?s:.*)"rps"\s*:|^Summary:\n\s+Count:\s',
    "HammerDB": r"^HammerDB CLI v|TEST RESULT : System achieved \d",
    "httperf": r"^httperf --|^Total: connections \d+ requests \d+ replies ",
    "memtier_benchmark": r'^\s*"ALL STATS"\s*:|^\[RUN #\d+ |^ALL STATS$',
    "nighthawk": r'"requests_per_second"\s*:(?s:.*)"results"\s*:|^Nighthawk - ',
    "mysqlslap": r"^Benchmark\n(?:\s+Running for engine|\s+Average number of seconds)",
    "netperf": r"^MIGRATED (?:TCP|UDP) \w+ TEST from ",
    "plow": r"^Benchmarking \S+ .*using \d+ connection\(s\)",
    "rados bench": r"^ +sec Cur ops +started +finished +avg MB/s",
    "redis-benchmark": r"^====== .+ ======\s*\n\s+\d+ requests completed in |^\"test\",\"rps\"",
    "rewrk": r"^Benchmarking \d+ connections @ ",
    "stress-ng": r"^stress-ng: (?:info|metrc|metric): ",
    "tsung": r"^# stats: dump at \d+",
    "weighttp": r"^weighttp [\w.-]+ - a lightweight and simple webserver benchmarking tool",
    "YCSB": r"^\[OVERALL\], (?:RunTime\(ms\)|Throughput\(ops/sec\)), ",
}

# The first that recognises a file has it.
TOOLS: tuple[_Tool | _Refused, ...] = (
    _Tool("k6", k6.is_json, k6.read_json),
    _Tool("k6", k6.is_csv, k6.read_csv),
    _Tool("jmeter", jmeter.is_jmeter, jmeter.read),
    _Tool("gatling", gatling.is_gatling, gatling.read),
    _Tool("locust", locust.is_locust, locust.read),
    _Tool("vegeta", logs.is_vegeta_json, logs.read_vegeta_json),
    _Tool("vegeta", _begins(logs.VEGETA), logs.read_vegeta_csv),
    _Tool("hey", _begins(re.escape(logs.HEY)), logs.read_hey),
    _Tool("oha", _begins(re.escape(logs.OHA)), logs.read_oha),
    _Tool("ab", _begins(re.escape(logs.AB)), logs.read_ab),
    _Tool("h2load", _begins(logs.H2LOAD), logs.read_h2load),
    _Tool("pgbench", _begins(pgbench.TRANSACTION), pgbench.read_log),
    _Tool("pgbench", _begins(pgbench.INTERVAL), pgbench.read_intervals),
    _Tool("pgbench", _has(pgbench.PROGRESS.pattern), pgbench.read_progress),
    _Tool("fio", _begins(fio.LOG_LINE), fio.read_log),
    _Tool("fio", _has(r'^\s*(?:\{\s*)?"fio version"\s*:'), fio.read_json),
    _Tool("iperf3", _has(r'\A\s*\{\s*"start"\s*:\s*\{|^\{\s*"event"\s*:\s*"start"'), reports.read_iperf3),
    _Tool("artillery", _has(r'\A\s*\{\s*"aggregate"\s*:\s*\{\s*"(?:counters|rates|firstCounterAt)"'), reports.read_artillery),
    _Tool("autocannon", _has(r'\A\s*\{(?s:.*)"sampleInt"\s*:'), reports.read_autocannon),
    # It prints "test @" as wrk does, so it stands before wrk.
    _Refused("autocannon", _has(r"^Running \S+ test @ .*\n\d+ connections"), "what autocannon shows", "let it write JSON with --json"),
    _Tool("wrk", _has(wrk.BANNER.pattern), wrk.read),
    _Tool("sysbench", _has(sysbench.BANNER.pattern + r"|^\[\s*\d+s ?\] (?:thds|threads): "), sysbench.read),
    _Refused(
        "gatling",
        lambda head: re.match(r"[\x01-\x1f\ufffd]{0,5}\d+\.\d+\.\d+", head) and "\t" not in head[:100],
        "Gatling's binary log, which Gatling writes from 3.13 on and only it can read",
        "run the test with Gatling 3.12 or older",
    ),
    _Refused("jmeter", _begins(r"<\?xml|<testResults"), "XML", "let JMeter write CSV (-Jjmeter.save.saveservice.output_format=csv)"),
    _Refused(
        "jmeter",
        _has(r"^summary [+=] +\d+ in |^Creating summariser <|^\"?(?:sampler_label|Label)\"?,\"?(?:aggregate_report_count|# Samples)"),
        "JMeter's summary, without samples",
        "give the file that `jmeter -n -l run.jtl` writes",
    ),
    _Refused("jmeter", _has(r'"transaction"\s*:\s*"[^"]*",\s*"sampleCount"'), "JMeter's statistics, without samples", "give the .jtl file"),
    _Refused(
        "k6",
        _has(r'"(?:http_reqs|iterations|iteration_duration|vus_max)"\s*:\s*\{|^ {2,}(?:\S+ )?(?:http_reqs|iterations|vus_max)\.{3,}:'),
        "k6's summary, which has no times",
        "let k6 write its points with --out json=k6.json or --out csv=k6.csv",
    ),
    _Refused("locust", _begins(r'"?Timestamp"?,"?(?:Type|Requests/s)"?,'), "the history of a Locust before 1.0", "use Locust 1.0 or newer"),
    _Refused(
        "iperf", _has(r"^(?:Client connecting to|Server listening on) .*\b(?:TCP|UDP) port "), "what iperf 2 prints", "use iperf3 --json"
    ),
    _Refused(
        "locust",
        _has(r'\A"?(?:Type"?,"?Name"?,"?(?:Request Count|# requests)|Method"?,"?Name"?,"?Error|Count"?,"?Message"?,"?Traceback)'),
        "one of Locust's summaries",
        _STATS_HISTORY,
    ),
    _Refused("locust", _has(r'"num_reqs_per_sec"|^Type +Name +# reqs |^\[[^\]]+\] \S+/locust\.'), "what Locust prints", _STATS_HISTORY),
    _Refused("locust", _has(r"^\[[^\]]+\] \S+/(?:INFO|WARNING)/(?:locust|root)"), "what Locust prints", _STATS_HISTORY),
    _Refused("gatling", _has(r"^---- (?:Global Information|Requests) -{10}"), "what Gatling prints", "give simulation.log of its results"),
    _Refused("gatling", _has(r'"(?:numberOfRequests|meanNumberOfRequestsPerSecond)"\s*:'), "Gatling's statistics", "give simulation.log"),
    _Refused(
        "vegeta",
        _has(
            r'^Requests +\[total, rate(?:, throughput)?\]|\A\s*\{\s*"latencies"\s*:\s*\{|^Bucket +# +%|^Value\(ms\) +Percentile +TotalCount'
        ),
        "vegeta's report, which has no time line",
        _ENCODE,
    ),
    _Refused("vegeta", lambda head: "BytesOut" in head[:400] and "Latency" in head[:400], "vegeta's binary form", _ENCODE),
    _Refused(
        "ab", _begins(r"Percentage served,Time in ms"), "ab's percentiles, which have no times", "give what `ab -g results.tsv` writes"
    ),
    _Refused(
        "ab",
        _has(r"^\s*This is ApacheBench,|^Server Software: |^Concurrency Level: {2,}\d+\nTime taken for tests: "),
        "what ab prints",
        "let it write each request with `ab -g results.tsv`",
    ),
    _Refused(
        "oha",
        _has(r'^Summary:\n\s+Success rate:|"successRate"\s*:'),
        "oha's closing figures, which have no time line",
        "let oha write each request with --output-format csv",
    ),
    _Refused(
        "hey", _has(r"^Summary:\n\s+Total:\s"), "hey's closing figures, which have no time line", "let hey write each request with -o csv"
    ),
    _Refused(
        "h2load",
        _has(r"^(?:starting benchmark\.\.\.|spawning thread #0)"),
        "what h2load prints",
        "let it write each request with --log-file=FILE",
    ),
    _Refused(
        "pgbench",
        _has(r"^pgbench \(|^transaction type: |^number of transactions actually processed: "),
        "pgbench's closing figures, which have no time line",
        "run it with -P 1 --progress-timestamp, or with --log",
    ),
    _Refused(
        "iperf3",
        _has(
            r"^\[ *ID\] Interval +Transfer|^Connecting to host .*, port \d+"
            r"|^Server listening on \d+ \(test #|^Client connecting to \S+, (?:TC|UD)P port"
        ),
        "what iperf3 prints",
        "let it write JSON with --json",
    ),
    _Refused("iperf3", _has(r'\A\s*\{\s*"error"\s*:'), "an error of iperf3 without a result", "run it again"),
    _Refused(
        "fio",
        _has(r"^fio-\d|\(g=\d+\): rw=|^\d+;fio-\d|\A2;[^;\n]*;\d+;\d+;(?:\d+;){4}"),
        "what fio prints",
        "let it write JSON with --output-format=json+ --status-interval=1, or logs with --write_iops_log",
    ),
    _Refused(
        "artillery",
        _has(r"^(?:Metrics for period to: |All VUs finished\. )"),
        "what Artillery prints",
        "let it write JSON with --output FILE",
    ),
    _Refused("artillery", _has(r'\A\s*\{\s*"aggregate"\s*:'), "of Artillery 1", "run the test with Artillery 2 and --output FILE"),
    _Refused(
        "bombardier",
        _has(r'^Bombarding |\A\s*\{\s*"spec"\s*:\s*\{\s*"numberOfConnections"'),
        "of bombardier, which writes no times",
        _ELSEWHERE,
    ),
    _Refused("drill", _has(r"^Time taken for tests {6}[\d.]+ seconds\nTotal requests {6}"), "of drill, which writes no times", _ELSEWHERE),
    _Refused(
        "siege", _has(r'^\s*\{?\s*"?[Tt]ransactions"?:\s+[\d.]+.*\n\s*"?[Aa]vailability"?:'), "of siege, which writes no times", _ELSEWHERE
    ),
    *(_Refused(name, _has(pattern), f"of {name}, which perfkit does not read", _ELSEWHERE) for name, pattern in _UNREAD.items()),
    _Refused("html", _begins(r"(?i)<(?:!doctype )?html"), "a web page, as many load tools write as their report", _SAMPLES),
    _Refused(
        "perfkit", _has(r'^\{.*"subsystem"\s*:.*"measurement"\s*:'), "a collection and no load tool's output", "give it without --load"
    ),
)
_READ = ", ".join(dict.fromkeys(tool.name for tool in TOOLS if isinstance(tool, _Tool)))


def read_runs(path: Path, start: float | None = None) -> list[Timeline]:
    """The runs in `path`, each with its timeline, in the order in which they stand or began.

    `start` (seconds since the epoch) is when the load began, for tools that do not say it; without it marks say it (see
    `marks.Start`). Raises BadInput where the file is of no tool that is known, holds nothing, or does not say when a run began.
    """
    output = Output(path)
    tool = next((tool for tool in TOOLS if tool.wrote(output.head)), None)
    if tool is None:
        raise BadInput(
            f"{path} is not the output of a load tool that perfkit knows; it reads {_READ}. docs/loadtools.md says how to write it."
        )
    if isinstance(tool, _Refused):
        raise BadInput(f"{path} is {tool.is_what}; {tool.cure}.")
    found = [timeline for timeline in tool.read(output, Start(path, start)) if timeline.rows]
    if not found:
        raise BadInput(f"{path} holds no figures of {tool.name}, which was ended before it wrote any; let it run to its end.")
    for timeline in found:
        if not 0 <= timeline.rows[0].timestamp <= timeline.rows[-1].timestamp < _LATEST:
            raise BadInput(f"{path} says that it ran at a time that cannot be; give the right one with --load-start, or write it again.")
        timeline.summary.bytes = path.stat().st_size
    return found
