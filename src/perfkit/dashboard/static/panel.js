// A panel: title, menu, chart, and under it the legend with each series' figures, which is also what the cursor reads out.

import { draw, gutterOf, heightFor, magnitudeOf, mostOf, update } from "./chart.js";
import { h } from "./dom.js";
import { bare, clock, show, unitLike, zone } from "./format.js";
import { csv, links, picture } from "./save.js";
import { widest } from "./series.js";
import * as url from "./url.js";

const NARROW = 420;
// A head and so many series never need a third line.
const FEW = 3;
// From so many series on a legend leaves the P95 out; on a chart that is a third of the page from fewer.
const MANY = 6;
const THIRD = { width: 560, many: 2 };
// A legend with a line more is folded behind a button.
const LINES = 2;
// More series than this on one chart tell nothing apart: the largest are drawn, the rest is a band. Areas have room for more than lines.
const DRAWN = { lines: 8, stack: 10 };
// What the server calls those of which it gives the sum alone (dashboard/series.py).
const OTHERS = "(all others)";
const FIGURES = [
  ["avg", "avg"],
  ["p95", "P95"],
  ["max", "max"],
];

/** A chart in its frame. What is drawn comes in by `paint`, so that a page may make its input of anything. */
export class Plot {
  /** `name` tells it apart in the URL; `about` is what a screen reader says of the chart. */
  constructor({ name, title, about = "chart of the range shown; its figures are in the legend below" }) {
    Object.assign(this, { name, title });
    this.place = h("div", { class: "plot", role: "img", "aria-label": `${title}: ${about}` });
    this.flag = h("div", { class: "tip", hidden: true });
    this.menu = h("ul");
    this.key = h("ul", { class: "legend" });
    this.heading = h("h2", { title }, title);
    this.element = h(
      "section",
      { class: "panel", id: `panel-${name}` },
      h("header", {}, this.heading, h("details", { class: "menu" }, h("summary", { "aria-label": `${title}: more` }, "⋯"), this.menu)),
      this.place,
      this.key,
    );
  }

  /** Take the width and the place that the layout gives; before any panel is drawn, so that the browser lays the page out once. */
  measure() {
    this.width = this.place.clientWidth;
    this.top = this.place.getBoundingClientRect().top;
  }

  /** The width of its value axis; the page's widest is every chart's. */
  gutter(view) {
    return gutterOf(this.shown, view);
  }

  /** Draw or redraw `this.shown`; nothing while it has no room, as in a folded section. */
  paint(view, on) {
    const input = this.shown;
    this.view = view;
    this.legend();
    if (!this.width) return;
    const drawn = input.series.map((s) => [s.key, s.hidden, Boolean(s.max)]);
    const size = { width: this.width, height: heightFor(this.width) };
    const shape = JSON.stringify([drawn, input.top, size, magnitudeOf(input), view.relative]);
    if (this.chart && shape === this.shape) update(this.chart, input);
    else {
      this.chart?.destroy();
      this.chart = draw(this.place, input, view, { ...on, cursor: (u) => on.cursor(this, u) }, size);
      this.place.append(this.flag);
      this.shape = shape;
    }
    this.nothing?.remove();
    if (this.isEmpty()) this.place.append((this.nothing = h("p", { class: "nothing" }, this.missing(view))));
  }

  /** Whether nothing was recorded of what it shows. */
  isEmpty() {
    return this.shown.series.every((one) => one.avg.every((v) => v === null));
  }

  /** Whether all that was recorded of it is 0. */
  isZero() {
    return !this.isEmpty() && this.shown.series.every((one) => one.line || mostOf(one) === 0);
  }

  missing() {
    return "No data of this kind in this range.";
  }

  /** The figures of its legend: fewer of many series, and one alone on a phone, so that it stays short. */
  figures() {
    const { figures: all = FIGURES, series } = this.shown;
    const figures = all.filter(([figure]) => figure !== "p95" || series.some(({ stats }) => !stats || stats.p95 !== undefined));
    if (this.width && this.width < NARROW) return figures.slice(0, 1);
    const third = this.width < THIRD.width;
    const left = series.length > (third ? THIRD.many : MANY) ? figures.filter(([figure]) => figure !== "p95") : figures;
    // With what is now there is one figure more.
    return third && series.length > THIRD.many && left.length > 2 ? left.filter(([figure]) => figure !== "avg") : left;
  }

