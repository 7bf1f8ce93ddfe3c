// All containers of a machine: stacked CPU and memory, limits, and a row for each.

import { $, frame, h, heading } from "./dom.js";
import { show } from "./format.js";
import { Panel } from "./panel.js";
import * as url from "./url.js";
import { run } from "./view.js";

// More series than this on one chart tell nothing apart: the largest are drawn, the table has all.
const DRAWN = 12;
// As docker and podman shorten it.
const ID_SHOWN = 12;
const COLUMNS = [
  ["cpu_percent", "CPU avg", "avg"],
  ["cpu_percent", "CPU P95", "p95"],
  ["cpu_throttled_percent", "Throttled avg", "avg"],
  ["memory_current_bytes", "Memory avg", "avg"],
  ["memory_current_bytes", "Memory max", "max"],
  ["memory_percent", "of limit, max", "max"],
  ["pids_current", "Processes max", "max"],
];
const UNITS = { cpu_percent: "%", cpu_throttled_percent: "%", memory_current_bytes: "B", memory_percent: "%", pids_current: "" };

window.perfkit = run({
  tables: ["containers"],
  build: (answer) => {
    const devices = busiest(answer.tables.containers);
    $("#none").hidden = devices.length > 0;
    if (!devices.length) return [];
    const panels = frame.panels.map((spec) => {
      const panel = new Panel(spec, { devices });
      panel.names = frame.names;
      return panel;
    });
    $("#panels").replaceChildren(...panels.map((p) => p.element));
    return panels;
  },
  after: (answer, stats) => {
    if (stats) table(stats);
  },
});

function busiest({ devices }) {
  const sum = (id) => (devices[id].cpu_percent?.avg ?? []).reduce((all, v) => all + (v ?? 0), 0);
  return Object.keys(devices)
    .sort((a, b) => sum(b) - sum(a))
    .slice(0, DRAWN);
}

function table(stats) {
  const ids = Object.keys(stats["containers.memory_current_bytes"] ?? stats["containers.cpu_percent"] ?? {});
  const cells = (id) =>
    COLUMNS.map(([column, , figure]) => h("td", {}, show(stats[`containers.${column}`]?.[id]?.[figure], UNITS[column])));
  const row = (id) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("a", { href: url.containerHref(id) }, frame.names[id] ?? id)),
      h("td", { class: "text muted", title: id }, id.slice(0, ID_SHOWN)),
      cells(id),
    );
  $("#list").replaceChildren(...ids.map(row));
}

$("#heads").append(...COLUMNS.map(([, label]) => heading(label)));
