// Several collectors, runs or phases over one another, and a table with what differs.
// One is a subject: a collector, or a run or phase of it ("3", "3@2" or "3@2:steady" in the URL's c).

import { MOST, difference, machineName, machines } from "./compare_tables.js";
import { $, $$, h, say } from "./dom.js";
import { show, span, stretch } from "./format.js";
import { keys, onLooks } from "./looks.js";
import { Plot } from "./panel.js";
import { csv, links } from "./save.js";
import { gapsOf } from "./series.js";
import { ask, frame } from "./source.js";
import * as url from "./url.js";
import { verdicts } from "./verdicts.js";

const POINTS = 500;
const COLOURS = 8; // of the palette; those beyond have a dashed line
const { onDisk } = url;

const byId = new Map(frame.collectors.map((c) => [c.id, c]));
const view = { from: 0, to: 1, utc: false, p95: false, gaps: [], pauses: [], resets: [], bands: [], gutter: 0 };
const plots = new Map(
  frame.panels.map((spec) => [spec, new Plot({ name: spec.id, title: spec.title, about: "a line for each of those compared" })]),
);
let run = 0;
let shown = null;

/**
 * The subjects of the URL: {key, collector, part, from, to, zero, colour, label, arm}; `zero` is what aligns with the others' zeros. Those of an
 * arm (arm=NAME=REF,REF,REF) are its runs, of one colour.
 */
function subjects() {
  const arms = url.all("arm").map((text) => ({ name: text.split("=")[0], keys: text.slice(text.indexOf("=") + 1).split(",").filter(Boolean) }));
  const groups = [...arms, ...url.all("c").map((key) => ({ name: null, keys: [key] }))].slice(0, onDisk ? Infinity : MOST); // a report is about all that it was made of
  return groups.flatMap(({ name, keys }, i) => keys.map((key) => subject(key, name, i))).filter(Boolean);
}

function subject(key, arm, number) {
  const [, id, reference = ""] = key.match(/^(\d+)(.*)$/) ?? [];
  const collector = byId.get(Number(id));
  if (!collector?.last) return null;
  const named = frame.named?.[key] ?? reference; // the server knows all forms
  const part = partOf(collector, named);
  if (named && !part) return null; // never all of the machine instead
  const to = part?.to ?? collector.last;
  const from = part?.from ?? url.rangeStart(collector.first, to);
  const zero = marked(collector).find((one) => one.name === url.get("mark"))?.from ?? from;
  const look = { colour: `c${(number % COLOURS) + 1}`, dash: number < COLOURS ? undefined : [6, 3] };
  return { key, collector, part, from, to, zero, ...look, arm, label: machineName(collector) + (part ? ` · ${part.name}` : "") };
}

/** The marked runs of a collector and their phases. */
const marked = ({ runs }) => runs.filter((one) => one.marked);

/** The run or phase that "@2", "@peak", "@2:steady" or ":steady" names, the newest where several are called so; undefined for "". */
function partOf(collector, reference) {
  const { run, phase } = url.stretch(reference);
  const whole = collector.runs.findLast((one) => !one.phase && [String(one.run), one.label].includes(run));
  if (run) return phase ? collector.runs.find((one) => one.run === whole?.run && one.phase === phase) : whole;
  return marked(collector).findLast((one) => (one.phase ?? one.label) === phase);
}

async function load() {
  const mine = ++run;
  const found = subjects();
  controls(found);
  machines(found, choose, view);
  const left = url.all("c").filter((key) => !found.some((one) => one.key === key));
  if (!found.length) return nothing(left);
  verdicts(found);
  problem(left.length ? `${unrecorded(left)}; what has data is shown.` : found.length === 1 && !onDisk ? "One is chosen: add another above, and each gets a colour and a line on every chart." : "");
  document.body.classList.add("loading");
  try {
    const byStart = url.get("align") !== "clock";
    for (const one of found) one.shift = byStart ? one.zero : 0;
    const zoomed = url.get("from") && url.get("to");
    view.from = zoomed ? Number(url.get("from")) : Math.min(...found.map((s) => s.from - s.shift));
    view.to = zoomed ? Number(url.get("to")) : Math.max(...found.map((s) => s.to - s.shift));
    view.relative = byStart;
    const queries = found.map(clip);
    const answers = await Promise.all(
      found.map(({ collector }, i) => ask("series", { collector: collector.id, key: found[i].key, query: `points=${POINTS}&${queries[i]}` })),
    );
    if (mine !== run) return;
    view.gaps = answers.flatMap((answer, i) => gapsOf(answer).map(([from, to]) => [from - found[i].shift, to - found[i].shift]));
    shown = [found, answers, null];
    panels(...shown);
    document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
    const stats = await Promise.all(
      found.map(({ collector }, i) => ask("percentiles", { collector: collector.id, key: found[i].key, query: `tables=host&${queries[i]}` })),
    );
    if (mine !== run) return;
    shown = [found, answers, stats];
    panels(...shown);
    if (!found.some((one) => one.arm)) difference(found, stats);
    document.body.dataset.stats = "1";
  } catch (error) {
    problem(error.message);
  } finally {
    document.body.classList.remove("loading");
  }
}

