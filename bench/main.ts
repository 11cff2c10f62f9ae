// npm run bench [-- --only conv --quick --json --floor]
//
// Every kernel family at the sizes of the nets, against what this adapter can do at most, measured in the same rounds.
// Exit code 0; 1 when a result is wrong, or with --floor when a row is below its floor.

import { parseArgs } from "node:util";
import { describe } from "../engine/adapter.js";
import { openDevice } from "../engine/device.js";
import type { Group } from "./case.js";
import { bufferCopy } from "./ceilings.js";
import { type HostRow, measureHost } from "./host.js";
import { adam } from "./kernels/adam.bench.js";
import { attention } from "./kernels/attention.bench.js";
import { conv2d, conv2dSmall } from "./kernels/conv2d.bench.js";
import { crossEntropy } from "./kernels/cross_entropy.bench.js";
import { elementwise } from "./kernels/elementwise.bench.js";
import { groupNormGroup } from "./kernels/group_norm.bench.js";
import { matmul } from "./kernels/matmul.bench.js";
import { reduce } from "./kernels/reduce.bench.js";
import { softmax } from "./kernels/softmax.bench.js";
import { measure, type Row, WrongResult } from "./measure.js";

/** In the order of the table. The ceilings are measured anew for each. */
const groups: readonly Group[] = [
  matmul,
  conv2d,
  conv2dSmall,
  softmax,
  groupNormGroup,
  elementwise,
  adam,
  reduce,
  crossEntropy,
  attention,
];

const help = `npm run bench -- [options]

  --only conv     the ops whose name begins so: ${[...new Set(groups.map((g) => g.stem))].join(", ")}
  --quick         three rounds instead of five
  --floor         exit code 1 when a row is below its floor; the rows are named
  --json          one JSON object
`;

// An unknown option throws with the name: nothing is guessed.
const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    floor: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** --help. */
function usage(): number {
  console.log(help);
  return 0;
}

/** Measures, prints as it goes, and returns the exit code. */
async function main(): Promise<number> {
  const chosen = groups.filter((g) => g.stem.startsWith(options.only ?? ""));
  if (!chosen.length) {
    console.error(`--only ${options.only}: no such op.\n\n${help}`);
    return 2;
  }
  const dev = await openDevice();
  const head = {
    adapter: `${describe(dev.info)} (${dev.kind}, ${dev.family} kernels)`,
    date: new Date().toISOString().slice(0, 10),
    command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
  };
  if (!options.json) console.log(`${head.adapter}\n${head.date}   ${head.command}\n`);
  try {
    const rows: Row[] = [];
    if (!options.json) console.log(heading());
    for (const group of chosen) {
      const measured = await measure(dev, group, options.quick ? 3 : 5);
      if (!options.json) for (const row of measured) console.log(line(row));
      rows.push(...measured);
    }
    const host = options.only
      ? undefined
      : { copyBufferToBuffer: await bufferCopy(), calls: await measureHost(options.quick) };
    const missed = rows.filter(below);
    if (options.json) console.log(JSON.stringify({ ...head, rows, host, missed: missed.map((r) => r.name) }, null, 2));
    else if (host) printHost(host.copyBufferToBuffer, host.calls);
    return options.floor ? verdict(rows, missed) : 0;
  } catch (error) {
    if (!(error instanceof WrongResult)) throw error;
    console.error(error.message);
    return 1;
  } finally {
    dev.close();
  }
}

/** On stderr, so that --json stays one object: how many rows hold their floor, and which do not. */
function verdict(rows: readonly Row[], missed: readonly Row[]): number {
  const held = rows.filter((r) => r.floor !== undefined).length - missed.length;
  console.error(`\n${held} rows hold their floor, ${missed.length} do not.`);
  for (const r of missed) {
    const cpu = r.cpuShare === undefined ? "" : ` (${percent(r.cpuShare)} by CPU time)`;
    console.error(`  ${r.name}: ${percent(r.share)} of the ceiling${cpu}, floor ${percent(r.floor!)}`);
  }
  return missed.length ? 1 : 0;
}

/** By the clock and by CPU time: one of them may have been stretched by other programs. */
function below({ share, cpuShare = 0, floor = 0 }: Row): boolean {
  return share < floor && cpuShare < floor;
}

/** 0.256 as "26 %". */
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

const heading = (): string =>
  `${"what".padEnd(44)}${"ms".padStart(9)}${"rate".padStart(16)}${"ceiling".padStart(9)}${"by CPU".padStart(8)}${"floor".padStart(7)}  kernels`;

/** A row; `!` at its end marks one below its floor. */
function line(row: Row): string {
  const { name, ms, rate, unit, share, cpuShare, floor, kernels } = row;
  return (
    name.padEnd(44) +
    ms.toFixed(2).padStart(9) +
    `${rate.toFixed(1)} ${unit.padEnd(7)}`.padStart(16) +
    percent(share).padStart(9) +
    (cpuShare === undefined ? "" : percent(cpuShare)).padStart(8) +
    (floor === undefined ? "" : percent(floor)).padStart(7) +
    `  ${kernels.join(", ")}${below(row) ? " !" : ""}`
  );
}

/** What is not a kernel: a copy by the queue, and what the host pays. */
function printHost(copied: number, calls: readonly HostRow[]): void {
  console.log(`\n${"copyBufferToBuffer".padEnd(60)}${copied.toFixed(1).padStart(8)} GB/s`);
  for (const { name, ms } of calls) console.log(`${name.padEnd(60)}${ms.toFixed(3).padStart(8)} ms`);
}

process.exitCode = options.help ? usage() : await main();
