"""`perfkit doctor` on machines, files, databases and receivers that are broken in fact: a sentence for each, with what to do."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from perfkit.preflight.environment import check_environment
from perfkit.store import open_database
from support import pythons, seed
from support.running import SOURCE, in_process
from support.server import running

VERSIONS = Path(__file__).parents[1] / "store" / "versions"


def doctor(*words: object, program: tuple[object, ...] = (), cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Of the checkout in this process, or of the file that `program` starts."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PCC_", "PERFKIT_", "XDG_"))}
    environment |= {"PYTHONPATH": str(SOURCE), "HOME": str(cwd), **more}
    if not program:
        return in_process("doctor", *words, cwd=cwd, env=environment)
    command = [*map(str, program), "doctor", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=200, check=False)


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """{check: state} of an answer in JSON."""
    return {check["name"]: check["state"] for check in json.loads(done.stdout)["checks"]}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "lab.db"
    seed.fill(path, seconds=120)
    return path


@pytest.fixture
def db(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sound, tmp_path / "lab.db"))


def test_where_nothing_is_wrong_it_says_so(db: Path, tmp_path: Path) -> None:
    before = db.read_bytes()
    done = doctor(db, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"{os.uname().nodename}: no problem found"
    assert f"{db}, " in done.stdout
    assert "1 machine" in done.stdout
    assert states(doctor("--json", cwd=tmp_path, PERFKIT_DB=str(db)))["integrity"] == "ok"
    assert db.read_bytes() == before


def test_before_the_first_import_there_is_no_problem(tmp_path: Path) -> None:
    done = doctor("--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert states(done) == {
        "python": "ok", "file": "skip", "space": "ok", "clock": states(done)["clock"], "desk": "ok", "database": "skip", "receiver": "skip",
    }  # fmt: skip
    assert not list(tmp_path.iterdir())


# --- databases --------------------------------------------------------------------------------------------------------------------


def missing(path: Path) -> None:
    path.unlink()


def of_another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE notes (text)")


def text(path: Path) -> None:
    path.write_text("host,cpu\n" * 1000)


def a_page_overwritten(path: Path) -> None:
    """Of a table's rows: the schema can still be read."""
    with closing(sqlite3.connect(path)) as con:
        (root,) = con.execute("SELECT rootpage FROM sqlite_master WHERE name = 'disk_metrics'").fetchone()
        (size,) = con.execute("PRAGMA page_size").fetchone()
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(random.Random(1).randbytes(size))


