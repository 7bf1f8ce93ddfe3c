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

ROOT = Path(__file__).resolve().parents[2]
STEP = re.compile(r"```text (src/\S+)(?: (after|before|replace): (.+?))?\n(.*?)```\n", re.DOTALL)
PAGE_DATA = f"""
START = {invent.START * 1000}
import json, sys
from contextlib import closing
from pathlib import Path
from perfkit.dashboard.series import Wanted, read
from perfkit.store import open_database
with closing(open_database(Path(sys.argv[1]))) as con:
    table = read(con, sys.argv[2], [sys.argv[3]], Wanted(1, START, START + 30000, 100))
print(json.dumps([value for value in table["devices"][""][sys.argv[3]]["avg"] if value is not None]))
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
    shutil.copytree(ROOT / "src", tmp_path / "tree" / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "tree"


def run(tree: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("title", "most", "table", "column"),
    [("Add a column", 2, "memory", "mapped_kb"), ("Add a source", 5, "sockets", "tcp_in_use")],
)
def test_a_recipe_works(tmp_path: Path, tree: Path, title: str, most: int, table: str, column: str) -> None:
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
    import_input(old, invent.write(tmp_path / "before.json", seconds=10, start=invent.START - 1000))

    assert len(follow(tree, title)) <= most
    run(tree, "-m", "perfkit", "process", str(collection), "--outdir", str(tmp_path / "out"))
    with (tmp_path / "out" / f"{table}.csv").open() as file:
        values = [row[column] for row in csv.DictReader(file)]
    assert len(values) == 20
    assert all(float(value) > 0 for value in values)
    for db in (tmp_path / "new.db", old):
        run(tree, "-m", "perfkit", "import", str(tmp_path / "out"), "--db", str(db))
        shown = json.loads(run(tree, "-c", PAGE_DATA, str(db), table, column))
        assert len(shown) > 10
    with sqlite3.connect(old) as con:
        known = con.execute(f"SELECT count({column}), count(*) FROM {'memory' if table == 'memory' else 'socket'}_metrics").fetchone()
    assert known[0] == 20
