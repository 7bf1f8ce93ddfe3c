"""Who gets in: the guard in front of every route, logins, roles, and what a browser is told."""

from __future__ import annotations

import http.client
import re
import shutil
import stat
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from perfkit.dashboard.access import token_file
from perfkit.dashboard.plugin import ROUTES
from perfkit.dashboard.site import Dashboard
from perfkit.dashboard.users import Users
from perfkit.errors import BadInput
from perfkit.serve.address import Address
from perfkit.serve.options import ServeOptions
from support import asking
from support.seed import fill

PASSWORD = "correct horse battery"
PATIENCE = 120  # seconds: a busy machine is no failure
PUBLIC = {"/-/login", "/-/once", "/favicon.ico"}
# An example of each of Datasette's own routes, for the walk over all of them.
DATASETTE = (
    *("/-/metadata", "/-/metadata.json", "/-/versions", "/-/plugins.json", "/-/settings", "/-/config", "/-/config.json", "/-/threads"),
    *("/-/databases.json", "/-/actor", "/-/actor.json", "/-/auth-token", "/-/permissions", "/-/messages", "/-/allow-debug", "/-/patterns"),
    *("/perfkit", "/perfkit.json", "/perfkit.db", "/_memory", "/:memory:", "/perfkit/host_metrics", "/perfkit/host_metrics.json"),
    *("/perfkit/host_metrics.csv", "/perfkit/collectors/1", "/perfkit?sql=select+1", "/.json", "/.jsono"),
)
# What Datasette has below /-/ for everyone who is logged in; all the rest of its diagnostics is for admins.
FOR_ALL = {"/-/actor", "/-/actor.json"}
ADMIN_ONLY = tuple(path for path in DATASETTE if path.startswith("/-/") and path not in FOR_ALL | {"/-/auth-token"})


@pytest.fixture(scope="session")
def with_users(tmp_path_factory):
    """A minute of data, a viewer and an admin; to be copied."""
    database = tmp_path_factory.mktemp("users") / "perfkit.db"
    fill(database, seconds=60)
    users = Users.beside(database)
    users.put("vera", "viewer", PASSWORD)
    users.put("ada", "admin", PASSWORD)
    return database


@pytest.fixture
def guarded(with_users, tmp_path, serve):
    """A dashboard that needs a login."""
    for name in ("perfkit.db", "users.json"):
        shutil.copy(with_users.with_name(name), tmp_path)
    return serve(tmp_path / "perfkit.db", login=True)


@pytest.fixture
def client(guarded):
    """`client()`: a browser of its own on the guarded dashboard."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(asking.client(base_url=guarded.url, timeout=PATIENCE))


@pytest.fixture
def log_in(client):
    """`log_in(name, password)`: a browser after the login form was sent; its `answer` is what came back."""

    def send(name: str, password: str = PASSWORD, **fields: str) -> httpx.Client:
        browser = client()
        token = re.search(r'name="csrftoken" value="([^"]+)"', browser.get("/-/login").text)[1]
        browser.answer = browser.post("/-/login", data={"csrftoken": token, "username": name, "password": password, **fields})
        return browser

    return send


def test_every_route_asks_for_a_login(client):
    """No page, JSON answer or file of ours or Datasette's comes without one, except what the login page needs."""
    browser = client()
    for path in (*(route.example for route in ROUTES), *DATASETTE):
        answer = browser.get(path)
        if urlsplit(path).path in PUBLIC or path.startswith("/assets/"):
            continue
        assert answer.status_code in (302, 401, 404), f"{path} answered {answer.status_code}"
        assert "vm-a" not in answer.text
        if answer.status_code == 302:
            assert answer.headers["location"].startswith("/-/login?next=")


def test_the_walk_knows_every_route(site):
    """Each route that Datasette and we register has an example in the walk above, so that a new one cannot be forgotten."""
    routes = Dashboard(site.database, site.access)._routes()
    examples = [urlsplit(path).path for path in (*(route.example for route in ROUTES), *DATASETTE, *PUBLIC, "/-/static/app.css")]
    assert [pattern.pattern for pattern, _ in routes if not any(pattern.match(example) for example in examples)] == []


def test_a_viewer_sees_data_and_an_admin_the_diagnostics_too(log_in):
    """The roles differ in Datasette's diagnostics alone."""
    for name, status in (("vera", 403), ("ada", 200)):
        browser = log_in(name)
        assert browser.answer.status_code == 303
        assert "vm-a" in browser.get("/").text
        assert browser.get("/api/v1/collectors/1/series").status_code == 200
        assert browser.get("/perfkit/host_metrics").status_code == 200
        assert {path: browser.get(path, follow_redirects=True).status_code for path in ADMIN_ONLY} == dict.fromkeys(ADMIN_ONLY, status)


