"""What the numbers of a run or a phase say: findings by the rules of rules.toml, and the verdict that they add up to.

A rule is judged per window and subject: it holds where its condition is true for at least its share of the samples, and for at least so
many of them. A rule is one finding: its worst subject, and how many more there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import _duckdb as duckdb
import tomllib

from perfkit.catalog import TABLES
from perfkit.collection.certificate import Certificate
from perfkit.collection.subsystems import SLOW
from perfkit.process.engine import statement, with_rows
from perfkit.process.quality import Quality
from perfkit.units import format_duration, iso

LIMITS = {"cpu": "CPU", "memory": "memory", "disk": "disk", "network": "network"}
NONE = "none"
_NAMED = re.compile(r"{(\w+)}")  # the tables that a rule reads
_SELDOM = {table.name for table in TABLES if table.seldom} | {"filesystem"}  # tables with a row in every SLOW-th sample
_FAR = 70  # % that a resource was used, at most, to be called far from its limit
# What a row per run or phase shows of the machine: metrics of the table host.
SHOWN = ("cpu_busy", "mem_used", "disk_read_bytes", "disk_write_bytes", "net_rx_bytes", "net_tx_bytes")
COLUMNS = ("rule", "kind", "resource", "subject", "more", "sentence", "advice", "from", "to", "share", "worst", "source", "sql")


@dataclass(frozen=True)
class Rule:
    """One rule (see rules.toml)."""

    name: str
    kind: str
    limit: str
    of: str
    value: str
    when: str
    share: float
    samples: int
    sentence: str
    advice: str
    source: str
    subject: str = ""
    having: str = ""
    least: bool = False
    sparse: bool = False


class Finding(NamedTuple):
    """A rule that holds: for `share` % of the window's samples, between `from_timestamp` and `to_timestamp` (ms), of `subject`.

    `more` further subjects are like it. `sql` lists the samples it was found in.
    """

    rule: str
    kind: str
    limit: str
    subject: str
    more: int
    sentence: str
    advice: str
    from_timestamp: int
    to_timestamp: int
    share: float
    worst: float | None
    source: str
    sql: str

    def as_json(self) -> dict[str, Any]:
        """The finding as every JSON of perfkit has it; instants are ISO 8601."""
        found = dict(zip(COLUMNS, self, strict=True))
        return found | {"from": iso(self.from_timestamp), "to": iso(self.to_timestamp)}


class Verdict(NamedTuple):
    """What a run or a phase means, in a sentence; `limit` is a key of LIMITS, or "none"; `since` (ms) is the instant in the sentence."""

    sentence: str
    trusted: bool
    limit: str
    since: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The verdict as every JSON of perfkit has it; `from` is ISO 8601, or None where the sentence has no instant."""
        since = None if self.since is None else iso(self.since)
        return {"sentence": self.sentence, "trusted": self.trusted, "limit": self.limit, "from": since}


class Judged(NamedTuple):
    """The findings of a window in the order of the rules, and how high each resource was (sql/summaries/levels.sql)."""

    findings: tuple[Finding, ...]
    levels: dict[str, float | None]


class Assessment(NamedTuple):
    """What a run or a phase means: its verdict, what it was made from, and {metric: {"avg", "p95", "max"}} of the host."""

    verdict: Verdict
    judged: Judged
    figures: dict[str, dict[str, float]]

    def as_json(self, certificate: Certificate) -> dict[str, Any]:
        """The run or phase as every JSON of perfkit has it, with its certificate."""
        return {
            "verdict": self.verdict.as_json(),
            "certificate": certificate.as_dict(),
            "figures": self.figures,
            "findings": [one.as_json() for one in self.judged.findings],
        }


class Span(NamedTuple):
    """A window that is judged: its name, and its first and last instant (ms)."""

    name: str
    start: int
    end: int


class MachineFacts(NamedTuple):
    """What rules know of a machine besides its samples; None where it is not known."""

    number: int
    cpus: int | None
    period_ms: float | None


