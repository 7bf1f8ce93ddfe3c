"""Several receivers behind one load balancer: each has a part of what a machine sent, and together they have all of it once."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path

from perfkit.collect.receiver_client import TAKEN, ReceiverClient
from perfkit.process.pipeline import ProcessOptions, process
from support import invent
from support.served import Served, serving
from support.tables import apart

SECONDS = 60


def batches(whole: Path) -> Iterator[list[bytes]]:
    """The lines of a collection, a sample a batch."""
    for _, lines in groupby(whole.read_bytes().splitlines(), key=lambda line: json.loads(line)["timestamp"]):
        yield list(lines)


def collections(served: Served) -> list[Path]:
    return list(served.data.glob("collections/*/*.json"))


def _cells(file: Path) -> list[tuple[str | float, ...]]:
    """The rows of a CSV, in order, figures as numbers."""
    with file.open(newline="") as opened:
        return [tuple(map(_cell, row)) for row in csv.reader(opened)]


def _cell(text: str) -> str | float:
    with suppress(ValueError):
        return float(text)
    return text


def test_what_two_receivers_were_sent_in_turn_counts_once_though_one_of_them_was_killed(tmp_path: Path) -> None:
    """The client changes the receiver at every request, as behind a load balancer. Every seventh answer is lost: the other receiver gets
    the batch again. Half-way one receiver is killed, and nobody starts it again.
    """
    marks = [(10, "load", "start"), (20, "steady", "start"), (40, "steady", "end"), (50, "load", "end")]
    whole = invent.write(tmp_path / "whole.json", seconds=SECONDS, containers=1, users=True, start=int(time.time()) - 600, marks=marks)
    sent_twice, refused = 0, 0
    with serving(tmp_path / "a", dashboard=False) as first, serving(tmp_path / "b", dashboard=False) as second:
        clients = [ReceiverClient(one.url, one.key, "vm-a", timeout=60) for one in (first, second)]
        for number, batch in enumerate(batches(whole)):
            if number == SECONDS // 2:
                first.kill_group()
            told = clients[number % 2].send(batch)
            if told.meaning == TAKEN and number % 7 == 0:
                sent_twice += 1
            elif told.meaning == TAKEN:
                continue
            else:
                refused += 1
            other = clients[(number + 1) % 2].send(batch)
            assert other.meaning == TAKEN or number >= SECONDS // 2, other.sentence
        for client in clients:
            client.close()
        parts = [*collections(second), *collections(first)]
        assert (len(parts), refused > 10, sent_twice > 5) == (2, True, True)
        process(parts, tmp_path / "together", ProcessOptions())
    process([whole], tmp_path / "alone", ProcessOptions())
    names = sorted(path.name for path in (tmp_path / "alone").glob("*.csv"))
    assert len(names) > 10 and names == sorted(path.name for path in (tmp_path / "together").glob("*.csv"))
    for name in names:
        ours, expected = tmp_path / "together" / name, tmp_path / "alone" / name
        if name == "percentiles.csv":  # averages depend on the order of the rows in the last digits
            assert apart(_cells(ours), _cells(expected)) == []
        else:
            assert ours.read_text() == expected.read_text(), name
    told_of = [json.loads((tmp_path / folder / "quality.json").read_text()) for folder in ("together", "alone")]
    assert [told["samples"] for told in told_of] == [SECONDS, SECONDS] and told_of[0]["coverage"] == 100
    assert {event["kind"] for event in told_of[0]["events"]} == {"duplicate"}
