"""Rubbish of every kind from one sender's key, while others send samples and the server is killed: the others lose nothing.

Other attacks than that of every test run: `ATTACK_SEEDS=1,2,3 pytest tests/receive/test_attack.py`.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from perfkit.receive.batch import SiteMachine, parse_batch
from support import asking, invent
from support.sender import Sender, busy
from support.served import Served, serving
from support.server import until

from .test_faults import in_database

LARGE = 4 if "ATTACK_SEEDS" in os.environ else 1  # how much larger than in every test run some rubbish is
SEEDS = [int(seed) for seed in os.environ.get("ATTACK_SEEDS", "23").split(",")]
BATCHES = 300
KILLS = {75, 150, 225}
Lines = list[dict[str, Any]]

NUMBERS = [
    *("0", "-1", "1e-300", "1e300", "1e999", "-0.0", "NaN", "Infinity", "nan", "0x10", "1_000", "٣", ""),
    *(
        str(2**31),
        str(2**32),
        str(2**53 + 1),
        str(2**63 - 1),
        str(-(2**63)),
        str(2**63),
        str(2**64 - 1),
        str(2**64),
        str(10**19),
        "9" * 400,
    ),
]
TEXTS = [
    *(
        "",
        " ",
        "\x00",
        "\n",
        "\r\n",
        "\u2028",
        "\ufeff",
        "\ud7ff",
        "\U0001f4a3" * 9,
        "\u202eevil",
        "a" * 5000,
        "{",
        "[" * 500,
        '{"a":' * 300,
    ),
    *("'; DROP TABLE collectors; --", '"', "\\", "%s%n", "null", "true", "<script>", "cpu", "cpu0", "Tcp:", "NaN", "../../etc/passwd"),
]
NAMES = ["mallory", "Mallory", "MALLORY", "honest-0", "Honest-0", unicodedata.normalize("NFD", "mällory"), "mällory", "..", "a/b", "\u0430"]
SUBSYSTEMS = [
    *(
        "/proc/stat",
        "/proc/meminfo",
        "/proc/diskstats",
        "/proc/net/dev",
        "/proc/loadavg",
        "/proc/vmstat",
        "/proc/net/snmp",
        "/proc/cpuinfo",
    ),
    *("/proc/net/netstat", "/proc/pressure/cpu", "statfs[*]", "container/docker/aaaaaaaaaaaa", "service/a.service", "processes"),
    *(
        "perfkit/process",
        "perfkit/session",
        "perfkit/mark",
        "perfkit/self",
        "perfkit/end",
        "perfkit/clock",
        "nobody/knows",
        "container/",
        "\x00",
    ),
]


class Attacker:
    """Makes batches: mostly a real sample that something was done to, as an attacker or a broken kernel would."""

    def __init__(self, chance: random.Random, samples: list[Lines]) -> None:
        self.chance, self.samples = chance, samples
        self.sent: list[tuple[str, Lines]] = []
        self.number = 0
        self.kinds: list[Callable[[Lines], Lines]] = [
            *(self.extreme_numbers, self.odd_texts, self.odd_times, self.odd_session, self.odd_marks, self.cut, self.shuffled),
            *(self.many_names, self.huge_line, self.another_boot, self.anything, self.jump_and_back, lambda lines: lines),
        ]

    def batch(self) -> tuple[str, Lines]:
        """Whose it says it is, and its lines."""
        chance = self.chance
        if self.sent and chance.random() < 0.15:  # again, or an older one
            name, lines = chance.choice(self.sent[-20:])
            return name, lines[:: chance.choice([1, -1, 2])]
        lines: Lines = []
        for _ in range(chance.randint(1, 3)):
            self.number = max(0, min(len(self.samples) - 1, self.number + chance.choice([1, 1, 1, 1, 2, -3])))
            lines += chance.choice(self.kinds)([dict(line) for line in self.samples[self.number]])
        self.sent.append((chance.choice(NAMES[:3] if chance.random() < 0.7 else NAMES), lines))
        return self.sent[-1]

    def extreme_numbers(self, lines: Lines) -> Lines:
        share = self.chance.choice([0.02, 0.2, 1.0])
        for line in self.some(lines):
            line["measurement"] = re.sub(
                r"\d+", lambda found: self.chance.choice(NUMBERS) if self.chance.random() < share else found[0], line["measurement"]
            )
        return lines

    def odd_texts(self, lines: Lines) -> Lines:
        for line in self.some(lines):
            words = re.split(r"(\s)", line["measurement"])
            words[self.chance.randrange(len(words))] = self.chance.choice(TEXTS)
            line["measurement"] = "".join(words) if self.chance.random() < 0.7 else self.chance.choice(TEXTS)
        return lines

    def odd_times(self, lines: Lines) -> Lines:
        when = {
            "timestamp": self.chance.choice(
                [0, 1, 1_000_000_000, 1_700_000_003, int(time.time()), int(time.time()) + 3600, 253_402_300_799]
            ),
            "nanosecond": self.chance.choice([0, 1, 999_999_999, 500_000_000]),
            "monotonic": self.chance.choice([0, 0.0, 1e-9, 1e9, 10_000_000_000, self.number]),
        }
        for line in self.some(lines):
            line |= {key: when[key] for key in self.some(list(when))}
        return lines

    def odd_session(self, lines: Lines) -> Lines:
        keys = [
            "frequency",
            "duration",
            "boot_id",
            "pid",
            "monotonic",
            "hostname",
            "machine_id",
            "cpus",
            "disks",
            "interfaces",
            "hz",
            "version",
        ]
        values = [
            *(float(n) if n == "1e-300" else n for n in NUMBERS),
            *TEXTS,
            1e-300,
            1e300,
            0,
            -1,
            2**63,
            None,
            True,
            [],
            {},
            [[1]],
            {"a": {}},
        ]
        told = {key: self.chance.choice(values) for key in self.some(keys)}
        text = json.dumps(told) if self.chance.random() < 0.8 else self.chance.choice(TEXTS)
        return [self.beside(lines, "perfkit/session", text), *lines]

    def another_boot(self, lines: Lines) -> Lines:
        told = {"hostname": "x", "boot_id": str(self.chance.random()), "frequency": self.chance.choice([1, 0.001, 1e-300]), "pid": 1}
        return [self.beside(lines, "perfkit/session", json.dumps(told)), *lines]

    def odd_marks(self, lines: Lines) -> Lines:
        kinds, labels = ["start", "end", "point", "", "x", None, 1], ["a", "steady", "", None, 1, "a" * 3000, "\x00", "recording"]
        marks = [{"kind": self.chance.choice(kinds), "label": self.chance.choice(labels)} for _ in range(self.chance.randint(1, 20))]
        many = [self.beside(lines, "perfkit/mark", json.dumps(mark)) | {"nanosecond": self.chance.randrange(10**9)} for mark in marks]
        return many if self.chance.random() < 0.3 else [*lines, *many]

    def cut(self, lines: Lines) -> Lines:
        for line in self.some(lines):
            line["measurement"] = line["measurement"][: self.chance.randrange(len(line["measurement"]) + 1)]
        return lines

    def shuffled(self, lines: Lines) -> Lines:
        texts = [line["measurement"] for line in lines]
        self.chance.shuffle(texts)
        return [line | {"measurement": text} for line, text in zip(lines, texts)]

    def many_names(self, lines: Lines) -> Lines:
        count = self.chance.choice([50, 375 * LARGE])
        made = {
            "/proc/net/dev": "\n".join(f"n{self.chance.randrange(10**6)}: " + "1 " * 16 for _ in range(count)),
            "/proc/diskstats": "\n".join(f"8 {n} d{self.chance.randrange(10**6)} " + "1 " * 11 for n in range(count)),
            "/proc/stat": "cpu 1 2 3 4 5 6 7 8 9 10\n"
            + "\n".join(f"cpu{self.chance.randrange(10**5)} 1 2 3 4 5 6 7 8 9 0" for _ in range(count)),
        }
        name = self.chance.choice(list(made))
        others = [
            self.beside(lines, f"container/docker/{self.chance.randrange(10**12):012d}", '{"cpu_usage_usec":1}') for _ in range(8 * LARGE)
        ]
        return [*(line for line in lines if line["subsystem"] != name), self.beside(lines, name, made[name]), *others]

    def huge_line(self, lines: Lines) -> Lines:
        return [
            *lines,
            self.beside(lines, self.chance.choice(SUBSYSTEMS), self.chance.choice(["9", " ", "cpu ", "a 1\n"]) * 50_000 * LARGE),
        ]

    def anything(self, lines: Lines) -> Lines:
        return [self.beside(lines, name, self.chance.choice([*TEXTS, *NUMBERS])) for name in self.some(SUBSYSTEMS)]

    def jump_and_back(self, lines: Lines) -> Lines:
        """A counter at its largest value, then at its smallest."""
        high, low = self.chance.choice([(2**63 - 1, -(2**63)), (2**64 - 1, 0), (2**63 - 1, 2**63), (0, 2**64 - 1)])
        second = [dict(line) for line in self.samples[min(self.number + 1, len(self.samples) - 1)]]
        for value, some in ((high, lines), (low, second)):
            for line in some:
                line["measurement"] = re.sub(r"(?<=\s)-?\d+", str(value), line["measurement"])
        return [*lines, *second]

    def some(self, of: list[Any]) -> list[Any]:
        return self.chance.sample(of, self.chance.randint(1, max(1, len(of)))) if of else []

    def beside(self, lines: Lines, subsystem: str, text: str) -> dict[str, Any]:
        """Another line of the same sample."""
        return {**lines[0], "subsystem": subsystem, "measurement": text}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Lines]:
    """A machine's samples, with containers, services and processes, shortly before now."""
    path = tmp_path_factory.mktemp("attack") / "mallory.json"
    invent.write(path, hostname="mallory", start=int(time.time()) - 900, seconds=400, containers=2, users=True)
    by_second: dict[int, Lines] = {}
    for line in path.read_bytes().splitlines():
        record = json.loads(line)
        by_second.setdefault(record["timestamp"], []).append(record)
    return [by_second[at] for at in sorted(by_second)]


