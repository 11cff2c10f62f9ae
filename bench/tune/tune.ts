// Finds the settings of the adapter at hand: step by step, each from where the one before has left them.

import type { Device, Family } from "../../engine/device.js";
import { scope } from "../../engine/scope.js";
import {
  everySetting,
  portable,
  type Setting,
  settings,
  type Tuning,
  valueAt,
  withSettings,
} from "../../engine/tuning/settings.js";
import { tileMisfit } from "../../engine/tuning/table.js";
import { casesOf, type Size, type TuneCase } from "./cases.js";
import { choose } from "./choose.js";
import { difference, look, repeatsOf, type Seen, time } from "./stopwatch.js";

/** Settings of a group that are varied together. */
export interface Step {
  group: string;
  names: readonly string[];
}

/** Not the gain that Winograd's form must bring: how exact results are is no question of speed. */
const order: Readonly<Record<Family, Readonly<Record<string, readonly (readonly string[])[]>>>> = {
  broadcast: {
    matmul: [["rows"], ["columns", "wideDepths"], ["depths"]],
    conv: [["rows"], ["columns", "wideDepths"], ["depths"]],
    conv_weight: [["rows"], ["columns"], ["pixels"], ["workgroups"], ["splitPixels"]],
    winograd: [["moved"]],
    elementwise: [["vecs"]],
    optimiser: [["vecs"], ["normThreads"]],
    reduce: [["threads"], ["workgroup"]],
    norm: [["threads"], ["chunks"], ["workgroup"], ["pixels"]],
    cross_entropy: [["chunks"]],
  },
  tiled: {
    matmul: [["tn", "tm", "rn", "rm"], ["tk", "buffers"], ["ku"], ["workgroups"], ["splitDepth", "maxSplits"]],
    conv: [["tn", "tm", "rn", "rm"], ["tk", "buffers"], ["ku"], ["workgroups"], ["splitDepth", "maxSplits"]],
    conv_weight: [["tn", "tm", "rn", "rm"], ["tk", "buffers"], ["ku"], ["workgroups"], ["splitDepth", "maxSplits"]],
    elementwise: [["vecs"]],
    optimiser: [["vecs"], ["normThreads"]],
    reduce: [["threads"], ["workgroup"]],
    norm: [["threads"], ["chunks"], ["workgroup"], ["pixels"]],
    rows: [["threads"], ["run"]],
  },
};

/** Groups whose kernels keep every core busy whatever the settings: CPU time says what they cost in software. */
const busy = ["matmul", "conv", "conv_weight", "winograd"];

/** Of the largest value: forms of a convolution differ by their rounding, and nothing by more. */
const ALLOWED = 1e-4;

export const groupsOf = (family: Family): string[] => Object.keys(order[family]);

export interface TuneOptions {
  /** Groups whose name begins so; default: all. */
  only?: string | undefined;
  quick: boolean;
  /** A line for people. */
  say(text: string): void;
  onRound(done: number, total: number): void;
  /** Whether to end before the next sample. */
  stopped(): boolean;
}

/** One line of the result. */
export interface Found {
  setting: string;
  portable: number;
  chosen: number;
  /** Share of the portable setting's time that the step saves. */
  gain: number;
}

/** Ends a step whose choice is not made yet. */
class Stopped extends Error {}

/** What is found so far is in `found` at any moment, also when `run` throws. */
export class Tuner {
  readonly found: Found[] = [];
  private readonly steps: Step[];
  private readonly rounds: number;
  private tuning: Tuning = portable;
  private done = 0;

  constructor(
    private readonly dev: Device,
    private readonly options: TuneOptions,
  ) {
    this.steps = Object.entries(order[dev.family])
      .filter(([group]) => group.startsWith(options.only ?? ""))
      .flatMap(([group, steps]) => steps.map((names) => ({ group, names })));
    this.rounds = options.quick ? 4 : 8;
  }