def cut_short(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(path, path.stat().st_size // 2 // 8192 * 8192)


def an_index_dropped(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("DROP INDEX segments_of")


def rows_of_nobody(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("DELETE FROM collectors")
        con.commit()


def older(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as con:
        con.executescript((VERSIONS / "1.sql").read_text())


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (missing, "there is no database {path}; make it with `perfkit import`, or name another with --db."),
        (of_another_program, "{path} is a database, but not one of perfkit's; name another with --db."),
        (text, "{path} is not a perfkit database, or it is damaged (file is not a database); name another with --db."),
        (a_page_overwritten, "{path} is damaged; take a copy of it that is whole, or import the collections into a new one, with --db."),
        (cut_short, "damaged"),
        (an_index_dropped, "{path} lacks index segments_of; another program has changed it: import the collections into a new one"),
        (rows_of_nobody, "{path} is damaged; take a copy of it that is whole"),
        (older, "{path} has the older schema version 1; any command that writes, such as `perfkit import`, brings it up to date."),
        (newer, "{path} has schema version 99, newer than this perfkit knows (3); use a newer perfkit."),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_broken_database_is_a_sentence_with_the_cure(broken: Callable[[Path], None], sentence: str, db: Path, tmp_path: Path) -> None:
    broken(db)
    before = db.read_bytes() if db.exists() else None
    done = doctor(db, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert sentence.format(path=db) in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "1 problem found" in done.stdout
    assert (db.read_bytes() if db.exists() else None) == before


def test_a_column_that_went_missing_is_a_problem(db: Path, tmp_path: Path) -> None:
    with closing(open_database(db)) as con:
        con.executescript("DROP VIEW dashboard_performancemetric; ALTER TABLE host_metrics DROP COLUMN cpu_steal")
    done = doctor(db, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{db} has the older schema" in done.stderr


# --- receivers --------------------------------------------------------------------------------------------------------------------


def test_a_receiver_that_answers_is_no_problem_and_without_a_key_is_only_asked(tmp_path: Path) -> None:
    with running(tmp_path / "received") as receiver:
        with_key = doctor("--json", cwd=tmp_path, PCC_SERVER_URL=receiver.url, PCC_APIKEY=receiver.key)
        without = doctor("--json", "--server", receiver.url, cwd=tmp_path)
        wrong = doctor("--server", receiver.url, cwd=tmp_path, PCC_APIKEY="0123456789abcdef")
    assert (with_key.returncode, states(with_key)["batch"]) == (0, "ok"), with_key.stdout
    assert (without.returncode, states(without)["ping"], states(without)["key"]) == (0, "ok", "skip")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (1, 1)
    assert "the receiver does not know this key" in wrong.stderr


@pytest.mark.parametrize(
    ("server", "sentence"),
    [("http://127.0.0.1:9", "nothing answers at http://127.0.0.1:9 (connection refused)"), ("ftp://desk", "ftp://desk")],
)
def test_a_receiver_that_does_not_answer_is_a_problem_beside_the_others(server: str, sentence: str, tmp_path: Path) -> None:
    done = doctor("none.db", "--server", server, cwd=tmp_path)
    assert done.returncode == 1
    assert "2 problems found" in done.stdout
    first, second = done.stderr.splitlines()
    assert "there is no database none.db" in first
    assert sentence in second


# --- the file and its cache -------------------------------------------------------------------------------------------------------


def of_the_file(pyz: Path, *words: object, python: str = sys.executable, **more: str) -> subprocess.CompletedProcess[str]:
    return doctor(*words, program=(python, pyz), cwd=pyz.parent, PYTHONPATH="", **more)


def test_the_whole_file_with_its_cache_and_a_database_is_sound(pyz: Path, desk_cache: Path, db: Path) -> None:
    done = of_the_file(pyz, "--json", db, PERFKIT_CACHE=str(desk_cache))
    found: dict[str, Any] = states(done)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {found[name] for name in ("python", "file", "cache", "desk", "database", "integrity", "schema")} == {"ok"}


def test_a_cache_folder_that_cannot_be_used_is_a_problem(pyz: Path) -> None:
    done = of_the_file(pyz, PERFKIT_CACHE="/proc/none")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "/proc/none cannot be used to unpack perfkit's packages" in done.stderr
    assert "set PERFKIT_CACHE to a folder of your own" in done.stderr


def test_a_file_that_was_damaged_on_its_way_is_a_problem(pyz: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(pyz) as archive:
        wheel = next(info for info in archive.infolist() if "/duckdb-" in info.filename)
    damaged = Path(shutil.copy(pyz, tmp_path))
    with damaged.open("r+b") as file:
        file.seek(wheel.header_offset + wheel.file_size // 2)
        file.write(b"\0" * 64)
    done = of_the_file(damaged)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "perfkit.pyz is damaged; copy or build it again" in done.stderr


@pytest.mark.skipif("3.9" not in pythons.found(), reason="no Python 3.9 on this machine: doctor was not run on it")
def test_on_a_target_the_desk_tier_is_no_problem(pyz: Path) -> None:
    done = of_the_file(pyz, "--json", python=pythons.found()["3.9"], PERFKIT_CACHE="/proc/none")
    assert done.returncode == 0, done.stderr
    assert (states(done)["desk"], states(done)["cache"]) == ("warn", "skip")


def test_where_the_wheel_runs_on_an_older_python_the_desk_tier_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    _, _, desk, *_ = check_environment(None, tmp_path)
    assert desk[:3] == ("desk", "warn", "process, import, serve do not run here")
    assert desk.advice == "each of them needs Python 3.11 or later, and here is 3.9; collect, preflight and mark run on it."
