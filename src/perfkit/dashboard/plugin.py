"""perfkit as a Datasette plugin: its routes, and a way back from Datasette's own pages."""

from __future__ import annotations

from typing import Any

from datasette import hookimpl

from perfkit.dashboard import api, assets, login, pages


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    """Every page and every JSON answer of ours."""
    return [
        (r"^/$", pages.collectors),
        (r"^/collectors/(?P<id>\d{1,9})$", pages.overview),
        (r"^/api/v1/collectors$", api.collectors),
        (r"^/api/v1/collectors/(?P<id>\d{1,9})/series$", api.series),
        (r"^/api/v1/collectors/(?P<id>\d{1,9})/percentiles$", api.percentiles),
        (r"^/-/login$", login.page),
        (r"^/-/once$", login.once),
        (r"^/-/logout$", login.logout),
    ]


@hookimpl
def extra_css_urls() -> list[str]:
    """Datasette's pages in the colours of ours."""
    return [f"/assets/{assets.version()}/datasette.css"]


@hookimpl
def menu_links() -> list[dict[str, str]]:
    """The way back."""
    return [{"href": "/", "label": "Collectors"}]
