"""The files that pages are made of: one script a page, cached for good under a name that changes with them."""

from __future__ import annotations

import httpx
import pytest

from perfkit.dashboard import assets
from perfkit.dashboard.bundle import bundle
from perfkit.errors import Failed

MODULES = {
    "page": (
        'import { one as first, $ } from "./base.js";\n'
        'import * as more from "./more.js";\n'
        "found = [first, $(), more.two(), more.Three.name];\n"
    ),
    "more": 'import { one } from "./base.js";\nexport function two() {\n  return one + 1;\n}\nexport class Three {}\n',
    "base": "export const one = 1;\nexport const $ = () => 4;\nconst inner = 5;\n",
}


def test_a_bundle_is_the_page_behind_what_it_imports(open_page, site):
    """Every module once, names as they were imported, and what is not exported stays inside."""
    script = bundle("page", MODULES)
    assert script.count("const one = 1;") == 1
    page = open_page(site.url, drawn=False)
    assert page.evaluate(f"() => {{ let found; {script.replace(chr(34) + 'use strict' + chr(34), '')} return found; }}") == [
        1,
        4,
        2,
        "Three",
    ]
    assert page.evaluate(f"() => {{ let found; {script} return typeof inner; }}") == "undefined"


@pytest.mark.parametrize("line", ['import first from "./base.js";', "export default 1;", "export { one };", 'import "./base.js";'])
def test_a_form_that_the_bundle_does_not_know_is_refused(line):
    """Rather than served as a script that does not run."""
    with pytest.raises(Failed, match="which the bundle does not know"):
        bundle("page", {"page": f"{line}\n", "base": ""})


def test_files_are_kept_for_good_and_another_versions_are_not_found(site):
    """A page's files may be cached for a year; the name of the version in their path changes with any of them."""
    path = f"/assets/{assets.version()}/overview.js"
    answer = httpx.get(site.url + path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert httpx.get(site.url + path.replace(assets.version(), "0123456789")).status_code == 404
    assert httpx.get(f"{site.url}/assets/{assets.version()}/dom.js").status_code == 404


def test_a_page_loads_little(site, open_page):
    """The overview takes two scripts and one sheet of styles: a first visit from far away waits for few answers."""
    page = open_page(f"{site.url}/collectors/2")
    names = page.evaluate("performance.getEntriesByType('resource').map((r) => r.name.split('/').at(-1).split('?')[0])")
    assert sorted(name for name in names if name.endswith((".js", ".css"))) == ["overview.js", "perfkit.css", "uplot.js"]
