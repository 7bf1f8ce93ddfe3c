"""The tools that write a table of requests or of seconds: DuckDB reads it, and sql/<tool>.sql makes the timeline."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import duckdb

from perfkit.errors import BadInput
from perfkit.loadtools.timeline import COLUMNS, Timeline

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def read(tool: str, path: Path) -> Timeline:
    """The timeline that `tool` (k6, jmeter, locust) wrote into `path`, by second; a second without requests has throughput 0.

    Raises BadInput where the file is damaged or holds no request.
    """
    with duckdb.connect(config=_SETTINGS) as con:
        try:
            for statement in ("input", "seconds"):
                con.execute(_sql(tool, statement), {"file": str(path)} if statement == "input" else None)
            rows = con.execute(f"SELECT timestamp, {', '.join(COLUMNS)} FROM seconds ORDER BY timestamp").fetchall()  # noqa: S608 - our names
            requests, errors = con.execute("SELECT sum(throughput), sum(errors) FROM seconds").fetchall()[0]
        except duckdb.Error as error:
            raise BadInput(f"{path} cannot be read as {tool} output ({str(error).splitlines()[0]}); let {tool} write it again.") from None
    if not rows:
        raise BadInput(f"{path} holds no request; the load has not reached its target.")
    named = tuple(dict(zip(("timestamp", *COLUMNS), found, strict=True)) for found in rows)
    return Timeline(tool, named, {} if tool == "locust" else {"requests": int(requests or 0), "errors": int(errors or 0)})


def _sql(tool: str, statement: str) -> str:
    return resources.files("perfkit.loadtools").joinpath("sql", f"{tool}_{statement}.sql").read_text("utf-8")
