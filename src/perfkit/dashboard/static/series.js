// The series of a collector's page: fetched once a window, then only what is new; and what an answer says besides its values.

import { ask, frame } from "./source.js";
import * as url from "./url.js";

// The screen that the page opened on says how many points it takes: the same that the page's head asked for already.
const { points: POINTS } = frame.screens?.find(({ media }) => matchMedia(media).matches) ?? {};
const LIVE_MS = 15_000;

/** Whether samples still arrive: the newest, of `newest` by the server's clock `now`, is no older than a few periods. */
export const isLive = (now, newest, period) => newest !== null && newest !== 0 && now - newest < Math.max(LIVE_MS, 3 * (period ?? 1000));

/** How old the newest sample of an answer is by now, in ms. */
export const age = ({ now, received, data }) => now + (performance.now() - received) - data.to;

/** Whether the answer's machine still records. */
export const records = (answer) => Boolean(answer?.data.to) && isLive(age(answer) + answer.data.to, answer.data.to, answer.data.period_ms);

export class Series {
  answer = null;

  /** Fetch the URL's window whole. */
  async load(windowQuery = url.windowQuery()) {
    this.abort?.abort();
    this.abort = new AbortController();
    this.query = windowQuery;
    const answer = await ask("series", { query: sized(windowQuery), signal: this.abort.signal });
    answer.received = performance.now();
    this.answer = answer;
    return answer;
  }

  /** Fetch what came since; true if anything did. Starts over when the points have become too many. */
  async extend() {
    const tables = Object.entries(this.answer.tables)
      .filter(([name]) => name !== "load")
      .map(([, table]) => table);
    const newest = Math.max(...tables.map(({ t }) => t.at(-1) ?? 0));
    const longest = Math.max(...tables.map(({ t }) => t.length));
    if (!newest || longest > POINTS * 3) return this.load(this.query).then(() => true);
    const query = new URLSearchParams(this.query);
    query.set("since", newest);
    query.set("bucket", tables.find(({ t }) => t.length).bucket_ms);
    const more = await ask("series", { query: sized(query), signal: this.abort?.signal, version: this.answer.version });
    if (!more) return false;
    for (const [name, table] of Object.entries(more.tables)) append(this.answer.tables[name], table, more.window.from);
    this.answer.events = merged(this.answer.events, more.events, (e) => `${e.from_timestamp} ${e.kind} ${e.subject}`);
    this.answer.marks = merged(this.answer.marks, more.marks, (m) => `${m.t} ${m.kind} ${m.label}`);
    Object.assign(this.answer, {
      window: more.window,
      data: more.data,
      now: more.now,
      recorded: more.recorded,
      runs: more.runs,
      version: more.version,
      received: performance.now(),
    });
    return true;
  }
}

const sized = (query) => `points=${POINTS}&${query}`;

/** Put the columns of `more` behind those of `table`; its first bucket may be one that `table` has in part. */
export function append(table, more, from) {
  if (!more.t.length) return;
  const keep = table.t.findIndex((t) => t >= more.t[0]);
  const length = keep < 0 ? table.t.length : keep;
  const drop = Math.max(
    0,
    table.t.findIndex((t) => t >= from - table.bucket_ms),
  );
  const nothing = (n) => new Array(n).fill(null);
  for (const device of new Set([...Object.keys(table.devices), ...Object.keys(more.devices)])) {
    const columns = (table.devices[device] ??= {});
    for (const [column, kinds] of Object.entries(more.devices[device] ?? columns)) {
      const target = (columns[column] ??= {});
      for (const kind of Object.keys(kinds)) {
        const old = target[kind] ?? nothing(table.t.length);
        target[kind] = old.slice(drop, length).concat(more.devices[device]?.[column][kind] ?? nothing(more.t.length));
      }
    }
  }
  table.t = table.t.slice(drop, length).concat(more.t);
}

function merged(old, more, key) {
  const seen = new Map(old.map((one) => [key(one), one]));
  for (const one of more) seen.set(key(one), one);
  return [...seen.values()];
}

/** Two samples further apart than this have a gap between them. */
export function widest(table, period) {
  if (!table?.t.length) return period * 2.5;
  const steps = table.t
    .slice(1, 200)
    .map((t, i) => t - table.t[i])
    .sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] ?? period;
  return table.bucket_ms ? Math.max(table.bucket_ms, usual) * 1.5 : Math.max(usual, period) * 2.5;
}

/** Gaps of the recording, [[from, to]]. */
export const gapsOf = ({ events }) => events.filter((e) => e.kind === "gap").map((e) => [e.from_timestamp, e.to_timestamp]);

/** Instants at which counters went back. */
export const resetsOf = ({ events }) => events.filter((e) => e.kind === "reset").map((e) => e.from_timestamp);

/** Stretches without samples that are no gap: between two recordings. */
export function pausesOf({ tables, events, data }) {
  const t = tables.host?.t ?? [];
  const step = widest(tables.host, data.period_ms ?? 1000);
  const gaps = gapsOf({ events });
  const inGap = (from, to) => gaps.some(([start, end]) => start < to && end > from);
  return t.flatMap((at, i) => (i && at - t[i - 1] > step && !inGap(t[i - 1], at) ? [[t[i - 1], at]] : []));
}

/**
 * The marked runs, their phases and the point marks that touch the window, [{from, to, label, short, level, reference}] in time order. A point
 * has no length; `short` is what a phase is called under the name of its run; `level` is 0 of a run, 1 of a phase, 2 of a point.
 */
export function bandsOf({ runs, marks, window, data }) {
  const stretches = runs
    .filter(({ marked }) => marked)
    .map(({ from, to, open, name, label, phase, reference }) => ({
      from,
      to: open ? Math.max(to, data.to) : to,
      label: frame.run ? (phase ?? label) : name,
      short: phase ?? (frame.run ? label : name),
      level: phase ? 1 : 0,
      reference,
    }));
  const points = marks.filter(({ kind }) => kind === "point").map(({ t, label }) => ({ from: t, to: t, label, short: label, level: 2 }));
  return [...stretches, ...points].filter(({ from, to }) => to >= window.from && from <= window.to).sort((a, b) => a.from - b.from || b.to - a.to);
}
