"""perfkit as a Datasette plugin: its routes, and a way back from Datasette's own pages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datasette import hookimpl
from datasette.utils.asgi import Forbidden

from perfkit.dashboard import api, assets, login, pages
from perfkit.dashboard.users import ADMIN

if TYPE_CHECKING:
    from perfkit.dashboard.site import Dashboard


@dataclass(frozen=True)
class Route:
    """One of our URLs: what it matches, who answers, and an example for tests that walk all of them."""

    pattern: str
    view: Callable[..., Awaitable[Any]]
    example: str


_ID = r"(?P<id>[0-9]{1,9})"
_RUN = r"(?P<run>[0-9]{1,9})"

ROUTES = (
    Route(r"^/$", pages.collectors, "/"),
    Route(rf"^/collectors/{_ID}$", pages.overview, "/collectors/1"),
    Route(rf"^/collectors/{_ID}/host$", pages.host, "/collectors/1/host"),
    Route(rf"^/collectors/{_ID}/tables$", pages.tables, "/collectors/1/tables"),
    Route(rf"^/collectors/{_ID}/containers$", pages.containers, "/collectors/1/containers"),
    Route(rf"^/collectors/{_ID}/containers/(?P<container>[^/]{{1,200}})$", pages.container, "/collectors/1/containers/4f5d3c2b1a09"),
    Route(rf"^/collectors/{_ID}/processes/(?P<command>[^/]{{1,200}})$", pages.process, "/collectors/1/processes/nginx"),
    Route(r"^/runs$", pages.runs, "/runs"),
    Route(rf"^/runs/{_ID}(?:@|%40|~40){_RUN}$", pages.run, "/runs/1@1"),
    Route(r"^/fleet$", pages.all_machines, "/fleet"),
    Route(r"^/compare$", pages.compare, "/compare?c=1"),
    Route(r"^/api/v1/collectors$", api.collectors, "/api/v1/collectors"),
    Route(r"^/api/v1/runs$", api.all_runs, "/api/v1/runs"),
    Route(r"^/api/v1/fleet$", api.all_machines, "/api/v1/fleet"),
    Route(r"^/api/v1/compare$", api.comparison, "/api/v1/compare?c=1@1&c=1@1"),
    Route(rf"^/api/v1/runs/{_ID}(?:@|%40|~40){_RUN}$", api.one_run, "/api/v1/runs/1@1"),
    Route(rf"^/api/v1/collectors/{_ID}/series$", api.series, "/api/v1/collectors/1/series"),
    Route(rf"^/api/v1/collectors/{_ID}/percentiles$", api.percentiles, "/api/v1/collectors/1/percentiles"),
    Route(rf"^/api/v1/collectors/{_ID}/findings$", api.findings, "/api/v1/collectors/1/findings"),
    Route(rf"^/api/v1/collectors/{_ID}/who$", api.who, "/api/v1/collectors/1/who"),
    Route(rf"^/api/v1/collectors/{_ID}/process$", api.process, "/api/v1/collectors/1/process?command=nginx"),
    Route(rf"^/api/v1/collectors/{_ID}/steady$", api.steady, "/api/v1/collectors/1/steady"),
    Route(r"^/assets/(?P<version>\w{10})/(?P<path>[\w./-]{1,100})$", assets.asset, f"/assets/{assets.version()}/perfkit.css"),
    Route(r"^/-/login$", login.page, "/-/login"),
    Route(r"^/-/once$", login.once, "/-/once"),
    Route(r"^/-/logout$", login.logout, "/-/logout"),
)


def is_page(path: str) -> bool:
    """Whether `path` is a page of ours for people: what another site may link to."""
    return not path.startswith(("/api/", "/assets/")) and any(re.match(route.pattern, path) for route in ROUTES)


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    """Every page and every JSON answer of ours."""
    return [(route.pattern, route.view) for route in ROUTES]


@hookimpl
def extra_css_urls() -> list[str]:
    """Datasette's pages in the colours of ours."""
    return [f"/assets/{assets.version()}/datasette.css"]


@hookimpl
def menu_links() -> list[dict[str, str]]:
    """The way back."""
    return [{"href": "/", "label": "Collectors"}]


@hookimpl
def permission_allowed(actor: dict[str, str] | None, action: str) -> bool | None:
    """Datasette's debugging pages are for admins; everything else is allowed here, because the guard has already authorised the request."""
    if action in ("permissions-debug", "debug-menu"):
        return actor is not None and actor["role"] == ADMIN
    return None


@hookimpl(tryfirst=True)
def handle_exception(datasette: Dashboard, request: Any, exception: Exception) -> Any:
    """A page that says what to do; the traceback goes to the log without the values in it, which may be secrets."""
    return lambda: pages.problem(request, datasette, exception)


@hookimpl(tryfirst=True)
def forbidden(datasette: Dashboard, request: Any, message: str) -> Any:
    """What Datasette does not allow."""
    return lambda: pages.problem(request, datasette, Forbidden(message))
