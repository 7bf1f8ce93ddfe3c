"""Logging in and out: the form, the owner's link, and the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasette.utils.asgi import Response

from perfkit.dashboard import pages
from perfkit.dashboard.access import COOKIE, SESSION_SECONDS
from perfkit.dashboard.logins import TryLater
from perfkit.dashboard.users import OWNER

if TYPE_CHECKING:
    from perfkit.dashboard.site import Dashboard


@dataclass(frozen=True)
class Form:
    """What the login form shows: where it leads, the name typed, what was wrong, and how long to wait."""

    target: str
    name: str = ""
    error: str = ""
    status: int = 200
    wait: float = 0.0


async def page(request: Any, datasette: Dashboard) -> Response:
    """The login form, and what it sends."""
    post = await request.post_vars() if request.method == "POST" else {}
    target = _local(post.get("next") or request.args.get("next") or "", datasette.access.root_path)
    name = (post.get("username") or "")[:64]
    if request.method != "POST":
        return await _form(request, datasette, Form(target))
    address = (request.scope.get("client") or ("", 0))[0]
    try:
        user = await datasette.logins.check(address, name, post.get("password") or "")
    except TryLater as later:
        return await _form(request, datasette, Form(target, name, str(later), 429, later.seconds))
    if user is None:
        return await _form(request, datasette, Form(target, name, "The name or the password is wrong.", 401))
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


async def _form(request: Any, datasette: Dashboard, shown: Form) -> Response:
    context = {"next": shown.target, "name": shown.name, "error": shown.error, "used": bool(request.args.get("used"))}
    response = await pages.respond(request, datasette, pages.Page("plain", context, template="login"))
    response.status = shown.status
    if shown.wait:
        response.headers["retry-after"] = f"{shown.wait + 1:.0f}"
    return response


def _logged_in(datasette: Dashboard, name: str, target: str) -> Response:
    response = Response.redirect(target, status=303)
    response.set_cookie(COOKIE, datasette.session(name), max_age=SESSION_SECONDS, httponly=True)
    return response


def _local(target: str, root_path: str) -> str:
    """`target` if it is a path on this server, else the front page."""
    fine = target.startswith(f"{root_path}/") and not target.startswith(("//", "/\\")) and target.isprintable() and "\\" not in target
    return target if fine else f"{root_path}/"
