// The overview: four summary charts, tiles, findings.

import { $, frame } from "./dom.js";
import { Panel } from "./panel.js";
import { run } from "./view.js";

const metrics = [...new Set(frame.panels.flatMap((p) => [...p.series.map((s) => s.column), p.peak, p.total].filter(Boolean).map((c) => `${p.table}.${c}`)))];

window.perfkit = run({
  metrics,
  build: () => {
    const panels = frame.panels.map((spec) => new Panel(spec));
    $("#panels").replaceChildren(...panels.map((p) => p.element));
    return panels;
  },
});
