"""Invented outputs of load tools, in the forms that the tools write: ten seconds from START, all figures known.

Each second has four requests of 10, 20, 30 and 40 ms that end within it, the last of which failed, and five users.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone

from support.invent import START

SECONDS = 10
TOOK = (10, 20, 30, 40)  # ms
USERS = 5
JTL = (
    "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
    "grpThreads,allThreads,URL,Latency,IdleTime,Connect"
)
LOCUST = (
    "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%,Total Request Count,"
    "Total Failure Count,Total Median Response Time,Total Average Response Time,Total Min Response Time,Total Max Response Time,"
    "Total Average Content Size"
)
K6_CSV = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,service,status,"
    "subproto,tls_version,url,extra_tags"
)
TRANSACTION = "Number of samples in transaction : 4, number of failing samples : 1"


def requests(seconds: int = SECONDS, start: float = START) -> Iterable[tuple[int, int, bool]]:
    """(begin in ms since the epoch, ms it took, whether it failed) of each request."""
    for second in range(seconds):
        for number, took in enumerate(TOOK):
            yield round((start + second) * 1000) + 100 * number, took, took == TOOK[-1]


def jtl(
    *,
    delimiter: str = ",",
    header: bool = True,
    message: str = "OK",
    seconds: int = SECONDS,
    start: float = START,
    written: Callable[[int], str] = str,
    transactions: bool = False,
) -> str:
    """JMeter's CSV; `written` writes an instant in ms, `transactions` adds the row of a transaction controller to each second."""
    rows = [JTL.replace(",", delimiter)] if header else []
    for begin, took, failed in requests(seconds, start):
        told = ("500", "false") if failed else ("200", "true")
        cells = [written(begin), str(took), "GET /", told[0], message, "Users 1-1", "text", told[1], "", "512", "120"]
        rows.append(delimiter.join([*cells, str(USERS), str(USERS), "http://sut/", "9", "0", "1"]))
        if failed and transactions:
            rows.append(f'{begin - 300},340,Buy,200,"{TRANSACTION}",Users 1-1,,true,,2048,480,{USERS},{USERS},null,9,0,1')
    return "".join(row + "\n" for row in rows)


def k6_points(
    *, seconds: int = SECONDS, start: float = START, protocol: str = "http"
) -> Iterable[tuple[str, float, float, dict[str, str]]]:
    """(metric, seconds since the epoch, value, tags) of each point."""
    for second in range(seconds):
        yield "vus", start + second, USERS, {}
    for begin, took, failed in requests(seconds, start):
        at, tags = (begin + took) / 1000, {"scenario": "default", "url": "http://sut/"}
        if protocol == "http":
            yield "http_reqs", at, 1, tags
            yield "http_req_duration", at, took, tags
            yield "http_req_failed", at, int(failed), tags
        elif protocol == "grpc":
            yield "grpc_req_duration", at, took, {**tags, "status": "14" if failed else "0"}
        elif protocol == "browser":
            yield "browser_http_req_duration", at, took, tags
            yield "browser_http_req_failed", at, int(failed), tags
        elif protocol == "ws":
            yield "ws_msgs_sent", at, 1, tags
        yield "iteration_duration", at, took, tags


def k6_json(*, zone: int = 0, **of: object) -> str:
    """k6 --out json; `zone` is the offset of its clock in hours."""
    seen: set[str] = set()
    lines = []
    for metric, at, value, tags in k6_points(**of):  # type: ignore[arg-type]
        if metric not in seen:
            lines.append({"type": "Metric", "data": {"name": metric, "type": "counter", "contains": "default"}, "metric": metric})
            seen.add(metric)
        when = datetime.fromtimestamp(at, timezone(timedelta(hours=zone)))
        text = f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond:06}789" + ("Z" if not zone else f"{zone:+03d}:00")
        lines.append({"metric": metric, "type": "Point", "data": {"time": text, "value": value, "tags": tags}})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def k6_csv(written: Callable[[float], str] = lambda at: str(int(at)), **of: object) -> str:
    """k6 --out csv."""
    rows = [K6_CSV]
    for metric, at, value, tags in k6_points(**of):  # type: ignore[arg-type]
        cells = (
            dict.fromkeys(K6_CSV.split(","), "") | tags | {"metric_name": metric, "timestamp": written(at), "metric_value": f"{value:f}"}
        )
        rows.append(",".join(cells.values()))
    return "".join(row + "\n" for row in rows)


