"""Numbers that no machine has, lines that are cut, doubled or swapped, fields that are missing: each costs its own cells and no others."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator

import pytest

from perfkit.catalog import TABLES, TEXT
from perfkit.collection import MARK, PROCESS
from perfkit.collection.subsystems import ALL
from perfkit.process.engine import Engine
from support import invent

SECONDS, CPUS = 12, 2
GARBAGE = (
    *("9223372036854775808", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "4294967295", "9" * 40),
    *("1e308", "-1e308", "-1", "0", "", "NaN", "inf", "x", "0x10", "1.5", "1e-300", "\u0663", "999999999999999"),
)
# The tables that may change with a source; none but them.
SOURCES = {
    # What is not attributed to processes is the rest of the CPU's time.
    "/proc/stat": {"cpu", "system", "host", "processes"},
    "/proc/meminfo": {"memory", "host"},
    "/proc/diskstats": {"disk", "host"},
    "/proc/net/dev": {"network", "host"},
    "/proc/loadavg": {"system", "limits"},
    "/proc/vmstat": {"system"},
    "/proc/net/snmp": {"tcp"},
    "/proc/net/netstat": {"tcp"},
    "/proc/pressure/cpu": {"pressure"},
    "/proc/pressure/memory": {"pressure"},
    "/proc/pressure/io": {"pressure"},
    "/proc/net/softnet_stat": {"cpu_limits"},
    "/proc/schedstat": {"cpu_limits"},
    "limits": {"cpu_limits", "interface_limits", "limits"},
    "/dev/kmsg": set(),
    "/proc/cpuinfo": set(),
    "statfs[*]": {"filesystem"},
    "container/": {"containers"},
    "service/": {"services"},
    "processes": {"processes"},
    "perfkit/process": {"processes", "process_names"},
    "perfkit/self": set(),
    "perfkit/mark": set(),
}
ROUNDS = 8  # mutated machines of each source
MOST = {
    **{(name, "% of one core"): 100 * CPUS for name in ("containers", "services", "processes")},
    ("cpu_limits", "run_wait_percent"): 100 << 22,  # as many tasks as Linux may have wait for one CPU
    ("cpu_limits", "frequency_percent"): 1000,
}
NUMBER = re.compile(r"\d+(?:\.\d+)?")

Line = dict[str, object]


def _number(text: str, chance: random.Random) -> str:
    found = list(NUMBER.finditer(text))
    if not found:
        return text
    at = chance.choice(found)
    return text[: at.start()] + chance.choice(GARBAGE) + text[at.end() :]


def _numbers(text: str, chance: random.Random) -> str:
    """All of them the same: as of a file system that answers garbage."""
    value = chance.choice(GARBAGE)
    return NUMBER.sub(lambda _: value, text)


def _cut(text: str, chance: random.Random) -> str:
    return text[: chance.randrange(len(text) + 1)]


def _line(text: str, chance: random.Random) -> str:
    lines = text.split("\n")
    a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
    how = chance.choice(("drop", "double", "swap", "cut"))
    if how == "drop":
        del lines[a]
    elif how == "double":
        lines.insert(b, lines[a])
    elif how == "swap":
        lines[a], lines[b] = lines[b], lines[a]
    else:
        lines[a] = _cut(lines[a], chance)
    return "\n".join(lines)


def _field(text: str, chance: random.Random) -> str:
    fields = re.split(r"([ ,]+)", text)
    at = chance.randrange(len(fields))
    if chance.random() < 0.5:
        del fields[at]
    else:
        fields.insert(at, f" {chance.choice(GARBAGE)} ")
    return "".join(fields)


MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (_number, _number, _numbers, _cut, _line, _field)


def _mutants(lines: list[Line]) -> Iterator[tuple[str, list[Line]]]:
    """(the source that was mutated, the lines)."""
    for source in SOURCES:
        for number in range(ROUNDS):
            chance = random.Random(f"{source} {number}")
            mutated = [dict(line) for line in lines]
            told = [line for line in mutated if str(line["subsystem"]).startswith(source)]
            assert told, source
            for line in chance.sample(told, min(len(told), 3)):
                line["measurement"] = chance.choice(MUTATIONS)(str(line["measurement"]), chance)
            yield source, mutated


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, dict[int, str]]]:
    """The tables of an invented machine (1) and of mutants of it, and whose mutants they are."""
    folder = tmp_path_factory.mktemp("mutants")
    marks = [(2.0, "load", "start"), (6.0, "load", "end")]
    whole = invent.write(folder / "0.json", seconds=SECONDS, cpus=CPUS, disks=1, containers=1, users=True, marks=marks)
    lines = [json.loads(line) for line in whole.read_text().splitlines()]
    at = next(number for number, line in enumerate(lines) if line["subsystem"] == "limits" and number > len(lines) // 2)
    killed = "6,1,259204000000,-;Out of memory: Killed process 77 (a) total-vm:4kB"
    lines.insert(at, {**lines[at], "subsystem": "/dev/kmsg", "measurement": killed})
    whole.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sources, files = {1: ""}, [(1, whole)]
    for number, (source, mutated) in enumerate(_mutants(lines), 2):
        path = folder / f"{number}.json"
        path.write_text("".join(json.dumps(line) + "\n" for line in mutated))
        sources[number] = source
        files.append((number, path))
    with Engine() as made:
        made.load(files)
        made.derive(percentiles=False)
        yield made, sources


def test_only_the_tables_of_a_source_change_with_it(engine: tuple[Engine, dict[int, str]]) -> None:
    made, sources = engine
    changed = set()
    for table in TABLES:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        rows: dict[int, list[tuple[object, ...]]] = {}
        for machine, *row in made.con.execute(f"SELECT machine, timestamp, {columns} FROM {table.name} ORDER BY ALL").fetchall():
            rows.setdefault(machine, []).append(tuple(row))
        for machine, source in sources.items():
            if rows.get(machine) != rows[1]:
                changed.add((source, table.name))
    assert {(source, name) for source, name in changed if name not in SOURCES[source]} == set()
    assert {source for source, _ in changed} == {source for source, names in SOURCES.items() if names}  # each was mutated so that it shows


def test_no_cell_is_one_that_cannot_be(engine: tuple[Engine, dict[int, str]]) -> None:
    """Finite, not negative, no share larger than the whole."""
    made, sources = engine
    wrong = []
    for table in TABLES:
        values = [column for column in table.values if column.type != TEXT]
        names = ", ".join(f'"{column.name}"' for column in values)
        for machine, *row in made.con.execute(f"SELECT machine, {names} FROM {table.name}").fetchall():
            for column, cell in zip(values, row, strict=True):
                if cell is None or column.name in ("clock_offset_ms", "receiver_ahead_ms"):  # a clock may be ahead or behind
                    continue
                most = MOST.get((table.name, column.name)) or MOST.get(
                    (table.name, column.unit), 100 if column.unit.startswith("%") else 1e25
                )
                low = -25 if table.name == "processes" else 0  # what is not attributed may be a little below: ticks of 10 ms
                if not (math.isfinite(cell) and low <= cell <= most * 1.1):
                    wrong.append((sources[machine], machine, table.name, column.name, cell))
    assert "\n".join(map(str, wrong)) == ""


def test_every_source_that_is_recorded_is_mutated() -> None:
    """But for what says which recording this is: tests of the timeline damage that."""
    assert {one.name for one in ALL} | {"/proc/cpuinfo", PROCESS, MARK, "perfkit/self"} == SOURCES.keys()


# The others' rows come and go with a name that was mutated, or their sources are read in every tenth sample alone.
TELLS = ("host", "cpu", "memory", "disk", "network", "pressure", "system", "tcp")
SILENT = """
    SELECT machines.machine, '{name}', whole.timestamp
    FROM (SELECT DISTINCT machine FROM {name}) AS machines JOIN (FROM {name} WHERE machine = 1) AS whole ON true
    LEFT JOIN {name} AS mine ON mine.machine = machines.machine AND mine.timestamp = whole.timestamp{same}
    WHERE whole.timestamp > (SELECT min(timestamp) FROM samples) AND ({emptied}) AND NOT EXISTS (
        SELECT 1 FROM quality AS q WHERE q.machine = machines.machine AND kind IN ('unusable', 'reset', 'hot_plug', 'unplug')
        AND whole.timestamp BETWEEN from_timestamp AND to_timestamp + 1000)