  /** A line or two: what its numbers are, and each series with them; at `index` of the times its values there. */
  legend(index = null) {
    const { series, t, unit } = this.shown;
    const figures = this.figures();
    const like = Math.max(0, ...series.filter((one) => !one.line).map(mostOf)) || Math.max(0, ...series.map(mostOf));
    const at = index === null ? -1 : index;
    this.hovering = at >= 0;
    const heads = figures.map(([, name]) => name).join(" · ");
    const named = [unitLike(like, unit), magnitudeOf(this.shown) ? "logarithmic" : ""].filter(Boolean).join(", ");
    const time = this.hovering && (this.view.relative ? show(t[at], "ms") : clock(shownTime(t[at], this.shown.step), this.view.utc));
    const head = [named && `${named}: `, this.hovering ? h("b", {}, `at ${time}`) : heads];
    this.key.replaceChildren(
      h("li", { class: "head" }, head),
      ...series.filter((one) => !one.faint).map((one) => this.entry(one, this.hovering ? reading(one, at, unit, like) : summary(one, figures, unit, like))),
    );
    this.fold();
  }

  /** Entries that need a third line go behind a button, so that the panel is as tall as its neighbours; on paper none does. */
  fold() {
    const entries = [...this.key.children];
    if (entries.length <= FEW || document.documentElement.classList.contains("printing")) return;
    const lines = () => new Set([...this.key.children].filter((one) => !one.hidden).map((one) => one.offsetTop)).size;
    if (lines() <= LINES) return;
    const words = () => (this.unfolded ? "fewer" : `${entries.filter((one) => one.hidden).length} more`);
    const toggle = () => {
      this.unfolded = !this.unfolded;
      this.key.style.minHeight = "";
      this.legend();
    };
    const more = h("button", { type: "button", class: "link", "aria-expanded": String(Boolean(this.unfolded)), click: toggle }, words());
    this.key.append(h("li", { class: "more" }, more));
    for (const one of this.unfolded ? [] : entries.slice(2).reverse()) {
      if (lines() <= LINES) break;
      one.hidden = true;
      more.textContent = words();
    }
  }

  entry(one, text) {
    return h(
      "li",
      { class: one.hidden ? "off" : null, colour: `var(--${one.colour})` },
      h(
        "button",
        { type: "button", "aria-pressed": String(!one.hidden), title: one.title ?? one.label, click: () => url.toggle("hide", one.key) },
        h("i", { class: one.line ? "swatch line" : one.rest ? "swatch rest" : "swatch" }),
        one.label,
      ),
      h("span", {}, text),
    );
  }

  /** Read out what is under the cursor of `u`, in every chart of the page: the legend its values, a flag on the time axis when that is. */
  read(u, utc) {
    const index = u.cursor.idx;
    const at = index == null || u.cursor.left < 0 ? -1 : this.shown.t.indexOf(u.data[0][index]);
    this.flag.hidden = at < 0;
    if (at < 0 && this.hovering) {
      this.legend();
      this.key.style.minHeight = "";
    }
    if (at < 0) return;
    // Its values may need less room than its figures: what is below stays where it is.
    if (!this.hovering) this.key.style.minHeight = `${this.key.offsetHeight}px`;
    this.legend(at);
    const t = this.shown.t[at];
    const time = shownTime(t, this.shown.step);
    const local = [clock(time, utc), zone(time, utc)].join(" ");
    const words = this.view.relative ? show(t, "ms") : zone(time, utc) === "UTC" ? local : `${local} · ${clock(time, true)} UTC`;
    this.flag.textContent = words;
    const x = u.cursor.left + u.bbox.left / devicePixelRatio - this.flag.offsetWidth / 2;
    this.flag.style.left = `${Math.max(0, Math.min(x, this.width - this.flag.offsetWidth))}px`;
  }

  /** The series as an image, with what makes it understood without the page. */
  async png(machine) {
    const { series, unit } = this.shown;
    const figures = this.figures();
    const like = Math.max(0, ...series.map(mostOf));
    const rows = series.filter((one) => !one.hidden).map((one) => [one, `${one.label}  ${summary(one, figures, unit, like)}`]);
    const head = [unitLike(like, unit), figures.map(([, name]) => name).join(" · ")].filter(Boolean).join(": ");
    const drawing = (place, view, size) =>
      draw(place, { ...this.shown, scale: view.scale }, view, { zoom() {}, unzoom() {}, cursor() {} }, size);
    const { view, width, name, title } = this;
    await picture({ name, title, machine, head, rows, view, size: { width, height: heightFor(width) }, drawing });
  }
}

