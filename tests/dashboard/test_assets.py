"""The files that pages are made of: modules as the browser takes them, cached for good under a name that changes with them."""

from __future__ import annotations

from perfkit.dashboard import assets
from support import asking

LOADED = """() => performance.getEntriesByType('resource').map((r) => r.name).filter((n) => n.includes('/assets/'))
    .map((n) => n.split('/').at(-1))"""
PRELOADED = "(all) => all.map((one) => one.href.split('/').at(-1))"
PAGES = ("/", "/collectors/2", "/collectors/2/host", "/collectors/2/tables", "/collectors/2/containers", "/compare?c=1&c=2", "/nowhere")


def test_files_are_kept_for_good_and_another_versions_are_not_found(site):
    """A page's files may be cached for a year; the name of the version in their path changes with any of them."""
    path = f"/assets/{assets.version()}/overview.js"
    answer = asking.get(site.url + path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert asking.get(site.url + path.replace(assets.version(), "0123456789")).status_code == 404


def test_a_page_names_every_module_in_its_head(site, open_page):
    """The browser fetches all of a page's modules at once instead of one import after the other, each once, and nothing else."""
    page = open_page(f"{site.url}/-/login", drawn=False)
    for path in PAGES:
        page.goto(site.url + path)
        if path not in ("/", "/nowhere"):
            page.wait_for_selector("body[data-drawn]")
        page.wait_for_load_state("networkidle")
        named = page.locator("link[rel=modulepreload]").evaluate_all(PRELOADED)
        loaded = [name for name in page.evaluate(LOADED) if name.endswith(".js") and name not in ("uplot.js", "scheme.js")]
        assert sorted(named) == sorted(set(loaded)), path
        assert len(named) == len(set(named)), path
        assert open_page.problems == [] or path == PAGES[-1], path
    open_page.problems.clear()  # the browser logs the 404 of the last


def test_only_pages_with_charts_take_the_chart_library(site, open_page):
    """A list and a table have none."""
    page = open_page(f"{site.url}/-/login", drawn=False)
    for path, charts in (("/", False), ("/collectors/2/tables", False), ("/collectors/2", True), ("/compare", True)):
        page.goto(site.url + path)
        page.wait_for_load_state("networkidle")
        assert ("uplot.js" in page.evaluate(LOADED)) == charts, path


def test_the_modules_import_one_way():
    """No module imports itself through others: each can be read, and carried elsewhere, with what it names alone."""
    modules = [name for name in assets.files() if name.endswith(".js")]
    circles = [
        (module, other)
        for module in modules
        for other in assets.with_imports((module,))
        if other != module and module in assets.with_imports((other,))
    ]
    assert not circles
    assert assets.with_imports(("chart.js",)) == ("chart.js", "dom.js", "format.js"), "the walk finds something"
