// The frame of a training script: where it begins, what it logs, when it saves, how it ends.
//
//   const run = await openRun(s, { parts: { unet, adam, ema } });      goes on from the last save in s.out
//   for (let step = run.step; step < s.steps; step++) {
//     ... run.log({ loss });                                           read back only when it is printed
//     await run.endStep(step);
//   }
//   await run.finish();
//
// In s.out: settings.json, metrics.jsonl (a row a step) and the saves, step-<updates done>/ (checkpoint.ts).

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { device } from "../engine/device.js";
import { TrainingStopped, UifaceError } from "../engine/errors.js";
import { makeFolder, writeAtomic } from "../engine/io/atomic.js";
import type { Part } from "../engine/state.js";
import type { Tensor } from "../engine/tensor.js";
import { clearLeftovers, load, type Parts, save, saves } from "./checkpoint.js";
import { lockFolder } from "./lock.js";
import { Metrics, mean, type Row } from "./metrics.js";
import { Progress } from "./progress.js";
import type { Settings } from "./settings.js";

/** What every run needs among its settings. */
export type RunSettings = Settings & { out: string; steps: number; saveEvery: number };

export interface RunOptions {
  /** All that a save holds: nets, optimisers, averages. */
  parts: Parts;
  /** Steps whose saves stay. */
  milestones?: readonly number[];
}

/** Ended by a signal, after saving: no failure, but no result either. */
class Interrupted extends UifaceError {
  constructor(
    message: string,
    override readonly exitCode: number,
  ) {
    super(message);
  }
}

/** A part whose updates may have been stopped on the GPU: the optimisers. */
type Checked = Part & { updates: number; check(): Promise<void> };

const isChecked = (part: Part): part is Checked => "check" in part && "updates" in part;

/** Opens the run folder s.out for this process alone and loads its last save, if there is one. */
export async function openRun(s: RunSettings, options: RunOptions): Promise<Run> {
  makeFolder(s.out);
  const release = lockFolder(s.out);
  try {
    clearLeftovers(s.out);
    const last = saves(s.out).at(-1);
    const step = last ? load(last.path, options.parts).step : 0;
    const run = new Run(s, options, step, release);
    if (last) run.note(`Goes on from ${last.path}.${changes(s)}`);
    writeAtomic(join(s.out, "settings.json"), new TextEncoder().encode(`${JSON.stringify(s, null, 2)}\n`));
    return run;
  } catch (error) {
    release();
    throw error;
  }
}

/** What differs from the settings of the run's earlier part. */
function changes(s: Settings): string {
  let before: Settings;
  try {
    before = JSON.parse(readFileSync(join(String(s.out), "settings.json"), "utf8")) as Settings;
  } catch {
    return "";
  }
  const changed = Object.keys(s).filter((name) => JSON.stringify(s[name]) !== JSON.stringify(before[name]));
  return changed.map((name) => `\n  ${name}  ${before[name]} before, ${s[name]} now`).join("");
}

export class Run {
  private readonly metrics: Metrics;
  private readonly progress: Progress;
  /** Rows since the last printed line. */
  private rows: Row[] = [];
  private current: number;
  private signal: NodeJS.Signals | undefined;

  /** Use `openRun`. `step` is the first one to do. */
  constructor(
    private readonly s: RunSettings,
    private readonly options: RunOptions,
    readonly step: number,
    private readonly release: () => void,
  ) {
    this.current = step;
    this.metrics = new Metrics(join(s.out, "metrics.jsonl"), step);
    this.progress = new Progress(s.steps, step);
    process.on("SIGINT", this.onSignal);
    process.on("SIGTERM", this.onSignal);
  }

  /** Values of this step: numbers, or tensors of one element, which stay on the GPU until they are printed. */
  log(values: Record<string, number | Tensor>): void {
    this.metrics.log(this.current, values);
  }

  /** A line for the user that does not disturb the progress. */
  note(text: string): void {
    this.progress.note(text);
  }

  /**
   * After the updates of `step`: hands the work to the GPU, prints and saves when due.
   *
   * @throws TrainingStopped for a value that is not finite; Interrupted after a signal
   */
  async endStep(step: number): Promise<void> {
    const done = step + 1;
    this.current = done;
    await device().queue.settle();
    const saving = this.s.saveEvery > 0 && done % this.s.saveEvery === 0 && done < this.s.steps;
    if (saving || this.signal || this.metrics.full || this.progress.due || step === this.step) await this.print(done);
    if (saving || this.signal) await this.save(done);
    if (this.signal) this.interrupt(done);
  }