/** A panel of a collector's page: its input is made of an answer of the API. */
export class Panel extends Plot {
  /**
   * `spec` is a panel of the frame; `device` the one it shows ("" for host-wide), or `devices` (a list) to show one series a device.
   * `of` is what its title names, such as the device; `names` are what devices are called, where that is not their key; `folds` says that
   * it may become a line of words, "zero" that it does where all is 0 alone.
   */
  constructor(spec, { device = "", devices = null, of = "", title = "", name = spec.id, names = {}, folds = false } = {}) {
    super({ name, title: title || (of ? `${of}: ${within(spec.title)}` : spec.title) });
    Object.assign(this, { spec, device, devices, of, names, folds });
  }

  /** Take an answer of the API and {metric: {device: figures}}. */
  take(answer, stats, live) {
    this.period = answer.data.period_ms ?? 1000;
    this.recorded = Object.values(answer.tables).some(({ t }) => t.length);
    this.shown = this.input(this.table(answer), answer, stats);
    if (live) this.shown.figures = [["last", "now"], ...FIGURES];
  }

  /** Hide a chart of nothing, unless its reader wants to see it: quiet.js has a line for it. */
  settle() {
    if (!this.folds) return;
    const empty = this.folds === "zero" ? false : this.isEmpty();
    this.element.hidden = (empty || this.isZero()) && !url.list("show").includes(this.name);
  }

  /** The part of an answer that it draws. */
  table(answer) {
    return answer.tables[this.spec.table] ?? { t: [], devices: {}, bucket_ms: 0 };
  }

  input(table, answer, stats) {
    const { unit, top, stack, log } = this.spec;
    const series = this.devices ? this.ofDevices(answer, table, stats) : this.ofColumns(this.device, table, stats);
    if (this.spec.peak) this.addPeak(series, table, stats);
    if (this.spec.total) {
      const total = this.one(
        this.device,
        { column: this.spec.total, label: this.spec.totalLabel, colour: "muted", line: true },
        table,
        stats,
      );
      series.push({ ...total, key: `${this.name}.total`, dash: [2, 3], p95: null, level: true });
    }
    return { t: table.t, unit, top, stack, log, series, step: widest(table, this.period) };
  }

  one(device, { column, label, colour, line }, table, stats) {
    const values = table.devices[device]?.[column] ?? {};
    const avg = values.avg ?? table.t.map(() => null);
    // Where no figures come at all, as of a zoom in a report, those of the points stand for them.
    const known = stats && (this.spec.sparse || !Object.keys(stats).length);
    const found = known ? measured(avg, this.spec.sparse ? undefined : values.max) : stats?.[`${this.spec.table}.${column}`]?.[device];
    const key = `${this.name}.${this.devices ? device : column}`;
    return {
      key,
      label,
      colour,
      line,
      avg,
      min: values.min,
      max: values.max,
      stats: stats && { last: avg.findLast((v) => v !== null), ...found },
      p95: found?.p95,
      hidden: url.list("hide").includes(key),
    };
  }

  ofColumns(device, table, stats) {
    return this.spec.series.map((column) => this.one(device, column, table, stats));
  }

  /** A series a device; the largest alone where there are many, and the rest as one. */
  ofDevices(answer, table, stats) {
    const { series: wanted, stack } = this.spec;
    if (this.rankedFor !== answer) this.rank(answer, table);
    const named = (device) => this.names[device] ?? device;
    const found = this.largest.map((device, i) =>
      this.one(device, { ...wanted[0], label: named(device), colour: `c${i + 1}` }, table, stats),
    );
    if (this.others.length) found.push(this.rest(table, stack));
    return found;
  }

  /** Choose once a window, so that a chart that grows keeps its series. */
  rank(answer, table) {
    const column = this.spec.series[0].column;
    const size = (device) => (table.devices[device]?.[column]?.avg ?? []).reduce((sum, v) => sum + (v ?? 0), 0);
    const named = this.devices.filter((device) => device !== OTHERS);
    const most = this.spec.stack ? DRAWN.stack : DRAWN.lines;
    const ordered = named.length > most ? [...named].sort((a, b) => size(b) - size(a)) : named;
    const chosen = new Set(ordered.slice(0, most));
    this.largest = this.devices.filter((device) => chosen.has(device));
    this.others = this.devices.filter((device) => !chosen.has(device));
    this.rankedFor = answer;
  }

