// A run's page, or a comparison, in a file of its own: what the server would answer lies packed in the file, and nobody is asked.

import { frame, use } from "./source.js";

const UNTOLD = "Of a zoom this file has the charts alone: whole runs and phases were judged.";
const ABSENT = "this is not in the report; the dashboard has it";
const told = await unpacked(document.querySelector("#data").textContent);
const answerer = told.compare ? compared : answer;
use(async (what, request = {}) => answerer(what, new URLSearchParams(request.query ?? ""), request));
await import("./looks.js");
if (told.compare) await import("./compare.js");
else await import("./overview.js");

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function answer(what, query, { version }) {
  if (what === "series") return version ? null : clipped(query);
  const key = reference(query);
  const zoomed = query.has("from") || query.has("to");
  if (what === "percentiles") return zoomed ? { percentiles: [], worst_minutes: [] } : told.percentiles[key];
  if (what === "findings") return zoomed ? { findings: [], untold: UNTOLD } : told.findings[key];
  if (what === "who") return zoomed ? { who: [], untold: UNTOLD } : told.who[key];
  if (what === "steady") return zoomed ? { steady: null } : told.steady[key];
  throw new Error(ABSENT);
}

/** What is known of one of those that are compared, as far as it lies in the window that is asked for; figures of the whole alone. */
function compared(what, query, { key }) {
  if (what === "compare") return told.compare;
  const part = told.parts[key];
  const [from, to] = ["from", "to"].map((name) => Number(query.get(name)));
  if (what === "series") return { ...part.series, tables: clippedTables(part.series, from, to) };
  const { window } = part.series;
  if (what === "percentiles") return from > window.from || to < window.to ? { percentiles: [] } : part.percentiles;
  throw new Error(ABSENT);
}

function clippedTables(series, from, to) {
  return Object.fromEntries(Object.entries(series.tables).map(([key, table]) => [key, cut(table, from, to)]));
}

/** The reference of the run or phase that is asked for; the whole run if none is asked for. */
function reference(query) {
  return told.run + (query.get("phase") ? `:${query.get("phase")}` : "");
}

/** The series of the run, as far as they lie in the window that is asked for. */
function clipped(query) {
  const whole = told.series;
  const part = whole.runs.find((one) => one.reference === reference(query));
  const from = Number(query.get("from") ?? part?.from ?? whole.window.from);
  const to = Number(query.get("to") ?? part?.to ?? whole.window.to);
  const name = query.get("phase") ? part?.reference : null;
  const inside = (at) => at >= from && at <= to;
  return {
    ...whole,
    recorded: recorded(query, whole),
    window: { ...whole.window, from, to, reference: name ?? (query.has("from") ? null : whole.window.reference) },
    marks: whole.marks.filter((mark) => inside(mark.t)),
    tables: clippedTables(whole, from, to),
  };
}

/** What was recorded of the phase that is asked for; of a zoom this is not known, and the line says so. */
function recorded(query, whole) {
  const phase = frame.run.phases.find((one) => one.phase === query.get("phase"));
  if (phase) return `recorded ${phase.recorded}`;
  return query.has("from") || query.has("to") ? `whole run: ${whole.recorded}` : whole.recorded;
}

function cut(table, from, to) {
  const first = table.t.findIndex((at) => at >= from - table.bucket_ms + 1);
  const start = first < 0 ? table.t.length : first;
  const behind = table.t.findIndex((at) => at > to);
  const end = behind < 0 ? table.t.length : behind;
  const each = (object, make) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, make(value)]));
  const devices = each(table.devices, (columns) => each(columns, (kinds) => each(kinds, (values) => values?.slice(start, end) ?? values)));
  return { ...table, t: table.t.slice(start, end), devices };
}
