"""`perfkit runs`."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples
from perfkit.units import format_duration

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("runs", "runs lab/vm-a --json"))
def runs(
    machine: Optional[str] = typer.Argument(None, metavar="[[SITE/]MACHINE]", help="A machine's runs alone.  [default: those of all]"),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
    db: Optional[Path] = typer.Option(None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db]"),
) -> None:
    """List the runs in the database, the newest first.

    The first column names a run for other commands: MACHINE@RUN, or SITE/MACHINE@RUN where two sites have a machine of that name.
    """
    import time

    import orjson

    from perfkit.dashboard.reading import runs_listed
    from perfkit.store import default_path, open_database
    from perfkit.store.references import resolve

    with closing(open_database(db or default_path(), read_only=True)) as con:
        collector_id = resolve(con, machine).collector_id if machine else None
        found = runs_listed(con, time.time_ns() // 1_000_000, collector_id)
        several = {name for (name,) in con.execute("SELECT machinename FROM collectors GROUP BY machinename HAVING count(*) > 1")}
    if json:
        print(orjson.dumps({"runs": found}, option=orjson.OPT_INDENT_2).decode())
        return
    if not found:
        print("There is no run yet; `perfkit import` brings a collection with its runs.")
    for one in found:
        start = datetime.fromtimestamp(one["from"] // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        busy = one["figures"].get("cpu_busy")
        cpu = f" CPU busy {busy['avg']:.1f} %, peak {busy['max']:.1f} %." if busy else ""
        place = f"{one['site']}/" if one["machine"] in several else ""
        print(f"{place}{one['machine']}@{one['run']}  {one['label']}  {start}  {format_duration((one['to'] - one['from']) / 1000)}")
        print(f"    {one['verdict']['sentence']}{cpu}")
