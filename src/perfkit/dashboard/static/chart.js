// One uPlot chart: its axes and its data, and what is drawn behind and over its lines: phases with their names, gaps, pauses between
// recordings, resets. Charting itself is uPlot's.
//
// view: {from, to, utc, relative, p95, gaps: [[from, to]], pauses: [[from, to]], resets: [t], bands: [{from, to, label}], gutter, scale}; shared
// by all charts of the page and read at each draw. A band without length is a point. `gutter` is the width of the value axes of the page, so
// that its time axes line up; `scale` enlarges a chart that becomes an image.

import { token } from "./dom.js";
import { digits, prefixes, scaled, show, span, spans, ticks, withUnit } from "./format.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
// Steps of a time axis; uPlot's own leap from 1 to 5 minutes and from 1 to 2 hours.
const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 4, 6, 8, 12].map((n) => n * HOUR),
  ...[1, 2, 3, 7, 14, 28, 56, 112, 365].map((n) => n * DAY),
];
// A chart's height by its width: the plot is the most of it, on a phone too.
const TALL = { paper: 176, least: 200, phone: 420, third: 560, low: 224, usual: 240, most: 300, share: 0.35 };
// Between two labels of the time axis, in pixels.
const LABEL_EVERY = 72;
// The least that a value axis takes, what lies around its labels, and its tallest label's share of the plot.
const GUTTER = { least: 40, around: 10 };
const LABEL_TALL = 30;
const AXIS_TALL = 24;
// From this factor between the largest values of its series on, an axis that may be logarithmic is.
const MAGNITUDES = 1000;
const SYNC = uPlot.sync("page");

const measuring = document.createElement("canvas").getContext("2d");
// Room at the right of the plot for half the last time.
export const RIGHT = 28;
const TOP = 7;
const LABEL = { row: 13, rows: 2, gap: 8, characters: 24 };
const HATCH = 6;
// A gap narrower than this is a tick.
const NARROW = 6;

/**
 * Draw `input` into `place`.
 * input: {t, unit, top, stack, log, step, series: [{key, label, colour, avg, min, max, hidden, p95, line, rest, faint, bold, dash}]}. `log` allows a
 * logarithmic axis; `faint` is one of several runs, `bold` their mean; `line` is a line over a stack, `rest` what stands for all series that are not drawn: a band from smallest to largest.
 * on: {zoom(from, to), unzoom(), cursor(chart)}; size: {width, height} in CSS pixels.
 */
export function draw(place, input, view, on, size) {
  const drawn = columns(input);
  const magnitude = magnitudeOf(input);
  const options = {
    ...framework(view, on, size),
    scales: {
      x: { time: true, range: () => [view.from, view.to] },
      y: {
        ...(magnitude ? { distr: 4, asinh: magnitude } : {}),
        range: (u, __, most) => [0, input.top ?? ceiling(most, u.input ?? input, view)],
      },
    },
    axes: [timeAxis(view), valueAxis(input, view, magnitude)],
    series: [{}, ...drawn.series],
    bands: drawn.bands,
    hooks: {
      drawClear: [(u) => behind(u, view)],
      draw: [
        (u) => {
          over(u, view, input.stack);
          if (view.p95) dashes(u, u.input ?? input, view);
        },
      ],
      setSelect: [(u) => select(u, on)],
      setCursor: [(u) => on.cursor(u)],
    },
  };
  place.replaceChildren();
  const chart = new uPlot(options, drawn.data, place);
  chart.input = input;
  return atOnce(chart);
}

/** Give `chart` new data of the same series. */
export function update(chart, input) {
  chart.input = input;
  chart.setData(columns(input).data, true);
  atOnce(chart);
}

const printing = () => document.documentElement.classList.contains("printing");

/** The chart; one for paper is drawn now: uPlot draws in a microtask, and Firefox copies the page for its printer before it runs one. */
export function atOnce(chart) {
  if (printing()) chart.batch(() => {});
  return chart;
}

/** How tall a chart of this width is. */
export function heightFor(width) {
  if (printing()) return TALL.paper;
  if (width < TALL.third) return width < TALL.phone ? TALL.least : TALL.low;
  return Math.round(Math.min(TALL.most, Math.max(TALL.usual, width * TALL.share)));
}

