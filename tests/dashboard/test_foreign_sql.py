"""SQL that people type: bounded in time, memory and length, and never in the way of perfkit's own pages."""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from perfkit.dashboard import site as dashboard_site
from support import asking
from support.running import wait_for
from support.seed import fill

PATIENCE = 120
# Statements that a time limit within the process does not end, or that take all memory.
HEAVY = {
    "a long function": "select instr(hex(zeroblob(20000000)), hex(zeroblob(9000000)) || 'x')",
    "a long function within the limits of length": "select instr(hex(zeroblob(1900000)), hex(zeroblob(900000)) || 'x') from "
    "(select 1 union select 2 union select 3), (select 1 union select 2 union select 3), (select 1 union select 2 union select 3)",
    "a large blob": "select zeroblob(300000000)",
    "many large blobs": "with recursive n(i) as (select 1 union all select i + 1 from n limit 500) select i, zeroblob(4000000) from n",
    "a large sort": "with recursive n(i) as (select 1 union all select i + 1 from n limit 5000000) "
    "select i, zeroblob(1000) as b from n order by b, i desc",
    "a large string": "with recursive n(i) as (select 1 union all select i + 1 from n limit 100000000) select group_concat(i) from n",
    "an endless recursion": "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n",
    "a deep expression": "select " + "(" * 900 + "1" + ")" * 900,
    "a long pattern": "select 'x' like '" + "%a" * 900 + "'",
    "a random blob": "select count(*) from (select randomblob(3000000) from host_metrics, host_metrics b)",
    "printf": "select printf('%.*c', 2000000000, 'x')",
    "replace": "select length(replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000))))",
    "a statement of many parts": " union all ".join(["select 1"] * 600),
}


@pytest.fixture(scope="module")
def site(seeded: Path):
    from .conftest import serving

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard_site, "SQL_MILLISECONDS", 1000)  # instead of 5000: every endless statement takes it all
        with serving(seeded) as running:
            yield running


def children() -> list[int]:
    """Process ids of the SQL processes of this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent, state = int(stat.read_text().rsplit(") ", 1)[1].split()[1]), stat.read_text().rsplit(") ", 1)[1][0]
            words = stat.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() and b"sql_child" in words and state != "Z":
            found.append(int(stat.parent.name))
    return found


def resident(pid: int) -> int:
    """Megabytes at the peak; 0 of a process that has ended meanwhile."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(text.split("VmHWM:")[1].split()[0]) >> 10 if "VmHWM:" in text else 0


@pytest.mark.parametrize(
    ("form", "sql"),
    [(".json", sql) for sql in HEAVY.values()]
    + [(form, HEAVY[name]) for form in ("", ".csv") for name in ("a large blob", "a large string")],
    ids=[*HEAVY, *(f"{name}, as {form}" for form in ("a page", "CSV") for name in ("a large blob", "a large string"))],
)
def test_a_heavy_statement_is_answered_in_a_sentence_and_in_bounds(site, form: str, sql: str) -> None:
    """No 500, no large body, and no memory of the dashboard's own."""
    before = resident(os.getpid())
    answer = asking.get(f"{site.url}/perfkit{form}", params={"sql": sql}, timeout=PATIENCE)
    assert answer.status_code in (200, 400), answer.text[:300]
    assert len(answer.content) < 20_000_000
    assert "Traceback" not in answer.text
    assert resident(os.getpid()) - before < 200
    assert all(resident(pid) < 400 for pid in children())


def test_ordinary_statements_answer_as_before(site) -> None:
    """Numbers, texts, blobs, nulls, parameters, names of columns, and the words of an error."""
    sql = "select 1 as one, 'two' as \"t\"\"wo\", x'00ff' as three, null as four, 1.5 as five, :p as six, 9223372036854775807 as seven"
    answer = asking.get(f"{site.url}/perfkit.json", params={"sql": sql, "p": "\u00e4", "_shape": "array"}, timeout=PATIENCE).json()
    blob = {"$base64": True, "encoded": "AP8="}
    assert answer == [{"one": 1, 't"wo': "two", "three": blob, "four": None, "five": 1.5, "six": "\u00e4", "seven": 9223372036854775807}]
    wrong = asking.get(f"{site.url}/perfkit.json", params={"sql": "select missing from collectors"}, timeout=PATIENCE)
    assert (wrong.status_code, "no such column" in wrong.json()["error"]) == (400, True)


def test_datasettes_pages_show_tables_rows_facets_and_counts(site) -> None:
    rows = sqlite3.connect(site.database).execute("SELECT count(*) FROM host_metrics WHERE collector_id = 1").fetchone()[0]
    table = asking.get(f"{site.url}/perfkit/host_metrics.json?collector_id=1&_facet=collector_id&_size=5", timeout=PATIENCE).json()
    assert table["filtered_table_rows_count"] == rows
    assert len(table["rows"]) == 5
    assert table["facet_results"]["collector_id"]["results"][0]["count"] == rows
    assert asking.get(f"{site.url}/perfkit/collectors/1.json?_shape=objects", timeout=PATIENCE).json()["rows"][0]["machinename"] == "vm-a"
    whole = asking.get(f"{site.url}/perfkit/host_metrics.csv?_stream=1&_size=max", timeout=PATIENCE).text
    assert whole.count("\n") == 1 + sqlite3.connect(site.database).execute("SELECT count(*) FROM host_metrics").fetchone()[0]


def test_the_files_of_this_machine_are_out_of_reach(site, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE secret (word)").connection.commit()
    for sql in (f"attach '{other}' as other", f"select * from '{other}'.secret", "select load_extension('x')", "vacuum into '/tmp/x'"):
        answer = asking.get(f"{site.url}/perfkit.json", params={"sql": sql}, timeout=PATIENCE)
        assert (answer.status_code, answer.json()["ok"]) == (400, False), sql


ENDLESS = HEAVY["an endless recursion"]


def test_our_own_pages_wait_for_nobodys_statement(tmp_path: Path, serve) -> None:
    """While twenty heavy statements run and wait, pages and their data answer before the first of these has ended."""
    fill(tmp_path / "perfkit.db", seconds=60)
    site = serve(tmp_path / "perfkit.db")
    ended: list[int] = []

    def ask() -> None:
        ended.append(asking.get(f"{site.url}/perfkit.json", params={"sql": ENDLESS}, timeout=PATIENCE).status_code)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(children)
    for path in ("/", "/collectors/1", "/collectors/1/host", "/api/v1/collectors", "/api/v1/collectors/1/series"):
        assert asking.get(site.url + path, timeout=PATIENCE).status_code == 200
    assert not [status for status in ended if status == 200]
    for thread in threads:
        thread.join()
    assert set(ended) == {400}


def test_a_statement_ends_when_whoever_asked_has_gone(tmp_path: Path, serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_site, "SQL_MILLISECONDS", 600_000)  # long after the test
    fill(tmp_path / "perfkit.db", seconds=60)
    site = serve(tmp_path / "perfkit.db")
    before = set(children())
    with socket.create_connection(("127.0.0.1", urlsplit(site.url).port)) as connection:
        connection.sendall(f"GET /perfkit.json?{urlencode({'sql': ENDLESS})} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        wait_for(lambda: set(children()) - before)
    wait_for(lambda: not set(children()) - before)


def test_an_sql_process_that_is_killed_is_replaced(site) -> None:
    def ask() -> httpx.Response:
        return asking.get(f"{site.url}/perfkit.json?sql=select+1&_shape=arrayfirst", timeout=PATIENCE)

    assert ask().json() == [1]
    for pid in children():
        os.kill(pid, 9)
    assert ask().json() == [1]
