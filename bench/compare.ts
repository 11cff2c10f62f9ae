// npm run bench -- compare A.json B.json: what became faster or slower from one file of results to the other.
//
//   ratio    time in B / time in A; above 1 is slower
//   noise    twice the distance between the quartiles of a row's samples, over their median: the larger one of the two runs,
//            and at least what two runs of the same code differ by
//   verdict  slower or faster when the ratio leaves 1 by more than the noise, by the clock and against the ceilings alike: a
//            machine that is slower as a whole slows its ceilings too. Rows without a ceiling go by the clock.
//
// Reads what `--json` of the bench wrote (kernels, ladders, nets) and the files of `npm run gpu`.

import { readFileSync } from "node:fs";
import { z } from "zod";
import { FileError, UsageError } from "../engine/errors.js";
import type { Head, Table } from "./table.js";

/** Two processes on the same GPU; on software adapters beside other programs (floors.ts: 1.5x was seen by the clock). */
const LEAST_NOISE = { gpu: 0.05, software: 0.15 };

export type Verdict = "slower" | "faster" | "within noise";

/** One row that both runs have. */
export interface Compared {
  name: string;
  /** Milliseconds in A and in B. */
  a: number;
  b: number;
  /** B / A. */
  ratio: number;
  /** The same against the ceilings that were measured beside; undefined where a row has none. */
  byCeiling: number | undefined;
  /** As a share of the time. */
  noise: number;
  verdict: Verdict;
}

/** What `compare` finds; `--json` prints it. */
export interface Comparison {
  a: Head;
  b: Head;
  /** False only with --force. */
  sameAdapter: boolean;
  rows: Compared[];
  /** How the machine itself changed: B / A of the ceilings' times. */
  ceilings: { name: string; ratio: number }[];
  /** Rows that one run alone has: another --only, or a row that was renamed. */
  onlyInA: string[];
  onlyInB: string[];
  /** Names of the rows that decide the exit code. */
  slower: string[];
}

/** What one row of a file says about time. */
interface Timed {
  ms: number;
  /** Empty in files written before there were any: then the least noise stands. */
  samples: readonly number[];
  /** Of the ceiling measured in the same rounds. */
  share: number | undefined;
}

/** A file of results, reduced to its times. */
export interface Results extends Head {
  timed: ReadonlyMap<string, Timed>;
}

// Files may hold more than this: only what a comparison needs is asked for, so that files of other versions can be read.
const row = z.object({
  name: z.string(),
  ms: z.number(),
  samples: z.array(z.number()).optional(),
  share: z.number().optional(),
});
/** Rows without a time, such as the facts of an adapter, are left out. */
const rowsIn = z.array(z.unknown()).transform((rows) => rows.flatMap((r) => row.safeParse(r).data ?? []));
const file = z.object({
  adapter: z.string(),
  date: z.string(),
  command: z.string(),
  rows: rowsIn.optional(),
  nets: rowsIn.optional(),
  host: z.object({ calls: rowsIn }).optional(),
  stages: z
    .array(z.object({ name: z.string(), tables: z.array(z.object({ title: z.string(), rows: rowsIn })) }))
    .optional(),
});

/** Reads a file of results. Rows of the same name, such as the ceilings of each group, become one. */
export function readResults(path: string): Results {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new FileError(`${path} cannot be read: ${(error as Error).message}.\n${HINT}`);
  }
  const parsed = file.safeParse(json);
  if (!parsed.success) throw new FileError(`${path} is no file of results: ${z.prettifyError(parsed.error)}\n${HINT}`);
  const { adapter, date, command, rows = [], nets = [], host, stages = [] } = parsed.data;
  const all = [...rows, ...nets, ...(host?.calls ?? []), ...stageRows(stages)];
  if (!all.length) throw new FileError(`${path} holds no row with a time.\n${HINT}`);
  return { adapter, date, command, timed: merged(all) };
}

const HINT = "Write one with `npm run -s bench -- --json > A.json`, or `npm run gpu`.";

/** Rows of `npm run gpu`, with the title of their table behind the name, since it has the sizes. PyTorch is not compared with itself. */
function stageRows(stages: readonly { name: string; tables: { title: string; rows: z.infer<typeof row>[] }[] }[]) {
  const tables = stages.filter((s) => s.name !== "pytorch").flatMap((s) => s.tables);
  return tables.flatMap(({ title, rows }) =>
    rows.map((r) => (isCeiling(r.name) ? r : { ...r, name: `${r.name} (${title})` })),
  );
}

/** Ceilings are measured once a group: their times become one median, their samples one list. */
function merged(rows: readonly z.infer<typeof row>[]): Map<string, Timed> {
  const byName = new Map<string, z.infer<typeof row>[]>();
  for (const r of rows) byName.set(r.name, [...(byName.get(r.name) ?? []), r]);
  const timedOf = (same: readonly z.infer<typeof row>[]): Timed => ({
    ms: quantile(
      same.map((r) => r.ms),
      0.5,
    ),
    samples: same.flatMap((r) => r.samples ?? []),
    share: same.find((r) => r.share !== undefined)?.share,
  });
  return new Map([...byName].map(([name, same]) => [name, timedOf(same)]));
}

