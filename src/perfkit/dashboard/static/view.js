// A collector's page: its panels, one window of time, one cursor, and what is new every second.

import { $, $$, base, frame, h, say } from "./dom.js";
import { span, stretch } from "./format.js";
import { keys } from "./keys.js";
import { onLooks } from "./redraw.js";
import { Series, fetchJSON } from "./series.js";
import * as url from "./url.js";

// An answer of "nothing new" costs the server a millisecond.
const LIVE_POLL_MS = 500;
const IDLE_POLL_MS = 1500;
const STATS_EVERY_MS = 5000;

/**
 * Run the page. `build(answer)` makes the panels once the first answer tells which devices there are; `after(answer, stats)` runs when either has changed.
 */
export async function run({ build, after = () => {}, tables = ["host"] }) {
  const page = { panels: [], stats: null, answer: null };
  const view = { from: frame.first, to: frame.last, utc: false, p95: true, gaps: [], resets: [], bands: [] };
  const series = new Series();
  const on = { zoom, unzoom: () => unzoom(view), cursor };

  async function load() {
    setControls(view);
    document.body.classList.add("loading");
    try {
      page.answer = await series.load();
      problem("");
      show();
      await painted();
      document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
      loadStats();
    } catch (error) {
      if (error.name !== "AbortError") problem(error.message);
    } finally {
      document.body.classList.remove("loading");
    }
  }

  async function loadStats() {
    const query = series.query;
    const started = performance.now();
    page.statsAt = Infinity;
    const answer = await fetchJSON(`${base}/api/v1/collectors/${frame.collector}/percentiles?tables=${tables.join(",")}&${query}`).catch(
      (error) => problem(error.message),
    );
    if (query !== series.query) return;
    if (!answer) {
      page.statsAt = performance.now() + STATS_EVERY_MS;
      return;
    }
    page.stats = {};
    page.worst = answer.worst_minutes;
    for (const row of answer.percentiles) (page.stats[row.metric] ??= {})[row.device] = row;
    // What takes long to compute is asked for less often.
    page.statsAt = performance.now() + Math.max(STATS_EVERY_MS, 10 * (performance.now() - started));
    show();
    document.body.dataset.stats = "1";
  }

  function show() {
    annotate(view, page.answer);
    if (!page.panels.length) page.panels = build(page.answer);
    for (const panel of page.panels) panel.measure();
    for (const panel of page.panels) {
      panel.show(page.answer, page.stats, view, on);
      panel.links?.(frame.collector, view.from, view.to);
    }
    headings(view, page.answer);
    after(page.answer, page.stats, view, page.worst);
  }

  /** Only styles, visibility or the like have changed: no fetch. */
  function redraw() {
    setControls(view);
    if (page.answer) show();
  }

  let windowKey = url.windowQuery().toString();
  url.changed(() => {
    const next = url.windowQuery().toString();
    if (next === windowKey) return redraw();
    windowKey = next;
    preview(view, page);
    load();
  });
  onLooks(redraw);
  for (const link of $$("[data-range]")) {
    link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey) return;
      event.preventDefault();
      url.set({ range: link.dataset.range, from: null, to: null, phase: null });
    });
  }
  $("#utc")?.addEventListener("click", () => url.set({ utc: view.utc ? null : "1" }, { quiet: true }));
  $("#p95")?.addEventListener("click", () => url.set({ p95: view.p95 ? "0" : null }, { quiet: true }));
  $("#phase")?.addEventListener("change", (event) => url.set({ phase: event.target.value || null, range: null, from: null, to: null }));
  keys({
    range: (name) => url.set({ range: name, from: null, to: null, phase: null }),
    move: (part) => move(view, part),
    zoom: (factor) => closer(view, factor),
    unzoom: () => unzoom(view),
  });

  await load();
  poll();

  async function poll() {
    const fixed = url.get("from") || url.get("to") || url.get("phase");
    if (!document.hidden && !fixed && page.answer) {
      try {
        if (await series.extend()) {
          page.answer = series.answer;
          show();
          document.body.dataset.extended = String(Number(document.body.dataset.extended ?? 0) + 1);
          if (performance.now() > page.statsAt) loadStats();
        }
        problem("");
        headings(view, page.answer);
      } catch (error) {
        if (error.name !== "AbortError") problem(`No connection to the server (${error.message}); trying again.`);
      }
    }
    setTimeout(poll, isLive(page.answer) ? LIVE_POLL_MS : IDLE_POLL_MS);
  }

  function cursor(panel, u) {
    if (!u.cursor.event && u.cursor.left >= 0 && panel.chart !== u) return;
    const index = u.cursor.idx;
    const at = index == null || u.cursor.left < 0 ? null : panel.shown.t.indexOf(u.data[0][index]);
    panel.legend(at !== null && at >= 0 ? at : null);
    panel.tip(panel.place.matches(":hover") ? u : null, view.utc);
  }
  return page;
}

