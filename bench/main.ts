// npm run bench [-- --only conv --quick --json --floor]       npm run bench -- --ladder matmul       npm run bench -- --nets
// npm run bench -- compare A.json B.json
//
// Every kernel family at the sizes of the nets, against what this adapter can do at most, measured in the same rounds.
// Exit code 0; 1 when a result is wrong, with --floor when a row is below its floor, in a comparison when a row got slower.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, extname } from "node:path";
import { parseArgs } from "node:util";
import { describe } from "../engine/adapter.js";
import { type Device, openDevice } from "../engine/device.js";
import { UifaceError, UsageError } from "../engine/errors.js";
import type { Group } from "./case.js";
import { bufferCopy } from "./ceilings.js";
import { compare as compareResults, comparisonTable, readResults, summary } from "./compare.js";
import { FRESH, firstResult, firstTable, measureFirst } from "./first.js";
import { measureHost } from "./host.js";
import { adam } from "./kernels/adam.bench.js";
import { attention } from "./kernels/attention.bench.js";
import { conv2d, conv2dSmall } from "./kernels/conv2d.bench.js";
import { crossEntropy } from "./kernels/cross_entropy.bench.js";
import { elementwise } from "./kernels/elementwise.bench.js";
import { groupNormGroup } from "./kernels/group_norm.bench.js";
import { matmul } from "./kernels/matmul.bench.js";
import { reduce } from "./kernels/reduce.bench.js";
import { softmax } from "./kernels/softmax.bench.js";
import { attentionLadder } from "./ladder/attention.js";
import { conv2dLadder } from "./ladder/conv2d.js";
import { matmulLadder } from "./ladder/matmul.js";
import { softmaxLadder } from "./ladder/softmax.js";
import { measure, type Row, WrongResult } from "./measure.js";
import { measureNets, type NetRow, netHeading, netLine } from "./nets.js";
import { page, section } from "./page.js";
import { peers } from "./peers/main.js";
import { below, floorVerdict, heading, hostLines, hostTable, kernelTable, line, netTable } from "./print.js";
import { type Head, markdownOf, type Table, text } from "./table.js";

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

/** One operation in several kernels, from the formula up. */
const ladders: readonly Group[] = [matmulLadder, conv2dLadder, softmaxLadder, attentionLadder];

const help = `npm run bench -- [options]
npm run bench -- compare A.json B.json [options]
npm run bench -- peers [options]                    the engine beside jax-js, TensorFlow.js, ONNX Runtime Web, PyTorch

  --only conv     the ops whose name begins so: ${[...new Set(groups.map((g) => g.stem))].join(", ")}
  --ladder conv   one operation from the naive kernel to the engine's: ${ladders.map((g) => g.stem).join(", ")}
  --nets          whole nets and training steps at the paper's sizes; with --only, those whose name holds it
  --first         seconds until a fresh process has its first result
  --quick         three rounds instead of five
  --floor         exit code 1 when a row is below its floor; the rows are named
  --json          one JSON object
  --markdown      a Markdown table with adapter, date and command
  --out FILE      the same into a file: .json, .md or .html

compare: exit code 1 when a row of B is slower than in A beyond the noise
  --force         compare runs on different adapters
  --noise 5       per cent that count as noise at least; default 5 on a GPU, 15 on a software adapter
  --json, --markdown, --out FILE
`;

const option = { text: { type: "string" }, flag: { type: "boolean", default: false } } as const;

