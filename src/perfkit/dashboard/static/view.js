// A collector's page: its panels, one window of time, one cursor, and what is new every second.

import { $, $$, say } from "./dom.js";
import { span, stretch, zoneName } from "./format.js";
import { keys, onLooks } from "./looks.js";
import { Series, age, bandsOf, gapsOf, pausesOf, records, resetsOf } from "./series.js";
import { ask, frame, whyNot } from "./source.js";
import * as url from "./url.js";

// An answer of "nothing new" costs the server a millisecond.
const LIVE_POLL_MS = 500;
const IDLE_POLL_MS = 1500;
const STATS_EVERY_MS = 5000;

/**
 * Run the page. `build(answer)` makes the panels once the first answer tells which devices there are; `after(answer, stats, view, worst)`
 * runs when any of them has changed, without stats while those of a new window are computed.
 */
export async function run({ build, after = () => {}, tables = ["host"] }) {
  const page = { panels: [], stats: null, answer: null };
  const view = { from: frame.first, to: frame.last, utc: false, p95: true, gaps: [], pauses: [], resets: [], bands: [], gutter: 0 };
  const series = new Series();
  const on = { zoom, unzoom: () => unzoom(view), cursor };

  async function load() {
    setControls(view);
    document.body.classList.add("loading");
    try {
      page.answer = await series.load();
      page.stats = page.worst = null; // another window's say nothing of this one
      problem("");
      const unseen = [];
      show(unseen);
      await painted();
      for (const panel of unseen) paint(panel);
      document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
      loadStats();
    } catch (error) {
      if (error.name !== "AbortError") failed(error.message);
    } finally {
      document.body.classList.remove("loading");
    }
  }

  async function loadStats() {
    const query = series.query;
    const started = performance.now();
    page.statsAt = Infinity;
    const answer = await ask("percentiles", { query: `tables=${tables.join(",")}&${query}` }).catch((error) => failed(error.message));
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

  /** Draw all; with a list, what is below the window comes into it instead, so that what is seen is painted first. */
  function show(unseen = null) {
    const { answer, stats } = page;
    annotate(view, answer);
    if (!page.panels.length) page.panels = build(answer);
    for (const panel of page.panels) panel.take(answer, stats, records(answer));
    for (const panel of page.panels) panel.settle?.();
    for (const panel of page.panels) panel.measure();
    view.gutter = Math.max(...page.panels.map((panel) => panel.gutter(view)), 0);
    for (const panel of page.panels) {
      if (unseen && panel.top > innerHeight) unseen.push(panel);
      else paint(panel);
    }
    headings(view, answer);
    after(answer, stats, view, page.worst);
  }

  function paint(panel) {
    panel.paint(view, on);
    panel.links(frame.collector, view.from, view.to, $("h1").textContent);
  }

  /** Only styles, visibility or the like have changed: no fetch. */
  function redraw() {
    setControls(view);
    if (page.answer) show();
  }
  page.redraw = redraw;

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
      url.set({ ...url.NO_WINDOW, range: link.dataset.range });
    });
  }
  $("#p95")?.addEventListener("click", () => url.set({ p95: view.p95 ? "0" : null }, { quiet: true }));
  $("#phase")?.addEventListener("change", (event) => url.set({ ...url.NO_WINDOW, ...url.stretch(event.target.value) }));
  $("#unzoom")?.addEventListener("click", () => unzoom(view));
  keys({
    range: (name) => $("[data-range]") && url.set({ ...url.NO_WINDOW, range: name }), // the page of a run has no ranges
    move: (part) => move(view, part),
    zoom: (factor) => closer(view, factor),
    unzoom: () => unzoom(view),
  });

  await load();
  poll();

  async function poll() {
    if (!document.hidden && !url.isZoomed() && page.answer) {
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
        if (error.name !== "AbortError") problem(whyNot(error));
      }
    }
    setTimeout(poll, records(page.answer) ? LIVE_POLL_MS : IDLE_POLL_MS);
  }

  function cursor(panel, u) {
    if (!u.cursor.event && u.cursor.left >= 0 && panel.chart !== u) return;
    panel.read(u, view.utc);
  }
  return page;
}

function annotate(view, answer) {
  Object.assign(view, { from: answer.window.from, to: Math.max(answer.window.to, answer.window.from + 1) });
  view.gaps = gapsOf(answer);
  view.pauses = pausesOf(answer);
  view.resets = resetsOf(answer);
  view.bands = bandsOf(answer);
}

function headings(view, answer) {
  const place = $("#stretch");
  if (place) {
    place.textContent = stretch(view.from, view.to, view.utc);
    place.title = `times in ${zoneName(view.utc)}`;
  }
  if ($("#phase")) $("#phase").value = answer.window.reference ?? "";
  if ($("#recorded")) $("#recorded").textContent = answer.recorded;
  const live = $("#live");
  if (!live) return;
  const on = records(answer);
  live.className = on ? "live on" : "live";
  live.textContent = on ? `LIVE, ${span(Math.max(0, age(answer)))} ago` : "not recording";
  if (Object.values(answer.tables).every(({ t }) => !t.length)) problem(emptiness(answer, view));
}

/** Why there is nothing to see. */
function emptiness({ data }, view) {
  if (!data.to) return "This machine has sent no sample yet; the page shows them as they come.";
  if (url.isZoomed() || (url.get("range") || "all") !== "all")
    return `No data in this range: ALL shows ${stretch(data.from, data.to, view.utc)}.`;
  return "Nothing of what this page shows was recorded on this machine.";
}

function setControls(view) {
  view.utc = url.utc();
  view.p95 = url.get("p95") !== "0";
  for (const link of $$("[data-range]")) {
    link.href = url.href({ ...url.NO_WINDOW, range: link.dataset.range });
    const current = !url.isZoomed() && (url.get("range") || "all") === link.dataset.range;
    if (current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  $("#p95")?.setAttribute("aria-pressed", String(view.p95));
  if ($("#unzoom")) $("#unzoom").hidden = !url.isZoomed();
}

/** Draw the new window from the data at hand; what is finer comes when it has been fetched. */
function preview(view, page) {
  if (!page.answer || !page.panels.length) return;
  const { from: first, to: last } = page.answer.data;
  if (url.get("run") || url.get("phase")) return;
  view.from = url.get("from") ? Number(url.get("from")) || view.from : url.rangeStart(first, last);
  view.to = url.get("to") ? Number(url.get("to")) || view.to : last;
  for (const { chart } of page.panels) chart?.setScale("x", { min: view.from, max: view.to });
}

function zoom(from, to) {
  url.set({ ...url.NO_WINDOW, from: String(Math.max(0, from)), to: String(Math.max(to, from + 1)) });
}

function unzoom() {
  if (url.isZoomed()) url.set(url.NO_WINDOW);
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

/** Say why there is nothing to see, and that what still loads will not come. */
function failed(sentence) {
  problem(sentence);
  for (const place of $$("main .muted")) if (place.textContent === "Loading…") place.textContent = "Could not be read.";
}

/** Wait for the browser to paint what was drawn, and mark when it has; not in a page that nobody sees, which is not painted. */
async function painted() {
  if (document.hidden) return;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  performance.mark("perfkit:painted");
}
