// The processes of one command: what they used over time, and a row for each with its command line.

import { $, h, heading } from "./dom.js";
import { instant, share, show, stretch, zone } from "./format.js";
import { Panel, quiet } from "./panel.js";
import { ask, frame } from "./source.js";
import * as url from "./url.js";
import { run } from "./view.js";

const COLUMNS = [
  ["cpu_avg", "CPU avg", "%"],
  ["cpu_peak", "CPU peak", "%"],
  ["wait_avg", "Waiting for CPU", "%"],
  ["memory", "Memory max", "B"],
  ["threads", "Threads max", ""],
  ["read_avg", "Read", "B/s"],
  ["written_avg", "Written", "B/s"],
];
const TEXTS = ["Process", "Command line", "Service", "User", "Active"];

let made = [];
let asked = null;

window.perfkit = run({
  tables: ["host"],
  build: () => {
    made = frame.panels.map((spec) => new Panel(spec, { device: frame.process, folds: true }));
    $("#panels").replaceChildren(...made.map((p) => p.element));
    return made;
  },
  after: (answer, stats, view) => {
    $("#quiet").replaceChildren(...quiet(made));
    if (stats) table(stats, view);
  },
});

/** Asked for once with each set of figures. */
async function table(stats, view) {
  if (asked?.stats !== stats) {
    const query = url.windowQuery();
    query.set("command", frame.process);
    asked = { stats, found: ask("process", { query }).catch((error) => ({ error: error.message })) };
  }
  const found = await asked.found;
  if (asked.stats !== stats) return;
  const line = (looks, words) => $("#list").replaceChildren(h("tr", {}, h("td", { class: `text ${looks}`, colspan: TEXTS.length + COLUMNS.length }, words)));
  if (found.error) return line("bad", `The processes could not be read: ${found.error}`);
  if (!found.processes.length) return line("muted", `No process called ${frame.process} was seen in this range.`);
  const row = (one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "text", title: one.parent === null ? null : `child of ${one.parent}` }, one.pid),
      h("td", { class: "text", title: one.executable }, one.cmdline || one.executable || ""),
      h("td", { class: "text" }, one.service),
      h("td", { class: "text" }, one.uid === null ? "–" : String(one.uid)),
      h("td", { class: "text" }, one.last > one.first ? stretch(one.first, one.last, view.utc) : `${instant(one.first, view.utc)} ${zone(one.first, view.utc)}`),
      COLUMNS.map(([name, , unit]) => h("td", {}, unit === "%" ? share(one[name]) : show(one[name], unit))),
    );
  $("#list").replaceChildren(...found.processes.map(row));
}

$("#heads").append(...TEXTS.map((name) => heading(name, { class: "text" })), ...COLUMNS.map(([, name]) => heading(name)));
