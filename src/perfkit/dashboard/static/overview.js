// The overview: tiles with the worst minutes, four summary charts, and the notes below them.

import { $, frame, h } from "./dom.js";
import { moment, show } from "./format.js";
import { around, containers, findings, phases, quality } from "./notes.js";
import { Panel } from "./panel.js";
import { run } from "./view.js";

const TILES = [
  { id: "cpu", title: "CPU busy", unit: "%", metrics: ["host.cpu_busy"], now: (c) => busy(c) },
  { id: "memory", title: "Memory used", unit: "MiB", metrics: ["host.mem_used"], now: (c) => last(c.mem_used) },
  {
    id: "disk",
    title: "Disk",
    unit: "B/s",
    metrics: ["host.disk_read_bytes", "host.disk_write_bytes"],
    signs: ["read", "write"],
    now: (c) => [last(c.disk_read_bytes), last(c.disk_write_bytes)],
  },
  {
    id: "network",
    title: "Network",
    unit: "B/s",
    metrics: ["host.net_rx_bytes", "host.net_tx_bytes"],
    signs: ["in", "out"],
    now: (c) => [last(c.net_rx_bytes), last(c.net_tx_bytes)],
  },
];

// The figures that the findings shown belong to.
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
    const panels = [
      ...frame.panels.map((spec) => new Panel(spec)),
      ...(runs.length ? frame.load.map((spec) => new Panel(spec, { devices: runs })) : []),
    ];
    $("#panels").replaceChildren(...panels.map((p) => p.element));
    return panels;
  },
  after: (answer, stats, view, worst) => {
    const host = answer.tables.host.devices[""] ?? {};
    $("#tiles").replaceChildren(...TILES.map((tile) => draw(tile, host, stats, worst, view)));
    phases(answer, view);
    quality(answer, view);
    if (stats && $("#containers")) containers(stats);
    if (stats && stats !== judged) {
      judged = stats;
      findings(answer, view);
    }
  },
});

function draw(tile, host, stats, worst, view) {
  const now = [tile.now(host)].flat();
  const figures = tile.metrics.map((metric) => stats?.[metric]?.[""]);
  const total = tile.id === "memory" ? last(host.mem_total) : null;
  const peak = worst?.find((row) => row.tile === tile.id);
  const row = (name, values, looks = null) =>
    h(
      "tr",
      { class: looks },
      h("th", { scope: "row" }, name),
      values.map((v) => h("td", {}, show(v, tile.unit))),
    );
  return h(
    "section",
    { class: "tile", id: `tile-${tile.id}` },
    h("h2", {}, tile.title, total ? h("small", {}, ` of ${show(total, tile.unit)}`) : null),
    h(
      "table",
      {},
      tile.signs
        ? h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("td"),
              tile.signs.map((sign) => h("th", { scope: "col" }, sign)),
            ),
          )
        : null,
      h(
        "tbody",
        {},
        row("now", now, "now"),
        row(
          "avg",
          figures.map((f) => f?.avg),
        ),
        row(
          "P95",
          figures.map((f) => f?.p95),
        ),
      ),
    ),
    h(
      "p",
      { class: "worst" },
      peak
        ? h("a", { href: around(peak.minute) }, `worst minute ${moment(peak.minute, view).slice(0, -3)}: ${show(peak.value, tile.unit)}`)
        : h("small", {}, " "),
    ),
  );
}