/** By linear interpolation; 0.5 is the median. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((x, y) => x - y);
  const at = q * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
  return low + (at - Math.floor(at)) * (high - low);
}

/** Twice the interquartile range over the median; 0 for a single sample. */
const spread = (samples: readonly number[]): number =>
  samples.length < 2 ? 0 : (2 * (quantile(samples, 0.75) - quantile(samples, 0.25))) / quantile(samples, 0.5);

/** Ceilings say how fast the machine is, and nothing about the code. */
const isCeiling = (name: string) => name.startsWith("ceiling: ");

/**
 * @param force       compare runs on different adapters all the same
 * @param leastNoise  in the place of LEAST_NOISE
 */
export function compare(a: Results, b: Results, { force = false, leastNoise = leastNoiseOf(a) } = {}): Comparison {
  const sameAdapter = a.adapter === b.adapter;
  if (!sameAdapter && !force) {
    throw new UsageError(`These runs are of different adapters, so no ratio between them speaks of the code.
  A  ${a.adapter}
  B  ${b.adapter}
Compare them all the same with --force.`);
  }
  const common = [...a.timed.keys()].filter((name) => b.timed.has(name));
  const pairs = common.map((name) => [name, a.timed.get(name)!, b.timed.get(name)!] as const);
  const rows = pairs.filter(([name]) => !isCeiling(name)).map((pair) => judge(...pair, leastNoise));
  const head = ({ adapter, date, command }: Head): Head => ({ adapter, date, command });
  return {
    a: head(a),
    b: head(b),
    sameAdapter,
    rows,
    ceilings: pairs.filter(([name]) => isCeiling(name)).map(([name, x, y]) => ({ name, ratio: y.ms / x.ms })),
    onlyInA: [...a.timed.keys()].filter((name) => !b.timed.has(name)),
    onlyInB: [...b.timed.keys()].filter((name) => !a.timed.has(name)),
    slower: rows.filter((r) => r.verdict === "slower").map((r) => r.name),
  };
}

/** By the description, which names the adapters in software; a file says nothing else about them. */
const leastNoiseOf = ({ adapter }: Head) =>
  /lavapipe|llvmpipe|swiftshader/i.test(adapter) ? LEAST_NOISE.software : LEAST_NOISE.gpu;

/** Both ratios must leave the noise on the same side: a faster kernel on a slower machine is no finding. */
function judge(name: string, a: Timed, b: Timed, leastNoise: number): Compared {
  const noise = Math.max(leastNoise, spread(a.samples), spread(b.samples));
  const ratio = b.ms / a.ms;
  const byCeiling = a.share && b.share ? a.share / b.share : undefined;
  const all = [ratio, byCeiling ?? ratio];
  const verdict: Verdict = all.every((r) => r > 1 + noise)
    ? "slower"
    : all.every((r) => r < 1 / (1 + noise))
      ? "faster"
      : "within noise";
  return { name, a: a.ms, b: b.ms, ratio, byCeiling, noise, verdict };
}

/** The rows as a table, those that changed first. */
export function comparisonTable({ a, b, rows, sameAdapter }: Comparison): Table {
  const order: readonly Verdict[] = ["slower", "faster", "within noise"];
  const sorted = [...rows].sort((x, y) => order.indexOf(x.verdict) - order.indexOf(y.verdict));
  const other = sameAdapter ? "" : `Different adapters (--force): A is ${a.adapter}, B is ${b.adapter}. `;
  return {
    title: "B against A",
    note: `${other}A: ${a.date}, ${a.command}. B: ${b.date}, ${b.command}. A ratio above 1 is slower in B.`,
    columns: [
      { key: "name", title: "what" },
      { key: "a", title: "A ms" },
      { key: "b", title: "B ms" },
      { key: "ratio", title: "B / A", digits: 2 },
      { key: "byCeiling", title: "by ceiling", digits: 2 },
      { key: "noise", title: "noise", percent: true },
      { key: "verdict", title: "verdict" },
    ],
    rows: sorted.map((r) => ({ ...r })),
  };
}

/** What stands below the table. */
export function summary(c: Comparison): string {
  const count = (verdict: Verdict) => c.rows.filter((r) => r.verdict === verdict).length;
  const lines = [
    `${count("slower")} slower, ${count("faster")} faster, ${count("within noise")} within noise.`,
    ...c.ceilings.map(({ name, ratio }) => `${name}: B / A ${ratio.toFixed(2)}`),
    ...(c.onlyInA.length ? [`Only in A: ${c.onlyInA.join(", ")}`] : []),
    ...(c.onlyInB.length ? [`Only in B: ${c.onlyInB.join(", ")}`] : []),
  ];
  return lines.join("\n");
}
