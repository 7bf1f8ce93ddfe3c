// The tables of a comparison: whose machines they are and what differs between them, and the figures next to one another.

import { $, figures, h, heading, scroller } from "./dom.js";
import { difference as changed, instant, isolated, show, span, zone } from "./format.js";
import { frame } from "./source.js";
import * as url from "./url.js";

// As many as one chart can tell apart.
export const MOST = frame.most_compared;
const FINGERPRINT = {
  cpu_model: "CPU",
  cpus: "CPUs",
  memory_mb: "Memory",
  operating_system: "System",
  kernel: "Kernel",
  architecture: "Architecture",
  cloud_vendor: "Cloud",
  instance_type: "Instance",
  period_ms: "Period",
};
const FIGURES = [
  ["avg", "avg"],
  ["p95", "P95"],
  ["max", "max"],
];

const named = Map.groupBy(frame.collectors, ({ name }) => name);

/** What a machine is called among those that can be compared: with its site where another site has one of the same name. */
export const machineName = ({ name, site }) => (named.get(name)?.length > 1 ? isolated(`${site}/${name}`) : isolated(name));

/** Who is compared, with what differs between the machines, and the form to choose: `choose(keys)`. */
export function machines(found, choose, view) {
  const known = Object.keys(FINGERPRINT).filter((name) => found.some((s) => s.collector.facts[name] !== null));
  const usual = Object.fromEntries(known.map((name) => [name, commonest(found.map((s) => s.collector.facts[name]))]));
  // What all have is said once; a column is what differs, or is unknown of one.
  const names = known.filter((name) => found.some((s) => String(s.collector.facts[name]) !== usual[name]));
  const same = known.filter((name) => !names.includes(name)).map((name) => `${FINGERPRINT[name]} ${fact(name, found[0].collector.facts[name])}`);
  const armed = found.some((s) => s.arm);
  const fixed = armed || url.onDisk; // a report is about these
  const heads = [
    heading("Compared"),
    heading("When", { class: "text" }),
    ...names.map((name) => heading(FINGERPRINT[name], { class: "text" })),
    ...(fixed ? [] : [heading(h("span", { class: "hidden" }, "Remove"))]),
  ];
  const facts = (s) => names.map((name) => machineFact(name, s.collector.facts[name], isOdd(s.collector.facts[name], usual[name])));
  const remove = (s) => choose(found.filter((other) => other !== s).map((other) => other.key));
  const rows = found.map((s) =>
    h(
      "tr",
      { colour: `var(--${s.colour})` },
      h("th", { scope: "row" }, h("i", { class: "swatch" }), h("a", { href: subjectHref(s) }, s.arm ? `${s.arm}: ${s.label}` : s.label)),
      h("td", { class: "text muted when" }, `${instant(s.from, view.utc)} ${zone(s.from, view.utc)}, ${span(s.to - s.from)}`),
      facts(s),
      fixed ? [] : h("td", {}, h("button", { type: "button", "aria-label": `Remove ${s.label}`, click: () => remove(s) }, "×")),
    ),
  );
  $("#chosen").replaceChildren(
    ...(found.length ? [scroller("Machines", figures(heads, rows))] : []),
    fixed ? "" : asArms(found),
    same.length ? h("p", { class: "muted same" }, `${found.length > 1 ? "The same: " : ""}${same.join(" · ")}`) : "",
    armed ? h("p", { class: "muted" }, `Each arm is several runs of the same thing${url.onDisk ? "" : "; the address names them"}.`) : url.onDisk ? "" : found.length < MOST ? adding(found, choose) : h("p", { class: "muted" }, `${MOST} are as many as one chart can tell apart.`),
  );
}

/** The way to arms, where several of the same thing are chosen: by what they are called; of one name the earlier half and the later. */
function asArms(found) {
  if (found.length < 4 || found.some(({ key, part }) => !part || key.includes(","))) return "";
  const called = ({ collector, part }) => `${machineName(collector)} ${part.phase ?? part.label}`.replace(/[=,]/g, " ");
  const sorted = [...found].sort((a, b) => a.from - b.from);
  const middle = sorted.length / 2;
  const groups = Map.groupBy(sorted, called);
  const halves = groups.size === 1 && Number.isInteger(middle) ? [["earlier", sorted.slice(0, middle)], ["later", sorted.slice(middle)]] : null;
  const arms = groups.size > 1 && groups.size < found.length ? [...groups] : halves;
  if (!arms) return "";
  const words = arms.map(([name, runs]) => `${name} (${runs.length} run${runs.length === 1 ? "" : "s"})`).join(" against ");
  const arm = arms.map(([name, runs]) => `${name}=${runs.map(({ key }) => key).join(",")}`);
  const told = arms.every(([, runs]) => runs.length > 2) ? "; then the verdicts are about the change." : ".";
  return h("p", { class: "muted" }, "Several runs of the same thing? ", h("a", { href: url.href({ c: null, arm }) }, `Compare ${words}`), told);
}