/** What every picture over the page's time axis has in common: size, zone, cursor, zoom. */
export function framework(view, on, size) {
  return {
    ...size,
    ms: 1,
    tzDate: (ms) => (view.utc || view.relative ? uPlot.tzDate(new Date(ms), "Etc/UTC") : new Date(ms)),
    legend: { show: false },
    padding: [(u) => headroom(u, view), RIGHT * scaleOf(view), 0, 0],
    focus: { alpha: 1 },
    cursor: {
      sync: { key: SYNC.key, setSeries: false },
      drag: { x: true, y: false, setScale: false, dist: 6 },
      points: { size: 5 },
      y: false,
      bind: { dblclick: () => () => on.unzoom() },
    },
  };
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
  const wide = (width) => width * (input.scale ?? 1);
  const line = (one, extra) => ({ label: one.label, stroke: () => token(one.colour), width: wide(one.bold ? 2.5 : one.faint ? 0.75 : 1.5), dash: one.dash, points: { show: dots }, ...extra });
  const band = (one, edge, fill) => {
    // The upper edge is a line of its own: the band of a lone second is too narrow to be seen.
    const top = add(one.max, { stroke: () => token(one.colour, edge), width: wide(1), label: `${one.label} max` });
    const floor = add(one.min, { stroke: "transparent", width: 0, label: `${one.label} min` });
    bands.push({ series: [top, floor], fill: () => token(one.colour, fill) });
  };
  if (input.stack) {
    let below = null;
    for (const one of shown.filter((s) => !s.line)) {
      const sum = below ? one.avg.map((v, i) => (v === null ? below[i] : (below[i] ?? 0) + v)) : one.avg;
      const index = add(sum, line(one, { width: wide(1), fill: below ? undefined : () => token(one.colour, 0.7) }));
      if (below) bands.push({ series: [index, index - 1], fill: () => token(one.colour, 0.7) });
      below = sum;
    }
  } else {
    for (const one of shown.filter((s) => s.rest)) band(one, 0.5, 0.3);
    for (const one of shown.filter((s) => s.max && !s.line && !s.rest)) band(one, 0.56, 0.22);
    for (const one of shown.filter((s) => !s.line && !s.rest)) add(one.avg, line(one));
  }
  // Of many peaks the stack under them must be seen.
  for (const one of shown.filter((s) => s.line)) add(one.avg, line(one, { width: wide(1), stroke: () => token(one.colour, one.level ? 1 : 0.6) }));
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

const largest = (values) => (values ?? []).reduce((most, v) => (v !== null && v > most ? v : most), 0);

/** The largest value of a series that is drawn. */
export const mostOf = (one) => Math.max(largest(one.avg), largest(one.max));

const p95s = (input) => input.series.filter((one) => !one.hidden && one.p95 != null && !one.line).map((one) => one.p95);

/** The upper end of the axis over data whose largest value is `most`. */
function ceiling(most, input, view) {
  return Math.max(most, ...(view.p95 && !input.stack ? p95s(input) : [])) * 1.05 || 1;
}

/** Where a logarithmic axis begins to be one: below the largest value of the smallest series; 0 where one linear axis shows them all. */
export function magnitudeOf(input) {
  if (!input.log) return 0;
  const found = input.series
    .filter((one) => !one.hidden && !one.line)
    .map(mostOf)
    .filter((most) => most > 0);
  if (found.length < 2 || Math.max(...found) < MAGNITUDES * Math.min(...found)) return 0;
  return 10 ** Math.floor(Math.log10(Math.min(...found)));
}

/** A time axis with at least two labels in any width. */
export function timeAxis(view) {
  const scale = scaleOf(view);
  return {
    stroke: () => token("muted"),
    font: `${11 * scale}px system-ui, sans-serif`,
    grid: { show: false },
    ticks: { stroke: () => token("line"), width: scale, size: 4 * scale },
    size: AXIS_TALL * scale,
    gap: 4 * scale,
    space: (u, axis, from, to, wide) => {
      const every = LABEL_EVERY * scale;
      const usual = STEPS.find((step) => (step / (to - from)) * wide >= every) ?? STEPS.at(-1);
      const twice = STEPS.findLast((step) => step <= (to - from) / 2) ?? STEPS[0];
      return usual <= twice ? every : ((twice / (to - from)) * wide) / 1.0001;
    },
    incrs: STEPS,
    values: (u, splits, axis, space, step) => (view.relative ? spans(splits) : ticks(splits, step, view.utc)),
  };
}

function valueAxis(input, view, magnitude) {
  const scale = scaleOf(view);
  const splits = (most) => (magnitude ? powers(magnitude, most, input.unit) : even(most, input.unit));
  return {
    stroke: () => token("muted"),
    font: `${11 * scale}px system-ui, sans-serif`,
    grid: { stroke: () => token("line"), width: scale },
    ticks: { show: false },
    size: (u, values) => Math.max(view.gutter, gutterFor(values ?? [])) * scale,
    gap: 4 * scale,
    splits: input.top ? undefined : (u, axis, least, most) => splits(most),
    space: LABEL_TALL * scale,
    filter: (u, found) => found, // uPlot's own leaves labels of a logarithmic axis out
    values: (u, found) => valueLabels(found, input.unit, magnitude),
  };
}

/** The width of a value axis with these labels, in CSS pixels. */
function gutterFor(values) {
  measuring.font = "11px system-ui, sans-serif";
  return Math.ceil(Math.max(GUTTER.least, ...values.map((text) => measuring.measureText(text ?? "").width + GUTTER.around)));
}

/** The width that `input` needs for its value axis, before it is drawn. */
export function gutterOf(input, view) {
  if (input.top) return gutterFor(valueLabels([0, 25, 50, 75, input.top], input.unit));
  const stacked = input.stack ? sums(input) : [];
  const lines = input.series.filter((one) => !one.hidden && (!input.stack || one.line));
  const most = ceiling(Math.max(0, ...stacked, ...lines.map(mostOf)), input, view);
  const magnitude = magnitudeOf(input);
  return gutterFor(valueLabels(magnitude ? powers(magnitude, most, input.unit) : even(most, input.unit), input.unit, magnitude));
}

/** The largest height of a stack, as a list of one. */
function sums({ series }) {
  const stacked = series.filter((one) => !one.hidden && !one.line);
  return stacked.length ? [largest(stacked[0].avg.map((_, i) => stacked.reduce((sum, one) => sum + (one.avg[i] ?? 0), 0)))] : [];
}

/** The labels of a value axis: one prefix for all and the unit with the uppermost; a logarithmic one has a unit with each. */
function valueLabels(values, unit, magnitude = 0) {
  if (magnitude) return values.map((value) => (value ? show(value, unit) : "0"));
  const most = values.at(-1) ?? 0;
  return values.map((value, i) => {
    const [number, prefixed] = scaled(value, unit, most);
    return i === values.length - 1 ? withUnit(number, prefixed) : digits(number);
  });
}

/** At most five round ticks from 0, in the unit and prefix that are shown; whole numbers as long as they are small. */
function even(most, unit) {
  const factor = scaled(1, unit, most)[0];
  const rough = (most * factor) / 4;
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = ([1, 2, power === 1 ? 3 : 2.5, 5, 10].find((n) => n * power >= rough) * power) / factor;
  const found = [];
  for (let value = 0; value <= most * 1.0001; value += step) found.push(value);
  return found;
}

/** 0, and 1, 10 and 100 of every prefix of the unit, from `least` to `most`; every second or third of many. */
function powers(least, most, unit) {
  const found = [];
  const { one, next } = prefixes(unit);
  for (let prefix = one; prefix <= most; prefix *= next)
    for (const n of [1, 10, 100]) if (prefix * n >= least && prefix * n <= most) found.push(prefix * n);
  const every = Math.ceil(found.length / 4);
  return [0, ...found.filter((_, i) => (found.length - 1 - i) % every === 0)];
}

/** The 95th percentiles as dashed lines; a stack has none, but for the line over it. */
function dashes(u, input, view) {
  const { ctx, bbox } = u;
  const one = devicePixelRatio * scaleOf(view);
  ctx.save();
  ctx.lineWidth = one;
  ctx.setLineDash([4 * one, 4 * one]);
  for (const { p95, colour } of input.series.filter((s) => !s.hidden && s.p95 != null && (!input.stack || s.line))) {
    const y = Math.round(u.valToPos(p95, "y", true));
    ctx.strokeStyle = token(colour);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

/** Zoom to what was dragged over. */
export function select(u, on) {
  const { left, width } = u.select;
  if (width < 2) return;
  const from = Math.round(u.posToVal(left, "x"));
  const to = Math.round(u.posToVal(left + width, "x"));
  u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  on.zoom(from, to);
}

export const scaleOf = (view) => view.scale ?? 1;

/** How many of the canvas' pixels a length of 1 in the page's is. */
const pixel = (view) => devicePixelRatio * scaleOf(view);

const font = (view) => `${11 * pixel(view)}px system-ui, sans-serif`;

/** Room above the plot: for as many rows of names as it has. */
export const headroom = (u, view) => (TOP + LABEL.row * (1 + Math.max(-1, ...labels(u, view).map(({ row }) => row)))) * scaleOf(view);

/** Phases as a tint, what was not recorded as hatching: under the lines. */
export function behind(u, view) {
  within(u, () => {
    for (const one of view.bands) tint(u, one);
    for (const [from, to] of view.gaps) hatch(u, view, from, to);
    for (const [from, to] of view.pauses) blank(u, view, from, to);
  });
}

/** The same over the lines: the edges and names of phases, how long gaps are, resets. `tinted` where areas hide the tint behind them. */
export function over(u, view, tinted = false) {
  const { ctx, bbox } = u;
  const one = pixel(view);
  within(u, () => {
    for (const band of view.bands) {
      if (tinted) tint(u, band);
      edges(u, view, band);
    }
    for (const [from, to] of view.gaps) words(u, view, [from, to], [`no data ${span(to - from)}`, span(to - from)]);
    for (const [from, to] of view.pauses) words(u, view, [from, to], [`between recordings ${span(to - from)}`, `pause ${span(to - from)}`]);
    for (const [from, to] of view.gaps) tick(u, view, from, to);
    ctx.fillStyle = token("bad");
    for (const t of view.resets) ctx.fillRect(u.valToPos(t, "x", true), bbox.top + bbox.height - 8 * one, 2 * one, 8 * one);
  });
  ctx.save();
  names(u, view);
  ctx.restore();
}

function within(u, paint) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint();
  ctx.restore();
}

/** Left edge and width of a stretch on the canvas. */
function across(u, from, to) {
  const x = u.valToPos(from, "x", true);
  return [x, u.valToPos(to, "x", true) - x];
}

/** The tint of a phase. What is all of it needs none: its name says so. */
function tint(u, { from, to }) {
  if (from <= u.scales.x.min && to >= u.scales.x.max) return;
  const [x, wide] = across(u, from, to);
  u.ctx.fillStyle = token("mark", 0.08);
  u.ctx.fillRect(x, u.bbox.top, wide, u.bbox.height);
}

function edges(u, view, { from, to }) {
  const { ctx, bbox } = u;
  const [x, wide] = across(u, from, to);
  ctx.fillStyle = token("mark", 0.7);
  ctx.fillRect(Math.round(x), bbox.top, pixel(view), bbox.height);
  if (to > from) ctx.fillRect(Math.round(x + wide) - pixel(view), bbox.top, pixel(view), bbox.height);
}

/**
 * Where the names stand above the plot, [{text, x, row, from, to}] in the page's pixels: at the edge of what is seen of the phase, in a
 * second row what collides, left out what still does: runs come before their phases, and these before points.
 */
function labels(u, view) {
  const plot = u.width / scaleOf(view) - view.gutter - RIGHT;
  const rows = Array.from({ length: LABEL.rows }, () => []);
  const at = (t) => view.gutter + Math.min(1, Math.max(0, (t - view.from) / (view.to - view.from))) * plot;
  u.ctx.font = font(view);
  return [...view.bands]
    .filter(({ from, to }) => to >= view.from && from <= view.to)
    .sort((a, b) => a.level - b.level || a.from - b.from)
    .flatMap(({ from, to, short }) => {
      const text = short.length > LABEL.characters ? `${short.slice(0, LABEL.characters)}…` : short;
      const long = u.ctx.measureText(text).width / pixel(view);
      // What begins near the right end is written before it.
      const x = Math.max(view.gutter, Math.min(at(from), view.gutter + plot + RIGHT - long));
      const row = rows.findIndex((taken) => taken.every(([start, end]) => end + LABEL.gap <= x || x + long + LABEL.gap <= start));
      if (row < 0) return [];
      rows[row].push([x, x + long]);
      return [{ text, x, row, left: at(from), right: at(to) }];
    });
}

/** The names, and over the plot a bar as long as the phase. */
function names(u, view) {
  const { ctx, bbox } = u;
  const one = pixel(view);
  ctx.font = font(view);
  ctx.fillStyle = token("mark");
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  for (const { text, x, row, left, right } of labels(u, view)) {
    ctx.fillText(text, x * one, bbox.top - (3 + row * LABEL.row) * one);
    ctx.fillRect(left * one, bbox.top - 2 * one, Math.max(1, right - left) * one, 2 * one);
  }
}

/** A stretch of a recording without data. */
function hatch(u, view, from, to) {
  const { ctx, bbox } = u;
  const [x, wide] = across(u, from, to);
  const left = Math.max(x, bbox.left);
  const right = Math.min(x + wide, bbox.left + bbox.width);
  if (wide < 1 || right <= left) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.fillStyle = token("panel");
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
  ctx.strokeStyle = token("edge", 0.4);
  ctx.lineWidth = pixel(view);
  ctx.beginPath();
  for (let start = left - bbox.height; start < right; start += HATCH * pixel(view)) {
    ctx.moveTo(start, bbox.top + bbox.height);
    ctx.lineTo(start + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** A stretch between two recordings: nothing is missing there. */
function blank(u, view, from, to) {
  const { ctx, bbox } = u;
  const [x, wide] = across(u, from, to);
  ctx.save();
  ctx.fillStyle = token("edge", 0.1);
  ctx.fillRect(x, bbox.top, wide, bbox.height);
  ctx.strokeStyle = token("edge");
  ctx.lineWidth = pixel(view);
  ctx.setLineDash([2 * pixel(view), 3 * pixel(view)]);
  for (const edge of [x, x + wide]) {
    ctx.beginPath();
    ctx.moveTo(edge, bbox.top);
    ctx.lineTo(edge, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** A gap of any length at the top of the plot: a bar as wide, or where that would hardly be seen a wedge. */
function tick(u, view, from, to) {
  const { ctx, bbox } = u;
  const one = pixel(view);
  const [x, wide] = across(u, from, to);
  ctx.fillStyle = token("warn");
  if (wide >= NARROW * one) {
    ctx.fillRect(x, bbox.top, wide, 3 * one);
    return;
  }
  const middle = x + wide / 2;
  ctx.beginPath();
  ctx.moveTo(middle - 4 * one, bbox.top);
  ctx.lineTo(middle + 4 * one, bbox.top);
  ctx.lineTo(middle, bbox.top + 8 * one);
  ctx.fill();
}

/** The longest of `choices` that fits into the stretch. */
function words(u, view, [from, to], choices) {
  const { ctx, bbox } = u;
  const one = pixel(view);
  const x = Math.max(bbox.left, u.valToPos(from, "x", true));
  const wide = Math.min(bbox.left + bbox.width, u.valToPos(to, "x", true)) - x;
  ctx.font = font(view);
  const text = choices.find((choice) => ctx.measureText(choice).width + 8 * one <= wide);
  if (!text) return;
  const room = ctx.measureText(text).width + 8 * one;
  const middle = bbox.top + bbox.height / 2;
  ctx.fillStyle = token("panel");
  ctx.fillRect(x + (wide - room) / 2, middle - 9 * one, room, 18 * one);
  ctx.fillStyle = token("muted");
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(text, x + wide / 2, middle);
}
