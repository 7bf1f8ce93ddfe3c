"""The recipes of CONTRIBUTING.md, done word by word on a copy of the tree."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from perfkit.store.importing import import_input
from support import invent
from support.database import made_once

ROOT = Path(__file__).resolve().parents[2]
STEP = re.compile(r"```text (src/\S+)(?: (after|before|replace): (.+?))?\n(.*?)```\n", re.DOTALL)
# What a user of the changed tree does: the collection processed, imported into a new and into an old database, and a chart's values read.
USED = f"""
START = {invent.START * 1000}
import json, sys
from contextlib import closing
from pathlib import Path
from perfkit.cli import main
from perfkit.dashboard.series import Wanted, read
from perfkit.store import open_database
collection, outdir, table, column, *databases = sys.argv[1:]
assert main(["process", collection, "--outdir", outdir]) == 0
for db in databases:
    assert main(["import", outdir, "--db", db]) == 0
    with closing(open_database(Path(db))) as con:
        found = read(con, table, [column], Wanted(1, START, START + 30000, 100))
    shown = [value for value in found["devices"][""][column]["avg"] if value is not None]
    assert len(shown) > 10, (db, shown)
"""


def recipe(title: str) -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    start = text.index(f"## {title}\n")
    end = text.find("\n## ", start + 1)
    return text[start : end if end > 0 else len(text)]


def follow(tree: Path, title: str) -> set[str]:
    """Do every step of the recipe in the copy `tree`; the files that were written by hand."""
    files = set()
    for name, where, anchor, code in STEP.findall(recipe(title)):
        files.add(name)
        path = tree / name
        if not where:
            path.write_text(code)
            continue
        text = path.read_text()
        if where == "replace":
            old = anchor.removesuffix(" with:")
            assert text.count(old) == 1, (name, old)
            path.write_text(text.replace(old, code.rstrip("\n")))
            continue
        lines = text.splitlines(keepends=True)
        [place] = [number for number, line in enumerate(lines) if anchor in line]
        lines.insert(place + (where == "after"), code)
        path.write_text("".join(lines))
    return files


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "tree" / "src")  # with Python's bytecode, which is good for the files that stay as they are
    return tmp_path / "tree"


@pytest.mark.parametrize(
    ("title", "most", "table", "column"),
    [("Add a column", 2, "memory", "mapped_kb"), ("Add a source", 5, "sockets", "tcp_in_use")],
)
def test_a_recipe_works(shared: Path, tmp_path: Path, tree: Path, title: str, most: int, table: str, column: str) -> None:
    collection = invent.write(tmp_path / "vm-a.json", seconds=20)
    text = collection.read_text()
    if table == "sockets":
        lines = text.splitlines(keepends=True)
        more = [line.replace("/proc/loadavg", "/proc/net/sockstat") for line in lines if '"/proc/loadavg"' in line]
        for line in more:
            record = json.loads(line)
            lines.append(json.dumps({**record, "measurement": "sockets: used 9\nTCP: inuse 7 orphan 0\n"}, separators=(",", ":")) + "\n")
        collection.write_text("".join(sorted(lines, key=lambda line: int(re.findall(r'"timestamp":(\d+)', line)[0]))))
    old = tmp_path / "old.db"
    earlier = invent.write(tmp_path / "before.json", seconds=10, start=invent.START - 1000)
    made_once(shared / "old", lambda path: import_input(path, earlier), old)

    assert len(follow(tree, title)) <= most
    databases = tmp_path / "new.db", old
    command = [sys.executable, "-c", USED, collection, tmp_path / "out", table, column, *databases]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "out" / f"{table}.csv").open() as file:
        values = [row[column] for row in csv.DictReader(file)]
    assert len(values) == 20
    assert all(float(value) > 0 for value in values)
    with sqlite3.connect(old) as con:
        known = con.execute(f"SELECT count({column}), count(*) FROM {'memory' if table == 'memory' else 'socket'}_metrics").fetchone()
    assert known[0] == 20
