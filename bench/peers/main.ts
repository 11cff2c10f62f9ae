// npm run bench -- peers [--only conv --engines jax,tfjs --rounds 5 --tiny --out FILE ...]
//
// Our engine beside jax-js, TensorFlow.js, ONNX Runtime Web and PyTorch on the CPU. Every engine is a process of its own
// (child.ts, pytorch.py); the parent gives each the same row, compares the results with ours, and only then lets them run in turn,
// round after round. A peer that is missing, crashes or is wrong costs its own cell. Exit code 1 when a result is wrong or ours
// did not run, else 0: a ratio below the wanted one is a finding, not a failure.

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { parseArgs } from "node:util";
import { UsageError } from "../../engine/errors.js";
import { findPython } from "../gpu/pytorch.js";
import { page, section } from "../page.js";
import { type Head, markdownOf, shown } from "../table.js";
import { peersFolder } from "./borrowed-gpu.js";
import { serve } from "./child.js";
import { type Checked, errorOf, type Hello, isStep, type Prepared, type Ran } from "./protocol.js";
import {
  allowedError,
  msOf,
  type Outcome,
  peersTable,
  type RowResult,
  ratiosOf,
  reasons,
  verdictOf,
} from "./result.js";
import { type Peer, peerNames, type RowPlan, rows, tiny, type Wanted } from "./rows.js";
import { Failed, Late, Worker } from "./worker.js";

const help = `npm run bench -- peers [options]

  --only a,b       rows whose name holds one of these: ${rows.map((r) => r.name).join("; ")}
  --engines a,b    some of ${peerNames.join(", ")}; default all
  --rounds N       samples of each engine; default 5, 3 where a round takes over 5 seconds, 1 where it takes over 20
  --limit S        seconds for a run of one engine, 600 without it: one that takes longer is stopped, and listed so
  --tiny           the same rows at sizes of milliseconds: says that they run and agree, and nothing about speed
  --out FILE       .json, .md or .html; may be given more than once

The peers are installed apart, once (460 MB):   npm ci --prefix bench/peers --ignore-scripts
PyTorch is taken from python3, or from the interpreter that PYTHON names.
`;

