// The list of collectors: live ones on top, refreshed while the page is looked at.

import { $, h } from "./dom.js";
import { coverage, instant, judged, show, span, zone } from "./format.js";
import { onLooks } from "./looks.js";
import { isLive } from "./series.js";
import { ask, frame, whyNot } from "./source.js";
import * as url from "./url.js";

const REFRESH_MS = 2000;
const SPARK = { width: 84, height: 20 };
const LEAST_BARS = 10;
// Runs of machines that record come to an end unasked.
const NEWEST_EVERY_MS = 60_000;

let list = frame.collectors;
let now = frame.now;
const chosen = new Set();
// The newest run of each machine by its id; null until it is known which there are.
let newest = null;
let newestFor = "";

/** Ask for the newest runs where machines came or stopped recording, and now and then while any records. */
async function runsOf() {
  const recording = list.filter(live).map(({ id }) => id);
  const state = JSON.stringify([list.length, recording, recording.length && Math.floor(performance.now() / NEWEST_EVERY_MS)]);
  if (state === newestFor) return;
  const { runs } = await ask("runs", { query: "newest=1" });
  newestFor = state;
  newest = new Map(runs.map((one) => [one.collector, one]));
}

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await ask("collectors");
    const before = list.length;
    const facts = new Map(list.map((row) => [row.id, row.facts]));
    list = answer.collectors.map((row) => ({ ...row, facts: facts.get(row.id) ?? [] }));
    now = answer.now;
    if (list.length) await runsOf();
    $("#problem").hidden = true;
    if (!before && list.length) location.reload();
    else if (before) draw();
  } catch (error) {
    $("#problem").textContent = whyNot(error);
    $("#problem").hidden = false;
  }
}

const live = (row) => isLive(now, row.last_timestamp, row.period_ms);

/** The busiest minute of the last hour, in %. */
const busiest = ({ spark: minutes }) => (minutes?.length ? Math.max(...minutes.filter((v) => v !== null)) : null);

/** The busiest sample of the newest run, in %; the busiest minute where no run tells. */
const peak = (one) => newest?.get(one.id)?.figures?.cpu_busy?.max ?? busiest(one);

const ORDERS = {
  "": (a, b) => live(b) - live(a) || (b.last_timestamp ?? 0) - (a.last_timestamp ?? 0) || a.machinename.localeCompare(b.machinename),
  name: (a, b) => a.machinename.localeCompare(b.machinename, "en", { numeric: true }),
  busy: (a, b) => (peak(b) ?? -1) - (peak(a) ?? -1),
  coverage: (a, b) => (a.coverage ?? 101) - (b.coverage ?? 101),
};

function draw() {
  const words = url.get("q").toLowerCase().split(/\s+/).filter(Boolean);
  const site = url.get("site");
  const text = (row) => [row.machinename, row.sitename, ...(row.facts ?? []), row.cpu_model, row.instance_type].join(" ").toLowerCase();
  const found = list.filter((row) => (!site || row.sitename === site) && words.every((word) => text(row).includes(word)));
  found.sort(ORDERS[url.get("sort")] ?? ORDERS[""]);
  const focused = document.activeElement?.id;
  $("#rows").replaceChildren(
    ...found.map(row),
    ...(found.length
      ? []
      : [h("tr", {}, h("td", { colspan: 13, class: "text muted" }, "No collector matches; clear the search to see all."))]),
  );
  if (focused) document.getElementById(focused)?.focus();
  const running = list.filter(live).length;
  $("#count").textContent =
    `${found.length === list.length ? "" : `${found.length} of `}${list.length} collector${list.length === 1 ? "" : "s"}, ${running} recording now`;
  $("#compare").href = url.link("/compare", { changes: { c: [...chosen] } });
  $("#compare").textContent = chosen.size ? `Compare ${chosen.size}` : "Compare…";
}

