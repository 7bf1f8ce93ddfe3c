"""The one seam through which pages get their data: the same charts from memory, in one file, opened from disk."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path

from perfkit.dashboard import assets, panels
from support import asking

# A page of ours with its data in it: modules by names that need no server, and answers from memory.
MAIN = """
import { Panel } from "perfkit/panel.js";
import { h } from "perfkit/dom.js";
import { stretch } from "perfkit/format.js";
import { ask, frame, use } from "perfkit/source.js";
use(async (what, request) => { window.asked.push(what); return frame.answers[what]; });
window.asked = [];
const answer = await ask("series");
const stats = {};
for (const row of (await ask("percentiles")).percentiles) (stats[row.metric] ??= {})[row.device] = row;
const view = { ...answer.window, gaps: [], pauses: [], resets: [], bands: [], utc: true, p95: true };
window.panels = frame.panels.map((spec) => new Panel(spec));
document.querySelector("#panels").append(...panels.map((panel) => panel.element));
for (const panel of panels) panel.take(answer, stats, false);
for (const panel of panels) panel.measure();
view.gutter = Math.max(...panels.map((panel) => panel.gutter(view)));
for (const panel of panels) {
    panel.paint(view, { zoom() {}, unzoom() {}, cursor: (one, u) => one.read(u, true) });
    panel.links(1, view.from, view.to, "vm-a");
}
document.querySelector("h1").append(stretch(view.from, view.to, true));
document.body.dataset.drawn = "1";
"""


def one_file(site, path: Path) -> None:
    """A file with everything in it. The modules are the server's own; only the names that they import each other by are made absolute."""
    shown = panels.OVERVIEW[:4]
    names = ",".join(panels.metrics(shown))
    get = lambda query: asking.get(f"{site.url}/api/v1/collectors/1/{query}", timeout=60).json()  # noqa: E731
    frame = {
        "base": "",
        "collector": 1,
        "panels": [panel.as_json() for panel in shown],
        "answers": {"series": get(f"series?metrics={names}"), "percentiles": get("percentiles?tables=host")},
    }
    files = assets.files()
    modules = {
        f"perfkit/{name}": "data:text/javascript;base64,"
        + base64.b64encode(files[name].content.replace(b'from "./', b'from "perfkit/')).decode()
        for name in assets.with_imports(("panel.js",))
    }
    path.write_text(
        f"""<!DOCTYPE html><meta charset="utf-8"><style>{files["perfkit.css"].content.decode()}</style>
<script>{files["uplot.js"].content.decode()}</script>
<script type="importmap">{json.dumps({"imports": modules})}</script>
<body data-frame="{html.escape(json.dumps(frame))}"><h1></h1><div id="panels" class="panels"></div>
<script type="module">{MAIN}</script></body>""",
        "utf-8",
    )


def test_the_same_charts_come_from_memory(site, open_page, tmp_path):
    """Charts, legends, hiding and CSV, with no request at all; what is shown stands behind the # of the address."""
    one_file(site, tmp_path / "report.html")
    requests = []
    page = open_page("about:blank", drawn=False)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"file://{tmp_path}/report.html")
    page.wait_for_selector("body[data-drawn]")
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert page.evaluate("window.asked") == ["series", "percentiles"]
    page.goto(f"{site.url}/collectors/1")
    page.wait_for_selector("body[data-stats]")
    served = page.evaluate("async () => (await window.perfkit).panels.slice(0, 4).map((p) => p.element.querySelector('.legend').innerText)")
    page.goto(f"file://{tmp_path}/report.html")
    page.wait_for_selector("body[data-drawn]")
    carried = page.evaluate("() => window.panels.map((p) => p.element.querySelector('.legend').innerText)")
    assert [one.split()[-3:] for one in carried] == [one.split()[-3:] for one in served]
    page.click("#panel-network .legend button:has-text('Sent')")
    page.wait_for_url(lambda url: url.endswith("report.html#hide=network.net_tx_bytes"))
