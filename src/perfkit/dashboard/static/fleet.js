// All machines next to one another: a test on many of them with the straggler first, machines unlike their peers, those of which a metric is
// worst, and a heat map of machine and time.

import { $, $$, figures, h, heading, scroller, token } from "./dom.js";
import { day, digits, instant, isolated, moment, show, span, stretch, zone } from "./format.js";
import { scale } from "./heatmap.js";
import { onLooks } from "./looks.js";
import { ask, frame } from "./source.js";
import * as url from "./url.js";

const KEYS = { range: "range", site: "site", metric: "metric", by: "by", most: "top" };
// What a machine's distance from the others must be to be called unlike (perfkit/lake/sql/robust_z.sql).
const UNLIKE = 3.5;
const CELL = 4;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
// Instants over the heat map, on a phone the first and the last of them.
const TIMES = 5;
// The head of the first two columns where machines are told by their distance from the others; `who` makes the cells.
const WHO = [
  ["Machine", { class: "text" }],
  ["z", { title: "Robust z: the distance from the median in units of the usual spread" }],
];

// So many metrics of a machine that is unlike its peers, before any more are asked for.
const OF_EACH = 6;

let answer = null;
let asked = "";

const value = (key) => url.get(key) || frame.shown[key] || "";
const number = (unit) => (figure) => (unit === "s" ? (figure === null ? "–" : span(figure * 1000)) : show(figure, unit));

async function load() {
  const query = new URLSearchParams();
  for (const key of Object.values(KEYS)) if (url.get(key)) query.set(key, url.get(key));
  if (asked === String(query) && answer) return draw();
  asked = String(query);
  try {
    const found = await ask("fleet", { query });
    if (asked !== String(query)) return;
    answer = found;
    $("#problem").hidden = true;
    draw();
  } catch (error) {
    $("#problem").textContent = error.message;
    $("#problem").hidden = false;
    if (!answer) for (const place of $$("#fleet .body")) place.replaceChildren(nothing("Could not be read."));
  }
  document.body.dataset.drawn = "1";
}

