// The child: one engine, one device, one task at a time, a line of JSON for each answer.

import { createInterface } from "node:readline";
import { describe } from "../../engine/adapter.js";
import { lendGpu, wake } from "./borrowed-gpu.js";
import type { Engine, Job } from "./engine.js";
import { open as openJax } from "./jax.js";
import { open as openOrt } from "./ort.js";
import { open as openOurs } from "./ours.js";
import { type Checked, type Hello, type Prepared, type Ran, type Request, runsBefore, sampleOf } from "./protocol.js";
import { open as openTfjs } from "./tfjs.js";

/** The WebGPU engines, by what the parent calls them. */
const peers = { jax: openJax, tfjs: openTfjs, ort: openOrt };

/** Milliseconds that one answer to `run` fills, beside which a wait of one is small; and runs in it at most. */
const FILL = 25;
const MOST = 20;
/** A warm-up of its own only before runs shorter than this. */
const LONG = 8000;

/** Serves until its input ends. Libraries may print what they like: it goes to stderr. */
export async function serve(name: string): Promise<void> {
  const write = process.stdout.write.bind(process.stdout);
  const answer = (line: object) => write(`${JSON.stringify(line)}\n`);
  console.log = console.info = console.debug = console.error;
  const opened = await attempt(() => open(name));
  if ("error" in opened) {
    answer(opened);
    return;
  }
  const { engine, close, ...where } = opened;
  answer({ name: engine.name, version: engine.version, ...where } satisfies Hello);
  const session = new Session(engine);
  for await (const line of createInterface({ input: process.stdin })) {
    answer(await attempt(() => session.answer(JSON.parse(line) as Request)));
  }
  close();
}

/** Errors become answers, without the stack: the parent shows one line. */
async function attempt<T extends object>(work: () => Promise<T>): Promise<T | { error: string }> {
  try {
    return await work();
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function open(name: string): Promise<Pick<Hello, "adapter" | "kind"> & { engine: Engine; close: () => void }> {
  if (name === "ours") {
    const { engine, device } = await openOurs();
    const { kind } = device;
    return { engine, adapter: `${describe(device.info)} (${kind})`, kind, close: () => device.close() };
  }
  const adapter = await lendGpu();
  const openPeer = peers[name as keyof typeof peers];
  return { engine: await openPeer(), adapter, close: () => process.exit(0) };
}

/** One task at a time. */
class Session {
  private job: Job | undefined;
  private runsBefore = 1;
  /** Milliseconds of the last run. */
  private ms = 0;
  private repeats = 1;

  constructor(private readonly engine: Engine) {}

  async answer(request: Request): Promise<object> {
    switch (request.do) {
      case "prepare":
        this.job = await this.engine.prepare(request.task);
        this.runsBefore = runsBefore(request.task);
        this.ms = await this.time(1);
        return { firstMs: this.ms } satisfies Prepared;
      case "check":
        return this.check();
      case "run":
        return { ms: (await this.time(this.repeats)) / this.repeats } satisfies Ran;
      case "drop":
        this.job?.drop();
        this.job = undefined;
        return {};
    }
  }

  /** Runs until the result can be compared, and finds how many runs fill an answer. */
  private async check(): Promise<Checked> {
    for (let n = 1; n < this.runsBefore; n++) this.ms = await this.time(1);
    const sample = sampleOf(await this.job!.result());
    if (this.ms < LONG) this.ms = await this.time(1);
    this.repeats = Math.min(MOST, Math.max(1, Math.round(FILL / this.ms)));
    return { ms: this.ms, sample };
  }

  /** Milliseconds of some runs one after the other, without a wait between them. */
  private async time(runs: number): Promise<number> {
    await this.engine.idle();
    const start = performance.now();
    for (let n = 0; n < runs; n++) {
      wake();
      await this.job!.run();
    }
    wake();
    await this.engine.idle();
    return performance.now() - start;
  }
}
