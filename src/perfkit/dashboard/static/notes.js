// The notes under the overview's charts: findings, phases, quality of the recording, containers.

import { $, figures as table, h, heading } from "./dom.js";
import { digits, instant, moment, share, show, span, stretch } from "./format.js";
import * as limits from "./limits.js";
import { ask, frame } from "./source.js";
import * as url from "./url.js";

const EVENTS_SHOWN = 12;
const FINDINGS_SHOWN = 8;
const CONTAINERS_SHOWN = 8;
const KINDS = {
  reset: "counter reset",
  clock_step: "clock set",
  hot_plug: "device came",
  unplug: "device went",
  ended_early: "ended early",
  overlap: "two boots at once",
  shared_stamp: "samples share a stamp",
  guessed_totals: "totals by device names",
  too_many: "too many devices",
  set_aside: "lines not imported",
  oom_kill: "killed for lack of memory",
  unusable: "figures left out",
};
// The steady parts that were asked for, by phase.
const proposals = new Map();
// The figures that the findings shown belong to, and those findings.
let judged = null;

/** What stands in a box until its content has come. */
const loading = () => h("li", { class: "muted" }, "Loading…");

/** The containers that used most CPU. */
export function containers(stats) {
  if (!stats) return $("#containers").replaceChildren(h("p", { class: "muted" }, "Loading…"));
  const cpu = stats["containers.cpu_percent"] ?? {};
  const memory = stats["containers.memory_current_bytes"] ?? {};
  const ids = Object.keys({ ...cpu, ...memory }).sort((a, b) => (cpu[b]?.avg ?? 0) - (cpu[a]?.avg ?? 0));
  const heads = ["Name", "CPU avg", "CPU P95", "Memory avg", "Memory max"].map((name) => heading(name));
  const row = (id) => [
    h("th", { scope: "row" }, h("a", { href: url.containerHref(id) }, frame.names[id] ?? id)),
    [cpu[id]?.avg, cpu[id]?.p95].map((v) => h("td", {}, show(v, "%"))),
    [memory[id]?.avg, memory[id]?.max].map((v) => h("td", {}, show(v, "B"))),
  ];
  const rows = ids.slice(0, CONTAINERS_SHOWN).map((id) => h("tr", {}, row(id).flat()));
  $("#containers").replaceChildren(rows.length ? table(heads, rows) : h("p", { class: "muted" }, "No container ran in this range."));
}

/** The URL that shows the minute with two before and two after it. */
export const around = (minute) => url.href({ ...url.NO_WINDOW, from: minute - 120000, to: minute + 180000 });

/** Where limits were broken, in sentences: what, by how much, for how long, since when. Asked for once with each set of figures. */
export async function findings({ tables }, stats, view) {
  const place = $("#findings");
  if (!stats) {
    judged = null;
    place.replaceChildren(loading());
    return;
  }
  if (stats !== judged?.stats) {
    const query = `${url.windowQuery()}&limits=${encodeURIComponent(limits.text())}`;
    judged = { stats, told: ask("findings", { query }).catch((error) => ({ error: error.message, findings: [] })) };
  }
  const answer = await judged.told;
  if (stats !== judged?.stats) return;
  // What to do is said once of all that it helps.
  const first = ({ advice }, i) => advice && answer.findings.findIndex((other) => other.advice === advice) === i;
  const shown = answer.findings
    .slice(0, FINDINGS_SHOWN)
    .map((one, i) => h("li", {}, sentence(one, view), first(one, i) ? [" ", h("small", {}, one.advice)] : null));
  const more = answer.findings.length - FINDINGS_SHOWN;
  const tablesHref = url.link(`/collectors/${frame.collector}/tables`, { keep: true });
  if (more > 0) shown.push(h("li", {}, h("a", { href: tablesHref }, `${more} more in the tables`)));
  if (answer.error) shown.push(h("li", { class: "bad" }, `The findings could not be read: ${answer.error}`));
  else if (answer.untold) shown.push(h("li", { class: "muted" }, answer.untold));
  else if (!shown.length) shown.push(fine(tables, "Nothing went beyond a limit in this range."));
  place.replaceChildren(...shown);
}

function sentence({ label, device, unit, rule, share, first, worst }, view) {
  const below = rule[0] === "<";
  const limit = rule === ">0" ? "not 0" : `${below ? "below" : "above"} ${show(Number(rule.slice(1)), unit)}`;
  const of = named() || "this range";
  return [
    h("b", { class: share >= 10 ? "bad" : "warn" }, `${label}${device ? ` ${frame.names[device] ?? device}` : ""}`),
    ` ${limit} for ${share < 0.1 ? "less than 0.1" : digits(share)} % of ${of}, from `,
    h("a", { href: around(first) }, moment(first, view)),
    `, ${below ? "lowest" : "highest"} ${show(worst, unit)}`,
  ];
}

/** What the run or phase that is shown is called in the list of them. */
const named = () => $("#phase")?.selectedOptions[0]?.value && $("#phase").selectedOptions[0].textContent.replace(/^– /, "");