def gatling(version: str = "3.9") -> str:
    """simulation.log of the versions 2.0, 2.3, 3.3 and 3.9, which have other columns each."""
    t0 = START * 1000
    lines = {
        "2.0": [f"example.Basic\tbasic\tRUN\t{t0}\t \t2.0"],
        "2.3": [f"RUN\texample.Basic\t\tbasic\t{t0}\tName\t2.0"],
        "3.3": [f"RUN\texample.Basic\tbasic\t{t0}\tName\t3.3.1"],
        "3.9": ["ASSERTION\tAAECAAIBAAAAAAAA", f"RUN\texample.Basic\tbasic\t{t0}\tName\t3.9.5"],
    }[version]
    for user in range(USERS):
        lines.append(_user(version, user, "START", t0, t0))
    for begin, took, failed in requests():
        status = "KO\tstatus.find.is(200), but actually found 500" if failed else "OK\t "
        lines.append(_request(version, begin, begin + took, status))
        lines.append(f"GROUP\tall\t{begin}\t{begin + took}\t{took}\tOK")
    for user in range(USERS):
        lines.append(_user(version, user, "END", t0, t0 + SECONDS * 1000))
    return "".join(line + "\n" for line in lines)


def _user(version: str, user: int, event: str, begun: int, now: int) -> str:
    ended = now if event == "END" else {"2.0": 0}.get(version, begun)
    return {
        "2.0": f"Scenario\t{user}\tUSER\t{event}\t{begun}\t{ended}",
        "2.3": f"USER\tScenario\t{user}\t{event}\t{begun}\t{ended}",
        "3.3": f"USER\tScenario\t{user}\t{event}\t{begun}\t{ended}",
        "3.9": f"USER\tScenario\t{event}\t{now}",
    }[version]


def _request(version: str, begun: int, ended: int, status: str) -> str:
    return {
        "2.0": f"Scenario\t1\tREQUEST\t\thome page\t{begun}\t{begun}\t{ended}\t{ended}\t{status}",
        "2.3": f"REQUEST\tScenario\t1\t\thome page\t{begun}\t{ended}\t{status}",
        "3.3": f"REQUEST\t1\t\thome page\t{begun}\t{ended}\t{status}",
        "3.9": f"REQUEST\t\thome page\t{begun}\t{ended}\t{status}",
    }[version]


def vegeta_json(error: str = "") -> str:
    """vegeta encode."""
    lines = []
    for number, (begin, took, failed) in enumerate(requests()):
        when = datetime.fromtimestamp(begin / 1000, timezone.utc)
        told = {"timestamp": f"{when:%Y-%m-%dT%H:%M:%S.%f}789Z", "latency": took * 1_000_000, "bytes_out": 0, "bytes_in": 2}
        rest = {"error": error if failed else "", "body": "b2s=", "method": "GET", "url": "http://sut/", "headers": None}
        lines.append({"attack": "", "seq": number, "code": 503 if failed else 200, **told, **rest})
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def vegeta_csv(columns: int = 12) -> str:
    """vegeta encode --to csv; older versions have nine columns."""
    rows = []
    for number, (begin, took, failed) in enumerate(requests()):
        cells = [str(begin * 1_000_000), "0" if failed else "200", str(took * 1_000_000), "0", "2"]
        cells += ['"dial tcp: no, thanks"' if failed else "", "b2s=", "", str(number), "GET", "http://sut/", "Q29ubmVjdGlvbg=="]
        rows.append(",".join(cells[:columns]))
    return "".join(row + "\n" for row in rows)


def oha() -> str:
    """oha --output-format csv: seconds since its start."""
    rows = ["request-start,DNS,DNS+dialup,Response-delay,request-duration,bytes,status"]
    for begin, took, failed in requests(start=0):
        rows.append(f"{begin / 1000},0,0,0.001,{took / 1000},2,{500 if failed else 200}")
    return "".join(row + "\n" for row in rows)


def hey() -> str:
    """hey -o csv: seconds since its start."""
    rows = ["response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset"]
    for begin, took, failed in requests(start=0):
        rows.append(f"{took / 1000:.4f},0.0000,0.0000,0.0001,0.0010,0.0001,{500 if failed else 200},{begin / 1000:.4f}")
    return "".join(row + "\n" for row in rows)


def ab() -> str:
    """ab -g, in the order of the times taken, as ab writes it."""
    rows = ["starttime\tseconds\tctime\tdtime\tttime\twait"]
    for begin, took, _ in sorted(requests(), key=lambda request: request[1]):
        rows.append(f"{time.strftime('%a %b %d %H:%M:%S %Y', time.gmtime(begin // 1000))}\t{begin // 1000}\t0\t{took}\t{took}\t{took}")
    return "".join(row + "\n" for row in rows)


def h2load() -> str:
    """h2load --log-file."""
    return "".join(f"{begin * 1000}\t{-1 if failed else 200}\t{took * 1000}\n" for begin, took, failed in requests())


def pgbench_log() -> str:
    """pgbench --log."""
    rows = []
    for number, (begin, took, failed) in enumerate(requests()):
        ended = begin + took
        told = "failed" if failed else str(took * 1000)
        rows.append(f"0 {number} {told} 0 {ended // 1000} {ended % 1000 * 1000}")
    return "".join(row + "\n" for row in rows)