def post(served: Served, key: str, body: bytes) -> int:
    """The status of the answer, as soon as there is one."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            return asking.post(served.url + "/v1/trickle", content=body, headers={"apikey": key}, timeout=60).status_code
        except httpx.HTTPError:
            assert served.process.poll() is None, served.read()
            time.sleep(0.05)
    raise AssertionError("no answer")


@pytest.mark.parametrize("seed", SEEDS)
def test_three_senders_beside_300_batches_of_rubbish_and_three_kills_are_complete(tmp_path: Path, samples: list[Lines], seed: int) -> None:
    chance = random.Random(seed)
    attacker, acknowledged, said = Attacker(chance, samples), {}, ""  # type: tuple[Attacker, dict[Machine, set[bytes]], str]
    with serving(tmp_path, dashboard=False) as served:
        keys = {"default": served.key, "Berlin": served.keys.add("berlin", site="Berlin"), "berlin": served.keys.add("b", site="berlin")}
        senders = [Sender(served.port, served.key, f"honest-{number}", pause=0.2) for number in range(3)]
        for sender in senders:
            sender.start()
        for number in range(BATCHES):
            name, lines = attacker.batch()
            # The default site's key would speak for the honest themselves where their name is used.
            site = chance.choice(["Berlin", "berlin"] if name == "honest-0" else list(keys))
            body = json.dumps({"identifier": name, "measurements": lines}).encode()
            status = post(served, keys[site], body)
            assert status in (200, 400), (status, body[:2000])
            if status == 200:
                texts = {line.text for line in parse_batch(body, 20_000).lines}
                acknowledged.setdefault(SiteMachine.of(name, site), set()).update(texts)
            if number in KILLS:
                said += served.read()
                served.kill_group()
                served.start(wait=False)
        for sender in senders:
            sender.ending.set()
        for sender in senders:
            sender.join(120)
        ended = time.monotonic()

        def complete() -> bool:
            assert served.process.poll() is None, served.read()
            return all(len(in_database(served.db, sender.identifier)) >= sender.taken - 1 for sender in senders)

        until(complete, 120)
        print(f"\nseed {seed}: complete {time.monotonic() - ended:.1f} s after the last batch")
        health = asking.get(served.url + "/-/healthz", timeout=60).json()
        assert served.stop() == 0
        said += served.output
        for sender in senders:
            rows = in_database(served.db, sender.identifier)
            assert [second for second, _ in rows] == list(range(1, sender.taken))
            assert [user for _, user in rows] == pytest.approx([busy(second) for second, _ in rows])
        assert "internal error" not in said, said[-3000:]
        for machine, texts in acknowledged.items():
            stored = b"\n".join(path.read_bytes() for path in (served.data / "collections" / machine.folder()).glob("*.json"))
            assert texts <= set(stored.split(b"\n")), machine
        print("\n".join(health.get("not_imported", [])))
        assert not [sentence for sentence in health.get("not_imported", ()) if "honest" in sentence and "site" not in sentence]
