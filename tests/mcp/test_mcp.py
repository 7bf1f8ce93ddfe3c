"""`perfkit mcp` as an agent's program has it: a process, a pipe to it and a pipe from it, one JSON message a line."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from perfkit import __version__
from perfkit.dashboard.sql_child import ANSWER_BYTES
from perfkit.mcp.protocol import VERSIONS
from support import seed

SOURCE = Path(__file__).parents[2] / "src"
RUN = "vm-a@1"


class Client:
    """Speaks the protocol to a server; every answer has to be the one to what was asked."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.number = 0

    def write(self, content: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(content + b"\n")
        self.process.stdin.flush()

    def read(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The whole response."""
        self.number += 1
        self.write(json.dumps({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}).encode())
        said = self.read()
        assert (said["jsonrpc"], said["id"]) == ("2.0", self.number)
        return dict(said)

    def begin(self, version: str = VERSIONS[0]) -> dict[str, Any]:
        found = self.ask("initialize", protocolVersion=version, capabilities={}, clientInfo={"name": "test", "version": "1"})["result"]
        self.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        return dict(found)

    def call(self, tool: str, /, **arguments: Any) -> Any:
        """The answer of a tool that has one."""
        text, wrong = self.said(tool, **arguments)
        assert not wrong, text
        return json.loads(text)

    def refused(self, tool: str, /, **arguments: Any) -> str:
        """Why the tool has none."""
        text, wrong = self.said(tool, **arguments)
        assert wrong, text
        return text

    def said(self, tool: str, /, **arguments: Any) -> tuple[str, bool]:
        result = self.ask("tools/call", name=tool, arguments=arguments)["result"]
        (content,) = result["content"]
        assert content["type"] == "text"
        return content["text"], result["isError"]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "perfkit", "mcp", *map(str, words)]


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PCC_", "PERFKIT_", "XDG_"))}
    return {**kept, "PYTHONPATH": str(SOURCE), "HOME": str(home)}


@contextmanager
def connected(*words: object, program: list[str] | None = None) -> Iterator[Client]:
    process = subprocess.Popen(
        program or command(*words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(Path("/nonexistent")),
    )
    client = Client(process)
    try:
        yield client
        rest, complaint = process.communicate(timeout=200)
        assert (process.returncode, rest, complaint) == (0, b"", b"")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mcp") / "lab.db"
    seed.fill(path, "vm-a", seconds=600)
    seed.fill(path, "vm-b", seconds=300)
    return path


@pytest.fixture(scope="module")
def client(db: Path) -> Iterator[Client]:
    """One server for the questions of all tests: none of them may disturb another."""
    with connected("--db", db) as found:
        found.begin()
        yield found


def test_a_session_begins_with_a_version_that_both_know(db: Path) -> None:
    """However often one begins."""
    with connected(db) as client:
        for asked, answered in (*((one, one) for one in VERSIONS), ("2023-01-01", VERSIONS[0]), ("", VERSIONS[0])):
            found = client.begin(asked)
            assert found["protocolVersion"] == answered, asked
            assert found["serverInfo"] == {"name": "perfkit", "version": __version__}
            assert found["capabilities"] == {"tools": {}}
            assert "list_runs" in found["instructions"]
            assert client.ask("ping")["result"] == {}, asked


def test_every_tool_is_described_with_the_schema_of_its_arguments(client: Client) -> None:
    tools = {tool["name"]: tool for tool in client.ask("tools/list")["result"]["tools"]}
    assert set(tools) == {"list_runs", "verdict", "findings", "compare", "metrics", "series", "sql"}
    for tool in tools.values():
        assert tool["description"].endswith(".")
        assert tool["annotations"]["readOnlyHint"] is True
        schema = tool["inputSchema"]
        assert (schema["type"], schema["additionalProperties"]) == ("object", False)
        assert set(schema["required"]) <= set(schema["properties"])
        assert all(one["description"].endswith(".") for one in schema["properties"].values())


def test_runs_are_listed_with_what_names_them_elsewhere(client: Client) -> None:
    found = client.call("list_runs")
    assert found["of"] == len(found["runs"]) >= 2
    assert {run["machine"] for run in found["runs"]} == {"vm-a", "vm-b"}
    for run in found["runs"]:
        assert client.call("verdict", run=run["id"])["verdict"] == run["verdict"]
    alone = client.call("list_runs", machine="vm-b", limit=1)
    assert [run["machine"] for run in alone["runs"]] == ["vm-b"]


def test_a_verdict_comes_with_certificate_figures_and_phases(client: Client) -> None:
    found = client.call("verdict", run=RUN)
    assert found["verdict"]["sentence"]
    assert found["certificate"]["coverage"] == 100.0
    assert set(found["figures"]["cpu_busy"]) == {"avg", "p95", "max"}
    for phase in found["phases"]:
        one = client.call("verdict", run=f"{RUN}:{phase['phase']}")
        assert (one["verdict"], one["figures"]) == (phase["verdict"], phase["figures"])


def test_findings_carry_sql_that_the_sql_tool_runs(client: Client) -> None:
    found = client.call("findings", run=RUN)["findings"]
    assert found
    for finding in found[:3]:
        assert finding["sentence"] and finding["advice"]
        assert client.call("sql", query=finding["sql"])["rows"]


def test_a_comparison_counts_what_it_leaves_out(client: Client) -> None:
    short, whole = (client.call("compare", runs=[RUN, "vm-b@1"], metrics=["host.cpu_busy"], all=every) for every in (False, True))
    assert whole["metrics"]
    assert {row["metric"] for row in whole["metrics"]} == {"host.cpu_busy"}
    assert sum(whole["counted"].values()) == len(whole["metrics"])
    assert short["counted"] == whole["counted"]
    assert len(short["metrics"]) <= len(whole["metrics"])


def test_a_series_is_of_the_metrics_devices_and_stretch_that_were_asked_for(client: Client) -> None:
    known = client.call("metrics")
    assert known["host.cpu_busy"]["unit"] == "%"
    found = client.call("series", of=RUN, metrics=["host.cpu_busy", "disk.await_ms"], devices=["sda"], points=10)
    (values,) = found["tables"]["host"]["devices"].values()
    times = found["tables"]["host"]["t"]
    assert 5 <= len(times) <= 20
    assert len(values["cpu_busy"]["avg"]) == len(times)
    assert list(found["tables"]["disk"]["devices"]) == ["sda"]
    run = client.call("verdict", run=RUN)
    part = client.call("series", of="vm-a", metrics=["host.cpu_busy"], **{"from": run["from"], "to": run["to"]})
    assert (part["window"]["from"], part["window"]["to"]) == (found["window"]["from"], found["window"]["to"])


def test_sql_answers_with_columns_and_rows(client: Client) -> None:
    found = client.call("sql", query="SELECT machinename, NULL AS none, x'00ff' AS bytes FROM collectors ORDER BY 1;")
    assert found == {
        "columns": ["machinename", "none", "bytes"],
        "rows": [["vm-a", None, {"base64": "AP8="}], ["vm-b", None, {"base64": "AP8="}]],
        "truncated": False,
    }
    many = client.call("sql", query="SELECT timestamp FROM host_metrics a, (SELECT 1 UNION SELECT 2)")
    assert (len(many["rows"]), many["truncated"]) == (1000, True)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("DELETE FROM runs", "Statement must be a SELECT"),
        ("ATTACH '/tmp/other.db' AS o", "Statement must be a SELECT"),
        ("PRAGMA user_version", "Statement must be a SELECT"),
        ("SELECT load_extension('x')", "not authorized"),
        ("SELECT 1; DELETE FROM runs", "one statement at a time"),
        ("WITH x AS (SELECT 1) DELETE FROM runs", "readonly"),
        ("SELECT * FROM nowhere", "no such table: nowhere"),
        ("SELECT zeroblob(100000000)", "too big"),
        ("WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT COUNT(*) FROM a", "took longer than 5000 ms"),
        ("SELECT hex(zeroblob(1000000)) FROM host_metrics", f"larger than {ANSWER_BYTES >> 20} MB"),
    ],
)
def test_sql_is_held_to_reading_and_to_the_limits_of_the_dashboard(query: str, why: str, client: Client, db: Path) -> None:
    before = hashlib.sha256(db.read_bytes()).digest()
    assert why in client.refused("sql", query=query)
    assert client.call("sql", query="SELECT 1 AS one")["rows"] == [[1]]
    assert hashlib.sha256(db.read_bytes()).digest() == before


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("verdict", {}, "run is missing: A run or a phase"),
        ("verdict", {"run": 1}, "run is not of type string"),
        ("verdict", {"run": RUN, "runs": []}, "there is no argument 'runs'; there are run."),
        ("verdict", {"run": "vm-x@1"}, "there is no collector 'vm-x'; there are: vm-a, vm-b."),
        ("verdict", {"run": "vm-a"}, "vm-a is a machine; name one of its runs, as in vm-a@last."),
        ("verdict", {"run": "vm-a@77"}, "77"),
        ("findings", {"run": f"{RUN}:nowhere"}, "has no phase 'nowhere'"),
        ("compare", {"runs": [RUN]}, "name two to 6 runs"),
        ("compare", {"runs": [RUN, 2]}, "runs is not of type array"),
        ("compare", {"runs": [RUN, RUN], "at_least": True}, "at_least is not of type integer"),
        ("series", {"of": RUN, "metrics": ["host.nothing"]}, "there is no metric 'host.nothing'"),
        ("series", {"of": RUN, "range": "1h"}, "from, to and range are of a machine"),
        ("series", {"of": "vm-a", "from": "yesterday"}, "'yesterday' is not a time"),
        ("list_runs", {"machine": "a@"}, "names no machine"),
        ("list_runs", {"machine": RUN}, "vm-a@1 is a run; name a machine alone, or ask for its verdict."),
        ("sql", {"query": ""}, "Statement must be a SELECT"),
    ],
)
def test_a_question_that_is_none_is_answered_with_a_sentence(tool: str, arguments: dict[str, Any], sentence: str, client: Client) -> None:
    assert sentence in client.refused(tool, **arguments)


@pytest.mark.parametrize(
    ("line", "code", "number"),
    [
        (b"hello", -32700, None),
        (b"[" * 100_000, -32700, None),
        (b"\xff\xfe", -32700, None),
        (b"7", -32600, None),
        (b"[]", -32600, None),
        (b'{"id": 1, "method": "ping"}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": 9, "method": 5}', -32600, None),
        (b'{"jsonrpc": "2.0", "id": "a", "method": "resources/list"}', -32601, "a"),
        (b'{"jsonrpc": "2.0", "id": 9, "method": "ping", "params": [1]}', -32602, 9),
        (b'{"jsonrpc": "2.0", "id": 9, "method": "tools/call", "params": {"name": "rm"}}', -32602, 9),
    ],
)
def test_a_line_that_is_no_message_is_an_error_of_json_rpc_and_the_next_is_answered(
    line: bytes, code: int, number: Any, client: Client
) -> None:
    client.write(line)
    said = client.read()
    assert (said["jsonrpc"], said["id"], said["error"]["code"]) == ("2.0", number, code)
    assert said["error"]["message"].endswith(".")
    assert client.ask("ping")["result"] == {}


def test_notifications_and_empty_lines_are_not_answered_and_a_batch_is_answered_as_one(client: Client) -> None:
    client.write(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}\n\n{"jsonrpc":"2.0","id":5,"result":{}}')
    client.write(b'[{"jsonrpc":"2.0","id":"x","method":"ping"},{"jsonrpc":"2.0","method":"notifications/a"}]')
    assert client.read() == [{"jsonrpc": "2.0", "id": "x", "result": {}}]


def test_without_a_database_it_does_not_begin(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "none.db"), input="", capture_output=True, text=True, check=False, env=environment(tmp_path), timeout=200
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "there is no database" in done.stderr
    assert not list(tmp_path.iterdir())


def test_it_comes_out_of_the_one_file(pyz: Path, db: Path, desk_cache: Path) -> None:
    program = ["env", f"PERFKIT_CACHE={desk_cache}", "PYTHONPATH=", sys.executable, str(pyz), "mcp", str(db)]
    with connected(program=program) as client:
        client.begin()
        assert client.call("list_runs")["runs"]
        assert client.call("sql", query="SELECT 1 AS one")["rows"] == [[1]]
