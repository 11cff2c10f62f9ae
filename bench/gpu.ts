// npm run gpu [-- --quick --only adapter,conv --out runs/gpu --json]
//
// Measures a GPU in the order in which the numbers are needed, unattended, in ten minutes at most: docs/gpu.md says what each number
// means. Writes one JSON file and one HTML page. Every stage is a process of its own; one that fails is reported, and the rest runs.
// Exit code 0 when every stage ended well or had nothing to measure, else 1.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { UifaceError, UsageError } from "../engine/errors.js";
import { adapterStage } from "./gpu/adapter.js";
import { bandwidthStage } from "./gpu/bandwidth.js";
import { convStage } from "./gpu/conv.js";
import { dispatchStage } from "./gpu/dispatch.js";
import { f16Stage } from "./gpu/f16.js";
import { matmulStage } from "./gpu/matmul.js";
import { pytorchStage } from "./gpu/pytorch.js";
import { type GpuResult, reportHtml, summaryOf } from "./gpu/report.js";
import { runStage, type StageResult } from "./gpu/run-stage.js";
import { Context, type Piece, type Stage } from "./gpu/stage.js";
import { stepStage } from "./gpu/step.js";
import { tilesStage } from "./gpu/tiles.js";
import { text } from "./table.js";

/** In the order in which the numbers are needed: what may be used at all, costs, rates, kernels, the whole, and the measure of it. */
const stages: readonly Stage[] = [
  adapterStage,
  f16Stage,
  dispatchStage,
  bandwidthStage,
  matmulStage,
  tilesStage,
  convStage,
  stepStage,
  pytorchStage,
];

const help = `npm run gpu -- [options]

  --quick          fewer rounds and smaller sizes; software adapters always get them
  --only a,b       some of the stages: ${stages.map((s) => s.name).join(", ")}
  --out FOLDER     where the two files go; default runs/gpu
  --json           print the JSON file too
`;

/** Options; an unknown one is told with the list. */
function commandLine() {
  try {
    return parseArgs({
      options: {
        quick: { type: "boolean", default: false },
        only: { type: "string" },
        out: { type: "string", default: "runs/gpu" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        stage: { type: "string" }, // how this program calls itself
      },
    }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${help}`);
  }
}

type Options = ReturnType<typeof commandLine>;

/** Returns the exit code. */
async function main(): Promise<number> {
  const options = commandLine();
  if (options.help) {
    console.log(help);
    return 0;
  }
  return options.stage === undefined ? runAll(options) : runOne(options);
}

/** The child: one stage, its pieces on stdout. */
async function runOne({ stage: name, quick }: Options): Promise<number> {
  const [stage] = named(name ?? "");
  const emit = (piece: Piece) => {
    process.stdout.write(`${JSON.stringify(piece)}\n`);
  };
  const context = new Context(quick, stage!.seconds, emit);
  try {
    await stage!.run(context);
    return 0;
  } catch (error) {
    if (process.env.DEBUG) console.error(error);
    emit({ error: error instanceof Error ? error.message : String(error) });
    return 1;
  } finally {
    context.close();
  }
}

/** The parent: never touches the GPU, so nothing that happens there can end it. */
async function runAll(options: Options): Promise<number> {
  const start = performance.now();
  const chosen = options.only === undefined ? stages : named(options.only);
  mkdirSync(options.out, { recursive: true }); // told now, not after ten minutes
  const results: StageResult[] = [];
  for (const [i, stage] of chosen.entries()) {
    process.stderr.write(`${i + 1}/${chosen.length}  ${stage.title} ... `);
    const line = [process.execPath, "--enable-source-maps", process.argv[1]!, "--stage", stage.name];
    const result = await runStage(stage, options.quick ? [...line, "--quick"] : line);
    console.error(`${result.state}, ${result.seconds.toFixed(1)} s${result.reason ? `: ${result.reason}` : ""}`);
    results.push(result);
  }
  const known = results.find((r) => r.adapter)?.adapter;
  const result: GpuResult = {
    adapter: known?.adapter ?? "no adapter",
    date: new Date().toISOString().slice(0, 10),
    command: ["npm run gpu", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
    software: known?.software ?? true,
    quick: options.quick,
    seconds: (performance.now() - start) / 1000,
    summary: summaryOf(results),
    stages: results,
  };
  write(options, result);
  return results.every((r) => r.state === "ok" || r.state === "skipped") ? 0 : 1;
}

/** Both files, named by adapter and time, so that an earlier run stays to compare with. */
function write({ out, json }: Options, result: GpuResult): void {
  const slug = result.adapter
    .split("(")[0]!
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "");
  const stamp = new Date().toISOString().slice(0, 16).replace("T", "-").replace(":", "");
  const path = join(out, `${slug.slice(0, 40)}-${stamp}`);
  writeFileSync(`${path}.json`, `${JSON.stringify(result, null, 2)}\n`);
  writeFileSync(`${path}.html`, reportHtml(result));
  if (json) console.log(JSON.stringify(result, null, 2));
  else for (const table of result.summary) console.log(`\n${table.title}\n${text(table)}`);
  if (result.software)
    console.error("\nNo GPU: an adapter in software, at small sizes. These numbers say nothing about any GPU.");
  console.error(`\n${path}.html   to look at\n${path}.json   to send, and for npm run bench -- compare`);
}

/** Stages by their names, in the order of the list. */
function named(names: string): Stage[] {
  const wanted = names.split(",").map((name) => name.trim());
  const unknown = wanted.find((name) => !stages.some((s) => s.name === name));
  if (unknown !== undefined) throw new UsageError(`"${unknown}" is no stage.\n\n${help}`);
  return stages.filter((s) => wanted.includes(s.name));
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UifaceError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
