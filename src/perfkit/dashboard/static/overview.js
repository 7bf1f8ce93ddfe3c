// The overview: tiles, what the load tool reported, the machine's charts, and the notes below them.

import { $, figures as table, h, heading } from "./dom.js";
import { byDevice, judged, moment, show, span, wholeDisks, zone } from "./format.js";
import { around, containers, findings, phases, quality, who } from "./notes.js";
import { LoadPanel, Panel, lanes, measured, quiet } from "./panel.js";
import { records } from "./series.js";
import { frame } from "./source.js";
import * as url from "./url.js";
import { run } from "./view.js";

// A mean over a minute says something about a stretch of several.
const MINUTES_FROM = 120_000;
// How long a request took, by the first of these that a load tool reports.
const LATENCIES = [
  ["latency_p95_ms", "latency P95"],
  ["latency_avg_ms", "latency avg"],
  ["latency_max_ms", "latency max"],
];
const TILES = [
  { id: "cpu", title: "CPU busy", unit: "%", metrics: ["host.cpu_busy"], columns: ["cpu_busy"] },
  { id: "memory", title: "Memory", unit: "MiB", metrics: ["host.mem_used"], columns: ["mem_used"] },
  {
    id: "disk",
    title: "Disk",
    unit: "B/s",
    metrics: ["host.disk_read_bytes", "host.disk_write_bytes"],
    columns: ["disk_read_bytes", "disk_write_bytes"],
    signs: ["read", "write"],
  },
  {
    id: "network",
    title: "Network",
    unit: "B/s",
    metrics: ["host.net_rx_bytes", "host.net_tx_bytes"],
    columns: ["net_rx_bytes", "net_tx_bytes"],
    signs: ["in", "out"],
  },
];

let made = [];

window.perfkit = run({
  tables: [
    "host",
    ...new Set(frame.panels.filter((spec) => !spec.sparse).map((spec) => spec.table).filter((name) => name !== "host")),
    ...($("#containers") ? ["containers"] : []),
  ],
  build: (answer) => {
    const load = lanes(answer.tables.load).flatMap((runs) => frame.load.map((spec) => new LoadPanel(spec, runs)));
    const there = (spec) => !spec.sparse || Object.keys(answer.tables[spec.table]?.devices ?? {}).length > 0;
    const machine = frame.panels.filter(there).map((spec) => new Panel(spec, { devices: devicesOf(spec, answer), folds: spec.table === "host" ? "zero" : true }));
    // First what was asked of the machine, what it used and who, then what was found, then what waited.
    const uses = ({ spec }) => spec.table === "host" || spec.sparse;
    const [used, waits] = [machine.filter(uses), machine.filter((panel) => !uses(panel))];
    const places = (some) => some.map(({ element }) => element);
    $("#panels").replaceChildren(...places([...load, ...used]), $("#between"), ...places(waits));
    return (made = [...load, ...machine]);
  },
  after: (answer, stats, view, worst) => {
    $("#tiles").replaceChildren(...asked(answer, view), ...TILES.map((tile) => draw(tile, answer, stats, worst, view)));
    $("#quiet").replaceChildren(...quiet(made));
    if (frame.run) judgement(view);
    because();
    if (frame.run) numbers(view);
    phases(view);
    quality(answer, view);
    findings(answer, stats, view);
    if ($("#containers")) containers(stats);
    who(answer, stats);
  },
});

function devicesOf(spec, answer) {
  if (spec.devices !== "all") return null;
  if (spec.sparse) return Object.keys(answer.tables[spec.table].devices); // who used most comes first
  const found = Object.keys(answer.tables[spec.table]?.devices ?? {}).sort(byDevice);
  return spec.table === "disk" ? wholeDisks(found) : found;
}

/** What a tile shows of a column: its points, and of the merged ones the largest samples. */
const points = (host, name) => ({ avg: host[name]?.avg ?? [], max: host[name]?.max ?? host[name]?.avg ?? [] });

const newest = (values) => values.findLast((v) => v !== null);

let judgedPart = null;