/** What to ask for: a subject never shows more than its own stretch, so that a phase stays that phase. */
function clip({ from, to, shift }) {
  const start = Math.max(Math.round(view.from + shift), from, 0);
  return `from=${start}&to=${Math.max(start, Math.min(Math.round(view.to + shift), to))}`;
}

/** One chart per metric, one line per subject; all lines share one list of times. */
function panels(found, answers, stats) {
  $("#panels").hidden = false;
  if (!$("#panels").childElementCount) $("#panels").append(...[...plots.values()].map((plot) => plot.element));
  for (const [spec, plot] of plots) plot.shown = overlaid(spec, found, answers, stats);
  for (const plot of plots.values()) plot.measure();
  view.gutter = Math.max(...[...plots.values()].map((plot) => plot.gutter(view)));
  const name = found.map((s) => s.label).join(", ");
  for (const [spec, plot] of plots) {
    plot.paint(view, { zoom, unzoom, cursor });
    plot.menu.replaceChildren(
      ...found.map((s) => h("li", {}, h("b", {}, s.label), h("ul", {}, taken(spec, s)))),
      h("li", {}, h("button", { type: "button", click: () => plot.png(name) }, "PNG")),
    );
  }
  window.perfkit = Promise.resolve({ panels: [...plots.values()] });
  $("#stretch").textContent = view.relative
    ? `${span(view.to - view.from)} from ${url.get("mark") || "each start"}`
    : stretch(view.from, view.to, view.utc);
}

/** What the menu leads to for one subject. */
function taken(spec, { collector, from, to }) {
  const name = `${collector.name}-${spec.id}`;
  const samples = () => csv({ name, spec, from, to, period: 1000, devices: [""], collector: collector.id });
  return [...links(spec, "", collector.id, from, to), h("li", {}, h("button", { type: "button", click: samples }, "CSV"))];
}

function cursor(plot, u) {
  if (!u.cursor.event && u.cursor.left >= 0 && plot.chart !== u) return;
  plot.read(u, view.utc);
}

function overlaid(spec, found, answers, stats) {
  const column = spec.series[0].column;
  const tables = answers.map((a) => a.tables.host);
  const bucket = Math.max(...tables.map((t) => t.bucket_ms), 1000);
  const at = (t, shift) => Math.round((t - shift) / bucket) * bucket;
  const t = [...new Set(tables.flatMap((table, i) => table.t.map((one) => at(one, found[i].shift))))].sort((a, b) => a - b);
  const series = found.map((s, i) => {
    const values = new Map(tables[i].t.map((one, j) => [at(one, s.shift), j]));
    const own = tables[i].devices[""]?.[column];
    const pick = (kind) => own?.[kind] && t.map((one) => (values.has(one) ? own[kind][values.get(one)] : null));
    return {
      key: s.key,
      label: s.label,
      colour: s.colour,
      dash: s.dash,
      avg: pick("avg") ?? t.map(() => null),
      min: pick("min"),
      max: pick("max"),
      stats: stats?.[i].percentiles.find(({ metric }) => metric === `host.${column}`) ?? (stats ? {} : null),
      hidden: url.list("hide").includes(s.arm ?? s.key),
    };
  });
  return { t, unit: spec.unit, top: spec.top, stack: false, series: withMeans(found, series, t), step: bucket * 2.5 };
}

/** Every run of an arm as a thin line without an entry in the legend, and behind them the arm's mean, a bold one. */
function withMeans(found, series, t) {
  const names = [...new Set(found.map((s) => s.arm).filter(Boolean))];
  const thin = series.map((one, i) => (found[i].arm ? { ...one, min: null, max: null, faint: true } : one));
  const means = names.map((arm) => {
    const own = series.filter((_, i) => found[i].arm === arm);
    const stats = own.every((one) => one.stats) ? meanOf(own.map((one) => one.stats)) : null;
    const avg = t.map((_, at) => mean(own.map((one) => one.avg[at])));
    return { ...own[0], key: arm, label: `${arm} (${own.length} runs)`, avg, min: null, max: null, stats, bold: true };
  });
  return [...thin, ...means];
}

const mean = (values) => {
  const known = values.filter((value) => value !== null && value !== undefined);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
};

const meanOf = (stats) => Object.fromEntries(["avg", "p95", "max"].map((figure) => [figure, mean(stats.map((one) => one[figure]))]));

function choose(list) {
  url.set({ arm: null, c: [...new Set(list.map(String).filter(Boolean))], from: null, to: null });
}

/** That some of those in the address cannot be drawn: the server knows them, but nothing has come of them yet. */
const unrecorded = (keys) => `No sample has come yet of ${keys.map((key) => byId.get(Number.parseInt(key, 10))?.name ?? key).join(", ")}`;