  /** Saves the last state and gives the folder back. */
  async finish(): Promise<void> {
    await this.print(this.current);
    const path = await this.save(this.current);
    const idle = this.step > 0 && this.current === this.step;
    this.note(
      idle ? `Nothing to do: ${path} is the end already. Raise --steps, or name another --out.` : `Done: ${path}`,
    );
    this.close();
  }

  private readonly onSignal = (signal: NodeJS.Signals): void => {
    if (this.signal) process.exit(codeOf(signal)); // the second time: at once; the saves are whole at any moment
    this.signal = signal;
    this.note("Stopping: this step is finished and saved. Once more ends at once.");
  };

  private async print(done: number): Promise<void> {
    this.rows.push(...(await this.metrics.flush()));
    await this.stopIfNotFinite(done);
    if (!this.rows.length && done === this.step) return;
    const names = [...new Set(this.rows.flatMap(({ values }) => Object.keys(values)))];
    const means = names.map((name) => [
      name,
      mean(this.rows.map(({ values }) => values[name]).filter((v) => v !== undefined)),
    ]);
    this.progress.show(done, Object.fromEntries(means));
    this.rows = [];
  }

  /** Weights from before the first bad update are still there (engine/flat.ts): they are saved, then the run ends. */
  private async stopIfNotFinite(done: number): Promise<void> {
    const lost: number[] = [];
    let reason: string | undefined;
    for (const part of Object.values(this.options.parts).filter(isChecked)) {
      const before = part.updates;
      await part.check().catch((error: unknown) => {
        if (!(error instanceof TrainingStopped)) throw error;
        reason ??= "the gradient";
      });
      lost.push(before - part.updates);
    }
    const bad = this.rows.find(({ values }) => Object.values(values).some((v) => !Number.isFinite(v)));
    if (!bad && !reason) return;
    const good = done - Math.max(0, ...lost); // updates that happened: the number of the step that went wrong
    const name =
      bad && bad.step <= good
        ? `the ${Object.keys(bad.values).find((key) => !Number.isFinite(bad.values[key]))}`
        : reason!;
    const together = new Set(lost).size < 2; // of two nets that learn by turns one goes on without the other
    const keep = () => (together ? this.keepGood(good) : "The state before it is lost: another net has learnt since.");
    const kept = reason ? await keep() : "The weights of this step may be spoilt already.";
    const named = await device()
      .reportNonfinite?.()
      .catch((error: Error) => error.message.split("\n")[0]);
    this.close();
    const last = saves(this.s.out).at(-1);
    throw new TrainingStopped(`step ${(reason ? good : bad!.step).toLocaleString("en")}: ${name} is not finite. ${kept}
  last save  ${last?.path ?? "none"}
${named ?? "With DEBUG=nan the first kernel that makes such a value is named."}
Run the same command with a lower --lr to go on from there.`);
  }

  /** Saves the state before step `good`, unless something else in it, such as running statistics, is spoilt. */
  private async keepGood(good: number): Promise<string> {
    for (const [key, part] of Object.entries(this.options.parts)) {
      for (const [name, x] of part.stateDict()) {
        if ((await x.read()).every(Number.isFinite)) continue;
        return `The state before it was not saved, because ${name} of ${key} is not finite either.`;
      }
    }
    return `The weights before it were saved as ${await this.save(good)}.`;
  }

  private save(step: number): Promise<string> {
    const { parts, milestones = [] } = this.options;
    return save(this.s.out, parts, { step, settings: this.s, milestones });
  }

  private interrupt(done: number): never {
    const { signal } = this;
    this.close();
    device().close();
    throw new Interrupted(
      `Stopped after step ${done.toLocaleString("en")} of ${this.s.steps.toLocaleString("en")}; all is saved in ${this.s.out}.
Run the same command again to go on.`,
      codeOf(signal!),
    );
  }

  private close(): void {
    process.off("SIGINT", this.onSignal);
    process.off("SIGTERM", this.onSignal);
    this.metrics.dispose();
    this.release();
  }
}

const codeOf = (signal: NodeJS.Signals): number => (signal === "SIGINT" ? 130 : 143);
