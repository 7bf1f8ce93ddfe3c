"""`perfkit prune`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Optional

import typer

from perfkit.cli import APP_SETTINGS, examples
from perfkit.units import format_bytes, parse_duration

app = typer.Typer(**APP_SETTINGS)


@app.command(epilog=examples("prune --older-than 30d", "prune --older-than 7d --live-only"))
def prune(
    older_than: str = typer.Option(..., help="Delete samples older than this, e.g. 30d."),
    live_only: bool = typer.Option(False, "--live-only", help="Only of collectors that stream; what was imported from files stays."),
    db: Optional[Path] = typer.Option(None, envvar="PERFKIT_DB", help="The database.  [default: ~/.local/share/perfkit/perfkit.db]"),
) -> None:
    """Delete old samples and give their space back.

    Rollups stay longer: 10 s buckets three times, 1 min twelve times as long, 10 min buckets for good. So do percentiles, marks and gaps.
    """
    from perfkit.store import default_path, open_database
    from perfkit.store.database import existing
    from perfkit.store.retention import prune as run

    seconds = parse_duration(older_than)
    with closing(open_database(existing(db or default_path()))) as con:
        gone = run(con, seconds, live_only=live_only)
    print(f"{gone.rows:,} rows of samples and {gone.rollup_rows:,} of rollups deleted; {format_bytes(gone.freed)} freed.")