/** Nothing is chosen: what to do, and what there is to choose from. */
function nothing(left) {
  shown = null;
  $("#verdicts").hidden = true;
  for (const plot of plots.values()) {
    plot.chart?.destroy();
    plot.chart = null;
  }
  $("#panels").replaceChildren();
  $("#panels").hidden = true;
  problem(left.length ? `${unrecorded(left)}.` : "");
  const known = frame.collectors.filter((c) => c.last);
  const sentence = known.length
    ? `Choose 2 to ${MOST} machines, runs or phases in the list above: each gets a colour and a line on every chart, and a table says what differs. `
    : "There is no machine with data yet. ";
  const where = known.length ? ["Or tick them under ", h("a", { href: url.link("/runs") }, "Runs"), " or "] : ["How to get some stands under "];
  $("#difference").replaceChildren(
    h("p", {}, sentence, ...where, h("a", { href: url.link("/") }, "Collectors"), "."),
    h("ul", { class: "suggested" }, suggestions(known).map(({ c, words }) => h("li", {}, h("a", { href: url.href({ c }) }, words)))),
  );
}

/** Pairs that are likely meant: the newest run of a machine and the one before it, of the same label if there is one; the newest two machines. */
function suggestions(known) {
  const pairs = known.flatMap((one) => {
    const runs = one.runs.filter(({ phase }) => !phase).sort((a, b) => a.from - b.from);
    const newest = runs.pop();
    const before = runs.findLast(({ label }) => label === newest?.label) ?? runs.at(-1);
    return before
      ? [{ c: [before, newest].map(({ reference }) => one.id + reference), words: `${machineName(one)}: ${before.name} and ${newest.name}` }]
      : [];
  });
  const machines = known.slice(0, 2);
  const both = { c: machines.map(({ id }) => String(id)), words: machines.map(machineName).join(" and ") };
  return [...pairs.slice(0, 3), ...(machines.length > 1 ? [both] : [])];
}

function problem(sentence) {
  $("#problem").textContent = sentence;
  $("#problem").hidden = !sentence;
  if (sentence) say(sentence);
}

function controls(found) {
  view.utc = url.utc();
  $("#align").value = url.get("align") || "start";
  if ($("#at_least")) $("#at_least").value = url.get("at_least") || "0";
  const labels = [...new Set(found.flatMap((s) => marked(s.collector).map((one) => one.name)))].filter((name) =>
    found.every((s) => marked(s.collector).some((one) => one.name === name)),
  );
  $("#mark").replaceChildren(
    h("option", { value: "" }, "first sample"),
    ...labels.map((label) => h("option", { value: label }, `mark ${label}`)),
  );
  $("#mark").value = url.get("mark");
  $("#unzoom").hidden = !url.get("from");
  clocks(found);
  for (const link of $$("[data-range]")) {
    link.href = url.href({ range: link.dataset.range, from: null, to: null });
    if (!url.get("from") && (url.get("range") || "all") === link.dataset.range) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  tabs(found[0]);
}

/** How far the clocks of machines that lie over one another may be apart; of one machine there is nothing to say. */
function clocks(found) {
  const machines = [...new Map(found.map(({ collector }) => [collector.id, collector])).values()];
  $("#clocks").hidden = url.get("align") !== "clock" || machines.length < 2;
  $("#clocks").textContent = machines.length < 2 ? "" : apart(machines);
}

function apart(machines) {
  if (machines.every(({ clock }) => clock.ahead !== null)) {
    // The receiver is ahead of the slowest clock the most.
    const [fast, ...others] = [...machines].sort((a, b) => a.clock.ahead - b.clock.ahead);
    const slow = others[others.length - 1];
    const difference = show(slow.clock.ahead - fast.clock.ahead, "ms");
    const within = show(slow.clock.within + fast.clock.within, "ms");
    return `The clock of ${fast.name} is ${difference} ahead of that of ${slow.name}, give or take ${within}: by the receiver to which they streamed.`;
  }
  const unknown = machines.filter(({ clock }) => clock.error === null).map((one) => one.name);
  if (unknown.length) return `Nobody knows how far these clocks are apart: ${unknown.join(", ")} did not tell how exact its clock is.`;
  const [first, second] = machines.map(({ clock }) => clock.error).sort((a, b) => b - a);
  return `These clocks may be up to ${show(first + second, "ms")} apart, by what each kernel says of its own.`;
}

/** The pages of the first that is compared: the way back for a reader who came from them. */
function tabs(first) {
  const known = $$("#tabs a");
  if (!known.length) return;
  $("#tabs").hidden = !first;
  if (!first) return;
  $("#tabs").setAttribute("aria-label", `Pages of ${first.collector.name}`);
  for (const anchor of known) {
    if (anchor.dataset.tab === "compare") continue;
    const changes = first.part ? url.stretch(first.part.reference) : { range: url.get("range") };
    anchor.href = url.link(`/collectors/${first.collector.id}${anchor.dataset.tab}`, { changes });
  }
}

const zoom = (from, to) => url.set({ from: String(from), to: String(to) });
const unzoom = () => url.set({ from: null, to: null });

$("#at_least")?.addEventListener("change", ({ target }) => url.set({ at_least: Math.min(1000, Math.max(0, Math.round(Number(target.value)))) || null }));
for (const name of ["align", "mark"])
  $(`#${name}`).addEventListener("change", (event) => url.set({ [name]: event.target.value || null, from: null, to: null }));
$("#unzoom").addEventListener("click", unzoom);
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
