// What the page shows stands in its URL, so that a link shows the same to a colleague.

import { base, frame } from "./dom.js";

const params = () => new URLSearchParams(location.search);

/** The value of `key`, or "". */
export const get = (key) => params().get(key) ?? "";

/** All values of `key`. */
export const all = (key) => params().getAll(key);

/** The URL with `changes` made to it; null takes a key out, an array repeats it. */
export function href(changes) {
  const next = params();
  for (const [key, value] of Object.entries(changes)) {
    next.delete(key);
    for (const one of Array.isArray(value) ? value : [value]) if (one !== null && one !== "") next.append(key, one);
  }
  const query = next.toString().replace(/%2C/g, ",").replace(/%3A/g, ":").replace(/%2F/g, "/");
  return location.pathname + (query ? `?${query}` : "");
}

/** Make `changes`; as a step that "back" undoes, unless `quiet`. */
export function set(changes, { quiet = false } = {}) {
  const next = href(changes);
  if (next === location.pathname + location.search) return;
  if (quiet) history.replaceState(history.state, "", next);
  else history.pushState(null, "", next);
  dispatchEvent(new Event("perfkit:url"));
}

/** Call `listener` whenever the URL changes, by us or by back and forward. */
export function changed(listener) {
  addEventListener("perfkit:url", listener);
  addEventListener("popstate", listener);
}

/** How far each range reaches back from the end of the data, in ms. */
export const RANGE_MS = { all: Infinity, "1h": 3600e3, "6h": 21600e3, "24h": 86400e3, "7d": 604800e3 };

const WINDOW_KEYS = ["range", "from", "to", "phase"];

/** The part of the URL that says which stretch of time is shown. */
export function windowQuery() {
  const query = new URLSearchParams();
  for (const key of WINDOW_KEYS) if (get(key)) query.set(key, get(key));
  return query;
}

/** The page of one container, with the window that is shown. */
export function containerHref(id) {
  const query = windowQuery().toString();
  return `${base}/collectors/${frame.collector}/containers/${encodeURIComponent(id)}${query ? `?${query}` : ""}`;
}
