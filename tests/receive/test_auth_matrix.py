"""Every address of the running server, receiver and dashboard, asked by everybody who might."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from perfkit.dashboard.access import Access
from perfkit.dashboard.app import register as register_plugin
from perfkit.dashboard.plugin import ROUTES as PAGES
from perfkit.dashboard.site import Dashboard
from perfkit.dashboard.users import Users
from perfkit.receive.app import ROUTES
from perfkit.store import open_database
from support import asking
from support.served import SOURCE, Served, serving

LINE = {"timestamp": 1_700_000_000, "subsystem": "/proc/stat", "measurement": "cpu 1 1 1 1\n"}
KEYS = ("none", "wrong", "revoked", "expired", "other's", "bound to it", "valid")
OPEN = dict.fromkeys(KEYS, 200)
NEEDS_KEY = {"none": 401, "wrong": 401, "revoked": 401, "expired": 401, "other's": 403, "bound to it": 200, "valid": 200}


class Asked(NamedTuple):
    """A request to the receiver, and the status each kind of key gets."""

    method: str
    path: str
    answers: dict[str, int]


# (path, method) of a route: what is sent to it.
RECEIVER = {
    ("/v1/ping", "GET"): OPEN,
    ("/v1/ping", "POST"): OPEN,
    ("/-/healthz", "GET"): OPEN,
    ("/v1/trickle", "POST"): NEEDS_KEY,
    # A key that is bound to machines speaks for no site; 404: the key was good, and nobody of its site streams.
    ("/v1/mark", "POST"): NEEDS_KEY | {"bound to it": 403, "valid": 404},
    # 400: the key was good, the file is none.
    ("/api/v1/performance/upload", "POST"): NEEDS_KEY | {"bound to it": 400, "valid": 400},
    # Through a proxy, so that the asker is not this machine.
    ("/metrics", "GET"): NEEDS_KEY | {"other's": 200},
}

# What a pattern of Datasette's is asked with; patterns that are plain text are asked as they are.
EXAMPLES = {
    r"/(\.(?P<format>jsono?))?$": "/.json",
    r"/-/static/(?P<path>.*)$": "/-/static/app.css",
    r"/:memory:(?P<rest>.*)$": "/:memory:",
    r"/(?P<database>[^\/\.]+)\.db$": "/perfkit.db",
    r"/(?P<database>[^\/\.]+)(\.(?P<format>\w+))?$": "/perfkit.json?sql=select+1",
    r"/(?P<database>[^\/\.]+)/(?P<table>[^\/\.]+)(\.(?P<format>\w+))?$": "/perfkit/collectors.json",
    r"/(?P<database>[^\/\.]+)/(?P<table>[^/]+?)/(?P<pks>[^/]+?)(\.(?P<format>\w+))?$": "/perfkit/collectors/1.json",
}
WITHOUT_LOGIN = ("/-/login", "/-/once", "/-/static/", "/assets/", "/favicon.ico")
# Of what Datasette and we have below /-/, these are for everyone who is logged in; the rest, known or yet to come, is for admins.
FOR_ALL = (*WITHOUT_LOGIN, "/-/logout", "/-/actor")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("matrix")
    open_database(folder / "perfkit.db").close()
    for name, role in (("ann", "admin"), ("vic", "viewer")):
        command = [
            sys.executable,
            "-m",
            "perfkit",
            "users",
            "add",
            name,
            "--role",
            role,
            "--password-stdin",
            "--db",
            str(folder / "perfkit.db"),
        ]
        subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, input=f"secret of {name}\n", text=True, check=True, capture_output=True)
    # A proxy in front: the dashboard then needs a login, and the receiver sees addresses that are not this machine.
    with serving(folder, "--trusted-proxy", "127.0.0.1") as served:
        yield served


@pytest.fixture(scope="module")
def keys(served: Served) -> dict[str, str]:
    file = served.keys
    made = {
        "none": "",
        "wrong": "pk_12345678_" + "x" * 43,
        "revoked": file.add("revoked"),
        "expired": file.add("expired", expires=1),
        "other's": file.add("other", identifiers=("another",)),
        "bound to it": file.add("bound", identifiers=("vm-matrix",)),
        "valid": served.key,
    }
    file.revoke("revoked")
    return made


def test_the_matrix_has_a_row_for_every_address_of_the_receiver() -> None:
    routes = {(route.path, method) for route in ROUTES for method in (route.methods or set()) - {"HEAD"}}
    assert routes == set(RECEIVER)


@pytest.mark.parametrize("who", KEYS)
@pytest.mark.parametrize(("path", "method"), sorted(RECEIVER), ids=" ".join)
def test_the_receiver_answers_each_kind_of_key_as_it_should(served: Served, keys: dict[str, str], path: str, method: str, who: str) -> None:
    # Each question from an address of its own, so that the limit on wrong keys plays no part.
    headers = {"x-forwarded-for": f"10.0.{sorted(RECEIVER).index((path, method))}.{KEYS.index(who)}"}
    if keys[who]:
        headers |= {"apikey": keys[who], "authorization": f"Bearer {keys[who]}"}
    body: dict[str, object] = {}
    if path == "/v1/trickle":
        body = {"json": {"identifier": "vm-matrix", "measurements": [LINE]}}
    elif path == "/v1/mark":
        body = {"json": {"label": "load", "kind": "start", "site": "nobody's"}}
    elif path.endswith("upload"):
        body = {"files": {"file": ("x.csv", b"x")}, "data": {"machine_id": "vm-matrix"}}
    elif method == "POST":
        body = {"json": {"timestamp": 1}}
    answer = asking.request(method, served.url + path, headers=headers, timeout=60, **body)  # type: ignore[arg-type]
    assert answer.status_code == RECEIVER[path, method][who]


def paths_of_the_dashboard(db: Path) -> list[str]:
    """An address for every route that Datasette knows, its own and those of the plugin."""
    register_plugin()
    dashboard = Dashboard(db, Access(Users.beside(db), login=True))
    ours = {page.pattern: page.example for page in PAGES}
    found = []
    for pattern, _ in dashboard._routes():
        text = pattern.pattern
        example = ours.get(text) or EXAMPLES.get(text) or _plain(text)
        assert pattern.match(example.partition("?")[0]), f"{text} needs an example here"
        found.append(example)
    return found


def _plain(pattern: str) -> str:
    """What a pattern says when its optional format and file path are filled in."""
    text = pattern.removeprefix("^").removesuffix("$").replace(r"(\.(?P<format>json))?", ".json").replace("(?P<path>.*)", "x.js")
    return re.sub(r"\\(.)", r"\1", text)


@contextlib.contextmanager
def logged_in(served: Served, name: str | None) -> Iterator[httpx.Client]:
    with asking.client(base_url=served.dashboard, timeout=60) as client:
        if name:
            log_in(client, name)
        yield client


def log_in(client: httpx.Client, name: str) -> None:
    page = client.get("/-/login").text
    token = re.search(r'name="csrftoken" value="([^"]+)"', page)
    assert token
    answer = client.post("/-/login", data={"csrftoken": token[1], "username": name, "password": f"secret of {name}"})
    assert answer.status_code in (302, 303)


@pytest.mark.parametrize("who", ["nobody", "forged", "a key", "vic", "ann"])
def test_every_page_of_the_dashboard_opens_for_whom_it_should(served: Served, who: str) -> None:
    with logged_in(served, who if who in ("vic", "ann") else None) as client:
        if who == "forged":
            client.cookies.set("ds_actor", "eyJhIjp7ImlkIjoicm9vdCJ9fQ.forged")
        elif who == "a key":
            client.headers.update({"apikey": served.key, "authorization": f"Bearer {served.key}"})
        for path in paths_of_the_dashboard(served.db):
            if path == "/-/logout" or path.startswith("/-/once"):
                continue  # they end or begin a login; tests/dashboard has them
            status = client.get(path).status_code
            if path.startswith(WITHOUT_LOGIN):
                assert status in (200, 302, 404), path
            elif path.startswith("/-/auth-token"):
                assert status == 404, path
            elif who not in ("vic", "ann"):
                for_programs = ("/api/", "/perfkit") if who == "a key" else ("/api/",)  # which may come with a token
                assert status == (401 if path.startswith(for_programs) else 302), path
            elif path.startswith("/-/") and not path.startswith(FOR_ALL) and who == "vic":
                assert status == 403, path
            else:
                assert status in (200, 301, 400, 404) or (status == 403 and path == "/perfkit.db"), f"{path}: {status}"


def test_the_pages_that_hold_data_do_open_after_a_login(served: Served) -> None:
    """So that the matrix is not green because everything is refused."""
    with logged_in(served, "vic") as client:
        for path in ("/", "/api/v1/collectors", "/perfkit/collectors.json", "/perfkit.json?sql=select+1"):
            assert client.get(path).status_code == 200, path
