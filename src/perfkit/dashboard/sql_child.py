"""Runs foreign SQL, one statement after the other, in a process that can be killed: `python -I -S sql_child.py DATABASE`.

Standard library only, because it is started by its path. Requests come on standard input and answers go to standard output, each as JSON
behind its length (4 bytes, big-endian). It ends with its standard input.

    {"sql": ..., "params": [...] or {...}, "rows": most rows, "ms": most milliseconds}
    {"columns": [...], "rows": [[...]], "more": whether there were more}, or {"error": a sentence, or "interrupted"}

Bytes, which JSON does not have, are {"base64": ...}.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sqlite3
import struct
import sys
import time
from pathlib import Path
from typing import Any

LONGEST = 4 << 20
"""Bytes of one text, blob or row."""
ANSWER_BYTES = 8 << 20
HEAP_BYTES = 256 << 20
_LENGTH = struct.Struct(">I")
_STEPS = 1000
# What one statement may be made of.
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 32,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def connect(database: str) -> sqlite3.Connection:
    """The database to read, within LIMITS."""
    con = sqlite3.connect(f"{Path(database).absolute().as_uri()}?mode=ro", uri=True)
    con.text_factory = lambda text: str(text, "utf-8", "replace")
    for what, most in LIMITS.items():
        con.setlimit(what, most)
    con.execute(f"PRAGMA hard_heap_limit = {HEAP_BYTES}")
    con.execute("PRAGMA temp_store = MEMORY")  # a large sort meets the limit on memory instead of filling the disk
    return con


def answer(con: sqlite3.Connection, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request."""
    deadline = time.monotonic() + request["ms"] / 1000
    con.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    params = request["params"]
    plain = {name: _plain(value) for name, value in params.items()} if isinstance(params, dict) else [_plain(value) for value in params]
    rows: list[list[Any]] = []
    left, more = ANSWER_BYTES, False
    try:
        with contextlib.closing(con.execute(request["sql"], plain)) as cursor:
            for row in cursor:
                if len(rows) == request["rows"]:
                    more = True
                    break
                left -= sum(8 + (len(value) if isinstance(value, (str, bytes)) else 0) for value in row)
                if left < 0:
                    return {"error": f"the answer is larger than {ANSWER_BYTES >> 20} MB; ask for fewer rows or columns"}
                rows.append([_packed(value) for value in row])
            columns = [column[0] for column in cursor.description or ()]
    except MemoryError:
        return {"error": f"the query needs more than {HEAP_BYTES >> 20} MB of memory"}
    except Exception as error:
        # Whatever a statement does, the client gets the error in its own words.
        return {"error": str(error) or type(error).__name__}
    return {"columns": columns, "rows": rows, "more": more}


def _plain(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


def _packed(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def _main() -> None:
    os.nice(5)
    con = connect(sys.argv[1])
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        content = json.dumps(answer(con, json.loads(source.read(*_LENGTH.unpack(head))))).encode()
        target.write(_LENGTH.pack(len(content)) + content)
        target.flush()


if __name__ == "__main__":
    _main()