/** That nothing is wrong, where anything was recorded that could be. */
function fine(tables, words) {
  return tables.host.t.length ? h("li", { class: "ok" }, `✓ ${words}`) : h("li", { class: "muted" }, "Nothing was recorded in this range.");
}

/** A proposal for the steady part of a run or phase, when asked for; applied by its link alone. */
async function steady(button, reference, view) {
  const chosen = Object.entries(url.stretch(reference)).filter(([, value]) => value);
  const answer = await ask("steady", { query: new URLSearchParams(chosen) }).catch((error) => ({ error: error.message }));
  if (answer.error) return button.replaceWith(h("span", { class: "bad" }, ` · the steady part could not be asked for: ${answer.error}`));
  const found = answer.steady;
  const href = found && url.href({ ...url.NO_WINDOW, from: found.from_timestamp, to: found.to_timestamp });
  const words = found
    ? [h("a", { href }, `steady part ${stretch(found.from_timestamp, found.to_timestamp, view.utc)}`), ` (MSER-5, ${Math.round(found.kept_percent)} %)`]
    : ["no steady part found"];
  proposals.set(reference, [" · ", ...words]);
  button.replaceWith(...proposals.get(reference));
}

/** The runs and phases, each a link to itself. */
export function phases(view) {
  const found = view.bands.filter(({ reference }) => reference);
  $("#phases").replaceChildren(
    ...found.map(({ from, to, label, reference }) =>
      h(
        "li",
        {},
        h("a", { href: url.href({ ...url.NO_WINDOW, ...url.stretch(reference) }) }, label),
        ` ${stretch(from, to, view.utc)}`,
        proposals.get(reference) ??
          h("button", { type: "button", class: "link", click: (event) => steady(event.target, reference, view) }, "steady part?"),
      ),
    ),
    ...(found.length
      ? []
      : [h("li", { class: "muted" }, "No run is marked here; ", h("code", {}, "perfkit mark"), " marks one while it records.")]),
  );
}

/** What was wrong with the recording: gaps, resets, clock steps. */
export function quality({ events, tables }, view) {
  const shown = events.slice(-EVENTS_SHOWN).map((event) => h("li", {}, told(event, view)));
  const all = url.link("/perfkit/quality_events", { changes: { collector_id: frame.collector } });
  if (events.length > EVENTS_SHOWN) shown.push(h("li", {}, h("a", { href: all }, `all ${events.length}`)));
  if (!events.length) shown.push(fine(tables, "No gap, no reset, no clock step in this range."));
  $("#quality").replaceChildren(...shown);
}

function told({ kind, subject, from_timestamp: from, to_timestamp: to, missed, detail }, view) {
  return [
    h("b", { class: kind === "gap" ? "warn" : null }, KINDS[kind] ?? kind.replace(/_/g, " ")),
    subject ? ` ${subject}` : "",
    ` at ${instant(from, view.utc)}`,
    to > from ? `, ${span(to - from)}` : "",
    missed ? `, ${kind === "unusable" ? "in " : ""}${missed} sample${missed === 1 ? "" : "s"}${kind === "unusable" ? "" : " missed"}` : "",
    detail ? h("small", {}, `: ${detail}`) : null,
  ];
}

/** Who used the machine in the range that is shown; asked for once the figures of that range are there. */
export async function who(answer, stats) {
  const place = $("#who");
  if (!place) return;
  const users = Object.keys(answer.tables.processes?.devices ?? {});
  place.closest("section").hidden = !users.length;
  if (!users.length || !stats || stats === shownWith) return;
  shownWith = stats;
  const found = await ask("who", { query: url.windowQuery() }).catch((error) => ({ error: error.message }));
  if (stats !== shownWith) return;
  if (found.untold) return place.replaceChildren(h("p", { class: "muted" }, found.untold));
  if (found.error) return place.replaceChildren(h("p", { class: "bad" }, `Who used the machine could not be read: ${found.error}`));
  const name = (command) => (command && !url.onDisk ? h("a", { href: url.processHref(command) }, command) : command || "(unknown)");
  const heads = ["Command", "Service", "CPU avg", "CPU peak", "Waiting for CPU", "Memory", "Read", "Written", "Processes"];
  const line = (one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row", class: "text" }, name(one.command)),
      h("td", { class: "text" }, one.service),
      h("td", {}, share(one.cpu_avg === null ? null : Math.max(one.cpu_avg, 0))),
      h("td", {}, share(one.cpu_peak)),
      h("td", {}, share(one.wait_avg)),
      h("td", {}, show(one.memory, "B")),
      h("td", {}, show(one.read_avg, "B/s")),
      h("td", {}, show(one.written_avg, "B/s")),
      h("td", {}, one.memory === null ? "" : one.processes),
    );
  const columns = heads.map((name, i) => heading(name, { class: i < 2 ? "text" : null }));
  place.replaceChildren(
    table(columns, found.who.map(line)),
    h("p", { class: "muted" }, "100 % is one core. Memory is that of the largest process. What no process can be given is (not attributed)."),
  );
}

let shownWith = null;