/** Options and positionals; an unknown one throws with its name: nothing is guessed. */
function commandLine() {
  const { text, flag } = option;
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        ...{ only: text, ladder: text, nets: flag, first: flag, quick: flag, floor: flag },
        ...{ force: flag, noise: text },
        ...{ json: flag, markdown: flag, out: text, help: flag },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${help}`);
  }
}

/** What the command line said. */
type Options = ReturnType<typeof commandLine>["values"];

/** Returns the exit code. */
async function main(): Promise<number> {
  if (process.argv[2] === "peers") return peers(process.argv.slice(3));
  const { values: options, positionals } = commandLine();
  if (options.help) {
    console.log(help);
    return 0;
  }
  const output = new Output(options);
  if (options.first) return first(output);
  if (positionals[0] === "compare") return compareFiles(positionals.slice(1), options, output);
  if (positionals.length) throw new UsageError(`"${positionals[0]}" is not expected here.\n\n${help}`);
  return run(options, output);
}

/** What --json, --markdown and --out ask for. */
class Output {
  /** Lines as they come: only where nothing else is to stand on stdout. */
  readonly lines: boolean;

  constructor(private readonly options: Options) {
    this.lines = !options.json && !options.markdown;
    const kind = options.out === undefined ? ".md" : extname(options.out);
    if (![".json", ".md", ".html"].includes(kind))
      throw new UsageError(`--out ${options.out}: the name must end in .json, .md or .html.`);
  }

  /** A line for people. */
  say(text: string): void {
    if (this.lines) console.log(text);
  }

  /** At the end: the whole result in the forms asked for. */
  finish(title: string, head: Head, result: object, tables: readonly Table[]): void {
    const { json, markdown, out } = this.options;
    const forms: Record<string, () => string> = {
      ".json": () => `${JSON.stringify({ ...head, ...result }, null, 2)}\n`,
      ".md": () => markdownOf(title, head, tables),
      ".html": () => page(title, head, tables.map(section).join("\n")),
    };
    if (json) process.stdout.write(forms[".json"]!());
    else if (markdown) process.stdout.write(forms[".md"]!());
    if (!out) return;
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(out, forms[extname(out)]!());
    this.say(`\nwritten: ${out}`);
  }
}

/** Measures, prints as it goes, and returns the exit code. */
async function run(options: Options, output: Output): Promise<number> {
  const wanted = options.ladder ?? options.only ?? "";
  const chosen = (options.ladder === undefined ? groups : ladders).filter((g) => g.stem.startsWith(wanted));
  if (!chosen.length && !options.nets) {
    throw new UsageError(`${options.ladder === undefined ? "--only" : "--ladder"} ${wanted}: no such op.\n\n${help}`);
  }
  const dev = await openDevice();
  const head = headOf(dev);
  output.say(`${head.adapter}\n${head.date}   ${head.command}\n`);
  try {
    return await (options.nets ? nets : kernels)(dev, options, { head, output, chosen });
  } finally {
    dev.close();
  }
}

/** What a result begins with. */
const headOf = (dev: Device): Head => ({
  adapter: `${describe(dev.info)} (${dev.kind}, ${dev.family} kernels)`,
  date: new Date().toISOString().slice(0, 10),
  command: ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" "),
});

/** What both kinds of measurement are given. */
interface Given {
  head: Head;
  output: Output;
  chosen: readonly Group[];
}

/** Kernels at the sizes of the nets, or the rungs of ladders; without a choice, what the host pays as well. */
async function kernels(dev: Device, options: Options, { head, output, chosen }: Given): Promise<number> {
  const rows: Row[] = [];
  output.say(heading());
  for (const group of chosen) {
    const measured = await measure(dev, group, options.quick ? 3 : 5);
    for (const row of measured) output.say(line(row));
    rows.push(...measured);
  }
  // A part of the table is measured to look at that part: the host is left out of it.
  const all = !options.only && options.ladder === undefined;
  const host = all ? { copyBufferToBuffer: await bufferCopy(), calls: await measureHost(options.quick) } : undefined;
  if (host) output.say(hostLines(host.copyBufferToBuffer, host.calls));
  const missed = rows.filter(below);
  const tables = [kernelTable("Kernels", rows), ...(host ? [hostTable(host.copyBufferToBuffer, host.calls)] : [])];
  output.finish("Benchmarks", head, { rows, host, missed: missed.map((r) => r.name) }, tables);
  if (!options.floor) return 0;
  console.error(floorVerdict(rows, missed)); // on stderr, so that --json stays one object
  return missed.length ? 1 : 0;
}

/** --nets: rows are printed as they come, since the last ones take minutes in software. */
async function nets(dev: Device, options: Options, { head, output }: Given): Promise<number> {
  output.say(netHeading);
  const rows: NetRow[] = [];
  for await (const row of measureNets(dev, options.quick ? 3 : 5, options.only)) {
    output.say(netLine(row));
    rows.push(row);
  }
  output.finish("Benchmarks of whole nets", head, { nets: rows }, [netTable(rows)]);
  return 0;
}

/** --first: this process opens no device while another is measured, but for the adapter's name. */
async function first(output: Output): Promise<number> {
  const dev = await openDevice();
  const head = headOf(dev);
  dev.close();
  const rows = measureFirst();
  const table = firstTable(rows);
  output.say(`${head.adapter}\n${head.date}   ${head.command}\n\n${table.note}\n\n${text(table)}`);
  output.finish(table.title, head, { first: rows }, [table]);
  return 0;
}

/** compare A.json B.json: needs no adapter, and opens none. */
function compareFiles(files: readonly string[], options: Options, output: Output): number {
  const [a, b] = files;
  if (!a || !b || files.length > 2) throw new UsageError(`compare takes two files.\n\n${help}`);
  const noise = options.noise === undefined ? undefined : Number(options.noise) / 100;
  if (noise !== undefined && !(noise >= 0)) throw new UsageError(`--noise ${options.noise}: not a number of per cent.`);
  const found = compareResults(readResults(a), readResults(b), {
    force: options.force,
    ...(noise === undefined ? {} : { leastNoise: noise }),
  });
  const table = comparisonTable(found);
  output.say(`${table.note}\n\n${text(table)}\n\n${summary(found)}`);
  const head = { ...found.b, command: `compare ${a} ${b}` };
  output.finish("Two runs compared", head, found, [{ ...table, note: `${table.note} ${summary(found)}` }]);
  return found.slower.length ? 1 : 0;
}

// Mistakes of the user and wrong results are told in words; anything else is a bug and keeps its stack.
try {
  if (process.argv[2] === FRESH) console.log(JSON.stringify(await firstResult()));
  else process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UifaceError || error instanceof WrongResult)) throw error;
  console.error(error.message);
  process.exitCode = error instanceof UifaceError ? error.exitCode : 1;
}