@dataclass(frozen=True)
class SqlPlace:
    """Where a reader can run a finding's SQL: the names that tables have there, and how one machine and an instant are written."""

    names: Mapping[str, str]
    machine: str = ""  # a condition with AND behind it, or ""
    key: str = "timestamp"  # the columns that a machine's samples are joined by
    instants_as_text: bool = False

    def sql(self, rule: Rule, subject: str, start: int, end: int, machine: MachineFacts) -> str:
        """The samples in which `rule` held of `subject` in [start, end] ms."""
        columns = dict.fromkeys(["timestamp", *([rule.subject] if rule.subject else []), rule.value])
        since, until = (f"'{iso(at)}'" if self.instants_as_text else at for at in (start, end))
        escaped = subject.replace("'", "''")
        text = statement("summaries/found_in").format(
            columns=", ".join(columns),
            of=rule.of.format(**self.names, key=self.key),
            machine=self.machine,
            start=since,
            end=until,
            when=_with_values(rule.when, machine),
            subject=f" AND {rule.subject} = '{escaped}'" if rule.subject else "",
        )
        return text[text.index("SELECT") :].strip()


# The folder that process makes: run the SQL there with DuckDB.
FOLDER = SqlPlace(
    {
        **{table.name: f"'{table.name}.csv'" for table in TABLES},
        "host": "(SELECT *, greatest(100 - cpu_idle - coalesce(cpu_iowait, 0), 0) AS cpu_busy FROM 'host.csv')",
        "samples": "'samples.csv'",
        "events": """(SELECT *, "to"::TIMESTAMPTZ AS timestamp FROM (SELECT unnest(events, max_depth := 2) FROM 'quality.json'))""",
    },
    instants_as_text=True,
)
# The tables of the engine, as rules name them.
ENGINE = {
    **{table.name: table.name for table in TABLES},
    "samples": "samples",
    "events": "(SELECT machine, to_timestamp AS timestamp, kind, subject, missed FROM quality)",
}


@cache
def rules(package: str = "perfkit.process") -> tuple[Rule, ...]:
    """Every rule of the package's rules.toml, in the order of importance."""
    return tuple(Rule(**one) for one in rules_file(package)["rule"])


@cache
def rules_file(package: str) -> dict[str, Any]:
    """The package's rules.toml."""
    return tomllib.loads((files(package) / "rules.toml").read_text(encoding="utf-8"))


def judge(
    con: duckdb.DuckDBPyConnection,
    machine: MachineFacts,
    spans: Sequence[Span],
    place: SqlPlace = FOLDER,
    chosen: Sequence[Rule] | None = None,
) -> dict[str, Judged]:
    """What was found in each of `spans`, by its name.

    `con` has the catalog's tables of the machine, `samples` and `quality` (kind, subject, missed, to_timestamp).
    """
    if not spans:
        return {}
    holding = held(con, machine, spans, rules() if chosen is None else chosen)
    levels: dict[str, dict[str, float | None]] = {}
    for window, resource, level in con.execute(statement("summaries/levels")).fetchall():
        levels.setdefault(window, {})[resource] = level
    found = {}
    for span in spans:
        told = ((rule, holding.get((span.name, rule.name))) for rule in rules())
        findings = (_finding(rule, subjects, span, machine, place) for rule, subjects in told if subjects)
        found[span.name] = Judged(tuple(findings), levels.get(span.name, {}))
    return found


class Held(NamedTuple):
    """A subject of which a rule holds: in `beyond` of its `samples`, between `first` and `last` (ms); `worst` is the farthest value."""

    subject: str
    samples: int
    beyond: int
    first: int
    last: int
    worst: float | None