def test_a_token_reads_what_is_for_programs_until_it_is_revoked(guarded, client):
    """Neither pages nor diagnostics, and nothing but reading."""
    tokens = token_file(guarded.database)
    token, old = tokens.add("nightly"), tokens.add("old", expires=1)
    browser = client()

    def status(path: str, value: str = f"Bearer {token}", method: str = "GET") -> int:
        return browser.request(method, path, headers={"authorization": value}).status_code

    assert "vm-a" in browser.get("/api/v1/collectors", headers={"authorization": f"bearer {token}"}).text
    for path in ("/api/v1/runs", "/perfkit.json?sql=select+1", "/perfkit/host_metrics.json", "/perfkit/host_metrics.csv"):
        assert status(path) == 200, path
    for path in ("/", "/collectors/1", "/-/metadata.json", "/-/plugins.json"):
        assert status(path) == 302, path
    assert status("/api/v1/runs", method="POST") == 401
    for wrong in (f"Bearer {token}x", f"Basic {token}", token, "Bearer", f"Bearer {old}"):
        assert status("/api/v1/runs", wrong) == 401, wrong
    assert browser.get(f"/api/v1/runs?token={token}").status_code == 401
    assert token not in tokens.path.read_text()
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    tokens.revoke("nightly")
    assert status("/api/v1/runs") == 401


def test_the_session_cookie_is_kept_from_scripts_and_other_sites(log_in):
    """HttpOnly and SameSite always; Secure as soon as the request came over TLS."""
    cookie = log_in("vera").answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_cookies_are_secure_under_tls():
    """The guard adds Secure for https."""
    from perfkit.dashboard.access import _safe_cookie

    assert _safe_cookie(b"a=b; Path=/", {"scheme": "https"}) == b"a=b; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert b"Secure" not in _safe_cookie(b"a=b", {"scheme": "http"})


def test_a_wrong_password_and_an_unknown_name_are_told_apart_by_nothing(log_in):
    """Both get the same sentence, and no session."""
    answers = [log_in("vera", "wrong password").answer, log_in("nobody", "wrong password").answer]
    assert {a.status_code for a in answers} == {401}
    texts = {re.sub(r'name="(csrftoken|username)" value="[^"]*"', "", a.text) for a in answers}
    assert len(texts) == 1
    assert not any("ds_actor" in a.headers.get("set-cookie", "") for a in answers)


def test_the_login_page_offers_nothing_else(guarded, open_page):
    """No link to pages that need the login; after a wrong password the password's field has the focus; ink, not link colours."""
    page = open_page(guarded.url, drawn=False)
    assert page.locator(".bar a").all_inner_texts() == ["perfkit"]
    assert page.evaluate("document.activeElement.name") == "username"
    page.fill("[name=username]", "vera")
    page.fill("[name=password]", "wrong password")
    with page.expect_response(lambda answer: answer.status == 401):
        page.click("main button")
    page.wait_for_selector("[role=alert]")
    assert page.evaluate("document.activeElement.name") == "password"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(27, 31, 36)"
    open_page.problems.clear()  # the browser logs the 401


def test_a_session_ends_with_the_user_and_with_the_password(guarded, log_in):
    """Who is removed, or whose password changes, is out at once."""
    vera, ada = log_in("vera"), log_in("ada")
    users = Users.beside(guarded.database)
    users.remove("vera")
    users.put("ada", "admin", "another long password")
    assert vera.get("/").status_code == 302
    assert ada.get("/").status_code == 302


def test_forged_and_foreign_cookies_open_nothing(guarded, log_in):
    """Neither Datasette's own form of the cookie nor a changed one is a session."""
    good = log_in("vera").cookies["ds_actor"]
    for cookie in ("", "x", good[:-2] + "AA", good.replace(".", "", 1), '{"a":{"id":"root"}}'):
        assert asking.get(guarded.url, timeout=PATIENCE, cookies={"ds_actor": cookie}).status_code == 302


def test_the_owners_link_works_once(guarded, client):
    """The link printed at the start logs in, as admin, a single time."""
    token = guarded.access.once
    first, second = client(), client()
    assert first.get(f"/-/once?token={token}").status_code == 303
    assert first.get("/-/versions").status_code == 200
    assert second.get(f"/-/once?token={token}").headers["location"] == "/-/login?used=1"
    assert second.get("/").status_code == 302


