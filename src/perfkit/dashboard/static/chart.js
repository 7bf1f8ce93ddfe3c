// One uPlot chart: its configuration. Charting itself is uPlot's; what is drawn behind and over the lines is in annotations.js.

import { GUTTER, RIGHT, behind, headroom, over } from "./annotations.js";
import { shade, token } from "./dom.js";
import { digits, scaled, short, spans, ticks } from "./format.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
// Steps of a time axis; uPlot's own leap from 1 to 5 minutes and from 1 to 2 hours.
export const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 4, 6, 8, 12].map((n) => n * HOUR),
  ...[1, 2, 3, 7, 14, 28, 56, 112, 365].map((n) => n * DAY),
];
const SYNC = uPlot.sync("page");

/**
 * Draw `input` into `place`.
 * input: {t, unit, top, stack, series: [{key, label, colour, avg, min, max, hidden, p95, line}], step}
 * view: {from, to, utc, p95, gaps: [[from, to]], resets: [t], bands: [{from, to, label}]}; shared by all charts of the page and read at each draw.
 * on: {zoom(from, to), unzoom(), cursor(index)}; size: {width, height} in CSS pixels.
 */
export function draw(place, input, view, on, size) {
  const drawn = columns(input);
  const options = {
    ...size,
    ms: 1,
    tzDate: (ms) => (view.utc || view.relative ? uPlot.tzDate(new Date(ms), "Etc/UTC") : new Date(ms)),
    legend: { show: false },
    padding: [(u) => headroom(u, view), RIGHT, 0, 0],
    focus: { alpha: 1 },
    cursor: {
      sync: { key: SYNC.key, setSeries: false },
      drag: { x: true, y: false, setScale: false, dist: 6 },
      points: { size: 5 },
      y: false,
      bind: { dblclick: () => () => on.unzoom() },
    },
    scales: {
      x: { time: true, range: () => [view.from, view.to] },
      y: { range: (u, __, most) => [0, input.top ?? (Math.max(most, ...(view.p95 ? p95s(u.input ?? input) : [])) * 1.05 || 1)] },
    },
    axes: [timeAxis(view), valueAxis(input)],
    series: [{}, ...drawn.series],
    bands: drawn.bands,
    hooks: {
      drawClear: [(u) => behind(u, view)],
      draw: [(u) => over(u, u.input ?? input, view)],
      setSelect: [(u) => select(u, on)],
      setCursor: [(u) => on.cursor(u)],
    },
  };
  place.replaceChildren();
  const chart = new uPlot(options, drawn.data, place);
  chart.input = input;
  return chart;
}

/** Give `chart` new data of the same series. */
export function update(chart, input) {
  chart.input = input;
  chart.setData(columns(input).data, true);
}

/** uPlot's data, series and bands: min-max bands first, so that they lie behind; stacked series as running sums. */
function columns(input) {
  const shown = input.series.filter((one) => !one.hidden);
  const { t, gap } = withGaps(input);
  const data = [t];
  const series = [];
  const bands = [];
  const add = (values, options) => {
    data.push(gap(values));
    series.push({ spanGaps: false, points: { show: false }, ...options });
    return data.length - 1;
  };
  const line = (one, extra) => ({ label: one.label, stroke: () => token(one.colour), width: 1.5, points: { show: dots }, ...extra });
  if (input.stack) {
    let below = null;
    for (const one of shown.filter((s) => !s.line)) {
      const sum = below ? one.avg.map((v, i) => (v === null ? below[i] : (below[i] ?? 0) + v)) : one.avg;
      const index = add(sum, line(one, { width: 1, fill: below ? undefined : () => shade(one.colour, "b0") }));
      if (below) bands.push({ series: [index, index - 1], fill: () => shade(one.colour, "b0") });
      below = sum;
    }
  } else {
    for (const one of shown.filter((s) => s.max && !s.line)) {
      // The upper edge is a line of its own: the band of a lone second is too narrow to be seen.
      const top = add(one.max, { stroke: () => shade(one.colour, "90"), width: 1, label: `${one.label} max` });
      const foot = add(one.min, { stroke: "transparent", width: 0, label: `${one.label} min` });
      bands.push({ series: [top, foot], fill: () => shade(one.colour, "38") });
    }
    for (const one of shown.filter((s) => !s.line)) add(one.avg, line(one));
  }
  for (const one of shown.filter((s) => s.line)) add(one.avg, line(one, { width: 1, dash: one.dash }));
  return { data, series, bands };
}

/** Lone samples, which make no line, are dots. */
function dots(u, index, first, last) {
  const values = u.data[index];
  const lone = [];
  for (let i = first; i <= last; i++) if (values[i] != null && values[i - 1] == null && values[i + 1] == null) lone.push(i);
  return lone.length ? lone : false;
}

/** The times with an empty one inside every gap, and the function that does the same to values. */
function withGaps({ t, step }) {
  const cuts = [];
  for (let i = 1; i < t.length; i++) if (t[i] - t[i - 1] > step) cuts.push(i);
  if (!cuts.length) return { t, gap: (values) => values };
  const insert = (list, fill) => {
    const out = [];
    let from = 0;
    for (const cut of cuts) {
      out.push(...list.slice(from, cut), fill(cut));
      from = cut;
    }
    return out.concat(list.slice(from));
  };
  return { t: insert(t, (cut) => (t[cut - 1] + t[cut]) / 2), gap: (values) => insert(values, () => null) };
}

const p95s = (input) => input.series.filter((one) => !one.hidden && one.p95 != null && !one.line).map((one) => one.p95);

function timeAxis(view) {
  return {
    stroke: () => token("muted"),
    font: "11px system-ui, sans-serif",
    grid: { show: false },
    ticks: { stroke: () => token("line"), width: 1, size: 4 },
    size: (u, labels) => (labels?.some((label) => label.includes("\n")) ? 36 : 24), // the day has a line of its own
    space: 72,
    incrs: STEPS,
    values: (u, splits, axis, space, step) => (view.relative ? spans(splits) : ticks(splits, step, view.utc)),
  };
}

function valueAxis(input) {
  return {
    stroke: () => token("muted"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: () => token("line"), width: 1 },
    ticks: { show: false },
    size: GUTTER,
    gap: 4,
    splits: input.top ? undefined : (u, axis, least, most) => even(most, input.unit),
    space: 30,
    values: (u, splits) => {
      const most = splits.at(-1);
      return splits.map((value, i) => {
        const [number, unit] = scaled(value, input.unit, most);
        return i === splits.length - 1 || splits.length < 3 ? `${digits(number)} ${short(unit)}` : digits(number);
      });
    },
  };
}

/** At most five round ticks from 0: powers of two for bytes, of ten for the rest. */
function even(most, unit) {
  const factor = scaled(1, unit, most)[0];
  const rough = (most * factor) / 4;
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = ([1, 2, 2.5, 5, 10].find((n) => n * power >= rough) * power) / factor;
  const found = [];
  for (let value = 0; value <= most * 1.0001; value += step) found.push(value);
  return found;
}

function select(u, on) {
  const { left, width } = u.select;
  if (width < 2) return;
  const from = Math.round(u.posToVal(left, "x"));
  const to = Math.round(u.posToVal(left + width, "x"));
  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  on.zoom(from, to);
}