/** Whether samples still arrive: the newest is no older than a few periods by the server's own clock. */
export function isLive(answer) {
  if (!answer?.data.to) return false;
  const clock = answer.now + (performance.now() - answer.received);
  return clock - answer.data.to < Math.max(15000, 3 * (answer.data.period_ms ?? 1000));
}

function annotate(view, answer) {
  Object.assign(view, { from: answer.window.from, to: Math.max(answer.window.to, answer.window.from + 1) });
  view.gaps = answer.events.filter((e) => e.kind === "gap").map((e) => [e.from_timestamp, e.to_timestamp]);
  view.resets = answer.events.filter((e) => e.kind === "reset").map((e) => e.from_timestamp);
  view.bands = phasesOf(answer.marks);
}

/** Marks as bands: a start with the next end of its label, a point as a line. */
export function phasesOf(marks) {
  const open = {};
  const bands = [];
  for (const { t, kind, label } of [...marks].sort((a, b) => a.t - b.t)) {
    if (kind === "start") open[label] = t;
    else if (kind === "end" && label in open) {
      bands.push({ from: open[label], to: t, label });
      delete open[label];
    } else bands.push({ from: t, to: t, label });
  }
  for (const [label, t] of Object.entries(open)) bands.push({ from: t, to: t, label: `${label} starts` });
  return bands;
}

function headings(view, answer) {
  const place = $("#stretch");
  if (place) place.textContent = stretch(view.from, view.to, view.utc);
  if ($("#recorded")) $("#recorded").textContent = answer.recorded;
  const live = $("#live");
  if (!live) return;
  const on = isLive(answer);
  live.className = on ? "live on" : "live";
  const age = answer.now + (performance.now() - answer.received) - answer.data.to;
  live.textContent = on ? `LIVE, ${span(Math.max(0, age))} ago` : "not recording";
  const empty = Object.values(answer.tables).every(({ t }) => !t.length);
  if (empty && answer.data.to) problem(`No data in this range: ALL shows ${stretch(answer.data.from, answer.data.to, view.utc)}.`);
}

function setControls(view) {
  view.utc = url.get("utc") === "1";
  view.p95 = url.get("p95") !== "0";
  const zoomed = url.get("from") || url.get("to") || url.get("phase");
  for (const link of $$("[data-range]")) {
    link.href = url.href({ range: link.dataset.range, from: null, to: null, phase: null });
    const current = !zoomed && (url.get("range") || "all") === link.dataset.range;
    if (current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  for (const link of $$("[data-page]")) link.href = link.dataset.page + location.search;
  $("#utc")?.setAttribute("aria-pressed", String(view.utc));
  $("#p95")?.setAttribute("aria-pressed", String(view.p95));
  if ($("#phase")) $("#phase").value = url.get("phase");
}

/** Draw the new window from the data at hand; what is finer comes when it has been fetched. */
function preview(view, page) {
  if (!page.answer || !page.panels.length) return;
  const { from: first, to: last } = page.answer.data;
  const range = url.RANGE_MS[url.get("range") || "all"] ?? Infinity;
  if (url.get("phase")) return;
  view.from = url.get("from") ? Number(url.get("from")) || view.from : Math.max(first, last - range);
  view.to = url.get("to") ? Number(url.get("to")) || view.to : last;
  for (const { chart } of page.panels) chart?.setScale("x", { min: view.from, max: view.to });
}

function zoom(from, to) {
  url.set({ from: String(Math.max(0, from)), to: String(Math.max(to, from + 1)), range: null, phase: null });
}

function unzoom() {
  if (url.get("from") || url.get("to") || url.get("phase")) url.set({ from: null, to: null, phase: null, range: null });
}

function move(view, part) {
  const step = Math.round((view.to - view.from) * part);
  const length = view.to - view.from;
  const from = Math.min(Math.max(view.from + step, frame.first - length / 2), Math.max(frame.last, view.to) - length / 2);
  zoom(Math.round(from), Math.round(from + length));
}

function closer(view, factor) {
  const middle = (view.from + view.to) / 2;
  const half = Math.max(((view.to - view.from) / 2) * factor, frame.period_ms * 2);
  zoom(Math.round(middle - half), Math.round(middle + half));
}

/** A sentence over the page, "" takes it away. */
export function problem(sentence) {
  const place = $("#problem");
  if (!place) return;
  place.textContent = sentence;
  place.hidden = !sentence;
  if (sentence) say(sentence);
}

/** Wait for the browser to paint what was drawn, and mark when it has; not in a page that nobody sees, which is not painted. */
async function painted() {
  if (document.hidden) return;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  performance.mark("perfkit:painted");
}
