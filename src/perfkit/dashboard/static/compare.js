// Two to six collectors or phases over one another, and a table with what differs.
// One is a subject: a collector, or one phase of it ("3" or "3:steady" in the URL's c).

import { draw as chart, update } from "./chart.js";
import { MOST, difference, machines } from "./compare_tables.js";
import { $, $$, base, frame, h, say } from "./dom.js";
import { show, span, stretch } from "./format.js";
import { keys } from "./keys.js";
import { links, unitOf } from "./panel.js";
import { onLooks } from "./redraw.js";
import { fetchJSON } from "./series.js";
import * as url from "./url.js";

const HEIGHT = 168;
const POINTS = 500;

const byId = new Map(frame.collectors.map((c) => [c.id, c]));
const view = { from: 0, to: 1, utc: false, p95: false, gaps: [], resets: [], bands: [] };
const charts = new Map();
let run = 0;
let shown = null;

/** The subjects of the URL: {key, collector, phase, from, to, zero, colour, label}; `zero` is what aligns with the others' zeros. */
function subjects() {
  const range = url.RANGE_MS[url.get("range") || "all"] ?? Infinity;
  const mark = url.get("mark");
  return url
    .all("c")
    .slice(0, MOST)
    .map((key, i) => {
      const [id, ...rest] = key.split(":");
      const collector = byId.get(Number(id));
      if (!collector?.last) return null;
      const phase = collector.phases.find((p) => p.label === rest.join(":"));
      const to = phase?.end ?? collector.last;
      const from = phase?.start ?? Math.max(collector.first, to - range);
      const zero = collector.phases.find((p) => p.label === mark)?.start ?? from;
      return { key, collector, phase, from, to, zero, colour: `c${i + 1}`, label: collector.name + (phase ? ` · ${phase.label}` : "") };
    })
    .filter(Boolean);
}

async function load() {
  const mine = ++run;
  const found = subjects();
  controls(found);
  machines(found, choose, view);
  if (!found.length) return nothing("Choose two to six collectors or phases above; each gets a colour and a line on every chart.");
  problem(found.length === 1 ? "One is chosen; add another to compare it with." : "");
  document.body.classList.add("loading");
  try {
    const byStart = url.get("align") !== "clock";
    for (const one of found) one.shift = byStart ? one.zero : 0;
    const zoomed = url.get("from") && url.get("to");
    view.from = zoomed ? Number(url.get("from")) : Math.min(...found.map((s) => s.from - s.shift));
    view.to = zoomed ? Number(url.get("to")) : Math.max(...found.map((s) => s.to - s.shift));
    view.relative = byStart;
    const window = (s) => `from=${Math.max(0, Math.round(view.from + s.shift))}&to=${Math.max(0, Math.round(view.to + s.shift))}`;
    const answers = await Promise.all(
      found.map((s) => fetchJSON(`${frame.series.replace("/ID/", `/${s.collector.id}/`)}&points=${POINTS}&${clip(s, window(s))}`)),
    );
    if (mine !== run) return;
    shown = [found, answers];
    panels(found, answers);
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
    const stats = await Promise.all(
      found.map((s) => fetchJSON(`${base}/api/v1/collectors/${s.collector.id}/percentiles?tables=host&${clip(s, window(s))}`)),
    );
    if (mine === run) difference(found, stats);
  } catch (error) {
    problem(error.message);
  } finally {
    document.body.classList.remove("loading");
  }
}

/** A subject never shows more than its own stretch, so that a phase stays that phase. */
function clip(subject, query) {
  const asked = new URLSearchParams(query);
  const from = Math.max(Number(asked.get("from")), subject.from);
  return `from=${from}&to=${Math.max(from, Math.min(Number(asked.get("to")), subject.to))}`;
}

/** One chart a metric, a line a subject; all lines on one list of times. */
function panels(found, answers) {
  for (const spec of frame.panels) {
    const { place, legend, menu } = panel(spec);
    const column = spec.series[0].column;
    const tables = answers.map((a) => a.tables.host);
    const bucket = Math.max(...tables.map((t) => t.bucket_ms), 1000);
    const at = (t, shift) => Math.round((t - shift) / bucket) * bucket;
    const t = [...new Set(tables.flatMap((table, i) => table.t.map((one) => at(one, found[i].shift))))].sort((a, b) => a - b);
    const series = found.map((s, i) => {
      const values = new Map(tables[i].t.map((one, j) => [at(one, s.shift), j]));
      const pick = (kind) =>
        tables[i].devices[""]?.[column]?.[kind] &&
        t.map((one) => (values.has(one) ? tables[i].devices[""][column][kind][values.get(one)] : null));
      return { key: s.key, label: s.label, colour: s.colour, avg: pick("avg") ?? t.map(() => null), min: pick("min"), max: pick("max") };
    });
    const input = { t, unit: spec.unit, top: spec.top, stack: false, series, step: bucket * 2.5 };
    const shape = JSON.stringify([series.map((s) => [s.key, Boolean(s.max)]), place.clientWidth, view.relative]);
    const old = charts.get(spec.id);
    if (old?.shape === shape) update(old.chart, input);
    else {
      old?.chart.destroy();
      charts.set(spec.id, {
        chart: chart(
          place,
          input,
          view,
          { zoom, unzoom, cursor: (u) => read(u, input, legend) },
          { width: place.clientWidth, height: HEIGHT },
        ),
        shape,
        spec,
      });
    }
    read(null, input, legend);
    menu.replaceChildren(...found.map((s) => h("li", {}, h("b", {}, s.label), h("ul", {}, links(spec, "", s.collector.id, s.from, s.to)))));
  }
  window.perfkit = Promise.resolve({ panels: [...charts].map(([name, { chart: c }]) => ({ name, chart: c })) });
  $("#stretch").textContent = view.relative
    ? `${span(view.to - view.from)} from ${url.get("mark") || "each start"}`
    : stretch(view.from, view.to, view.utc);
}