function draw() {
  if (!answer) return;
  for (const [id, key] of Object.entries(KEYS)) if ($(`#${id}`)) $(`#${id}`).value = value(key);
  for (const link of $$("[data-range]")) {
    link.href = url.href({ range: link.dataset.range });
    if (link.dataset.range === value("range")) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const { from, to } = answer.window;
  $("#stretch").textContent = stretch(from, to, url.utc());
  $("#told").textContent = told(answer);
  for (const [id, part] of Object.entries({ tests, unlike, top, heatmap })) $(`#${id} .body`).replaceChildren(...[part(answer)].flat());
  document.body.dataset.drawn = "1";
}

function told({ machines, runs }) {
  const many = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  const cut = runs.shown === runs.most ? `the newest ${many(runs.shown, "run")}` : many(runs.shown, "run");
  const without = runs.without_figures ? `; ${runs.without_figures} too short or too new to have figures` : "";
  return `${many(machines, "machine")}, ${cut}${without}. Every figure is of a run, recorded to its end or up to its last whole minute.`;
}

const nothing = (...words) => h("p", { class: "muted" }, ...words);
const runLink = (row, words) =>
  h("a", { href: url.link(`/runs/${row.id}`, { changes: row.phase ? { run: row.run, phase: row.phase } : {} }) }, words);
const text = (content) => h("td", { class: "text" }, content);
const machine = (row) => h("th", { scope: "row", class: "text" }, runLink(row, row.machine));
const manySites = () => Boolean($("#site")) && !url.get("site");
const distance = (z) => h("td", { class: Math.abs(z) >= UNLIKE ? "broken" : null }, z === null ? "–" : `${z < 0 ? "−" : "+"}${digits(Math.abs(z))}`);
const who = (row) => [machine(row), distance(row.z)];

function tests({ tests: found }) {
  const choice = $("#test");
  choice.parentElement.hidden = found.length < 2;
  if (!found.length) {
    return nothing("No test ran on two machines in this range. Runs of one label that overlap on a site are one test: ", h("code", {}, "perfkit mark LABEL --kind start --all"), " marks every machine of a site at once.");
  }
  const key = (one) => `${one.site}/${one.label}@${one.from}`;
  const name = (one) => `${manySites() ? `${one.site}: ` : ""}${one.label}, ${instant(one.from, url.utc())} ${zone(one.from, url.utc())}, ${one.machines} machines`;
  const shown = found.find((one) => key(one) === url.get("test")) ?? found[0];
  choice.replaceChildren(...found.map((one) => h("option", { value: key(one) }, name(one))));
  choice.value = key(shown);
  const heads = [
    ...WHO.map((head) => heading(...head)),
    heading("Furthest in", { class: "text" }),
    heading("Value"),
    heading("Median"),
    heading("Length"),
  ];
  const rows = shown.members.map((row) => {
    const as = number(row.unit);
    return h("tr", {}, ...who(row), text(row.metric_label), h("td", {}, as(row.value)), h("td", {}, as(row.peers)), h("td", {}, span(row.seconds * 1000)));
  });
  const first = shown.members[0];
  const says = first.z === null
    ? `${shown.machines} machines: too few to say which is unlike the others; five are the fewest.`
    : Math.abs(first.z) >= UNLIKE
      ? `${first.machine} is least like the others: ${lower(first.metric_label)} ${number(first.unit)(first.value)}, median ${number(first.unit)(first.peers)}.`
      : `No machine stands out: ${first.machine} is furthest from the others, ${digits(Math.abs(first.z))} of ${UNLIKE}.`;
  return [h("p", { class: "muted" }, `${name(shown)}. `, h("b", {}, says)), scroller("Machines of one test", figures(heads, rows))];
}

const lower = (words) => (/^[A-Z][a-z]/.test(words) ? words[0].toLowerCase() + words.slice(1) : words);

function unlike({ unlike: found }) {
  if (!found.length) return nothing("None. Five machines with runs of one label on one site are the fewest that are judged.");
  const heads = [
    ...WHO.map((head) => heading(...head)),
    heading("Metric", { class: "text" }),
    heading("Value"),
    heading("Median"),
    heading("Run", { class: "text" }),
    heading("Peers"),
  ];
  const line = (row) => {
    const as = number(row.unit);
    const run = isolated(row.label) + (row.phase ? `, ${isolated(row.phase)}` : "");
    return h("tr", {}, ...who(row), text(row.metric_label), h("td", {}, as(row.value)), h("td", {}, as(row.peers)), text(run), h("td", {}, row.machines));
  };
  // Where one thing is wrong with a machine, most of its metrics are unlike its peers': the furthest of each stand for them, in one run or phase.
  const seen = new Map();
  const first = found.filter(({ collector, metric }) => {
    const metrics = seen.get(collector) ?? new Set();
    seen.set(collector, metrics);
    return !metrics.has(metric) && metrics.size < OF_EACH && metrics.add(metric);
  });
  const rest = found.length - first.length;
  const rows = (all) => scroller("Machines unlike their peers", figures(heads, (all ? found : first).map(line)));
  const place = h("div", {}, rows(false));
  const more = h("button", { type: "button", class: "link" }, `Show all ${found.length} rows`);
  more.addEventListener("click", () => {
    place.replaceChildren(rows(true));
    more.remove();
  });
  return [place, rest ? h("p", {}, more) : ""];
}

function top({ top: found, metric }) {
  if (!found.length) return nothing(`No run in this range has ${metric.label}.`);
  const as = number(metric.unit);
  const shown = ["avg", "p50", "p95", "p99", "max"];
  const sorted = value("by");
  const devices = found.some((row) => row.device);
  const whole = metric.unit.startsWith("%") ? 100 : Math.max(...found.map((row) => row[sorted] ?? 0));
  const heads = [
    heading("Machine", { class: "text" }),
    manySites() ? heading("Site", { class: "text" }) : null,
    devices ? heading("Device", { class: "text" }) : null,
    ...shown.map((name) => heading(name === "avg" || name === "max" ? name : name.toUpperCase(), { "aria-sort": name === sorted ? "descending" : null })),
    heading("Run", { class: "text" }),
    heading("Began", { class: "text" }),
  ].filter(Boolean);
  const rows = found.map((row) =>
    h(
      "tr",
      {},
      machine(row),
      manySites() ? text(row.site) : null,
      devices ? text(row.device) : null,
      ...shown.map((name) => (name === sorted ? bar(row[name], whole, h("b", {}, as(row[name]))) : h("td", {}, as(row[name])))),
      text([isolated(row.label), h("small", {}, ` run ${row.run}`)]),
      text(`${instant(row.from_timestamp, url.utc())} ${zone(row.from_timestamp, url.utc())}`),
    ),
  );
  return scroller("Worst machines", figures(heads, rows));
}

/** A cell whose ground is filled as far as the value is of the whole. */
function bar(value, whole, content) {
  const cell = h("td", { class: "filled" }, content);
  cell.style.setProperty("--share", `${whole ? Math.min(100, Math.max(0, (100 * (value ?? 0)) / whole)) : 0}%`);
  return cell;
}

/** An instant as far as the range needs it: the day where it has many, hours and minutes of a day, seconds of minutes. */
function when(ms, { from, to }) {
  if (to - from > 3 * DAY) return day(ms, url.utc()).replace(/ \d+$/, "");
  const text = moment(ms, { from, to, utc: url.utc() });
  return to - from > HOUR / 2 ? text.replace(/:\d\d$/, "") : text;
}

/** A row a machine, a cell a bucket; a click shows the machine at that time. */
function heatmap({ heatmap: { from, width_ms: width, machines }, metric }) {
  if (!machines.length) return nothing(`No machine has ${metric.label} in this range.`);
  const values = machines.flatMap((one) => one.values).filter((v) => v !== null);
  const most = metric.unit.startsWith("%") ? 100 : Math.max(...values, 0);
  const cells = machines[0].values.length;
  const sorted = [...machines].sort((a, b) => a.site.localeCompare(b.site) || a.machine.localeCompare(b.machine, "en", { numeric: true }));
  const at = (index) => ({ from: from + index * width, to: from + (index + 1) * width - 1 });
  const rows = sorted.map((one) => {
    const canvas = h("canvas", { width: cells * CELL, height: 1, role: "img", "aria-label": summary(one, metric) });
    const ctx = canvas.getContext("2d");
    ctx.fillStyle = token("user");
    one.values.forEach((v, index) => {
      if (v === null) return;
      ctx.globalAlpha = 0.06 + 0.94 * (most ? Math.min(1, Math.max(0, v / most)) : 0);
      ctx.fillRect(index * CELL, 0, CELL, 1);
    });
    const under = (event) => Math.min(cells - 1, Math.max(0, Math.floor((event.offsetX / canvas.clientWidth) * cells)));
    canvas.addEventListener("mousemove", (event) => {
      const index = under(event);
      const when = `${moment(at(index).from, { ...answer.window, utc: url.utc() })} ${zone(at(index).from, url.utc())}`;
      $("#readout").textContent = `${one.machine} ${when}: ${one.values[index] === null ? "no data" : show(one.values[index], metric.unit)}`;
    });
    canvas.addEventListener("mouseleave", () => readout(metric, width));
    canvas.addEventListener("click", (event) => location.assign(url.link(`/collectors/${one.collector}`, { changes: at(under(event)) })));
    const name = manySites() ? `${isolated(one.machine)} · ${isolated(one.site)}` : one.machine;
    return h("tr", {}, h("th", { scope: "row", class: "text" }, h("a", { href: url.link(`/collectors/${one.collector}`) }, name)), h("td", { class: "cells" }, canvas));
  });
  readout(metric, width);
  const end = from + cells * width;
  const times = h("span", { class: "times" }, Array.from({ length: TIMES }, (_, i) => h("span", {}, when(from + (i * (end - from)) / (TIMES - 1), { from, to: end }))));
  const head = h("thead", {}, h("tr", {}, heading("Machine", { class: "text" }), heading(times, { class: "cells" })));
  const table = h("table", { class: "figures heatrows" }, head, h("tbody", {}, rows));
  const zoneShown = zone(answer.window.to, url.utc());
  return [scroller(`${metric.label} by machine and time`, table), h("p", { class: "legend" }, scale(show(most, metric.unit)), h("span", { class: "muted" }, `blank: no data · times in ${zoneShown}`))];
}

const readout = (metric, width) => {
  $("#readout").textContent = `${metric.label}, average of each ${span(width)}; a click shows the machine then`;
};

function summary(one, metric) {
  const known = one.values.filter((v) => v !== null);
  return `${one.machine}: ${metric.label} ${show(Math.min(...known), metric.unit)} to ${show(Math.max(...known), metric.unit)}`;
}

if ($("#fleet")) {
  for (const [id, key] of Object.entries(KEYS)) {
    $(`#${id}`)?.addEventListener("change", ({ target }) => url.set({ [key]: target.value === frame.shown[key] ? null : target.value || null }));
  }
  $("#test").addEventListener("change", ({ target }) => url.set({ test: target.value }, { quiet: true }));
  for (const link of $$("[data-range]")) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      url.set({ range: link.dataset.range === frame.shown.range ? null : link.dataset.range });
    });
  }
  url.changed(load);
  load();
} else document.body.dataset.drawn = "1";
onLooks(draw);
