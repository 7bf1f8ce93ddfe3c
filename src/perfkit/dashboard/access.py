"""Who gets in: one guard in front of every route, Datasette's and ours, and the headers that every answer carries.

Datasette's own permissions do not cover a plugin's routes, so nothing here relies on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from perfkit.dashboard.assets import datasette_script_hashes
from perfkit.dashboard.foreign_sql import DATABASE, asker, for_csv
from perfkit.dashboard.parameters import check_datasette
from perfkit.dashboard.users import ADMIN, OWNER, VIEWER, Users
from perfkit.errors import BadInput
from perfkit.receive.keys import KeyFile, KeyRing
from perfkit.web import is_foreign, is_navigation, names_us, source_of

if TYPE_CHECKING:
    from perfkit.dashboard.site import Dashboard

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "ds_actor"
SESSION_SECONDS = 7 * 86400

# What a login page needs before there is a login.
_PUBLIC = ("/-/login", "/-/once", "/favicon.ico")
_PUBLIC_FOLDERS = ("/assets/", "/-/static/")
_OURS = ("/collectors/", "/compare", "/api/", "/assets/", "/-/login", "/-/once")
# Of what Datasette has below /-/, its diagnostics mostly, these are for everyone who is logged in; the rest is for admins.
_DIAGNOSTICS = "/-/"
_FOR_ALL = ("/-/login", "/-/once", "/-/logout", "/-/static/", "/-/actor")
# Datasette's own token login, for which ours stands.
_CLOSED = ("/-/auth-token",)
# What a token reads: answers for programs. Pages are for people, who log in.
_FOR_PROGRAMS = ("/api/", f"/{DATABASE}")


def token_file(database: Path) -> KeyFile:
    """The tokens of programs that may read the dashboard over `database`."""
    return KeyFile(database.with_name("tokens.json"), "token")


@dataclass
class Access:
    """The rules of one dashboard: whether a login is needed, who the users are, and the owner's one-time link.

    `names` are further names that it answers to without a login, `root_path` the path that a proxy puts before ours.
    Sessions are signed cookies. A user's ends when the password changes or the user is removed, the owner's with this process.
    A program reads with a token instead. Raises Failed for a file of tokens that cannot be read.
    """

    users: Users
    login: bool
    names: frozenset[str] = frozenset()
    root_path: str = ""
    once: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _process: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    _key: str = field(default_factory=lambda: secrets.token_hex(32))
    _tokens: KeyRing | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.login:  # reports and agents read the database without one
            self._tokens = KeyRing(token_file(self.users.path))

    @property
    def secret(self) -> str:
        """What cookies are signed with."""
        return self.users.secret or self._key

    def use_once(self, token: str) -> bool:
        """Whether `token` is the owner's link's; true a single time."""
        right = bool(self.once) and secrets.compare_digest(token.encode("utf-8", "replace"), self.once.encode())
        if right:
            self.once = ""
        return right

    def stamp(self, name: str) -> str:
        """What a session of `name` must carry to be one; "" of a name that is no user's."""
        if name == OWNER:
            return self._process
        user = self.users.get(name)
        return user.stamp if user else ""

    def actor(self, name: str, stamp: str) -> dict[str, str] | None:
        """{"id": name, "role": role} of a session that carries `stamp`; None if it has ended."""
        known = self.stamp(name)
        if not known or not secrets.compare_digest(stamp.encode("utf-8", "replace"), known.encode()):
            return None
        user = self.users.get(name)
        return {"id": name, "role": ADMIN if name == OWNER else user.role if user else ""}

    def program(self, scope: Scope, path: str, authorization: str) -> dict[str, str] | None:
        """Who reads `path` with the token in `Authorization: Bearer TOKEN`; None where it is not valid, or the path is a page."""
        kind, _, token = authorization.partition(" ")
        if self._tokens is None or kind.lower() != "bearer" or scope["method"] not in ("GET", "HEAD") or not path.startswith(_FOR_PROGRAMS):
            return None
        known = self._tokens.check(token.strip(), time.time())
        return {"id": f"token {known.name}", "role": VIEWER} if known else None

    def serves(self, host: str) -> bool:
        """Whether a request that names `host` is meant for us: without a login, only loopback names are (DNS rebinding)."""
        return self.login or names_us(host, self.names)


