// What a comparison says: each figure's difference with its interval, drawn against zero, and its verdict or why there is none.

import { $, h, heading, scroller } from "./dom.js";
import { difference, show } from "./format.js";
import { ask, frame } from "./source.js";
import * as url from "./url.js";

const SHOWN = ["avg", "p95"];
const MOST = 40;

/** A sentence of perfkit.compare.judging with the values put in. */
const say = (name, values = {}) => frame.words[name].replace(/{(\w+)}/g, (_, key) => values[key]);

/** Fill the table for the subjects, the baseline first; hidden where one of them is no run. */
export async function verdicts(found) {
  const place = $("#verdicts");
  const arms = [...new Set(found.map((one) => one.arm ?? one))].map((arm) => found.filter((one) => (one.arm ?? one) === arm));
  place.hidden = arms.length < 2 || found.some((one) => !one.part);
  if (place.hidden) return;
  place.replaceChildren(h("p", { class: "muted" }, "Comparing…"));
  const query = new URLSearchParams(arms.map((arm) => (arm[0].arm ? ["arm", `${arm[0].arm}=${arm.map(reference).join(",")}`] : ["c", reference(arm[0])])));
  for (const name of ["across_machines", "at_least", "generator"]) for (const value of url.all(name)) query.append(name, value);
  const answer = await ask("compare", { query: String(query) }).catch((error) => ({ error: error.message }));
  if (answer.error) return place.replaceChildren(h("p", { class: "bad" }, `The comparison could not be made: ${answer.error}`));
  const labels = new Map(answer.others.map((name, i) => [name, arms[i + 1][0].arm ?? arms[i + 1][0].label]));
  const rows = chosen(answer.metrics);
  const scale = Math.min(100, Math.max(1, 1.2 * answer.at_least, ...rows.map(reach)));
  const names = new Map(found.map((one) => [reference(one), one.label]));
  const called = (sentence) => parted(sentence, names).filter(Boolean).join(": ");
  const guards = answer.guards.filter(({ state }) => state !== "ok");
  const counts = Object.keys(frame.words).map((verdict) => [verdict, answer.metrics.filter((row) => row.verdict === verdict).length]);
  const hardware = guards.some(({ rule, state }) => rule === "hardware" && state === "forbid");
  const said = new Set(guards.map(({ sentence }) => sentence));
  const few = Math.min(...answer.runs_per_arm) < 3;
  const rest = answer.metrics.filter((row) => !rows.includes(row));
  const table = (name, lines) =>
    scroller(name, h("table", { class: "figures verdicts" }, head(scale), h("tbody", {}, lines.map((row) => line(row, scale, labels, { margin: answer.at_least, said, called })))));
  const others = h("details", {}, h("summary", {}, `The other ${rest.length} figures`));
  others.addEventListener("toggle", () => others.childElementCount < 2 && others.append(table("The other figures", rest)));
  place.replaceChildren(
    h("h2", {}, "What differs"),
    h("ul", { class: "guards" }, together(guards, names).map(({ state, sentence }) => h("li", { class: state === "forbid" ? "bad" : "warn" }, sentence))),
    hardware && !url.onDisk ? h("p", {}, h("a", { href: url.href({ across_machines: 1 }) }, "Compare these machines all the same")) : "",
    table("What differs", rows),
    h(
      "p",
      { class: "muted" },
      `${answer.metrics.length} figures compared: `,
      counts
        .filter(([, n]) => n)
        .map(([verdict, n]) => `${n} ${say(verdict)}`)
        .join(", "),
      few
        ? ". Two runs can only show that these two recordings differ; whether the change did it, three runs or more of each tell (perfkit compare --arm)."
        : `. The verdicts are about the change: ${answer.runs_per_arm.join(" and ")} runs were compared.`,
    ),
    rest.length ? others : "",
  );
}

/** Sentences begin with the reference of a run: [what the page calls that run, the rest]; ["", sentence] of others. */
const parted = (sentence, names) => {
  const key = [...names.keys()].find((one) => sentence.startsWith(`${one}: `)) ?? sentence.match(/^[^\s:]+@[^\s:]+(?=: )/)?.[0];
  return key ? [names.get(key) ?? key, sentence.slice(key.length + 2)] : ["", sentence];
};