function panel(spec) {
  let element = $(`#panel-${spec.id}`);
  if (!element) {
    element = h(
      "section",
      { class: "panel", id: `panel-${spec.id}` },
      h(
        "header",
        {},
        h("h2", {}, spec.title, h("span", { class: "unit" }, unitOf(spec.unit))),
        h("details", { class: "menu" }, h("summary", { "aria-label": `${spec.title}: more` }, "⋯"), h("ul", { class: "menu-list" })),
      ),
      h("div", {
        class: "plot",
        role: "img",
        "aria-label": `${spec.title}: a line for each of those compared; the table below has their figures`,
      }),
      h("ul", { class: "chips" }),
    );
    $("#panels").append(element);
  }
  return { place: $(".plot", element), legend: $(".chips", element), menu: $(".menu-list", element) };
}

function read(u, input, legend) {
  const index = u?.cursor.idx;
  const at = index == null || u.cursor.left < 0 ? -1 : input.t.indexOf(u.data[0][index]);
  legend.replaceChildren(
    ...input.series.map((s) =>
      h(
        "li",
        { colour: `var(--${s.colour})` },
        h("i", { class: "swatch" }),
        s.label,
        " ",
        h("b", {}, show(at < 0 ? s.avg.findLast((v) => v !== null) : s.avg[at], input.unit)),
      ),
    ),
  );
}

function choose(list) {
  url.set({ c: [...new Set(list.map(String).filter(Boolean))], from: null, to: null });
}

function nothing(sentence) {
  shown = null;
  for (const { chart: c } of charts.values()) c.destroy();
  charts.clear();
  $("#panels").replaceChildren();
  $("#difference").replaceChildren();
  problem(sentence);
}

function problem(sentence) {
  $("#problem").textContent = sentence;
  $("#problem").hidden = !sentence;
  if (sentence) say(sentence);
}

function controls(found) {
  view.utc = url.get("utc") === "1";
  $("#utc").setAttribute("aria-pressed", String(view.utc));
  $("#align").value = url.get("align") || "start";
  const labels = [...new Set(found.flatMap((s) => s.collector.phases.map((p) => p.label)))].filter((label) =>
    found.every((s) => s.collector.phases.some((p) => p.label === label)),
  );
  $("#mark").replaceChildren(
    h("option", { value: "" }, "first sample"),
    ...labels.map((label) => h("option", { value: label }, `mark ${label}`)),
  );
  $("#mark").value = url.get("mark");
  for (const link of $$("[data-range]")) {
    link.href = url.href({ range: link.dataset.range, from: null, to: null });
    if (!url.get("from") && (url.get("range") || "all") === link.dataset.range) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
}

const zoom = (from, to) => url.set({ from: String(from), to: String(to) });
const unzoom = () => url.set({ from: null, to: null });

for (const name of ["align", "mark"])
  $(`#${name}`).addEventListener("change", (event) => url.set({ [name]: event.target.value || null, from: null, to: null }));
$("#utc").addEventListener("click", () => url.set({ utc: view.utc ? null : "1" }, { quiet: true }));
for (const link of $$("[data-range]"))
  link.addEventListener("click", (event) => {
    event.preventDefault();
    url.set({ range: link.dataset.range, from: null, to: null });
  });
keys({
  range: (name) => url.set({ range: name, from: null, to: null }),
  move: (part) => zoom(Math.round(view.from + (view.to - view.from) * part), Math.round(view.to + (view.to - view.from) * part)),
  zoom: (factor) => {
    const middle = (view.from + view.to) / 2;
    const half = ((view.to - view.from) / 2) * factor;
    zoom(Math.round(middle - half), Math.round(middle + half));
  },
  unzoom,
});
url.changed(load);
onLooks(() => shown && panels(...shown));
load();