/** Verdict and findings of the phase that is shown, else those of the run; made anew where another is shown than the page came with. */
function judgement(view) {
  const phase = frame.run.phases.find((one) => one.phase === url.get("phase"));
  const one = phase ?? frame.run;
  const name = phase?.phase ?? (url.isZoomed() ? "whole run" : "");
  const key = `${name} ${view.utc}`;
  if (key === judgedPart) return;
  judgedPart = key;
  const { looks, sentence, because } = judged(one, view.utc);
  const told = one.verdict.from ? `${moment(Date.parse(one.verdict.from), { ...one, utc: view.utc })} ${zone(Date.parse(one.verdict.from), view.utc)}` : "";
  const [before, after] = told ? because.split(told) : [because];
  const time = told ? h("time", { datetime: one.verdict.from }, told) : "";
  $("#verdict").className = looks;
  $("#verdict").replaceChildren(
    ...(name ? [h("span", { class: "muted" }, name), " "] : []),
    h("b", {}, sentence.slice(0, sentence.indexOf(":"))),
    ": ",
    h("span", { id: "because" }, before, time, after ?? ""),
  );
  const { trusted } = one.verdict;
  $("#trusted").className = trusted ? "ok" : "bad";
  $("#trusted").textContent = trusted ? "✓" : "✗ not to be trusted:";
  const sql = (text) =>
    url.onDisk
      ? h("details", {}, h("summary", {}, "SQL"), h("code", {}, text))
      : h("a", { href: url.link(`/perfkit?${new URLSearchParams({ sql: text })}`) }, "Samples");
  const found = one.findings.map(({ kind, sentence: words, advice, sql: text }) => h("li", { class: kind }, `${words} `, h("span", { class: "muted" }, advice), " ", sql(text)));
  const none = h("li", { class: "ok" }, `✓ No finding: nothing in this ${phase ? "phase" : "run"} is near a limit.`);
  $("#found ul").replaceChildren(...(found.length ? found : [none]));
}

/** The instant in the verdict leads to the minutes around it. */
function because() {
  const time = $("#because time");
  if (!time) return;
  if (time.parentElement.localName !== "a") {
    const link = h("a");
    time.replaceWith(link);
    link.append(time);
  }
  time.parentElement.href = around(Date.parse(time.dateTime));
}

/** The numbers of the run and of each of its phases, a row each. */
function numbers(view) {
  const { run } = frame;
  const heads = ["Phase", "From", "Length", "Recorded", "CPU busy avg", "CPU busy P95", "Memory", "Disk read", "Disk written", "In", "Out"];
  const loads = run.figures.load ? ["Throughput", "Latency P95", "Errors"] : [];
  const line = ({ phase, from, to, certificate, figures }) => {
    const avg = (name, unit) => show(figures[name]?.avg, unit);
    const load = figures.load ?? {};
    return h(
      "tr",
      {},
      h("th", { scope: "row", class: "text" }, phase ? h("a", { href: url.href({ ...url.NO_WINDOW, run: run.run, phase }) }, phase) : "whole run"),
      h("td", { class: "text" }, moment(from, view)),
      h("td", {}, span(to - from)),
      h("td", {}, `${certificate.samples} of ${certificate.samples_expected}`),
      h("td", {}, avg("cpu_busy", "%")),
      h("td", {}, show(figures.cpu_busy?.p95, "%")),
      h("td", {}, avg("mem_used", "MiB")),
      ["disk_read_bytes", "disk_write_bytes", "net_rx_bytes", "net_tx_bytes"].map((name) => h("td", {}, avg(name, "B/s"))),
      loads.length
        ? [h("td", {}, show(load.throughput, "ops/s")), h("td", {}, show(load.latency_p95_ms, "ms")), h("td", {}, show(load.errors, "1/s"))]
        : null,
    );
  };
  const columns = [...heads, ...loads].map((name, i) => heading(name, { class: i < 2 ? "text" : null }));
  $("#numbers").replaceChildren(table(columns, [line(run), ...run.phases.map(line)]));
}