/** What stands in the way of a judgement, in sentences: what is the same of several runs is said once. */
function together(guards, names) {
  const groups = Map.groupBy(guards, ({ state, sentence }) => `${state} ${parted(sentence, names)[1]}`);
  return [...groups.values()].map(([first, ...more]) => {
    const of = [first, ...more].map(({ sentence }) => parted(sentence, names)[0]).filter(Boolean);
    const sentence = `${of.length ? `${of.join(", ")}: ` : ""}${parted(first.sentence, names)[1].replace(/\.+$/, "")}`;
    return { state: first.state, sentence: say(first.state, { sentence }) };
  });
}

/** What names a subject in the API: COLLECTOR@RUN or COLLECTOR@RUN:PHASE. */
const reference = (one) => (one.part.reference ? one.collector.id + one.part.reference : one.key);

/** The metrics of the page's order, then what differs; all in the answer's order. */
function chosen(all) {
  const named = all.filter((row) => frame.order.includes(row.metric) && SHOWN.includes(row.figure));
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

function line(row, scale, labels, { margin, said, called }) {
  const many = labels.size > 1 ? labels.get(row.reference) : "";
  const [apart, percent] = difference(row.difference, row.unit, row.percent);
  const figure = row.figure.replace(/^p(?=\d)/, "P");
  return h(
    "tr",
    { class: row.verdict },
    h("th", { scope: "row", class: "text", title: [row.metric, row.device, figure, many].filter(Boolean).join(" ") }, `${frame.labels[row.metric] ?? row.metric}${row.device ? ` ${row.device}` : ""} `, h("small", {}, figure), many ? h("small", { class: "of" }, many) : ""),
    h("td", {}, show(row.baseline.value, row.unit)),
    h("td", {}, show(row.other.value, row.unit)),
    h("td", {}, percent === null ? apart : `${apart} (${percent})`),
    h("td", {}, interval(row, scale, margin)),
    h("td", { class: "text", title: row.verdict === "not_judged" ? called(row.reason) : null }, words(row, margin, said, called)),
  );
}

/** The verdict in words. What stands above the table as the reason for all is not said again. */
function words(row, margin, said, called) {
  const bound = Math.max(Math.abs(row.low), Math.abs(row.high));
  let verdict = say(row.verdict);
  if (row.verdict === "not_judged" && !said.has(row.reason)) verdict = say("because", { reason: called(row.reason) });
  if (row.verdict === "no_difference") {
    if (margin && bound <= (margin / 100) * Math.abs(row.baseline.value)) verdict = say("less_than", { bound: `${margin} %` });
    else if (bound) verdict = say("less_than", { bound: show(bound, row.unit) });
    if (row.reason) verdict = say("with_reason", { verdict, reason: row.reason });
  }
  const [drift] = row.drift;
  return drift ? say("drifts", { verdict, first: show(drift.first, row.unit), last: show(drift.last, row.unit) }) : verdict;
}

/** A bar from the interval's low to its high end with the difference on it, a line at zero, and one at the margin on each side. */
function interval(row, scale, margin) {
  const found = ends(row);
  const words = found ? `${row.percent.toFixed(1)} %, from ${found[0].toFixed(1)} to ${found[1].toFixed(1)} %` : "no interval";
  const bar = h("span", { class: "interval", role: "img", "aria-label": words });
  if (!found) return bar;
  const at = (percent) => 50 + (50 * Math.max(-scale, Math.min(scale, percent))) / scale;
  const mark = (kind, left, width) => {
    const part = h(kind, {});
    part.style.left = `${left}%`;
    if (width !== undefined) part.style.width = `${width}%`;
    return part;
  };
  for (const side of margin > 0 && margin < scale ? [-margin, margin] : []) bar.append(mark("s", at(side)));
  bar.append(mark("i", at(found[0]), Math.max(at(found[1]) - at(found[0]), 1)), mark("b", at(row.percent)));
  return bar;
}