/** Options; an unknown one is told with the list. */
function commandLine(args: string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  try {
    const out = { type: "string", multiple: true } as const;
    const options = { only: text, engines: text, rounds: text, limit: text, tiny: flag, out, help: flag, child: text };
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n\n${help}`);
  }
}

/** What the command line said. */
type Options = ReturnType<typeof commandLine>;

/** Returns the exit code. */
export async function peers(args: string[]): Promise<number> {
  const options = commandLine(args);
  if (options.child !== undefined) {
    await serve(options.child);
    return 0;
  }
  if (options.help) {
    console.log(help);
    return 0;
  }
  const plans = chosenRows(options);
  const engines = chosenEngines(options);
  const count = wholeNumber("rounds", options);
  const limit = wholeNumber("limit", options) ?? LIMIT;
  const strange = options.out?.find((file) => ![".json", ".md", ".html"].includes(extname(file)));
  if (strange !== undefined) throw new UsageError(`--out ${strange}: the name must end in .json, .md or .html.`);
  return compareAll(plans, new Crew(engines, limit), count, options.out ?? []);
}

/** The value of an option that counts something. */
function wholeNumber(name: "rounds" | "limit", { [name]: text }: Options): number | undefined {
  const n = text === undefined ? undefined : Number(text);
  if (n === undefined || (Number.isInteger(n) && n > 0)) return n;
  throw new UsageError(`--${name} ${text}: a whole number above 0 is expected.`);
}

/** Of the real sizes, or of the tiny ones. */
function chosenRows({ only, tiny: small }: Options): readonly RowPlan[] {
  const parts = (only ?? "").toLowerCase().split(",");
  const chosen = (small ? tiny : rows).filter(({ name }) => parts.some((part) => name.toLowerCase().includes(part)));
  if (!chosen.length) throw new UsageError(`--only ${only}: no row has that in its name.\n\n${help}`);
  return chosen;
}

/** Peers; ours always runs. */
function chosenEngines({ engines }: Options): readonly Peer[] {
  if (engines === undefined) return peerNames;
  return engines.split(",").map((name) => {
    const peer = peerNames.find((p) => p === name);
    if (!peer) throw new UsageError(`--engines ${name}: there is no such engine.\n\n${help}`);
    return peer;
  });
}

/** Row after row; what is there so far is in the files if something ends the run. */
async function compareAll(
  plans: readonly RowPlan[],
  crew: Crew,
  count: number | undefined,
  out: readonly string[],
): Promise<number> {
  if (!existsSync(join(peersFolder(), "node_modules"))) {
    console.log("The WebGPU peers are not installed. Once: npm ci --prefix bench/peers --ignore-scripts\n");
  }
  const results: RowResult[] = [];
  try {
    const { adapter, kind } = await crew.hello("ours");
    const head: Head = { adapter, date: new Date().toISOString().slice(0, 10), command: commandSeen() };
    console.log(`${head.adapter}\n${head.date}   ${head.command}\n\n${heading}`);
    for (const plan of plans) {
      const result = await crew.compare(plan, kind && plan.wanted[kind], count);
      results.push(result);
      console.log(lineOf(result));
      for (const reason of reasons([result])) console.log(`    ${reason}`);
      for (const file of out) write(file, head, results, crew.named()); // as it goes: the last rows take minutes
    }
  } finally {
    await crew.end();
  }
  const missed = results.filter((r) => verdictOf(r) === "misses").map((r) => r.name);
  console.log(
    `\n${missed.length ? `Below the wanted ratio: ${missed.join("; ")}` : "No row is below its wanted ratio."}`,
  );
  for (const file of out) console.log(`written: ${file}`);
  const outcomes = results.flatMap(({ ours, peers }) => [ours, ...Object.values(peers)]);
  const bad = results.some((r) => !("samples" in r.ours)) || outcomes.some((o) => "reason" in o && o.wrong);
  return bad ? 1 : 0;
}

const commandSeen = () => `npm run bench -- ${process.argv.slice(2).join(" ")}`;

/** The whole table anew. */
function write(file: string, head: Head, results: readonly RowResult[], engines: string): void {
  const table = peersTable(results, engines);
  const notes = reasons(results);
  const list = notes.length ? `\n${notes.map((n) => `- ${n}`).join("\n")}\n` : "";
  const forms: Record<string, () => string> = {
    ".json": () => `${JSON.stringify({ ...head, engines, rows: table.rows, results }, null, 2)}\n`,
    ".md": () => markdownOf("Peers", head, [table]) + list,
    ".html": () => page("Peers", head, section({ ...table, note: [table.note, ...notes].join(" ") })),
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, forms[extname(file)]!());
}

/** Columns of `lineOf`. */
const heading = `${"row".padEnd(40)}${["ours ms", ...peerNames, "best/ours", "wanted", "torch/ours", "wanted"].map((c) => c.padStart(11)).join("")}`;

/** A line for a terminal; "-" is an engine that did not run or was wrong. */
function lineOf(row: RowResult): string {
  const ratios = ratiosOf(row);
  const cells = [row.ours, ...peerNames.map((p) => row.peers[p])].map((o) => (o ? (msOf(o) ?? "-") : ""));
  const all = [...cells, ratios.webgpu, row.wanted.webgpu, ratios.torch, row.wanted.torch];
  return `${row.name.padEnd(40)}${all.map((c) => shown(c).padStart(11)).join("")}  ${verdictOf(row)}`;
}

/** Milliseconds of a step whose second update, which was run to check the first, counts as its time: another one says no more. */
const LONG = 8000;

/** Seconds for an answer unless the command line says otherwise. */
const LIMIT = 600;

/** An engine of a row that is ready to run. */
interface Ready {
  engine: "ours" | Peer;
  worker: Worker;
  prepared: Prepared & Checked;
  error: number;
}

/** The children, started when a row first needs them, and again after one died. */
class Crew {
  private readonly workers = new Map<"ours" | Peer, { worker: Worker; hello: Hello }>();
  private readonly failed = new Map<"ours" | Peer, string>();

  constructor(
    private readonly engines: readonly Peer[],
    private readonly limit: number,
  ) {}

  async hello(engine: "ours" | Peer): Promise<Hello> {
    return (await this.started(engine)).hello;
  }

  /** Names and versions of those that started. */
  named(): string {
    return [...this.workers.values()].map(({ hello }) => `${hello.name} ${hello.version}`).join(", ");
  }

  /** One row: everyone prepares, results are compared, then rounds in turn. */
  async compare({ name, task, peers }: RowPlan, wanted: Wanted = {}, count?: number): Promise<RowResult> {
    const row: RowResult = { name, task, wanted, ours: { reason: "" }, peers: {} };
    const put = (engine: "ours" | Peer, outcome: Outcome) => {
      if (engine === "ours") row.ours = outcome;
      else row.peers[engine] = outcome;
    };
    const ready: Ready[] = [];
    for (const engine of ["ours" as const, ...peers.filter((p) => this.engines.includes(p))]) {
      if (engine !== "ours" && !ready[0]) break; // nothing to compare with
      const one = await this.prepare(engine, task, ready[0]);
      if ("prepared" in one) ready.push(one);
      else put(engine, one);
    }
    await this.rounds(task, ready, count, put);
    return row;
  }

  /** Has an engine make the row's inputs and run once; its result is compared with `ours`. */
  private async prepare(engine: "ours" | Peer, task: RowPlan["task"], ours?: Ready): Promise<Ready | Outcome> {
    let checking = false;
    try {
      const { worker } = await this.started(engine);
      const first = await worker.ask<Prepared>({ do: "prepare", task });
      checking = true;
      const prepared = { ...first, ...(await worker.ask<Checked>({ do: "check" })) };
      const error = ours ? errorOf(task, prepared.sample, ours.prepared.sample) : 0;
      if (error <= allowedError(task)) return { engine, worker, prepared, error };
      await worker.ask({ do: "drop" });
      const allowed = allowedError(task).toExponential(0);
      return { reason: `its result is ${error.toExponential(1)} from ours, allowed ${allowed}`, wrong: true };
    } catch (error) {
      return failure(error, checking);
    }
  }

  /** Every engine in turn, the order turned by one each round. */
  private async rounds(
    task: RowPlan["task"],
    ready: readonly Ready[],
    asked: number | undefined,
    put: (engine: "ours" | Peer, outcome: Outcome) => void,
  ): Promise<void> {
    const round = ready.reduce((sum, { prepared }) => sum + prepared.ms, 0) / 1000;
    const count = asked ?? (round > 20 ? 1 : round > 5 ? 3 : 5);
    const timed = ({ prepared: { ms } }: Ready) => asked === undefined && isStep(task) && ms > LONG;
    const samples = new Map(ready.map((one) => [one, timed(one) ? [one.prepared.ms] : []]));
    const lost = new Set<Ready>();
    for (let n = 0; n < count; n++) {
      for (const one of [...ready.slice(n % ready.length), ...ready.slice(0, n % ready.length)]) {
        if (lost.has(one) || timed(one)) continue;
        try {
          samples.get(one)!.push((await one.worker.ask<Ran>({ do: "run" })).ms);
        } catch (error) {
          lost.add(one);
          put(one.engine, failure(error, true));
        }
      }
    }
    for (const one of ready.filter((one) => !lost.has(one))) {
      await one.worker.ask({ do: "drop" }).catch(() => {});
      put(one.engine, { samples: samples.get(one)!, firstMs: one.prepared.firstMs, error: one.error });
    }
  }

  /** The engine's child; one that could not start is not tried again. */
  private async started(engine: "ours" | Peer): Promise<{ worker: Worker; hello: Hello }> {
    const known = this.workers.get(engine);
    if (known?.worker.alive) return known;
    const before = this.failed.get(engine);
    if (before !== undefined) throw new Failed(before);
    try {
      const fresh = await Worker.start(commandOf(engine), this.limit);
      this.workers.set(engine, fresh);
      return fresh;
    } catch (error) {
      this.failed.set(engine, (error as Error).message);
      throw error;
    }
  }

  async end(): Promise<void> {
    for (const { worker } of this.workers.values()) await worker.end();
  }
}

/** Only what a child said or how it ended is a reason; anything else is our own mistake. `compiled`: it had run before. */
function failure(error: unknown, compiled: boolean): Outcome {
  if (!(error instanceof Failed)) throw error;
  if (!(error instanceof Late)) return { reason: error.message.split("\n")[0]! };
  if (compiled) return { reason: `${error.message}, after a first run`, over: error.seconds };
  return { reason: `${error.message} for the first run, compilation included` };
}

/** The command of a child. */
function commandOf(engine: "ours" | Peer): string[] {
  if (engine !== "torch") return [process.execPath, process.argv[1]!, "peers", "--child", engine];
  const python = findPython();
  if (!python) throw new Failed("no python3 with torch; PYTHON names another interpreter");
  return [python.command, "-uB", join(peersFolder(), "pytorch.py")];
}
