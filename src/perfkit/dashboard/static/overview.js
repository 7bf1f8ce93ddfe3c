// The overview: tiles with the worst minutes, four summary charts, what was found and how well it was recorded.

import { $, base, frame, h } from "./dom.js";
import { digits, instant, moment, show, span, stretch } from "./format.js";
import * as limits from "./limits.js";
import { Panel } from "./panel.js";
import { fetchJSON } from "./series.js";
import * as url from "./url.js";
import { phasesOf, run } from "./view.js";

const TILES = [
  { id: "cpu", title: "CPU busy", unit: "%", metrics: ["host.cpu_busy"], now: (c) => busy(c) },
  { id: "memory", title: "Memory used", unit: "MiB", metrics: ["host.mem_used"], now: (c) => last(c.mem_used) },
  { id: "disk", title: "Disk", unit: "B/s", metrics: ["host.disk_read_bytes", "host.disk_write_bytes"], signs: ["read", "write"], now: (c) => [last(c.disk_read_bytes), last(c.disk_write_bytes)] },
  { id: "network", title: "Network", unit: "B/s", metrics: ["host.net_rx_bytes", "host.net_tx_bytes"], signs: ["in", "out"], now: (c) => [last(c.net_rx_bytes), last(c.net_tx_bytes)] },
];
const EVENTS_SHOWN = 12;
const FINDINGS_SHOWN = 8;
const CONTAINERS_SHOWN = 8;
const NOTHING = "Nothing was recorded in this range.";
// The steady parts that were asked for, by phase; and the figures that the findings shown belong to.
const proposals = new Map();
let judged = null;

const last = (column) => column?.avg.findLast((v) => v !== null) ?? null;
const busy = (c) => {
  const idle = last(c.cpu_idle);
  return idle === null ? null : Math.max(0, 100 - idle - (last(c.cpu_iowait) ?? 0));
};

window.perfkit = run({
  tables: $("#containers") ? ["host", "containers"] : ["host"],
  build: (answer) => {
    const runs = Object.keys(answer.tables.load.devices);
    const panels = [...frame.panels.map((spec) => new Panel(spec)), ...(runs.length ? frame.load.map((spec) => new Panel(spec, { devices: runs })) : [])];
    $("#panels").replaceChildren(...panels.map((p) => p.element));
    return panels;
  },
  after: (answer, stats, view, worst) => {
    const host = answer.tables.host.devices[""] ?? {};
    $("#tiles").replaceChildren(...TILES.map((tile) => draw(tile, host, stats, worst, view)));
    quality(answer, view);
    if (stats && $("#containers")) containers(stats);
    if (stats && stats !== judged) findings(stats, view, answer.tables.host.t.length > 0);
  },
});

function draw(tile, host, stats, worst, view) {
  const now = [tile.now(host)].flat();
  const figures = tile.metrics.map((metric) => stats?.[metric]?.[""]);
  const total = tile.id === "memory" ? last(host.mem_total) : null;
  const peak = worst?.find((row) => row.tile === tile.id);
  const row = (name, values, looks = null) => h("tr", { class: looks }, h("th", { scope: "row" }, name), values.map((v) => h("td", {}, show(v, tile.unit))));
  return h(
    "section",
    { class: "tile", id: `tile-${tile.id}` },
    h("h2", {}, tile.title, total ? h("small", {}, ` of ${show(total, tile.unit)}`) : null),
    h(
      "table",
      {},
      tile.signs ? h("thead", {}, h("tr", {}, h("td"), tile.signs.map((sign) => h("th", { scope: "col" }, sign)))) : null,
      h("tbody", {}, row("now", now, "now"), row("avg", figures.map((f) => f?.avg)), row("P95", figures.map((f) => f?.p95))),
    ),
    h("p", { class: "worst" }, peak ? h("a", { href: around(peak.minute), "data-local": true }, `worst minute ${moment(peak.minute, view).slice(0, -3)}: ${show(peak.value, tile.unit)}`) : h("small", {}, " ")),
  );
}