@pytest.mark.parametrize(
    "target", ["//example.com", "https://example.com", "/\\example.com", "\\\\example.com", "/\nx", "javascript:alert(1)"]
)
def test_a_login_leads_nowhere_else(log_in, target):
    """`next` is a path here or nothing."""
    assert log_in("vera", next=target).answer.headers["location"] == "/"


def test_a_login_leads_to_the_page_that_was_asked_for(log_in):
    """With its range and all."""
    assert log_in("vera", next="/collectors/1?range=1h").answer.headers["location"] == "/collectors/1?range=1h"


def test_another_site_cannot_log_anyone_in_or_out(client, log_in):
    """A form of another site is refused by what the browser says of its origin, and one without our token by that."""
    form = {"username": "vera", "password": PASSWORD}
    for sign in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert client().post("/-/login", data=form, headers=sign).status_code == 403
    browser = log_in("vera")
    assert browser.post("/-/logout").status_code == 403
    assert browser.get("/").status_code == 200


def test_a_logout_ends_the_browsers_session(log_in):
    """The button's form takes the cookie away."""
    browser = log_in("vera")
    token = re.search(r'name="csrftoken" value="([^"]+)"', browser.get("/").text)[1]
    browser.post("/-/logout", data={"csrftoken": token})
    assert browser.get("/").status_code == 302


@pytest.mark.parametrize(
    "path", ["/\\example.com/", "//example.com/", "http://example.com/", "/%5Cexample.com/", "/collectors/1\\..", "/%2F%2Fexample.com"]
)
def test_paths_that_lead_away_are_not_found(site, path):
    """Datasette would redirect some of these to another site; here they are 404."""
    port = urlsplit(site.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest("GET", path)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 404
    assert answer.getheader("location") is None
    connection.close()


def test_without_a_login_only_loopback_names_are_answered(site):
    """A foreign name that resolves to this machine (DNS rebinding) reads nothing."""
    assert asking.get(site.url, timeout=PATIENCE, headers={"host": "evil.example:8000"}).status_code == 421
    assert asking.get(site.url, timeout=PATIENCE, headers={"host": "localhost:8000"}).status_code == 200


def test_every_answer_forbids_inline_script_and_framing(site):
    """The policy is on pages, JSON and errors of ours, and on Datasette's, where only its own known scripts run."""
    for path in ("/", "/collectors/1", "/nothing", "/api/v1/collectors", "/perfkit", "/perfkit/host_metrics"):
        answer = asking.get(site.url + path, timeout=PATIENCE)
        policy = answer.headers["content-security-policy"]
        assert "'unsafe-inline'" not in policy.split("style-src")[0], path
        assert "'unsafe-eval'" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_other_machines_need_a_user(tmp_path):
    """A dashboard on another address, or behind a proxy, does not start without one, and says how to add one."""
    users = Users(tmp_path / "users.json")

    def check(host: str, **proxy: Any) -> bool:
        options = ServeOptions(tmp_path / "perfkit.db", tmp_path, tmp_path / "keys.json", dashboard=Address(host, 8000), **proxy)
        options.check(lambda: bool(users.all()))
        return options.login

    assert not check("127.0.0.1")
    for host, proxy in (("0.0.0.0", {}), ("192.0.2.1", {}), ("127.0.0.1", {"trusted_proxies": ("10.0.0.1",)})):
        with pytest.raises(BadInput, match="users add NAME"):
            check(host, **proxy)
    users.put("ada", "admin", PASSWORD)
    assert check("0.0.0.0")


def test_the_users_file_holds_hashes_and_is_nobody_elses(tmp_path):
    """Mode 0600, no password in it, and a damaged one is said to be one."""
    users = Users(tmp_path / "users.json")
    users.put("ada", "admin", PASSWORD)
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert PASSWORD not in users.path.read_text()
    assert users.check("ada", PASSWORD).role == "admin"
    assert users.check("ada", PASSWORD + "x") is None
    users.path.write_text("{")
    with pytest.raises(BadInput, match="not a users file"):
        Users(users.path).all()


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [
        ("", "viewer", PASSWORD),
        ("a b", "viewer", PASSWORD),
        ("owner", "admin", PASSWORD),
        ("a", "root", PASSWORD),
        ("a", "viewer", "short"),
    ],
)
def test_users_that_cannot_be(tmp_path, name, role, password):
    """A wrong name, role or password is refused, and nothing is written."""
    users = Users(tmp_path / "users.json")
    with pytest.raises(BadInput):
        users.put(name, role, password)
    assert not users.path.exists()
