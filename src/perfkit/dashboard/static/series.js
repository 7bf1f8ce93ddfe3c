// The series of a collector's page: fetched once a window, then only what is new.

import { base, frame } from "./dom.js";
import * as url from "./url.js";

/** JSON of our API; throws an Error whose message is the server's sentence. */
export async function fetchJSON(path, signal) {
  const answer = await fetch(path, { headers: { accept: "application/json" }, signal });
  if (answer.status === 401) location.assign(`${base}/-/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const body = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(body.error);
  return body;
}

export class Series {
  /** `metrics` of `collector`, about `points` a chart; `extra` goes into the URL too: devices, bands, load. */
  constructor(collector, metrics, points, extra = []) {
    this.extra = `&${new URLSearchParams([["bands", frame.bands.join(",")], ...extra])}`;
    this.collector = collector;
    this.metrics = metrics;
    this.points = points;
    this.answer = null;
  }

  /** Fetch the URL's window whole. */
  async load(windowQuery = url.windowQuery()) {
    this.abort?.abort();
    this.abort = new AbortController();
    this.query = windowQuery;
    const answer = await fetchJSON(this.path(windowQuery), this.abort.signal);
    answer.received = performance.now();
    this.answer = answer;
    return answer;
  }

  /** Fetch what came since; true if anything did. Starts over when the points have become too many. */
  async extend() {
    const tables = Object.entries(this.answer.tables).filter(([name]) => name !== "load").map(([, table]) => table);
    const newest = Math.max(...tables.map(({ t }) => t.at(-1) ?? 0));
    const longest = Math.max(...tables.map(({ t }) => t.length));
    if (!newest || longest > this.points * 3) return this.load(this.query).then(() => true);
    const query = new URLSearchParams(this.query);
    query.set("since", newest);
    query.set("bucket", tables.find(({ t }) => t.length).bucket_ms);
    const more = await fetchJSON(this.path(query), this.abort?.signal);
    const grew = more.data.to > this.answer.data.to;
    for (const [name, table] of Object.entries(more.tables)) append(this.answer.tables[name], table, more.window.from);
    this.answer.events = merged(this.answer.events, more.events, (e) => `${e.from_timestamp} ${e.kind} ${e.subject}`);
    this.answer.marks = merged(this.answer.marks, more.marks, (m) => `${m.t} ${m.kind} ${m.label}`);
    Object.assign(this.answer, { window: more.window, data: more.data, now: more.now, recorded: more.recorded, received: performance.now() });
    return grew;
  }

  path(query) {
    return `${base}/api/v1/collectors/${this.collector}/series?metrics=${this.metrics.join(",")}&points=${this.points}${this.extra}&${query}`;
  }
}

/** Put the columns of `more` behind those of `table`; its first bucket may be one that `table` has in part. */
export function append(table, more, from) {
  if (!more.t.length) return;
  const keep = table.t.findIndex((t) => t >= more.t[0]);
  const length = keep < 0 ? table.t.length : keep;
  const drop = Math.max(0, table.t.findIndex((t) => t >= from - table.bucket_ms));
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