  /** Measures group after group; returns when all are done or the user has stopped it. */
  async run(): Promise<void> {
    const { dev, options } = this;
    const batch = dev.family === "tiled" ? 32 : options.quick ? 2 : 4;
    try {
      for (const group of new Set(this.steps.map((s) => s.group))) {
        await scope(async () => {
          const cases = casesOf[group]!({ batch, quick: options.quick } satisfies Size);
          const wanted: Seen[] = [];
          for (const c of cases) wanted.push(await look(dev, portable, c.run));
          for (const step of this.steps.filter((s) => s.group === group)) await this.decide(step, cases, wanted);
        });
      }
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
  }

  private async decide(step: Step, cases: readonly TuneCase[], wanted: readonly Seen[]): Promise<void> {
    const { group, names } = step;
    const { dev, rounds, options } = this;
    const paths = names.map((name) => `${dev.family}.${group}.${name}`);
    const { tunings, launches } = await this.rightOnes(this.candidates(group, names), cases, wanted);
    const repeats: number[] = [];
    for (const c of cases) repeats.push(await repeatsOf(dev, c.run));
    const byCpu = dev.family === "broadcast" && busy.includes(group);
    const { option, ratio } = await choose({
      candidates: tunings.length - 1,
      places: cases.length,
      rounds,
      twin: (option, place) => launches.findIndex((l) => l[place] === launches[option]![place]),
      stopwatch: (option, place) => {
        if (options.stopped()) throw new Stopped();
        return time(dev, tunings[option]!, cases[place]!.run, { repeats: repeats[place]!, byCpu });
      },
      onRound: () => this.tick(1),
    });
    this.tuning = tunings[option]!;
    for (const path of paths) {
      const [before, chosen] = [valueAt(portable, path), valueAt(this.tuning, path)];
      this.found.push({ setting: path, portable: before, chosen, gain: before === chosen ? 0 : 1 - ratio });
    }
    this.tick((this.steps.indexOf(step) + 1) * 2 * rounds - this.done); // no confirming rounds where nothing won
    if (option)
      options.say(`${paths.map((p) => `${p} ${valueAt(this.tuning, p)}`).join(", ")}: ${percent(1 - ratio)} less time`);
  }

  /** Every combination of the values of some settings that the adapter can run, but the one at hand. */
  private candidates(group: string, names: readonly string[]): Tuning[] {
    const { family, limits } = this.dev;
    const specs = (settings[family] as Record<string, Record<string, Setting>>)[group]!;
    const paths = names.map((name) => `${family}.${group}.${name}`);
    const changes = names.reduce<Record<string, number>[]>(
      (all, name, i) => specs[name]!.values.flatMap((value) => all.map((some) => ({ ...some, [paths[i]!]: value }))),
      [{}],
    );
    return changes
      .filter((change) => paths.some((path) => change[path] !== valueAt(this.tuning, path)))
      .map((change) => withSettings(this.tuning, change))
      .filter((tuning) => !tileMisfit(tuning, limits));
  }

  /** The tuning at hand, then those of the candidates whose results are right, with their launches at every case. */
  private async rightOnes(candidates: readonly Tuning[], cases: readonly TuneCase[], wanted: readonly Seen[]) {
    const tunings: Tuning[] = [];
    const launches: string[][] = [];
    for (const tuning of [this.tuning, ...candidates]) {
      const own: string[] = [];
      let wrong: string | undefined;
      for (const [i, c] of cases.entries()) {
        if (this.options.stopped()) throw new Stopped();
        const seen = await look(this.dev, tuning, c.run);
        own.push(seen.launches);
        const error = difference(seen.values, wanted[i]!.values);
        if (error > ALLOWED) wrong ??= `${c.name} differs by ${error.toExponential(1)} of its largest value`;
      }
      if (wrong) this.options.say(`A candidate is left out, ${JSON.stringify(changesOf(tuning))}: ${wrong}.`);
      if (wrong && tuning !== this.tuning) continue;
      tunings.push(tuning);
      launches.push(own);
    }
    return { tunings, launches };
  }

  private tick(rounds: number): void {
    if (!rounds) return;
    this.done += rounds;
    this.options.onRound(this.done, 2 * this.rounds * this.steps.length);
  }
}

/** What is not portable in a tuning. */
const changesOf = (tuning: Tuning): Record<string, number> =>
  Object.fromEntries(
    everySetting.map(([path, s]) => [path, valueAt(tuning, path), s] as const).filter(([, v, s]) => v !== s.portable),
  );

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