  /** All other devices as one: their sum in a stack, else from the smallest to the largest of them. */
  rest(table, stack) {
    const column = this.spec.series[0].column;
    const all = this.others.map((device) => table.devices[device]?.[column] ?? {});
    const over = (kind, pick) =>
      table.t.map((_, i) => {
        const values = all.map((one) => (one[kind] ?? one.avg)?.[i]).filter((v) => v !== null && v !== undefined);
        return values.length ? pick(values) : null;
      });
    const sum = (values) => values.reduce((total, v) => total + v, 0);
    const avg = over("avg", (values) => (stack ? sum(values) : sum(values) / values.length));
    const key = `${this.name}.rest`;
    return {
      key,
      label: `${this.others.includes(OTHERS) ? "all" : this.others.length} others${stack ? "" : ", as a band"}`,
      title: stack ? "their sum" : "from the smallest to the largest of them",
      colour: "muted",
      rest: true,
      avg,
      min: stack ? undefined : over("min", (values) => Math.min(...values)),
      max: stack ? undefined : over("max", (values) => Math.max(...values)),
      stats: measured(avg, stack ? null : over("max", (values) => Math.max(...values))),
      hidden: url.list("hide").includes(key),
    };
  }

  /** Over stacked shares: the busiest sample of each bucket, which an average hides. */
  addPeak(series, table, stats) {
    const peak = table.devices[this.device]?.[this.spec.peak]?.max;
    if (!peak) return;
    const key = `${this.name}.peak`;
    const p95 = stats?.[`${this.spec.table}.${this.spec.peak}`]?.[this.device]?.p95;
    series.push({
      key,
      label: "Busy, peak",
      colour: "ink",
      line: true,
      avg: peak,
      stats: { last: peak.findLast((v) => v !== null), p95, max: Math.max(...peak) },
      p95,
      hidden: url.list("hide").includes(key),
    });
  }

  /** Why it is empty, where that is known: of a range without any sample nothing is. */
  get reason() {
    return this.recorded ? this.spec.missing : "";
  }

  missing() {
    return this.reason || super.missing();
  }

  /** What the menu leads to, for the window shown. */
  links(collector, from, to, machine) {
    this.menu.replaceChildren(
      ...links(this.spec, this.devices ? null : this.device, collector, from, to),
      h("li", {}, h("button", { type: "button", click: () => this.csv(from, to) }, "CSV")),
      h("li", {}, h("button", { type: "button", click: () => this.png(machine) }, "PNG")),
    );
  }

  /** Every sample in the window of what it shows, not the points that are drawn. */
  csv(from, to) {
    const { spec, device, devices, period, name } = this;
    return csv({
      name,
      spec,
      from,
      to,
      period,
      devices: devices ?? [device],
      every: Boolean(devices),
      table: (answer) => this.table(answer),
    });
  }
}

/** What a load tool reported: runs that follow one another share a chart, runs at the same time have their own. */
export class LoadPanel extends Panel {
  constructor(spec, runs) {
    const of = runs.length === 1 ? runs[0] : `${runs.length} runs from ${runs[0]} on`;
    super(spec, { of, title: `${spec.title}: ${of}`, name: `load.${spec.id}.${runs[0]}`, folds: true });
    this.runs = runs;
    // What it shows is read first; a name of a run may be longer than the panel is wide.
    this.heading.replaceChildren(spec.title, h("small", {}, `: ${of}`));
  }

  /** Its runs as one device: at each time the one that ran. */
  table(answer) {
    const { t, devices, bucket_ms: bucket } = super.table(answer);
    const columns = this.spec.series.map(({ column }) => {
      const all = this.runs.map((run) => devices[run]?.[column]?.avg).filter(Boolean);
      return [column, { avg: t.map((_, i) => all.find((avg) => avg[i] !== null)?.[i] ?? null) }];
    });
    return { t, bucket_ms: bucket, devices: { "": Object.fromEntries(columns) } };
  }

  /** The server computes no figures of load tools' own: those of the points stand for them. What a tool does not report is left out. */
  input(table, answer, stats) {
    const input = super.input(table, answer, stats);
    const series = input.series.filter((one) => one.avg.some((v) => v !== null)).map((one) => ({ ...one, stats: measured(one.avg) }));
    return { ...input, series: series.length ? series : input.series };
  }