"""


def test_every_emptied_cell_has_an_event(engine: tuple[Engine, dict[int, str]]) -> None:
    """Of its machine, at its time or at that of the sample that it would be computed from. What the first lacks, its kernel may lack."""
    made, sources = engine
    silent = []
    for table in (one for one in TABLES if one.name in TELLS):
        same = "".join(f' AND mine."{key.name}" = whole."{key.name}"' for key in table.keys)
        emptied = " OR ".join(f'(whole."{one.name}" IS NOT NULL AND mine."{one.name}" IS NULL)' for one in table.values)
        silent += made.con.execute(SILENT.format(name=table.name, same=same, emptied=emptied)).fetchall()
    assert "\n".join(map(str, ((sources[machine], machine, *row) for machine, *row in silent))) == ""
    for name in ("containers", "services", "filesystem", "cpu_limits", "interface_limits", "limits", "processes"):
        emptied = f"SELECT machine, timestamp FROM {name} WHERE why IS NOT NULL"
        without = f"""SELECT count(*) FROM ({emptied}) AS emptied ANTI JOIN quality ON quality.machine = emptied.machine
            AND kind IN ('unusable', 'reset') AND emptied.timestamp BETWEEN from_timestamp AND to_timestamp"""
        assert made.con.execute(f"SELECT count(*) > 0 FROM ({emptied})").fetchone() == (True,), name
        assert made.con.execute(without).fetchone() == (0,), name


def test_shares_of_a_cpu_that_are_all_known_are_100_percent(engine: tuple[Engine, dict[int, str]]) -> None:
    made, _ = engine
    together = "user + nice + system + iowait + irq + softirq + steal + idle"
    assert made.con.execute(f"SELECT machine, timestamp FROM cpu WHERE abs({together} - 100) > 1e-6").fetchall() == []
