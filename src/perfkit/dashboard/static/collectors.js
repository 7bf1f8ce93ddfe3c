// The list of collectors: live ones on top, refreshed while the page is looked at.

import { $, base, frame, h } from "./dom.js";
import { instant, show, span } from "./format.js";
import { onLooks } from "./redraw.js";
import { fetchJSON } from "./series.js";
import * as url from "./url.js";

const REFRESH_MS = 2000;
const SPARK = { width: 120, height: 20 };
const LEAST_BARS = 10;
const MOST_COMPARED = 6;

let list = frame.collectors;
let now = frame.now;
const chosen = new Set();

async function refresh() {
  if (document.hidden) return;
  try {
    const answer = await fetchJSON(`${base}/api/v1/collectors`);
    const before = list.length;
    const facts = new Map(list.map((row) => [row.id, row.facts]));
    list = answer.collectors.map((row) => ({ ...row, facts: facts.get(row.id) ?? [] }));
    now = answer.now;
    $("#problem").hidden = true;
    if (!before && list.length) location.reload();
    else if (before) draw();
  } catch (error) {
    $("#problem").textContent = `No connection to the server (${error.message}); trying again.`;
    $("#problem").hidden = false;
  }
}

const live = (row) => row.last_timestamp !== null && now - row.last_timestamp < Math.max(15000, 3 * (row.period_ms ?? 1000));

const ORDERS = {
  "": (a, b) => live(b) - live(a) || (b.last_timestamp ?? 0) - (a.last_timestamp ?? 0) || a.machinename.localeCompare(b.machinename),
  name: (a, b) => a.machinename.localeCompare(b.machinename, "en", { numeric: true }),
  busy: (a, b) => (b.latest?.busy ?? -1) - (a.latest?.busy ?? -1),
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
      : [h("tr", {}, h("td", { colspan: 11, class: "text muted" }, "No collector matches; clear the search to see all."))]),
  );
  if (focused) document.getElementById(focused)?.focus();
  const running = list.filter(live).length;
  $("#count").textContent =
    `${found.length === list.length ? "" : `${found.length} of `}${list.length} collector${list.length === 1 ? "" : "s"}, ${running} recording now; figures are each machine's newest`;
  $("#compare").href = `${base}/compare?${[...chosen].map((id) => `c=${id}`).join("&")}`;
  $("#compare").textContent = chosen.size ? `Compare ${chosen.size}` : "Compare…";
}

function row(one) {
  const on = live(one);
  const box = h("input", {
    type: "checkbox",
    id: `pick-${one.id}`,
    "aria-label": `Compare ${one.machinename}`,
    change: (event) => {
      if (event.target.checked && chosen.size < MOST_COMPARED) chosen.add(one.id);
      else chosen.delete(one.id);
      draw();
    },
  });
  box.checked = chosen.has(one.id);
  return h(
    "tr",
    {},
    h("td", {}, box),
    h(
      "th",
      { scope: "row", class: "text" },
      h("a", { title: one.machinename, href: `${base}/collectors/${one.id}`, id: `open-${one.id}` }, one.machinename),
      on ? h("span", { class: "live on" }, "LIVE") : null,
    ),
    h("td", { class: "text", title: one.sitename }, one.sitename),
    h("td", { class: "text muted" }, (one.facts ?? []).join(" · ")),
    h("td", { class: "text" }, spark(one.spark)),
    h("td", {}, show(one.latest?.busy, "%")),
    h("td", {}, show(one.latest?.memory, "%")),
    h("td", {}, show(one.latest?.disk, "B/s")),
    h("td", {}, show(one.latest?.network, "B/s")),
    h(
      "td",
      { class: one.coverage !== null && one.coverage < 99 ? "warn" : null },
      one.coverage === null ? "–" : `${Number(one.coverage.toFixed(1))} %`,
      one.gaps ? h("small", {}, ` ${one.gaps} gap${one.gaps === 1 ? "" : "s"}`) : null,
    ),
    h(
      "td",
      { title: one.last_timestamp ? instant(one.last_timestamp, true) + " UTC" : null },
      one.last_timestamp === null
        ? "no sample yet"
        : on
          ? `${span(Math.max(0, now - one.last_timestamp))} ago`
          : instant(one.last_timestamp, false),
    ),
  );
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
  const most = Math.max(...minutes.filter((v) => v !== null));
  return h(
    "svg:svg",
    {
      class: "spark",
      width: SPARK.width,
      height: SPARK.height,
      viewBox: `0 0 ${SPARK.width} ${SPARK.height}`,
      role: "img",
      "aria-label": `CPU busy in the last hour of data, at most ${show(most, "%")}`,
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
}
setInterval(refresh, REFRESH_MS);
onLooks();
