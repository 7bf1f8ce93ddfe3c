"""What comparisons need of a run is stored when it is imported, and holds as long as nothing of it has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from perfkit.catalog import DENSE
from perfkit.compare.judging import Arm, ComparedRun, compare
from perfkit.store import columnar, comparable, findings, open_database, runs, transaction
from support.database import copy_database
from support.recorded import START, record, steady

SAMPLES = 120
LATER = 10_000_000
MARKS = [(0, "start", "load"), (1, "start", "steady"), (110, "end", "steady"), (119, "end", "load")]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine with two runs of a phase each, with what a load tool says, of which nothing is stored yet."""
    db = tmp_path_factory.mktemp("recorded") / "perfkit.db"
    for number in range(2):
        load = {"throughput": steady(1000 + 90 * number, SAMPLES, number)}
        used = {"(not attributed)": lambda tick: 1.0, "gzip": lambda tick: 90.0}
        pids = {"(not attributed)": "0", "gzip": "41"}
        record(
            db,
            steady(50 + 5 * number, SAMPLES, number, 0.3),
            start=START + number * LATER,
            marks=MARKS,
            events=[("unusable", "cpu 1", 3)],
            load=load,
            processes=used,
            pids=pids,
        )
    return db


@pytest.fixture(scope="module")
def stored(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same once it is stored."""
    db = copy_database(recorded, tmp_path_factory.mktemp("stored") / "perfkit.db")
    with closing(open_database(db)) as con:
        store(con)
    return db


@pytest.fixture
def con(recorded: Path, tmp_path: Path) -> Iterator[Any]:
    """Nothing is stored yet."""
    with closing(open_database(copy_database(recorded, tmp_path / "perfkit.db"))) as con:
        yield con


@pytest.fixture
def kept(stored: Path, tmp_path: Path) -> Iterator[Any]:
    """All is stored."""
    with closing(open_database(copy_database(stored, tmp_path / "kept.db"))) as con:
        yield con


def stretches(con: Any) -> list[runs.Stretch]:
    return runs.stretches(con, 1)


def told(con: Any) -> dict[str, Any]:
    arms = [Arm(one.reference, (ComparedRun(one.reference, con, 1, one),)) for one in stretches(con) if one.phase]
    return compare(arms[0], arms[1:]).as_json()


def store(con: Any) -> None:
    with transaction(con):
        findings.refresh(con, 1)


def test_what_is_stored_says_what_the_samples_say_and_reads_none(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told(con)
    assert any(row["metric"] == "load.throughput" for row in said["metrics"])
    assert any(guard["rule"] == "unusable_numbers" and guard["state"] == "warn" for guard in said["guards"])
    store(con)

    def refused(*_: object) -> None:
        raise AssertionError("samples are read")

    monkeypatch.setattr(columnar, "connect", refused)
    assert told(con) == said


def test_every_metric_of_the_catalog_has_a_name_that_comparisons_know(kept: Any) -> None:
    known = {table.name for table in DENSE} | {"load", comparable.PROCESSES}
    assert {metric.partition(".")[0] for (metric,) in kept.execute("SELECT DISTINCT metric FROM estimates")} <= known


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO samples VALUES (1, {middle} + 1, 1, 999, 0)",
        "INSERT INTO quality_events (collector_id, from_timestamp, to_timestamp, kind) VALUES (1, {middle}, {middle}, 'clock_step')",
        "UPDATE recordings SET ended = 'error: disk full'",
        "UPDATE load_runs SET digest = 'another'",
        "DELETE FROM load_runs",
        "UPDATE collectors SET cpus = 8",
        "UPDATE judged SET to_timestamp = to_timestamp - 1000",
    ],
    ids=["a late sample", "an event", "another end", "another load", "no load", "other CPUs", "another window"],
)
def test_what_is_stored_of_other_data_is_not_used(kept: Any, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    one = next(one for one in stretches(kept) if one.phase)
    monkeypatch.setattr(comparable, "_read", lambda *_: "read again")
    assert comparable.of_stretch(kept, 1, one) != "read again"
    kept.execute(change.format(middle=(one.start + one.end) // 2 // 1000 * 1000))
    assert comparable.of_stretch(kept, 1, one) == "read again"


def test_what_was_stored_goes_with_its_samples(kept: Any) -> None:
    first = stretches(kept)[0]
    with transaction(kept):
        findings.refresh(kept, 1, (first.start, first.start))
    assert kept.execute("SELECT count(*), count(DISTINCT range || metric || device || figure) FROM estimates").fetchone()[0] > 0
    assert len(set(kept.execute("SELECT count(*) FROM estimates GROUP BY range, metric, device, figure").fetchall())) == 1


def test_long_runs_are_read_when_somebody_asks(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = told(con)
    monkeypatch.setattr(comparable, "_MOST", SAMPLES - 20)
    store(con)
    assert con.execute("SELECT count(*) FROM estimates").fetchone() == (0,)
    assert told(con) == said
