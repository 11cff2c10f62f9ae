// Checks every case, then times them in turn, round after round, with GPU timestamps; medians count.

import type { Device } from "../engine/device.js";
import { scope } from "../engine/scope.js";
import { type Case, type Group, worst } from "./case.js";
import { copyCeiling, fmaCeiling } from "./ceilings.js";
import { floorOf, rateOf } from "./floors.js";

export interface Row {
  stem: string;
  name: string;
  kernels: string[];
  ms: number;
  rate: number;
  unit: "GFLOP/s" | "GB/s";
  /** Of the ceiling measured in the same rounds. */
  share: number;
  /** The share that --floor asks for. */
  floor?: number;
  /** max|got - want| / max|want|. */
  error: number;
}

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
    const rates = new Map(cases.map((c, i) => [c.name, rateOf(c.work, timings[i]!.ms)]));
    const [fma, copy] = [rates.get(cases[0]!.name)!, rates.get(cases[1]!.name)!];

    return cases.map((c, i): Row => {
      const ceiling = "flops" in c.work ? fma : copy;
      const floor = floorOf(c, dev.kind, ceiling, rates);
      const rate = rates.get(c.name)!;
      return {
        stem: i < 2 ? "ceiling" : group.stem,
        name: c.name,
        kernels: timings[i]!.kernels,
        ms: timings[i]!.ms,
        rate,
        unit: "flops" in c.work ? "GFLOP/s" : "GB/s",
        share: rate / ceiling,
        error: errors[i]!,
        ...(floor === undefined ? {} : { floor: floor / ceiling }),
      };
    });
  });
}

interface Timing {
  ms: number;
  kernels: string[];
}

async function checked(group: Group, c: Case): Promise<number> {
  const error = worst(await scope(() => c.check(c.run())));
  if (error <= c.allowed) return error;
  throw new WrongResult(`${group.stem}, ${c.name}: the result is wrong.
  error    ${error.toExponential(1)} of the largest value, in float64
  allowed  ${c.allowed.toExponential(1)}
Nothing was timed.`);
}

async function time(dev: Device, { run, only }: Case): Promise<Timing> {
  const timeline = await dev.profile(() => scope(() => void run()));
  const counted = timeline.filter(({ kernel }) => !only || only.test(kernel));
  return { ms: counted.reduce((sum, t) => sum + t.ms, 0), kernels: [...new Set(counted.map((t) => t.kernel))] };
}

const median = (times: readonly Timing[]): Timing => [...times].sort((a, b) => a.ms - b.ms)[times.length >> 1]!;
