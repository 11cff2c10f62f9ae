// Learning rates and averaging decays as pure functions of the step, so that a resumed run needs no scheduler state.
// `step` counts updates from 0: the value is the one used by update number `step`. Numbers are PyTorch's.

import { UsageError } from "./errors.js";

/** Times `gamma` at each milestone reached (PyTorch MultiStepLR). */
export function multiStep(
  step: number,
  { lr, milestones, gamma = 0.1 }: { lr: number; milestones: readonly number[]; gamma?: number },
): number {
  // Multiplied one by one, as PyTorch does: 0.1 * 0.1 * 0.1 is not 0.1 ** 3 in the last bit.
  return milestones.filter((milestone) => step >= milestone).reduce((rate) => rate * gamma, lr);
}

/** Half a cosine wave from `lr` to `minimum` over `period` steps; beyond, it swings back (PyTorch CosineAnnealingLR). */
export function cosine(
  step: number,
  { lr, period, minimum = 0 }: { lr: number; period: number; minimum?: number },
): number {
  return minimum + ((lr - minimum) * (1 + Math.cos((Math.PI * step) / period))) / 2;
}

export interface Restarts {
  lr: number;
  /** Length of the first cycle, in steps. */
  firstCycle: number;
  /** Each cycle is this many times as long as the one before (a whole number). */
  cycleFactor?: number;
  minimum?: number;
}

/**
 * Cosine annealing with warm restarts (Loshchilov and Hutter 2017; PyTorch CosineAnnealingWarmRestarts):
 *
 *   lr_k = minimum + (lr - minimum) (1 + cos(pi (k - s_i) / T_i)) / 2        T_i = firstCycle cycleFactor^i
 *
 * where cycle i begins at s_i. The paper's 10,000 and 2 restart at 10k, 30k, 70k, 150k, 310k, 630k.
 */
export function cosineRestarts(step: number, { lr, firstCycle, cycleFactor = 1, minimum = 0 }: Restarts): number {
  if (!(firstCycle >= 1) || !Number.isInteger(cycleFactor) || cycleFactor < 1) {
    throw new UsageError(
      `cosine restarts: firstCycle ${firstCycle} and cycleFactor ${cycleFactor} must be at least 1, the factor whole.`,
    );
  }
  let start = 0;
  let period = firstCycle;
  if (cycleFactor === 1) start = Math.floor(step / period) * period;
  else {
    while (step >= start + period) {
      start += period;
      period *= cycleFactor;
    }
  }
  return cosine(step - start, { lr, period, minimum });
}

/**
 * How an average of the weights follows them.
 *   "official-noop"   decay 0: what the released code does, where the computed decay never reaches the tensor it is
 *                     meant for, so that the "average" is the weights themselves (docs/quirks.md)
 *   "power"           what that code means to do: 1 - (1 + step)^-0.75, at most 0.9999
 *   a number          that decay (the paper: 0.999), with the power rule as warm-up cap
 */
export type EmaRule = "official-noop" | "power" | number;

const power = 0.75; // inv_gamma 1.0 and power 0.75 of the released configuration
const powerLimit = 0.9999; // its max_value

/** The decay d of update n (from 1): average <- d average + (1 - d) weights. The first update copies the weights. */
export function emaDecay(update: number, rule: EmaRule): number {
  const step = Math.max(0, update - 1);
  if (rule === "official-noop" || step === 0) return 0;
  if (typeof rule === "number" && !(rule >= 0 && rule < 1)) {
    throw new UsageError(`ema: the decay is ${rule}, but must lie in [0, 1).`);
  }
  return Math.min(rule === "power" ? powerLimit : rule, 1 - (1 + step) ** -power);
}
