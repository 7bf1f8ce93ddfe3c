"""Statements that do not need each other, run side by side: one alone seldom keeps every processor busy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import duckdb

Job = Callable[[duckdb.DuckDBPyConnection], object]

_MOST = 4  # at once: each needs memory of its own


def together(con: duckdb.DuckDBPyConnection, jobs: Sequence[Job]) -> None:
    """Run `jobs`, begun in their order, each on a cursor of its own; one after the other where DuckDB has one thread.

    Raises what the first job to fail raises, once those that were running have stopped.
    """
    (threads,) = con.execute("SELECT current_setting('threads')").fetchone() or (1,)
    if threads == 1:
        for job in jobs:
            job(con)
        return
    cursors = [con.cursor() for _ in jobs]
    with ThreadPoolExecutor(min(threads, _MOST)) as pool:
        running = [pool.submit(job, cursor) for job, cursor in zip(jobs, cursors)]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for cursor in cursors:
                cursor.interrupt()
            raise
    for cursor in cursors:
        cursor.close()