def held(
    con: duckdb.DuckDBPyConnection, machine: MachineFacts, spans: Sequence[Span], chosen: Iterable[Rule], tables: Mapping[str, str] = ENGINE
) -> dict[tuple[str, str], list[Held]]:
    """The subjects of which a rule holds, by the names of window and rule, the worst subject first. `tables` are what rules may name."""
    con.execute(statement("summaries/asked"))
    con.executemany("INSERT INTO asked VALUES (?, ?, ?, ?, NULL)", [(machine.number, *span) for span in spans])
    con.execute(statement("summaries/window_samples"))
    found: dict[tuple[str, str], list[Held]] = {}
    there = {"key", *with_rows(con, tables)}
    for group in (group for group in _grouped(chosen) if there.issuperset(_NAMED.findall(group[0].of))):
        known = {rule.name: rule for rule in group}
        for window, subject, name, *figures in con.execute(_statement(group, machine, tables)).fetchall():
            one, rule = Held(subject or "", *figures), known[name]
            if one.beyond >= rule.samples and 100 * one.beyond >= rule.share * one.samples:
                found.setdefault((window, name), []).append(one)
    for subjects in found.values():
        subjects.sort(key=lambda one: (-one.beyond / max(one.samples, 1), -abs(one.worst or 0), one.subject))
    return found


def sentence_of(rule: Rule, subjects: Sequence[Held], machine: MachineFacts, span: Span) -> str:
    """What a rule says of the worst of its subjects within `span`, and how many more there are."""
    one, usual = subjects[0], (machine.period_ms or 1000) / 1000
    period = usual * (SLOW if _SELDOM & set(_NAMED.findall(rule.of)) else 1)
    whole = (span.end - span.start) / 1000 + usual  # what is read seldom stands for ten samples, the last one for fewer
    sentence = rule.sentence.format(
        beyond=format_duration(min(max(one.beyond, 1) * period, whole)),
        length=format_duration(min(max(one.samples, 1) * period, whole)),
        times="once" if one.beyond == 1 else f"{one.beyond:,} times",
        worst=_number(one.worst),
        subject=one.subject,
    )
    return sentence if len(subjects) == 1 else f"{sentence.rstrip('.')}, and {len(subjects) - 1} more like it."


def of_engine(con: duckdb.DuckDBPyConnection, machine: int, quality: Quality) -> dict[str, Assessment]:
    """What each run and phase of a machine that was processed means, by window_name."""
    spans = [Span(one.window, one.from_timestamp, one.to_timestamp) for one in quality.runs]
    judged = judge(con, MachineFacts(machine, quality.facts.get("cpus"), quality.facts.get("period_ms")), spans)
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for window, metric, avg, p95, most in con.execute(
        statement("summaries/figures"), {"machine": machine, "metrics": list(SHOWN)}
    ).fetchall():
        figures.setdefault(window, {})[metric] = {"avg": avg, "p95": p95, "max": most}
    named = [(one.window, one.certificate) for one in quality.runs]
    return {name: Assessment(verdict(told, judged[name]), judged[name], figures.get(name, {})) for name, told in named}


def verdict(certificate: Certificate, judged: Judged, load: Callable[[int], str] = lambda at: "") -> Verdict:
    """The verdict of a window; `load` tells the load at an instant (ms), as in "1,840 requests/s"."""
    limited = sorted((one for one in judged.findings if one.limit), key=_weight)
    limit = limited[0].limit if limited else NONE
    if not certificate.trusted:
        return Verdict(certificate.trust_text, False, limit)
    others = _others(judged.levels, {one.limit for one in limited}, limit)
    if not limited:
        return Verdict(f"Nothing saturated{': ' + others if others else ''}. {certificate.trust_text}", True, NONE)
    first = limited[0]
    when = iso(first.from_timestamp)[11:19]
    name = LIMITS[limit][0].upper() + LIMITS[limit][1:]
    rate = load(first.from_timestamp)
    at = f", from {rate} on" if rate else ""
    told = f"{name}-bound: {_within(first.sentence)}, from {when} UTC on{at}"
    return Verdict(f"{told}{'; ' + others if others else ''}. {certificate.trust_text}", True, limit, first.from_timestamp)


