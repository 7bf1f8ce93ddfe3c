// What is drawn behind and over a chart's lines: marks with their names, gaps, resets, P95.

import { shade, token } from "./dom.js";
import { span } from "./format.js";

// The width of every value axis, so that the time axes of a page line up; and room at the right for half the last time.
export const GUTTER = 64;
export const RIGHT = 20;
const TOP = 10;
const LABEL = { row: 13, rows: 2, gap: 8, characters: 24 };
const HATCH = 6;

const font = () => `${11 * devicePixelRatio}px system-ui, sans-serif`;

/** Room above the chart: for as many rows of marks' names as it has. */
export const headroom = (u, view) => TOP + LABEL.row * (1 + Math.max(-1, ...labels(u, view).map(({ row }) => row)));

/** Marks as bands, gaps as hatching: under the lines. */
export function behind(u, view) {
  const { ctx } = u;
  const { top, height, left, width } = u.bbox;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  for (const one of view.bands) band(u, one);
  for (const [from, to] of view.gaps) hatch(u, from, to);
  ctx.restore();
}

function band(u, { from, to }) {
  const { ctx, bbox } = u;
  const x = u.valToPos(from, "x", true);
  const wide = u.valToPos(to, "x", true) - x;
  ctx.fillStyle = shade("mark", "12");
  ctx.fillRect(x, bbox.top, wide, bbox.height);
  ctx.fillStyle = shade("mark", "70");
  ctx.fillRect(x, bbox.top, devicePixelRatio, bbox.height);
  if (to > from) ctx.fillRect(x + wide, bbox.top, devicePixelRatio, bbox.height);
}

/** Where the marks' labels stand above the chart, [{text, x, row}] in CSS pixels: in a second row what collides, left out what still does. */
function labels(u, view) {
  const plot = u.width - GUTTER - RIGHT;
  const ends = new Array(LABEL.rows).fill(-Infinity);
  u.ctx.font = font();
  return [...view.bands]
    .sort((a, b) => a.from - b.from)
    .flatMap(({ from, to, label }) => {
      const text = label.length > LABEL.characters ? `${label.slice(0, LABEL.characters)}…` : label;
      const x = GUTTER + Math.max(0, ((from - view.from) / (view.to - view.from)) * plot);
      const end = x + u.ctx.measureText(text).width / devicePixelRatio + LABEL.gap;
      const row = ends.findIndex((before) => before <= x);
      if (to < view.from || from > view.to || row < 0 || end > u.width + LABEL.gap) return [];
      ends[row] = end;
      return [{ text, x, row }];
    });
}

function write(u, view) {
  const { ctx, bbox } = u;
  ctx.font = font();
  ctx.fillStyle = token("mark");
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  for (const { text, x, row } of labels(u, view))
    ctx.fillText(text, x * devicePixelRatio, bbox.top - (2 + row * LABEL.row) * devicePixelRatio);
}

/** A stretch without data. */
export function hatch(u, from, to) {
  const { ctx, bbox } = u;
  const x = u.valToPos(from, "x", true);
  const wide = u.valToPos(to, "x", true) - x;
  if (wide < 1 || x > bbox.left + bbox.width || x + wide < bbox.left) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, bbox.top, wide, bbox.height);
  ctx.clip();
  ctx.fillStyle = token("panel");
  ctx.fillRect(x, bbox.top, wide, bbox.height);
  ctx.strokeStyle = shade("edge", "66");
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (
    let start = Math.max(x, bbox.left) - bbox.height;
    start < Math.min(x + wide, bbox.left + bbox.width);
    start += HATCH * devicePixelRatio
  ) {
    ctx.moveTo(start, bbox.top + bbox.height);
    ctx.lineTo(start + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** How long a gap is, where there is room for it. */
function gapWords(u, from, to) {
  const { ctx, bbox } = u;
  const x = Math.max(bbox.left, u.valToPos(from, "x", true));
  const wide = Math.min(bbox.left + bbox.width, u.valToPos(to, "x", true)) - x;
  const words = `no data ${span(to - from)}`;
  ctx.font = font();
  const room = ctx.measureText(words).width;
  if (room + 8 * devicePixelRatio > wide) return;
  const middle = bbox.top + bbox.height / 2;
  ctx.fillStyle = token("panel");
  ctx.fillRect(
    x + (wide - room) / 2 - 4 * devicePixelRatio,
    middle - 9 * devicePixelRatio,
    room + 8 * devicePixelRatio,
    18 * devicePixelRatio,
  );
  ctx.fillStyle = token("muted");
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(words, x + wide / 2, middle);
}

/** P95 as dashed lines, resets as ticks at the foot, marks' names and how long gaps are: over the lines. */
export function over(u, input, view) {
  const { ctx, bbox } = u;
  ctx.save();
  if (view.p95) {
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const one of input.series.filter((s) => !s.hidden && s.p95 != null && (!input.stack || s.line))) {
      const y = Math.round(u.valToPos(one.p95, "y", true));
      ctx.strokeStyle = token(one.colour);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
  }
  ctx.setLineDash([]);
  write(u, view);
  for (const [from, to] of view.gaps) gapWords(u, from, to);
  ctx.fillStyle = token("bad");
  for (const t of view.resets) {
    if (t >= view.from && t <= view.to)
      ctx.fillRect(u.valToPos(t, "x", true), bbox.top + bbox.height - 8 * devicePixelRatio, 2 * devicePixelRatio, 8 * devicePixelRatio);
  }
  ctx.restore();
}
