// Utilisation tables: every metric's figures in the window, by component; sortable, copied as CSV, JSON or Markdown.

import { $, $$, figures, h, heading, say, scroller } from "./dom.js";
import { byDevice, csvOf, show } from "./format.js";
import { keep, limits } from "./limits.js";
import { frame } from "./source.js";
import * as url from "./url.js";
import { run } from "./view.js";

const FIGURES = [
  ["samples", "n"],
  ["min", "min"],
  ["avg", "avg"],
  ["max", "max"],
  ["stddev", "stddev"],
  ["p50", "P50"],
  ["p90", "P90"],
  ["p95", "P95"],
  ["p99", "P99"],
];
// What most are after stands above what it is the sum of.
const FIRST = "host.cpu_busy";
const DEVICE_TABLES = new Set(["cpu", "disk", "network", "filesystem", "pressure", "containers"]);

let rows = [];

window.perfkit = run({
  tables: Object.keys(frame.catalog),
  build: () => [],
  after: (answer, stats) => {
    if (!stats) return;
    rows = Object.entries(stats).flatMap(([metric, devices]) =>
      Object.values(devices)
        .sort((a, b) => byDevice(a.device, b.device))
        .map((row) => ({ ...row, metric })),
    );
    rows = rows.filter(({ metric }) => frame.catalog[metric.split(".")[0]]?.columns[metric.split(".")[1]]);
    rows.sort((a, b) => (b.metric === FIRST) - (a.metric === FIRST));
    draw();
  },
});

url.changed(draw);
$("#filter").value = url.get("q");
$("#filter").addEventListener("input", (event) => url.set({ q: event.target.value || null }, { quiet: true }));
for (const button of $$("[data-copy]")) button.addEventListener("click", () => copy(button.dataset.copy));
$("#thresholds").addEventListener("click", edit);
$("#reset").addEventListener("click", () => save(""));
$("#edit").addEventListener("close", (event) => event.target.returnValue === "save" && save($("#limits").value));

/** The rules in force. */
const thresholds = () => limits() ?? frame.limits;

function edit() {
  $("#limits").value = Object.entries(thresholds())
    .map(([metric, rule]) => `${metric} ${rule[0]} ${rule.slice(1)}`)
    .join("\n");
  $("#edit").showModal();
}

function save(text) {
  const lines = text
    .split("\n")
    .map((line) => line.replace(/\s+/g, ""))
    .filter(Boolean)
    .join(",");
  keep(lines);
  url.set({ limits: lines || null }, { quiet: true });
  draw();
}

/** Whether the figure breaks the metric's rule: the worst of each row is what is marked. */
function breaks(metric, value) {
  const rule = thresholds()[metric];
  if (!rule || value === null) return false;
  return rule[0] === "<" ? value < Number(rule.slice(1)) : value > Number(rule.slice(1));
}

function chosen() {
  const [by = "", direction = ""] = url.get("sort").split(":");
  const words = url.get("q").toLowerCase().split(/\s+/).filter(Boolean);
  const text = (row) => `${row.metric} ${row.device} ${column(row).label}`.toLowerCase();
  const found = rows.filter((row) => words.every((word) => text(row).includes(word)));
  if (!by) return found;
  const sign = direction === "asc" ? 1 : -1;
  const value = (row) => (by === "name" ? text(row) : row[by]);
  return [...found].sort(
    (a, b) => sign * (value(a) == null ? -1 : value(b) == null ? 1 : value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0),
  );
}

const column = (row) => frame.catalog[row.metric.split(".")[0]].columns[row.metric.split(".")[1]];

function draw() {
  const found = chosen();
  const groups = Map.groupBy(found, (row) => row.metric.split(".")[0]);
  $("#groups").replaceChildren(
    ...Object.keys(frame.catalog)
      .filter((name) => groups.has(name))
      .map((name) => group(name, groups.get(name))),
    ...(found.length
      ? []
      : [h("p", { class: "muted" }, rows.length ? "No metric has these words; clear the filter to see all." : "No data in this range.")]),
  );
  const broken = found.filter((row) => worst(row)).length;
  $("#broken").textContent = `${found.length} row${found.length === 1 ? "" : "s"}, ${broken} beyond a threshold`;
}

const worst = (row) => ["p95", "max", "min"].some((name) => breaks(row.metric, row[name]));

function group(name, found) {
  const { title } = frame.catalog[name];
  const devices = DEVICE_TABLES.has(name);
  const heads = [
    sorter("name", "Metric"),
    devices ? heading("Device", { class: "text device-column" }) : null,
    ...FIGURES.map(([id, label]) => sorter(id, label)),
  ];
  const line = (row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, column(row).label, devices ? h("span", { class: "device" }, device(row)) : null),
      devices ? h("td", { class: "text device-column" }, device(row)) : null,
      FIGURES.map(([id]) => cell(row, id)),
    );
  const table = scroller(title, figures(heads, found.map(line)));
  return h("section", { class: "panel wide", id: `table-${name}` }, h("header", {}, h("h2", {}, title)), table);
}

const device = (row) => frame.names?.[row.device] ?? row.device;

/** A heading that sorts by its column. */
function sorter(id, label) {
  const [by, direction] = url.get("sort").split(":");
  const [order, arrow] = by !== id ? [null, ""] : direction === "asc" ? ["ascending", " ▴"] : ["descending", " ▾"];
  // Paper repeats a head on every sheet, but not the buttons in it.
  const words = h("span", { class: "paper" }, label);
  return heading([h("button", { type: "button", click: () => sort(id) }, label, arrow), words], { "aria-sort": order });
}

function cell(row, id) {
  const value = row[id];
  if (id === "samples") return h("td", {}, value.toLocaleString("en"));
  const bad = id !== "stddev" && breaks(row.metric, value);
  return h(
    "td",
    { class: bad ? "broken" : null, title: bad ? `beyond ${thresholds()[row.metric]}` : null },
    bad ? h("span", { "aria-label": "beyond the threshold" }, "! ") : null,
    show(value, column(row).unit),
  );
}

function sort(id) {
  const [by, direction] = url.get("sort").split(":");
  url.set({ sort: by === id && direction === "desc" ? `${id}:asc` : by === id ? null : `${id}:desc` }, { quiet: true });
}

/** The table as it stands, with plain numbers in the metric's own unit. */
async function copy(kind) {
  const heads = ["metric", "device", "unit", ...FIGURES.map(([id]) => id)];
  const lines = chosen().map((row) => [row.metric, row.device, column(row).unit, ...FIGURES.map(([id]) => row[id])]);
  const text = {
    csv: () => csvOf(heads, lines),
    json: () =>
      JSON.stringify(
        lines.map((line) => Object.fromEntries(line.map((v, i) => [heads[i], v]))),
        null,
        1,
      ),
    markdown: () =>
      [
        heads,
        heads.map((_, i) => (i < 3 ? "---" : "---:")),
        ...lines.map((line) => line.map((v) => (typeof v === "number" ? Number(v.toPrecision(5)) : (v ?? "")))),
      ]
        .map((line) => `| ${line.map((v) => String(v).replace(/\|/g, "\\|")).join(" | ")} |`)
        .join("\n") + "\n",
  }[kind]();
  await navigator.clipboard.writeText(text);
  say(`${lines.length} row${lines.length === 1 ? "" : "s"} copied as ${kind}.`);
  const button = $(`[data-copy="${kind}"]`);
  const before = button.textContent;
  button.textContent = "copied";
  setTimeout(() => (button.textContent = before), 1500);
}
