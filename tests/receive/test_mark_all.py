"""`perfkit mark --all`: one mark in every collector of a site, through a receiver."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import asking
from support.running import ENVIRONMENT, perfkit, wait_for
from support.sender import sample
from support.served import Served, serving

END = {"subsystem": "perfkit/end", "measurement": '{"reason": "duration"}'}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A receiver to which vm-1 and vm-2 of site lab stream, vm-3 of site far, and vm-4 of site lab has said goodbye."""
    with serving(tmp_path_factory.mktemp("marks"), dashboard=False) as served:
        now = int(time.time())
        for identifier, site in (("vm-1", "lab"), ("vm-2", "lab"), ("vm-3", "far"), ("vm-4", "lab")):
            key = served.keys.add(identifier, site=site)
            lines = [{**line, "timestamp": now - 10 + second} for second in range(5) for line in sample(second)]
            if identifier == "vm-4":
                lines.append({**END, "timestamp": now - 5})
            sent = {"identifier": identifier, "measurements": lines}
            assert asking.request("POST", served.url + "/v1/trickle", headers={"apikey": key}, json=sent, timeout=60).status_code == 200
        yield served


def marked(served: Served, identifier: str) -> list[tuple[str, str]]:
    """(label, kind) of the marks in the collection of a machine."""
    [file] = [path for path in Path(served.db.parent).glob("*/collections/*/*.json") if path.name.startswith(identifier)]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    told = [json.loads(line["measurement"]) for line in lines if line["subsystem"] == "perfkit/mark"]
    return [(mark["label"], mark["kind"]) for mark in told]


def mark(served: Served, key: str, *words: str) -> tuple[int, str]:
    done = perfkit("mark", *words, "--all", "--server", served.url, env=ENVIRONMENT | {"PCC_APIKEY": key})
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_one_mark_goes_into_every_collector_of_the_site_and_into_no_other(served: Served) -> None:
    code, said = mark(served, served.keys.add("boss", site="lab"), "load", "--kind", "start")
    assert (code, said) == (0, "Marked 'load' (start) in 2 collectors of site lab: vm-1, vm-2.\n")
    assert [marked(served, f"vm-{number}") for number in range(1, 5)] == [[("load", "start")], [("load", "start")], [], []]
    sql = "SELECT machinename, timestamp FROM marks JOIN collectors ON id = collector_id WHERE label = 'load' ORDER BY machinename"

    def imported() -> list[tuple[str, int]]:
        with sqlite3.connect(served.db) as con:
            return con.execute(sql).fetchall()

    wait_for(lambda: len(imported()) == 2)
    (first, at), (second, again) = imported()
    assert (first, second) == ("vm-1", "vm-2") and at == again  # one instant


def test_a_key_marks_its_own_site_alone(served: Served) -> None:
    before = marked(served, "vm-3")
    for key, words, sentence in (
        (served.keys.add("lab", site="lab"), ("--site", "far"), "this key is for another site"),
        (served.keys.add("bound", site="far", identifiers=("vm-3",)), (), "for single machines only"),
        ("pk_12345678_wrong", (), "the key is wrong"),
        (served.key, (), "no collector of site default streams"),
    ):
        code, said = mark(served, key, "deployed", *words)
        assert code == 1 and sentence in said
    assert marked(served, "vm-3") == before
    code, said = mark(served, served.key, "deployed", "--site", "far")
    assert code == 0 and "in 1 collector of site far: vm-3." in said and marked(served, "vm-3") == [*before, ("deployed", "point")]


def test_what_is_no_mark_is_refused_in_a_sentence(served: Served) -> None:
    headers = {"apikey": served.key}
    for body in (b"", b"[]", b'{"label": 1}', b'{"label": "\\n"}', b'{"label": "x", "kind": "y"}', b'{"label": "x", "site": ""}'):
        answer = asking.request("POST", served.url + "/v1/mark", headers=headers, content=body, timeout=60)
        assert answer.status_code == 400 and answer.json()["error"].endswith("."), body
    assert perfkit("mark", "x", "--site", "lab").returncode == 2
    done = perfkit("mark", "x", "run.json", "--all", "--server", served.url)
    assert done.returncode == 2 and "give one of them" in done.stderr
