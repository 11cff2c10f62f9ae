// npm run -s test:parity -- [--json] [--only <file>]... [--precision exact|fast]
//
//   npm run -s test:parity                        every golden file, a line a case, and how long each took
//   npm run -s test:parity -- --only unet_small   one file
//   npm run -s test:parity -- --precision fast    with Winograd's convolutions where they pay, and the bound for that
//   npm run -s test:parity -- --json              at the end one JSON object on stdout; the lines go to stderr anyway
//
// Exit code 1 if a case failed. GOLDEN_DIR names another folder of golden files.

import { parseArgs } from "node:util";
import { line, type ParityResult, parityFiles, passed, runParity } from "./cases.js";

function options(): { json: boolean; only: string[]; precision: string } {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      only: { type: "string", multiple: true, default: [] },
      precision: { type: "string", default: process.env.UIFACE_PRECISION || "exact" },
    },
  });
  if (["exact", "fast"].includes(values.precision)) return values;
  throw new Error(`--precision is "${values.precision}", but can only be exact or fast.`);
}

async function main(): Promise<number> {
  const { json, only, precision } = options();
  process.env.UIFACE_PRECISION = precision; // nets.ts reads it when the cases are loaded
  await import("./all.js");
  const unknown = only.filter((file) => !parityFiles().includes(file));
  if (unknown.length) throw new Error(`No parity cases for ${unknown.join(", ")}. Known: ${parityFiles().join(", ")}.`);
  const results: ParityResult[] = [];
  const seconds: [file: string, seconds: number][] = [];
  for (const file of only.length ? only : parityFiles()) {
    const start = performance.now();
    for await (const result of runParity(file)) {
      results.push(result);
      process.stderr.write(`${line(result)}\n`);
    }
    seconds.push([file, (performance.now() - start) / 1000]);
  }
  process.stderr.write(`${timesOf(seconds)}\n`);
  const good = results.filter(passed).length;
  const failed = results.length - good;
  process.stdout.write(
    json ? `${JSON.stringify({ passed: good, failed, cases: results })}\n` : `${good} passed, ${failed} failed\n`,
  );
  return failed ? 1 : 0;
}

/** `312 s: unet_full 140, vq_full 77, ...`, the longest first. */
function timesOf(seconds: [file: string, seconds: number][]): string {
  const total = seconds.reduce((sum, [, s]) => sum + s, 0);
  const each = seconds.sort((a, b) => b[1] - a[1]).map(([file, s]) => `${file} ${s.toFixed(0)}`);
  return `${total.toFixed(0)} s: ${each.join(", ")}`;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
