// What a comparison says: each figure's difference with its interval, drawn against zero, and its verdict or why there is none.

import { $, h, heading, scroller } from "./dom.js";
import { show } from "./format.js";
import { ask } from "./source.js";
import * as url from "./url.js";

// First what a load tester looks at, then what shows a limit; of the rest, what differs.
const FIRST = ["host.cpu_busy", "load.throughput", "load.latency_avg_ms", "load.latency_p95_ms", "load.errors"];
const THEN = ["pressure.some_percent", "disk.await_ms", "disk.util_percent", "host.mem_used"];
const WORDS = { worse: "worse", better: "better", no_difference: "no difference", differs: "differs", not_judged: "not judged" };
const MOST = 40;

/** Fill the table for the subjects' keys, the baseline first; hidden where one of them is no run. */
export async function verdicts(found) {
  const place = $("#verdicts");
  place.hidden = found.length < 2 || found.some((one) => !one.part);
  if (place.hidden) return;
  place.replaceChildren(h("p", { class: "muted" }, "Comparing…"));
  const query = found.map((one) => `c=${encodeURIComponent(one.part.reference ? one.collector.id + one.part.reference : one.key)}`).join("&");
  const across = url.get("across_machines") === "1" ? "&across_machines=1" : "";
  const answer = await ask("compare", { query: query + across }).catch((error) => ({ error: error.message }));
  if (answer.error) return place.replaceChildren(h("p", { class: "bad" }, `The comparison could not be made: ${answer.error}`));
  const labels = new Map(answer.others.map((name, i) => [name, found[i + 1].label]));
  const rows = chosen(answer.metrics);
  const scale = Math.min(100, Math.max(1, ...rows.map(reach)));
  const guards = answer.guards.filter(({ state }) => state !== "ok");
  const counts = Object.keys(WORDS).map((verdict) => [verdict, answer.metrics.filter((row) => row.verdict === verdict).length]);
  const hardware = guards.some(({ rule, state }) => rule === "hardware" && state === "forbid");
  place.replaceChildren(
    h("h2", {}, "What differs"),
    h("ul", { class: "guards" }, guards.map(({ state, sentence }) => h("li", { class: state === "forbid" ? "bad" : "warn" }, `${sentence}.`))),
    hardware ? h("p", {}, h("a", { href: url.href({ across_machines: 1 }) }, "Compare these machines all the same")) : "",
    scroller("What differs", h("table", { class: "figures verdicts" }, head(scale), h("tbody", {}, rows.map((row) => line(row, scale, labels))))),
    h(
      "p",
      { class: "muted" },
      `${answer.metrics.length} figures compared: `,
      counts
        .filter(([, n]) => n)
        .map(([verdict, n]) => `${n} ${WORDS[verdict]}`)
        .join(", "),
      ". Two runs can only show that these two recordings differ; whether the change did it, repeated runs tell (perfkit compare --arm).",
    ),
  );
}

function chosen(all) {
  const named = [...FIRST, ...THEN].flatMap((name) => all.filter((row) => row.metric === name && ["avg", "p95"].includes(row.figure)));
  const differing = all.filter((row) => !["no_difference", "not_judged"].includes(row.verdict) && !named.includes(row));
  return [...named, ...differing.sort((a, b) => Math.abs(b.percent ?? 0) - Math.abs(a.percent ?? 0))].slice(0, MOST);
}

/** The interval's ends in % of the baseline. */
const ends = ({ low, high, baseline }) => (low === null || !baseline.value ? null : [low, high].map((one) => (100 * one) / Math.abs(baseline.value)));
const reach = (row) => Math.max(...(ends(row) ?? [0]).map(Math.abs));

function head(scale) {
  const axis = h("span", { class: "scale" }, [`−${scale.toFixed(0)} %`, "0", `+${scale.toFixed(0)} %`].map((text) => h("span", {}, text)));
  const names = ["Metric", "Baseline", "Other", "Difference", axis, "Verdict"];
  return h("thead", {}, h("tr", {}, names.map((name, i) => heading(name, { class: i === 0 || i > 4 ? "text" : null }))));
}

function line(row, scale, labels) {
  const many = labels.size > 1 ? ` · ${labels.get(row.reference)}` : "";
  const change = row.percent === null ? "" : ` (${row.percent > 0 ? "+" : ""}${row.percent.toFixed(1)} %)`;
  return h(
    "tr",
    { class: row.verdict },
    h("th", { scope: "row", class: "text" }, `${row.metric} ${row.figure}${row.device ? ` ${row.device}` : ""}${many}`),
    h("td", {}, show(row.baseline.value, row.unit)),
    h("td", {}, show(row.other.value, row.unit)),
    h("td", {}, (row.difference > 0 ? "+" : "") + show(row.difference, row.unit) + change),
    h("td", {}, interval(row, scale)),
    h("td", { class: "text" }, words(row)),
  );
}

function words(row) {
  const drift = row.drifts ? " (it drifts over the run)" : "";
  if (row.verdict === "not_judged") return `not judged: ${row.reason}${drift}`;
  if (row.verdict !== "no_difference") return WORDS[row.verdict] + drift;
  if (row.low === 0 && row.high === 0) return `no difference${drift}`;
  return `no difference of ${show(Math.max(Math.abs(row.low), Math.abs(row.high)), row.unit)} or more${drift}`;
}

/** A bar from the interval's low to its high end, with a line at zero. */
function interval(row, scale) {
  const found = ends(row);
  const bar = h("span", { class: "interval", role: "img", "aria-label": found ? `from ${found[0].toFixed(1)} to ${found[1].toFixed(1)} %` : "no interval" });
  if (!found) return bar;
  const [left, right] = found.map((one) => 50 + (50 * Math.max(-scale, Math.min(scale, one))) / scale);
  const part = h("i", {});
  part.style.left = `${left}%`;
  part.style.width = `${Math.max(right - left, 1)}%`;
  bar.append(part);
  return bar;
}