/** The containers that used most CPU. */
function containers(stats) {
  const cpu = stats["containers.cpu_percent"] ?? {};
  const memory = stats["containers.memory_current_bytes"] ?? {};
  const ids = Object.keys({ ...cpu, ...memory }).sort((a, b) => (cpu[b]?.avg ?? 0) - (cpu[a]?.avg ?? 0));
  const heads = ["CPU avg", "CPU P95", "Memory avg", "Memory max"];
  const query = url.windowQuery().toString();
  $("#containers").replaceChildren(
    ids.length
      ? h("table", { class: "figures" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Name"), heads.map((head) => h("th", { scope: "col" }, head)))), h("tbody", {}, ids.slice(0, CONTAINERS_SHOWN).map((id) => h("tr", {}, h("th", { scope: "row" }, h("a", { href: `${base}/collectors/${frame.collector}/containers/${encodeURIComponent(id)}${query ? `?${query}` : ""}` }, frame.names[id] ?? id)), [cpu[id]?.avg, cpu[id]?.p95].map((v) => h("td", {}, show(v, "%"))), [memory[id]?.avg, memory[id]?.max].map((v) => h("td", {}, show(v, "B")))))))
      : h("p", { class: "muted" }, "No container ran in this range."),
  );
}

/** The URL that shows the minute with two before and two after it. */
const around = (minute) => url.href({ from: minute - 120000, to: minute + 180000, range: null, phase: null });

/** Where limits were broken, in sentences: what, by how much, for how long, since when. */
async function findings(stats, view, recorded) {
  judged = stats;
  const answer = await fetchJSON(`${base}/api/v1/collectors/${frame.collector}/findings?${url.windowQuery()}&limits=${encodeURIComponent(limits.text())}`).catch((error) => ({ error: error.message, findings: [] }));
  const of = url.get("phase") ? `phase ${url.get("phase")}` : "this range";
  const sentence = ({ label, device, unit, rule, share, first, worst }) => [
    h("b", { class: share >= 10 ? "bad" : "warn" }, `${label}${device ? ` ${frame.names[device] ?? device}` : ""}`),
    ` ${rule === ">0" ? "not 0" : `${rule[0] === "<" ? "below" : "above"} ${show(Number(rule.slice(1)), unit)}`} for ${share < 0.1 ? "less than 0.1" : digits(share)} % of ${of}, from `,
    h("a", { href: around(first) }, moment(first, view)),
    `, ${rule[0] === "<" ? "lowest" : "highest"} ${show(worst, unit)}`,
  ];
  const more = answer.findings.length - FINDINGS_SHOWN;
  $("#findings").replaceChildren(
    ...answer.findings.slice(0, FINDINGS_SHOWN).map((one) => h("li", {}, sentence(one))),
    ...(more > 0 ? [h("li", {}, h("a", { href: `${base}/collectors/${frame.collector}/tables${location.search}` }, `${more} more in the tables`))] : []),
    ...(answer.error ? [h("li", {}, answer.error)] : answer.findings.length ? [] : [recorded ? h("li", { class: "ok" }, "✓ Nothing went beyond a limit in this range.") : h("li", { class: "muted" }, NOTHING)]),
  );
}

/** A proposal for the steady part of a phase, when asked for; applied by its link alone. */
async function steady(button, phase, view) {
  const { steady: found } = await fetchJSON(`${base}/api/v1/collectors/${frame.collector}/steady?phase=${encodeURIComponent(phase)}`);
  proposals.set(phase, found ? [" · ", h("a", { href: url.href({ from: found.since, to: found.until, phase: null, range: null }) }, `steady part ${stretch(found.since, found.until, view.utc)}`), ` (MSER-5, ${Math.round(found.kept_percent)} %)`] : [" · no steady part found"]);
  button.replaceWith(...proposals.get(phase));
}

const KINDS = { gap: "gap", reset: "counter reset", clock: "clock step", hotplug: "device came or went", late: "late samples" };

function quality(answer, view) {
  const place = $("#quality");
  const { events } = answer;
  const phases = phasesOf(answer.marks).filter(({ from, to }) => to > from);
  $("#phases").replaceChildren(
    ...phases.map(({ from, to, label }) => h("li", {}, h("a", { href: url.href({ phase: label, range: null, from: null, to: null }) }, label), ` ${stretch(from, to, view.utc)}`, proposals.get(label) ?? h("button", { type: "button", class: "link", click: (event) => steady(event.target, label, view) }, "steady part?"))),
    ...(phases.length ? [] : [h("li", { class: "muted" }, "No phase is marked here; ", h("code", {}, "perfkit mark"), " marks one while it records.")]),
  );
  place.replaceChildren(
    ...events.slice(-EVENTS_SHOWN).map((e) => h("li", {}, h("b", { class: e.kind === "gap" ? "warn" : "" }, KINDS[e.kind] ?? e.kind.replace(/_/g, " ")), e.subject ? ` ${e.subject}` : "", ` at ${instant(e.from_timestamp, view.utc)}`, e.to_timestamp > e.from_timestamp ? `, ${span(e.to_timestamp - e.from_timestamp)}` : "", e.missed ? `, ${e.missed} samples missed` : "", e.detail ? h("small", {}, ` ${e.detail}`) : null)),
    ...(events.length > EVENTS_SHOWN ? [h("li", {}, h("a", { href: `${base}/perfkit/quality_events?collector_id=${frame.collector}` }, `all ${events.length}`))] : []),
    ...(events.length ? [] : [answer.tables.host.t.length ? h("li", { class: "ok" }, "✓ No gap, no reset, no clock step in this range.") : h("li", { class: "muted" }, NOTHING)]),
  );
}
