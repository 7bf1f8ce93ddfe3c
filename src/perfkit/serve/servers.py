"""What `serve` runs: the receiver, the importer, the uploads and the dashboard, each in a process of its own."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfkit.serve.options import ServeOptions
from perfkit.serve.supervisor import Ready, Role, Supervisor, say_in_log
from perfkit.store.database import open_database

if TYPE_CHECKING:
    from perfkit.lake.place import Lake

# Where processors are short, acknowledgements come first, then imports, then pages (a heavy query among them) and what can wait.
_WORK_NICE, _LATER_NICE = 5, 10


def serve(options: ServeOptions, say: Callable[[str], None], opened: Callable[[str], None] = lambda url: None) -> None:
    """Serve until SIGINT or SIGTERM. `say` gets the lines for the user, `opened` the dashboard's URL.

    Raises BadInput and Failed, before anything is served, for what cannot be served like that.
    """
    open_database(options.db).close()
    options.check(lambda: _has_users(options.db))
    roles: list[Role] = []
    urls: dict[str, str] = {}
    if options.receiver:
        from perfkit.receive import folder
        from perfkit.receive.journal import Folder

        folder.lock(options.data)  # first: children of a server that was killed may hold the addresses too, until they have finished
        listener = options.receiver.bind("--receive")
        urls["receiver"] = options.receiver.url(listener, bool(options.tls_cert))
        Folder(options.data / "journal").identity()
        roles.append(Role("receiver", lambda ready: _receive(options, listener, ready)))
        roles.append(Role("importer", lambda ready: _import(options, ready), last=True))
        roles.append(Role("uploader", lambda ready: _upload(options, ready), last=True))
    if options.retain:
        roles.append(Role("retention", lambda ready: _retain(options, options.retain or 0.0, ready)))
    if options.lake:
        from perfkit.lake.place import open_lake

        lake = open_lake(options.lake)
        roles.append(Role("lake", lambda ready: _write_lake(options, lake, ready)))
    if options.dashboard:
        front = options.dashboard.bind("--listen")
        roles.append(Role("dashboard", lambda ready: _dashboard(options, front, ready)))
    for line in (*options.warnings(), *_not_imported(options)):
        say(line)

    def ready(lines: dict[str, str]) -> None:
        if options.dashboard:
            say(f"Dashboard of {options.db}: {lines['dashboard']}")
        if options.receiver:
            say(f"Receiver into {options.data}: {urls['receiver']}")
        if options.lake:
            say(f"Complete days go into the lake {lake.name}.")
        if options.dashboard:
            opened(lines["dashboard"])

    Supervisor(roles, say).run(ready)


def _has_users(db: Path) -> bool:
    from perfkit.dashboard.users import Users

    return bool(Users.beside(db).all())


def _not_imported(options: ServeOptions) -> Iterator[str]:
    """What an earlier server received and did not bring into the database."""
    if options.receiver:
        from perfkit.receive.ledger import not_imported

        for sentence in not_imported(options.data, time.time(), patience=0.0):
            yield f"Warning: {sentence}"


def _receive(options: ServeOptions, listener: socket.socket, ready: Ready) -> None:
    from perfkit.serve.web_servers import run_receiver

    run_receiver(options, listener, ready)


def _upload(options: ServeOptions, ready: Ready) -> None:
    from perfkit.receive.uploads import run_uploads

    def import_file(file: Path, machine: str, site: str | None) -> dict[str, Any]:
        from perfkit.store.importing import import_input

        found = import_input(options.db, file, collector_name=machine, site_name=site)
        return {**found[0].as_json(), "machines": [one.machinename for one in found]}

    os.nice(_LATER_NICE)
    run_uploads(options.data / "uploads", options.limits, import_file, ready)


def _retain(options: ServeOptions, seconds: float, ready: Ready) -> None:
    from perfkit.receive.retention import run_retention
    from perfkit.store.retention import prune

    def prune_database(older_than: float) -> None:
        con = open_database(options.db)
        try:
            prune(con, older_than, live_only=True)
        finally:
            con.close()

    os.nice(_LATER_NICE)
    run_retention(options.data, seconds, prune_database, ready)


def _write_lake(options: ServeOptions, lake: Lake, ready: Ready) -> None:
    from perfkit.lake.days import run_days

    os.nice(_LATER_NICE)
    run_days(options.db, lake, ready, say_in_log)


def _import(options: ServeOptions, ready: Ready) -> None:
    from perfkit.receive.importer import run_importer
    from perfkit.store.live import Live

    def open_live(db: Path) -> Live:
        return Live(db, most_devices=options.most_devices) if options.most_devices else Live(db)

    os.nice(_WORK_NICE)
    run_importer(options.data, options.db, open_live, ready, say_in_log)


def _dashboard(options: ServeOptions, listener: socket.socket, ready: Ready) -> None:
    from perfkit.serve.web_servers import run_dashboard

    os.nice(_LATER_NICE)
    run_dashboard(options, listener, ready)
