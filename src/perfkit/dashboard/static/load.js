// What load tools reported: runs that follow one another share a chart, runs at the same time have their own.

import { Panel, measured } from "./panel.js";

/** The runs of the API's table `load` in lanes, [[run]], so that those of a lane do not overlap; by their first value. */
export function lanes({ t, devices }) {
  const reach = (run) => {
    const known = t.filter((_, i) => Object.values(devices[run]).some(({ avg }) => avg[i] !== null));
    return { run, from: known[0] ?? Infinity, to: known.at(-1) ?? -Infinity };
  };
  const found = [];
  const runs = Object.keys(devices).map(reach);
  for (const one of runs.filter(({ to }) => to > -Infinity).sort((a, b) => a.from - b.from)) {
    const lane = found.find(({ to }) => to < one.from);
    if (lane) Object.assign(lane, { to: one.to, runs: [...lane.runs, one.run] });
    else found.push({ to: one.to, runs: [one.run] });
  }
  return found.map(({ runs: names }) => names);
}

const FIGURES = [
  ["avg", "avg"],
  ["max", "max"],
];

export class LoadPanel extends Panel {
  constructor(spec, runs) {
    const of = runs.length === 1 ? runs[0] : `${runs.length} runs from ${runs[0]} on`;
    super(spec, { of, title: `${spec.title}: ${of}`, name: `load.${spec.id}.${runs[0]}`, folds: true });
    this.runs = runs;
  }

  /** Its runs as one device: at each time the one that ran. */
  table(answer) {
    const { t, devices, bucket_ms: bucket } = super.table(answer);
    const columns = this.spec.series.map(({ column }) => {
      const all = this.runs.map((run) => devices[run]?.[column]?.avg).filter(Boolean);
      return [column, { avg: t.map((_, i) => all.find((avg) => avg[i] !== null)?.[i] ?? null) }];
    });
    return { t, bucket_ms: bucket, devices: { "": Object.fromEntries(columns) } };
  }

  /** The server computes no figures of load tools' own: those of the points stand for them. What a tool does not report is left out. */
  input(table, answer, stats) {
    const input = super.input(table, answer, stats);
    const series = input.series.filter((one) => one.avg.some((v) => v !== null)).map((one) => ({ ...one, stats: measured(one.avg) }));
    return { ...input, series: series.length ? series : input.series };
  }

  take(answer, stats, live) {
    super.take(answer, stats, live);
    this.shown.figures = FIGURES;
  }

  /** A gap of the collector is none of the load tool's. */
  paint(view, on) {
    super.paint(Object.assign(Object.create(view), { gaps: [], pauses: [] }), on);
  }
}