function row(one) {
  const on = live(one);
  const box = h("input", {
    type: "checkbox",
    id: `pick-${one.id}`,
    "aria-label": `Compare ${one.machinename}`,
    change: (event) => {
      if (event.target.checked && chosen.size < frame.most_compared) chosen.add(one.id);
      else chosen.delete(one.id);
      draw();
    },
  });
  box.checked = chosen.has(one.id);
  const figures = newest?.get(one.id)?.figures;
  // Of what has ended, the newest run: the peak of a level, the mean of what is the sum of two rates.
  const sum = (...names) => (figures && names.every((name) => figures[name]) ? names.reduce((all, name) => all + figures[name].avg, 0) : null);
  const past = (word, value, unit) => (value === null || Number.isNaN(value) ? "–" : `${word} ${show(value, unit)}`);
  const memory = figures?.mem_used && one.memory_mb ? (100 * figures.mem_used.max) / one.memory_mb : null;
  const cell = (name, attributes, ...content) => h("td", { "data-head": name, ...attributes }, ...content);
  return h(
    "tr",
    { class: on ? "on" : null },
    h("td", { class: "pick" }, box),
    h(
      "th",
      { scope: "row", class: "text" },
      h("a", { title: one.machinename, href: url.link(`/collectors/${one.id}`), id: `open-${one.id}` }, one.machinename),
      on ? h("span", { class: "live on" }, "LIVE") : null,
    ),
    $("#site") ? cell("Site", { class: "text", title: one.sitename }, one.sitename) : null,
    cell("Hardware", { class: "text muted" }, (one.facts ?? []).join(" · ")),
    ...lastRun(newest?.get(one.id), on).map(([name, attributes, ...content]) => cell(name, attributes, ...content)),
    cell("CPU, last hour", { class: "text" }, spark(one.spark)),
    cell("CPU", { class: "text" }, on ? `now ${show(one.latest?.busy, "%")}` : peak(one) === null ? "–" : `peak ${show(peak(one), "%")}`),
    cell("Memory", { class: "text" }, on ? `now ${show(one.latest?.memory, "%")}` : past("peak", memory, "%")),
    cell("Disk", { class: "text" }, on ? `now ${show(one.latest?.disk, "B/s")}` : past("avg", sum("disk_read_bytes", "disk_write_bytes"), "B/s")),
    cell("Network", { class: "text" }, on ? `now ${show(one.latest?.network, "B/s")}` : past("avg", sum("net_rx_bytes", "net_tx_bytes"), "B/s")),
    cell(
      "Coverage",
      { class: one.coverage !== null && one.coverage < 99 ? "warn" : null },
      coverage(one.coverage),
      one.gaps ? h("small", {}, ` ${one.gaps} gap${one.gaps === 1 ? "" : "s"}`) : null,
    ),
    cell("Last data", { title: one.last_timestamp ? `${instant(one.last_timestamp, true)} UTC` : null }, last(one, on)),
  );
}

/** The newest run and its verdict, as two cells. */
function lastRun(run, on) {
  const text = { class: "text" };
  if (!run) return ["Newest run", "Verdict"].map((name) => [name, text, newest ? "–" : "…"]);
  const name = ["Newest run", text, h("a", { href: url.link(`/runs/${run.id}`) }, run.label), h("small", {}, ` run ${run.run}`)];
  if (!run.verdict) return [name, ["Verdict", { class: "text muted" }, run.open || on ? "still recording" : "not judged yet"]];
  const { word, looks, sentence } = judged(run, url.utc());
  return [name, ["Verdict", { class: "text", title: sentence }, h("b", { class: looks }, word)]];
}

function last({ last_timestamp: at }, on) {
  if (at === null) return "no sample yet";
  const utc = url.utc();
  return on ? `${span(Math.max(0, now - at))} ago` : `${instant(at, utc).slice(0, -3)} ${zone(at, utc)}`;
}

/** The CPU of at most the last hour as bars a minute, from 0 to 100 %; a short recording has wide ones. */
function spark(minutes) {
  if (!minutes?.length) return null;
  const wide = SPARK.width / Math.max(LEAST_BARS, Math.min(60, minutes.length));
  const bars = minutes.slice(-60).map((busy, i) => {
    if (busy === null) return null;
    const tall = Math.max(1, (Math.min(100, busy) / 100) * SPARK.height);
    return h("svg:rect", {
      x: (i * wide).toFixed(1),
      y: (SPARK.height - tall).toFixed(1),
      width: (wide * 0.85).toFixed(1),
      height: tall.toFixed(1),
    });
  });
  return h(
    "svg:svg",
    {
      class: "spark",
      width: SPARK.width,
      height: SPARK.height,
      viewBox: `0 0 ${SPARK.width} ${SPARK.height}`,
      preserveAspectRatio: "xMinYMid meet",
      role: "img",
      "aria-label": `CPU busy in the last hour of data, at most ${show(busiest({ spark: minutes }), "%")}`,
    },
    bars,
  );
}

if ($("#rows")) {
  $("#search").value = url.get("q");
  $("#search").addEventListener("input", (event) => url.set({ q: event.target.value || null }, { quiet: true }));
  for (const name of ["site", "sort"]) {
    const select = $(`#${name}`);
    if (!select) continue;
    select.value = url.get(name);
    select.addEventListener("change", () => url.set({ [name]: select.value || null }, { quiet: true }));
  }
  url.changed(draw);
  draw();
  runsOf().then(draw, () => {}); // where it fails, the next refresh says so
}
setInterval(refresh, REFRESH_MS);
onLooks();
