// What can be taken away from a chart: links to its rows, a CSV of its samples, an image.

import { RIGHT, scaleOf } from "./chart.js";
import { h, token } from "./dom.js";
import { csvOf, stretch } from "./format.js";
import { ask } from "./source.js";
import { link } from "./url.js";

// Samples that are fetched at once, for a CSV of any length.
const CHUNK = 20_000;
const LOAD_CHUNK = 5000;

// An image has as many pixels as a screen with two to a CSS pixel.
const IMAGE_SCALE = 2;
const IMAGE = { head: 44, row: 18, margin: 12, swatch: 10, foot: 12 };

/** Menu entries to the rows behind a chart in Datasette's table and SQL pages. */
export function links({ databaseTable, key, sql }, device, collector, from, to) {
  const rows = { collector_id: collector, timestamp__gte: from, timestamp__lte: to, ...(key && device ? { [key]: device } : {}) };
  const query = { sql, collector, from, to, ...(key ? { device: device || "%" } : {}) };
  return [
    h("li", {}, h("a", { href: link(`/perfkit/${databaseTable}`, { changes: rows }) }, "Table")),
    h("li", {}, h("a", { href: link("/perfkit", { changes: query }) }, "SQL")),
  ];
}

/**
 * Save every sample from `from` to `to` of the columns of `spec`, for each of `devices` ("" where there are none); `every` where those are all.
 * One timestamp, ISO 8601 in UTC; units in the head. `table` picks what is wanted from an answer, `collector` is the page's own if left out.
 */
export async function csv({
  name,
  spec,
  from,
  to,
  period,
  devices,
  every = false,
  table: pick = (answer) => answer.tables[spec.table],
  collector,
}) {
  const load = spec.table === "load"; // comes next to some metric, and at most so many points at once
  const metrics = load ? ["host.cpu_busy"] : spec.series.map((one) => `${spec.table}.${one.column}`);
  const asked = { collector, metrics, devices: every ? [] : devices.filter(Boolean) };
  const length = Math.max(1000, period) * (load ? LOAD_CHUNK : CHUNK);
  const columns = devices.flatMap((device) => spec.series.map(({ column }) => [device, column]));
  const head = columns.map(([device, column]) => `${device ? `${device}: ` : ""}${column}${spec.unit ? ` (${spec.unit})` : ""}`);
  const lines = [];
  for (let start = from; start <= to; start += length) {
    const query = { from: start, to: Math.min(to, start + length - 1), bucket: 0, ...(load ? { load: 1, points: LOAD_CHUNK } : {}) };
    const { t, devices: found } = pick(await ask("samples", { query: new URLSearchParams(query), ...asked }));
    const values = columns.map(([device, column]) => found[device]?.[column]?.avg);
    for (let i = 0; i < t.length; i++) lines.push([new Date(t[i]).toISOString(), ...values.map((list) => list?.[i])]);
  }
  save(new Blob([csvOf(["timestamp", ...head], lines)], { type: "text/csv;charset=utf-8" }), `${name}.csv`);
}

/**
 * Save a chart as a PNG that is understood without its page: title, machine, span with its zone, and the legend under it.
 * `drawing(place, view, size)` draws it anew in the size of the image; `rows` are [series, words], `head` says what their numbers are.
 */
export async function picture({ name, title, machine, head, rows, view, size, drawing }) {
  const scale = IMAGE_SCALE / devicePixelRatio;
  const place = h("div", { class: "offscreen" });
  document.body.append(place);
  const large = { width: Math.round(size.width * scale), height: Math.round(size.height * scale) };
  const chart = drawing(place, Object.assign(Object.create(view), { scale: scale * scaleOf(view) }), large);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); // uPlot paints in a task of its own
  const canvas = composed(chart.ctx.canvas, { title, machine, head, rows, view, width: size.width });
  chart.destroy();
  place.remove();
  canvas.toBlob((blob) => save(blob, `${name}.png`));
}

/** One canvas of heading, plot and legend; lengths in CSS pixels of a chart `width` wide. */
function composed(plot, { title, machine, head, rows, view, width }) {
  const one = plot.width / width;
  const lines = legendLines(head, rows, width);
  const canvas = h("canvas", { width: plot.width, height: plot.height + (IMAGE.head + lines.length * IMAGE.row + IMAGE.foot) * one });
  const ctx = canvas.getContext("2d");
  ctx.fillStyle = token("panel");
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(plot, 0, IMAGE.head * one);
  ctx.scale(one, one);
  ctx.textBaseline = "middle";
  ctx.fillStyle = token("ink");
  ctx.font = "600 14px system-ui, sans-serif";
  ctx.fillText(title, IMAGE.margin, 14);
  ctx.fillStyle = token("muted");
  ctx.font = "12px system-ui, sans-serif";
  const span = view.relative ? "from each start" : stretch(view.from, view.to, view.utc);
  ctx.fillText([machine, span].filter(Boolean).join(" · "), IMAGE.margin, 32, width - IMAGE.margin - RIGHT);
  lines.forEach((line, n) => {
    const y = IMAGE.head + plot.height / one + (n + 0.5) * IMAGE.row;
    for (const { x, colour, words } of line) {
      ctx.fillStyle = token(colour ?? "muted");
      if (colour) ctx.fillRect(x, y - IMAGE.swatch / 2, IMAGE.swatch, IMAGE.swatch);
      ctx.fillStyle = token(colour ? "ink" : "muted");
      ctx.fillText(words, colour ? x + IMAGE.swatch + 6 : x, y);
    }
  });
  return canvas;
}

/** The legend's entries in lines: [[{x, colour, words}]]. */
function legendLines(head, rows, width) {
  const measuring = document.createElement("canvas").getContext("2d");
  measuring.font = "12px system-ui, sans-serif";
  const lines = [[]];
  let x = IMAGE.margin;
  for (const { colour, words } of [{ words: head }, ...rows.map(([{ colour: of }, text]) => ({ colour: of, words: text }))]) {
    const long = measuring.measureText(words).width + (colour ? IMAGE.swatch + 6 : 0);
    if (x > IMAGE.margin && x + long > width - IMAGE.margin) {
      lines.push([]);
      x = IMAGE.margin;
    }
    lines.at(-1).push({ x, colour, words });
    x += long + 18;
  }
  return lines;
}

function save(blob, name) {
  const anchor = h("a", { href: URL.createObjectURL(blob), download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10000);
}
