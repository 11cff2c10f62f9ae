// Times a run under a tuning, and tells runs that launch the same apart from those that do not.

import type { Device } from "../../engine/device.js";
import { scope } from "../../engine/scope.js";
import type { Tensor } from "../../engine/tensor.js";
import type { Tuning } from "../../engine/tuning/settings.js";

/** Milliseconds that a sample lasts at least: many short runs, or one long one. */
const ENOUGH = { broadcast: 15, tiled: 2 } as const;
const MOST_REPEATS = 200;

/** What a run did: its launches as a text, and its result. */
export interface Seen {
  launches: string;
  values: ArrayLike<number>;
}

/** Runs once under a tuning, which compiles what it needs. */
export async function look(dev: Device, tuning: Tuning, run: () => Tensor): Promise<Seen> {
  const launches: string[] = [];
  dev.tuning = tuning;
  dev.inspect = ({ kernel, constants, params, grid }) =>
    launches.push(JSON.stringify([kernel, constants, params, grid]));
  try {
    return await scope(async () => {
      const values = await run().read();
      return { launches: launches.join(), values };
    });
  } finally {
    dev.inspect = undefined;
  }
}

/** max|got - want| / max|want|; infinite where a value is not finite. */
export function difference(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let [error, size] = [0, Number.MIN_VALUE];
  for (let i = 0; i < want.length; i++) {
    const off = Math.abs(got[i]! - want[i]!);
    if (!Number.isFinite(off)) return Number.POSITIVE_INFINITY;
    error = Math.max(error, off);
    size = Math.max(size, Math.abs(want[i]!));
  }
  return error / size;
}

/** How many runs make a sample. */
export async function repeatsOf(dev: Device, run: () => Tensor): Promise<number> {
  await dev.queue.idle();
  const start = performance.now();
  scope(() => void run());
  await dev.queue.idle();
  const ms = Math.max(performance.now() - start, 0.01);
  return Math.min(MOST_REPEATS, Math.max(1, Math.round(ENOUGH[dev.family] / ms)));
}

/**
 * Milliseconds of one run under a tuning.
 *
 * @param byCpu   the process's CPU time in the place of the clock: for adapters in software, where another program stretches
 *                the clock but not the work. Blind to idle cores, so only for settings that leave all of them busy.
 */
export async function time(
  dev: Device,
  tuning: Tuning,
  run: () => Tensor,
  { repeats, byCpu }: { repeats: number; byCpu: boolean },
): Promise<number> {
  dev.tuning = tuning;
  const all = () => {
    for (let i = 0; i < repeats; i++) scope(() => void run());
  };
  if (!byCpu && dev.gpu.features.has("timestamp-query")) {
    const timeline = await dev.profile(all);
    return Math.max(timeline.reduce((sum, t) => sum + t.ms, 0) / repeats, 1e-6);
  }
  await dev.queue.idle();
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  all();
  await dev.queue.idle();
  const { user, system } = process.cpuUsage(cpu);
  const ms = byCpu ? (user + system) / 1000 : performance.now() - start;
  return Math.max(ms / repeats, 1e-6);
}
