// A row's numbers made into ratios, a verdict and a table.

import { quantile } from "../compare.js";
import type { Cells, Column, Table } from "../table.js";
import { isStep, type Task } from "./protocol.js";
import { type Peer, peerNames, type Wanted } from "./rows.js";

/** What an engine did in a row: times, or why there are none. One that was stopped in a run took `over` seconds at least. */
export type Outcome =
  | { samples: number[]; firstMs: number; error: number }
  | { reason: string; wrong?: boolean; over?: number };

export interface RowResult {
  name: string;
  task: Task;
  wanted: Wanted;
  ours: Outcome;
  peers: Partial<Record<Peer, Outcome>>;
}

/** Largest difference from ours. Winograd's form rounds more than a sum, in nets more than in one operation. */
export function allowedError(task: Task): number {
  if (isStep(task)) return 1e-2; // of the loss's drop, which is a small difference
  return task.op === "unet" || task.op === "decode" || task.op === "ir" ? 1e-3 : 1e-4;
}

export const msOf = (outcome: Outcome | undefined): number | undefined =>
  outcome && "samples" in outcome ? quantile(outcome.samples, 0.5) : undefined;

/** Milliseconds that a run takes at least. */
const leastOf = (outcome: Outcome | undefined): number | undefined =>
  outcome && "over" in outcome && outcome.over ? 1000 * outcome.over : msOf(outcome);

/** Theirs over ours, of the fastest WebGPU engine and of PyTorch; an engine that was stopped counts as if it had just ended. */
export function ratiosOf({ ours, peers }: RowResult): Wanted {
  const own = msOf(ours);
  if (own === undefined) return {};
  const times = peerNames.filter((p) => p !== "torch").flatMap((p) => leastOf(peers[p]) ?? []);
  const torch = leastOf(peers.torch);
  return {
    ...(times.length && { webgpu: Math.min(...times) / own }),
    ...(torch !== undefined && { torch: torch / own }),
  };
}

/** "ok" when every wanted ratio that could be measured is reached. */
export function verdictOf(row: RowResult): string {
  const ratios = ratiosOf(row);
  const kinds = (["webgpu", "torch"] as const).filter((k) => row.wanted[k] !== undefined && ratios[k] !== undefined);
  if (!kinds.length) return "not compared";
  return kinds.every((k) => ratios[k]! >= row.wanted[k]!) ? "ok" : "misses";
}

const columns: readonly Column[] = [
  { key: "name", title: "row" },
  { key: "ms", title: "ours ms" },
  { key: "jax", title: "jax-js" },
  { key: "tfjs", title: "TF.js" },
  { key: "ort", title: "ORT Web" },
  { key: "webgpu", title: "best / ours", digits: 2 },
  { key: "webgpuWanted", title: "wanted" },
  { key: "torch", title: "PyTorch CPU" },
  { key: "torchRatio", title: "PyTorch / ours", digits: 2 },
  { key: "torchWanted", title: "wanted" },
  { key: "verdict", title: "verdict" },
];

/** What stands in a peer's column. */
function cellOf(outcome: Outcome | undefined): number | string | undefined {
  if (!outcome || "samples" in outcome) return msOf(outcome);
  if (outcome.over) return `> ${outcome.over} s`;
  return outcome.wrong ? "wrong" : "not run";
}

/** One row; a JSON file has these too, and the samples. */
export function cellsOf(row: RowResult): Cells {
  const ratios = ratiosOf(row);
  return {
    name: row.name,
    ms: cellOf(row.ours),
    ...("samples" in row.ours && { samples: row.ours.samples }),
    ...Object.fromEntries(peerNames.map((peer) => [peer, cellOf(row.peers[peer])])),
    webgpu: ratios.webgpu,
    webgpuWanted: row.wanted.webgpu,
    torchRatio: ratios.torch,
    torchWanted: row.wanted.torch,
    verdict: verdictOf(row),
  };
}

/** The rows, and under them why an engine has no number. */
export const peersTable = (rows: readonly RowResult[], engines: string): Table => ({
  title: "Beside other engines",
  note:
    `${engines}. Medians in milliseconds by the host's clock, one process an engine, rounds in turn on the same adapter, ` +
    "inputs and results in its memory. A ratio is theirs over ours: 5 is five times faster.",
  columns,
  rows: rows.map(cellsOf),
});

/** A line for everything that did not run or was wrong. */
export const reasons = (rows: readonly RowResult[]): string[] =>
  rows.flatMap((row) =>
    (["ours", ...peerNames] as const).flatMap((engine) => {
      const outcome = engine === "ours" ? row.ours : row.peers[engine];
      if (!outcome || "samples" in outcome) return [];
      const what = outcome.over ? "stopped" : outcome.wrong ? "wrong" : "not run";
      return [`${row.name}, ${engine}: ${what}: ${outcome.reason}`];
    }),
  );
