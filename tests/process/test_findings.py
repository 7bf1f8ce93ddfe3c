"""Every rule of rules.toml holds where its data is just beyond it, and is silent just below; the verdict says what they add up to."""

from __future__ import annotations

import re
from typing import Any

import duckdb
import pytest

from perfkit.catalog import DUCK_TYPES, TABLES
from perfkit.collection.certificate import certify
from perfkit.process.findings import Held, Judged, MachineFacts, Rule, Span, judge, rules, sentence_of, verdict

SAMPLES = 100
PERIOD_MS = 1000
CPUS = 4

Cells = dict[str, Any]
MIB = 1 << 20

# Per rule: its table, a sample in which it holds, and the same just below the limit.
CASES: dict[str, tuple[str, Cells, Cells]] = {
    "cpu_busy": ("host", {"cpu_busy": 90.1}, {"cpu_busy": 90.0}),
    "one_cpu_busy": ("cpu", {"cpu": "3", "busy": 95.1}, {"cpu": "3", "busy": 95.0}),
    "cpu_pressure": ("pressure", {"resource": "cpu", "some_percent": 25.1}, {"resource": "cpu", "some_percent": 25.0}),
    "run_queue": ("system", {"running": 2 * CPUS + 2}, {"running": 2 * CPUS + 1}),
    "softirq_one_cpu": ("cpu", {"cpu": "0", "softirq": 60.1}, {"cpu": "0", "softirq": 60.0}),
    "memory_used": ("memory", {"used_percent": 90.1}, {"used_percent": 90.0}),
    "memory_available": ("memory", {"total_kb": 1000, "available_kb": 49}, {"total_kb": 1000, "available_kb": 50}),
    "memory_pressure": ("pressure", {"resource": "memory", "some_percent": 10.1}, {"resource": "memory", "some_percent": 10.0}),
    "memory_stalls": ("pressure", {"resource": "memory", "full_percent": 5.1}, {"resource": "memory", "full_percent": 5.0}),
    "run_wait": ("cpu_limits", {"cpu": "3", "run_wait_percent": 100.1}, {"cpu": "3", "run_wait_percent": 100.0}),
    "cpu_slow": ("cpu_limits", {"cpu": "3", "frequency_percent": 69.9}, {"cpu": "3", "frequency_percent": 70.0}),
    "thermal_throttling": ("cpu_limits", {"cpu": "3", "thermal_throttles": 0.1}, {"cpu": "3", "thermal_throttles": 0.0}),
    "numa_misses": ("system", {"numa_misses": 1001.0, "numa_hits": 9000.0}, {"numa_misses": 1001.0, "numa_hits": 9010.0}),
    "link_busy": (
        "network",
        {"interface": "eth0", "util_percent": 90.1, "in_total": 1},
        {"interface": "eth0", "util_percent": 90.0, "in_total": 1},
    ),
    "allowance_exceeded": ("interface_limits", {"interface": "eth0", "pps_exceeded": 0.1}, {"interface": "eth0", "pps_exceeded": 0.0}),
    "softnet_squeezes": ("cpu_limits", {"cpu": "0", "softnet_squeezes": 10.1}, {"cpu": "0", "softnet_squeezes": 10.0}),
    "softnet_drops": ("cpu_limits", {"cpu": "0", "softnet_drops": 0.1}, {"cpu": "0", "softnet_drops": 0.0}),
    "tracked_connections": ("limits", {"connections_percent": 90.1}, {"connections_percent": 90.0}),
    "open_files": ("limits", {"open_files_percent": 90.1}, {"open_files_percent": 90.0}),
    "tasks": ("limits", {"tasks_percent": 90.1}, {"tasks_percent": 90.0}),
    "foreign_process": (
        "processes",
        {"pid": "7", "command": "unattended-upgr", "cpu_percent": 5.1},
        {"pid": "7", "command": "postgres", "cpu_percent": 99.0},
    ),
    "hot_thread": (
        "processes",
        {"pid": "7", "command": "redis-server", "cpu_percent": 90.0},
        {"pid": "7", "command": "redis-server", "cpu_percent": 105.1},
    ),
    "swapping_out": ("system", {"swap_out_pages": 10.1}, {"swap_out_pages": 10.0}),
    "swapping_in": ("system", {"swap_in_pages": 10.1}, {"swap_in_pages": 10.0}),
    "major_faults": ("system", {"major_faults": 500.1}, {"major_faults": 500.0}),
    "dirty_pages": ("memory", {"total_kb": 1000, "dirty_kb": 151}, {"total_kb": 1000, "dirty_kb": 150}),
    "oom_kills": ("system", {"oom_kills": 1.0}, {"oom_kills": 0.0}),
    "disk_busy": ("disk", {"device": "sda", "util_percent": 90.1, "in_total": 1}, {"device": "sda", "util_percent": 90.0, "in_total": 1}),
    "disk_await": (
        "disk",
        {"device": "sda", "await_ms": 20.1, "read_ops": 20.0, "in_total": 1},
        {"device": "sda", "await_ms": 20.1, "read_ops": 19.9, "in_total": 1},
    ),
    "disk_queue": (
        "disk",
        {"device": "sda", "queue_length": 8.1, "await_ms": 5.1, "in_total": 1},
        {"device": "sda", "queue_length": 8.0, "await_ms": 5.1, "in_total": 1},
    ),
    "io_pressure": ("pressure", {"resource": "io", "some_percent": 25.1}, {"resource": "io", "some_percent": 25.0}),
    "io_stalls": ("pressure", {"resource": "io", "full_percent": 10.1}, {"resource": "io", "full_percent": 10.0}),
    "io_wait": ("host", {"cpu_iowait": 20.1}, {"cpu_iowait": 20.0}),
    "blocked_tasks": ("system", {"blocked": 2 * CPUS + 2}, {"blocked": 2 * CPUS + 1}),
    "filesystem_used": (
        "filesystem",
        {"mount": "/", "used_percent": 90.1, "size_bytes": 1000 * MIB},
        {"mount": "/", "used_percent": 90.0, "size_bytes": 1000 * MIB},
    ),
    "filesystem_full": (
        "filesystem",
        {"mount": "/srv", "available_bytes": 0, "size_bytes": 1000 * MIB},
        {"mount": "/srv", "available_bytes": 1, "size_bytes": 1000 * MIB},
    ),
    "receive_drops": (
        "network",
        {"interface": "eth0", "rx_drops": 1.1, "rx_packets": 1000.0, "in_total": 1},
        {"interface": "eth0", "rx_drops": 1.1, "rx_packets": 1100.1, "in_total": 1},
    ),
    "send_drops": (
        "network",
        {"interface": "eth0", "tx_drops": 1.1, "tx_packets": 1000.0, "in_total": 1},
        {"interface": "eth0", "tx_drops": 1.0, "tx_packets": 900.0, "in_total": 1},
    ),
    "receive_errors": (
        "network",
        {"interface": "eth0", "rx_errors": 0.1, "in_total": 1},
        {"interface": "lo", "rx_errors": 0.1, "in_total": 0},
    ),
    "send_errors": (
        "network",
        {"interface": "eth0", "tx_errors": 0.1, "in_total": 1},
        {"interface": "eth0", "tx_errors": 0.0, "in_total": 1},
    ),
    "retransmits": ("tcp", {"retransmits": 1.01, "out_segments": 100.0}, {"retransmits": 1.0, "out_segments": 100.0}),
    "listen_overflows": ("tcp", {"listen_overflows": 0.1}, {"listen_overflows": 0.0}),
    "container_cpu": ("containers", {"container_id": "abc", "cpu_limit_percent": 90.1}, {"container_id": "abc", "cpu_limit_percent": 90.0}),
    "container_throttled": (
        "containers",
        {"container_id": "abc", "cpu_throttled_percent": 10.1},
        {"container_id": "abc", "cpu_throttled_percent": 10.0},
    ),
    "container_memory": (
        "containers",
        {"container_id": "abc", "memory_working_set_bytes": 901, "memory_max_bytes": 1000},
        {"container_id": "abc", "memory_working_set_bytes": 900, "memory_max_bytes": 1000},
    ),
    "steal": ("host", {"cpu_steal": 5.1}, {"cpu_steal": 5.0}),
    "late_samples": ("samples", {"lateness_ms": 500.1}, {"lateness_ms": 500.0}),
    "gaps": ("quality", {"kind": "gap", "missed": 1}, {"kind": "gap", "missed": 0}),
    "clock_steps": ("quality", {"kind": "clock_step"}, {"kind": "reset"}),
    "clock_error": ("limits", {"clock_error_ms": 500.1}, {"clock_error_ms": 500.0}),
    "receiver_clock": (
        "limits",
        {"receiver_ahead_ms": -502.1, "receiver_within_ms": 2},
        {"receiver_ahead_ms": 502.0, "receiver_within_ms": 2},
    ),
    "reboots": ("quality", {"kind": "reboot"}, {"kind": "hot_plug"}),
    "ended_early": ("quality", {"kind": "ended_early", "missed": 7}, {"kind": "truncated"}),
    "unusable_numbers": ("quality", {"kind": "unusable", "subject": "cpu 1", "missed": 3}, {"kind": "damaged", "missed": 3}),
}
# What the other samples have, so that the condition is false there and not unknown.
CALM: dict[str, Cells] = {
    "retransmits": {"retransmits": 0.0, "out_segments": 100.0},
    "one_cpu_busy": {"cpu": "3", "busy": 5.0},
    "cpu_pressure": {"resource": "cpu", "some_percent": 0.0},
    "softirq_one_cpu": {"cpu": "0", "softirq": 0.0},
    "memory_available": {"total_kb": 1000, "available_kb": 900},
    "dirty_pages": {"total_kb": 1000, "dirty_kb": 0},
    "cpu_slow": {"cpu": "3", "frequency_percent": 100.0},
    "numa_misses": {"numa_misses": 0.0, "numa_hits": 1.0},
}


