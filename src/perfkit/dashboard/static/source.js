// Where a page's data come from: this server's API. A page that carries its data with it calls `use`, and then nobody is asked.

/** What the server put into the page. */
export const frame = JSON.parse(document.querySelector("[data-frame]")?.dataset.frame ?? "{}");

/** The path under which a proxy serves us, "" without one: every path starts with it. */
export const base = frame.base ?? "";

let answerer = byHTTP;

/** Take every answer from `other(what, request)` instead of this server; it promises what `ask` does. */
export function use(other) {
  answerer = other;
}

/**
 * What the API answers. `what` is "collectors", "runs", "fleet", "series", "samples", "percentiles", "findings", "steady", "who" or "compare".
 * request: {collector, the page's own if left out; query, the window and options as in a URL; metrics, devices: of "samples" alone; signal, version}.
 * "series" are points for charts, "samples" every sample of a few metrics; both are as the API's series.
 * Null where nothing changed since `version`. Throws an Error whose message is a sentence for the reader.
 */
export const ask = (what, request = {}) => answerer(what, request);

/** Why nothing new came: the server's own sentence where it answered, else that it could not be reached. */
export const whyNot = (error) =>
  error instanceof TypeError ? `No connection to the server (${error.message}); trying again.` : error.message.replace(/^./, (first) => first.toUpperCase());

async function byHTTP(what, request) {
  const { signal, version } = request;
  const answer = await fetch(path(what, request), { signal, headers: version ? { "if-none-match": `"${version}"` } : {} });
  if (answer.status === 304) return null;
  if (answer.status === 401) location.assign(`${base}/-/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  const body = await answer.json().catch(() => ({ error: `the server answered ${answer.status}` }));
  if (!answer.ok) throw new Error(body.error);
  return body;
}

function path(what, { collector = frame.collector, query = "", metrics = [], devices = [] }) {
  if (what === "compare") return `${base}/api/v1/compare?${query}`;
  if (what === "collectors") return `${base}/api/v1/collectors`;
  if (what === "fleet") return `${base}/api/v1/fleet?${query}`;
  if (what === "runs") return `${base}/api/v1/runs?${query}`;
  // The page's head has the browser fetch this very URL early; see pages.py.
  if (what === "series") return `${frame.series.replace("/ID/", `/${collector}/`)}&${query}`;
  const place = `${base}/api/v1/collectors/${collector}`;
  if (what !== "samples") return `${place}/${what}?${query}`;
  const asked = new URLSearchParams(query);
  asked.set("metrics", metrics.join(","));
  for (const device of devices) asked.append("device", device);
  return `${place}/series?${asked}`;
}