def locust(
    *,
    seconds: int = SECONDS,
    start: int = START,
    unknown: str = "N/A",
    level: Callable[[int], tuple[int, float]] = lambda second: (USERS, 4.0),
) -> str:
    """Locust's stats history: its first row knows no percentiles. `level` tells users and requests/s of a second."""
    rows = [LOCUST]
    for second in range(seconds):
        percentiles = [unknown] * 11 if second == 0 else [str(value) for value in (20, 25, 30, 31, 35, 38, 39, 40, 40, 40, 40)]
        totals = [str(4 * second), str(second), "20", "25.0", "10", "40", "2"]
        users, rate = level(second)
        for name in (("", "Aggregated"), ("GET", "/")):
            rows.append(",".join([str(start + second), str(users), *name, f"{rate:.6f}", "1.000000", *percentiles, *totals]))
    return "".join(row + "\n" for row in rows)


def artillery() -> str:
    """artillery run --output: two periods of ten seconds, in the second of which users were skipped."""
    took = {"min": 10, "max": 40, "count": 36, "mean": 25, "p50": 20, "median": 20, "p75": 30, "p90": 35, "p95": 38, "p99": 40, "p999": 40}
    periods = []
    for number in range(2):
        counters = {"vusers.created": 10, "http.requests": 40, "http.codes.200": 30, "http.codes.503": 6, "http.responses": 36}
        counters |= {"errors.ETIMEDOUT": 4} | ({"vusers.skipped": 3} if number else {})
        told = {"counters": counters, "rates": {"http.request_rate": 4}, "summaries": {"http.response_time": took}}
        periods.append({**told, "period": str((START + 10 * number) * 1000), "histograms": {}})
    return json.dumps({"aggregate": {"counters": {"http.requests": 80}, "rates": {}}, "intermediate": periods}, indent=2)


def sysbench(threads: int = 1, tps: int = 100, seconds: int = 5, *, lines: bool = True, ended: bool = True) -> str:
    """A run of sysbench oltp; `ended` with its closing figures."""
    head = f"sysbench 1.0.20 (using system LuaJIT 2.1.0)\n\nRunning the test with following options:\nNumber of threads: {threads}\n\n"
    told = "".join(
        f"[ {second}s ] thds: {threads} tps: {tps}.00 qps: {tps * 20}.00 (r/w/o: 1/1/1) lat (ms,95%): 9.50 err/s: 0.00 reconn/s: 0.00\n"
        for second in range(1, seconds + 1)
        if lines
    )
    closing = (
        f"SQL statistics:\n    transactions: {tps * seconds} ({tps}.00 per sec.)\n"
        "    ignored errors:                      3      (0.60 per sec.)\n\n"
        f"General statistics:\n    total time:                          {seconds}.0005s\n"
        f"    total number of events:              {tps * seconds}\n\n"
        "Latency (ms):\n         min:                                    1.00\n         avg:                                    5.00\n"
        "         max:                                   20.00\n         95th percentile:                        9.50\n\n"
    )
    return f"{head}Initializing worker threads...\n\nThreads started!\n\n{told}{closing if ended else ''}"


SYSBENCH_PREPARE = "sysbench 1.0.20 (using system LuaJIT 2.1.0)\n\n4 files, 2048Kb each, 8Mb total\nCreating files for the test...\n"


def wrk(seconds: int = 30, latency: int = 100, requests: int = 9000, connections: int = 64) -> str:
    """A run of wrk --latency."""
    return f"""Running {seconds}s test @ http://sut/
  2 threads and {connections} connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   {latency}.00ms    1.00ms   {latency * 9}.00ms   90.00%
    Req/Sec     1.00k    10.00     1.10k    70.00%
  Latency Distribution
     50%  {latency}.00ms
     75%  {latency}.00ms
     90%  {latency * 2}.00ms
     99%  {latency * 5}.00ms
  {requests} requests in {seconds}.00s, 10.00MB read
Requests/sec:   {requests / seconds:.2f}
Transfer/sec:      1.00MB
"""


WRK2 = """Running 30s test @ http://sut/
  2 threads and 64 connections
  Thread calibration: mean lat.: 400.000ms, rate sampling interval: 1000ms
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.00s     1.10s    4.10s    58.00%
    Req/Sec   500.00     10.00   520.00     70.00%
  Latency Distribution (HdrHistogram - Recorded Latency)
 50.000%    2.00s
 75.000%    3.00s
 90.000%    3.60s
 99.000%    4.00s
100.000%    4.10s

  Detailed Percentile spectrum:
       Value   Percentile   TotalCount 1/(1-Percentile)

    2000.000     0.500000        15000         2.00
#[Mean    =     2000.000, StdDeviation   =     1100.000]
----------------------------------------------------------

  Latency Distribution (HdrHistogram - Uncorrected Latency (measured without taking delayed starts into account))
 50.000%    1.00ms
 75.000%    1.50ms
 90.000%    2.00ms
 99.000%    3.00ms
100.000%    9.00ms

----------------------------------------------------------
  30000 requests in 30.00s, 10.00MB read
Requests/sec:   1000.00
Transfer/sec:    341.33KB
"""
