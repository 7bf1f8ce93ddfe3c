// A row a device and a colour a value over time: uPlot gives axes, cursor and zoom, the cells are painted in its draw hook.

import { atOnce, behind, framework, heightFor, over, scaleOf, select, timeAxis } from "./chart.js";
import { h, token } from "./dom.js";
import { clock, show, zone } from "./format.js";
import { shownTime } from "./panel.js";
import { links, picture } from "./save.js";

// From so many rows on it is as tall as two charts and what lies between them, and rows are no thinner than this.
const MANY = 24;
const BETWEEN = 60;
const ROW = 3;
const LABEL = 14;
const SHADES = 6;

export class Heatmap {
  /** `spec` draws 100 minus its first column, for each of `devices`; a click on a row calls `pick(device)`. */
  constructor(spec, devices, pick) {
    Object.assign(this, { spec, devices, pick, name: spec.id, title: spec.title });
    this.place = h("div", { class: "plot", role: "img", "aria-label": `${spec.title}: darker is busier; ${devices.length} rows` });
    this.menu = h("ul");
    this.readout = h("li", { class: "head" });
    this.element = h(
      "section",
      { class: devices.length > MANY ? "panel tall" : "panel", id: `panel-${spec.id}` },
      h(
        "header",
        {},
        h("h2", { title: spec.title }, spec.title),
        h("details", { class: "menu" }, h("summary", { "aria-label": `${spec.title}: more` }, "⋯"), this.menu),
      ),
      this.place,
      h("ul", { class: "legend" }, this.readout, h("li", {}, scale())),
    );
  }

  take(answer) {
    const table = answer.tables[this.spec.table];
    const column = this.spec.series[0].column;
    this.t = table.t;
    this.cells = this.devices.map((device) =>
      table.devices[device]?.[column]?.avg ?? [],
    );
    this.step = table.bucket_ms || answer.data.period_ms || 1000;
    this.shown = { t: this.t };
  }

  measure() {
    this.width = this.place.clientWidth;
    this.top = this.place.getBoundingClientRect().top;
  }

  /** Row labels are short; the charts' own labels say how wide the axes are. */
  gutter() {
    return 0;
  }

  paint(view, on) {
    this.view = view;
    this.head();
    if (!this.width) return;
    const shape = `${this.width} x ${this.tall()}`;
    if (this.chart && this.shape === shape) {
      this.chart.setData(this.data(), true);
      atOnce(this.chart);
      return;
    }
    this.shape = shape;
    this.chart?.destroy();
    this.place.replaceChildren();
    this.chart = this.draw(this.place, view, on, {
      width: this.width,
      height: this.tall(),
    });
    this.chart.over.addEventListener("click", () => this.device && this.pick?.(this.device));
  }

  tall() {
    const chart = heightFor(this.width);
    return this.devices.length > MANY ? Math.max(2 * chart + BETWEEN, this.devices.length * ROW) : chart;
  }

  data() {
    return [this.t, ...this.cells];
  }

  draw(place, view, on, size) {
    const rows = this.devices.length;
    const common = framework(view, { ...on, cursor: null }, size);
    const options = {
      ...common,
      cursor: { ...common.cursor, y: true, points: { show: false } },
      scales: { x: { time: true, range: () => [view.from, view.to] }, y: { range: () => [0, rows] } },
      axes: [timeAxis(view), this.rowAxis(view, size)],
      series: [{}, ...this.cells.map(() => ({ paths: () => null, points: { show: false } }))],
      hooks: {
        drawClear: [(u) => behind(u, view)],
        drawAxes: [(u) => this.cellsOn(u, view)],
        draw: [(u) => over(u, view, true)],
        setCursor: [(u) => on.cursor(this, u)],
        setSelect: [(u) => select(u, on)],
      },
    };
    return atOnce(new uPlot(options, this.data(), place));
  }

  rowAxis(view, size) {
    const scale = scaleOf(view);
    const every = Math.ceil((this.devices.length * LABEL * scale) / (size.height - 60 * scale));
    const rows = this.devices.map((device, i) => [this.devices.length - i - 0.5, device]).filter((_, i) => i % every === 0);
    return {
      stroke: () => token("muted"),
      font: `${11 * scale}px system-ui, sans-serif`,
      grid: { show: false },
      ticks: { show: false },
      size: () => view.gutter * scale,
      gap: 4 * scale,
      splits: () => rows.map(([at]) => at),
      values: () => rows.map(([, device]) => device),
    };
  }

  cellsOn(u, view) {
    const { ctx, bbox } = u;
    const tall = bbox.height / this.devices.length;
    const first = this.t.findIndex((t) => t + this.step >= view.from);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = token(this.spec.series[0].colour);
    for (let i = Math.max(0, first); i < this.t.length && this.t[i] <= view.to; i++) {
      const x = Math.floor(u.valToPos(this.t[i], "x", true));
      const wide = Math.max(1, Math.ceil(u.valToPos(this.t[i] + this.step, "x", true)) - x);
      this.cells.forEach((values, row) => {
        if (values[i] == null) return;
        const y = Math.round(bbox.top + row * tall);
        ctx.globalAlpha = 0.06 + (values[i] / 100) * 0.94;
        ctx.fillRect(x, y, wide, Math.max(1, Math.round(bbox.top + (row + 1) * tall) - y - (tall > 4 ? 1 : 0)));
      });
    }
    ctx.restore();
  }

  /** What is under the cursor; the mouse names a row, the cursor of another chart only the time. */
  read(u, utc) {
    const i = u.cursor.idx;
    this.device = null;
    if (i == null || u.cursor.left < 0) return this.head();
    const time = `at ${clock(shownTime(this.t[i], this.step), utc)} ${zone(this.t[i], utc)}`;
    const known = this.cells.map((values) => values[i]).filter((v) => v != null);
    if (!this.place.matches(":hover"))
      return this.head(known.length ? `${time}: ${show(Math.min(...known), "%")} … ${show(Math.max(...known), "%")}` : time);
    const row = Math.min(this.devices.length - 1, Math.max(0, Math.floor((u.cursor.top / u.over.clientHeight) * this.devices.length)));
    this.device = this.devices[row];
    this.head(`CPU ${this.device} ${time}: ${show(this.cells[row][i], "%")}`);
  }

  head(words = "") {
    this.readout.textContent = words || `% busy, one row per CPU${this.pick ? "; a click on one shows its states" : ""}`;
  }

  links(collector, from, to, machine) {
    this.menu.replaceChildren(
      ...links(this.spec, null, collector, from, to),
      h("li", {}, h("button", { type: "button", click: () => this.png(machine) }, "PNG")),
    );
  }

  png(machine) {
    const { view, width, name, title } = this;
    const on = { zoom() {}, unzoom() {}, cursor() {} };
    const drawing = (place, scaled, size) => this.draw(place, scaled, on, size);
    return picture({
      name,
      title,
      machine,
      head: "light 0 %, dark 100 % busy; one row per CPU",
      rows: [],
      view,
      size: { width, height: this.chart.height },
      drawing,
    });
  }
}

/** What the colours mean. */
export function scale(most = "100 %") {
  const cells = Array.from({ length: SHADES }, (_, i) => h("i", { class: `heat heat-${i}` }));
  return h("span", { class: "scale" }, "0", cells, most);
}
