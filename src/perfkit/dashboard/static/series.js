// The series of a collector's page: fetched once a window, then only what is new.

import { base, frame } from "./dom.js";
import * as url from "./url.js";

// The screen that the page opened on says how many points it takes: the same that the page's head asked for already.
const { points: POINTS } = frame.screens?.find(({ media }) => matchMedia(media).matches) ?? {};

/** JSON of our API, null where nothing changed since `version`; throws an Error whose message is the server's sentence. */
export async function fetchJSON(path, { signal, version } = {}) {
  const answer = await fetch(path, { signal, headers: version ? { "if-none-match": `"${version}"` } : {} });
  if (answer.status === 304) return null;
  if (answer.status === 401) location.assign(`${base}/-/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const body = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(body.error);
  return body;
}

export class Series {
  answer = null;

  /** Fetch the URL's window whole. */
  async load(windowQuery = url.windowQuery()) {
    this.abort?.abort();
    this.abort = new AbortController();
    this.query = windowQuery;
    const answer = await fetchJSON(path(windowQuery), { signal: this.abort.signal });
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
    const more = await fetchJSON(path(query), { signal: this.abort?.signal, version: this.answer.version });
    if (!more) return false;
    for (const [name, table] of Object.entries(more.tables)) append(this.answer.tables[name], table, more.window.from);
    this.answer.events = merged(this.answer.events, more.events, (e) => `${e.from_timestamp} ${e.kind} ${e.subject}`);
    this.answer.marks = merged(this.answer.marks, more.marks, (m) => `${m.t} ${m.kind} ${m.label}`);
    Object.assign(this.answer, {
      window: more.window,
      data: more.data,
      now: more.now,
      recorded: more.recorded,
      version: more.version,
      received: performance.now(),
    });
    return true;
  }
}

const path = (query) => `${frame.series}&points=${POINTS}&${query}`;

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
