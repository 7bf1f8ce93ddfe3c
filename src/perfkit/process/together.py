"""Work on one database side by side, as far as it does not need each other: one statement alone seldom keeps every processor busy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

import duckdb

Work = Callable[[duckdb.DuckDBPyConnection, str], object]

_MOST = 4  # at once: each needs memory of its own


def together(con: duckdb.DuckDBPyConnection, needs: Mapping[str, Collection[str]], work: Work) -> None:
    """Call `work(cursor, name)` for every name in `needs`, each after the names that it needs; those that are not there count as done.

    Where DuckDB has one thread, one after the other on `con` itself. Raises what the first to fail raises; what was running is interrupted.
    """
    order = TopologicalSorter({name: [other for other in others if other in needs] for name, others in needs.items()})
    threads = con.execute("SELECT current_setting('threads')").fetchall()[0][0]
    if threads == 1:
        for name in order.static_order():
            work(con, name)
        return
    order.prepare()
    cursors = {name: con.cursor() for name in needs}
    running: dict[Future[object], str] = {}
    with ThreadPoolExecutor(min(threads, _MOST)) as pool:
        try:
            while order.is_active():
                running |= {pool.submit(work, cursors[name], name): name for name in order.get_ready()}
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    future.result()
                    order.done(running.pop(future))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for cursor in cursors.values():
                cursor.interrupt()
            raise
