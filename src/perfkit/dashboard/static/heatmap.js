// A row a device and a colour a value over time: uPlot gives axes, cursor and zoom, the cells are painted in its draw hook.

import { GUTTER, RIGHT, hatch } from "./annotations.js";
import { STEPS } from "./chart.js";
import { h, token } from "./dom.js";
import { clock, show, ticks } from "./format.js";
import { links } from "./panel.js";

const ROW = 14;
const LEAST = 80;
const SHADES = 6;

export class Heatmap {
  /** `spec` draws 100 minus its first column, for each of `devices`. */
  constructor(spec, devices) {
    Object.assign(this, { spec, devices, name: spec.id });
    this.place = h("div", { class: "plot low", role: "img", "aria-label": `${spec.title}: darker is busier; ${devices.length} rows` });
    this.height = Math.max(LEAST, Math.min(devices.length * ROW, 640)) + 44;
    this.readout = h("output", { class: "headline" });
    this.menu = h("ul");
    this.element = h(
      "section",
      { class: "panel wide", id: `panel-${spec.id}` },
      h(
        "header",
        {},
        h("h2", {}, spec.title, h("span", { class: "unit" }, "% of each core")),
        this.readout,
        scale(),
        h("details", { class: "menu" }, h("summary", { "aria-label": `${spec.title}: more` }, "⋯"), this.menu),
      ),
      this.place,
    );
  }

  measure() {
    this.width = this.place.clientWidth;
  }

  show(answer, stats, view, on) {
    const table = answer.tables[this.spec.table];
    const column = this.spec.series[0].column;
    this.t = table.t;
    this.cells = this.devices.map((device) =>
      (table.devices[device]?.[column]?.avg ?? []).map((idle) => (idle === null ? null : Math.max(0, 100 - idle))),
    );
    this.step = table.bucket_ms || answer.data.period_ms || 1000;
    this.view = view;
    this.shown = { t: this.t };
    if (this.chart && this.drawnWidth === this.width) {
      this.chart.setData(this.data(), true);
      return;
    }
    this.drawnWidth = this.width;
    this.chart?.destroy();
    this.place.replaceChildren();
    this.chart = new uPlot(this.options(on), this.data(), this.place);
  }

  data() {
    return [this.t, ...this.cells];
  }

  options(on) {
    const { view } = this;
    const rows = this.devices.length;
    return {
      width: this.width,
      height: this.height,
      ms: 1,
      tzDate: (ms) => (view.utc ? uPlot.tzDate(new Date(ms), "Etc/UTC") : new Date(ms)),
      legend: { show: false },
      padding: [4, RIGHT, 0, 0],
      cursor: {
        sync: { key: "page", setSeries: false },
        drag: { x: true, y: false, setScale: false, dist: 6 },
        points: { show: false },
        bind: { dblclick: () => () => on.unzoom() },
      },
      scales: { x: { time: true, range: () => [view.from, view.to] }, y: { range: () => [0, rows] } },
      axes: [
        {
          stroke: () => token("muted"),
          font: "11px system-ui, sans-serif",
          grid: { show: false },
          ticks: { stroke: () => token("line"), size: 4 },
          size: 36,
          space: 72,
          incrs: STEPS,
          values: (u, splits, a, s, step) => ticks(splits, step, view.utc),
        },
        {
          stroke: () => token("muted"),
          font: "11px system-ui, sans-serif",
          grid: { show: false },
          ticks: { show: false },
          size: GUTTER,
          splits: () => this.labels().map(([at]) => at),
          values: () => this.labels().map(([, name]) => name),
        },
      ],
      series: [{}, ...this.cells.map(() => ({ paths: () => null, points: { show: false } }))],
      hooks: {
        drawClear: [(u) => view.gaps.forEach(([from, to]) => hatch(u, from, to))],
        drawAxes: [(u) => this.paint(u)],
        setCursor: [(u) => this.read(u)],
        setSelect: [(u) => this.zoom(u, on)],
      },
    };
  }

  labels() {
    const every = Math.ceil(this.devices.length / 24);
    return this.devices.map((device, i) => [this.devices.length - i - 0.5, device]).filter((_, i) => i % every === 0);
  }

  paint(u) {
    const { ctx, bbox } = u;
    const colour = token(this.spec.series[0].colour);
    const tall = bbox.height / this.devices.length;
    const start = Math.max(
      0,
      this.t.findIndex((t) => t + this.step >= this.view.from),
    );
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = colour;
    for (let i = start; i < this.t.length && this.t[i] <= this.view.to; i++) {
      const x = Math.floor(u.valToPos(this.t[i], "x", true));
      const wide = Math.max(1, Math.ceil(u.valToPos(this.t[i] + this.step, "x", true)) - x);
      this.cells.forEach((values, row) => {
        if (values[i] == null) return;
        ctx.globalAlpha = 0.06 + (values[i] / 100) * 0.94;
        ctx.fillRect(x, Math.round(bbox.top + row * tall), wide, Math.max(1, Math.round(tall) - 1));
      });
    }
    ctx.restore();
  }

  read(u) {
    const i = u.cursor.idx;
    const row = Math.floor((u.cursor.top / u.over.clientHeight) * this.devices.length);
    const value = this.cells[row]?.[i];
    this.readout.textContent =
      i == null || value === undefined || u.cursor.left < 0
        ? ""
        : `core ${this.devices[row]} at ${clock(this.t[i], this.view.utc)}: ${show(value, "%")}`;
  }

  zoom(u, on) {
    const { left, width } = u.select;
    if (width < 2) return;
    const from = Math.round(u.posToVal(left, "x"));
    const to = Math.round(u.posToVal(left + width, "x"));
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    on.zoom(from, to);
  }

  links(collector, from, to) {
    this.menu.replaceChildren(...links(this.spec, null, collector, from, to));
  }
}

/** What the colours mean. */
function scale() {
  const cells = Array.from({ length: SHADES }, (_, i) => h("i", { class: `heat heat-${i}` }));
  return h("span", { class: "scale" }, "0", cells, "100 %");
}
