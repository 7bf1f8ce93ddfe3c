// Host utilisation: a section a component, each with a picker where there are many devices.

import { $, frame, h } from "./dom.js";
import { Heatmap } from "./heatmap.js";
import { Panel } from "./panel.js";
import * as url from "./url.js";
import { run } from "./view.js";

// What stands for all devices of a table comes first.
const WHOLE = { cpu: "all" };
const SECTIONS = new Map();
for (const spec of frame.panels) SECTIONS.set(spec.section, [...(SECTIONS.get(spec.section) ?? []), spec]);
const tableOf = (specs) => specs.find((s) => s.devices === "each")?.table;

window.perfkit = run({
  tables: [...new Set(frame.panels.map((p) => p.table))],
  build: (answer) => {
    const panels = [];
    $("#sections").replaceChildren(...[...SECTIONS].map(([name, specs]) => section(name, specs, answer, panels)));
    return panels;
  },
});

function section(name, specs, answer, panels) {
  const id = name.toLowerCase();
  const table = tableOf(specs);
  const devices = table ? frame.devices[table] : [];
  const chosen = table ? frame.picked[table] : [];
  const grid = h("div", { class: "panels" });
  for (const spec of specs)
    for (const panel of make(spec, answer, chosen)) {
      panels.push(panel);
      grid.append(panel.element);
    }
  return h(
    "section",
    { class: "component", id: `section-${id}` },
    h("header", {}, h("h2", {}, name), devices.length > 1 ? picker(id, devices, chosen, table) : null),
    grid,
  );
}

function make(spec, answer, chosen) {
  const devices = order(Object.keys(answer.tables[spec.table]?.devices ?? {}), spec.table);
  if (spec.heat)
    return devices.length
      ? [
          new Heatmap(
            spec,
            devices.filter((d) => d !== "all"),
          ),
        ]
      : [];
  if (spec.devices === "all") return [new Panel(spec, { devices })];
  if (spec.devices !== "each") return [new Panel(spec)];
  return chosen.map(
    (device) => new Panel(spec, { device, title: `${label(device, spec.table)}: ${lower(spec.title)}`, name: `${spec.id}.${device}` }),
  );
}

const label = (device, table) => (table === "cpu" ? (device === "all" ? "All CPUs" : `CPU ${device}`) : device);

/** A title within a sentence; what is an abbreviation stays one. */
const lower = (title) => (/^[A-Z][a-z]/.test(title) ? title[0].toLowerCase() + title.slice(1) : title);

/** "all" first, then by number where names are numbers. */
function order(devices, table) {
  return [...devices].sort((a, b) => (b === WHOLE[table]) - (a === WHOLE[table]) || a.localeCompare(b, "en", { numeric: true }));
}

function picker(id, devices, chosen, table) {
  const boxes = devices.map((device) => {
    const box = h("input", {
      type: "checkbox",
      value: device,
      change: () => {
        const on = [...list.querySelectorAll("input:checked")].map((one) => one.value);
        url.set({ [id]: on }, { quiet: true });
        location.reload();
      },
    });
    box.checked = chosen.includes(device);
    return h("label", {}, box, label(device, table));
  });
  const list = h("div", { class: "picker", role: "group", "aria-label": "Devices" }, boxes);
  return list;
}
