// Checks every case, then times them in turn, round after round: medians of GPU timestamps.
//
// On a software adapter the work is the process's own, so its CPU time is taken as well: other programs on the machine
// stretch the clock, by 4 in some minutes and by 1 in others, but not the CPU time. It does not see idle cores.

import type { Device } from "../engine/device.js";
import { scope } from "../engine/scope.js";
import { type Case, type Group, worst } from "./case.js";
import { copyCeiling, fmaCeiling } from "./ceilings.js";
import { floorOf, rateOf } from "./floors.js";

/** A line of the table. */
export interface Row {
  stem: string;
  name: string;
  why?: string;
  kernels: string[];
  /** The median of the samples. */
  ms: number;
  /** Milliseconds of each round: what the comparison of two runs takes its noise from. */
  samples: number[];
  rate: number;
  unit: "GFLOP/s" | "GB/s";
  /** Of the ceiling measured in the same rounds. */
  share: number;
  /** The same share by CPU time; software adapters only. */
  cpuShare?: number;
  /** The share that --floor asks for, of either. */
  floor?: number;
  /** max|got - want| / max|want|. */
  error: number;
}

/** A kernel is fast and wrong: nothing of its group is timed. */
export class WrongResult extends Error {}

/** The rows of one group, and before them the two ceilings. */
export function measure(dev: Device, group: Group, rounds: number): Promise<Row[]> {
  return scope(async () => {
    const cases = [fmaCeiling(), copyCeiling(), ...group.make()];
    const errors: number[] = [];
    for (const c of cases) errors.push(await checked(group, c));

    const samples = cases.map((): Timing[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, c] of cases.entries()) samples[i]!.push(await time(dev, c));
    }
    const timings = samples.map(median);
    const cpu = dev.family === "broadcast" ? await cpuTimes(dev, cases, timings, rounds) : undefined;
    const rates = new Map(cases.map((c, i) => [c.name, rateOf(c.work, timings[i]!.ms)]));
    const [fma, copy] = [rates.get(cases[0]!.name)!, rates.get(cases[1]!.name)!];

    return cases.map((c, i): Row => {
      const bound = "flops" in c.work ? 0 : 1; // the ceiling that holds for it
      const ceiling = bound ? copy : fma;
      const floor = floorOf(c, dev.kind, ceiling, rates);
      const rate = rates.get(c.name)!;
      const cpuShare = cpu && rateOf(c.work, cpu[i]!) / rateOf(cases[bound]!.work, cpu[bound]!);
      return {
        stem: i < 2 ? "ceiling" : group.stem,
        name: c.name,
        ...(c.why && { why: c.why }),
        kernels: timings[i]!.kernels,
        ms: timings[i]!.ms,
        samples: samples[i]!.map((t) => t.ms),
        rate,
        unit: bound ? "GB/s" : "GFLOP/s",
        share: rate / ceiling,
        error: errors[i]!,
        ...(cpuShare === undefined ? {} : { cpuShare }),
        ...(floor === undefined ? {} : { floor: floor / ceiling }),
      };
    });
  });
}

/** Milliseconds of a row's runs beside which the host's own work is small. */
const CPU_ENOUGH = 20;

interface Timing {
  ms: number;
  kernels: string[];
}

/** Runs a case once, which compiles it as well, and returns its error. */
async function checked(group: Group, c: Case): Promise<number> {
  const error = worst(await scope(() => c.check(c.run())));
  if (error <= c.allowed) return error;
  throw new WrongResult(`${group.stem}, ${c.name}: the result is wrong.
  error    ${error.toExponential(1)} of the largest value, in float64
  allowed  ${c.allowed.toExponential(1)}
Nothing was timed.`);
}

/** One run by GPU timestamps: all its dispatches, without the gaps between them. */
async function time(dev: Device, { run }: Case): Promise<Timing> {
  const timeline = await dev.profile(() => scope(() => void run()));
  return { ms: timeline.reduce((sum, t) => sum + t.ms, 0), kernels: [...new Set(timeline.map((t) => t.kernel))] };
}

/** CPU milliseconds of one run of each case, the least of all rounds. */
async function cpuTimes(
  dev: Device,
  cases: readonly Case[],
  timings: readonly Timing[],
  rounds: number,
): Promise<number[]> {
  const best = cases.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++) {
    for (const [i, { run }] of cases.entries()) {
      const repeats = Math.ceil(CPU_ENOUGH / timings[i]!.ms);
      await dev.queue.idle();
      const start = process.cpuUsage();
      for (let n = 0; n < repeats; n++) scope(() => void run());
      await dev.queue.idle();
      const { user, system } = process.cpuUsage(start);
      best[i] = Math.min(best[i]!, (user + system) / 1000 / repeats);
    }
  }
  return best;
}

/** The upper one of two in the middle. */
const median = (times: readonly Timing[]): Timing => [...times].sort((a, b) => a.ms - b.ms)[times.length >> 1]!;
