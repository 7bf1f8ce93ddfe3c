// A panel: title, menu, chart, and under it the legend with each series' figures, which is also what the cursor reads out.

import { draw, update } from "./chart.js";
import { $, base, h, token } from "./dom.js";
import { clock, show } from "./format.js";
import * as url from "./url.js";

const HEIGHT = 180;
// Between the cursor and the table beside it.
const ASIDE = 14;
const HEADS = ["last", "avg", "max", "P95"];

export class Panel {
  /**
   * `spec` is a panel of the frame; `device` the one it shows ("" for host-wide), or `devices` (a list) to show one series a device.
   * `name` tells it apart in the URL.
   */
  constructor(spec, { device = "", devices = null, title = spec.title, name = spec.id } = {}) {
    Object.assign(this, { spec, device, devices, title, name });
    this.chart = null;
    this.place = h("div", {
      class: "plot",
      role: "img",
      "aria-label": `${title}: chart of the range shown; its figures are in the table below`,
    });
    this.readout = h("div", { class: "tip", hidden: true });
    this.body = h("tbody");
    this.menu = h("ul");
    this.element = h(
      "section",
      { class: "panel", id: `panel-${name}` },
      h(
        "header",
        {},
        h("h2", {}, title, h("span", { class: "unit" }, unitOf(spec.unit))),
        h("details", { class: "menu" }, h("summary", { "aria-label": `${title}: more` }, "⋯"), this.menu),
      ),
      this.place,
      h(
        "table",
        { class: "legend" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, h("span", { class: "hidden" }, "Series")),
            HEADS.map((head) => h("th", { scope: "col" }, head)),
          ),
        ),
        this.body,
      ),
    );
  }

  /** The chart's input from an answer of the API and {metric: {device: figures}}. */
  input(answer, stats) {
    const table = answer.tables[this.spec.table];
    const hidden = new Set(url.get("hide").split(",").filter(Boolean));
    const metric = (column, device) => stats?.[`${this.spec.table}.${column}`]?.[device];
    const one = (device, { column, label, colour, line }, key) => {
      const values = table?.devices[device]?.[column] ?? {};
      const avg = values.avg ?? (table?.t ?? []).map(() => null);
      return {
        key,
        label,
        colour,
        line,
        avg,
        min: values.min,
        max: values.max,
        stats: metric(column, device),
        p95: metric(column, device)?.p95,
        hidden: hidden.has(key),
      };
    };
    const { series: wanted, stack } = this.spec;
    const named = (device) => this.names?.[device] ?? device;
    const lines = (device, i) =>
      wanted.length === 1
        ? [one(device, { ...wanted[0], label: named(device), colour: `c${(i % 6) + 1}` }, `${this.name}.${device}`)]
        : wanted.map((column) =>
            one(device, { ...column, label: `${named(device)}: ${column.label}` }, `${this.name}.${device}.${column.column}`),
          );
    const series = this.devices
      ? this.devices.flatMap(lines)
      : wanted.map((column) => one(this.device, column, `${this.name}.${column.column}`));
    if (this.spec.peak) this.addPeak(series, table, stats);
    if (this.spec.total)
      series.push({
        ...one(this.device, { column: this.spec.total, label: this.spec.totalLabel, colour: "muted", line: true }, `${this.name}.total`),
        dash: [2, 3],
        p95: null,
      });
    const period = answer.data.period_ms ?? 1000;
    return { t: table?.t ?? [], unit: this.spec.unit, top: this.spec.top, stack, series, step: widest(table, period) };
  }

  /** Over stacked shares: the busiest sample of each bucket, which an average hides. */
  addPeak(series, table, stats) {
    const idle = table?.devices[this.device]?.[this.spec.peak];
    const busy = stats?.["host.cpu_busy"]?.[""];
    if (!idle?.min) return;
    const peak = idle.min.map((v) => (v === null ? null : Math.max(0, Math.round((100 - v) * 1000) / 1000)));
    series.push({
      key: `${this.name}.peak`,
      label: "Not idle, peak",
      colour: "ink",
      line: true,
      avg: peak,
      peak: true,
      stats: null,
      p95: busy?.p95,
      hidden: new Set(url.get("hide").split(",")).has(`${this.name}.peak`),
    });
  }

  /** Take the width that the layout gives; before any panel is drawn, so that the browser lays the page out once. */
  measure() {
    this.width = this.place.clientWidth;
  }

  /** Draw or redraw. */
  show(answer, stats, view, on) {
    const input = this.input(answer, stats);
    const shape = JSON.stringify([input.series.map((s) => [s.key, s.hidden, Boolean(s.max)]), input.top, this.width]);
    if (this.chart && shape === this.shape) update(this.chart, input);
    else {
      this.chart?.destroy();
      this.chart = draw(this.place, input, view, { ...on, cursor: (u) => on.cursor(this, u) }, { width: this.width, height: HEIGHT });
      this.place.append(this.readout);
      this.shape = shape;
    }
    this.shown = input;
    this.view = view;
    this.empty(input, answer, view);
    this.legend();
  }

  empty(input, answer, view) {
    const none = !input.t.length || input.series.every((s) => s.avg.every((v) => v === null));
    $(".nothing", this.place)?.remove();
    if (none) this.place.append(h("p", { class: "nothing" }, this.spec.missing || "No data of this kind in this range."));
  }

  /** The legend's rows; figures of the sample under the cursor, else the newest. */
  legend(index = null) {
    const input = this.shown;
    const { t, series } = input;
    const at = index ?? t.length - 1;
    this.body.replaceChildren(
      ...series.map((one) => {
        const value = index === null ? one.avg.findLast((v) => v !== null) : one.avg[at];
        const figures = one.peak ? [null, Math.max(...one.avg), one.p95] : [one.stats?.avg, one.stats?.max, one.stats?.p95];
        return h(
          "tr",
          { class: one.hidden ? "off" : null },
          h(
            "th",
            { scope: "row" },
            h(
              "button",
              { type: "button", "aria-pressed": String(!one.hidden), colour: `var(--${one.colour})`, click: () => toggle(one.key) },
              h("i", { class: one.line ? "swatch line" : "swatch" }),
              one.label,
            ),
          ),
          [value, ...figures].map((figure) => h("td", {}, show(figure, input.unit))),
        );
      }),
    );
  }

  /** Move the floating table beside the cursor; null hides it. */
  tip(u, utc) {
    const index = u?.cursor.idx;
    if (u === null || index == null || u.cursor.left < 0) {
      this.readout.hidden = true;
      return;
    }
    const at = u.data[0][index];
    const i = this.shown.t.indexOf(at);
    if (i < 0) {
      this.readout.hidden = true;
      return;
    }
    const { series, unit, step } = this.shown;
    const time = step < 1000 ? at : Math.round(at / 1000) * 1000;
    const same = utc || new Date(at).getTimezoneOffset() === 0;
    this.readout.replaceChildren(
      h("b", {}, clock(time, utc), h("small", {}, same ? " UTC" : ` · ${clock(time, true)} UTC`)),
      h(
        "table",
        {},
        h(
          "tbody",
          {},
          series
            .filter((s) => !s.hidden)
            .map((s) =>
              h(
                "tr",
                { colour: `var(--${s.colour})` },
                h("th", {}, h("i", { class: "swatch" }), s.label),
                h("td", {}, show(s.avg[i], unit)),
                s.max ? h("td", { class: "range" }, `${show(s.min[i], unit)} … ${show(s.max[i], unit)}`) : null,
              ),
            ),
        ),
      ),
    );
    this.readout.hidden = false;
    const x = u.cursor.left + u.bbox.left / devicePixelRatio;
    const beside = x > this.width / 2 ? x - this.readout.offsetWidth - ASIDE : x + ASIDE;
    this.readout.style.left = `${Math.max(0, Math.min(beside, this.width - this.readout.offsetWidth))}px`;
  }

  /** What the menu leads to, for the window shown. */
  links(collector, from, to) {
    this.menu.replaceChildren(
      ...links(this.spec, this.devices ? null : this.device, collector, from, to),
      h("li", {}, h("button", { type: "button", click: () => this.png() }, "PNG")),
    );
  }

  /** Save the chart as an image, with its title and the page's ground colour. */
  png() {
    const plot = this.chart.ctx.canvas;
    const head = 28 * devicePixelRatio;
    const canvas = h("canvas", { width: plot.width, height: plot.height + head });
    const ctx = canvas.getContext("2d");
    ctx.fillStyle = token("panel");
    ctx.fillRect(0, 0, canvas.width, canvas.height);
    ctx.fillStyle = token("ink");
    ctx.font = `600 ${13 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.fillText(`${this.title} (${unitOf(this.spec.unit)})`, 8 * devicePixelRatio, 18 * devicePixelRatio);
    ctx.drawImage(plot, 0, head);
    canvas.toBlob((blob) => {
      const link = h("a", { href: URL.createObjectURL(blob), download: `${this.name}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }
}

