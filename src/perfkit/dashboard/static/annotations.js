// What is drawn behind and over a chart's lines or a heat map's cells: phases with their names, gaps, pauses between recordings, resets.
//
// view: {from, to, gaps: [[from, to]], pauses: [[from, to]], resets: [t], bands: [{from, to, label}], gutter, scale}. A band without length
// is a point. `gutter` is the width of the value axes of the page, so that its time axes line up; `scale` enlarges a chart that becomes an image.

import { token } from "./dom.js";
import { span } from "./format.js";

// Room at the right of the plot for half the last time.
export const RIGHT = 28;
const TOP = 10;
const LABEL = { row: 13, rows: 2, gap: 8, characters: 24 };
const HATCH = 6;
// A gap narrower than this is a tick.
const NARROW = 6;

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

function tint(u, { from, to }) {
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
 * second row what collides, left out what still does.
 */
function labels(u, view) {
  const plot = u.width / scaleOf(view) - view.gutter - RIGHT;
  const ends = new Array(LABEL.rows).fill(-Infinity);
  const at = (t) => view.gutter + Math.min(1, Math.max(0, (t - view.from) / (view.to - view.from))) * plot;
  u.ctx.font = font(view);
  return [...view.bands]
    .filter(({ from, to }) => to >= view.from && from <= view.to)
    .sort((a, b) => a.from - b.from)
    .flatMap(({ from, to, label }) => {
      const text = label.length > LABEL.characters ? `${label.slice(0, LABEL.characters)}…` : label;
      const long = u.ctx.measureText(text).width / pixel(view);
      // What begins near the right end is written before it.
      const x = Math.max(view.gutter, Math.min(at(from), view.gutter + plot + RIGHT - long));
      const row = ends.findIndex((before) => before <= x);
      if (row < 0) return [];
      ends[row] = x + long + LABEL.gap;
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
