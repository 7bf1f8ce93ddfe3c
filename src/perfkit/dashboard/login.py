"""Logging in and out. Passwords are checked in a thread, few at a time, and slower the more often they are wrong."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasette.utils.asgi import Response

from perfkit.dashboard import pages
from perfkit.dashboard.access import COOKIE, SESSION_SECONDS
from perfkit.dashboard.users import OWNER, User

if TYPE_CHECKING:
    from perfkit.dashboard.site import Dashboard

FREE_TRIES = 5
LONGEST_WAIT = 300.0
_REMEMBERED = 10_000
_PASSWORD_CHARACTERS = 1024


class Throttle:
    """How long a key (an address, a name) must wait after wrong passwords: nothing up to FREE_TRIES, then doubling."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, *keys: str) -> float:
        """Seconds until the next try may be made; 0 when it may be made now."""
        now = time.monotonic()
        return max(0.0, *(since + _delay(count) - now for count, since in (self._failed.get(key, (0, 0.0)) for key in keys)))

    def fail(self, *keys: str) -> None:
        """Count a wrong password."""
        for key in keys:
            count, _ = self._failed.pop(key, (0, 0.0))
            self._failed[key] = (count + 1, time.monotonic())
        while len(self._failed) > _REMEMBERED:
            self._failed.popitem(last=False)

    def forget(self, *keys: str) -> None:
        """A right password."""
        for key in keys:
            self._failed.pop(key, None)


def _delay(failures: int) -> float:
    return 0.0 if failures < FREE_TRIES else float(min(LONGEST_WAIT, 2.0 ** (failures - FREE_TRIES)))


@dataclass(frozen=True)
class Form:
    """What the login form shows: where it leads, the name typed, what was wrong, and how long to wait."""

    target: str
    name: str = ""
    error: str = ""
    status: int = 200
    wait: float = 0.0


_throttle = Throttle()
_hashing = asyncio.Semaphore(2)


async def page(request: Any, datasette: Dashboard) -> Response:
    """The login form, and what it sends."""
    post = await request.post_vars() if request.method == "POST" else {}
    target = _local(post.get("next") or request.args.get("next") or "", datasette.access.root_path)
    name = (post.get("username") or "")[:64]
    if request.method != "POST":
        return await _form(request, datasette, Form(target))
    keys = (f"address {(request.scope.get('client') or ('', 0))[0]}", f"name {name}")
    if wait := _throttle.wait(*keys):
        sentence = f"Too many wrong passwords; try again in {wait:.0f} s."
        return await _form(request, datasette, Form(target, name, sentence, 429, wait))
    user = await _check(datasette, name, post.get("password") or "")
    if user is None:
        _throttle.fail(*keys)
        return await _form(request, datasette, Form(target, name, "The name or the password is wrong.", 401))
    _throttle.forget(*keys)
    return _logged_in(datasette, user.name, target)


async def once(request: Any, datasette: Dashboard) -> Response:
    """The owner's link from the terminal: logs in a single time."""
    if datasette.access.use_once(request.args.get("token") or ""):
        return _logged_in(datasette, OWNER, f"{datasette.access.root_path}/")
    return Response.redirect(f"{datasette.access.root_path}/-/login?used=1")


async def logout(request: Any, datasette: Dashboard) -> Response:
    """Ends the session; a form must ask for it, so that no foreign page can."""
    if request.method != "POST":
        return Response.redirect(f"{datasette.access.root_path}/")
    response = Response.redirect(f"{datasette.access.root_path}/{'-/login' if datasette.access.login else ''}", status=303)
    response.set_cookie(COOKIE, "", expires=0, max_age=0, httponly=True)
    return response


async def _check(datasette: Dashboard, name: str, password: str) -> User | None:
    if len(password) > _PASSWORD_CHARACTERS:
        return None
    async with _hashing:
        return await asyncio.to_thread(datasette.access.users.check, name, password)


async def _form(request: Any, datasette: Dashboard, shown: Form) -> Response:
    context = {"next": shown.target, "name": shown.name, "error": shown.error, "used": bool(request.args.get("used"))}
    response = await pages.respond(request, datasette, pages.Page("plain", context, template="login"))
    response.status = shown.status
    if shown.wait:
        response.headers["retry-after"] = f"{shown.wait + 1:.0f}"
    return response


def _logged_in(datasette: Dashboard, name: str, target: str) -> Response:
    response = Response.redirect(target, status=303)
    response.set_cookie(COOKIE, datasette.access.session(name), max_age=SESSION_SECONDS, httponly=True)
    return response


def _local(target: str, root_path: str) -> str:
    """`target` if it is a path on this server, else the front page."""
    fine = target.startswith(f"{root_path}/") and not target.startswith(("//", "/\\")) and target.isprintable() and "\\" not in target
    return target if fine else f"{root_path}/"
