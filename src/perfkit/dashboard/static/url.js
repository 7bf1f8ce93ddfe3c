// What the page shows stands in its URL, so that a link shows the same to a colleague. A file opened from disk keeps it behind the #.

import { h } from "./dom.js";
import { base, frame } from "./source.js";

export const onDisk = location.protocol === "file:";
const WINDOW_KEYS = ["range", "from", "to", "run", "phase"];
const params = () => new URLSearchParams(onDisk ? location.hash.slice(1) : location.search);

// A page that is about one run shows its time where the URL asks for no other part; a phase is one of this run.
const pinned = (key) => (WINDOW_KEYS.some((one) => one !== "phase" && params().has(one)) ? "" : frame.pinned?.[key]);

/** The value of `key`, or "". */
export const get = (key) => params().get(key) ?? pinned(key) ?? "";

// Those that are compared, where the URL names none: of a report, which is about these alone.
const SUBJECTS = ["c", "arm"];
const pinnedSubjects = (key) => (SUBJECTS.includes(key) && !SUBJECTS.some((one) => params().has(one)) && frame.pinned?.[key]) || [];

/** All values of `key`. */
export const all = (key) => [...params().getAll(key), ...pinnedSubjects(key)];

/** The values of `key` that stand in one, with commas. */
export const list = (key) => get(key).split(",").filter(Boolean);

function changedBy(changes, next) {
  for (const [key, value] of Object.entries(changes)) {
    next.delete(key);
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== undefined && one !== "") next.append(key, one);
  }
  return next.toString().replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%2F/g, "/");
}

/** The URL with `changes` made to it; null takes a key out, an array repeats it. */
export function href(changes) {
  const query = changedBy(changes, params());
  if (onDisk) return `#${query}`;
  return location.pathname + (query ? `?${query}` : "");
}

/** Make `changes`; as a step that "back" undoes, unless `quiet`. */
export function set(changes, { quiet = false } = {}) {
  const next = href(changes);
  if (next === href({})) return;
  if (quiet) history.replaceState(history.state, "", next);
  else history.pushState(null, "", next);
  dispatchEvent(new Event("perfkit:url"));
}

/** Put `key` in or out of the list `name`, here and for every reader of the link. */
export function toggle(name, key) {
  const found = new Set(list(name));
  if (!found.delete(key)) found.add(key);
  set({ [name]: [...found].join(",") || null }, { quiet: true });
}

/** Call `listener` whenever the URL changes, by us or by back and forward. */
export function changed(listener) {
  addEventListener("perfkit:url", listener);
  addEventListener("popstate", listener);
}

/** How far each range reaches back from the end of the data, in ms; null for all of it. */
export const RANGES = frame.ranges;

/** Where the range in the URL begins in data from `first` to `last` (ms, both included). */
export const rangeStart = (first, last) => Math.max(first, last - (RANGES[get("range")] ?? Infinity) + 1);

// The key that says in which zone instants are shown. In Datasette's pages, which are the database's, any key is a column to filter by, but
// for those that begin with _.
const zoneKey = (path) => (/^\/perfkit([/.]|$)/.test(path.slice(base.length)) ? "_utc" : "utc");
const ZONE = zoneKey(location.pathname);

/** Whether instants are shown in UTC instead of the reader's own zone. */
export const utc = () => params().get(ZONE) === "1";

/** Show them in the other zone. */
export const switchZone = () => set({ [ZONE]: utc() ? null : "1" }, { quiet: true });

/** Have a form that leads to Datasette's pages keep the zone. */
export function keepZone(form) {
  for (const input of form.querySelectorAll(`input[name="${ZONE}"]`)) input.remove();
  if (utc()) form.append(h("input", { type: "hidden", name: ZONE, value: "1" }));
}

/** No window: what a range button, a phase or a zoom puts its own into. */
export const NO_WINDOW = Object.fromEntries(WINDOW_KEYS.map((key) => [key, null]));

/** Whether the page shows a part that was chosen by hand: a zoom, a run or a phase. */
export const isZoomed = () => ["from", "to", "run", "phase"].some((key) => params().has(key));

/** The reference of the run or phase in the URL: "@2", "@2:steady", ":steady", or "". */
export const reference = () => (get("run") ? `@${get("run")}` : "") + (get("phase") ? `:${get("phase")}` : "");

/** What names a run or phase in a URL, of its reference: {run: "2", phase: "steady"} of "@2:steady"; both null of "". */
export function stretch(of) {
  const [run, ...phase] = of.replace(/^@/, "").split(":");
  return { run: run || null, phase: phase.join(":") || null };
}

/** The part of the URL that says which stretch of time is shown. */
export function windowQuery() {
  const query = new URLSearchParams();
  for (const key of WINDOW_KEYS) if (get(key)) query.set(key, get(key));
  return query;
}

/** `path` of another page with its own `changes`, the zone that is shown here, and the window if `keep` says so. */
export function carry(path, { changes = {}, keep = false } = {}) {
  const [place, own = ""] = path.split("?");
  const kept = Object.fromEntries((keep ? WINDOW_KEYS : []).map((key) => [key, get(key)]));
  const query = changedBy({ [zoneKey(place)]: utc() ? "1" : null, ...kept, ...changes }, new URLSearchParams(own));
  return place + (query ? `?${query}` : "");
}

/** The URL of the page at `path` under where we are served, as `carry`. */
export const link = (path, options) => carry(base + path, options);

/** The page of the processes of one command, with the window that is shown. */
export const processHref = (command) => link(`/collectors/${frame.collector}/processes/${encodeURIComponent(command)}`, { keep: true });

/** The page of one container, with the window that is shown. */
export const containerHref = (id) => link(`/collectors/${frame.collector}/containers/${encodeURIComponent(id)}`, { keep: true });