def _weight(one: Finding) -> tuple[bool, int, int]:
    """Orders findings for the verdict: the machine before its containers and processes; what held longest; of these what began first."""
    return one.rule.startswith(("container", "hot_thread")), -round(one.share / 10), one.from_timestamp


def _others(levels: Mapping[str, float | None], found: set[str], limit: str) -> str:
    """What the verdict says of the resources that are not the limit."""
    too = [LIMITS[name] for name in LIMITS if name in found and name != limit]
    far = [name for name in LIMITS if name in levels and name not in found]
    measured = {name: level for name in far if (level := levels[name]) is not None}
    parts = [f"{_listed(too)} at {'its' if len(too) == 1 else 'their'} limit too"] if too else []
    if limit == NONE:
        words = {
            "cpu": "CPU busy {:.0f} %",
            "memory": "memory used {:.0f} %",
            "disk": "disks busy {:.0f} %",
            "network": "network used {:.0f} %",
        }
        if measured:
            parts.append(", ".join(words[name].format(level) for name, level in measured.items()) + " at the 95th percentile")
    else:
        near = [f"{LIMITS[name]} at {level:.0f} %" for name, level in measured.items() if level >= _FAR]
        low = [LIMITS[name] for name, level in measured.items() if level < _FAR]
        parts += near + ([f"{_listed(low)} far from a limit"] if low else [])
    if "network" in far and "network" not in measured:
        parts.append("no sign of a limit in the network")
    return ", ".join(parts)


def _within(sentence: str) -> str:
    """A sentence as a part of another: without its point, and with a small letter at its start where that is a word's."""
    return (sentence[0].lower() if sentence[1:2].islower() and sentence[0].isupper() else sentence[0]) + sentence[1:].rstrip(".")


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _grouped(chosen: Iterable[Rule]) -> list[list[Rule]]:
    """Rules that read the same tables by the same subject, together."""
    groups: dict[tuple[str, str], list[Rule]] = {}
    for rule in chosen:
        groups.setdefault((rule.of, rule.subject), []).append(rule)
    return list(groups.values())


def _statement(group: Sequence[Rule], machine: MachineFacts, tables: Mapping[str, str]) -> str:
    told = ", ".join(_judged(rule, machine) for rule in group)
    of = group[0].of.format(**tables, key="machine, timestamp")
    return statement("summaries/findings").format(of=of, subject=group[0].subject or "''", rules=told)


def _judged(rule: Rule, machine: MachineFacts) -> str:
    when = f"FILTER ({_with_values(rule.when, machine)})"
    figures = {
        "rule": f"'{rule.name}'",
        "samples": "max(window_samples)" if rule.sparse else f"count({rule.value})",
        "beyond": f"count(*) {when}",
        "first": f"min(timestamp) {when}",
        "last": f"max(timestamp) {when}",
        "worst": f"({'min' if rule.least else 'max'}({rule.value}) {when})::DOUBLE",
        "holds": f"coalesce({rule.having or 'true'}, false)",
    }
    return "{" + ", ".join(f"'{name}': {sql}" for name, sql in figures.items()) + "}"


def _with_values(condition: str, machine: MachineFacts) -> str:
    background = tuple(rules_file("perfkit.process")["background"])
    return condition.format(cpus=machine.cpus or "NULL", period_ms=machine.period_ms or "NULL", foreign=f"command IN {background}")


def _finding(rule: Rule, subjects: Sequence[Held], span: Span, machine: MachineFacts, place: SqlPlace) -> Finding:
    worst = subjects[0]
    return Finding(
        rule.name,
        rule.kind,
        rule.limit,
        worst.subject,
        len(subjects) - 1,
        sentence_of(rule, subjects, machine, span),
        rule.advice,
        worst.first,
        worst.last,
        100 * worst.beyond / max(worst.samples, 1),
        worst.worst,
        rule.source,
        place.sql(rule, worst.subject, span.start, span.end, machine),
    )


def _number(value: float | None) -> str:
    """ "100", "1,840", "3.4": two or three digits are enough for a sentence."""
    if value is None:
        return "?"
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.1f}"