class Samples:
    """The rows of a machine by table, and what is found in them."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, tuple[str, ...]], list[list[Any]]] = {}

    def add(self, table: str, tick: int, cells: Cells) -> None:
        at = "to_timestamp" if table == "quality" else "timestamp"
        row = {"machine": 1, at: tick * PERIOD_MS, **cells}
        self._rows.setdefault((table, tuple(row)), []).append(list(row.values()))

    def database(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect()
        for table in TABLES:
            columns = ", ".join(f'"{c.name}" {DUCK_TYPES[c.type]}' for c in table.columns)
            con.execute(f"CREATE TABLE {table.name} (machine INTEGER, timestamp BIGINT, {columns})")
        con.execute("CREATE TABLE samples (machine INTEGER, timestamp BIGINT, lateness_ms DOUBLE)")
        con.execute("CREATE TABLE quality (machine INTEGER, kind VARCHAR, subject VARCHAR, missed BIGINT, to_timestamp BIGINT)")
        for (table, names), rows in self._rows.items():
            columns = ", ".join(f'"{name}"' for name in names)
            con.execute(f"INSERT INTO {table} ({columns}) SELECT {', '.join(['unnest(?)'] * len(names))}", [list(of) for of in zip(*rows)])
        return con

    def judged(self, cpus: int | None = CPUS, chosen: list[Rule] | None = None) -> Judged:
        with self.database() as con:
            return judge(con, MachineFacts(1, cpus, PERIOD_MS), [Span("run:1", PERIOD_MS, SAMPLES * PERIOD_MS)], chosen=chosen)["run:1"]


def needed(rule: Rule) -> int:
    """Of SAMPLES samples, in how many the rule must hold."""
    return max(rule.samples, -(-int(rule.share * SAMPLES) // 100))


def calm(holding: Cells) -> Cells:
    """The same device, with nothing to do."""
    kept = ("in_total", "size_bytes", "memory_max_bytes")
    return {
        name: value if isinstance(value, str) or name in kept else 1 if name == "available_bytes" else 0 for name, value in holding.items()
    }


def single() -> list[Rule]:
    return [rule for rule in rules() if not rule.having]


def test_every_rule_has_a_case_and_there_are_at_least_thirty() -> None:
    assert {rule.name for rule in single()} == set(CASES)
    assert len(rules()) >= 30
    assert len({rule.name for rule in rules()}) == len(rules())


def told(rule: Rule, cells: Cells, times: int, first: int, samples: Samples) -> Span:
    """The window from tick `first` on of which `times` samples are as `cells`, the others calm."""
    table, holding, _ = CASES[rule.name]
    for tick in range(first, first + SAMPLES):
        if table != "host":
            samples.add("host", tick, {"cpu_busy": 25.0})
        if rule.name == "cpu_slow":
            samples.add("cpu", tick, {"cpu": "3", "busy": 51.0})
        if tick < first + times:
            samples.add(table, tick, cells)
        elif table != "quality" and not rule.sparse:  # a process that did nothing has no row
            samples.add(table, tick, CALM.get(rule.name) or calm(holding))
    return Span(f"from {first}", first * PERIOD_MS, (first + SAMPLES - 1) * PERIOD_MS)


@pytest.fixture(scope="module")
def holding() -> dict[str, list[bool]]:
    """Of each rule, in one database, whether it holds: just beyond its limit, just below it, in one sample too few."""
    samples, spans = Samples(), {}
    for place, rule in enumerate(single()):
        _, beyond, below = CASES[rule.name]
        cases = ((beyond, needed(rule)), (below, SAMPLES), (beyond, needed(rule) - 1))
        starts = (3 * place * SAMPLES + SAMPLES * case + 1 for case in range(3))
        spans[rule.name] = [told(rule, cells, times, first, samples) for (cells, times), first in zip(cases, starts)]
    with samples.database() as con:
        found = judge(con, MachineFacts(1, CPUS, PERIOD_MS), [span for of_rule in spans.values() for span in of_rule])
    return {name: [name in {one.rule for one in found[span.name].findings} for span in of_rule] for name, of_rule in spans.items()}


@pytest.mark.parametrize("rule", single(), ids=lambda rule: rule.name)
def test_a_rule_holds_just_beyond_its_limit_and_not_just_below(holding: dict[str, list[bool]], rule: Rule) -> None:
    beyond, below, too_few = holding[rule.name]
    assert beyond
    assert not below
    assert not too_few


@pytest.mark.parametrize(("grows", "expected"), [(True, True), (False, False)], ids=["with the load", "whatever the load"])
def test_await_that_grows_with_the_load(grows: bool, expected: bool) -> None:
    samples = Samples()
    for tick in range(1, SAMPLES + 1):
        operations = 20.0 + tick
        await_ms = tick / 8 if grows else 6.0 + tick % 2
        samples.add("disk", tick, {"device": "sda", "await_ms": await_ms, "read_ops": operations, "write_ops": 0.0, "in_total": 1})
    assert ("disk_await_grows" in {one.rule for one in samples.judged().findings}) == expected


@pytest.mark.parametrize(("shape", "expected"), [("leak", True), ("warm-up", False), ("small", False)])
def test_memory_that_grows_all_the_time(shape: str, expected: bool) -> None:
    samples = Samples()
    for tick in range(1, SAMPLES + 1):
        grown = {"leak": 4 * tick, "warm-up": 40 * min(tick, 10), "small": tick}[shape]
        samples.add("processes", tick, {"pid": "7", "command": "java", "rss_bytes": (200 + grown) * MIB})
    found = samples.judged(chosen=[rule for rule in rules() if rule.name == "memory_grows"]).findings
    assert [one.sentence for one in found] == (["The memory of java (process 7) grew all the time, to 600 MiB."] if expected else [])


def test_one_line_per_rule_with_the_worst_subject_and_how_many_more() -> None:
    samples = Samples()
    for tick in range(1, SAMPLES + 1):
        for number in range(14):
            busy = 100.0 if number == 3 or tick > 50 else 10.0
            samples.add("disk", tick, {"device": f"sd{chr(97 + number)}", "util_percent": busy, "in_total": 1})
    (one,) = samples.judged().findings
    assert (one.rule, one.subject, one.more) == ("disk_busy", "sdd", 13)
    assert one.sentence == "Disk sdd busy above 90 % for 1 m 40 s of 1 m 40 s, peak 100 %, and 13 more like it."


def test_how_long_it_was_so_counts_in_tenth_samples_where_there_are_no_others() -> None:
    samples = Samples()
    for tick in range(10, SAMPLES + 1, 10):
        samples.add("cpu_limits", tick, {"cpu": "1", "softnet_drops": 2.0 if tick > 60 else 0.0})
    (one,) = samples.judged().findings
    assert one.sentence == "CPU 1 dropped packets before they were looked at, for 40 s of 1 m 40 s, at most 2/s."


def test_a_machine_without_a_number_of_cpus_has_no_run_queue() -> None:
    samples = Samples()
    for tick in range(1, SAMPLES + 1):
        samples.add("system", tick, {"running": 500})
    assert not samples.judged(cpus=None).findings


def test_hostile_names_stay_text() -> None:
    name = "x'; DROP TABLE disk; -- {worst}"
    samples = Samples()
    for tick in range(1, SAMPLES + 1):
        samples.add("disk", tick, {"device": name, "util_percent": 100.0, "in_total": 1})
    (one,) = samples.judged().findings
    assert one.subject == name
    assert name in one.sentence
    sql = one.sql.replace("'disk.csv'", "disk").replace("'1970-01-01T00:00:01.000Z'", "0").replace("'1970-01-01T00:01:40.000Z'", "1e9")
    assert len(samples.database().execute(sql).fetchall()) == SAMPLES


def test_what_is_read_seldom_holds_for_no_longer_than_the_window_is() -> None:
    """19 readings, ten seconds apart, in a run of three minutes."""
    (rule,) = (one for one in rules() if one.value == "thermal_throttles")
    told = sentence_of(rule, [Held("1", 19, 19, 0, 180_000, 0.5)], MachineFacts(1, 4, 1000), Span("run:1", 0, 180_000))
    assert told.startswith("CPU 1 was slowed down because it was too hot, for 3 m 1 s of 3 m 1 s, ")


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_is_told_in_plain_sentences(rule: Rule) -> None:
    assert rule.kind in ("utilisation", "saturation", "errors", "trust")
    assert rule.limit in ("", "cpu", "memory", "disk", "network")
    assert re.fullmatch(r"[A-Z{].*\.", rule.sentence)
    assert re.fullmatch(r"[A-Zq].*\.", rule.advice)
    assert rule.source


def whole(samples: int = 15) -> Any:
    return certify(samples, [], largest_lateness_ms=1.0)


def test_the_verdict_names_the_limit_when_it_began_at_which_load_and_what_was_far_from_one() -> None:
    samples = Samples()
    for tick in range(1, SAMPLES + 1):
        samples.add("host", tick, {"cpu_busy": 100.0 if tick > 40 else 20.0})
        samples.add("memory", tick, {"used_percent": 30.0})
        samples.add("disk", tick, {"device": "sda", "util_percent": 75.0, "in_total": 1})
        samples.add("network", tick, {"interface": "eth0", "rx_bytes": 1.0, "in_total": 1})
    told = verdict(whole(), samples.judged(), lambda at: f"{at / 1000:,.0f} requests/s")
    assert told.trusted
    assert told.limit == "cpu"
    assert told.sentence == (
        "CPU-bound: CPU busy above 90 % for 1 m of 1 m 40 s, peak 100 %, from 00:00:41 UTC on, from 41 requests/s on; disk at 75 %,"
        " memory far from a limit, no sign of a limit in the network. Recorded 15 of 15 samples, no gap, latest 1.0 ms late."
    )


def test_the_verdict_of_a_calm_machine() -> None:
    samples = Samples()
    for tick in range(1, SAMPLES + 1):
        samples.add("host", tick, {"cpu_busy": 20.0})
        samples.add("memory", tick, {"used_percent": 30.0})
    told = verdict(whole(), samples.judged())
    assert told.limit == "none"
    assert told.sentence == (
        "Nothing saturated: CPU busy 20 %, memory used 30 % at the 95th percentile. Recorded 15 of 15 samples, no gap, latest 1.0 ms late."
    )


def test_what_is_not_recorded_is_not_to_be_trusted() -> None:
    from perfkit.collection.certificate import Gap

    told = verdict(certify(19, [Gap(0, 12_000, 11)]), Judged((), {}))
    assert told[:3] == ("Not to be trusted: 11 of 30 samples are missing.", False, "none")
    assert verdict(certify(0, []), Judged((), {}))[:3] == ("Not to be trusted: no sample was due.", False, "none")
    assert verdict(certify(95, [Gap(0, 6_000, 5)]), Judged((), {})).trusted is True
