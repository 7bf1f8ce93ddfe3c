// One container.

import { $, frame } from "./dom.js";
import { Panel } from "./panel.js";
import { run } from "./view.js";

window.perfkit = run({
  tables: ["containers"],
  build: () => {
    const panels = frame.panels.map((spec) => new Panel(spec, { device: frame.container }));
    $("#panels").replaceChildren(...panels.map((p) => p.element));
    return panels;
  },
});