  take(answer, stats, live) {
    super.take(answer, stats, live);
    this.shown.figures = FIGURES.filter(([figure]) => figure !== "p95");
  }

  /** A gap of the collector is not a gap of the load tool. */
  paint(view, on) {
    super.paint(Object.assign(Object.create(view), { gaps: [], pauses: [] }), on);
  }
}

/** The runs of the API's table `load` in lanes, [[run]], so that those of a lane do not overlap; by their first value. */
export function lanes({ t, devices }) {
  const reach = (run) => {
    const known = t.filter((_, i) => Object.values(devices[run]).some(({ avg }) => avg[i] !== null));
    return { run, from: known[0] ?? Infinity, to: known.at(-1) ?? -Infinity };
  };
  const found = [];
  const runs = Object.keys(devices).map(reach);
  for (const one of runs.filter(({ to }) => to > -Infinity).sort((a, b) => a.from - b.from)) {
    const lane = found.find(({ to }) => to < one.from);
    if (lane) Object.assign(lane, { to: one.to, runs: [...lane.runs, one.run] });
    else found.push({ to: one.to, runs: [one.run] });
  }
  return found.map(({ runs: names }) => names);
}

/** The lines for those of `panels` that fold; a click on a name shows its chart all the same, here and for every reader of the link. */
export function quiet(panels) {
  const folded = panels.filter((panel) => panel.folds && panel.element.hidden);
  const zero = folded.filter((panel) => panel.isZero());
  const unknown = Map.groupBy(
    folded.filter((panel) => panel.isEmpty()),
    (panel) => panel.reason || "not recorded in this range",
  );
  return [
    ...(zero.length ? [line(zero, "none")] : []),
    ...[...unknown].map(([reason, found]) => line(found, reason[0].toLowerCase() + reason.slice(1))),
    ...again(panels),
  ];
}

function line(panels, words) {
  const name = ({ spec, of }, i) => `${i ? within(spec.title) : spec.title}${of ? ` (${of})` : ""}`;
  const names = panels.map((panel, i) => [i ? ", " : "", button(panel, name(panel, i))]);
  return h("p", {}, ...names.flat(), `: ${words}`);
}

/** The way back for charts that were asked for by their names. */
function again(panels) {
  const shown = panels.filter((panel) => panel.folds && !panel.element.hidden && url.list("show").includes(panel.name));
  return shown.length
    ? [h("p", {}, "Shown though there is nothing to see: ", ...shown.map((panel) => button(panel, `${panel.title} ×`)))]
    : [];
}

const button = (panel, words) => h("button", { type: "button", class: "link", click: () => url.toggle("show", panel.name) }, words);

/** The figures of one series, without their unit; dots until they have been fetched. */
function summary({ stats, level }, figures, unit, like) {
  if (!stats) return "…";
  if (stats.max === undefined && stats.last === undefined) return "–";
  if (level) return bare(stats.last, unit, like);
  if (stats.avg === undefined && stats.last !== undefined && stats.max !== undefined) return bare(stats.max, unit, like); // a peak has nothing else
  if (figures.length === 1) return bare(stats[figures[0][0]] ?? stats.max, unit, like);
  return figures.map(([figure]) => bare(stats[figure], unit, like)).join(" · ");
}

/** An instant without the milliseconds by which a collector is late, where samples are seconds apart. */
export const shownTime = (t, step) => (step < 1000 ? t : Math.round(t / 1000) * 1000);

/** A series' value at one time, and from where to where its samples reached. */
function reading(one, at, unit, like) {
  const value = bare(one.avg[at], unit, like);
  return one.max && one.avg[at] !== null
    ? [h("b", {}, value), ` (${bare(one.min[at], unit, like)} … ${bare(one.max[at], unit, like)})`]
    : h("b", {}, value);
}

/** A title within a sentence; what is an abbreviation stays one. */
export const within = (title) => (/^[A-Z][a-z]/.test(title) ? title[0].toLowerCase() + title.slice(1) : title);

/** Figures of a series for which the server computes none: of its points. */
export function measured(avg, max) {
  const known = avg.filter((v) => v !== null);
  if (!known.length) return {};
  return {
    last: known.at(-1),
    avg: known.reduce((sum, v) => sum + v, 0) / known.length,
    max: Math.max(...(max ?? known).filter((v) => v !== null)),
  };
}
