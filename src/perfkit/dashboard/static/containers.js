// All containers of a machine: stacked CPU and memory, limits, and a row for each.

import { $, h, heading } from "./dom.js";
import { show } from "./format.js";
import { Panel, quiet } from "./panel.js";
import { frame } from "./source.js";
import * as url from "./url.js";
import { run } from "./view.js";

// As docker and podman shorten it.
const ID_SHOWN = 12;
const COLUMNS = [
  ["cpu_percent", "CPU avg", "avg"],
  ["cpu_percent", "CPU P95", "p95"],
  ["cpu_throttled_percent", "Throttled avg", "avg"],
  ["memory_current_bytes", "Memory avg", "avg"],
  ["memory_current_bytes", "Memory max", "max"],
  ["memory_percent", "Of its limit, max", "max"],
  ["pids_current", "Processes max", "max"],
];
const UNITS = { cpu_percent: "%", cpu_throttled_percent: "%", memory_current_bytes: "B", memory_percent: "%", pids_current: "" };

let made = [];

window.perfkit = run({
  tables: ["containers"],
  build: (answer) => {
    const { devices, t } = answer.tables.containers;
    $("#none").hidden = t.length > 0;
    if (!t.length) return [];
    const named = Object.keys(devices).sort((a, b) => (frame.names[a] ?? a).localeCompare(frame.names[b] ?? b, "en", { numeric: true }));
    made = frame.panels.map((spec) => new Panel(spec, { devices: named, names: frame.names, folds: true }));
    $("#panels").replaceChildren(...made.map((p) => p.element));
    return made;
  },
  after: (answer, stats) => {
    $("#quiet").replaceChildren(...quiet(made));
    if (stats) table(stats);
  },
});

function table(stats) {
  const cpu = stats["containers.cpu_percent"] ?? {};
  const ids = Object.keys({ ...cpu, ...stats["containers.memory_current_bytes"] }).sort((a, b) => (cpu[b]?.avg ?? 0) - (cpu[a]?.avg ?? 0));
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
