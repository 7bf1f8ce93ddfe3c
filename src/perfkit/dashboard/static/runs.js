// The list of runs, newest first: two that are ticked go to compare, and each has the comparison with the one before it.

import { $, h } from "./dom.js";
import { coverage, instant, judged, show, span, zone } from "./format.js";
import { onLooks } from "./looks.js";
import { isLive } from "./series.js";
import { frame } from "./source.js";
import * as url from "./url.js";

const all = frame.runs;
const chosen = new Set();

const compareHref = (ids) => url.link("/compare", { changes: { c: ids } });

/** The run of the same label on the same machine that began before it. */
const previous = (one) => all.find((other) => other.collector === one.collector && other.label === one.label && other.from < one.from);

// Whether any run has one to be compared with: an empty column says nothing.
const compared = all.some(previous);

function draw() {
  const words = url.get("q").toLowerCase().split(/\s+/).filter(Boolean);
  const site = url.get("site");
  const text = (one) => [one.label, one.machine, one.site, one.id].join(" ").toLowerCase();
  const found = all.filter((one) => (!site || one.site === site) && words.every((word) => text(one).includes(word)));
  const nothing = h("tr", {}, h("td", { colspan: 12, class: "text muted" }, "No run matches; clear the search to see all."));
  const focused = document.activeElement?.id;
  $("#rows").replaceChildren(...(found.length ? found.map(row) : [nothing]));
  if (focused) document.getElementById(focused)?.focus();
  $("#count").textContent = `${found.length === all.length ? "" : `${found.length} of `}${all.length} run${all.length === 1 ? "" : "s"}`;
  $("#compare").href = compareHref([...chosen]);
  $("#compare").textContent = chosen.size ? `Compare ${chosen.size}` : "Compare…";
}

function row(one) {
  const box = h("input", {
    type: "checkbox",
    id: `pick-${one.id}`,
    "aria-label": `Compare run ${one.run} of ${one.machine}`,
    change: (event) => {
      if (event.target.checked && chosen.size < frame.most_compared) chosen.add(one.id);
      else chosen.delete(one.id);
      draw();
    },
  });
  box.checked = chosen.has(one.id);
  const cell = (name, attributes, ...content) => h("td", { "data-head": name, ...attributes }, ...content);
  const utc = url.utc();
  const busy = one.figures.cpu_busy;
  const before = previous(one);
  const verdict = judged(one, utc);
  return h(
    "tr",
    {},
    h("td", { class: "pick" }, box),
    h("th", { scope: "row", class: "text" }, h("a", { href: url.link(`/runs/${one.id}`) }, one.label), h("small", {}, ` run ${one.run}`), records(one) && isLive(frame.now, one.to) ? h("span", { class: "live on" }, "LIVE") : null),
    cell("Machine", { class: "text" }, h("a", { href: url.link(`/collectors/${one.collector}`) }, one.machine)),
    $("#site") ? cell("Site", { class: "text" }, one.site) : null,
    cell("Start", { class: "text" }, `${instant(one.from, utc)} ${zone(one.from, utc)}`),
    cell("Length", {}, span(one.to - one.from)),
    cell("Verdict", { class: "text verdict", title: verdict.sentence }, h("b", { class: verdict.looks }, verdict.word), h("small", {}, ` ${verdict.because}`)),
    cell("Recorded", { class: one.verdict.trusted ? null : "warn", title: one.recorded }, recorded(one)),
    cell("CPU busy", {}, show(busy?.avg, "%")),
    cell("Peak", {}, show(busy?.max, "%")),
    cell("Throughput", { class: one.figures.load ? null : "none" }, show(one.figures.load?.throughput, "ops/s")),
    compared ? cell("Compare", { class: "text" }, before ? h("a", { href: compareHref([before.id, one.id]) }, "with the previous") : null) : null,
  );
}

/** Whether it goes on: then its figures and its verdict are those of what is there so far. */
const records = ({ certificate }) => certificate.ended === "still recording";

/** "100 %", "100 % so far", "77.9 %, 2 gaps"; the whole of the certificate is in the title. */
function recorded(one) {
  const { coverage: percent, gaps } = one.certificate;
  return `${coverage(percent)}${records(one) ? " so far" : ""}${gaps && percent !== null ? `, ${gaps} gap${gaps === 1 ? "" : "s"}` : ""}`;
}

if ($("#rows")) {
  $("#compared").hidden = !compared;
  $("#search").value = url.get("q");
  $("#search").addEventListener("input", (event) => url.set({ q: event.target.value || null }, { quiet: true }));
  const site = $("#site");
  if (site) {
    site.value = url.get("site");
    site.addEventListener("change", () => url.set({ site: site.value || null }, { quiet: true }));
  }
  url.changed(draw);
  draw();
}
onLooks(() => $("#rows") && draw());
document.body.dataset.drawn = "1";
