// npm run -s test:parity -- [--json] [--only <file>]...
//
//   npm run -s test:parity                        every golden file, a line a case
//   npm run -s test:parity -- --only unet_small   one file
//   npm run -s test:parity -- --json              at the end one JSON object on stdout; the lines go to stderr anyway
//
// Exit code 1 if a case failed. GOLDEN_DIR names another folder of golden files.

import { parseArgs } from "node:util";
import "./all.js";
import { line, type ParityResult, parityFiles, passed, runParity } from "./cases.js";

function options(): { json: boolean; only: string[] } {
  const { values } = parseArgs({
    options: { json: { type: "boolean", default: false }, only: { type: "string", multiple: true, default: [] } },
  });
  const unknown = values.only.filter((file) => !parityFiles().includes(file));
  if (unknown.length) throw new Error(`No parity cases for ${unknown.join(", ")}. Known: ${parityFiles().join(", ")}.`);
  return values;
}

async function main(): Promise<number> {
  const { json, only } = options();
  const results: ParityResult[] = [];
  for (const file of only.length ? only : parityFiles()) {
    for await (const result of runParity(file)) {
      results.push(result);
      process.stderr.write(`${line(result)}\n`);
    }
  }
  const good = results.filter(passed).length;
  const failed = results.length - good;
  process.stdout.write(
    json ? `${JSON.stringify({ passed: good, failed, cases: results })}\n` : `${good} passed, ${failed} failed\n`,
  );
  return failed ? 1 : 0;
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