/** The tile of the load, before those of what the machine did with it; none where no load tool reported. */
function asked(answer, view) {
  const { t, devices } = answer.tables.load ?? { t: [], devices: {} };
  const runs = Object.keys(devices);
  if (!t.length || !runs.length) return [];
  // Tools that run at the same time: their requests are added up, the slowest one counts.
  const over = (column, pick) =>
    t.map((_, i) => {
      const known = runs.map((run) => devices[run][column]?.avg[i]).filter((v) => v !== null && v !== undefined);
      return known.length ? pick(known) : null;
    });
  const sum = (values) => values.reduce((total, v) => total + v, 0);
  const [done, wrong] = [over("throughput", sum), over("errors", sum)];
  const times = LATENCIES.map(([column, name]) => [over(column, (values) => Math.max(...values)), name]);
  const [slow, slowness] = times.find(([values]) => values.some((v) => v !== null)) ?? times[0];
  const found = [done, slow];
  const each = (figure) => [show(measured(done)[figure], "ops/s"), show(measured(slow)[figure], "ms")];
  const rows = records(answer)
    ? [row("now", each("last"), "now"), row("avg", each("avg"))]
    : [row("avg", each("avg"), "now"), row("peak", each("max")), row("at", found.map((values) => peak(values, t, view)))];
  const most = measured(wrong).max;
  const told = !most ? [most === 0 ? "no errors" : ""] : [`errors at most ${show(most, "1/s")} at `, peak(wrong, t, view)];
  return [
    h(
      "section",
      { class: "tile", id: "tile-load", title: runs.join(", ") },
      h("h2", {}, "Load"),
      h("table", {}, signs(["throughput", slowness]), h("tbody", {}, rows)),
      h("p", { class: "worst" }, told),
    ),
  ];
}

/** A tile: what is now and on average of a machine that records, average and peak of one that has finished. */
function draw(tile, answer, stats, worst, view) {
  const { t, devices } = answer.tables.host;
  const host = devices[""] ?? {};
  const found = tile.columns.map((name) => points(host, name));
  const told = (metric, i) => (Object.keys(stats).length ? stats[metric]?.[""] : measured(found[i].avg, found[i].max));
  const figures = stats ? tile.metrics.map(told) : [];
  const each = (figure) => tile.metrics.map((_, i) => (stats ? show(figures[i]?.[figure], tile.unit) : "…"));
  const when = found.map(({ max }) => peak(max, t, view));
  const most = each("max");
  const peaks = tile.signs ? [row("peak", most), row("at", when)] : [row("peak", [when[0] === "–" ? "–" : [most[0], " at ", when[0]]])];
  const now = found.map(({ avg }) => show(newest(avg), tile.unit));
  const rows = records(answer)
    ? [row("now", now, "now"), row("avg", each("avg")), row("P95", each("p95"))]
    : [row("avg", each("avg"), "now"), row("P95", each("p95")), ...peaks];
  const busiest = worst?.find((one) => one.tile === tile.id);
  const total = tile.id === "memory" && host.mem_total ? h("small", {}, ` used of ${show(newest(host.mem_total.avg), tile.unit)}`) : null;
  return h(
    "section",
    { class: "tile", id: `tile-${tile.id}` },
    h("h2", {}, tile.title, total),
    h("table", {}, tile.signs ? signs(tile.signs) : null, h("tbody", {}, rows)),
    minute(busiest, figures, tile.unit, view),
  );
}

function row(name, cells, looks = null) {
  const columns = cells.map((cell) => h("td", {}, cell));
  return h("tr", { class: looks }, h("th", { scope: "row" }, name), columns);
}

function signs(names) {
  const columns = names.map((name) => h("th", { scope: "col" }, name));
  return h("thead", {}, h("tr", {}, h("td"), columns));
}

/** When the largest value was, as a link to the minutes around it. */
function peak(values, t, view) {
  const at = values.reduce((best, v, i) => (v !== null && (best < 0 || v > values[best]) ? i : best), -1);
  return at < 0 ? "–" : h("a", { href: around(t[at]) }, moment(t[at], view));
}

/** The worst minute, where a minute is less than what is shown anyway. */
function minute(worst, figures, unit, view) {
  const mean = figures.reduce((sum, f) => sum + (f?.avg ?? 0), 0);
  if (!worst || view.to - view.from < MINUTES_FROM || worst.value < mean) return h("p", { class: "worst" });
  const words = `worst minute ${moment(worst.minute, view).slice(0, -3)}: ${show(worst.value, unit)}`;
  return h("p", { class: "worst" }, h("a", { href: around(worst.minute) }, words));
}
