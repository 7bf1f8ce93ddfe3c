// Host utilisation: a section a component that folds, each with a picker where there are many devices, and an index of them that stays.

import { $, $$, h } from "./dom.js";
import { WHOLE, byDevice } from "./format.js";
import { Heatmap } from "./heatmap.js";
import { Panel, quiet } from "./panel.js";
import { frame } from "./source.js";
import * as url from "./url.js";
import { run } from "./view.js";

// More devices than this are chosen from a list instead of ticked.
const BOXES = 8;
const SECTIONS = new Map();
for (const spec of frame.panels) SECTIONS.set(spec.section, [...(SECTIONS.get(spec.section) ?? []), spec]);
const tableOf = (specs) => specs.find((s) => s.devices === "each")?.table;
const made = new Map();

window.perfkit = run({
  tables: [...new Set(frame.panels.map((p) => p.table))],
  build: (answer) => {
    $("#sections").replaceChildren(...[...SECTIONS].map(([name, specs]) => section(name, specs, answer)));
    index();
    return [...made.values()].flat();
  },
  after: () => {
    for (const [id, panels] of made) $(`#section-${id} .quiet`).replaceChildren(...quiet(panels));
  },
});
url.changed(fold);

function section(name, specs, answer) {
  const id = name.toLowerCase();
  const table = tableOf(specs);
  const devices = table ? [...frame.devices[table]].sort(byDevice) : [];
  const chosen = table ? [...frame.picked[table]].sort(byDevice) : [];
  const panels = specs.flatMap((spec) => make(spec, answer, chosen, id));
  made.set(id, panels);
  return h(
    "details",
    { class: "component", id: `section-${id}`, open: !url.list("fold").includes(id), toggle: toggled },
    h("summary", {}, h("h2", {}, name)),
    devices.length > 1 ? picker(id, devices, chosen, table) : null,
    h("div", { class: "panels" }, ...panels.map((panel) => panel.element)),
    h("div", { class: "quiet" }),
  );
}

function make(spec, answer, chosen, id) {
  const devices = Object.keys(answer.tables[spec.table]?.devices ?? {}).sort(byDevice);
  if (spec.heat) {
    const single = devices.filter((device) => device !== WHOLE);
    return single.length ? [new Heatmap(spec, single, (device) => choose(id, flipped(chosen, device)))] : [];
  }
  if (spec.devices === "all") return [new Panel(spec, { devices, folds: true })];
  if (spec.devices !== "each") return [new Panel(spec, { folds: true })];
  return chosen.map((device) => new Panel(spec, { device, of: label(device, spec.table), name: `${spec.id}.${device}`, folds: true }));
}

const label = (device, table) => (table === "cpu" ? (device === WHOLE ? "All CPUs" : `CPU ${device}`) : device);

const flipped = (chosen, device) => (chosen.includes(device) ? chosen.filter((one) => one !== device) : [...chosen, device]);

/** Show these devices: the server sends their series with the page. */
function choose(id, devices) {
  url.set({ [id]: devices }, { quiet: true });
  location.reload();
}

/** Boxes for a few devices; for many the chosen ones, each with a button that takes it away, and a list to add from. */
function picker(id, devices, chosen, table) {
  const group = (...children) => h("div", { class: "picker", role: "group", "aria-label": "Devices" }, ...children);
  if (devices.length <= BOXES) {
    return group(
      devices.map((device) => {
        const box = h("input", { type: "checkbox", value: device, change: () => choose(id, flipped(chosen, device)) });
        box.checked = chosen.includes(device);
        return h("label", {}, box, label(device, table));
      }),
    );
  }
  const add = (event) => event.target.value && choose(id, [...chosen, event.target.value]);
  return group(
    chosen.map((device) => {
      const name = label(device, table);
      return h("button", { type: "button", "aria-label": `Hide ${name}`, click: () => choose(id, flipped(chosen, device)) }, `${name} ×`);
    }),
    h(
      "select",
      { "aria-label": `Show another of ${devices.length}`, change: add },
      h("option", { value: "" }, `Show another of ${devices.length}…`),
      devices.filter((device) => !chosen.includes(device)).map((device) => h("option", { value: device }, label(device, table))),
    ),
  );
}

/** Links to the sections; the one that is read is marked: the last that begins in the upper third, at the page's end the last. */
function index() {
  const links = [...SECTIONS.keys()].map((name) => {
    const id = name.toLowerCase();
    // In the URL first: the browser's way to a # is a change of it too.
    const unfold = () => url.list("fold").includes(id) && url.toggle("fold", id);
    return h("a", { href: `#section-${id}`, click: unfold }, name);
  });
  $("#index").replaceChildren(...links);
  const mark = () => {
    const sections = $$("#sections > details");
    const ended = scrollY > 0 && scrollY + innerHeight >= document.documentElement.scrollHeight - 2;
    const read = ended ? sections.at(-1) : sections.findLast((one) => one.getBoundingClientRect().top < innerHeight / 3);
    for (const link of links) {
      if (link.hash === `#${(read ?? sections[0]).id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  };
  addEventListener("scroll", () => requestAnimationFrame(mark), { passive: true });
  mark();
}

/** What is folded stands in the URL; what was opened is drawn. */
function toggled({ target }) {
  const id = target.id.replace("section-", "");
  if (url.list("fold").includes(id) === target.open) url.toggle("fold", id);
}

function fold() {
  for (const one of $$("#sections > details")) one.open = !url.list("fold").includes(one.id.replace("section-", ""));
}