class Guard:
    """The ASGI application `app` of `dashboard`, behind the rules of its access; `is_page` tells the pages that other sites may link to."""

    def __init__(self, app: App, dashboard: Dashboard, is_page: Callable[[str], bool]) -> None:
        self.app, self.dashboard, self.access, self.is_page = app, dashboard, dashboard.access, is_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            path = str(scope["path"]).removeprefix(self.access.root_path)
            await self._http(path, scope, receive, _with_headers(path, scope, send))

    async def _http(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        if refusal := self._refusal(path, scope, headers):
            return await _answer(send, *refusal)
        address = source_of((scope.get("client") or ("",))[0])
        asker.set(address)
        for_csv.set(path == f"/{DATABASE}.csv")
        if self.access.login:
            actor = self.dashboard.actor(_cookie(headers.get("cookie", ""))) or self.access.program(
                scope, path, headers.get("authorization", "")
            )
            if actor is None and path not in _PUBLIC and not path.startswith(_PUBLIC_FOLDERS):
                return await _ask_to_log_in(path, self.access.root_path, scope, send)
            if path.startswith(_DIAGNOSTICS) and not path.startswith(_FOR_ALL) and (actor is None or actor["role"] != ADMIN):
                return await _answer(send, 403, "This page is for users with the role admin.")
            asker.set(f"{address} {actor['id'] if actor else ''}")
            scope = {**scope, "actor": actor, "headers": _without_cookie(scope["headers"])}
        if scope["method"] in ("GET", "HEAD") and path.startswith(f"/{DATABASE}"):
            try:
                check_datasette(scope.get("query_string", b"").decode("latin-1"))
            except BadInput as error:
                return await _answer(send, 400, str(error))
            return await _while_heard(self.app, scope, receive, send)
        return await self.app(scope, receive, send)

    def _refusal(self, path: str, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and sentence for what nobody gets, logged in or not."""
        if _hostile(scope) or path.startswith(_CLOSED):
            return 404, "There is no such page."
        if not self.access.serves(headers.get("host", "")):
            return 421, "This dashboard answers to localhost only; open it by that name."
        if is_foreign(headers) and not (is_navigation(scope["method"], headers) and self.is_page(path)):
            return 403, "A page of another site asked for this. Open it from perfkit's own pages, or type its address."
        return None


async def _while_heard(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Run `app`, which reads no body, until it has answered or the client has gone."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def empty() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    answering, leaving = asyncio.ensure_future(app(scope, empty, send)), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not answering.done():
            answering.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await answering


def _hostile(scope: Scope) -> bool:
    """Paths that Datasette would turn into a redirect to another site, or that no page of ours has."""
    path = str(scope["path"])
    paths = (path, bytes(scope.get("raw_path") or path.encode()).decode("latin-1"))
    return any("\\" in path or not path.startswith("/") or path.startswith("//") or "\0" in path or "%5c" in path.lower() for path in paths)


async def _ask_to_log_in(path: str, root_path: str, scope: Scope, send: Send) -> None:
    by_token = path.startswith(_FOR_PROGRAMS) and any(key == b"authorization" for key, _ in scope["headers"])
    if by_token or path.startswith("/api/") or scope["method"] not in ("GET", "HEAD"):
        return await _answer(send, 401, '{"error": "log in first, or send a token that is valid"}', ("content-type", "application/json"))
    query = scope.get("query_string", b"").decode("latin-1")
    target = quote(root_path + path + (f"?{query}" if query else ""), safe="")
    return await _answer(send, 302, "", ("location", f"{root_path}/-/login?next={target}"))


async def _answer(send: Send, status: int, text: str, *headers: tuple[str, str]) -> None:
    fields = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store", **dict(headers)}
    await send({"type": "http.response.start", "status": status, "headers": [(k.encode(), v.encode()) for k, v in fields.items()]})
    await send({"type": "http.response.body", "body": text.encode()})


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _without_cookie(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers without our session, which Datasette would try to read in its own form."""
    ours = COOKIE.encode() + b"="

    def without(value: bytes) -> bytes:
        return b";".join(crumb for crumb in value.split(b";") if not crumb.strip().startswith(ours))

    return [(key, without(value) if key == b"cookie" else value) for key, value in headers if key != b"authorization"]


def _with_headers(path: str, scope: Scope, send: Send) -> Send:
    """`send` that adds the security headers, keeps cookies from scripts and lets versioned files be cached."""
    ours = path == "/" or path.startswith(_OURS)
    fixed = [
        (b"content-security-policy", _policy(ours).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = [(k.lower(), _safe_cookie(v, scope) if k.lower() == b"set-cookie" else v) for k, v in message.get("headers", [])]
            if path.startswith("/assets/") and message["status"] == 200:
                # The same for everyone, so that a cookie in the request need not keep it from caches.
                headers = [(k, v) for k, v in headers if k != b"cache-control"] + [(b"cache-control", b"max-age=31536000, immutable")]
            message = {**message, "headers": [*headers, *fixed]}
        await send(message)

    return sending


def _policy(ours: bool) -> str:
    scripts = "'self'" if ours else " ".join(("'self'", *datasette_script_hashes()))
    styles = "'self'" if ours else "'self' 'unsafe-inline'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src 'self' data: blob:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _safe_cookie(value: bytes, scope: Scope) -> bytes:
    lower = value.lower()
    if b"httponly" not in lower:
        value += b"; HttpOnly"
    if b"samesite" not in lower:
        value += b"; SameSite=Lax"
    if scope.get("scheme") == "https" and b"; secure" not in lower:
        value += b"; Secure"
    return value
