// One container.

import { $ } from "./dom.js";
import { Panel, quiet } from "./panel.js";
import { frame } from "./source.js";
import { run } from "./view.js";

let made = [];

window.perfkit = run({
  tables: ["containers"],
  build: () => {
    made = frame.panels.map((spec) => new Panel(spec, { device: frame.container, folds: true }));
    $("#panels").replaceChildren(...made.map((p) => p.element));
    return made;
  },
  after: () => $("#quiet").replaceChildren(...quiet(made)),
});
