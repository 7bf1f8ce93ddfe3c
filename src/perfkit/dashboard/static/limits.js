// The user's own limits: those of the link, else those kept in this browser.

import * as url from "./url.js";

const KEY = "perfkit thresholds";

/** "disk.await_ms>20,..." in force, "" where the server's are. */
export function text() {
  try {
    return url.get("limits") || (localStorage.getItem(KEY) ?? "");
  } catch {
    return url.get("limits");
  }
}

/** The same as {metric: ">20"}, null where the server's are in force. */
export function limits() {
  if (!text()) return null;
  const rules = text()
    .split(/[\n,]+/)
    .map((line) => line.match(/^\s*([\w.]+)\s*([<>])\s*(-?[\d.]+)\s*$/));
  return Object.fromEntries(rules.filter(Boolean).map(([, metric, sign, value]) => [metric, sign + value]));
}

/** Keep `lines` in this browser; where it keeps nothing they still stand in the link. */
export function keep(lines) {
  try {
    localStorage.setItem(KEY, lines);
  } catch {
    return;
  }
}
