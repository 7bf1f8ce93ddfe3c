// Charts of which there is nothing to see, in a line: "Errors, drops: none", and what was not recorded, with the reason.

import { h } from "./dom.js";
import { within } from "./panel.js";
import * as url from "./url.js";

/** The lines for those of `panels` that fold; a click on a name shows its chart all the same, here and for whoever gets the link. */
export function quiet(panels) {
  const folded = panels.filter((panel) => panel.folds && panel.element.hidden);
  const zero = folded.filter((panel) => panel.isZero());
  const unknown = Map.groupBy(
    folded.filter((panel) => panel.isEmpty()),
    (panel) => panel.spec.missing || "not recorded in this range",
  );
  return [
    ...(zero.length ? [line(zero, "none")] : []),
    ...[...unknown].map(([reason, found]) => line(found, reason[0].toLowerCase() + reason.slice(1))),
    ...again(panels),
  ];
}

function line(panels, words) {
  const name = ({ spec, of }, i) => `${i ? within(spec.title) : spec.title}${of ? ` (${of})` : ""}`;
  const names = panels.map((panel, i) => [i ? ", " : "", button(panel, name(panel, i))]);
  return h("p", {}, ...names.flat(), `: ${words}`);
}

/** The way back for charts that were asked for by their names. */
function again(panels) {
  const shown = panels.filter((panel) => panel.folds && !panel.element.hidden && url.list("show").includes(panel.name));
  return shown.length
    ? [h("p", {}, "Shown though there is nothing to see: ", ...shown.map((panel) => button(panel, `${panel.title} ×`)))]
    : [];
}

const button = (panel, words) => h("button", { type: "button", class: "link", click: () => url.toggle("show", panel.name) }, words);