function adding(found, choose) {
  const choices = ({ id, name, site, runs }) => [
    h("option", { value: id }, `${name} (${site})`),
    ...runs.filter(({ marked }) => marked).map((one) => h("option", { value: id + one.reference }, `${machineName({ name, site })} · ${one.name}`)),
  ];
  return h(
    "select",
    { "aria-label": "Add a collector, run or phase", change: (event) => choose([...found.map((s) => s.key), event.target.value]) },
    h("option", { value: "" }, found.length ? "Add…" : "Choose a collector, run or phase…"),
    frame.collectors.filter((c) => c.last).flatMap(choices),
  );
}

/** What most of the machines have; the first's where none is more frequent. What is not known counts for nothing. */
function commonest(values) {
  const known = values.filter((value) => value !== null && value !== undefined).map(String);
  const count = (value) => known.filter((other) => other === value).length;
  return known.reduce((best, value) => (best === null || count(value) > count(best) ? value : best), null);
}

const isOdd = (value, usual) => value !== null && value !== undefined && String(value) !== usual;

const subjectHref = ({ collector, part }) => url.link(`/collectors/${collector.id}`, { changes: url.stretch(part?.reference ?? "") });

function machineFact(name, value, differs) {
  return h("td", { class: differs ? "text bad" : "text" }, differs ? "≠ " : "", fact(name, value));
}

/** A fact in its unit; what every processor has in its name is left out. */
function fact(name, value) {
  if (value === null || value === undefined) return "–";
  if (name === "memory_mb") return show(value, "MiB");
  if (name === "period_ms") return show(value, "ms");
  if (name === "cpu_model")
    return value
      .replace(/\((R|TM)\)|\bCPU\b|@.*/gi, " ")
      .replace(/\s+/g, " ")
      .trim();
  return value;
}

/** A figure a subject, and how far the others are from the first. */
export function difference(found, stats) {
  const [first, ...others] = found;
  const heads = [heading("Metric"), heading(""), heading(first.label)];
  for (const other of others) heads.push(heading(other.label), heading("difference"), heading("%"));
  const metrics = { "host.cpu_busy": { label: "CPU busy", unit: "%" } };
  for (const [column, metric] of Object.entries(frame.catalog)) metrics[`host.${column}`] = metric;
  const isKnown = ([metric]) => stats.some(({ percentiles }) => percentiles.some((row) => row.metric === metric));
  const figuresOf = (metric, figure) => stats.map(({ percentiles }) => percentiles.find((row) => row.metric === metric)?.[figure] ?? null);
  const shownAs = (metric, figure, unit) => new Set(figuresOf(metric, figure).map((value) => show(value, unit)));
  // What no figure tells apart is a line of words, not three rows of zeros.
  const isSame = ([metric, { unit }]) => others.length > 0 && FIGURES.every(([figure]) => shownAs(metric, figure, unit).size === 1);
  const known = Object.entries(metrics).filter(isKnown);
  const same = known.filter(isSame);
  const rows = known.filter((one) => !same.includes(one)).flatMap(([metric, { label, unit }]) =>
    FIGURES.map(([figure, head], n) => {
      const [reference, ...values] = figuresOf(metric, figure);
      return h(
        "tr",
        {},
        n ? h("td") : h("th", { scope: "row" }, label),
        h("td", { class: "muted" }, head),
        h("td", {}, show(reference, unit)),
        values.flatMap((value) => [show(value, unit), ...apart(value, reference, unit)].map((text) => h("td", {}, text))),
      );
    }),
  );
  $("#difference").replaceChildren(
    h("header", {}, h("h2", {}, "Difference"), h("span", { class: "headline" }, others.length ? `against ${first.label}` : "")),
    rows.length ? scroller("Difference", figures(heads, rows)) : "",
    same.length ? h("p", { class: "muted" }, `The same: ${same.map(([metric, { label, unit }]) => `${label} (${show(figuresOf(metric, "avg")[0], unit)})`).join(", ")}`) : "",
  );
  document.body.dataset.stats = "1";
}

/** How far a value is from the reference, in its unit (percentage points for shares) and in % of the reference. */
function apart(value, reference, unit) {
  if (value === null || reference === null) return ["–", "–"];
  const exact = value - reference;
  const delta = unit === "%" ? Math.round(exact * 100) / 100 : exact;
  const [told, percent] = changed(delta, unit, reference ? ((delta && exact) / reference) * 100 : null);
  return [told, percent ?? "–"];
}
