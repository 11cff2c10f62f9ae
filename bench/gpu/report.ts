// The report of `npm run gpu`: first what decides, then every stage with its tables.

import { page, section } from "../page.js";
import { type Cell, type Cells, escapeHtml, type Head, type Table } from "../table.js";
import type { StageResult } from "./run-stage.js";

/** The JSON file, whole. */
export interface GpuResult extends Head {
  software: boolean;
  quick: boolean;
  seconds: number;
  stages: StageResult[];
  /** Tables made of several stages' rows. */
  summary: Table[];
}

/** What decides, of rows that may be missing. */
export function summaryOf(stages: readonly StageResult[]): Table[] {
  return [glance(stages), ratios(stages)].filter((table) => table.rows.length);
}

/** All rows of a stage, of whichever table. */
const rowsOf = (stages: readonly StageResult[], stage: string): Cells[] =>
  stages.filter((s) => s.name === stage).flatMap((s) => s.tables.flatMap((t) => [...t.rows]));

/** The row of that name, or of a name that begins so. */
const rowOf = (rows: readonly Cells[], name: string): Cells | undefined =>
  rows.find((r) => r.name === name) ?? rows.find((r) => String(r.name).startsWith(name));

/** A handful of numbers, each with the aim it is read against. */
function glance(stages: readonly StageResult[]): Table {
  const lines: (Cells | undefined)[] = [
    line("Multiply-adds in registers", rowOf(rowsOf(stages, "matmul"), "ceiling: FMA"), "the data sheet's f32 rate"),
    line("f32 matrix product", rowOf(rowsOf(stages, "matmul"), "the engine's matmul"), "60 % of the ceiling"),
    line("The best tile", best(rowsOf(stages, "tiles").filter((r) => typeof r.rate === "number")), "the planned one"),
    line("Memory, the best stream", best(rowsOf(stages, "bandwidth").filter(isStream)), "85 % of the data sheet"),
    cost("An empty dispatch, chained: GPU", rowOf(rowsOf(stages, "dispatch"), "chained, one pass"), "gpuUs"),
    cost("The same, independent: GPU", rowOf(rowsOf(stages, "dispatch"), "independent, one pass"), "gpuUs"),
    cost("A dispatch of the engine: host", rowOf(rowsOf(stages, "dispatch"), "the engine's call"), "encodeUs"),
    step(rowOf(rowsOf(stages, "step"), "UNet training step")),
  ];
  return {
    title: "At a glance",
    columns: [
      { key: "what", title: "what" },
      { key: "value", title: "value" },
      { key: "unit", title: "" },
      { key: "share", title: "of the ceiling", percent: true },
      { key: "aim", title: "read against" },
      { key: "of", title: "row" },
    ],
    rows: lines.filter((l) => l !== undefined),
  };
}

/** Copies and triads of the stage; its ceiling is the engine's own copy. */
const isStream = ({ name }: Cells) => /copy|triad/.test(String(name)) && !String(name).startsWith("ceiling");

/** The row of the highest rate. */
const best = (rows: readonly Cells[]): Cells | undefined =>
  [...rows].sort((a, b) => number(b.rate) - number(a.rate))[0];

/** What is no number loses every comparison. */
const number = (cell: Cell): number => (typeof cell === "number" ? cell : Number.NEGATIVE_INFINITY);

// One line of the glance each: a rate, a cost, the step. A row that a stage did not make leaves its line out.

const line = (what: string, row: Cells | undefined, aim: string): Cells | undefined =>
  row && { what, value: row.rate, unit: row.unit, share: row.share, aim, of: row.name };

const cost = (what: string, row: Cells | undefined, key: string): Cells | undefined =>
  row && row[key] !== undefined ? { what, value: row[key], unit: "µs", of: row.name } : undefined;

const step = (row: Cells | undefined): Cells | undefined =>
  row && { what: "A training step", value: row.ms, unit: "ms", share: row.share, aim: "PyTorch, below", of: row.name };

/** Our time over PyTorch's, for every row that both have. */
function ratios(stages: readonly StageResult[]): Table {
  const theirs = rowsOf(stages, "pytorch");
  const ours = new Map(
    ["matmul", "bandwidth", "dispatch", "conv", "step"].flatMap((stage) =>
      rowsOf(stages, stage).map((row) => [String(row.name), row] as const),
    ),
  );
  const names = [...new Set(theirs.map((r) => String(r.ours)))].filter((name) => ours.has(name));
  const rows = names.map((name) => {
    const ms = number(ours.get(name)!.ms);
    const of = (precision: string) => theirs.find((r) => r.ours === name && r.precision === precision)?.ms;
    const ratio = (precision: string) => (typeof of(precision) === "number" ? ms / number(of(precision)) : undefined);
    const [f32, tf32, f16] = ["f32", "tf32", "f16"].map((p) => ({ ms: of(p), ratio: ratio(p) }));
    return {
      ...{ what: name, ours: ms, f32: f32!.ms, tf32: tf32!.ms, f16: f16!.ms },
      ...{ byF32: f32!.ratio, byTf32: tf32!.ratio, byF16: f16!.ratio },
    };
  });
  return {
    title: "Beside PyTorch",
    note: "ms, and our time over PyTorch's: below 1 we are faster. Our kernels compute in f32.",
    columns: [
      { key: "what", title: "what" },
      { key: "ours", title: "ours ms" },
      { key: "f32", title: "PyTorch f32" },
      { key: "tf32", title: "tf32" },
      { key: "f16", title: "f16" },
      { key: "byF32", title: "ours / f32", digits: 2 },
      { key: "byTf32", title: "ours / tf32", digits: 2 },
      { key: "byF16", title: "ours / f16", digits: 2 },
    ],
    rows,
  };
}

/** What decides first, then the state of the stages, then all they measured. */
export function reportHtml(result: GpuResult): string {
  const { stages, summary } = result;
  const sections: string[] = [];
  if (result.software) {
    sections.push(
      `<p class="warn">No GPU: this adapter computes in software, at small sizes. The numbers show that the stages work and nothing about any GPU.</p>`,
    );
  }
  for (const table of [...summary, stageTable(stages)]) sections.push(section(table));
  for (const [i, stage] of stages.entries()) sections.push(stageHtml(stage, i + 1));
  return page("What this GPU does", result, sections.join("\n"));
}

const stageTable = (stages: readonly StageResult[]): Table => ({
  title: "Stages",
  columns: [
    { key: "title", title: "stage" },
    { key: "state", title: "" },
    { key: "seconds", title: "seconds", digits: 1 },
    { key: "reason", title: "" },
  ],
  rows: stages.map(({ title, state, seconds, reason }) => ({ title, state, seconds, reason: reason?.split("\n")[0] })),
});

/** One stage: what went wrong, what it noticed, its tables. */
function stageHtml({ title, state, reason, notes, tables }: StageResult, place: number): string {
  const why = reason
    ? `<p class="${state === "skipped" ? "warn" : "bad"}">${escapeHtml(`${state}: ${reason}`)}</p>`
    : "";
  const said = notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join("\n");
  return [`<h2>${place}. ${escapeHtml(title)}</h2>`, why, said, ...tables.map(section)].filter(Boolean).join("\n");
}