/** Menu entries to the rows behind a chart, in Datasette's table and SQL pages and as CSV. */
export function links({ databaseTable, key, sql, series, table }, device, collector, from, to) {
  const rows = new URLSearchParams({ collector_id: collector, timestamp__gte: from, timestamp__lte: to });
  if (key && device) rows.set(key, device);
  const csv = new URLSearchParams(rows);
  for (const column of ["timestamp", ...(key ? [key] : []), ...series.map((s) => s.column)]) csv.append("_col", column);
  csv.set("_stream", "on");
  csv.set("_size", "max");
  const ask = new URLSearchParams({ sql, collector, from, to, ...(key ? { device: device || "%" } : {}) });
  return [
    h("li", {}, h("a", { href: `${base}/perfkit/${databaseTable}?${rows}` }, "Table")),
    h("li", {}, h("a", { href: `${base}/perfkit?${ask}` }, "SQL")),
    h("li", {}, h("a", { href: `${base}/perfkit/${databaseTable}.csv?${csv}`, download: `${table}.csv` }, "CSV")),
  ];
}

/** The unit as a title shows it: bytes are scaled, so their multiples are not named. */
export function unitOf(unit) {
  return { MiB: "bytes", KiB: "bytes", B: "bytes", "B/s": "bytes/s", "KiB/s": "bytes/s" }[unit] ?? unit;
}

/** Two samples further apart than this have a gap between them. */
function widest(table, period) {
  if (!table?.t.length) return period * 2.5;
  const steps = table.t
    .slice(1, 200)
    .map((t, i) => t - table.t[i])
    .sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] ?? period;
  return table.bucket_ms ? Math.max(table.bucket_ms, usual) * 1.5 : Math.max(usual, period) * 2.5;
}

/** Hide or show a series, here and for whoever gets the link. */
function toggle(key) {
  const hidden = new Set(url.get("hide").split(",").filter(Boolean));
  if (!hidden.delete(key)) hidden.add(key);
  url.set({ hide: [...hidden].join(",") || null }, { quiet: true });
}
